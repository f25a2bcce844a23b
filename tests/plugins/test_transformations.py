"""Transformations: relaxations and reformulations of a joint model, and the way back."""

from __future__ import annotations

import math
import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from plugin_helpers import CLASSIC, FORMULATIONS, SCENARIO, build, solve

from dashf_pyomo.backends.clarabel import CLARABEL
from dashf_pyomo.plugins.pyomo.association import add_semidefinite_cuts
from dashf_pyomo.plugins.pyomo.recognition import UnsupportedModelError, recognise
from dashf_pyomo.plugins.pyomo.transformations import load_source
from formulations import InputError, Scenario, evaluate, joint
from formulations.association import hull, sdr_chordal
from formulations.association.coefficients import AssociationCoefficients
from formulations.association.pair_resources import PairResources

FOUR = Scenario.random(4, 3, seed=6)


def transform(name: str, model: Any, **options: Any) -> Any:
    return pyo.TransformationFactory(f"dashf.{name}").create_using(model, **options)


def in_cvxpy(module: Any, scenario: Scenario, ratio: float, pairs: PairResources, **options: Any) -> float:
    model = module.build(scenario, **options)
    model.update(AssociationCoefficients.of(scenario, pairs, ratio))
    assert CLARABEL.solve(model.problem).status.has_solution
    return float(model.solution().value)


def value(model: Any) -> float:
    return float(pyo.value(model.objective) * pyo.value(model.objective_unit))


@pytest.mark.parametrize("origin", FORMULATIONS)
@pytest.mark.parametrize("name", ["activity", "parametric", "convexified"])
def test_a_reformulation_is_a_joint_model_of_the_same_scenario(name: str, origin: str) -> None:
    model = build(origin)
    new = transform(name, model)
    found = recognise(new)
    assert found.differences == () and found.info.formulation == name
    assert found.info.scenario is joint.info(model).scenario
    assert pyo.TransformationFactory(f"dashf.{name}").source(new) is model
    solve("dashf", new)
    allocation, checked = load_source(new)
    assert not checked.violated
    assert evaluate(SCENARIO, joint.read(model)).scr == pytest.approx(evaluate(SCENARIO, allocation).scr, rel=1e-6)
    assert model.offload[0].value == pytest.approx(new.offload[0].value)


def test_a_parametric_reformulation_takes_a_ratio() -> None:
    assert joint.info(transform("parametric", build("literal"), ratio=77.0)).ratio == 77.0
    assert joint.info(transform("activity", build("parametric", ratio=5.0))).ratio == 5.0


def test_what_was_fixed_or_added_is_carried_over_where_it_means_the_same() -> None:
    model = build("literal", FOUR)
    model.x[1, 1].fix(0)
    model.user_power[2].fix(0.5)
    model.mine = pyo.Constraint(expr=(0.1, model.offload[0] + 2 * model.delay, 9))
    new = transform("activity", model)
    assert new.x[1, 1].fixed and new.user_power[2].value == 0.5
    row = new.carried[1]
    new.offload[0].set_value(0.5)
    new.delay.set_value(1.5)
    assert (pyo.value(row.lower), pyo.value(row.body), pyo.value(row.upper)) == (0.1, 3.5, 9)
    model.bandwidth[0, 0].fix(0.3)
    for name in ("activity", "parametric"):
        assert transform(name, model).bandwidth[0, 0].value == 0.3
    model.uplink_time[0, 0].setub(0.3)  # which activity has not
    with pytest.raises(UnsupportedModelError, match=r"cannot carry over .*uplink_time\[0,0\]"):
        transform("activity", model)


def test_a_reformulation_leaves_out_no_more_than_its_source() -> None:
    model = build("convexified", assume_scr=False, longest_delay=300.0)
    model.user_power[1].fix(0.3)
    new = transform("activity", model)
    assert not joint.info(new).data.assumes_scr and new.delay.ub == pytest.approx(model.delay.ub)
    assert new.user_power[1].fixed and new.user_power[1].value == 0.3


def test_a_model_with_changed_rows_is_not_transformed() -> None:
    model = build("literal")
    model.local_row[0].deactivate()
    for name in ("activity", "parametric", "hull", "sdr"):
        with pytest.raises(UnsupportedModelError, match=r"local_row\[0\] is deactivated"):
            transform(name, model)


@pytest.mark.parametrize("delay_rows", ["aggregated", "pairwise"])
@pytest.mark.parametrize("resources", ["start", "values"])
def test_the_hull_has_the_value_that_cvxpy_finds(resources: str, delay_rows: str) -> None:
    model = build("literal", FOUR)
    solve("dashf", model)
    new = transform("hull", model, resources=resources, delay_rows=delay_rows)
    CLASSIC("highs").solve(new)
    pairs, ratio = PairResources.equal(FOUR), joint.info(model).data.ratio
    if resources == "values":
        allocation = joint.read(model)
        pairs, ratio = PairResources.around(FOUR, allocation), evaluate(FOUR, allocation).scr
    expected = in_cvxpy(hull, FOUR, ratio, pairs, delay_rows=delay_rows)
    assert value(new) == pytest.approx(expected, rel=1e-5, abs=1e-5 * new.objective_unit.value)
    allocation, checked = load_source(new)
    assert evaluate(FOUR, allocation).feasible
    assert checked.objective is not None
    assert [model.x[n, int(allocation.server[n])].value for n in range(4)] == [1, 1, 1, 1]


def test_semidefinite_cuts_raise_the_minors_to_the_value_of_the_cone() -> None:
    model = build("literal")
    new = transform("sdr", model, minors=False)
    values = []
    for _ in range(100):
        CLASSIC("highs").solve(new)
        values.append(value(new))
        if not add_semidefinite_cuts(new):
            break
    data = joint.info(model).data
    cone = in_cvxpy(sdr_chordal, SCENARIO, data.ratio, PairResources.equal(SCENARIO))
    assert values[0] < cone - 1e-3 * abs(cone)
    assert values[-1] == pytest.approx(cone, rel=1e-3)
    assert all(after >= before - 1e-6 * abs(cone) for before, after in pairwise(values))


def test_minors_are_a_relaxation_that_a_point_of_the_problem_satisfies() -> None:
    new = transform("sdr", build("literal"))
    x, phi = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), np.array([1.0, 0.3, 0.0])
    for n in new.users:
        new.offload[n].set_value(phi[n])
        new.square[n].set_value(phi[n] ** 2)
        new.cross[n, 0, 1].set_value(0.0)
        for k in new.servers:
            new.x[n, k].set_value(x[n, k])
            new.product[n, k].set_value(phi[n] * x[n, k])
    for part in (new.minor_offload, new.minor_product, new.minor_cross, new.square_row):
        assert all(pyo.value(row.body) <= pyo.value(row.upper) + 1e-12 for row in part.values())
    assert add_semidefinite_cuts(new) == 0


def test_fixed_associations_hold_in_relaxations() -> None:
    model = build("literal", FOUR)
    model.x[2, 0].fix(0)
    new = transform("hull", model)
    assert new.x[2, 0].fixed and new.x[2, 0].value == 0
    CLASSIC("highs").solve(new)
    allocation, checked = load_source(new)
    assert allocation.server[2] != 0 and not checked.violated


@pytest.mark.parametrize("name", ["activity", "parametric", "hull", "sdr"])
def test_what_cannot_be_is_refused_in_a_line(name: str) -> None:
    model, factory = build("literal"), pyo.TransformationFactory(f"dashf.{name}")
    for action, said in (
        (lambda: factory.apply_to(model), "create_using"),
        (lambda: factory.create_using(model, salad=1), "unknown option 'salad'"),
        (lambda: factory.create_using(pyo.ConcreteModel()), "not a model of Problem"),
        (lambda: factory.source(model), "was not made by"),
    ):
        with pytest.raises(InputError, match=said) as caught:
            action()
        assert "\n" not in str(caught.value)


def test_options_of_relaxations_are_checked_and_an_unsolved_one_is_not_loaded() -> None:
    model = build("literal")
    with pytest.raises(InputError, match="expected one of start, values"):
        transform("hull", model, resources="salad")
    new = transform("hull", model)
    with pytest.raises(InputError, match="has no solution"):
        load_source(new)
    CLASSIC("highs").solve(new)
    with pytest.raises(InputError, match="expected one of hungarian"):
        load_source(new, rounding="salad")


def test_copies_share_the_way_back_and_other_processes_have_none() -> None:
    model = build("literal")
    new = transform("activity", model)
    factory = pyo.TransformationFactory("dashf.activity")
    assert factory.source(new.clone()) is model
    sent = pickle.loads(pickle.dumps(new.dashf_origin))
    assert sent.model is None and math.isfinite(joint.info(new).data.ratio)
