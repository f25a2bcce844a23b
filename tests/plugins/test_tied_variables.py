"""Every variable of every formulation is tied to the model: a bound or a fixing of it is about the allocation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from plugin_helpers import FORMULATIONS, SCENARIO, SMALL, TINY, build, need_scip, solve
from pyomo.contrib.solver.common.results import SolutionStatus
from pyomo.core.expr.visitor import identify_variables

import dashf_pyomo
from dashf_pyomo.plugins.pyomo.judging import judge
from dashf_pyomo.plugins.pyomo.model_values import check
from dashf_pyomo.plugins.pyomo.recognition import recognise
from formulations import Allocation, evaluate
from formulations.joint.convexified import CUTS
from formulations.joint.whole_point import set_point

#: Where the allocation of `best` has what it has.
USER, SERVER = 0, 1


DECISIONS = ("x", "offload", "bandwidth", "server_power", "server_speed", "user_power", "user_speed")


@cache
def best() -> Allocation:
    found = dashf_pyomo.solve(TINY, "dashf-plus").allocation
    assert found is not None and found.server[USER] == SERVER
    return found


@pytest.mark.parametrize("built", [{}, {"assume_scr": False}], ids=["as usual", "without"])
@pytest.mark.parametrize("name", FORMULATIONS)
def test_every_variable_stands_in_a_row_or_has_one_value(name: str, built: dict[str, Any]) -> None:
    options = {"cuts": tuple(CUTS)} if name == "convexified" else {}
    model = build(name, SCENARIO, **built, **options)
    parts = (pyo.Constraint, pyo.Objective)
    stated = {
        id(v) for part in parts for row in model.component_data_objects(part) for v in identify_variables(row.expr)
    }
    untied = [v.name for v in model.component_data_objects(pyo.Var) if id(v) not in stated and v.lb != v.ub]
    assert untied == []


@pytest.mark.parametrize("name", FORMULATIONS)
def test_a_decision_has_one_meaning_in_all_formulations(name: str) -> None:
    """At the point of an allocation decisions have its values, and none but connected pairs hold anything."""
    model = build(name, SCENARIO, assume_scr=False)
    allocation = dashf_pyomo.solve(SCENARIO, "dashf").allocation
    set_point(model, allocation)
    for n, k in model.x:
        here = allocation.server[n] == k
        for label in ("bandwidth", "server_power", "server_speed"):
            share = getattr(allocation, label)[n] / getattr(SCENARIO, f"{label}_max")[k]
            assert getattr(model, label)[n, k].value == pytest.approx(share if here else 0.0, abs=1e-12)
    assert not check(model, {v.name: v.value for v in model.component_data_objects(pyo.Var)}).violated
    idle = next((n, k) for n, k in model.x if allocation.server[n] != k)
    for label in ("bandwidth", "server_power", "server_speed"):
        point = {v.name: v.value for v in model.component_data_objects(pyo.Var)}
        point[f"{label}[{idle[0]},{idle[1]}]"] = 0.5
        assert check(model, point).violated


def _names(name: str) -> list[str]:
    """Return one variable of every component, the one in use where there is a choice."""
    found = []
    for part in build(name, TINY).component_objects(pyo.Var):
        index = next((i for i in part if i == (USER, SERVER)), next(iter(part)))
        found.append(part[index].name)
    return found


ALL = [(name, variable) for name in FORMULATIONS for variable in _names(name)]


def _pulled(name: str, variable: str, up: bool) -> tuple[Any, dict[str, float], float] | None:
    """Return a model with a variable bound away from its value at the best allocation, and that point with it moved.

    None where it is at its end already.
    """
    model = build(name, TINY, assume_scr=False)
    set_point(model, best())
    point = {v.name: v.value for v in model.component_data_objects(pyo.Var)}
    data, value = model.find_component(variable), point[variable]
    if data.is_binary():
        data.fix(1 - round(value))
        return model, {**point, variable: data.value}, data.value
    (data.setlb if up else data.setub)(value + (1 if up else -1) * 0.1 * max(abs(value), 0.1))
    low, high = data.bounds
    if low is not None and high is not None and low > high:
        return None
    moved = float(np.clip(value, low, high))
    return model, {**point, variable: moved}, moved


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variable"), ALL, ids=["-".join(entry) for entry in ALL])
def test_a_variable_that_moved_alone_is_not_believed(name: str, variable: str) -> None:
    """A solver's point keeps what was asked of a variable: a decision moves the allocation, another is contradicted."""
    pulls = [pulled for up in (True, False) if (pulled := _pulled(name, variable, up)) is not None]
    assert pulls
    for model, point, moved in pulls:
        judged = judge(recognise(model), point, (), -1)
        assert judged is not None
        broken = {entry.component for entry in judged.checked.violated}
        decided = variable.split("[")[0] in DECISIONS
        assert (judged.point[variable] == pytest.approx(moved, abs=1e-9)) is decided
        assert (variable not in broken) is decided
        assert not judged.holds or judged.evaluation.scr < evaluate(TINY, best()).scr


# -- by a solver ------------------------------------------------------------------------------


#: What binds a decision, and the best SCR: of local solves at both servers from seven values of phi, all rows judged.
BINDING: dict[str, tuple[Callable[[Any], None], float]] = {
    "user_power": (lambda m: m.user_power.fix(0.9), 411.21620),
    "user_speed": (lambda m: m.user_speed[USER].setub(0.8), 416.31447),
    "offload": (lambda m: m.offload[USER].setub(0.9), 390.00883),
    "bandwidth": (lambda m: m.bandwidth.setub(0.6), 348.64346),
    "server_power": (lambda m: m.server_power.setub(0.5), 365.98750),
    "server_speed": (lambda m: m.server_speed.setub(0.5), 390.00883),
    "delay": (lambda m: m.delay.setub(1.05), 417.64973),
}

#: The powers and speeds of users once stood in no row of `convexified`.
SOLVED = [("activity", decision) for decision in BINDING] + [
    ("convexified", "user_power"),
    ("convexified", "user_speed"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "decision"), SOLVED)
def test_a_binding_bound_on_a_decision_has_the_answer_that_local_solves_find(name: str, decision: str) -> None:
    need_scip()
    change, truth = BINDING[decision]
    assert truth < evaluate(TINY, best()).scr
    model = build(name, TINY)
    change(model)
    results = solve("dashf_minlp", model, time_limit=60)
    assert results.solution_status is SolutionStatus.optimal and not results.extra_info.violated
    assert results.extra_info.scr == pytest.approx(truth, rel=1e-3)
    assert results.extra_info.upper_bound >= truth * (1 - 1e-6)


@pytest.mark.slow
def test_power_that_users_may_not_use_is_not_used() -> None:
    """The same problem twice: a variable fixed, and a scenario whose users have that power and no more."""
    need_scip()
    model = build("convexified", SMALL)
    model.user_power.setub(0.8)
    results = solve("dashf_minlp", model, time_limit=100, rel_gap=2e-3)
    assert results.solution_status is SolutionStatus.optimal
    assert np.all(results.extra_info.allocation.user_power <= 0.8 * SMALL.user_power_max * (1 + 1e-6))
    weak = dashf_pyomo.solve(replace(SMALL, user_power_max=0.8 * np.asarray(SMALL.user_power_max)), "dashf-plus")
    assert results.extra_info.scr == pytest.approx(weak.scr, rel=2e-3)
