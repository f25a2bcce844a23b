"""MAiNGO: branch and bound with McCormick relaxations, through Pyomo's translation.

It has no callbacks: bounds are read from its log, and its points are known at its end only.
"""

from __future__ import annotations

import re
from typing import Any

from .backend import OutcomeStatus, backends
from .exact import ExactBackend
from .model_search import Report, SearchEnd, SearchLimits, SolverProgress, finite, only_objective

__all__ = ["MAINGO"]

_OPTIONS: dict[str, float] = {
    "deltaIneq": 1e-8,
    "deltaEq": 1e-8,
    "epsilonA": 1e-9,  # the smallest it takes; the relative gap decides
    "loggingDestination": 1,  # standard output, where every line appears as it is written
    "BAB_printFreq": 10,
    "writeToLogSec": 100_000_000,
}
#: Relative gap unless another is asked for.
_GAP = 1e-5

_NUMBER = r"([-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|inf|nan))"
#: Iteration, lower bound, upper bound, nodes left.
_ROW = re.compile(rf"\s*(\d+)\s+{_NUMBER}\s+{_NUMBER}\s+\d+\s+{_NUMBER}", re.IGNORECASE)
_FOUND = re.compile(rf"\s*Found feasible point with objective value {_NUMBER}", re.IGNORECASE)


def _read(line: str, sense: int) -> SolverProgress | None:
    # The log rounds to 7 and 6 digits: a step to the safe side, lest a bound be none.
    if row := _ROW.match(line):
        bound, objective = _moved(row[2], -1e-6), _moved(row[3], 1e-6)
        return SolverProgress(_as_ours(objective, sense), _as_ours(bound, sense), int(row[1]))
    if found := _FOUND.match(line):
        return SolverProgress(_as_ours(_moved(found[1], 1e-5), sense))
    return None


def _moved(number: str, by: float) -> float | None:
    value = finite(number)
    return None if value is None else value + by * abs(value)


def _as_ours(value: float | None, sense: int) -> float | None:
    """MAiNGO minimises, with 1e51 and the like for infinity."""
    return None if value is None else sense * value


def _search(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    import maingopy
    import pyomo.environ as pyo
    from pyomo.contrib.appsi.solvers.maingo import MAiNGO

    unbounded = [
        variable.name
        for variable in model.component_data_objects(pyo.Var)
        if not variable.fixed and None in variable.bounds
    ]
    if unbounded:  # the translation would put 1e10, and what is called a bound would be none
        return SearchEnd(OutcomeStatus.FAILED, f"needs bounds on every variable; {unbounded[0]} has none")
    _inline_expressions(model)
    translator = MAiNGO()
    translator.set_instance(model)
    solver = maingopy.MAiNGO(translator._solver_model)
    for option, value in _options(limits).items():
        if not solver.set_option(option, value):
            return SearchEnd(OutcomeStatus.FAILED, f"does not take the option {option}")
    solver.solve()

    said = solver.get_status()
    sense = int(only_objective(model).sense)
    bound, nodes = _as_ours(finite(solver.get_final_LBD()), sense), int(solver.get_iterations())
    took = float(solver.get_wallclock_solution_time())
    if said in (maingopy.GLOBALLY_OPTIMAL, maingopy.FEASIBLE_POINT):
        point = solver.get_solution_point()
        ids = translator._pyomo_var_to_solver_var_id_map
        objective = sense * float(solver.get_objective_value())
        values = [(entry[0], point[ids[key]]) for key, entry in translator._vars.items()]
        report.incumbent(values, objective, bound, nodes)
        done = said == maingopy.GLOBALLY_OPTIMAL
        status = OutcomeStatus.SOLVED if done else OutcomeStatus.TIME_LIMIT
        return SearchEnd(status, "" if done else "feasible point, not proven optimal", objective, bound, nodes, took)
    status = {
        maingopy.INFEASIBLE: OutcomeStatus.INFEASIBLE,
        maingopy.NO_FEASIBLE_POINT_FOUND: OutcomeStatus.TIME_LIMIT,
    }.get(said, OutcomeStatus.FAILED)
    return SearchEnd(status, str(said).removeprefix("RETCODE."), None, bound, nodes, took)


def _options(limits: SearchLimits) -> dict[str, float]:
    options = {**_OPTIONS, "epsilonR": _GAP if limits.gap is None else max(limits.gap, 1e-9)}
    left = limits.seconds_left()
    if left is not None:
        # maxTime counts processor time, which on a busy machine runs behind the clock.
        options |= {"maxTime": left, "maxwTime": left}
    return options


def _inline_expressions(model: Any) -> None:
    """Put the contents of named expressions in their places: the translation takes those without an index only."""
    import pyomo.environ as pyo
    from pyomo.core.expr.visitor import replace_expressions

    for kind in (pyo.Constraint, pyo.Objective):
        for entry in model.component_data_objects(kind, active=True):
            entry.set_value(replace_expressions(entry.expr, {}, remove_named_expressions=True))


MAINGO = backends.register(
    ExactBackend(
        name="maingo",
        summary="McCormick relaxations, global; variables need bounds",
        search=_search,
        package="maingopy",
        extra="maingo",
        read=_read,
        preferred=3,
    ),
    origin=__name__,
)
