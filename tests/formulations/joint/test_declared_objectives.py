"""Declared objectives in every joint model: their value, what is left out by proof, and what is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest

from formulations import Allocation, Evaluation, InputError, Scenario, evaluate, joint
from formulations.association.pair_resources import equal_split
from formulations.joint import literal_cvxpy
from formulations.joint.data import JointData
from formulations.joint.whole_point import set_point

MODELS = ("literal", "parametric", "activity", "convexified")
of_all_models = pytest.mark.parametrize("name", MODELS)

WEIGHTS = [0.4, 0.9, 0.2]
LIMITED = {"delay_limit": 5e3}
OBJECTIVES: dict[str, dict[str, Any]] = {
    "scr of a mean delay, weighted": {"delay": "mean", "user_weight": WEIGHTS, "score": "sqrt"},
    "scr of a sum of delays": {"delay": "sum", "score": "linear"},
    "utility": {"kind": "utility", "price": 30.0, "user_weight": WEIGHTS},
    "utility of a mean delay": {"kind": "utility", "price": 0.5, "delay": "mean", "score": "sqrt"},
    "cost": {"kind": "cost"},
    "cost, weighted": {"kind": "cost", "user_weight": WEIGHTS},
    "cost of a sum of delays, weighted": {"kind": "cost", "delay": "sum", "user_weight": WEIGHTS},
    "cost of a mean delay": {"kind": "cost", "delay": "mean"},
    "least ratio": {"kind": "max-min", "user_weight": WEIGHTS},
    "sum of ratios": {"kind": "sum-of-ratios", "user_weight": WEIGHTS, "score": "sqrt"},
}
of_all_objectives = pytest.mark.parametrize("declared", OBJECTIVES.values(), ids=OBJECTIVES)


def scenario_of(declared: dict[str, Any], **more: Any) -> Scenario:
    limits = LIMITED if declared.get("kind") == "sum-of-ratios" or more.get("weight_time") == 0.0 else None
    return Scenario.random(3, 2, seed=0, objective=declared, constraints=limits, **more)


def by_value(scenario: Scenario, count: int = 40) -> list[tuple[Evaluation, Allocation]]:
    """Random allocations, the best first."""
    rng, n = np.random.default_rng(0), scenario.n_users
    found = []
    for _ in range(count):
        start = equal_split(scenario, rng.integers(scenario.n_servers, size=n), np.zeros(n))
        offload = np.where(rng.random(n) < 0.6, rng.integers(2, size=n), rng.random(n))
        shares = np.vstack([rng.dirichlet(3.0 * np.ones(n), 3), rng.uniform(0.3, 1.0, (2, n))])
        allocation = start.with_shares(scenario, shares, offload)
        found.append((evaluate(scenario, allocation), allocation))
    sign = -1.0 if scenario.objective.sense == "max" else 1.0
    return sorted((entry for entry in found if entry[0].feasible), key=lambda entry: sign * entry[0].value)


def build(name: str, scenario: Scenario, **options: Any) -> Any:
    if name == "parametric" and scenario.objective.kind.by_user:
        pytest.skip("users' ratios have no common y")
    return getattr(joint, name)(scenario, **options)


def excess(model: Any) -> tuple[float, str]:
    """By how much the values of a model break a row or a bound at most, and which."""
    worst = (0.0, "")
    rows = [(row.name, row.body, row.lower, row.upper) for row in model.component_data_objects(pyo.Constraint)]
    bounds = [(v.name, v, v.lb, v.ub) for v in model.component_data_objects(pyo.Var) if v.value is not None]
    for label, body, lower, upper in rows + bounds:
        for bound, sign in ((lower, -1.0), (upper, 1.0)):
            if bound is not None:
                limit = pyo.value(bound)
                worst = max(worst, (sign * (pyo.value(body) - limit) / max(1.0, abs(limit)), label))
    return worst


@of_all_objectives
@of_all_models
def test_the_value_of_a_model_at_an_allocation_is_the_evaluators(name: str, declared: dict[str, Any]) -> None:
    scenario = scenario_of(declared)
    judged, allocation = by_value(scenario)[5]
    model = build(name, scenario, known=allocation)
    set_point(model, allocation)
    if joint.info(model).ratio is None:
        assert joint.info(model).value_bound(pyo.value(model.objective)) == pytest.approx(judged.value, rel=1e-9)
    else:  # score - y cost is zero at the y of the known allocation
        assert pyo.value(model.objective) == pytest.approx(0.0, abs=1e-9)
    assert (model.objective.sense == pyo.minimize) == (scenario.objective.kind == "cost")
    assert excess(model)[0] <= 1e-9


@of_all_objectives
def test_cvxpy_evaluates_a_declared_objective_as_the_evaluator_does(declared: dict[str, Any]) -> None:
    scenario = scenario_of(declared)
    judged, allocation = by_value(scenario)[3]
    problem = literal_cvxpy.build(scenario)
    mark = literal_cvxpy.joint_problem(problem)
    for label, value in mark.values(allocation).items():
        mark.variables[label].value = value
    assert float(problem.objective.value) == pytest.approx(judged.value, rel=1e-8)


@of_all_objectives
@of_all_models
def test_what_is_at_least_as_good_as_the_known_allocation_is_in_the_model(name: str, declared: dict[str, Any]) -> None:
    scenario = scenario_of(declared)
    ranked = by_value(scenario)
    model = build(name, scenario, known=ranked[6][1])
    for judged, allocation in ranked[:7]:
        set_point(model, allocation)
        assert excess(model)[0] <= 1e-7, (excess(model), judged.value)


@of_all_objectives
@of_all_models
def test_bounds_without_a_solver_hold_for_every_allocation(name: str, declared: dict[str, Any]) -> None:
    scenario = scenario_of(declared)
    ranked = by_value(scenario)
    model = build(name, scenario, known=ranked[-1][1], assume_scr=False)
    found, sense = joint.info(model), -1.0 if model.objective.sense == pyo.minimize else 1.0
    for _, allocation in ranked:
        set_point(model, allocation)
        reached = sense * pyo.value(model.objective)
        assert reached <= sense * found.best * (1.0 + sense * np.sign(found.best) * 1e-9)


@pytest.mark.parametrize("declared", list(OBJECTIVES.values())[:-1], ids=list(OBJECTIVES)[:-1])
@pytest.mark.parametrize("name", ["literal", "activity"])
def test_what_takes_too_long_for_the_model_is_not_better_than_it_says(name: str, declared: dict[str, Any]) -> None:
    scenario = scenario_of(declared, weight_energy=1e-9)  # so that little but the delay costs
    ranked = by_value(scenario)
    longest = float(np.quantile([judged.delay for judged, _ in ranked], 0.3))
    model = build(name, scenario, known=ranked[-1][1], assume_scr=False, longest_delay=longest)
    left_out, sense = joint.info(model).left_out, -1.0 if model.objective.sense == pyo.minimize else 1.0
    late = [allocation for judged, allocation in ranked if judged.delay > longest]
    assert len(late) > 20
    for allocation in late:
        set_point(model, allocation)
        assert sense * pyo.value(model.objective) <= sense * left_out


@pytest.mark.parametrize("name", ["activity", "convexified"])
@pytest.mark.parametrize("kind", ["scr", "cost", "utility"])
def test_time_without_a_weight_needs_a_limit_of_every_delay(name: str, kind: str) -> None:
    declared = {"kind": kind, "price": 1.0 if kind == "utility" else None}
    scenario = scenario_of(declared, weight_time=0.0)
    ranked = by_value(scenario)
    model = build(name, scenario, known=ranked[4][1])
    for judged, allocation in ranked[:5]:
        set_point(model, allocation)
        assert excess(model)[0] <= 1e-7
        assert joint.info(model).value_bound(pyo.value(model.objective)) == pytest.approx(judged.value, rel=1e-9)
    assert joint.info(model).data.least_cost > 0.0  # energy cannot vanish within a delay
    with pytest.raises(InputError, match="weight_time = 0: the best delay is unbounded"):
        build(name, scenario.replace(constraints={"delay_limit": [100.0, None, 100.0]}))


def test_a_sum_of_ratios_may_sacrifice_users_so_that_their_delays_have_to_be_limited() -> None:
    scenario = Scenario.random(3, 2, seed=0, objective={"kind": "sum-of-ratios"})
    with pytest.raises(InputError, match=r"objective sum-of-ratios: .* a limit of every delay"):
        joint.activity(scenario)
    for limit in ({"delay_limit": 100.0}, {"mean_delay": 50.0}):
        assert joint.activity(scenario.replace(constraints=limit)).delay.ub < np.inf


def test_the_mean_of_delays_leaves_each_user_what_the_others_do_not_need() -> None:
    scenario = scenario_of({"kind": "cost", "delay": "mean"})
    judged, allocation = by_value(scenario)[0]
    data = JointData.of(scenario, allocation)
    n, unit = scenario.n_users, data.pairs.time_unit
    others = data.pair_delay.min(axis=1).sum() - data.pair_delay.min(axis=1)
    np.testing.assert_allclose(
        data.user_delay * unit, n * judged.value / scenario.weight_time - others * unit, rtol=1e-6
    )
    assert (judged.user_delay <= data.user_delay * unit).all()


@pytest.mark.parametrize("kind", ["utility", "cost"])
def test_a_ratio_is_refused_where_the_objective_is_stated_itself(kind: str) -> None:
    scenario = scenario_of({"kind": kind, "price": 3.0 if kind == "utility" else None})
    with pytest.raises(InputError, match=f"ratio = 100.0: objective {kind} is stated itself"):
        joint.activity(scenario, ratio=100.0)


@pytest.mark.parametrize("kind", ["max-min", "sum-of-ratios"])
def test_a_parametric_model_of_users_ratios_is_refused_by_name(kind: str) -> None:
    scenario = Scenario.random(3, 2, seed=0, objective={"kind": kind}, constraints=LIMITED)
    with pytest.raises(InputError, match=f"joint model parametric cannot honour .*objective {kind}"):
        joint.parametric(scenario)


def test_users_with_other_weights_are_not_identical() -> None:
    base = Scenario.random(3, 2, seed=0)
    columns = ("adapter_params", "flops_per_param", "channel_gain")
    twins = base.replace(**{column: np.asarray(getattr(base, column))[[0, 1, 1]] for column in columns})
    assert hasattr(joint.activity(twins), "user_order")
    for kind in ("scr", "cost"):
        declared = twins.replace(objective={"kind": kind, "user_weight": [1.0, 1.0, 2.0]})
        assert not hasattr(joint.activity(declared), "user_order")
