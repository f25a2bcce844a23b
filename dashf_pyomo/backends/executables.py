"""Global solvers that are programs of their own, through Pyomo's classic interfaces: BARON, Couenne, GAMS.

None of them can be installed with pip and used without a licence or a build, so they are offered where they are found
and solve the tiny model. Knitro is left out: it is a local solver whose multistart gives no bound.
"""

from __future__ import annotations

import re
import time
from functools import partial
from pathlib import Path
from typing import Any

from .backend import OutcomeStatus, backends
from .exact import ExactBackend
from .model_search import Report, SearchEnd, SearchLimits, SolverProgress, finite, only_objective

__all__ = ["search_classic"]

#: Relative gap unless another is asked for.
_GAP = 1e-6


def search_classic(solver: str, model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    """Search by a solver of Pyomo's classic factory; a start is taken from the variables by all of them.

    Parameters
    ----------
    solver
        Name in the factory.
    model, limits, report
        As for every search.
    """
    import pyomo.environ as pyo

    start = time.monotonic()
    results = pyo.SolverFactory(solver).solve(model, tee=True, load_solutions=False, **_arguments(solver, limits))
    took = time.monotonic() - start
    goal = only_objective(model)
    bound = finite(results.problem.lower_bound if goal.sense == pyo.minimize else results.problem.upper_bound)
    condition = results.solver.termination_condition
    ends = pyo.TerminationCondition
    status = {
        ends.optimal: OutcomeStatus.SOLVED,
        ends.globallyOptimal: OutcomeStatus.SOLVED,
        ends.infeasible: OutcomeStatus.INFEASIBLE,
        ends.unbounded: OutcomeStatus.UNBOUNDED,
        ends.maxTimeLimit: OutcomeStatus.TIME_LIMIT,
        ends.maxIterations: OutcomeStatus.TIME_LIMIT,
        ends.resourceInterrupt: OutcomeStatus.TIME_LIMIT,
        ends.feasible: OutcomeStatus.TIME_LIMIT,
    }.get(condition, OutcomeStatus.FAILED)
    objective = None
    if len(results.solution) or status is OutcomeStatus.SOLVED:
        model.solutions.load_from(results)
        values = [(one, one.value) for one in model.component_data_objects(pyo.Var) if one.value is not None]
        objective = finite(pyo.value(goal, exception=False))
        report.incumbent(values, objective, bound)
    message = "" if status is OutcomeStatus.SOLVED else str(condition)
    return SearchEnd(status, message, objective, bound, solver_time=took)


def _arguments(solver: str, limits: SearchLimits) -> dict[str, Any]:
    left, gap = limits.seconds_left(), _GAP if limits.gap is None else limits.gap
    if solver == "baron":
        options: dict[str, Any] = {"EpsR": gap}
        if left is not None:
            options["MaxTime"] = left
        if limits.threads is not None:
            options["threads"] = limits.threads
        return {"options": options}
    if solver == "couenne":  # takes options from a file in the working directory, which is the child's own
        lines = [f"allowable_fraction_gap {gap}", *([] if left is None else [f"time_limit {left}"])]
        Path("couenne.opt").write_text("\n".join(lines) + "\n")
        return {}
    if solver == "gams":
        statements = [f"option optcr={gap};", *([] if left is None else [f"option reslim={left};"])]
        if limits.threads is not None:
            statements.append(f"option threads={limits.threads};")
        return {"io_options": {"solver": "baron", "add_options": statements, "warmstart": limits.warm_start}}
    return {}


_COUENNE_BOUND = re.compile(r"\s*Lower bound:\s+([-+.\deE]+)")


def _read_couenne(line: str, sense: int) -> SolverProgress | None:
    """Couenne minimises, and tells its bound in its log only."""
    found = _COUENNE_BOUND.match(line)
    bound = finite(found[1]) if found else None
    return None if bound is None else SolverProgress(bound=sense * bound)


for _name, _summary, _read in (
    ("baron", "branch and reduce, global; needs a licence", None),
    ("couenne", "branch and bound, global", _read_couenne),
    ("gams", "BARON within GAMS, global; needs licences", None),
):
    backends.register(
        ExactBackend(name=_name, summary=_summary, search=partial(search_classic, _name), executable=_name, read=_read),
        origin=__name__,
    )
