"""Files that PAVER reads: GAMS trace records (``.trc``) and known values (``.solu``).

Source: Bussieck, Dirkse and Vigerske (2014), PAVER 2.0. A comment names the columns; PAVER goes by it. It takes the
column ObjectiveValueEstimate for the dual bound, except where the model status is 1 (optimal): there it sets the dual
bound to the objective value. What is certified within a gap has its own bound, and is 8 (integer solution).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import chain, count
from typing import Any, TypeVar

from ..status import Claim, Termination
from .refutation import highest, is_refuted
from .task import ending_of

__all__ = ["distinct", "solu", "trace"]

_Key = TypeVar("_Key")

_COLUMNS = (
    "InputFileName", "ModelType", "SolverName", "Direction", "NumberOfEquations", "NumberOfVariables",
    "NumberOfDiscreteVariables", "JulianDate", "ModelStatus", "SolverStatus", "ObjectiveValue",
    "ObjectiveValueEstimate", "SolverTime", "NumberOfIterations",
)  # fmt: skip

#: GAMS model and solver status: 8 integer solution, 14 no solution, 19 infeasible; 1 normal, 3 resource
#: limit, 8 user interrupt, 10 solver failure, 13 system failure.
_SOLVER = {
    Termination.CONVERGED: 1, Termination.TIME_LIMIT: 3, Termination.INTERRUPTED: 8, Termination.ERROR: 10,
}  # fmt: skip
_OUTCOME = {"error": (13, 10), "crash": (13, 13), "overdue": (14, 3), "memory": (14, 10)}


def trace(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return trace records of cells that have ended; Problem (3) is a maximisation, so direction is 1."""
    lines = ["* Trace Record Definition", "* GamsSolve", f"* {','.join(_COLUMNS)}", "*"]
    rows = distinct(rows)
    best, instances = highest(rows), _instances(rows)
    solvers = _unique((row["variant"], _clean(row["variant"])) for row in rows)
    for row in rows:
        users, servers = row["users"], row["servers"]
        model, solver = _OUTCOME.get(row["outcome"]) or _done(row)
        bound = row["upper_bound"]
        if is_refuted(bound, best.get(row["scenario"], 0.0)):
            bound = None  # it proves nothing
        elif bound is not None and row["scr"] is not None:
            bound = max(bound, row["scr"])  # within the tolerance below the SCR, a bound counts as that
        # The equations (3b) to (3j), and x, phi, b, p, F and T, as Problem (3) has them.
        equations, variables = 3 * users + 3 * servers, users * servers * 4 + 3 * users + 1
        fields = (
            instances[row["scenario"], row["repeat"]], "MINLP", solvers[row["variant"]], 1, equations, variables,
            users * servers, _julian(row["started"]), model, solver, _number(row["scr"]), _number(bound),
            f"{row['wall_time']:.6f}", "NA" if row["iterations"] is None else row["iterations"],
        )  # fmt: skip
        lines.append(",".join(map(str, fields)))
    return "\n".join(lines) + "\n"


def _ending(row: Mapping[str, Any]) -> tuple[Termination, Claim]:
    return ending_of(row["outcome"], row["status"], row["scr"])


def _done(row: Mapping[str, Any]) -> tuple[int, int]:
    """Return the status of model and solver where there is a result."""
    termination, claim = _ending(row)
    without = 19 if claim is Claim.INFEASIBLE else 14
    return without if row["scr"] is None else 8, _SOLVER[termination]


def solu(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return what is known of each scenario: the best SCR found, and the best bound where it is not refuted."""
    rows = distinct(rows)
    refuting, best = highest(rows), highest(row for row in rows if _ending(row)[0] is not Termination.ERROR)
    bounds: dict[str, list[float]] = {}
    for row in rows:
        if row["upper_bound"] is not None and not is_refuted(row["upper_bound"], refuting.get(row["scenario"], 0.0)):
            bounds.setdefault(row["scenario"], []).append(row["upper_bound"])
    lines = []
    # Repeats are instances of their own in the trace; what is known of the scenario is known of each.
    for (scenario, _), name in _instances(rows).items():
        if scenario not in best:
            lines.append(f"=unkn= {name}")
            continue
        lines.append(f"=best= {name} {_number(best[scenario])}")
        if scenario in bounds:
            # Within the tolerance below the best SCR, a bound counts as that.
            lines.append(f"=bestdual= {name} {_number(max(min(bounds[scenario]), best[scenario]))}")
    return "\n".join(lines) + "\n"


def distinct(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the first of all rows that are the same run of the same variant: a scenario may be in several groups."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in rows:
        found.setdefault((row["variant"], row["key"]), row)
    return list(found.values())


def _clean(name: str) -> str:
    """Return a name as PAVER takes it: no commas, no blanks."""
    return re.sub(r"[^A-Za-z0-9_.+-]+", "_", name)


def _unique(names: Iterable[tuple[_Key, str]]) -> dict[_Key, str]:
    """Return a name for every key, numbered where different keys would have the same."""
    found: dict[_Key, str] = {}
    taken: set[str] = set()
    for key, name in names:
        if key not in found:
            candidates = chain([name], (f"{name}_{number}" for number in count(2)))
            found[key] = next(candidate for candidate in candidates if candidate not in taken)
            taken.add(found[key])
    return found


def _instances(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], str]:
    """Return the name of every scenario and repeat: its own, its digest, and the repeat behind it."""
    return _unique(((row["scenario"], row["repeat"]), _instance(row)) for row in rows)


def _instance(row: Mapping[str, Any]) -> str:
    repeat = f"-r{row['repeat']}" if row["repeat"] else ""
    return f"{_clean(row['name'] or 'scenario')}-{row['scenario'][:8]}{repeat}"


def _number(value: float | None) -> str:
    """Return a number with all its digits: a bound that is rounded downwards is none."""
    return "NA" if value is None else repr(float(value)).removesuffix(".0")


def _julian(started: str) -> str:
    if not started:
        return "NA"
    # Days since 1899-12-30, as GAMS counts them.
    return (
        f"{(datetime.fromisoformat(started).replace(tzinfo=None) - datetime(1899, 12, 30)).total_seconds() / 86400:.6f}"
    )
