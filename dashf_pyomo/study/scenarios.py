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
from typing import Any, NoReturn

from formulations import Extra, InputError, Scenario
from formulations.arrays import shown
from formulations.documents import canonical
from formulations.families import draw, families
from formulations.scenario import GENERATOR_ARGUMENTS, NUMERIC_FIELDS
from formulations.schema import Place, conform

from .study_file import FilesTable, GivenTable, GridTable

__all__ = ["PlannedScenario", "planned"]

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
    """

    sha256: str
    name: str
    group: str
    n_users: int
    n_servers: int
    seed: int | None
    document: bytes
    kinds: frozenset[Extra] = frozenset()

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
        yield PlannedScenario.of(_limited(given.given, given.constraints, place), given.name)
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
            yield PlannedScenario.of(_limited(scenario, entry.constraints, place), entry.name)


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
            label += [f"{key} {_short(value)}" for key, value in entry.constraints.items()]
        group = ", ".join([*label, *(f"{key} {_short(value)}" for key, value in point.items())])
        for (users, servers), seed in itertools.product(sizes, seeds):
            arguments: dict[str, Any] = {"preset": entry.preset, "readings": entry.readings, **entry.set, **point}
            try:
                drawn = draw(family, users, servers, seed, **arguments)
            except InputError as error:
                _blame(entry, place, str(error))
            yield PlannedScenario.of(_limited(drawn, entry.constraints, place), group)


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
    place.at("grid").only(entry.grid, known)
    for key, values in entry.grid.items():
        if key in entry.set:
            place.at("grid", key).fail("given under set too; expected one or the other")
        place.at("grid", key).once(values)


def _limited(scenario: Scenario, constraints: Mapping[str, Any], place: Place) -> Scenario:
    """Return a scenario with the extra constraints that its entry declares.

    Raises
    ------
    InputError
        If there can be none such, or the scenario declares one of them itself.
    """
    declared = {key: _nulls(value) for key, value in constraints.items()}
    try:
        return scenario.with_constraints(declared)
    except InputError as error:
        named = [key for key in declared if _word(key, str(error).partition(";")[0])]
        at = place.at("constraints", *named[:1])
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
    return f"{value:g}" if isinstance(value, (int, float)) else shown(value)
