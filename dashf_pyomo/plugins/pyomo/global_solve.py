"""A model handed to a global solver as it is: the only way in which every extension and objective is honoured.

Where rows were added that no allocation as good as the known one keeps, the model has no point, which proves nothing
about the problem; it is then built again without leaving out what is worse.

From the solver only its bound and the association of its point are taken. What the allocation is worth, and whether it
keeps what was added, is judged at the allocation; where the solver's tolerances or a relaxation have moved it, a local
solve looks for the best one nearby. `optimal` is what keeps everything and reaches the bound.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyomo.environ as pyo

from formulations.formulation import Kind, Subproblem, formulations
from formulations.objective import ObjectiveKind

from ...algorithms import Limits, Method
from ...backends import BackendError, BackendLimits, OutcomeStatus
from ...backends.exact import BOUND_TOLERANCE, ExactBackend, ExactOutcome, InterruptedSolve
from ...backends.model_search import SolverProgress
from ...deadline import Deadline
from ...result import Result
from ...status import Claim, Termination
from ...trace import TraceEntry
from .carrying import without_assumption
from .judging import Judged, judge, rank
from .log import SolverLog
from .meaning import beyond, free_names, orders_aside, require_bounds, same_objective
from .model_values import check
from .recognition import Recognised, recognise, variables_of
from .repair import repairs
from .results import Solved, gap_closed

__all__ = ["infeasible", "solve_extended"]

#: What the end of a solver stands for before its point is judged.
_ENDED = {
    OutcomeStatus.SOLVED: (Termination.CONVERGED, Claim.CERTIFIED),
    OutcomeStatus.INFEASIBLE: (Termination.CONVERGED, Claim.INFEASIBLE),
    OutcomeStatus.TIME_LIMIT: (Termination.TIME_LIMIT, Claim.UNKNOWN),
    OutcomeStatus.INACCURATE: (Termination.CONVERGED, Claim.FEASIBLE),
    OutcomeStatus.UNBOUNDED: (Termination.ERROR, Claim.UNKNOWN),
    OutcomeStatus.FAILED: (Termination.ERROR, Claim.UNKNOWN),
}

#: Termination, claim, the bound that stands, and notes for the message.
_Conclusion = tuple[Termination, Claim, float, list[str]]

#: Most associations among a solver's points for which the best allocation is looked for.
_MOST_TRIES = 3

#: Share of the time, and most seconds, that are kept for judging and repairing.
_RESERVE, _MOST_RESERVE = 0.1, 3.0

#: Most seconds of repairing one point without a time limit.
_MOST_SECONDS = 15.0


@dataclass(frozen=True)
class _Call:
    """A call of a solver of Pyomo's: the method, its limits and its log, its start and its deadline."""

    method: Method
    limits: Limits
    log: SolverLog
    start: float
    deadline: Deadline


def solve_extended(method: Method, recognised: Recognised, limits: Limits, warmstart: bool, log: SolverLog) -> Solved:
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
    UnsupportedModelError
        If the model was built with bounds that are none for what it asks now.
    BackendError
        If no solver is there, or all fail.
    """
    require_bounds(recognised)
    call = _Call(method, limits, log, time.perf_counter(), Deadline.after(limits.time_limit))
    solved = _solve(call, recognised, warmstart)
    if not (recognised.info.data.assumes_scr and solved.bound == recognised.info.left_out) or _settled(solved):
        return solved
    new = without_assumption(recognised)
    if new is None or call.deadline.passed:
        return solved
    log.write(f"{solved.message}; solved again without the assumption that nothing worse than the known value counts")
    again = _solve(call, recognise(new), False)
    if again.point is None and solved.point is not None:
        return solved
    return _in_terms_of(recognised, new, again)


def _settled(solved: Solved) -> bool:
    """Return whether another model cannot say more: proven, or stopped."""
    return solved.termination is not Termination.CONVERGED or solved.claim in (Claim.CERTIFIED, Claim.INFEASIBLE)


def _in_terms_of(recognised: Recognised, new: Any, solved: Solved) -> Solved:
    """Return what was found in a model that was built again in terms of the one that was given."""
    message = f"{solved.message} (built again with assume_scr=False: nothing as good as the known allocation was there)"
    if solved.point is None:
        return replace(solved, message=message)
    names = {id(variable): name for name, variable in variables_of(recognised.model).items()}
    own = variables_of(new)
    point = {names.get(id(own[name]), name): value for name, value in solved.point.items()}
    with orders_aside(recognised):
        excluding = check(recognised.model, point).violated
    broken = {entry.component for entry in solved.violated}
    away = tuple(entry for entry in excluding if entry.component not in broken)
    return replace(solved, point=point, cut_away=away, message=message)


def _solve(call: _Call, recognised: Recognised, warmstart: bool) -> Solved:
    failures: list[str] = []
    with orders_aside(recognised) as aside:
        if aside:
            call.log.write(f"left out, as the change may tell identical ones apart: {', '.join(aside)}")
        for backend in call.method.global_solvers():
            call.log.write(f"the model itself goes to {backend.name}")
            solved = _Case(call, recognised, backend).solve(warmstart)
            if solved.termination is not Termination.ERROR or solved.point is not None:
                return solved
            failures.append(solved.message)
    raise BackendError("; ".join(failures))


def infeasible(method: Method, recognised: Recognised, reason: str) -> Solved:
    """Return that a model has no point, for a reason that needs no solver."""
    bound = -_sense(recognised) * math.inf
    result = _result(method, recognised, None, reason, {}, 0.0)
    return Solved(Termination.CONVERGED, Claim.INFEASIBLE, reason, None, None, (), (), bound, {"result": result})


def _sense(recognised: Recognised) -> int:
    """Return 1 for a model that minimises, else -1."""
    (goal,) = recognised.model.component_data_objects(pyo.Objective, active=True)
    return -1 if goal.sense == pyo.maximize else 1


def _result(
    method: Method,
    recognised: Recognised,
    judged: Judged | None,
    message: str,
    solvers: Mapping[str, str],
    wall_time: float,
) -> Result:
    """Return what was found as a result on the scenario: without a bound, which would be one on another problem."""
    scenario = recognised.info.scenario
    feasible = judged is not None and judged.evaluation.feasible
    claims = Result.claims(judged.evaluation) if judged is not None and feasible else {}
    scr, delay, energy = (claims.get(name) for name in ("scr", "delay", "energy"))
    entry = TraceEntry(0, wall_time, scr=scr, delay=delay, energy=energy, accepted=True, best=scr)
    return Result(
        method=method.name,
        options=asdict(method),
        readings=method.all_readings(scenario),
        scenario_sha256=scenario.sha256,
        termination=Termination.CONVERGED,
        claim=Claim.FEASIBLE if feasible else Claim.UNKNOWN,
        message=message,
        allocation=judged.allocation if judged is not None and feasible else None,
        **claims,
        wall_time=wall_time,
        trace=(entry,) if feasible else (),
        solvers=dict(solvers),
    )


class _Case:
    """A model given to one solver."""

    def __init__(self, call: _Call, recognised: Recognised, backend: ExactBackend) -> None:
        self._call, self._recognised, self._backend = call, recognised, backend
        self._sense, self._free = _sense(recognised), free_names(recognised)
        self._which = f"{backend.name} on the {'extended ' if recognised.differences else ''}model"

    def solve(self, warmstart: bool) -> Solved:
        """Have the model solved and judge what comes."""
        outcome, interrupted = self._run(warmstart)
        bound, source = self._bound(outcome)
        judged = self._best(outcome, bound)
        termination, claim, bound, notes = self._conclude(outcome, interrupted, judged, bound)
        message = "; ".join([f"{self._which}: {outcome.status}", *notes])
        solvers = {self._backend.name: self._backend.availability().version}
        found, same = self._recognised.info, same_objective(self._recognised)
        wall_time = time.perf_counter() - self._call.start
        value_bound = found.value_bound(bound) if same and math.isfinite(bound) else None
        facts: dict[str, Any] = {
            "result": _result(self._call.method, self._recognised, judged, message, solvers, wall_time),
            "scenario": found.scenario,
            "bound": value_bound,
            "upper_bound": value_bound if found.data.kind is ObjectiveKind.SCR else None,
            "bound_source": source if math.isfinite(bound) else None,
            "iteration_count": outcome.nodes,
            "trace": outcome.trace,
            "solvers": solvers,
        }
        if judged is not None:
            e = judged.evaluation
            facts |= {"objective_value": e.value, "scr": e.scr, "score": e.score, "delay": e.delay, "energy": e.energy}
            facts["allocation"] = judged.allocation
        return Solved(
            termination=termination,
            claim=claim,
            message=message,
            point=None if judged is None else judged.point,
            checked=None if judged is None else judged.checked,
            violated=() if judged is None else judged.checked.violated,
            cut_away=(),
            bound=bound,
            facts=facts,
            log=outcome.log,
        )

    def _run(self, warmstart: bool) -> tuple[ExactOutcome, bool]:
        """Return what the solver found and whether it was interrupted; the model keeps its values."""
        start, number = time.perf_counter(), 0

        def watch(progress: SolverProgress) -> None:
            nonlocal number
            entry = TraceEntry(number, time.perf_counter() - start, facts={"nodes": progress.nodes})
            reached = progress.objective
            self._call.log(replace(entry, scr=reached, best=reached, bound=progress.bound))
            number += 1

        left = self._call.deadline.left()
        if left is not None:
            left = max(left, 0.01)
            left -= min(_RESERVE * left, _MOST_RESERVE)
        model, limits = self._recognised.model, self._call.limits
        kept = [(variable, variable.value, variable.stale) for variable in variables_of(model).values()]
        # The rest of the gap is for what the judge finds below the claims.
        budget = BackendLimits(left, limits.solver_threads, 0.5 * limits.gap, self._call.method.solver_memory())
        try:
            return self._backend.solve(model, budget, warm_start=warmstart, watch=watch), False
        except InterruptedSolve as stopped:
            return stopped.outcome, True
        finally:
            for variable, value, stale in kept:
                variable.set_value(value, skip_validation=True)
                variable.stale = stale

    def _bound(self, outcome: ExactOutcome) -> tuple[float, str]:
        """Return what is proven of the objective, with what the model leaves out, and by what; infinite without."""
        same, worst = same_objective(self._recognised), -self._sense * math.inf
        found, bound = self._recognised.info, outcome.bound
        if outcome.status is OutcomeStatus.INFEASIBLE:  # what it had told before bounds nothing
            bound = -worst if same else None
        if bound is None or outcome.status is OutcomeStatus.UNBOUNDED:
            bound = worst
        source = f"{self._which}, in floating point"
        if same:
            bound = found.data.weaker(bound, found.left_out)
            known = self._from_data()
            if self._sense * (known - bound) > 0.0:
                return known, "data: most score at the least cost"
        return bound, source

    def _from_data(self) -> float:
        """Return the bound on the model's own objective that needs no solver, infinite where rows were loosened."""
        restricts = all(difference.restricts for difference in self._recognised.differences)
        return self._recognised.info.best if restricts else -self._sense * math.inf

    def _best(self, outcome: ExactOutcome, bound: float) -> Judged | None:
        """Return the best of the solver's points, each judged, and repaired where it is less than it claims."""
        best: Judged | None = None
        for point in _distinct(self._recognised, outcome.points):
            judged = judge(self._recognised, point, self._free, self._sense)
            if judged is None:
                continue
            best = judged if best is None else min(best, judged, key=self._rank)
            if self._closed(judged, bound):
                break
            left = self._call.deadline.left()
            deadline = Deadline.after(_MOST_SECONDS if left is None else max(left, 0.5))
            for better in repairs(self._recognised, judged, self._free, self._sense, deadline):
                best = min(best, better, key=self._rank)
                if self._closed(best, bound):
                    return best
        return best

    def _rank(self, judged: Judged) -> tuple[bool, int, float]:
        return rank(judged, self._sense)

    def _closed(self, judged: Judged | None, bound: float) -> bool:
        """Return whether a point keeps everything and reaches the bound."""
        return (
            judged is not None and judged.holds and gap_closed(judged.checked.objective, bound, self._call.limits.gap)
        )

    def _conclude(self, outcome: ExactOutcome, interrupted: bool, judged: Judged | None, bound: float) -> _Conclusion:
        """Conclude from the outcome, the best point and the bound."""
        notes = [outcome.message] if outcome.message else []
        if judged is not None and judged.holds and judged.checked.objective is not None:
            excess = self._sense * (bound - judged.checked.objective)
            if excess > BOUND_TOLERANCE * max(abs(judged.checked.objective), 1e-9):
                said = f"CONTRADICTION: bound {bound:.9g} of {self._backend.name} is refuted by a verified point"
                return Termination.CONVERGED, Claim.FEASIBLE, -self._sense * math.inf, [*notes, said]
            if excess > 0.0:
                bound = judged.checked.objective
        termination, claim = (Termination.INTERRUPTED, Claim.UNKNOWN) if interrupted else _ENDED[outcome.status]
        if self._closed(judged, bound):
            return self._proven(termination, bound, notes)
        if claim is Claim.INFEASIBLE:
            return self._none(judged, bound, notes)
        if claim is Claim.CERTIFIED:
            notes.append(self._why_open(judged))
            claim = Claim.UNKNOWN
        if claim is Claim.UNKNOWN and judged is not None:
            claim = Claim.FEASIBLE
        return termination, claim, bound, notes

    def _proven(self, termination: Termination, bound: float, notes: list[str]) -> _Conclusion:
        """Conclude where a point reaches the bound."""
        missing = "" if same_objective(self._recognised) else beyond(self._recognised)
        if missing:
            said = f"best of all but {missing}, of which nothing is proven: state longest_delay or a bound on delay"
            return termination, Claim.FEASIBLE, bound, [*notes, said]
        if termination is Termination.INTERRUPTED:
            return termination, Claim.FEASIBLE, bound, notes
        return Termination.CONVERGED, Claim.CERTIFIED, bound, notes  # however the solver ended, this was the aim

    def _none(self, judged: Judged | None, bound: float, notes: list[str]) -> _Conclusion:
        """Conclude where the solver says that the model has no point."""
        missing = beyond(self._recognised)
        if judged is not None:  # and yet there is one
            return Termination.CONVERGED, Claim.FEASIBLE, bound, [*notes, "the claims do not close the gap"]
        if not missing:
            return Termination.CONVERGED, Claim.INFEASIBLE, -self._sense * math.inf, notes
        way = "with assume_scr=False, or with a known allocation that satisfies the extension"
        if not self._recognised.info.data.assumes_scr:
            way = "with a longest_delay"
        said = f"the model has no point, which says nothing of {missing}: build it {way}"
        return Termination.CONVERGED, Claim.UNKNOWN, bound, [*notes, said]

    def _why_open(self, judged: Judged | None) -> str:
        found = self._recognised.info
        if judged is None:
            return "no allocation can be read from what the solver found"
        if not judged.holds:
            return "no allocation near the solver's points keeps the model"
        formulation = formulations[f"{Subproblem.JOINT}/{found.formulation}"]
        if formulation.kind is not Kind.EXACT:
            finer = "a smaller tangent_error or " if "tangent_error" in formulation.options else ""
            return f"the gap is open: {found.formulation} relaxes, {finer}another formulation may close it"
        return "the claims do not close the gap"


def _distinct(recognised: Recognised, points: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Return the best points of different associations, by names within the model, the best first."""
    found: dict[tuple[int, ...], dict[str, float]] = {}
    for point in reversed(points):
        values = _relative(recognised.model, point)
        chosen = tuple(round(values.get(name, 0.0)) for name in sorted(values) if name.startswith("x["))
        found.setdefault(chosen, values)
        if len(found) == _MOST_TRIES:
            break
    return list(found.values())


def _relative(model: Any, point: dict[str, float]) -> dict[str, float]:
    """Return the values by the names within the model."""
    found = {}
    for name, variable in variables_of(model).items():
        # A block that was sent to another process has left its parent behind, and its variables that part of the name.
        value = point.get(variable.name, point.get(name))
        if value is not None:
            found[name] = value
    return found
