"""Verdicts on changed problems: what is proven of the scenario is said of the problem only where it holds for it."""

from __future__ import annotations

import cvxpy as cp
import pyomo.environ as pyo
import pytest
from plugin_helpers import SMALL, TINY, build, need_scip, solve
from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition

import dashf_pyomo.plugins.cvxpy
from formulations.joint import literal_cvxpy

pytestmark = pytest.mark.slow

assert dashf_pyomo.plugins.cvxpy


@pytest.mark.parametrize("value", [0, 1])
def test_fixed_associations_prove_nothing_once_their_rows_are_deactivated(value: int) -> None:
    need_scip()
    model = build("convexified", SMALL, assume_scr=False, longest_delay=200.0)
    model.assignment[0].deactivate()
    for k in model.servers:
        model.x[0, k].fix(value)
    results = solve("dashf_minlp", model, time_limit=5, load_solutions=False)
    assert results.termination_condition is not TerminationCondition.provenInfeasible
    model.assignment[0].activate()
    again = solve("dashf_minlp", model, time_limit=5, load_solutions=False)
    assert again.termination_condition is TerminationCondition.provenInfeasible


def test_a_problem_without_its_limits_is_not_infeasible_because_they_are() -> None:
    limited = literal_cvxpy.build(TINY.with_constraints({"delay_limit": 1e-3}))
    free = len(literal_cvxpy.build(TINY).constraints)
    problem = cp.Problem(limited.objective, limited.constraints[:free])
    with pytest.raises(cp.error.SolverError, match="meets its limits at no server"):
        problem.solve(method="dashf", on_extension="report")
    assert problem.status != cp.INFEASIBLE
    limited.solve(method="dashf")
    assert limited.status == cp.INFEASIBLE


@pytest.mark.parametrize("name", ["literal", "activity"])
def test_bounds_of_a_variable_that_was_added_are_not_those_of_the_model(name: str) -> None:
    best = dashf_pyomo.solve(SMALL, "dashf-plus").allocation
    model = build(name, SMALL, known=best)
    model.t = pyo.Var(bounds=(0, 1), initialize=5.0)
    model.r = pyo.Constraint(expr=model.offload[0] <= model.t)
    results = solve("dashf_gucaa", model, on_extension="report", load_solutions=False)
    assert results.solution_status is not SolutionStatus.feasible
    assert any(entry.component == "t" for entry in results.extra_info.violated)
