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

from formulations.objective import Sense

from ..objectives import sense_of, standing, tightest
from ..status import Claim, Termination
from .refutation import TOLERANCE, is_refuted, witnesses
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
    """Return trace records of cells that have ended; direction is 1 where the objective is maximised, else 0."""
    lines = ["* Trace Record Definition", "* GamsSolve", f"* {','.join(_COLUMNS)}", "*"]
    rows = distinct(rows)
    best, instances = witnesses(rows), _instances(rows)
    solvers = _unique((row["variant"], _clean(row["variant"])) for row in rows)
    for row in rows:
        users, servers = row["users"], row["servers"]
        model, solver = _OUTCOME.get(row["outcome"]) or _done(row)
        bound, kind = row["bound"], row["objective"]
        direction = int(sense_of(kind) is Sense.MAX)
        if is_refuted(kind, bound, best.get(row["scenario"])):
            bound = None  # it proves nothing
        elif bound is not None:
            bound = standing(kind, bound, row["value"], TOLERANCE, row["score"])
        # The equations (3b) to (3j), and x, phi, b, p, F and T, as Problem (3) has them.
        equations, variables = 3 * users + 3 * servers, users * servers * 4 + 3 * users + 1
        fields = (
            instances[row["scenario"], row["repeat"]], "MINLP", solvers[row["variant"]], direction, equations,
            variables, users * servers, _julian(row["started"]), model, solver, _number(row["value"]), _number(bound),
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
    """Return what is known of each scenario: the best value found, and the best bound where it is not refuted."""
    rows = distinct(rows)
    refuting, best = witnesses(rows), witnesses(row for row in rows if _ending(row)[0] is not Termination.ERROR)
    bounds: dict[str, list[float]] = {}
    kinds = {row["scenario"]: row["objective"] for row in rows}
    for row in rows:
        refuted = is_refuted(row["objective"], row["bound"], refuting.get(row["scenario"]))
        if row["bound"] is not None and not refuted:
            bounds.setdefault(row["scenario"], []).append(row["bound"])
    lines = []
    # Repeats are instances of their own in the trace; what is known of the scenario is known of each.
    for (scenario, _), name in _instances(rows).items():
        if scenario not in best:
            lines.append(f"=unkn= {name}")
            continue
        known, kind = best[scenario], kinds[scenario]
        lines.append(f"=best= {name} {_number(known.value)}")
        bound = tightest(kind, bounds.get(scenario, ()))
        if bound is not None:
            bound = standing(kind, bound, known.value, TOLERANCE, known.score)
            lines.append(f"=bestdual= {name} {_number(bound)}")
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
