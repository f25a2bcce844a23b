"""The page: everything in one file, nothing from elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ...objectives import SCR, name_of
from .cell_rows import CellRow
from .charts import Chart
from .result_tables import restricted_text
from .sheets import Sheet
from .study_data import StudyData
from .table import ReportTable
from .templating import as_html

__all__ = ["page"]

#: Tables that stand above everything: what the rest must not be read without.
_FIRST = ("contradictions", "versions")
#: Characters of the description that are shown.
_SOURCE = 100_000


def page(
    data: StudyData,
    tables: Sequence[ReportTable],
    pictures: Sequence[Chart],
    sheets: Sequence[Sheet],
    undrawn: Sequence[str] = (),
) -> str:
    """Return the report as one HTML document.

    Parameters
    ----------
    data
        The study.
    tables, pictures, sheets
        Contents in order; contradictions and different versions come first in any case.
    undrawn
        A line for each picture that is missing because it cannot be drawn.
    """
    cells = [_shown(data, cell) for cell in data.cells]
    return as_html(
        "page.html",
        name=data.about.name,
        summary=_summary(data),
        source=data.about.source[:_SOURCE],
        first=[table for table in tables if table.name in _FIRST],
        tables=[table for table in tables if table.name not in _FIRST],
        pictures=pictures,
        sheets=sheets,
        undrawn=undrawn,
        columns=list(cells[0]),
        rows=[list(cell.values()) for cell in cells],
    )


def _summary(data: StudyData) -> str:
    counts = Counter("failed" if cell.failed else "done" if cell.ended else "missing" for cell in data.distinct)
    bounded = sum(scenario.bound is not None for scenario in data.scenarios.values())
    said = (
        f"Scenarios: {len(data.scenarios)}; variants of methods: {len(data.variants)}; cells: {len(data.distinct)}, "
        f"{counts['done']} done, {counts['failed']} failed, {counts['missing']} missing. "
        f"Scenarios with a certified bound: {bounded} of {len(data.scenarios)}. Master seed {data.about.seed}."
    )
    if len(data.measures) > 1:
        said += (
            f" Scenarios have different objectives ({'; '.join(data.measures)}): values are compared and averaged only "
            "among those of the same."
        )
    if data.contradictions:
        said += " There are contradictions, see above."
    elif bounded:
        said += " No bound contradicts any allocation."
    if data.mixed_versions:
        said += " Cells were run by different versions of the code, see above."
    return said + restricted_text(data)


def _shown(data: StudyData, cell: CellRow) -> dict[str, Any]:
    """Return what the page shows of a cell, by column."""
    return {
        "cell": cell.position,
        "key": cell.key[:12],
        "scenario": f"{data.names.get(cell.scenario, '')} ({cell.group})",
        "method": cell.variant,
        "repeat": cell.repeat,
        "outcome": cell.outcome,
        "status": cell.status,
        data.value_name: cell.verified,
        "upper bound" if data.value_name == name_of(SCR) else "bound": cell.bound,
        "gap": data.scenarios[cell.scenario].gap(cell),
        "time (s)": cell.wall_time,
        "message": cell.message[:160],
    }
