"""Trace entries as rows of a table: one set of columns for the live table and for the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from ..objectives import bound_text, name_of
from ..result_data import relative_gap
from ..trace import EntryKind, TraceEntry

__all__ = ["Column", "TraceRow", "TraceRows", "fitting", "heading", "line"]

#: Texts of a trace entry, by the heads of their columns.
TraceRow = Mapping[str, str]


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Parameters
    ----------
    head
        Heading of the column.
    width
        Characters that its texts usually take.
    rank
        The larger, the earlier it goes where there is no room.
    show
        Returns its text for an entry, empty where the entry has no such fact.
    """

    head: str
    width: int
    rank: int
    show: Callable[[TraceEntry], str]


def _count(key: str) -> Callable[[TraceEntry], str]:
    return lambda entry: "" if entry.facts.get(key) is None else str(entry.facts[key])


def _amount(value: float | None) -> str:
    return "" if value is None else f"{value:#.7g}"


def _bound(entry: TraceEntry) -> str:
    return "" if entry.bound is None else bound_text(entry.bound, 7, entry.objective)


def _deadlines(entry: TraceEntry) -> str:
    ends = entry.facts.get("deadlines")
    return "" if ends is None else f"{ends[0]:.4g} to {ends[1]:.4g}"


def _gap(entry: TraceEntry) -> str:
    gap = relative_gap(entry.best, entry.bound)
    return "" if gap is None else f"{gap:.3%}"


def _event(entry: TraceEntry) -> str:
    """Return what the entry is about; a solver's long remark is kept, on one line."""
    said = entry.contradiction or entry.note or entry.phase
    return " ".join(said.split()) or ("bound" if entry.kind is EntryKind.BOUND else "")


#: Stands for the column of values, whose head is the objective.
_VALUE = Column("value", 9, 9, lambda entry: _amount(entry.value))
_SPEED = "cells/s"
_COLUMNS = (
    Column("time (s)", 8, 0, lambda entry: f"{entry.time:.1f}"),
    Column("T (s)", 14, 3, _deadlines),
    Column("boxes", 5, 4, _count("boxes")),
    Column("depth", 5, 7, _count("depth")),
    Column("columns", 7, 6, _count("columns")),
    Column("rounds", 6, 8, _count("rounds")),
    Column(_SPEED, 7, 5, _count(_SPEED)),
    Column("nodes", 8, 4, _count("nodes")),
    _VALUE,
    Column("bound", 9, 0, _bound),
    Column("incumbent", 9, 0, lambda entry: _amount(entry.best)),
    Column("gap", 8, 0, _gap),
    Column("event", 10, 2, _event),
)


@cache
def _columns(kind: str) -> tuple[Column, ...]:
    """Return all columns for entries with an objective."""
    head = name_of(kind)
    value = replace(_VALUE, head=head, width=max(_VALUE.width, len(head)))
    return tuple(value if column is _VALUE else column for column in _COLUMNS)


class TraceRows:
    """Makes rows; a column appears once an entry has a fact for it, and stays.

    Attributes
    ----------
    columns
        Those that have appeared, in the order of the table.
    """

    def __init__(self) -> None:
        self.columns: tuple[Column, ...] = ()
        self._time, self._cells = 0.0, 0

    @property
    def bounded(self) -> bool:
        """Whether there was a bound."""
        return any(column.head == "bound" for column in self.columns)

    def row(self, entry: TraceEntry) -> TraceRow:
        """Return the texts of an entry."""
        entry = replace(entry, facts={**entry.facts, _SPEED: self._speed(entry)})
        known = _columns(entry.objective)
        row = {column.head: column.show(entry) for column in known}
        self.columns = tuple(column for column in known if row[column.head] or column in self.columns)
        return row

    def _speed(self, entry: TraceEntry) -> str | None:
        """Return the cells proved per second since the entry before that counts them."""
        cells = entry.facts.get("cells")
        if cells is None:
            return None
        seconds, proved = entry.time - self._time, cells - self._cells
        self._time, self._cells = entry.time, cells
        return f"{proved / seconds:.0f}" if seconds > 0.0 else None


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """Return the columns that fit into a number of characters, two between any two of them."""
    kept = list(columns)
    while sum(column.width + 2 for column in kept) > width and any(column.rank for column in kept):
        kept.remove(max(kept, key=lambda column: column.rank))
    return kept


def heading(columns: Sequence[Column]) -> str:
    """Return the line above the lines."""
    return "  ".join(_aligned(column, column.head) for column in columns).rstrip()


def line(columns: Sequence[Column], row: TraceRow) -> str:
    """Return a row as a line; a hyphen stands for what is not known."""
    return "  ".join(_aligned(column, row[column.head] or "-") for column in columns).rstrip()


def _aligned(column: Column, text: str) -> str:
    return text.ljust(column.width) if column.head == "event" else text.rjust(column.width)
