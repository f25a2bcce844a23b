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
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from formulations import Extra, InputError, Scenario
from formulations.arrays import shown
from formulations.documents import canonical
from formulations.families import draw, families
from formulations.families.family import DEFAULT_FAMILY
from formulations.scenario import GENERATOR_ARGUMENTS, NUMERIC_FIELDS

from .section import Section

__all__ = ["SCENARIO_KEYS", "PlannedScenario", "planned"]

SCENARIO_KEYS = (
    "name", "family", "users", "servers", "sizes", "seeds", "draws", "preset", "readings", "set", "grid", "constraints",
)  # fmt: skip

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


def planned(entry: Section, folder: Path, drawn_seed: Callable[[int], int]) -> Iterator[PlannedScenario]:
    """Yield the scenarios of one entry of a description.

    Parameters
    ----------
    entry
        The entry: ``files``, or a grid of a generator, or (from Python) a `Scenario` under the key ``given``.
    folder
        What relative names of files start from.
    drawn_seed
        Gives the seed of each draw where the entry says how many, not which.

    Raises
    ------
    InputError
        If a scenario cannot be.
    """
    if "given" in entry:
        entry.only("given", "name", "constraints")
        if not isinstance(entry.values["given"], Scenario):
            entry.refuse("given", "a Scenario")
        yield PlannedScenario.of(_limited(entry, entry.values["given"]), entry.text("name", "given"))
    elif "files" in entry:
        yield from _files(entry, folder)
    else:
        yield from _grid(entry, drawn_seed)


def _files(entry: Section, folder: Path) -> Iterator[PlannedScenario]:
    entry.only("files", "name", "constraints")
    patterns = entry.values["files"]
    if not isinstance(patterns, (list, tuple)) or not patterns or not all(isinstance(p, str) and p for p in patterns):
        entry.refuse("files", "a list of names of scenario files, patterns such as 'cases/*.json' among them")
    for pattern in patterns:
        found = sorted(glob.glob(str(folder / pattern), recursive=True))
        if not found:
            entry.fail("files", f"no file fits {pattern!r} in {folder}; expected scenario files")
        for path in found:
            scenario = _limited(entry, entry.within("files", partial(Scenario.read, path)))
            yield PlannedScenario.of(scenario, entry.text("name", "files"))


def _grid(entry: Section, drawn_seed: Callable[[int], int]) -> Iterator[PlannedScenario]:
    entry.only(*SCENARIO_KEYS, "files")
    names = _families(entry)
    sizes, seeds = _sizes(entry), _seeds(entry, drawn_seed)
    fixed, grid = entry.section("set"), entry.section("grid")
    common = [name for name in families[names[0]].options if all(name in families[other].options for other in names)]
    for section in (fixed, grid):
        section.only(*common, *GENERATOR_ARGUMENTS, *NUMERIC_FIELDS)
    readings = entry.section("readings").values
    preset = entry.text("preset", "default")
    for family, point in itertools.product(names, _points(grid, fixed)):
        label = [entry.text("name", family)]
        if "name" in entry and len(names) > 1:
            label.append(family)
        if "name" not in entry:
            label += [f"{key} {_short(value)}" for key, value in entry.section("constraints").values.items()]
        group = ", ".join([*label, *(f"{key} {_short(value)}" for key, value in point.items())])
        for (users, servers), seed in itertools.product(sizes, seeds):
            arguments: dict[str, Any] = {"preset": preset, "readings": readings, **fixed.values, **point}
            try:
                drawn = draw(family, users, servers, seed, **arguments)
            except InputError as error:
                _blame(entry, point, str(error))
            yield PlannedScenario.of(_limited(entry, drawn), group)


def _limited(entry: Section, scenario: Scenario) -> Scenario:
    """Return a scenario with the extra constraints that its entry declares.

    Raises
    ------
    InputError
        If there can be none such, or the scenario declares one of them itself.
    """
    section = entry.section("constraints")
    declared = {key: _nulls(value) for key, value in section.values.items()}
    try:
        return scenario.with_constraints(declared)
    except InputError as error:
        named = next((key for key in declared if _word(key, str(error).partition(";")[0])), None)
        section.fail(named, f"{error} ({scenario.name})" if scenario.name else str(error))


def _nulls(value: Any) -> Any:
    """Return limits with None for those that are none."""
    if isinstance(value, (list, tuple)):
        return [None if isinstance(item, str) and item == NO_LIMIT else item for item in value]
    return value


def _blame(entry: Section, point: Mapping[str, Any], said: str) -> NoReturn:
    """Raise `InputError` with what a generator said, at the key that it names first, or at the entry."""
    fixed, readings = entry.section("set"), entry.section("readings")
    places = [
        *((key, entry.section("grid")) for key in point),
        *((key, fixed) for key in fixed.values),
        *((key, readings) for key in readings.values),
        *((key, entry) for key in ("preset", "users", "servers", "seeds") if key in entry),
    ]
    found = said.partition(";")[0]
    named = [(match.start(), section, key) for key, section in places if (match := _word(key, found))]
    if not named:
        entry.fail(None, said)
    _, section, key = min(named, key=lambda item: item[0])
    section.fail(key, said)


def _word(key: str, text: str) -> re.Match[str] | None:
    return re.search(rf"(?<!\w){re.escape(key)}(?!\w)", text)


def _families(entry: Section) -> list[str]:
    given = entry.values.get("family", DEFAULT_FAMILY)
    names = list(given) if isinstance(given, (list, tuple)) else [given]
    if not names or not all(isinstance(name, str) and name in families for name in names):
        entry.refuse("family", f"some of {', '.join(families)}")
    entry.once("family", names)
    return names


def _sizes(entry: Section) -> list[tuple[int, int]]:
    if "sizes" not in entry:
        users, servers = entry.wholes("users", 10, least=1), entry.wholes("servers", 2, least=1)
        return list(itertools.product(users, servers))
    for key in ("users", "servers"):
        if key in entry:
            entry.fail(key, "given beside sizes; expected one or the other")
    sizes = entry.values["sizes"]
    if not isinstance(sizes, (list, tuple)) or not sizes or not all(map(_is_size, sizes)):
        entry.refuse("sizes", "a list of pairs [users, servers], both whole numbers of at least 1")
    entry.once("sizes", sizes)
    return [(users, servers) for users, servers in sizes]


def _is_size(pair: Any) -> bool:
    return (
        isinstance(pair, (list, tuple))
        and len(pair) == 2
        and all(isinstance(number, int) and not isinstance(number, bool) and number >= 1 for number in pair)
    )


def _seeds(entry: Section, drawn_seed: Callable[[int], int]) -> list[int]:
    if "draws" not in entry:
        return entry.wholes("seeds", 0, least=0)
    if "seeds" in entry:
        entry.fail("draws", "given beside seeds; expected one or the other")
    return [drawn_seed(position) for position in range(entry.whole("draws", 1, least=1, most=1_000_000))]


def _points(grid: Section, fixed: Section) -> list[Mapping[str, Any]]:
    for key, values in grid.values.items():
        if key in fixed:
            grid.fail(key, "given under set too; expected one or the other")
        if not isinstance(values, (list, tuple)) or not values:
            grid.refuse(key, "a list of values to go through")
        grid.once(key, values)
    return [dict(zip(grid.values, values, strict=True)) for values in itertools.product(*grid.values.values())]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else shown(value)
