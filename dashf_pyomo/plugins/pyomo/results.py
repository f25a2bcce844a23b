"""From a `dashf_pyomo.Result` and a point of the model to Pyomo's results; no status says more than is proven."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyomo.common.collections import ComponentMap
from pyomo.contrib.solver.common.results import Results, SolutionStatus, TerminationCondition
from pyomo.contrib.solver.common.solution_loader import SolutionLoader
from pyomo.contrib.solver.common.util import NoSolutionError

from formulations.joint import JointInfo
from formulations.objective import Sense

from ...result_data import relative_gap
from ...status import Claim, Termination
from .config import DashfConfig
from .model_values import Checked, Violated
from .recognition import variables_of

__all__ = ["DashfResults", "PointLoader", "Solved", "fill", "gap_closed", "objective_bound"]

logger = logging.getLogger("dashf_pyomo.plugins.pyomo")

_ENDED_EARLY = {
    Termination.TIME_LIMIT: TerminationCondition.maxTimeLimit,
    Termination.INTERRUPTED: TerminationCondition.interrupted,
    Termination.ERROR: TerminationCondition.error,
}
_CLAIMED = {
    Claim.CERTIFIED: TerminationCondition.convergenceCriteriaSatisfied,
    Claim.FEASIBLE: TerminationCondition.convergenceCriteriaSatisfied,
    Claim.INFEASIBLE: TerminationCondition.provenInfeasible,
    Claim.UNKNOWN: TerminationCondition.unknown,
}


@dataclass(frozen=True, eq=False)
class Solved:
    """Findings of a run in terms of the model that was given.

    Parameters
    ----------
    termination, claim, message
        End and claim; `CERTIFIED` only with a rigorous bound on this very model.
    point
        Values by the name of the variable within the model, or None.
    checked
        Value of the point in the model, or None without one.
    violated
        Broken rows and bounds that are part of the problem.
    cut_away
        Broken rows and bounds of the model that only exclude what is worse than the known allocation.
    bound
        Bound on the model's objective, infinite without a rigorous one.
    facts
        Other facts for ``extra_info``.
    log
        Text of the log.
    """

    termination: Termination
    claim: Claim
    message: str
    point: Mapping[str, float] | None
    checked: Checked | None
    violated: tuple[Violated, ...]
    cut_away: tuple[Violated, ...]
    bound: float
    facts: Mapping[str, Any]
    log: str = ""

    @property
    def condition(self) -> TerminationCondition:
        """Pyomo's name for how it ended; what is certified has converged, whatever ended it."""
        if self.termination in _ENDED_EARLY and self.claim is not Claim.CERTIFIED:
            return _ENDED_EARLY[self.termination]
        return _CLAIMED[self.claim]


class PointLoader(SolutionLoader):
    """Loads the values of a point; fixed variables keep theirs, and there are no duals to load."""

    def __init__(self, model: Any, point: Mapping[str, float] | None) -> None:
        super().__init__()
        self._pyomo_model = model
        self._values: ComponentMap = ComponentMap()
        if point is not None:
            for name, variable in variables_of(model).items():
                value = point.get(name)
                if value is not None and not variable.fixed:
                    self._values[variable] = value

    def get_number_of_solutions(self) -> int:
        """Return 1, or 0 where nothing was found."""
        return int(len(self._values) > 0)

    def get_vars(self, vars_to_load: Sequence[Any] | None = None) -> Mapping[Any, float]:
        """Return the values of the variables asked for, or of all that are not fixed.

        Raises
        ------
        NoSolutionError
            If nothing was found.
        """
        if not self._values:
            raise NoSolutionError()
        if vars_to_load is None:
            return self._values
        return ComponentMap((variable, self._values[variable]) for variable in vars_to_load)

    def get_duals(self, cons_to_load: Sequence[Any] | None = None) -> dict[Any, float]:
        """Return nothing: a mixed-integer problem has no duals."""
        logger.info("no duals are loaded: Problem (3) has none")
        return {}

    def get_reduced_costs(self, vars_to_load: Sequence[Any] | None = None) -> Mapping[Any, float]:
        """Return nothing: a mixed-integer problem has no reduced costs."""
        logger.info("no reduced costs are loaded: Problem (3) has none")
        return ComponentMap()


class DashfResults(Results):
    """Pyomo's results, which can be sent to another process; Pyomo's own cannot.

    There the configuration has its defaults where it held streams, a timer or an observer, and the solution loader
    loads into the copy of the model that was sent along.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        values = {name: getattr(self, name) for name in _PLAIN}
        timing = self.timing_info.value()
        timing.pop("timer", None)
        config = self.solver_config
        if config is not None:
            config = {name: value for name, value in config.value().items() if name not in _UNSENT}
        return _sent, (values, timing, self.extra_info.value(), config)


#: What results hold besides the groups.
_PLAIN = (
    "solution_loader",
    "termination_condition",
    "solution_status",
    "incumbent_objective",
    "objective_bound",
    "solver_name",
    "solver_version",
    "solver_log",
)
#: Entries of a configuration that belong to a process.
_UNSENT = ("tee", "timer", "observer", "working_dir")


def _sent(
    values: Mapping[str, Any], timing: Mapping[str, Any], extra: Mapping[str, Any], config: Mapping[str, Any] | None
) -> DashfResults:
    """Return results as they were before they were sent."""
    results = DashfResults()
    for name, value in values.items():
        if value is not None:
            setattr(results, name, value)
    for group, entries in ((results.timing_info, timing), (results.extra_info, extra)):
        for name, value in entries.items():
            group[name] = value
    if config is not None:
        results.solver_config = DashfConfig()
        results.solver_config.set_value(config)
    return results


def objective_bound(found: JointInfo, bound: float | None) -> float:
    """Return the bound on a joint model's objective that a bound on the scenario's implies; infinite without one.

    For the objective score - y cost, where a bound U on the SCR is known: score <= U cost and score <= S, the most that
    budgets allow. So it is at most (1 - y/U) S where U >= y, and (U - y) times the least cost where U < y.

    Parameters
    ----------
    found
        Data of the model.
    bound
        Bound on the objective of all allocations, SI, or None.
    """
    data = found.data
    if bound is None:
        return -math.inf if data.scenario.objective.sense is Sense.MIN else math.inf
    if found.ratio is None:
        return bound / data.objective_unit
    if bound >= found.ratio:
        return (1.0 - found.ratio / bound) * data.most_score
    return (bound - found.ratio) / data.scr_unit * data.least_cost


def gap_closed(objective: float | None, bound: float, gap: float) -> bool:
    """Return whether a bound on a model's objective is within a relative gap of the objective reached."""
    if objective is None or not math.isfinite(bound):
        return False
    return abs(bound - objective) <= gap * max(abs(bound), abs(objective)) * (1.0 + 1e-6)


def fill(results: Results, model: Any, solved: Solved) -> None:
    """Set statuses, incumbent, bound, loader and extra information of Pyomo's results.

    A heuristic that converged is `convergenceCriteriaSatisfied` with a feasible point, never an optimal one.
    """
    results.solution_loader = PointLoader(model, solved.point)
    results.termination_condition = solved.condition
    if solved.point is None or solved.checked is None:
        results.solution_status = SolutionStatus.noSolution
    elif solved.violated:
        results.solution_status = SolutionStatus.infeasible
    elif solved.checked.unchecked:
        results.solution_status = SolutionStatus.unknown
    elif solved.claim is Claim.CERTIFIED:
        results.solution_status = SolutionStatus.optimal
    else:
        results.solution_status = SolutionStatus.feasible
    objective = None if solved.checked is None else solved.checked.objective
    held = results.solution_status in (SolutionStatus.feasible, SolutionStatus.optimal)
    results.incumbent_objective = objective if held else None
    results.objective_bound = solved.bound
    results.solver_log = solved.log
    info = results.extra_info
    info["message"] = solved.message
    info["rel_gap"] = _gap(results.incumbent_objective, solved.bound)
    info["violated"] = solved.violated
    info["cut_away"] = solved.cut_away
    info["unchecked"] = () if solved.checked is None else solved.checked.unchecked
    for key, value in solved.facts.items():
        info[key] = value


def _gap(incumbent: float | None, bound: float) -> float | None:
    """Return `dashf_pyomo.relative_gap`; None without a finite bound."""
    return relative_gap(incumbent, bound) if math.isfinite(bound) else None
