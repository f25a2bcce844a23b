"""Comparison of methods on one scenario: rows, a frame, a table as text and in a notebook, a picture, a page."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from formulations import InputError, Scenario, markup
from formulations.documents import write_document

from ..errors import BackendError, optional_package
from ..files import file_names, writing
from ..notebook import number
from ..objectives import SCR, bound_sentence, name_of
from ..result import Result
from ..result_data import relaxation_of

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table

    from ..pictures import Picture

__all__ = ["Comparison", "MethodRow", "interruptions", "remarks", "rich_table"]


#: Columns of a frame, from rows and their results, and what they hold.
_FRAME = {
    "method": "string", "scr": "float64", "gap": "float64", "score": "float64", "delay": "float64",
    "energy": "float64", "wall_time": "float64", "upper_bound": "float64", "outcome": "string", "status": "string",
    "message": "string", "restriction": "string", "objective": "string", "value": "float64", "bound": "float64",
}  # fmt: skip

#: Columns of a text that goes to no terminal.
_WIDTH = 160


@dataclass(frozen=True)
class MethodRow:
    """Result of one method on the scenario.

    Parameters
    ----------
    name, method
        Name in the comparison, and name of the method.
    outcome, status, message
        End of its process (``done``, ``error``, ``crash``, ``overdue``, ``memory``, or ``missing`` without one),
        the status of the result, and a line for people.
    value, bound
        Value of the objective that was found, and bound proved, or None.
    gap
        Distance of its value to the best bound, relative, or None.
    restriction
        Its demand on the allocation beyond the scenario, empty if there is none.
    wall_time
        Seconds.
    failed
        Whether it ended without a result that counts.
    result
        The result, or None.
    """

    name: str
    method: str
    outcome: str
    status: str
    message: str
    value: float | None
    bound: float | None
    gap: float | None
    restriction: str
    wall_time: float
    failed: bool
    result: Result | None = field(repr=False)

    @property
    def ended(self) -> bool:
        """Whether it was run to some end."""
        return self.outcome != "missing"

    @property
    def scr(self) -> float | None:
        """The SCR of its allocation, whatever the objective, or None."""
        return None if self.result is None else self.result.scr

    @property
    def upper_bound(self) -> float | None:
        """The bound proved where it is one on the SCR, else None."""
        return None if self.result is None else self.result.upper_bound


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """Methods on one scenario, and their gaps to the best bound that any of them proves and no one refutes.

    It shows itself as a table, in text and in a notebook; iterating over it gives the rows.

    Parameters
    ----------
    scenario
        The problem.
    rows
        One for each method, in the order asked for.
    bound, bound_source
        The best bound on the objective of any allocation, and where it comes from; None where no method proved one.
    contradictions
        A line for each bound that a verified allocation refutes; such bounds are not used.
    left_out
        Default methods that refuse the scenario.
    interrupted
        Whether the user interrupted it.
    lost
        Why methods were lost that have no row with an end, empty if none was.
    study
        The store of the study that it ran as.
    """

    scenario: Scenario
    rows: tuple[MethodRow, ...]
    bound: float | None
    bound_source: str | None
    contradictions: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    interrupted: bool = False
    lost: str = ""
    study: bytes = b""

    def __iter__(self) -> Iterator[MethodRow]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def objective(self) -> str:
        """The kind of the objective that values and bounds are of."""
        return str(self.scenario.objective.kind)

    @property
    def results(self) -> Mapping[str, Result]:
        """The results by the names of the methods, of those that returned one."""
        return MappingProxyType({row.name: row.result for row in self.rows if row.result is not None})

    @property
    def bound_of(self) -> str:
        """The relaxation of the scenario that the bound was proven for, empty where it is the scenario itself."""
        return relaxation_of(self.bound_source)

    @property
    def ended(self) -> int:
        """The number of methods that have ended."""
        return sum(row.ended for row in self.rows)

    def __repr__(self) -> str:
        return f"Comparison({self.scenario!r}, {self.ended} of {len(self)} methods, bound={self.bound!r})"

    def __str__(self) -> str:
        return _text(self)

    def _repr_html_(self) -> str:
        return _html(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the gaps as a JSON document (format ``dashf-gap``, version 1), which ``dashf gap --json`` prints."""
        return {
            "format": "dashf-gap",
            "version": 1,
            "scenario_sha256": self.scenario.sha256,
            "objective": self.objective,
            "sense": str(self.scenario.objective.sense),
            "bound": self.bound,
            "upper_bound": self.bound if self.objective == SCR else None,
            "bound_source": self.bound_source,
            "bound_of": self.bound_of or None,
            "contradictions": list(self.contradictions),
            "methods": [
                {
                    "method": row.name,
                    "outcome": row.outcome,
                    "status": row.status or None,
                    "message": row.message,
                    "value": row.value,
                    "bound": row.bound,
                    "scr": row.scr,
                    "upper_bound": row.upper_bound,
                    "gap": row.gap,
                    "restriction": row.restriction or None,
                    "wall_time": row.wall_time,
                }
                for row in self.rows
            ],
        }

    def frame(self) -> DataFrame:
        """Return the rows as a pandas DataFrame, by the names of the methods.

        Raises
        ------
        MissingPackageError
            If pandas is not installed.
        """
        pandas = optional_package("pandas", "study")
        columns = {
            name: pandas.Series([getattr(row, name, getattr(row.result, name, None)) for row in self.rows], dtype=kind)
            for name, kind in _FRAME.items()
        }
        frame: DataFrame = pandas.DataFrame(columns)
        return frame.set_axis(pandas.Index([row.name for row in self.rows], name="name"))

    def plot(self) -> Picture:
        """Return a picture of all results: value, delay and energy, value over time, the association of the best.

        It is a matplotlib figure, which a notebook shows.

        Raises
        ------
        InputError
            If there is no result.
        """
        from ..pictures import picture_of_comparison

        return picture_of_comparison(self.scenario, list(self.results.values()), list(self.results))

    def html(self) -> str:
        """Return the report as one HTML page with pictures; what cannot be drawn is missing there, which it says.

        Raises
        ------
        InputError
            If no method has ended.
        """
        return self._page()[0]

    def write_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one HTML page with pictures.

        Raises
        ------
        InputError
            If no method has ended, or the place cannot be written.
        BackendError
            If a picture cannot be drawn; the page is written by then, and says so.
        """
        page, failure = self._page()
        with writing(path):
            Path(path).write_text(page, encoding="utf-8")
        if failure is not None:
            raise failure

    def _page(self) -> tuple[str, Exception | None]:
        """Return the page, and what could not be drawn."""
        from ..study.report import write_report
        from ..study.store import FILE, Store

        if not self.ended:
            raise InputError("no method has ended; expected one to report on")
        failure: Exception | None = None
        with tempfile.TemporaryDirectory(prefix="dashf-gap-", ignore_cleanup_errors=True) as folder:
            Path(folder, FILE).write_bytes(self.study)
            with Store(folder) as store:
                try:
                    write_report(store, Path(folder, "report"))
                except BackendError as error:
                    failure = error
            return Path(folder, "report", "index.html").read_text(encoding="utf-8"), failure

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Write the scenario, the gaps and every result as JSON: ``scenario.json``, ``gaps.json``, ``<name>.json``.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        place = Path(folder)
        with writing(folder):
            place.mkdir(parents=True, exist_ok=True)
        self.scenario.write(place / "scenario.json")
        write_document(place / "gaps.json", self.to_dict())
        files = file_names(self.results, taken=("scenario", "gaps"))
        for file, result in zip(files, self.results.values(), strict=True):
            result.write(place / f"{file}.json")


def rich_table(comparison: Comparison) -> Table:
    """Return the rows as a table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(_title(comparison)), title_justify="left")
    columns, numbers = _columns(comparison)
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
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
        lines = [f"{bound_sentence(comparison.objective, comparison.bound)} ({comparison.bound_source})"]
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


def _text(comparison: Comparison) -> str:
    """Return a comparison as plain text."""
    from rich.console import Console

    buffer = io.StringIO()
    console = Console(
        file=buffer, width=_WIDTH, highlight=False, color_system=None, force_terminal=False, force_jupyter=False
    )
    console.print(rich_table(comparison))
    lines = [*_contradictions(comparison), buffer.getvalue().rstrip("\n")]
    return "\n".join([*lines, *remarks(comparison), *interruptions(comparison)])


def _html(comparison: Comparison) -> str:
    """Return a comparison as HTML."""
    parts = [markup.paragraph(line, strong=True) for line in _contradictions(comparison)]
    columns, numbers = _columns(comparison)
    parts.append(markup.table(_title(comparison), columns, map(_cells, comparison.rows), numbers))
    parts += [markup.paragraph(line) for line in (*remarks(comparison), *interruptions(comparison))]
    return "".join(parts)


def _columns(comparison: Comparison) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the heads of the columns, and those of numbers."""
    name = name_of(comparison.objective)
    return ("method", name, "gap", "time (s)", "status", "ended"), (name, "gap", "time (s)")


def _title(comparison: Comparison) -> str:
    objective = comparison.scenario.objective
    said = f", {objective.said}" if objective.aspects else ""
    return f"{comparison.scenario.name or 'the scenario'}: gaps{said}"


def _contradictions(comparison: Comparison) -> list[str]:
    return [f"CONTRADICTION: {line}" for line in comparison.contradictions]


def _cells(row: MethodRow) -> tuple[str, ...]:
    return (
        row.name,
        number(row.value),
        "none" if row.gap is None else f"{row.gap:.3%}" + ("*" if row.restriction else ""),
        f"{row.wall_time:.3f}" if row.ended else "",
        row.status if row.outcome == "done" else row.outcome,
        row.message,
    )
