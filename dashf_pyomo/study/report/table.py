"""A table of a report: rows that know their cells; as HTML, CSV and LaTeX."""

from __future__ import annotations

import csv
import html
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ...result import bound_text

__all__ = ["Number", "Table", "ranges"]


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
    def bound(cls, value: float | None) -> Number:
        """Return an upper bound, rounded upwards."""
        return cls(math.nan, "none") if value is None else cls(value, bound_text(value))

    @classmethod
    def percent(cls, value: float | None) -> Number:
        """Return a share as a percentage."""
        return cls.of(value, ".2%")


Entry = str | int | Number


@dataclass
class Table:
    """A table.

    Parameters
    ----------
    name
        Name of its files, and anchor on the page.
    title, caption
        What it shows, and how its numbers come about.
    columns
        Heads.
    rows
        Entries of each row.
    cells
        Positions of the cells that each row is made of.
    """

    name: str
    title: str
    caption: str
    columns: Sequence[str]
    rows: list[Sequence[Entry]] = field(default_factory=list)
    cells: list[Sequence[int]] = field(default_factory=list)

    def add(self, entries: Sequence[Entry], cells: Iterable[int]) -> None:
        """Add a row with the positions of its cells.

        Raises
        ------
        ValueError
            If the row has another number of entries than there are columns.
        """
        if len(entries) != len(self.columns):
            raise ValueError(f"table {self.name}: {len(entries)} entries; expected {len(self.columns)}")
        self.rows.append(entries)
        self.cells.append(sorted(set(cells)))

    def _numeric(self) -> list[bool]:
        return [all(not isinstance(row[i], str) for row in self.rows) for i in range(len(self.columns))]

    def to_html(self) -> str:
        """Return a sortable table; the last column leads to the cells of the row."""
        heads = "".join(
            f'<th scope="col"{" class=number" if right else ""}><button type="button">{html.escape(head)}</button></th>'
            for head, right in zip(self.columns, self._numeric(), strict=True)
        )
        lines = [
            f'<section id="{self.name}"><h2>{html.escape(self.title)}</h2>',
            f"<p>{html.escape(self.caption)}</p>",
            '<div class="scroll"><table class="sortable"><thead>',
            f'<tr>{heads}<th scope="col">cells</th></tr></thead><tbody>',
        ]
        for entries, cells in zip(self.rows, self.cells, strict=True):
            body = "".join(_html_entry(entry) for entry in entries)
            link = f'<td><button type="button" class="cells" data-cells="{ranges(cells)}">{len(cells)}</button></td>'
            lines.append(f"<tr>{body}{link}</tr>")
        lines.append("</tbody></table></div></section>")
        return "\n".join(lines)

    def to_csv(self) -> str:
        """Return the table as CSV, numbers in full, with the positions of the cells of each row."""
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([*self.columns, "cells"])
        for entries, cells in zip(self.rows, self.cells, strict=True):
            values = [_csv_entry(entry) for entry in entries]
            writer.writerow([*values, ranges(cells)])
        return buffer.getvalue()

    def to_latex(self) -> str:
        """Return the table as LaTeX, for the package booktabs."""
        lines = [
            f"% {self.title}. {self.caption}".replace("\n", " "),
            f"\\begin{{tabular}}{{{''.join('r' if right else 'l' for right in self._numeric())}}}",
            "\\toprule",
            " & ".join(_latex(head) for head in self.columns) + " \\\\",
            "\\midrule",
            *(" & ".join(_latex(_text(entry)) for entry in row) + " \\\\" for row in self.rows),
            "\\bottomrule",
            "\\end{tabular}",
        ]
        return "\n".join(lines) + "\n"


def ranges(positions: Sequence[int]) -> str:
    """Return sorted positions as text, runs as ``first-last``."""
    parts: list[str] = []
    start = previous = None
    for position in [*positions, None]:
        if previous is not None and position == previous + 1:
            previous = position
            continue
        if start is not None:
            parts.append(f"{start}" if start == previous else f"{start}-{previous}")
        start = previous = position
    return ",".join(parts)


def _text(entry: Entry) -> str:
    return entry.text if isinstance(entry, Number) else str(entry)


def _csv_entry(entry: Entry) -> str:
    if not isinstance(entry, Number):
        return str(entry)
    return entry.text if math.isnan(entry.value) else repr(entry.value)


def _html_entry(entry: Entry) -> str:
    if isinstance(entry, str):
        return f"<td>{html.escape(entry)}</td>"
    value = float(entry.value if isinstance(entry, Number) else entry)
    sorted_by = "" if math.isnan(value) else repr(value)  # what is not a number sorts behind everything that is
    return f'<td class="number" data-value="{sorted_by}">{html.escape(_text(entry))}</td>'


_SPECIAL = {
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "<": r"\textless{}",
    ">": r"\textgreater{}",
}  # fmt: skip


def _latex(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in text)
