"""A model handed to a global solver as it is: the only way in which every extension and objective is honoured.

The model's own bounds stand: a joint model excludes by proof what is worse than the allocation it was built with, and
a solution of an extended problem may be worse than that. It is then infeasible as it stands, and the message says how
to build one that is not.
"""

from __future__ import annotations

import math
import time
from typing import Any

import pyomo.environ as pyo

from formulations import InputError, evaluate
from formulations.joint import read

from ...algorithms import Limits
from ...algorithms.minlp import BOUND_TOLERANCE, Minlp
from ...backends import BackendError, BackendLimits, OutcomeStatus
from ...backends.exact import ExactBackend, ExactOutcome, InterruptedSolve
from ...backends.search import Progress
from ...result import Status
from .log import Log
from .points import Checked, check
from .recognition import Recognised, variables_of
from .results import Solved, gap_closed

__all__ = ["solve_extended"]

_STATUS = {
    OutcomeStatus.SOLVED: Status.CERTIFIED,
    OutcomeStatus.INFEASIBLE: Status.INFEASIBLE,
    OutcomeStatus.TIME_LIMIT: Status.TIME_LIMIT,
    OutcomeStatus.INACCURATE: Status.FEASIBLE,
    OutcomeStatus.UNBOUNDED: Status.ERROR,
    OutcomeStatus.FAILED: Status.ERROR,
}


def solve_extended(method: Minlp, recognised: Recognised, limits: Limits, warmstart: bool, log: Log) -> Solved:
    """Solve a model as it is by the method's global solvers, the first that does not fail.

    Parameters
    ----------
    method
        Says which solvers, and how much memory they may take. Its other options shape the model that it builds
        itself, and do not apply.
    recognised
        The model.
    limits
        Time, gap, threads.
    warmstart
        Whether the values of the variables are a start.
    log
        Sees what the solvers report.

    Raises
    ------
    BackendError
        If no solver is there, or all fail.
    """
    end = None if limits.time_limit is None else time.monotonic() + limits.time_limit
    failures: list[str] = []
    for backend in method.global_solvers():
        log.write(f"the model itself goes to {backend.name}")
        left = None if end is None else max(end - time.monotonic(), 0.01)
        outcome, interrupted = _run(backend, recognised.model, method, limits, left, warmstart, log)
        solved = _judge(recognised, backend, outcome, limits.gap, interrupted)
        if solved.status is not Status.ERROR or solved.point is not None:
            return solved
        failures.append(solved.message)
    raise BackendError("; ".join(failures))


def _run(
    backend: ExactBackend,
    model: Any,
    method: Minlp,
    limits: Limits,
    left: float | None,
    warmstart: bool,
    log: Log,
) -> tuple[ExactOutcome, bool]:
    """Return what a solver found and whether it was interrupted; the model keeps its values."""
    start, number = time.monotonic(), 0

    def watch(progress: Progress) -> None:
        nonlocal number
        said = {"scr": progress.objective, "best": progress.objective, "upper_bound": progress.bound}
        log({"iteration": number, "time": time.monotonic() - start, "nodes": progress.nodes, **said})
        number += 1

    kept = [(variable, variable.value, variable.stale) for variable in variables_of(model).values()]
    budget = BackendLimits(left, limits.solver_threads, limits.gap, method.memory * 10**6)
    try:
        return backend.solve(model, budget, warm_start=warmstart, watch=watch), False
    except InterruptedSolve as stopped:
        return stopped.outcome, True
    finally:
        for variable, value, stale in kept:
            variable.set_value(value, skip_validation=True)
            variable.stale = stale


def _judge(
    recognised: Recognised, backend: ExactBackend, outcome: ExactOutcome, gap: float, interrupted: bool
) -> Solved:
    """Check what a solver claims; nothing is taken from it but the point and the bound."""
    model = recognised.model
    (goal,) = model.component_data_objects(pyo.Objective, active=True)
    sense = -1.0 if goal.sense == pyo.maximize else 1.0  # as if minimised
    point = _relative(model, outcome.points[-1]) if outcome.points else None
    checked = None if point is None else check(model, point)
    bound = -sense * math.inf if outcome.bound is None else outcome.bound
    status = Status.INTERRUPTED if interrupted else _STATUS[outcome.status]
    which = f"{backend.name} on the {'extended ' if recognised.differences else ''}model"
    notes = [f"{which}: {outcome.status}"]
    if outcome.message:
        notes.append(outcome.message)
    if status is Status.INFEASIBLE:
        notes.append(
            "no point of the extended model is as good as the allocation that it was built with; give the builder a "
            "known allocation that satisfies the extension"
        )
    good = checked is not None and not checked.violated and not checked.unchecked
    if good and checked is not None and checked.objective is not None:
        excess = sense * (bound - checked.objective)
        room = BOUND_TOLERANCE * max(abs(checked.objective), 1e-9)
        if excess > room:
            notes.append(f"CONTRADICTION: bound {bound:.9g} of {backend.name} is refuted by a verified point")
            bound, status = -sense * math.inf, Status.FEASIBLE
        elif excess > 0.0:
            bound = checked.objective
    if status in (Status.CERTIFIED, Status.INFEASIBLE) and not _closed(status, checked, bound, gap):
        status = Status.FEASIBLE if point is not None else Status.UNKNOWN
        notes.append("the claims do not close the gap")
    return Solved(
        status=status,
        message="; ".join(notes),
        point=point,
        checked=checked,
        violated=() if checked is None else checked.violated,
        cut_away=(),
        bound=bound,
        facts={
            "bound_source": None if outcome.bound is None else f"{which}, in floating point",
            "iteration_count": outcome.nodes,
            "trace": outcome.trace,
            "solvers": {backend.name: backend.availability().version},
            **_worth(recognised, point),
        },
        log=outcome.log,
    )


def _closed(status: Status, checked: Checked | None, bound: float, gap: float) -> bool:
    """Whether a claim stands: a verified point within the gap of the bound, or no point where there is none."""
    if status is Status.INFEASIBLE:
        return checked is None
    if checked is None or checked.violated:
        return False
    return gap_closed(checked.objective, bound, gap)


def _relative(model: Any, point: dict[str, float]) -> dict[str, float]:
    """Return the values by the names within the model."""
    found = {}
    for name, variable in variables_of(model).items():
        # A block that was sent to another process has left its parent behind, and its variables that part of the name.
        value = point.get(variable.name, point.get(name))
        if value is not None:
            found[name] = value
    return found


def _worth(recognised: Recognised, point: dict[str, float] | None) -> dict[str, Any]:
    """Return what the evaluator says of the allocation within a point."""
    if point is None:
        return {}
    try:
        allocation = read(recognised.fresh, point)
    except InputError:
        return {}
    e = evaluate(recognised.info.scenario, allocation)
    return {"scr": e.scr, "score": e.score, "delay": e.delay, "energy": e.energy, "allocation": allocation}
