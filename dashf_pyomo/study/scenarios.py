"""The scenarios of a study: grids of the generators, and files."""

from __future__ import annotations

import glob
import hashlib
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from formulations import Extra, InputError, Scenario
from formulations.arrays import shown
from formulations.documents import canonical
from formulations.families import draw, families
from formulations.scenario import GENERATOR_ARGUMENTS, NUMERIC_FIELDS
from formulations.schema import Place, conform

from ..objectives import SCR, measure_of, name_of
from .study_file import FilesTable, GivenTable, GridTable

__all__ = ["PlannedScenario", "planned"]

#: How keys of a grid begin that are declared, not drawn.
_DECLARED = ("constraints.", "objective.")

#: What stands in a list of limits for none, as TOML has no null.
NO_LIMIT = "none"


@dataclass(frozen=True)
class PlannedScenario:
    """A scenario of a study.

    Parameters
    ----------
    sha256
        As `Scenario.sha256`.
    name, group
        Its own name, and the name of its entry in the description with the point of the grid.
    n_users, n_servers, seed
        As in `Scenario`.
    document
        The canonical JSON, compressed.
    kinds
        Kinds of extra constraints that it declares.
    objective, measure
        The kind of its objective, and what values of it are, see `measure_of`.
    """

    sha256: str
    name: str
    group: str
    n_users: int
    n_servers: int
    seed: int | None
    document: bytes
    kinds: frozenset[Extra] = frozenset()
    objective: str = SCR
    measure: str = name_of(SCR)

    @classmethod
    def of(cls, scenario: Scenario, group: str) -> PlannedScenario:
        """Return a scenario as studies keep it."""
        text = canonical(scenario.to_dict()).encode()
        return cls(
            sha256=hashlib.sha256(text).hexdigest(),
            name=scenario.name,
            group=group,
            n_users=scenario.n_users,
            n_servers=scenario.n_servers,
            seed=scenario.seed,
            document=zlib.compress(text),
            kinds=scenario.extra_kinds,
            objective=str(scenario.objective.kind),
            measure=measure_of(scenario.objective),
        )

    def scenario(self) -> Scenario:
        """Return the scenario itself."""
        return Scenario.from_dict(json.loads(zlib.decompress(self.document)))


def planned(
    entry: Mapping[str, Any], place: Place, folder: Path, drawn_seed: Callable[[int], int]
) -> Iterator[PlannedScenario]:
    """Yield the scenarios of one entry of a description.

    Parameters
    ----------
    entry
        The entry: ``files``, or a grid of a generator, or (from Python) a `Scenario` under the key ``given``.
    place
        Place of the entry in its document.
    folder
        Folder that relative names of files start from.
    drawn_seed
        Gives the seed of each draw where the entry says how many, not which.

    Raises
    ------
    InputError
        If a scenario cannot be.
    """
    if "given" in entry:
        given = conform(GivenTable, entry, place)
        yield PlannedScenario.of(_declared(given.given, given, place), given.name)
    elif "files" in entry:
        yield from _from_files(conform(FilesTable, entry, place), place, folder)
    else:
        place.only(entry, [*GridTable.model_fields, "files"])
        yield from _from_grid(conform(GridTable, entry, place), place, drawn_seed)


def _from_files(entry: FilesTable, place: Place, folder: Path) -> Iterator[PlannedScenario]:
    for pattern in entry.files:
        found = sorted(glob.glob(str(folder / pattern), recursive=True))
        if not found:
            place.at("files").fail(f"no file fits {pattern!r} in {folder}; expected scenario files")
        for path in found:
            try:
                scenario = Scenario.read(path)
            except InputError as error:
                place.at("files").fail(str(error))
            yield PlannedScenario.of(_declared(scenario, entry, place), entry.name)


def _from_grid(entry: GridTable, place: Place, drawn_seed: Callable[[int], int]) -> Iterator[PlannedScenario]:
    _check_grid(entry, place)
    sizes = entry.sizes or list(itertools.product(entry.users, entry.servers))
    seeds = tuple(map(drawn_seed, range(entry.draws))) or entry.seeds
    points = [dict(zip(entry.grid, values, strict=True)) for values in itertools.product(*entry.grid.values())]
    for family, point in itertools.product(entry.family, points):
        label = [entry.name or family]
        if entry.name and len(entry.family) > 1:
            label.append(family)
        if not entry.name:
            declared = itertools.chain(entry.constraints.items(), entry.objective.items())
            label += [f"{key} {_short(value)}" for key, value in declared]
        steps = (f"{key.partition('.')[2] or key} {_short(value)}" for key, value in point.items())
        group = ", ".join([*label, *steps])
        drawn_by = {key: value for key, value in point.items() if not key.startswith(_DECLARED)}
        for (users, servers), seed in itertools.product(sizes, seeds):
            arguments: dict[str, Any] = {"preset": entry.preset, "readings": entry.readings, **entry.set, **drawn_by}
            try:
                drawn = draw(family, users, servers, seed, **arguments)
            except InputError as error:
                _blame(entry, place, str(error))
            yield PlannedScenario.of(_declared(drawn, entry, place, point), group)


def _check_grid(entry: GridTable, place: Place) -> None:
    """Raise `InputError` if keys of an entry do not go together, or something is given twice."""
    for key, rivals in (("sizes", ("users", "servers")), ("seeds", ("draws",))):
        for rival in rivals:
            if {key, rival} <= entry.model_fields_set:
                place.at(rival).fail(f"given beside {key}; expected one or the other")
    place.at("family").once(entry.family)
    place.at("sizes").once(entry.sizes)
    first, *others = (families[name].options for name in entry.family)
    known = [*(name for name in first if all(name in options for options in others)),
             *GENERATOR_ARGUMENTS, *NUMERIC_FIELDS]  # fmt: skip
    place.at("set").only(entry.set, known)
    place.at("grid").only([key for key in entry.grid if not key.startswith(_DECLARED)], known)
    for key, values in entry.grid.items():
        table, _, inner = key.rpartition(".")
        if inner in getattr(entry, table or "set"):
            place.at("grid", key).fail(f"given under {table or 'set'} too; expected one or the other")
        place.at("grid", key).once(values)


def _declared(
    scenario: Scenario,
    entry: GivenTable | FilesTable | GridTable,
    place: Place,
    point: Mapping[str, Any] = MappingProxyType({}),
) -> Scenario:
    """Return a scenario with the extra constraints and the objective that its entry and a point of its grid declare.

    Raises
    ------
    InputError
        If there can be none such, or the scenario declares one of them itself.
    """
    both = {}
    for table in ("constraints", "objective"):
        start = f"{table}."
        steps = {key.removeprefix(start): value for key, value in point.items() if key.startswith(start)}
        both[table] = {**getattr(entry, table), **steps}
    declared = {key: _nulls(value) for key, value in both["constraints"].items()}
    table = "constraints"
    try:
        limited = scenario.with_constraints(declared)
        table = "objective"
        if not both[table]:
            return limited
        if scenario.objective.to_dict() is not None:
            raise InputError("objective is declared by the scenario itself; expected it once")
        return limited.replace(objective=both[table])
    except InputError as error:
        named = [key for key in both[table] if _word(key, str(error).partition(";")[0])]
        stepped = bool(named) and f"{table}.{named[0]}" in point
        at = place.at("grid", f"{table}.{named[0]}") if stepped else place.at(table, *named[:1])
        at.fail(f"{error} ({scenario.name})" if scenario.name else str(error))


def _nulls(value: Any) -> Any:
    """Return limits with None for those that are none."""
    if isinstance(value, (list, tuple)):
        return [None if isinstance(item, str) and item == NO_LIMIT else item for item in value]
    return value


def _blame(entry: GridTable, place: Place, said: str) -> NoReturn:
    """Raise `InputError` with what a generator said, at the key that it names first, or at the entry."""
    paths = [
        *(("grid", key) for key in entry.grid),
        *(("set", key) for key in entry.set),
        *(("readings", key) for key in entry.readings),
        *((key,) for key in ("preset", "users", "servers", "seeds") if key in entry.model_fields_set),
    ]
    found = said.partition(";")[0]
    named = [(match.start(), path) for path in paths if (match := _word(path[-1], found))]
    _, path = min(named, key=lambda item: item[0], default=(0, ()))
    place.at(*path).fail(said)


def _word(key: str, text: str) -> re.Match[str] | None:
    return re.search(rf"(?<!\w){re.escape(key)}(?!\w)", text)


def _short(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:g}"
    return value if isinstance(value, str) else shown(value)
