"""A table of a report: rows that know their cells; as HTML, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ...objectives import SCR, bound_text
from .templating import as_html_section, as_latex, ranges

__all__ = ["Number", "ReportTable", "TableRow"]


@dataclass(frozen=True)
class Number:
    """A number and how it is shown; infinite and not-a-number values are shown as their text says."""

    value: float
    text: str

    @classmethod
    def of(cls, value: float | None, spec: str = ".4g") -> Number:
        """Return a number by a format, ``none`` for None and not-a-number."""
        if value is None or math.isnan(value):
            return cls(math.nan, "none")
        return cls(value, "never" if math.isinf(value) else format(value, spec))

    @classmethod
    def bound(cls, value: float | None, kind: str = SCR) -> Number:
        """Return a bound on an objective, an upper one rounded upwards, a lower one downwards."""
        return cls(math.nan, "none") if value is None else cls(value, bound_text(value, kind=kind))

    @classmethod
    def percent(cls, value: float | None) -> Number:
        """Return a share as a percentage."""
        return cls.of(value, ".2%")

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        return self.text


Entry = str | int | Number


class TableRow(NamedTuple):
    """A row of a table, and the positions of the cells that it is made of."""

    entries: Sequence[Entry]
    cells: Sequence[int]


@dataclass
class ReportTable:
    """A table.

    Parameters
    ----------
    name
        Name of its files, and anchor on the page.
    title, caption
        Contents, and how the numbers come about.
    columns
        Heads.
    rows
        What `add` has added.
    """

    name: str
    title: str
    caption: str
    columns: Sequence[str]
    rows: list[TableRow] = field(default_factory=list)

    def add(self, entries: Sequence[Entry], cells: Iterable[int]) -> None:
        """Add a row with the positions of its cells.

        Raises
        ------
        ValueError
            If the row has another number of entries than there are columns.
        """
        if len(entries) != len(self.columns):
            raise ValueError(f"table {self.name}: {len(entries)} entries; expected {len(self.columns)}")
        self.rows.append(TableRow(entries, sorted(set(cells))))

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds numbers only."""
        return [all(not isinstance(row.entries[i], str) for row in self.rows) for i in range(len(self.columns))]

    def to_html(self) -> str:
        """Return a sortable table; the last column leads to the cells of the row."""
        return as_html_section(self)

    def to_csv(self) -> str:
        """Return the table as CSV, numbers in full, with the positions of the cells of each row."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([*self.columns, "cells"])
        for row in self.rows:
            writer.writerow([*map(_in_full, row.entries), ranges(row.cells)])
        return buffer.getvalue()

    def to_latex(self) -> str:
        """Return the table as LaTeX, for the package booktabs."""
        return as_latex(self)


def _in_full(entry: Entry) -> str:
    return repr(entry.value) if isinstance(entry, Number) and not math.isnan(entry.value) else str(entry)
