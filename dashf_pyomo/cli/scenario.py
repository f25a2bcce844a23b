"""``dashf scenario``: draw a scenario and write it; and the scenario arguments of other commands."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from formulations import PRESETS, InputError, Scenario
from formulations.arrays import shown
from formulations.documents import canonical
from formulations.families import draw as draw_from
from formulations.families import families
from formulations.families.family import DEFAULT_FAMILY
from formulations.scenario import GENERATOR_ARGUMENTS, NUMERIC_FIELDS

__all__ = ["add_draw_arguments", "add_to", "draw"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "scenario",
        help="draw a random scenario of the paper's kind, or of another family",
        description="Draw a scenario as Section V-A of the paper describes it, or of the family named, and write it as "
        "JSON.",
    )
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
    for text in parsed.set:
        field, value = split_pair(text, "--set")
        if field not in settable:
            raise InputError(f"--set {shown(text)}: unknown field; expected one of {', '.join(settable)}")
        if field in overrides:
            raise InputError(f"--set {field} is given twice; expected once")
        try:
            overrides[field] = json.loads(value)
        except (ValueError, RecursionError):
            raise InputError(f"--set {field}: {shown(value)} is not a number or a list of numbers") from None
    readings: dict[str, str] = {}
    for text in parsed.reading:
        name, value = split_pair(text, "--reading")
        if name in readings:
            raise InputError(f"--reading {name} is given twice; expected once")
        readings[name] = value
    return draw_from(
        family.name,
        users=10 if parsed.users is None else parsed.users,
        servers=2 if parsed.servers is None else parsed.servers,
        seed=0 if parsed.seed is None else parsed.seed,
        preset=parsed.preset or "default",
        readings=readings,
        **overrides,
    )


def split_pair(text: str, option: str) -> tuple[str, str]:
    """Split ``name=value``.

    Raises
    ------
    InputError
        If there is no ``=`` or no name.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"{option} {shown(text)}: expected NAME=VALUE")
    return name.strip(), value.strip()


def _run(parsed: argparse.Namespace) -> int:
    if parsed.output == "":
        raise InputError("an empty file name; expected a file to write")
    scenario = draw(parsed)
    if parsed.output:
        scenario.write(parsed.output)
    if parsed.json or not parsed.output:
        print(canonical(scenario.to_dict()))
    else:
        print(f"{parsed.output}: {scenario.name}, {scenario.n_users} users, {scenario.n_servers} servers", end="")
        print("".join(f", {key} {value}" for key, value in (scenario.readings or {}).items()))
    sys.stdout.flush()
    return 0
