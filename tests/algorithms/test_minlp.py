"""`minlp`: nothing that a solver says is taken on trust, and what it proves is proved."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import lies
import numpy as np
import pyomo.environ as pyo
import pytest

import dashf_pyomo
from dashf_pyomo.algorithms import OptionError, configure
from dashf_pyomo.backends import BackendError, BackendLimits, OutcomeStatus, backends
from dashf_pyomo.backends.exact import ExactBackend
from dashf_pyomo.check import check
from dashf_pyomo.result import Result
from dashf_pyomo.status import Status
from formulations import Allocation, Scenario, evaluate, joint

pytestmark = pytest.mark.slow

SCENARIO = Scenario.random(2, 2, seed=0)
NAMES = ("literal", "parametric", "activity", "convexified")


def working(name: str) -> None:
    known = backends[name].availability()
    if not known.available:
        pytest.skip(f"{name}: {known.reason}")


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def add(**searches: Any) -> None:
        for name, search in searches.items():
            monkeypatch.setitem(backends._entries, name, ExactBackend(name, "a fake", search))
            monkeypatch.setattr(
                backends[name], "_known", replace(backends["clarabel"].availability(), available=True, version="1")
            )

    list(backends)  # filled before the fakes join
    return add


def run(backend: str, **more: Any) -> Result:
    return dashf_pyomo.solve(SCENARIO, "minlp", backend=backend, start="dashf", **more)


@cache
def best(users: int, servers: int, seed: int) -> Allocation:
    found = dashf_pyomo.solve(Scenario.random(users, servers, seed), "dashf-plus", moves=4).allocation
    assert found is not None
    return found


def holds(result: Result, scenario: Scenario = SCENARIO) -> bool:
    return all(finding.holds for finding in check(scenario, json.loads(json.dumps(result.to_dict()))))


# -- lying, dying and hanging solvers ---------------------------------------------------------


def test_a_bound_below_a_verified_incumbent_is_a_contradiction_and_not_used(register: Callable[..., None]) -> None:
    register(liar=lies.bound_below_the_truth)
    result = run("liar")
    assert result.status is Status.FEASIBLE
    assert result.bound_source is not None and result.bound_source.startswith("data")
    assert result.message.startswith("CONTRADICTION: liar")
    assert any(entry.contradiction for entry in result.trace)
    assert holds(result)


@pytest.mark.parametrize(
    "search",
    [lies.bound_that_falls_through_the_gap, lies.close_and_then_infeasible, lies.close_and_then_unbounded],
)
def test_no_bound_of_a_refuted_solver_certifies(register: Callable[..., None], search: Any) -> None:
    register(liar=search)
    result = run("liar")
    assert result.status is Status.FEASIBLE
    assert "CONTRADICTION" in result.message
    assert result.bound_source is not None and result.bound_source.startswith("data")
    assert holds(result)
    document = {
        **result.to_dict(),
        "status": "certified",
        "claim": "certified",
        "bound_source": result.trace[-1].refuted,
    }
    assert "status" in {finding.claim for finding in check(SCENARIO, document) if not finding.holds}


def test_a_parametric_value_below_zero_is_a_contradiction(register: Callable[..., None]) -> None:
    register(liar=lies.negative_parametric)
    result = run("liar", formulation="parametric")
    assert result.status is Status.FEASIBLE
    assert "CONTRADICTION" in result.message


@pytest.mark.parametrize("factor", [1e-30, 1e290])
@pytest.mark.parametrize("name", NAMES)
def test_extreme_channels_make_a_model_or_an_error_that_keeps_the_start(name: str, factor: float) -> None:
    working("scip")
    far = replace(SCENARIO, channel_gain=SCENARIO.channel_gain * factor)
    result = dashf_pyomo.solve(far, "minlp", formulation=name, start="dashf", time_limit=3.0)
    assert result.allocation is not None
    assert result.upper_bound is None or result.upper_bound >= result.scr


def test_a_point_is_worth_what_the_evaluator_says(register: Callable[..., None]) -> None:
    register(liar=lies.point_worth_less_than_claimed)
    result = run("liar")
    assert result.status is not Status.CERTIFIED
    assert result.scr is not None and result.upper_bound is not None and result.upper_bound > 2 * result.scr
    assert any("rejected" in entry.note for entry in result.trace)
    assert holds(result)


def test_infeasible_is_a_contradiction_where_an_allocation_is_known(register: Callable[..., None]) -> None:
    register(liar=lies.infeasible)
    result = run("liar")
    assert result.status is Status.FEASIBLE
    assert "CONTRADICTION" in result.message


def test_what_is_no_number_is_neither_a_point_nor_a_bound(register: Callable[..., None]) -> None:
    register(liar=lies.no_numbers)
    result = run("liar")
    assert result.status is Status.ERROR
    assert result.allocation is not None
    assert result.bound_source is not None and result.bound_source.startswith("data")


@pytest.mark.parametrize(("name", "status"), [("killed", Status.ERROR), ("hanging", Status.TIME_LIMIT)])
def test_incumbent_and_bound_survive_a_solver_that_does_not(
    register: Callable[..., None], name: str, status: Status
) -> None:
    register(**{name: getattr(lies, name)})
    result = run(name, time_limit=4.0)
    assert result.status is status
    assert result.allocation is not None
    assert result.wall_time < 7.0
    assert result.upper_bound is not None and result.upper_bound > result.scr
    assert result.bound_source is not None and name in result.bound_source
    assert holds(result)


def test_one_solver_that_lies_does_not_spoil_the_other(register: Callable[..., None]) -> None:
    working("scip")
    register(liar=lies.bound_below_the_truth)
    result = run("liar+scip", time_limit=60.0)
    assert result.status is Status.CERTIFIED
    assert "CONTRADICTION: liar" in result.message


def test_a_bound_of_a_heuristic_or_a_rising_one_does_not_pass_the_check(register: Callable[..., None]) -> None:
    register(killed=lies.killed)
    document = run("killed").to_dict()
    for change in (
        {"method": "dashf"},
        {"bound_source": None},
        {"upper_bound": 0.5 * document["scr"]},
        {"bound": 0.5 * document["scr"]},
    ):
        assert not all(finding.holds for finding in check(SCENARIO, {**document, **change}))
    last = {**document["trace"][-1], "upper_bound": 1.5 * document["upper_bound"]}
    findings = check(SCENARIO, {**document, "trace": [*document["trace"][:-1], last]})
    assert {finding.claim for finding in findings if not finding.holds} >= {"trace"}


# -- real solvers -----------------------------------------------------------------------------


@pytest.mark.parametrize(("backend", "formulation"), [("scip", "activity"), ("gurobi", "convexified")])
def test_two_users_are_solved_to_proven_optimality(backend: str, formulation: str) -> None:
    working(backend)
    result = dashf_pyomo.solve(SCENARIO, "minlp", backend=backend, formulation=formulation, threads=1, time_limit=60)
    assert result.status is Status.CERTIFIED, result.message
    assert result.gap is not None and result.gap <= 1e-3
    # Found by SCIP and Gurobi on both formulations to 1e-4.
    assert result.scr == pytest.approx(834.979, rel=2e-4)
    assert holds(result)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", [(2, 2, 1), (3, 2, 2), (2, 3, 0)])
def test_an_allocation_better_than_the_known_one_is_not_cut_off(name: str, case: tuple[int, int, int]) -> None:
    """The decisions fixed to a good allocation: the model must hold it, at its SCR or (a relaxation) above."""
    working("scip")
    scenario, allocation = Scenario.random(*case), best(*case)
    model = getattr(joint, name)(scenario)
    joint.set_values(model, allocation)
    fixed = ["x", "bandwidth", "server_power", "server_speed", "offload"]
    if name != "convexified":
        fixed += ["user_power", "user_speed"]
    for label in fixed:
        for variable in getattr(model, label).values():
            value = variable.value
            if name == "literal" or name == "parametric":
                value = max(value, variable.lb or 0.0)  # idle pairs hold what they like
            variable.fix(value)
    outcome = backends["scip"].solve(model, BackendLimits(time_limit=20.0, gap=1e-6), warm_start=False)
    assert outcome.status is OutcomeStatus.SOLVED, outcome.message
    assert outcome.bound is not None
    scr = evaluate(scenario, allocation).scr
    found = joint.info(model).value_bound(outcome.bound)
    assert found >= scr * (1 - 1e-5)
    if name in ("literal", "activity"):
        assert found <= scr * (1 + 1e-4)


@pytest.mark.parametrize("cuts", ["none", "all"])  # with all of them, one that is not valid cuts the optimum off
def test_no_valid_inequality_changes_the_optimum(cuts: str) -> None:
    working("scip")
    result = dashf_pyomo.solve(SCENARIO, "minlp", cuts=cuts, threads=1, time_limit=60, gap=2e-3)
    # The start is as good as the optimum: a bound that cuts it off is a contradiction, and another takes its place.
    assert result.status is Status.CERTIFIED and "CONTRADICTION" not in result.message, result.message
    assert result.upper_bound is not None and result.scr is not None
    assert result.upper_bound >= 834.979 * (1 - 1e-5)
    assert result.scr == pytest.approx(834.979, rel=2e-3)


def test_identical_users_and_servers_keep_an_optimum() -> None:
    working("scip")
    one = Scenario.random(1, 1, seed=0)
    twins = replace(
        Scenario.random(2, 2, seed=0, adapter_params=float(one.adapter_params[0]), flops_per_param=2e7),
        channel_gain=np.full((2, 2), one.channel_gain[0, 0]),
    )
    start = dashf_pyomo.solve(twins, "dashf-plus")
    result = dashf_pyomo.solve(twins, "minlp", backend="scip", threads=1, time_limit=60)
    assert result.status is Status.CERTIFIED, result.message
    assert start.scr is not None and result.upper_bound is not None
    assert result.upper_bound >= start.scr


# -- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{"backend": "ipopt"}, {"backend": "scip+nobody"}, {"cuts": "score+salad"}, {"tangent_error": 0.0}, {"backend": 3}],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="expected"):
        configure("minlp", options)


def test_a_solver_that_is_not_there_is_named() -> None:
    missing = [name for name, entry in backends.items() if isinstance(entry, ExactBackend)]
    missing = [name for name in missing if not backends[name].availability().available]
    if not missing:
        pytest.skip("all solvers are installed")
    with pytest.raises(BackendError, match=missing[0]):
        run(missing[0])


def test_a_point_that_cannot_be_read_is_said_to_be_rejected(register: Callable[..., None]) -> None:
    model = joint.convexified(SCENARIO)
    assert all(v.value is None for v in model.component_data_objects(pyo.Var) if not v.fixed)
    with pytest.raises(ValueError, match="expected a finite value"):
        joint.read(model)
