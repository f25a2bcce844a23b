"""Models of scenarios with another objective: solved in its sense, bounded on its side, or refused by name."""

from __future__ import annotations

import math
import pickle
from typing import Any

import cvxpy as cp
import numpy as np
import pyomo.environ as pyo
import pytest
from plugin_helpers import need_scip, solve
from pyomo.contrib.solver.common.results import SolutionStatus

import dashf_pyomo.plugins.cvxpy
from dashf_pyomo.algorithms.baselines import Gucaa
from dashf_pyomo.conformance.reference import reference_optimum
from dashf_pyomo.plugins.pyomo.recognition import UnsupportedModelError, recognise
from dashf_pyomo.plugins.pyomo.results import objective_bound
from formulations import ALL_EXTRAS, InputError, Scenario, joint
from formulations.association.pair_resources import equal_split
from formulations.joint import literal_cvxpy

COST = Scenario.random(1, 1, seed=0, objective={"kind": "cost"})
UTILITY = Scenario.random(3, 2, seed=0, objective={"kind": "utility", "price": 3.0, "delay": "mean"})
KNOWN = equal_split(UTILITY, np.array([0, 1, 0]), np.array([0.25, 0.5, 1.0]))


@pytest.mark.slow
def test_a_cost_is_minimised_and_bounded_from_below() -> None:
    need_scip()
    model = joint.activity(COST)
    results = solve("dashf_minlp", model, time_limit=60, rel_gap=1e-2)
    unit, best = joint.info(model).data.objective_unit, reference_optimum(COST).value
    assert results.solution_status is SolutionStatus.optimal
    assert results.incumbent_objective * unit == pytest.approx(best, rel=1.01e-2)
    assert results.objective_bound * unit <= best * (1 + 1e-6)
    assert results.extra_info.objective_value == pytest.approx(pyo.value(model.objective) * unit, rel=1e-6)
    assert results.extra_info.bound <= best * (1 + 1e-6) and results.extra_info.upper_bound is None


@pytest.mark.slow
def test_a_row_that_was_added_to_a_model_is_worth_what_it_is_worth_declared() -> None:
    need_scip()
    model = joint.activity(COST, assume_scr=False, longest_delay=300.0)
    model.green = pyo.Constraint(expr=model.attributes.energy[0] <= 400.0)
    results = solve("dashf_minlp", model, time_limit=60, rel_gap=1e-2)
    best = reference_optimum(COST.replace(constraints={"total_energy": 400.0, "delay_limit": 300.0})).value
    unit = joint.info(model).data.objective_unit
    assert best > 1.1 * reference_optimum(COST).value
    assert results.solution_status is SolutionStatus.optimal
    assert results.incumbent_objective * unit == pytest.approx(best, rel=1.1e-2)
    assert results.objective_bound * unit <= best * (1 + 1e-6)


def test_a_bound_on_the_scenario_is_one_on_the_model_in_its_sense() -> None:
    found = joint.info(joint.activity(COST))
    assert objective_bound(found, None) == -math.inf
    assert objective_bound(found, 20.0) == pytest.approx(20.0 / found.data.pairs.cost_unit)
    assert found.value_bound(objective_bound(found, 20.0)) == pytest.approx(20.0)
    found = joint.info(joint.activity(UTILITY))
    assert objective_bound(found, None) == math.inf
    assert objective_bound(found, -7.0) == pytest.approx(-7.0 / UTILITY.score_scale)


@pytest.mark.parametrize("name", ["literal", "activity", "convexified"])
@pytest.mark.parametrize("scenario", [COST, UTILITY], ids=["cost", "utility"])
def test_another_objective_over_it_is_refused_with_what_is_left_out(name: str, scenario: Scenario) -> None:
    model = getattr(joint, name)(scenario)
    assert not recognise(model).differences
    model.objective.deactivate()
    model.mine = pyo.Objective(expr=model.delay)
    said = "a cost above" if scenario is COST else "a utility below"
    with pytest.raises(UnsupportedModelError, match=rf"leaves out whatever has {said} .* assume_scr=False"):
        solve("dashf_minlp", model)


def test_a_method_refuses_an_objective_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gucaa, "supports", ALL_EXTRAS)
    with pytest.raises(InputError, match=r"method gucaa cannot honour the scenario's objective \(.*objective utility"):
        solve("dashf_gucaa", joint.activity(UTILITY))


@pytest.mark.parametrize("changed", [{}, {"binary_offload": True}, {"offload": [[0.2, 0.4], None, None]}])
def test_transformations_keep_what_is_declared(changed: dict[str, Any]) -> None:
    scenario = UTILITY.replace(constraints=changed)
    model = joint.activity(scenario)
    for name in ("dashf.hull", "dashf.sdr", "dashf.convexified"):
        new = pyo.TransformationFactory(name).create_using(model)
        assert pickle.loads(pickle.dumps(new)).name == new.name
        for n in model.users:
            assert new.offload[n].bounds == model.offload[n].bounds
    with pytest.raises(InputError, match=r"ratio = 5\.0; expected none, the objective has a price of its own"):
        pyo.TransformationFactory("dashf.hull").create_using(model, ratio=5.0)


def test_a_relaxation_of_ao_part_1_refuses_users_ratios_by_name() -> None:
    model = joint.activity(Scenario.random(3, 2, seed=0, objective={"kind": "max-min"}))
    with pytest.raises(InputError, match=r"dashf\.hull cannot honour .*objective max-min"):
        pyo.TransformationFactory("dashf.hull").create_using(model)


@pytest.mark.slow
def test_cvxpy_has_the_value_and_the_status_of_a_cost() -> None:
    need_scip()
    problem = literal_cvxpy.build(COST)
    assert isinstance(problem.objective, cp.Minimize)
    value = problem.solve(method="dashf_minlp", formulation="activity", time_limit=60.0, gap=1e-2)
    extra = problem.solver_stats.extra_stats
    assert problem.status == cp.OPTIMAL
    assert value == pytest.approx(extra["value"], rel=1e-6)
    assert extra["bound"] <= extra["value"] and extra["upper_bound"] == math.inf
    impossible = literal_cvxpy.build(COST.replace(constraints={"delay_limit": 1e-3}))
    assert impossible.solve(method="dashf_minlp") == math.inf and impossible.status == cp.INFEASIBLE


assert dashf_pyomo
