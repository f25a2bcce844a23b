"""Files that PAVER reads: GAMS trace records (``.trc``) and known values (``.solu``).

Source: Bussieck, Dirkse and Vigerske (2014), PAVER 2.0. A comment names the columns; PAVER goes by it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

__all__ = ["instance", "solu", "trace"]

_COLUMNS = (
    "InputFileName", "ModelType", "SolverName", "Direction", "NumberOfEquations", "NumberOfVariables",
    "NumberOfDiscreteVariables", "JulianDate", "ModelStatus", "SolverStatus", "ObjectiveValue",
    "ObjectiveValueEstimate", "SolverTime", "NumberOfIterations",
)  # fmt: skip

#: GAMS model and solver status: 1 optimal, 8 integer solution, 14 no solution, 19 infeasible; 1 normal, 3 resource
#: limit, 8 user interrupt, 10 solver failure, 13 system failure.
_STATUS = {
    "certified": (1, 1), "feasible": (8, 1), "infeasible": (19, 1), "time_limit": (8, 3), "interrupted": (8, 8),
    "unknown": (14, 1), "error": (8, 10),
}  # fmt: skip
_OUTCOME = {"error": (13, 10), "crash": (13, 13), "overdue": (14, 3), "memory": (14, 10)}


def instance(row: Mapping[str, Any]) -> str:
    """Return the name of a scenario as PAVER takes it: no commas, no blanks, its digest behind it."""
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", row["name"] or "scenario")
    return f"{name}-{row['scenario'][:8]}"


def trace(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return trace records of cells that have ended; Problem (3) is a maximisation, so direction is 1."""
    lines = ["* Trace Record Definition", "* GamsSolve", f"* {','.join(_COLUMNS)}", "*"]
    for row in rows:
        users, servers = row["users"], row["servers"]
        model, solver = _OUTCOME.get(row["outcome"]) or _STATUS[row["status"]]
        if row["outcome"] == "done" and row["scr"] is None and model == 8:
            model = 14
        name = re.sub(r"[^A-Za-z0-9_.+-]+", "_", row["variant"])
        repeat = f"-r{row['repeat']}" if row["repeat"] else ""
        # The equations (3b) to (3j), and x, phi, b, p, F and T, as Problem (3) has them.
        equations, variables = 3 * users + 3 * servers, users * servers * 4 + 3 * users + 1
        fields = (
            instance(row) + repeat, "MINLP", name, 1, equations, variables, users * servers, _julian(row["started"]),
            model, solver, _number(row["scr"]), _number(row["upper_bound"]), f"{row['wall_time']:.6f}",
            "NA" if row["iterations"] is None else row["iterations"],
        )  # fmt: skip
        lines.append(",".join(map(str, fields)))
    return "\n".join(lines) + "\n"


def solu(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return what is known of each scenario: the best SCR found, and the best bound where it is not refuted."""
    best: dict[str, float] = {}
    bounds: dict[str, list[float]] = {}
    instances: dict[str, str] = {}
    for row in rows:
        scenario = row["scenario"]
        # Repeats are instances of their own in the trace; what is known of the scenario is known of each.
        instances[instance(row) + (f"-r{row['repeat']}" if row["repeat"] else "")] = scenario
        if row["scr"] is not None:
            best[scenario] = max(best.get(scenario, -math.inf), row["scr"])
        if row["upper_bound"] is not None:
            bounds.setdefault(scenario, []).append(row["upper_bound"])
    lines = []
    for name, scenario in instances.items():
        if scenario not in best:
            lines.append(f"=unkn= {name}")
            continue
        lines.append(f"=best= {name} {best[scenario]:.12g}")
        standing = [bound for bound in bounds.get(scenario, ()) if bound >= best[scenario]]
        if standing:
            lines.append(f"=bestdual= {name} {min(standing):.12g}")
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "NA" if value is None else f"{value:.12g}"


def _julian(started: str) -> str:
    if not started:
        return "NA"
    # Days since 1899-12-30, as GAMS counts them.
    return (
        f"{(datetime.fromisoformat(started).replace(tzinfo=None) - datetime(1899, 12, 30)).total_seconds() / 86400:.6f}"
    )
