"""A solver's point is taken for nothing: rows and objective are judged at its allocation, and repaired there."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from plugin_helpers import SMALL, TINY, build, energy, need_scip, solve
from pyomo.contrib.solver.common.results import SolutionStatus

import dashf_pyomo
from dashf_pyomo.check import check
from dashf_pyomo.plugins.pyomo.judging import Judged, judge, judge_allocation
from dashf_pyomo.plugins.pyomo.recognition import Recognised, recognise
from dashf_pyomo.plugins.pyomo.repair import repairs
from formulations import Scenario, evaluate, joint
from formulations.joint.whole_point import set_point

pytestmark = pytest.mark.slow

STATED = {"assume_scr": False, "longest_delay": 200.0}


def weigh(model: Any) -> None:
    """Let the score of user 0 count more, and that of user 1 next to nothing."""
    model.ratio_row.deactivate()
    model.weighted = pyo.Constraint(expr=model.ratio * model.cost <= 1.5 * model.score[0] + 0.2 * model.score[1])


@pytest.mark.parametrize("name", ["activity", "convexified"])
def test_a_weighted_score_is_worth_what_the_evaluator_says(name: str) -> None:
    """Once optimal with an SCR of zero and an infinite delay."""
    need_scip()
    model = build(name, SMALL, **STATED)
    weigh(model)
    results = solve("dashf_minlp", model, time_limit=60)
    assert results.solution_status is SolutionStatus.optimal
    e = evaluate(SMALL, results.extra_info.allocation)
    assert e.feasible and np.isfinite(e.delay)
    cost = SMALL.weight_time * e.delay + SMALL.weight_energy * e.energy
    value = (1.5 * e.user_score[0] + 0.2 * e.user_score[1]) / cost / joint.info(model).data.scr_unit
    assert results.incumbent_objective == pytest.approx(value, rel=1e-5)
    assert value == pytest.approx(1.224311, rel=1e-3)  # found on both formulations, which share nothing but decisions


@pytest.mark.parametrize(("name", "built"), [("activity", STATED), ("convexified", STATED), ("convexified", {})])
def test_a_budget_of_energy_is_one_on_the_energy_of_the_allocation(name: str, built: dict[str, Any]) -> None:
    """Once 518 J of 500 J; the model as built by default leaves out all that spend less."""
    need_scip()
    model = build(name, SMALL, **built)
    model.budget = pyo.Constraint(expr=energy(model) <= 500.0)
    results = solve("dashf_minlp", model, time_limit=90)
    assert results.solution_status is SolutionStatus.optimal and not results.extra_info.violated
    e = evaluate(SMALL, results.extra_info.allocation)
    assert e.feasible and e.energy <= 500.0 * (1 + 1e-6)
    assert e.scr == pytest.approx(692.9165, rel=1e-3)  # as the other formulation finds
    assert 692.9165 * (1 - 1e-6) <= results.extra_info.upper_bound <= e.scr / (1 - 1e-3)
    result = results.extra_info.result
    assert result.scr == e.scr and result.upper_bound is None  # which would be a bound on the scenario
    findings = check(SMALL, json.loads(json.dumps(result.to_dict())))
    assert [finding for finding in findings if not finding.holds] == []


def test_a_point_that_spends_more_than_it_says_is_repaired() -> None:
    model = build("convexified", SMALL, **STATED)
    model.budget = pyo.Constraint(expr=energy(model) <= 500.0)
    recognised = recognise(model)
    start = judge_allocation(recognised, dashf_pyomo.solve(SMALL, "dashf-plus").allocation, {})
    assert [entry.component for entry in start.checked.violated] == ["budget"] and not start.holds
    assert start.evaluation.energy > 1000.0
    better = best(recognised, start)
    assert better.holds
    assert better.evaluation.energy <= 500.0 * (1 + 1e-6)
    assert better.evaluation.scr == pytest.approx(692.9165, rel=1e-4)


def test_a_repair_moves_variables_that_were_added_and_keeps_whole_ones() -> None:
    model = build("activity", TINY, **STATED)
    model.z, model.flag = pyo.Var(bounds=(0, 5)), pyo.Var(domain=pyo.Binary)
    model.tied = pyo.Constraint(expr=model.z == 3.0 * model.user_power[0] + model.flag)
    model.limit = pyo.Constraint(expr=model.z <= 2.8)
    recognised = recognise(model)
    allocation = dashf_pyomo.solve(TINY, "dashf-plus").allocation
    point = {v.name: v.value for v in _at(model, allocation).component_data_objects(pyo.Var)}
    judged = judge(recognised, {**point, "z": 2.9, "flag": 1e-7}, ("z", "flag"), -1)
    assert judged is not None and not judged.holds and judged.point["flag"] == 0.0
    better = best(recognised, judged, ("z", "flag"))
    assert better.holds
    assert better.point["z"] == pytest.approx(3.0 * better.point["user_power[0]"], abs=1e-6)
    assert better.point["z"] == pytest.approx(2.8, abs=1e-5) and better.point["flag"] == 0.0
    assert better.checked.objective == pytest.approx(0.694666, rel=1e-5)  # as with a bound of 2.8 / 3 on the power


def best(recognised: Recognised, start: Judged, free: tuple[str, ...] = ()) -> Judged:
    """What the first local solve finds that keeps everything."""
    return next(found for found in repairs(recognised, start, free, -1) if found.holds)


def _at(model: Any, allocation: Any) -> Any:
    set_point(model, allocation)
    return model


def test_limits_of_the_scenario_itself_are_kept_by_a_repair() -> None:
    limited = Scenario.random(2, 2, seed=0, constraints={"delay_limit": 33.0, "server_energy": 700.0})
    known = dashf_pyomo.solve(limited, "dashf-plus").allocation
    model = build("convexified", limited, known=known, **STATED)
    model.mine = pyo.Constraint(expr=model.user_power[0] <= 0.7)
    recognised = recognise(model)
    start = judge_allocation(recognised, known, {})
    assert not start.holds
    better = best(recognised, start)
    assert better.holds and better.evaluation.feasible
    # A row holds to 1e-6 of its own unit, here of the share.
    assert better.allocation.user_power[0] <= (0.7 + 1e-6) * limited.user_power_max[0]


def test_no_offloading_within_tolerances_of_none_costs_an_infinite_time() -> None:
    """1 - 1e-9 of the training at the user, and no speed for the rest at the server."""
    model = build("convexified", TINY, **STATED)
    model.mine = pyo.Constraint(expr=model.delay <= 3.0)
    allocation = dashf_pyomo.solve(TINY, "dashf-plus").allocation
    assert allocation.offload[0] == 1.0
    point = {v.name: v.value for v in _at(model, allocation).component_data_objects(pyo.Var)}
    point |= {"offload[0]": 1.0 - 1e-9, "server_speed[0,1]": 0.0}
    judged = judge(recognise(model), point, (), -1)
    assert judged is not None and judged.holds and judged.allocation.offload[0] == 1.0


def test_a_row_that_tells_identical_users_apart_is_not_lost_to_their_order() -> None:
    need_scip()
    columns = ("adapter_params", "flops_per_param", "channel_gain")
    same = {name: np.asarray(getattr(SMALL, name))[[0, 0]] for name in columns}
    twins = Scenario.from_dict({**SMALL.to_dict(), **{key: value.tolist() for key, value in same.items()}})
    found = {}
    for pair in ((0, 1), (1, 0)):
        model = build("activity", twins)
        assert model.user_order[0].active
        model.first = pyo.Constraint(expr=model.x[0, pair[0]] + model.x[1, pair[1]] >= 2)
        found[pair] = solve("dashf_minlp", model, time_limit=60, rel_gap=1e-2)
        assert model.user_order[0].active
        assert found[pair].solution_status is SolutionStatus.optimal
    assert found[0, 1].extra_info.scr == pytest.approx(found[1, 0].extra_info.scr, rel=1e-2)
