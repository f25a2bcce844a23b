"""Scenarios that declare extra constraints, in Pyomo and CVXPY: recognised, stated, transformed and honoured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from air_time import USER_AIR_TIME
from plugin_helpers import CLASSIC, FORMULATIONS, build, solve
from pyomo.contrib.solver.common.results import SolutionStatus

import dashf_pyomo
import dashf_pyomo.plugins.cvxpy  # registers
from dashf_pyomo.backends.clarabel import CLARABEL
from dashf_pyomo.plugins.pyomo.association import hull as relaxed
from dashf_pyomo.plugins.pyomo.model_values import check, point_of
from dashf_pyomo.plugins.pyomo.recognition import recognise
from dashf_pyomo.plugins.pyomo.transformations import load_source
from formulations import Allocation, InputError, Scenario, evaluate, joint
from formulations.association import hull
from formulations.association.coefficients import AssociationCoefficients
from formulations.association.pair_resources import PairResources, equal_split, start_allocation
from formulations.joint.literal_cvxpy import build as state
from formulations.joint.literal_cvxpy import joint_problem

#: All four kinds at once. An equal split breaks some of them, dashf finds an allocation that meets all.
DECLARED = {
    "delay_limit": [40.0, None, 33.0],
    "uplink_rate": [None, 1.1e7, None],
    "downlink_rate": [4e7, None, None],
    "server_energy": [None, 1500.0],
    "forbidden": [[1, 1]],
}
LIMITED = Scenario.random(3, 2, seed=0, constraints=DECLARED)


@pytest.fixture(scope="module")
def known() -> Allocation:
    allocation = dashf_pyomo.solve(LIMITED, "dashf").allocation
    assert allocation is not None and evaluate(LIMITED, allocation).feasible
    return allocation


@pytest.mark.parametrize("name", FORMULATIONS)
def test_a_model_with_declared_constraints_is_recognised_and_its_points_are_whole(name: str, known: Allocation) -> None:
    recognised = recognise(build(name, LIMITED, known=known))
    assert recognised.differences == ()
    checked = check(recognised.model, point_of(recognised, known))
    assert not checked.violated and not checked.unchecked
    loose = Scenario.random(3, 2, seed=0, constraints={"delay_limit": 1e9, "server_energy": 1e9})
    lax = build(name, loose, known=known)
    lax.dashf = joint.info(build(name, LIMITED, known=known))  # says that it has limits, and does not state them
    assert recognise(lax).differences


@pytest.mark.parametrize("name", ["literal", "convexified"])
def test_declared_constraints_and_fixed_associations_are_honoured_together(name: str, known: Allocation) -> None:
    model = build(name, LIMITED, known=known)
    user = int(np.flatnonzero(LIMITED.constraints.allowed.all(axis=1))[-1])
    server = int(known.server[user])
    model.x[user, server].fix(1)
    results = solve("dashf", model)
    assert results.solution_status is SolutionStatus.feasible
    found = joint.read(model)
    assert found.server[user] == server and found.server[1] == 0
    assert evaluate(LIMITED, found).feasible
    assert results.extra_info.scenario.constraints.forced == ((user, server),)
    assert results.extra_info.scenario.constraints.forbidden == ((1, 1),)
    for on_extension in ("strict", "report"):  # what the scenario itself declares is never only reported
        with pytest.raises(InputError, match="delay limit"):
            solve("dashf_gucaa", model, on_extension=on_extension)
    proven = solve("dashf_dual", model, rel_gap=0.3, time_limit=250)
    assert proven.solution_status is SolutionStatus.optimal and evaluate(LIMITED, joint.read(model)).feasible
    assert joint.read(model).server[user] == server
    assert "without" not in proven.extra_info.bound_source
    assert proven.extra_info.upper_bound >= evaluate(LIMITED, found).scr * (1 - 1e-6)


@pytest.mark.usefixtures("air_time")
def test_what_has_no_price_is_refused_by_a_method_of_prices_and_never_only_reported() -> None:
    limited = Scenario.random(3, 2, seed=0, constraints={USER_AIR_TIME: 1e6})
    model = build("literal", limited, known=start_allocation(limited))
    for method in ("dashf_dual", "dashf_bnp"):
        for on_extension in ("strict", "report"):
            with pytest.raises(InputError, match=r"cannot honour .*user air time"):
                solve(method, model, on_extension=on_extension)


@pytest.mark.parametrize("declared", [DECLARED, {"delay_limit": 20.0, "server_energy": 300.0}], ids=["all", "elastic"])
def test_the_hull_states_declared_constraints_as_cvxpy_does(declared: dict[str, Any]) -> None:
    values = []
    for scenario in (Scenario.random(3, 2, seed=0, constraints=declared), Scenario.random(3, 2, seed=0)):
        pairs, ratio = PairResources.equal(scenario), 500.0
        new = relaxed(scenario, pairs, ratio)
        CLASSIC("highs").solve(new)
        values.append(pyo.value(new.objective) * pyo.value(new.objective_unit))
        other = hull.build(scenario)
        other.update(AssociationCoefficients.of(scenario, pairs, ratio))
        assert CLARABEL.solve(other.problem).status.has_solution
        accuracy = 1e-5 * pyo.value(new.objective_unit)
        assert values[-1] == pytest.approx(float(other.solution().value), rel=1e-5, abs=accuracy)
    assert values[0] > values[1] + 1e-3 * abs(values[1])


@pytest.mark.parametrize("name", ["activity", "parametric", "hull", "sdr"])
def test_transformations_keep_declared_constraints(name: str, known: Allocation) -> None:
    model = build("literal", LIMITED, known=known)
    new = pyo.TransformationFactory(f"dashf.{name}").create_using(model)
    if name in ("activity", "parametric"):
        assert recognise(new).info.scenario.constraints is LIMITED.constraints
        joint.set_values(new, known)
        allocation, checked = load_source(new)
        assert not checked.violated and evaluate(LIMITED, allocation).feasible
        return
    assert new.x[1, 1].fixed and new.x[1, 1].value == 0
    for n in new.users:
        new.offload[n].set_value(0.5)
        for k in new.servers:
            new.x[n, k].set_value(0.5)  # as undecided as can be: the rounding must know what is forbidden
            new.product[n, k].set_value(0.25)
    new.delay.set_value(1.0)
    for part in ("excess_delay_limit", "excess_server_energy"):
        getattr(new, part)[:].set_value(0.0)
    for rounding in ("hungarian", "argmax"):
        allocation, _ = load_source(new, rounding=rounding)
        assert allocation.server[1] == 0


# -- CVXPY ------------------------------------------------------------------------------------


def violated(problem: Any) -> bool:
    return max(float(np.max(row.violation())) for row in problem.constraints) > 1e-6


def test_the_cvxpy_problem_breaks_exactly_where_the_evaluator_says_so(known: Allocation) -> None:
    rng, seen = np.random.default_rng(0), []
    problems = {kind: Scenario.random(3, 2, seed=0, constraints={kind: DECLARED[kind]}) for kind in DECLARED}
    for kind, scenario in problems.items():
        problem = state(scenario)
        info = joint_problem(problem)
        candidates = [known] + [
            equal_split(scenario, rng.integers(2, size=3), rng.choice([0.0, 1.0, rng.uniform()], 3)) for _ in range(20)
        ]
        for allocation in candidates:
            for name, value in info.values(allocation).items():
                info.variables[name].value = value
            feasible = evaluate(scenario, allocation).feasible
            assert violated(problem) is not feasible, kind
            seen.append((kind, feasible))
    assert set(seen) == {(kind, feasible) for kind in DECLARED for feasible in (True, False)}


def test_methods_of_cvxpys_honour_declared_constraints_or_refuse() -> None:
    problem = state(LIMITED)
    value = problem.solve(method="dashf")
    assert value == pytest.approx(problem.solver_stats.extra_stats["scr"], rel=1e-9)
    assert not violated(problem) and problem.variables()
    assert joint_problem(problem).variables["x"].value[1, 1] == 0
    with pytest.raises(InputError, match=r"gucro cannot honour .*delay limit"):
        state(LIMITED).solve(method="dashf_gucro")
