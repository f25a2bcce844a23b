"""Gurobi: spatial branch and bound, through Pyomo's translation and gurobipy."""

from __future__ import annotations

from typing import Any

from .backend import OutcomeStatus, backends
from .exact import ExactBackend
from .model_search import Report, SearchEnd, SearchLimits

__all__ = ["GUROBI"]

_PARAMETERS: dict[str, Any] = {
    "FeasibilityTol": 1e-9,  # at the default of 1e-6, points were accepted that violate a row by 1e-3
    "IntFeasTol": 1e-9,
    "OptimalityTol": 1e-9,
    "MIPGap": 1e-6,
    "NonConvex": 2,
    "DisplayInterval": 1,
}
_TOO_LARGE = (
    "the size-limited licence does not take this model (2000 variables/constraints, 200 nonlinear); a full licence "
    "is needed"
)


def _search(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    import gurobipy
    import pyomo.contrib.solver.solvers.gurobi.gurobi_direct_minlp  # noqa: F401  (registers the writer)
    from gurobipy import GRB
    from pyomo.opt import WriterFactory

    try:
        solver, variables, *_ = WriterFactory("gurobi_minlp").write(model)
        for ours, its in variables.items():
            if limits.warm_start and ours.value is not None:
                its.Start = ours.value
        for name, value in _parameters(limits).items():
            solver.setParam(name, value)
        its_variables = [*variables.values()]

        def listen(at: Any, where: int) -> None:
            if where == GRB.Callback.MIPSOL:
                values = zip(variables, at.cbGetSolution(its_variables), strict=True)
                report.incumbent(values, at.cbGet(GRB.Callback.MIPSOL_OBJ), at.cbGet(GRB.Callback.MIPSOL_OBJBND))
            elif where == GRB.Callback.MIP:
                nodes = int(at.cbGet(GRB.Callback.MIP_NODCNT))
                report.bound(at.cbGet(GRB.Callback.MIP_OBJBND), nodes=nodes)

        solver.optimize(listen)
        if solver.Status == GRB.INF_OR_UNBD:
            solver.setParam("DualReductions", 0)  # tells the two apart
            solver.optimize(listen)
    except gurobipy.GurobiError as error:
        too_large = error.errno == GRB.Error.SIZE_LIMIT_EXCEEDED
        return SearchEnd(OutcomeStatus.FAILED, _TOO_LARGE if too_large else str(error))

    status = {
        GRB.OPTIMAL: OutcomeStatus.SOLVED,
        GRB.INFEASIBLE: OutcomeStatus.INFEASIBLE,
        GRB.UNBOUNDED: OutcomeStatus.UNBOUNDED,
        GRB.TIME_LIMIT: OutcomeStatus.TIME_LIMIT,
        GRB.NODE_LIMIT: OutcomeStatus.TIME_LIMIT,
        GRB.ITERATION_LIMIT: OutcomeStatus.TIME_LIMIT,
        GRB.WORK_LIMIT: OutcomeStatus.TIME_LIMIT,
        GRB.MEM_LIMIT: OutcomeStatus.TIME_LIMIT,
    }.get(solver.Status, OutcomeStatus.FAILED)
    words = {getattr(GRB.Status, word): word for word in dir(GRB.Status) if word.isupper()}
    message = "" if status is OutcomeStatus.SOLVED else words.get(solver.Status, str(solver.Status)).lower()
    objective = None
    bound, nodes = getattr(solver, "ObjBound", None), int(getattr(solver, "NodeCount", 0))
    if solver.SolCount > 0:
        objective = float(solver.ObjVal)
        report.incumbent(((ours, its.X) for ours, its in variables.items()), objective, bound, nodes)
    return SearchEnd(status, message, objective, bound, nodes, float(solver.Runtime))


def _parameters(limits: SearchLimits) -> dict[str, Any]:
    parameters = dict(_PARAMETERS)
    if limits.threads is not None:
        parameters["Threads"] = limits.threads
    if limits.gap is not None:
        parameters["MIPGap"] = limits.gap
    if limits.memory is not None:
        parameters["SoftMemLimit"] = 0.8 * limits.memory / 1e9
    left = limits.seconds_left()
    if left is not None:
        parameters["TimeLimit"] = left
    return parameters


GUROBI = backends.register(
    ExactBackend(
        name="gurobi",
        summary="spatial branch and bound, global; small models without licence",
        search=_search,
        package="gurobipy",
        extra="gurobi",
        preferred=2,
    ),
    origin=__name__,
)
