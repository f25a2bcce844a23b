"""A method of ours as a solver of Pyomo's: one class per method, made from the registry."""

from __future__ import annotations

import datetime
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pyomo.environ as pyo
from pyomo.common.timing import HierarchicalTimer
from pyomo.contrib.solver.common.base import Availability, SolverBase
from pyomo.contrib.solver.common.results import Results, SolutionStatus, TerminationCondition
from pyomo.contrib.solver.common.util import NoFeasibleSolutionError, NoOptimalSolutionError
from pyomo.core.staleflag import StaleFlagManager

from formulations import InputError, Scenario, evaluate
from formulations.constraints import require_support
from formulations.joint.data import JointData

from ...algorithms import Limits, Method, configure, run_method
from ...backends import BackendError
from ...objectives import name_of
from ...result import Result
from ...status import Claim, in_one_word
from ...version import __version__
from .config import DashfConfig, promoted, set_entries
from .extension import refusal, restricted, split
from .global_solve import infeasible, solve_extended
from .log import SolverLog
from .meaning import contradicted, worse_side
from .model_values import Violated, best_point
from .recognition import Change, Difference, Recognised, closed_at, recognise
from .results import DashfResults, Solved, fill, gap_closed, objective_bound

__all__ = ["DashfSolver"]

logger = logging.getLogger("dashf_pyomo.plugins.pyomo")


@dataclass(frozen=True, eq=False)
class _Job:
    """Call of a solver: the model, the method and its limits."""

    recognised: Recognised
    method: Method
    limits: Limits
    config: DashfConfig
    log: SolverLog


class DashfSolver(SolverBase):
    """Solves models of Problem (3), built by `formulations.joint`, by one of our methods.

    Subclasses are made by `dashf_pyomo.plugins.pyomo.register`, one per method. Keyword arguments of the constructor
    and of `solve` are entries of `DashfConfig` or options of the method.
    """

    CONFIG = DashfConfig()
    method: ClassVar[type[Method]]

    def __init__(self, **kwds: Any) -> None:
        super().__init__(**self._sorted(kwds))

    @classmethod
    def _sorted(cls, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments with the options of the method under ``solver_options``."""
        known = {key: value for key, value in arguments.items() if key in cls.CONFIG or key == "name"}
        options = {key: value for key, value in arguments.items() if key not in known}
        if options:
            known["solver_options"] = {**known.get("solver_options", {}), **options}
        return known

    def available(self) -> Availability:
        """Return whether the method can run here; a global solver that it needs has to solve a tiny model."""
        try:
            missing = configure(self.method.name, {}).missing()
        except (InputError, BackendError):
            return Availability.NotFound
        return Availability.NotFound if missing else Availability.FullLicense

    def version(self) -> tuple[int, ...]:
        """Return the version of this package."""
        return tuple(int(part) for part in __version__.split("."))

    def solve(self, model: Any, **kwds: Any) -> Results:
        """Solve a model of Problem (3).

        Parameters
        ----------
        model
            A model that `formulations.joint` built, extended or not.
        **kwds
            Entries of the configuration or options of the method, for this call only.

        Returns
        -------
        Results
            ``extra_info`` holds the objective of the scenario (``objective_value``) and its bound, the SCR, the gap,
            the trace, what is violated, and `result`.

        Raises
        ------
        UnsupportedModelError
            If the model is not one of Problem (3), or was extended by what the method cannot honour.
        InputError
            If an option or a limit does not exist or cannot have its value.
        BackendError
            If a solver that the method needs is missing or fails.
        """
        start = datetime.datetime.now(datetime.UTC)
        config = self.config(preserve_implicit=True)
        set_entries(config, self._sorted(kwds))
        StaleFlagManager.mark_all_as_stale()
        if config.timer is None:
            config.timer = HierarchicalTimer()
        job = self._prepare(model, config, start)
        config.timer.start("solve")
        solved = _solve(job)
        config.timer.stop("solve")
        log = job.log
        log.write(f"{self.method.name}: {in_one_word(solved.termination, solved.claim)}; {solved.message}")
        for broken in solved.violated:
            log.write(f"violated: {broken}")

        results = DashfResults()
        fill(results, model, solved)
        results.solver_log = log.text + solved.log
        results.solver_config = config
        results.solver_name = self.name
        results.solver_version = self.version()
        results.extra_info["differences"] = tuple(map(str, job.recognised.differences))
        results.timing_info.start_timestamp = start
        results.timing_info.timer = config.timer
        _deliver(results, config)
        results.timing_info.wall_time = (datetime.datetime.now(datetime.UTC) - start).total_seconds()
        return results

    def _prepare(self, model: Any, config: DashfConfig, start: datetime.datetime) -> _Job:
        """Read the configuration and recognise the model; whatever is wrong is an error before solving."""
        options = promoted(config)
        method = configure(self.method.name, options)
        if config.abs_gap is not None:
            raise InputError(
                f"abs_gap = {config.abs_gap!r}; expected none, the methods stop at a relative gap (rel_gap)"
            )
        gap = 1e-3 if config.rel_gap is None else config.rel_gap
        Limits(config.time_limit, gap, config.threads, config.certificate)  # refuses what cannot be
        log = SolverLog(config.tee, config.observer)
        config.timer.start("recognise model")
        recognised = recognise(model)
        config.timer.stop("recognise model")
        if config.warmstart and not (method.solves_models and _is_another_problem(recognised)):
            logger.warning("method %s takes no start; warmstart is ignored", self.method.name)
        found = recognised.info
        log.write(f"dashf-pyomo {__version__}: {self.method.name} on {found.scenario.name or 'the scenario'}")
        for difference in recognised.differences:
            log.write(f"extended: {difference}")
        time_limit = config.time_limit
        if time_limit is not None:
            passed = (datetime.datetime.now(datetime.UTC) - start).total_seconds()
            time_limit = max(time_limit - passed, 1e-3)
        return _Job(recognised, method, Limits(time_limit, gap, config.threads, config.certificate), config, log)


def _is_another_problem(recognised: Recognised) -> bool:
    """Return whether a model is more than a scenario; methods that solve models then take it as it is.

    A closed gap of the SCR closes none of score - y cost, so a model with that objective is one.
    """
    return bool(split(recognised)[1]) or recognised.info.ratio is not None


def _solve(job: _Job) -> Solved:
    recognised, strict = job.recognised, job.config.on_extension == "strict"
    inside, others = split(recognised)
    impossible = contradicted(recognised)
    if impossible:
        return infeasible(job.method, recognised, impossible)
    if job.method.solves_models and _is_another_problem(recognised) and not recognised.of(Change.OTHER):
        return solve_extended(job.method, recognised, job.limits, job.config.warmstart, job.log)
    if strict and others:
        raise refusal(job.method, recognised, others)
    scenario = _scenario(job, inside, strict)
    return _translate(recognised, run_method(job.method, scenario, job.limits, job.log), scenario, job.limits.gap)


def _scenario(job: _Job, inside: list[Difference], strict: bool) -> Scenario:
    """Return the scenario to solve: with the fixed associations declared, or free where they are only reported.

    Raises
    ------
    UnsupportedModelError
        If the method cannot honour fixed associations and they are not to be reported.
    InputError
        If it cannot honour what the scenario itself declares.
    """
    recognised, name, honours = job.recognised, f"method {job.method.name}", job.method.honours()
    scenario = recognised.info.scenario
    require_support(name, honours, scenario.demands)
    declared = restricted(recognised, inside)
    try:
        require_support(name, honours, declared.demands)
    except InputError:
        if strict:
            raise refusal(job.method, recognised, inside) from None
        return scenario
    return declared


def _translate(recognised: Recognised, result: Result, scenario: Scenario, gap: float) -> Solved:
    """Return a result on a scenario in terms of the model."""
    (goal,) = recognised.model.component_data_objects(pyo.Objective, active=True)
    bound = math.inf if goal.sense == pyo.maximize else -math.inf
    rigorous = all(difference.restricts for difference in recognised.differences)
    if rigorous and result.bound is not None:
        bound = objective_bound(recognised.info, result.bound)
    facts: dict[str, Any] = {
        "result": result,
        "scenario": scenario,  # what result and certificate are about
        "allocation": result.allocation,
        "objective_value": result.value,
        "scr": result.scr,
        "score": result.score,
        "delay": result.delay,
        "energy": result.energy,
        "bound": result.bound if rigorous else None,
        "upper_bound": result.upper_bound if rigorous else None,
        "bound_source": result.bound_source if rigorous else None,
        "iteration_count": result.iterations,
        "trace": result.trace,
        "solvers": dict(result.solvers),
    }
    if result.allocation is None:
        if result.claim is Claim.INFEASIBLE and not rigorous:
            said = f"{result.message}; that is proven of the scenario, not of the changed model"
            return Solved(result.termination, Claim.UNKNOWN, said, None, None, (), (), bound, facts)
        return Solved(result.termination, result.claim, result.message, None, None, (), (), bound, facts)
    allocation, point, checked = best_point(recognised, result.allocation)
    e = evaluate(recognised.info.scenario, allocation)
    facts |= {"allocation": allocation, "objective_value": e.value}
    facts |= {"scr": e.scr, "score": e.score, "delay": e.delay, "energy": e.energy}
    violated = checked.violated
    cut_away: tuple[Violated, ...] = ()
    message = result.message
    data = recognised.info.data
    name = name_of(str(data.kind))
    if _clearly_worse(data, e.value):
        changed = {difference.component for difference in recognised.differences}
        # Pairs that are closed have no rows in some models, so a point that uses one is not in the model at all.
        built = {v.name: v for v in recognised.fresh.component_data_objects(pyo.Var)}
        closed = {name for name, variable in built.items() if variable.fixed or closed_at(variable) is not None}
        rows = {row.name for row in recognised.fresh.component_data_objects(pyo.Constraint, active=True)}
        # What was added, variables too, is the user's, and broken if it is.
        own = [entry for entry in violated if entry.component in (rows | built.keys()) - changed - closed]
        violated = tuple(entry for entry in violated if entry not in own)
        cut_away = tuple(own)
        if own:
            message += (
                f"; {name} {e.value:.6g} is {worse_side(data)} the {data.value:.6g} of the allocation that the model "
                "was built with, so its bounds exclude it (known=allocation makes the builder admit it)"
            )
    claim = result.claim
    if claim is Claim.CERTIFIED and (violated or not gap_closed(checked.objective, bound, gap)):
        claim = Claim.FEASIBLE
        if not violated and rigorous:
            message += f"; the gap is closed for the {name}, not for the objective of the model"
    return Solved(result.termination, claim, message, point, checked, violated, cut_away, bound, facts)


def _clearly_worse(data: JointData, value: float) -> bool:
    """Return whether a value is worse than the known one by more than rounding."""
    declared = data.scenario.objective
    return declared.better(data.value, value) and abs(value - data.value) > 1e-9 * abs(data.value)


def _deliver(results: Results, config: DashfConfig) -> None:
    """Load the solution and raise what Pyomo's solvers raise, in their order.

    Raises
    ------
    NoOptimalSolutionError
        If the run did not converge and the configuration wants that raised.
    NoFeasibleSolutionError
        If a solution is to be loaded and there is none.
    """
    converged = results.termination_condition == TerminationCondition.convergenceCriteriaSatisfied
    if config.raise_exception_on_nonoptimal_result and not converged:
        raise NoOptimalSolutionError()
    if config.load_solutions:
        if results.solution_status == SolutionStatus.noSolution:
            raise NoFeasibleSolutionError()
        config.timer.start("load solution")
        results.solution_loader.load_solution()
        config.timer.stop("load solution")
