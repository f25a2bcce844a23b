"""``dashf scenario``: draw a scenario and write it; and the scenario arguments of other commands."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from formulations import PRESETS, InputError, Scenario
from formulations.documents import canonical

__all__ = ["add_draw_arguments", "add_to", "draw"]


def add_to(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "scenario",
        help="draw a random scenario of the paper's kind",
        description="Draw a scenario as Section V-A of the paper describes it and write it as JSON.",
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
    group.add_argument("--preset", metavar="NAME", help=f"readings of the paper: {', '.join(PRESETS)}")
    group.add_argument(
        "--reading", action="append", default=[], metavar="NAME=VALUE", help="one reading of the paper, may be repeated"
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a scenario field or generator argument in SI units, for instance bandwidth_max=2e7; may be repeated",
    )


def draw(parsed: argparse.Namespace) -> Scenario:
    """Return the scenario that the arguments describe.

    Raises
    ------
    InputError
        If they describe none.
    """
    overrides: dict[str, Any] = {}
    for text in parsed.set:
        field, value = split_pair(text, "--set")
        if field in ("users", "servers", "seed", "preset", "readings", "name"):
            raise InputError(f"--set {text}: expected a field with its value; {field} has an option of its own")
        try:
            overrides[field] = json.loads(value)
        except (json.JSONDecodeError, RecursionError):
            raise InputError(f"--set {text}: {value!r} is not a number or a list of numbers") from None
    return Scenario.random(
        users=10 if parsed.users is None else parsed.users,
        servers=2 if parsed.servers is None else parsed.servers,
        seed=0 if parsed.seed is None else parsed.seed,
        preset=parsed.preset or "default",
        readings=dict(split_pair(text, "--reading") for text in parsed.reading),
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
        raise InputError(f"{option} {text}: expected NAME=VALUE")
    return name.strip(), value.strip()


def _run(parsed: argparse.Namespace) -> int:
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
