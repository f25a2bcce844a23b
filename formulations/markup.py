"""Tables in HTML, as notebooks show them; every text is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

__all__ = ["facts_table", "paragraph", "table"]

_LEFT, _RIGHT = ' style="text-align:left"', ' style="text-align:right"'


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[str] = ()) -> str:
    """Return a table.

    Parameters
    ----------
    title
        What stands above it, empty for nothing.
    columns
        Heads of the columns.
    rows
        A text for every column each.
    numbers
        The columns that hold numbers, which are set to the right.
    """
    sides = [_RIGHT if column in numbers else _LEFT for column in columns]
    head = "".join(f"<th{side}>{html.escape(column)}</th>" for column, side in zip(columns, sides, strict=True))
    lines = (
        "".join(f"<td{side}>{html.escape(text)}</td>" for text, side in zip(row, sides, strict=True)) for row in rows
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table>{_caption(title)}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def facts_table(title: str, facts: Iterable[tuple[str, str]]) -> str:
    """Return a table of facts: what is told, and the fact, row by row."""
    rows = "".join(
        f"<tr><th{_LEFT}>{html.escape(name)}</th><td{_LEFT}>{html.escape(text)}</td></tr>" for name, text in facts
    )
    return f"<table>{_caption(title)}<tbody>{rows}</tbody></table>"


def paragraph(text: str, *, strong: bool = False) -> str:
    """Return a text as a paragraph."""
    return f"<p><strong>{html.escape(text)}</strong></p>" if strong else f"<p>{html.escape(text)}</p>"


def _caption(title: str) -> str:
    return f'<caption style="text-align:left;white-space:nowrap">{html.escape(title)}</caption>' if title else ""
