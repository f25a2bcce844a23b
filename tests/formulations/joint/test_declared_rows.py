"""Declared limits, ranges of phi and linear rows in every joint model: kept exactly where the evaluator says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from test_declared_objectives import excess

from formulations import Allocation, InputError, Scenario, evaluate, joint
from formulations.association.pair_resources import equal_split
from formulations.joint import literal_cvxpy
from formulations.joint.whole_point import set_point

MODELS = ("literal", "parametric", "activity", "convexified")
of_all_models = pytest.mark.parametrize("name", MODELS)

BASE = Scenario.random(3, 2, seed=0)
ALLOCATION = equal_split(BASE, np.array([0, 1, 0]), np.array([0.25, 0.5, 1.0]))
JUDGED = evaluate(BASE, ALLOCATION)
USER_ENERGY = JUDGED.energy_local + JUDGED.energy_uplink
SERVER_ENERGY = JUDGED.energy_server + JUDGED.energy_downlink


def term(attribute: str, coefficient: Any = 1.0, **about: Any) -> dict[str, Any]:
    return {"attribute": attribute, "coefficient": coefficient, **about}


def row(at_most: float, *terms: dict[str, Any]) -> dict[str, Any]:
    return {"rows": [{"name": "mine", "at_most": at_most, "terms": list(terms)}]}


def held(label: str, user: int) -> float:
    return float(getattr(ALLOCATION, label)[user])


#: By a slack: declarations that the allocation keeps if it is positive, and breaks if it is negative.
CASES: dict[str, Callable[[float], dict[str, Any]]] = {
    "user energy": lambda d: {"user_energy": (USER_ENERGY * (1.0 + np.array([1.0, d, 1.0]))).tolist()},
    "total energy": lambda d: {"total_energy": JUDGED.energy * (1.0 + d)},
    "server energy": lambda d: {"server_energy": [1e9, SERVER_ENERGY[1] * (1.0 + d)]},
    "mean delay": lambda d: {"mean_delay": JUDGED.user_delay.mean() * (1.0 + d)},
    "delay": lambda d: {"delay_limit": [1e9, 1e9, JUDGED.user_delay[2] * (1.0 + d)]},
    "users of a server": lambda d: {"users_per_server": [2.0 + d, None]},
    "range of phi from below": lambda d: {"offload": [None, [0.5 - d, 1.0], None]},
    "range of phi from above": lambda d: {"offload": [None, [0.0, 0.5 + d], None]},
    "users of a server, from below": lambda d: row(-2.0 + d, term("served", -1.0, servers=[0])),
    "training at the servers, from below": lambda d: row(-1.75 + d, term("offload", -1.0)),
    "training of one at the server": lambda d: row(0.25 + d, term("offload", users=[0], servers=[0])),
    "bandwidth against power": lambda d: row(
        0.0,
        term("bandwidth", users=[0]),
        term("server_power", -held("bandwidth", 0) / held("server_power", 2) * (1.0 + d), users=[2]),
    ),
    "a share of speed, from below": lambda d: row(
        -held("server_speed", 1) * (1.0 - d), term("server_speed", -1.0, users=[1])
    ),
    "energies and delays of some": lambda d: row(
        (2.0 * USER_ENERGY[0] + SERVER_ENERGY[2] + 3.0 * JUDGED.user_delay[1]) * (1.0 + d),
        term("user_energy", 2.0, users=[0]),
        term("server_energy", users=[2]),
        term("delay", 3.0, users=[1], servers=[1]),
    ),
    "coefficients by user": lambda d: row(
        float(np.dot([1.0, 2.0, 4.0], JUDGED.energy_by_user)) * (1.0 + d), term("energy", [1.0, 2.0, 4.0])
    ),
}
of_all_cases = pytest.mark.parametrize("declare", CASES.values(), ids=CASES)


def declared(constraints: dict[str, Any]) -> Scenario:
    return BASE.replace(constraints=constraints)


def model_at(name: str, scenario: Scenario, allocation: Allocation = ALLOCATION) -> Any:
    model = getattr(joint, name)(scenario, known=ALLOCATION, assume_scr=False)
    set_point(model, allocation)
    return model


@of_all_cases
@of_all_models
def test_a_row_holds_and_is_broken_where_the_evaluator_says(name: str, declare: Callable[[float], Any]) -> None:
    for slack in (1e-3, -1e-3):
        scenario = declared(declare(slack))
        said = evaluate(scenario, ALLOCATION)
        assert said.feasible == (slack > 0.0)
        found, where = excess(model_at(name, scenario))
        if slack > 0.0:
            assert found <= 1e-9, where
        else:
            assert found == pytest.approx(said.max_violation, rel=0.01), where


@of_all_cases
def test_a_row_of_the_cvxpy_form_is_the_evaluators(declare: Callable[[float], Any]) -> None:
    for slack in (1e-3, -1e-3):
        scenario = declared(declare(slack))
        problem = literal_cvxpy.build(scenario)
        mark = literal_cvxpy.joint_problem(problem)
        for label, value in mark.values(ALLOCATION).items():
            mark.variables[label].save_value(np.asarray(value))
        variables = [v for v in problem.variables() if v.bounds is not None]
        outside = [max(np.max(v.bounds[0] - v.value), np.max(v.value - v.bounds[1])) for v in variables]
        # Times are in s here, and rows of the physics hold to rounding of the largest.
        broken = max(*(float(np.max(r.violation())) for r in problem.constraints), *map(float, outside))
        assert (broken <= 1e-7 * JUDGED.delay) == evaluate(scenario, ALLOCATION).feasible


@of_all_models
def test_binary_offloading_is_a_binary_variable(name: str) -> None:
    scenario = declared({"binary_offload": True, "offload": [[0.3, 1.0], None, None]})
    model = getattr(joint, name)(scenario)
    assert all(variable.is_binary() for variable in model.offload.values())
    assert model.offload[0].bounds == (1, 1) and model.offload[1].bounds == (0, 1)
    set_point(model, ALLOCATION)
    model.offload[1].set_value(0.9999999)
    assert joint.read(model).offload.tolist() == [1.0, 1.0, 1.0]


def test_the_offloading_that_is_read_is_in_its_range() -> None:
    scenario = declared({"offload": [[0.0, 0.2], None, [0.4, 0.6]]})
    model = model_at("activity", scenario)
    assert joint.read(model).offload.tolist() == [0.2, 0.5, 0.6]


@of_all_models
def test_a_row_that_only_a_closed_pair_could_meet_leaves_no_point(name: str) -> None:
    floor = row(-1.0, term("served", -1.0, users=[0], servers=[0]))
    scenario = declared({"forbidden": [[0, 0]], **floor})
    model = model_at(name, scenario, equal_split(BASE, np.array([1, 1, 0]), np.zeros(3)))
    assert excess(model)[0] >= 0.5


@of_all_models
def test_users_are_not_identical_where_a_row_is_about_one(name: str) -> None:
    columns = ("adapter_params", "flops_per_param", "channel_gain")
    twins = BASE.replace(**{column: np.asarray(getattr(BASE, column))[[0, 1, 1]] for column in columns})
    known = equal_split(twins, np.array([0, 1, 0]), np.full(3, 0.5))
    for constraints in (
        row(0.9, term("offload", users=[1])),
        row(1.0, term("served", [1.0, 2.0], users=[1, 2], servers=[0])),
        {"offload": [None, [0.0, 0.9], None]},
    ):
        model = getattr(joint, name)(twins.replace(constraints=constraints), known=known, assume_scr=False)
        assert model.component("user_order") is None
    same = row(3.0, term("offload"))
    assert hasattr(getattr(joint, name)(twins.replace(constraints=same), known=known), "user_order")


def test_a_limit_that_no_finite_number_can_relate_to_the_resources_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(X4\) total energy: no finite multiple of it is a whole resource"):
        joint.activity(declared({"total_energy": 1e-307}), known=ALLOCATION, assume_scr=False)


def test_a_simple_allocation_is_found_beyond_the_usual_associations() -> None:
    scenario = declared({"users_per_server": [1, 2], "offload": [[1.0, 1.0], None, [0.9, 1.0]]})
    model = joint.activity(scenario)
    assert joint.info(model).data.value > 0.0
    with pytest.raises(InputError, match="no simple allocation meets the extra constraints"):
        joint.activity(declared({"users_per_server": [1, 1]}))


def test_models_with_rows_can_be_copied() -> None:
    model = model_at("activity", declared(CASES["bandwidth against power"](1e-3)))
    assert excess(model.clone())[0] == excess(model)[0]
    assert pyo.value(model.clone().objective) == pyo.value(model.objective)
