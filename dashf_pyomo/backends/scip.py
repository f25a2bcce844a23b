"""SCIP: spatial branch and bound, through Pyomo's translation and PySCIPOpt."""

from __future__ import annotations

from typing import Any

from .backend import OutcomeStatus, backends
from .exact import ExactBackend
from .model_search import Report, SearchEnd, SearchLimits, finite, only_objective

__all__ = ["SCIP"]

_STATUS = {
    "optimal": OutcomeStatus.SOLVED,
    "gaplimit": OutcomeStatus.SOLVED,
    "infeasible": OutcomeStatus.INFEASIBLE,
    "unbounded": OutcomeStatus.UNBOUNDED,
    "timelimit": OutcomeStatus.TIME_LIMIT,
    "memlimit": OutcomeStatus.TIME_LIMIT,
    "nodelimit": OutcomeStatus.TIME_LIMIT,
    "totalnodelimit": OutcomeStatus.TIME_LIMIT,
    "stallnodelimit": OutcomeStatus.TIME_LIMIT,
}
_PARAMETERS: dict[str, Any] = {
    # Rows are scaled to the size of one by the formulations; the evaluator allows 1e-6.
    "numerics/feastol": 1e-7,
    "numerics/dualfeastol": 1e-9,
    "display/freq": 1000,
    "misc/catchctrlc": False,
}


def _search(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    import pyscipopt
    from pyomo.common.timing import HierarchicalTimer
    from pyomo.contrib.solver.common.factory import SolverFactory

    # Its solve() is not used: that captures the log through a pipe which is read by a thread, and SCIP holds the
    # interpreter's lock while it runs, so that a log longer than the pipe's 64 kB blocks both for ever.
    translator = SolverFactory("scip_direct")
    scip, _, _ = translator._create_solver_model(model, translator.config({"timer": HierarchicalTimer()}))
    variables = [*translator._pyomo_var_to_solver_var_map.items()]
    goal = only_objective(model)
    _set_parameters(scip, limits)
    if limits.warm_start:
        _start(scip, goal, variables, translator._obj_var, report)

    events = pyscipopt.SCIP_EVENTTYPE

    class Listener(pyscipopt.Eventhdlr):
        def eventinit(self) -> None:
            for event in (events.BESTSOLFOUND, events.NODESOLVED, events.LPSOLVED):
                self.model.catchEvent(event, self)

        def eventexec(self, event: Any) -> None:
            told = self.model.getDualbound(), self.model.getNTotalNodes()
            if event.getType() == events.BESTSOLFOUND:
                _report_best(self.model, goal, variables, report, *told)
            else:
                report.bound(told[0], nodes=told[1])

    scip.includeEventhdlr(Listener(), "report", "reports incumbents and bounds")
    scip.optimize()

    said = scip.getStatus()
    bound, nodes, objective = scip.getDualbound(), scip.getNTotalNodes(), None
    if scip.getNSols() > 0:
        objective = _report_best(scip, goal, variables, report, bound, nodes)
    status = _STATUS.get(said, OutcomeStatus.FAILED)
    message = "" if status is OutcomeStatus.SOLVED else said
    return SearchEnd(status, message, objective, bound, nodes, scip.getSolvingTime())


def _set_parameters(scip: Any, limits: SearchLimits) -> None:
    parameters = dict(_PARAMETERS)
    if limits.threads is not None:
        parameters["lp/threads"] = limits.threads
    if limits.gap is not None:
        parameters["limits/gap"] = limits.gap
    if limits.memory is not None:
        parameters["limits/memory"] = 0.8 * limits.memory / 1e6
    left = limits.seconds_left()
    if left is not None:
        parameters["limits/time"] = left
    scip.setParams(parameters)


def _report_best(
    scip: Any, goal: Any, variables: list[tuple[Any, Any]], report: Report, bound: float, nodes: int
) -> float:
    import pyomo.environ as pyo

    best = scip.getBestSol()
    objective = float(scip.getSolObjVal(best))
    values = [(ours, scip.getSolVal(best, its)) for ours, its in variables]
    for ours, value in values:
        ours.set_value(value, skip_validation=True)
    # SCIP's objective is a variable bounded by ours, and lies far behind it in points of simple heuristics.
    at_point = finite(pyo.value(goal.expr, exception=False))
    if at_point is not None:
        objective = goal.sense * min(goal.sense * objective, goal.sense * at_point)
    report.incumbent(values, objective, bound, nodes)
    return objective


def _start(scip: Any, goal: Any, variables: list[tuple[Any, Any]], objective_variable: Any, report: Report) -> None:
    """Give the values as a start: all of them if they are feasible, else the whole ones, which SCIP completes."""
    import pyomo.environ as pyo

    valued = [(ours, its) for ours, its in variables if ours.value is not None]
    objective = finite(pyo.value(goal.expr, exception=False))
    if len(valued) == len(variables) and objective is not None:
        full = scip.createSol()
        for ours, its in valued:
            scip.setSolVal(full, its, ours.value)
        scip.setSolVal(full, objective_variable, objective)  # SCIP's objective is a variable of its own
        if scip.checkSol(full, printreason=False, original=True):
            scip.addSol(full)
            report.incumbent([(ours, ours.value) for ours, _ in valued], objective)  # SCIP's event comes too early
            return
        scip.freeSol(full)
    whole = [(ours, its) for ours, its in valued if not ours.is_continuous()]
    if whole:
        partial = scip.createPartialSol()
        for ours, its in whole:
            scip.setSolVal(partial, its, ours.value)
        scip.addSol(partial)


SCIP = backends.register(
    ExactBackend(
        name="scip",
        summary="spatial branch and bound, global",
        search=_search,
        package="pyscipopt",
        extra="scip",
        preferred=1,
    ),
    origin=__name__,
)
