"""``dashf scenario``: draw a scenario and write it; and the scenario arguments of other commands."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from typing import Any

from formulations import PRESETS, InputError, Scenario
from formulations.arrays import shown
from formulations.documents import canonical
from formulations.families import draw as draw_from
from formulations.families import families
from formulations.families.family import DEFAULT_FAMILY
from formulations.scenario import GENERATOR_ARGUMENTS, NUMERIC_FIELDS

__all__ = ["add_draw_arguments", "add_to", "draw", "load"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "scenario",
        help="draw a random scenario of the paper's kind, or of another family",
        description="Draw a scenario as Section V-A of the paper describes it, or of the family named, or take one "
        "from a file and add constraints to it, and write it as JSON.",
    )
    parser.add_argument("scenario", nargs="?", metavar="SCENARIO.json", help="the scenario; without it, one is drawn")
    add_draw_arguments(parser)
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write it (standard output without)")
    parser.add_argument("--json", action="store_true", help="print the scenario itself rather than a summary")
    parser.set_defaults(run=_run)


def add_draw_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say which scenario to draw."""
    group = parser.add_argument_group("scenario")
    group.add_argument("--users", type=int, metavar="N", help="number of users (default 10)")
    group.add_argument("--servers", type=int, metavar="M", help="number of servers (default 2)")
    group.add_argument("--seed", type=int, metavar="K", help="seed of the scenario (default 0)")
    group.add_argument("--family", metavar="NAME", help="what to draw from, see `dashf families` (default paper)")
    group.add_argument("--preset", metavar="NAME", help=f"readings of the paper: {', '.join(PRESETS)}")
    group.add_argument(
        "--reading", action="append", default=[], metavar="NAME=VALUE", help="one reading of the paper, may be repeated"
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a scenario field, generator argument or option of the family in SI units, for instance "
        "bandwidth_max=2e7; may be repeated",
    )
    group.add_argument(
        "--constraint",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an extra constraint, for instance delay_limit=60, server_energy=[5000,null] or forbidden=[[0,1]], beside "
        "those of a scenario file, which must not declare the same; may be repeated",
    )


def draw(parsed: argparse.Namespace) -> Scenario:
    """Return the scenario that the arguments describe.

    Raises
    ------
    InputError
        If they describe none.
    """
    family = families[parsed.family or DEFAULT_FAMILY]
    settable = [*family.options, *GENERATOR_ARGUMENTS, *NUMERIC_FIELDS]
    overrides: dict[str, Any] = {}
    for field, value in split_pairs(parsed.set, "--set").items():
        if field not in settable:
            raise InputError(f"--set {shown(f'{field}={value}')}: unknown field; expected one of {', '.join(settable)}")
        overrides[field] = _json(value, f"--set {field}", "a number or a list of numbers")
    return draw_from(
        family.name,
        users=10 if parsed.users is None else parsed.users,
        servers=2 if parsed.servers is None else parsed.servers,
        seed=0 if parsed.seed is None else parsed.seed,
        preset=parsed.preset or "default",
        readings=split_pairs(parsed.reading, "--reading"),
        constraints=_constraints(parsed.constraint),
        **overrides,
    )


def _constraints(texts: list[str]) -> dict[str, Any]:
    given = split_pairs(texts, "--constraint")
    return {name: _json(value, f"--constraint {name}", "a number or a list") for name, value in given.items()}


def _json(text: str, where: str, expected: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{where}: {shown(text)} is not {expected}") from None


def load(parsed: argparse.Namespace) -> Scenario:
    """Return the scenario of the file with the constraints added, or the drawn one where there is no file.

    Raises
    ------
    InputError
        If a file and numbers of the generator or a broken one are given, or a constraint is declared by the file too.
    """
    if parsed.scenario is None:
        return draw(parsed)
    asked = [name for name in ("users", "servers", "seed", "family", "preset") if getattr(parsed, name) is not None]
    asked += [name for name in ("reading", "set") if getattr(parsed, name)]
    if asked:
        raise InputError(f"--{asked[0]} draws a scenario, but {parsed.scenario} is given; expected one or the other")
    scenario, declared = Scenario.read(parsed.scenario), _constraints(parsed.constraint)
    try:
        return scenario.with_constraints(declared)
    except InputError as error:
        raise InputError(f"--constraint on {parsed.scenario}: {error}") from None


def check_place(place: str | None, scenario: str | None) -> None:
    """Find out before the work starts, not after, that its result cannot be written."""
    if place is None:
        return
    if not place:
        raise InputError("an empty file name; expected a file to write")
    if scenario is not None and os.path.realpath(place) == os.path.realpath(scenario):
        raise InputError(f"{place}: is the scenario itself; expected another file for the output")
    folder = os.path.dirname(place) or "."
    if os.path.isdir(place):
        raise InputError(f"{place}: is a folder and cannot be written; expected a file to write")
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise InputError(f"{place}: cannot be written, folder {folder} does not exist or is not writable")


def split_pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """Return values by name from texts ``name=value`` of an option that may be repeated.

    Raises
    ------
    InputError
        If there is no ``=`` or no name, or a name is given twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{option} {shown(text)}: expected NAME=VALUE")
        if name.strip() in found:
            raise InputError(f"{option} {name.strip()} is given twice; expected once")
        found[name.strip()] = value.strip()
    return found


def _run(parsed: argparse.Namespace) -> int:
    check_place(parsed.output, parsed.scenario)
    scenario = load(parsed)
    if parsed.output:
        scenario.write(parsed.output)
    if parsed.json or not parsed.output:
        print(canonical(scenario.to_dict()))
    else:
        print(f"{parsed.output}: {scenario.name}, {scenario.n_users} users, {scenario.n_servers} servers", end="")
        print("".join(f", {key} {value}" for key, value in (scenario.readings or {}).items()))
    sys.stdout.flush()
    return 0
