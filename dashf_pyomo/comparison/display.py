"""Display of a comparison as text and in a notebook: a table with a few lines below it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from formulations import markup

from ..notebook import number
from ..result import bound_text

if TYPE_CHECKING:
    from rich.table import Table

    from .comparison import Comparison, MethodRow

__all__ = ["html", "interruptions", "remarks", "rich_table", "text"]

_COLUMNS = ("method", "SCR", "gap", "time (s)", "status", "ended")
_NUMBERS = ("SCR", "gap", "time (s)")

#: Columns of a text that goes to no terminal.
_WIDTH = 160


def rich_table(comparison: Comparison) -> Table:
    """Return the rows as a table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(_title(comparison)), title_justify="left")
    for column in _COLUMNS:
        table.add_column(column, justify="right" if column in _NUMBERS else "left")
    for row in comparison.rows:
        table.add_row(*map(Text, _cells(row)))
    return table


def remarks(comparison: Comparison) -> list[str]:
    """Return what is to be said below the table: the bound, stricter problems, methods that were left out."""
    from ..algorithms.willing import advice

    if comparison.bound is None:
        said = "no method proved a bound: how far these are from the optimum is unknown"
        lines = [f"{said}; {advice([comparison.scenario])}"]
    else:
        lines = [f"no allocation has an SCR above {bound_text(comparison.bound)} ({comparison.bound_source})"]
    lines += [
        f"* {row.name} solves a stricter problem ({row.restriction}); the bound is one of the scenario"
        for row in comparison.rows
        if row.restriction
    ]
    if comparison.left_out:
        lines.append(f"left out, as they cannot honour this scenario: {', '.join(comparison.left_out)}")
    return lines


def interruptions(comparison: Comparison) -> list[str]:
    """Return why rows are missing: the user interrupted, or methods were lost."""
    if comparison.interrupted:
        return [f"interrupted; {comparison.ended} of {len(comparison)} methods have ended"]
    return [comparison.lost] if comparison.lost else []


def text(comparison: Comparison) -> str:
    """Return a comparison as plain text."""
    from rich.console import Console

    buffer = io.StringIO()
    console = Console(
        file=buffer, width=_WIDTH, highlight=False, color_system=None, force_terminal=False, force_jupyter=False
    )
    console.print(rich_table(comparison))
    lines = [*_contradictions(comparison), buffer.getvalue().rstrip("\n")]
    return "\n".join([*lines, *remarks(comparison), *interruptions(comparison)])


def html(comparison: Comparison) -> str:
    """Return a comparison as HTML."""
    parts = [markup.paragraph(line, strong=True) for line in _contradictions(comparison)]
    parts.append(markup.table(_title(comparison), _COLUMNS, map(_cells, comparison.rows), _NUMBERS))
    parts += [markup.paragraph(line) for line in (*remarks(comparison), *interruptions(comparison))]
    return "".join(parts)


def _title(comparison: Comparison) -> str:
    return f"{comparison.scenario.name or 'the scenario'}: gaps"


def _contradictions(comparison: Comparison) -> list[str]:
    return [f"CONTRADICTION: {line}" for line in comparison.contradictions]


def _cells(row: MethodRow) -> tuple[str, ...]:
    return (
        row.name,
        number(row.scr),
        "none" if row.gap is None else f"{row.gap:.3%}" + ("*" if row.restriction else ""),
        f"{row.wall_time:.3f}" if row.ended else "",
        row.status if row.outcome == "done" else row.outcome,
        row.message,
    )
