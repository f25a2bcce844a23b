"""The tables and keys of a study file, and what values they may hold."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationInfo, field_validator

from formulations import Scenario
from formulations.families import families
from formulations.families.family import DEFAULT_FAMILY
from formulations.schema import Table, expected, refused

from ..algorithms import Limits, configure, methods

__all__ = ["CellLimits", "FilesTable", "GivenTable", "GridTable", "MethodTable", "ReportSettings", "StudyTable"]


def _wholes(least: int) -> PlainValidator:
    """Return what reads a whole number, a list of them, or a range such as ``"0..49"``."""
    wanted = f"a whole number of at least {least}, a list of them, or a range such as '0..49'"

    def read(value: Any) -> tuple[int, ...]:
        if isinstance(value, str):
            first, dots, last = value.partition("..")
            if not dots or not (first.isdecimal() and last.isdecimal()) or int(first) > int(last):
                raise refused(wanted)
            if int(last) - int(first) >= 1_000_000:
                raise refused("a range of at most a million")
            value = range(int(first), int(last) + 1)
        values = tuple(value) if isinstance(value, (list, tuple, range)) else (value,)
        if not values:
            raise refused("at least one number")
        if not all(isinstance(item, int) and not isinstance(item, bool) and item >= least for item in values):
            raise refused(wanted)
        if len(set(values)) < len(values):
            raise refused("each number once")
        return values

    return PlainValidator(read)


def _families(value: Any) -> tuple[str, ...]:
    """Return the names of families, of which there may be a single one."""
    names = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not names or not all(isinstance(name, str) and name in families for name in names):
        raise refused(f"some of {', '.join(families)}")
    return names


def _dotted(values: Any) -> Any:
    """Return a grid with ``{"constraints": {"delay_limit": [...]}}`` as ``{"constraints.delay_limit": [...]}``."""
    if not isinstance(values, dict):
        return values
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= {f"{key}.{inner}": item for inner, item in value.items()} if isinstance(value, dict) else {key: value}
    return found


Text = Annotated[str, Field(strict=True, pattern=r"\S")]
_Count = Annotated[int, Field(strict=True, ge=1)]
_Several = Annotated[list[Any], Field(min_length=1), expected("a list of values to go through")]
_Values = Annotated[dict[str, Any], Field(default_factory=dict)]


class CellLimits(Table):
    """Limits of a cell.

    Parameters
    ----------
    time
        Wall time, s, handed to the method.
    memory
        Most memory on top of what its warm worker holds, MB.
    gap, threads
        As in `Limits`.
    grace
        Seconds beyond `time` after which the cell is killed.
    """

    time: Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, lt=1e9)] = 60.0
    memory: Annotated[int, Field(strict=True, ge=1, le=10**9)] = 4000
    gap: Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, lt=1)] = 1e-3
    threads: Annotated[int, Field(strict=True, ge=1, le=1024)] = 1
    grace: Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, lt=1e9)] = 10.0

    def of_method(self) -> Limits:
        """Return the limits that the method is told."""
        return Limits(time_limit=self.time, gap=self.gap, threads=self.threads)


class ReportSettings(Table):
    """Settings of the report.

    Parameters
    ----------
    targets
        Relative distances to the best known SCR that count as reaching it, in time to target.
    reference
        Name of the variant that the others are compared with, or empty for the first.
    attribution
        Name of a variant of `dashf` whose gap is attributed to its parts, or empty. Its cells are run again with each
        part swapped for a better one, see `SWAPS`.
    scenario_pages
        Number of scenarios that are shown in full.
    """

    targets: Annotated[
        tuple[Annotated[float, Field(strict=True, gt=0, lt=1)], ...],
        Field(min_length=1, max_length=4),
        AfterValidator(lambda targets: tuple(sorted(targets))),
        expected("one to four numbers above 0 and below 1"),
    ] = (0.01, 0.1)
    reference: Annotated[str, Field(strict=True)] = ""
    attribution: Annotated[str, Field(strict=True)] = ""
    scenario_pages: Annotated[int, Field(strict=True, ge=0, le=1000)] = 4


class GivenTable(Table):
    """A scenario from Python."""

    given: Scenario
    name: Text = "given"
    constraints: _Values
    objective: _Values


class FilesTable(Table):
    """Scenarios from files."""

    files: Annotated[
        list[Text],
        Field(min_length=1),
        expected("a list of names of scenario files, patterns such as 'cases/*.json' among them"),
    ]
    name: Text = "files"
    constraints: _Values
    objective: _Values


class GridTable(Table):
    """Scenarios from a grid of a generator."""

    name: Text = ""
    family: Annotated[tuple[str, ...], PlainValidator(_families)] = (DEFAULT_FAMILY,)
    users: Annotated[tuple[int, ...], _wholes(1)] = (10,)
    servers: Annotated[tuple[int, ...], _wholes(1)] = (2,)
    sizes: Annotated[
        tuple[Annotated[list[_Count], Field(min_length=2, max_length=2)], ...],
        Field(min_length=1),
        expected("a list of pairs [users, servers], both whole numbers of at least 1"),
    ] = ()
    seeds: Annotated[tuple[int, ...], _wholes(0)] = (0,)
    draws: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 0
    preset: Text = "default"
    readings: _Values
    set: _Values
    grid: Annotated[dict[str, _Several], BeforeValidator(_dotted), Field(default_factory=dict)]
    constraints: _Values
    objective: _Values


def _tables(entries: Any, info: ValidationInfo) -> Any:
    if not isinstance(entries, (list, tuple)) or not entries:
        raise refused(f"at least one table [[{info.field_name}]]")
    return entries


def _method(name: str) -> str:
    if name not in methods:
        raise refused(f"one of {', '.join(methods)}")
    return name


_Repeats = Annotated[int, Field(strict=True, ge=1, le=10_000)]


class MethodTable(Table):
    """An entry of ``[[methods]]``."""

    method: Annotated[str, Field(strict=True), AfterValidator(_method)]
    name: Text = ""
    options: Annotated[dict[str, Any], Field(default_factory=dict, validate_default=True)]
    limits: CellLimits = CellLimits()
    repeats: _Repeats = 1

    @field_validator("options")
    @classmethod
    def _taken(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "method" in info.data:
            configure(info.data["method"], options)
        return options


class StudyTable(Table):
    """The whole file."""

    name: Text = "study"
    seed: Annotated[int, Field(strict=True, ge=0, le=2**63)] = 0
    repeats: _Repeats = 1
    limits: CellLimits = CellLimits()
    methods: Annotated[list[MethodTable], BeforeValidator(_tables)]
    report: ReportSettings = ReportSettings()
    scenarios: Annotated[list[dict[str, Any]], BeforeValidator(_tables)]
