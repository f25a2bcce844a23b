"""``dashf scenario``: draw a scenario and write it; and the scenario arguments of other commands."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from formulations import PRESETS, InputError, Scenario
from formulations.arrays import shown
from formulations.documents import canonical
from formulations.families import draw as draw_from
from formulations.families import families
from formulations.families.family import DEFAULT_FAMILY
from formulations.objective import DelayKind
from formulations.scenario import GENERATOR_ARGUMENTS, NUMERIC_FIELDS

from ..objectives import SCR, SENSES

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
        help="an extra constraint, for instance delay_limit=60, users_per_server=5, server_energy=[5000,null], "
        "binary_offload=true or rows=@rows.json, beside those of a scenario file, which must not declare the same; may "
        "be repeated",
    )
    declared = parser.add_argument_group("objective, where a scenario file does not declare one itself")
    declared.add_argument("--objective", metavar="KIND", help=f"{', '.join(SENSES)} (default {SCR})")
    declared.add_argument("--delay", metavar="KIND", help=f"T of the cost: {', '.join(DelayKind)} (default largest)")
    declared.add_argument("--price", metavar="Y", help="score that a unit of cost is worth, for a utility")
    declared.add_argument("--weights", metavar="W,W,..", help="weights of the users, or @FILE with a list in JSON")
    declared.add_argument("--score", metavar="NAME", help="score function of a user (default log)")


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
    expected = "a number, a list, true or @FILE"
    return {name: _json_or_file(value, f"--constraint {name}", expected) for name, value in given.items()}


def _objective(parsed: argparse.Namespace) -> dict[str, Any] | None:
    """Return the objective that the arguments declare, or None where they declare none."""
    weights = parsed.weights
    if weights is not None and not weights.startswith("@"):
        weights = f"[{weights}]"
    declared = {
        "kind": parsed.objective,
        "delay": parsed.delay,
        "price": None if parsed.price is None else _json(parsed.price, "--price", "a number"),
        "user_weight": None if weights is None else _json_or_file(weights, "--weights", "numbers W,W,.. or @FILE"),
        "score": parsed.score,
    }
    found = {key: value for key, value in declared.items() if value is not None}
    weight = found.get("user_weight")
    if isinstance(weight, list) and len(weight) == 1:
        found["user_weight"] = weight[0]  # the same for all
    return found or None


def _with_objective(scenario: Scenario, parsed: argparse.Namespace) -> Scenario:
    """Return the scenario with the objective that the arguments declare."""
    declared = _objective(parsed)
    if declared is None:
        return scenario
    if scenario.objective.to_dict() is not None:
        raise InputError(f"--objective on {parsed.scenario}: the scenario declares one itself; expected it once")
    return scenario.replace(objective=declared)


def _json_or_file(text: str, where: str, expected: str) -> Any:
    """Return what a text in JSON says, or a file after an @."""
    if not text.startswith("@"):
        return _json(text, where, expected)
    try:
        content = Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise InputError(f"{where}: {text[1:]} cannot be read ({said}); expected a file with JSON") from None
    return _json(content, f"{where}: {text[1:]}", "JSON")


def _json(text: str, where: str, expected: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{where}: {shown(text)} is not {expected}") from None


def load(parsed: argparse.Namespace) -> Scenario:
    """Return the scenario of the file with constraints and objective added, or the drawn one where there is no file.

    Raises
    ------
    InputError
        If a file and numbers of the generator or a broken one are given, or what is added is declared by the file too.
    """
    if parsed.scenario is None:
        return _with_objective(draw(parsed), parsed)
    asked = [name for name in ("users", "servers", "seed", "family", "preset") if getattr(parsed, name) is not None]
    asked += [name for name in ("reading", "set") if getattr(parsed, name)]
    if asked:
        raise InputError(f"--{asked[0]} draws a scenario, but {parsed.scenario} is given; expected one or the other")
    scenario, declared = Scenario.read(parsed.scenario), _constraints(parsed.constraint)
    try:
        limited = scenario.with_constraints(declared)
    except InputError as error:
        raise InputError(f"--constraint on {parsed.scenario}: {error}") from None
    return _with_objective(limited, parsed)


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
        said = [f"{key} {value}" for key, value in (scenario.readings or {}).items()]
        said += [f"objective {scenario.objective.said}"] if scenario.objective.aspects else []
        print("".join(f", {item}" for item in said))
    sys.stdout.flush()
    return 0
