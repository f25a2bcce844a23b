"""Writing a report: the page, and its figures and tables as files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from formulations import InputError

from ...files import file_names
from ...pictures.isolation import Attempts
from ..export import csv_text, table
from ..store import Store
from .audit_tables import contradictions_table, failures_table, machines_table, versions_table
from .charts import all_charts
from .names import names_table
from .page import page
from .result_tables import attribution_table, bounds_table, duels_table, gaps_table, times_table
from .sheets import sheets
from .study_data import StudyData
from .table import ReportTable

__all__ = ["write_report"]


def write_report(store: Store, folder: Path | None = None, data: StudyData | None = None) -> Path:
    """Write the report on what a store holds.

    Parameters
    ----------
    store
        The store; cells that have not ended are missing in the report, which says so.
    folder
        Folder of the report; ``report`` beside the store by default. It gets ``index.html``, which needs no other file,
        ``figures/*.png`` and ``*.pdf``, ``tables/*.csv`` and ``*.tex``, and ``cells.csv`` with all cells.
    data
        Contents of the store, where it has been read already.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        If nothing has ended yet, or the folder cannot be written.
    BackendError
        If a picture cannot be drawn; the rest of the report is written by then, and says so.
    """
    data = StudyData.of(store) if data is None else data
    if not any(cell.ended for cell in data.cells):
        raise InputError(f"{store.path}: no cell has ended yet; expected some to report on")
    folder = store.folder / "report" if folder is None else folder
    try:
        for name in ("figures", "tables"):  # before the work, which takes a while
            (folder / name).mkdir(parents=True, exist_ok=True)
            if not os.access(folder / name, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _unwritable(folder, error) from None
    attempts = Attempts()
    tables, pictures, shown = _tables(data), all_charts(data, attempts), list(sheets(data, store, attempts))
    try:
        for name in ("figures", "tables"):
            for old in (folder / name).iterdir():
                if old.suffix in (".png", ".pdf", ".csv", ".tex"):  # of an earlier report
                    old.unlink()
        for picture in pictures:
            (folder / "figures" / f"{picture.name}.png").write_bytes(picture.png)
            (folder / "figures" / f"{picture.name}.pdf").write_bytes(picture.pdf)
        for number, sheet in enumerate(shown):
            for name, content in zip(file_names(sheet.pictures), sheet.pictures.values(), strict=True):
                (folder / "figures" / f"scenario-{number}-{name}.png").write_bytes(content)
        for item in [*tables, *(sheet.table for sheet in shown)]:
            (folder / "tables" / f"{item.name}.csv").write_text(item.to_csv(), encoding="utf-8")
            (folder / "tables" / f"{item.name}.tex").write_text(item.to_latex(), encoding="utf-8")
        (folder / "cells.csv").write_text(csv_text(table(store)), encoding="utf-8")
        place = folder / "index.html"
        place.write_text(page(data, tables, pictures, shown, attempts.failures), encoding="utf-8")
    except OSError as error:
        raise _unwritable(folder, error) from None
    attempts.complain()
    return place


def _tables(data: StudyData) -> list[ReportTable]:
    """Return the tables in the order of the page, those without rows left out."""
    tables = [
        contradictions_table(data),
        versions_table(data),
        gaps_table(data),
        bounds_table(data),
        times_table(data),
        *([duels_table(data)] if len(data.scenarios) > 1 else []),
        attribution_table(data),
        names_table(data),
        failures_table(data),
        machines_table(data),
    ]
    return [table for table in tables if table.rows]


def _unwritable(folder: Path, error: OSError) -> InputError:
    """Return what is said of a folder that takes no report."""
    return InputError(f"{folder}: cannot be written ({error.strerror or error}); expected a folder for the report (-o)")
