"""Whole points of joint models: auxiliary variables follow from an allocation, and all rows hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyomo.environ as pyo
import pytest
from plugin_helpers import FORMULATIONS, SCENARIO, build

import dashf_pyomo
from dashf_pyomo.plugins.pyomo.model_values import best_point, check
from dashf_pyomo.plugins.pyomo.recognition import recognise
from formulations import Allocation, Scenario, evaluate, joint
from formulations.joint.convexified import CUTS
from formulations.joint.whole_point import set_point

WIDE = Scenario.random(5, 3, seed=4, bandwidth_max=[1e7, 2e7, 5e6])


def worst(model: pyo.ConcreteModel) -> float:
    """The largest excess over a bound of a row or a variable."""
    found = 0.0
    for part in (pyo.Constraint, pyo.Var):
        for data in model.component_data_objects(part, active=True):
            value = pyo.value(data if part is pyo.Var else data.body)
            found = max(found, *(sign * (value - b) for sign, b in ((-1, data.lb), (1, data.ub)) if b is not None), 0.0)
    return found


@pytest.mark.parametrize("scenario", [SCENARIO, WIDE], ids=["small", "wide"])
@pytest.mark.parametrize("name", FORMULATIONS)
def test_every_row_holds_at_the_point_of_a_good_allocation(name: str, scenario: Scenario) -> None:
    options = {"cuts": tuple(CUTS)} if name == "convexified" else {}
    model = build(name, scenario, **options)
    result = dashf_pyomo.solve(scenario, "dashf")
    assert result.scr is not None and result.scr > joint.info(model).data.ratio
    assert set_point(model, result.allocation)
    assert all(v.value is not None for v in model.component_data_objects(pyo.Var))
    assert worst(model) <= 1e-9
    if name != "parametric":
        assert pyo.value(model.objective) * joint.info(model).data.scr_unit == pytest.approx(result.scr, rel=1e-9)


def test_mixed_offloading_has_points_too() -> None:
    allocation = dashf_pyomo.solve(SCENARIO, "dashf").allocation
    mixed = replace(allocation, offload=np.array([0.0, 0.37, 1.0]))
    for name in FORMULATIONS:
        model = build(name, known=mixed)
        set_point(model, mixed)
        assert worst(model) <= 1e-9


def test_a_check_leaves_the_model_as_it_was_and_names_what_is_broken() -> None:
    model = build("activity")
    model.extra = pyo.Constraint(expr=model.offload[0] <= -1)
    model.offload[1].set_value(0.123)
    model.offload[1].stale = False
    recognised = recognise(model)
    _, point, checked = best_point(recognised, dashf_pyomo.solve(SCENARIO, "dashf").allocation)
    assert [entry.component for entry in checked.violated] == ["extra"]
    assert "expected none to -1" in str(checked.violated[0])
    assert model.offload[1].value == 0.123 and not model.offload[1].stale
    assert model.delay.value is None
    assert check(model, {**point, "x[0,0]": 0.5}).violated[0].excess >= 0.5


@pytest.fixture(scope="module")
def shuffled_twins() -> list[tuple[Scenario, Allocation]]:
    """Identical users, then identical servers, each with an allocation out of order."""
    twins = replace(
        SCENARIO,
        channel_gain=SCENARIO.channel_gain[[0, 0, 0]][:, [0, 0]],
        adapter_params=SCENARIO.adapter_params[[0, 0, 0]],
        flops_per_param=SCENARIO.flops_per_param[[0, 0, 0]],
    )
    servers = replace(SCENARIO, channel_gain=SCENARIO.channel_gain[:, [0, 0]])
    found = []
    for scenario, server in ((twins, [1, 0, 1]), (servers, [1, 1, 0])):
        good = dashf_pyomo.solve(scenario, "dashf-plus").allocation
        found.append((scenario, replace(good, server=np.array(server)).within_budgets(scenario)))
    return found


@pytest.mark.parametrize("name", FORMULATIONS)
def test_identical_users_and_servers_are_put_in_the_order_that_the_model_keeps(
    name: str, shuffled_twins: list[tuple[Scenario, Allocation]]
) -> None:
    for scenario, shuffled in shuffled_twins:
        model = build(name, scenario, known=shuffled)
        recognised = recognise(model)
        found, _, checked = best_point(recognised, shuffled)
        assert not checked.violated
        assert evaluate(scenario, found).scr == pytest.approx(evaluate(scenario, shuffled).scr, rel=1e-12)
