"""`minlp` on declared objectives, limits and rows: SCIP's optimum is that of enumeration, its verdicts are true."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import lies
import pytest

import dashf_pyomo
from dashf_pyomo.algorithms import configure
from dashf_pyomo.backends import OutcomeStatus, backends
from dashf_pyomo.backends.exact import ExactBackend
from dashf_pyomo.check import check
from dashf_pyomo.conformance.reference import reference_optimum
from dashf_pyomo.result import Result
from dashf_pyomo.status import Claim
from formulations import Scenario

pytestmark = pytest.mark.slow

#: Objectives and limits of one user at two servers that bind.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cost": ({"kind": "cost"}, {}),
    "cost of one, weighted, within an energy": ({"kind": "cost", "user_weight": 2.0}, {"total_energy": 25.0}),
    "utility, score by root, binary": ({"kind": "utility", "price": 30.0, "score": "sqrt"}, {"binary_offload": True}),
    "scr within a mean delay": ({"delay": "mean"}, {"mean_delay": 15.0}),
    "scr, linear score, training at the server": ({"score": "linear"}, {"offload": [[0.3, 0.5]]}),
    "least ratio, energy of the user": ({"kind": "max-min"}, {"user_energy": [4.0]}),
    "sum of ratios within a delay": ({"kind": "sum-of-ratios"}, {"delay_limit": 8.0}),
}


def need_scip() -> None:
    if not backends["scip"].availability().available:
        pytest.skip("SCIP is not installed")


def scenario_of(declared: dict[str, Any], limits: dict[str, Any], users: int = 1, servers: int = 2) -> Scenario:
    return Scenario.random(users, servers, seed=0, objective=declared, constraints=limits or None)


def solve(scenario: Scenario, **more: Any) -> Result:
    return dashf_pyomo.solve(scenario, "minlp", **{"backend": "scip", "time_limit": 30.0, **more})


def holds(result: Result, scenario: Scenario) -> bool:
    return all(finding.holds for finding in check(scenario, json.loads(json.dumps(result.to_dict()))))


@pytest.mark.parametrize("formulation", ["activity", "convexified"])
@pytest.mark.parametrize(("declared", "limits"), CASES.values(), ids=CASES)
def test_the_optimum_of_scip_is_that_of_enumeration(
    declared: dict[str, Any], limits: dict[str, Any], formulation: str
) -> None:
    need_scip()
    scenario = scenario_of(declared, limits)
    best, objective = reference_optimum(scenario).value, scenario.objective
    result = solve(scenario, formulation=formulation)
    assert result.claim is Claim.CERTIFIED and result.value is not None and result.bound is not None
    assert result.value == pytest.approx(best, rel=1.1e-3)
    assert not objective.better(best, result.bound) or result.bound == pytest.approx(best, rel=1e-6)
    assert holds(result, scenario)


def test_rows_with_negative_numbers_are_kept_and_bind() -> None:
    """Both users would train at server 1, which at least one must not, and user 0 at home, which it may not."""
    need_scip()
    rows = [
        {"name": "server 0", "at_most": -1.0, "terms": [{"attribute": "served", "servers": [0], "coefficient": -1.0}]},
        {"name": "away", "at_most": 0.2, "terms": [{"attribute": "offload", "users": [0]}]},
        {
            "name": "fair",
            "at_most": 0.0,
            "terms": [
                {"attribute": "energy", "users": [1], "coefficient": 1.0},
                {"attribute": "offload", "users": [0], "coefficient": -100.0},
            ],
        },
    ]
    declared = {"kind": "cost", "delay": "sum"}
    scenario, free = scenario_of(declared, {"rows": rows}, users=2), scenario_of(declared, {}, users=2)
    result = solve(scenario, formulation="activity", time_limit=10.0)
    best = reference_optimum(scenario).value
    assert result.value is not None and result.bound is not None
    assert result.bound <= best * (1 + 1e-6) and result.value >= best * (1 - 1e-6)
    assert result.value == pytest.approx(best, rel=2e-2)
    assert best > 1.01 * reference_optimum(free).value
    assert holds(result, scenario)


def test_infeasible_is_said_where_all_delays_are_limited_and_else_it_is_not() -> None:
    need_scip()
    limits = {"total_energy": 1e-3}
    result = solve(scenario_of({"kind": "cost"}, {**limits, "delay_limit": 60.0}), formulation="activity")
    assert result.claim is Claim.INFEASIBLE and "finds that no allocation meets" in result.message
    open_ended = solve(scenario_of({"kind": "cost"}, limits), formulation="activity", time_limit=5.0)
    assert open_ended.claim is not Claim.INFEASIBLE


def test_without_a_start_the_solver_finds_one_and_then_proves() -> None:
    need_scip()
    # Equal shares break it, whatever phi: the energy of a user within 20 s is about 3 J.
    scenario = scenario_of({"kind": "cost"}, {"user_energy": [1.0], "server_energy": [6.0, 0.1], "delay_limit": 60.0})
    method = configure("minlp", {"formulation": "activity", "backend": "scip"})
    result = dashf_pyomo.solve(scenario, "minlp", formulation="activity", backend="scip", time_limit=30.0)
    assert method.honours() >= scenario.demands - {"server energy", "user energy"}
    assert result.claim is Claim.CERTIFIED
    assert result.value == pytest.approx(reference_optimum(scenario).value, rel=2e-3)


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    def add(search: Any) -> None:
        monkeypatch.setitem(backends._entries, "liar", ExactBackend("liar", "a fake", search))
        known = backends["clarabel"].availability()
        monkeypatch.setattr(backends["liar"], "_known", known)

    list(backends)
    return add


@pytest.mark.parametrize("kind", ["cost", "utility"])
def test_a_bound_on_the_wrong_side_of_a_verified_value_is_a_contradiction(
    liar: Callable[[Any], None], kind: str
) -> None:
    liar(lies.bound_beyond_the_truth)
    scenario = scenario_of({"kind": kind, "price": 30.0 if kind == "utility" else None}, {}, users=2)
    result = solve(scenario, backend="liar", formulation="activity")
    assert result.claim is Claim.FEASIBLE
    assert result.message.startswith("CONTRADICTION: liar")
    assert result.bound_source is not None and result.bound_source.startswith("data")
    assert holds(result, scenario)


def test_an_infeasible_model_is_a_contradiction_where_an_allocation_is_known(liar: Callable[[Any], None]) -> None:
    liar(lies.infeasible)
    result = solve(scenario_of({"kind": "cost"}, {"delay_limit": 1e4}), backend="liar", formulation="activity")
    assert result.claim is Claim.FEASIBLE and "CONTRADICTION" in result.message
    assert OutcomeStatus.INFEASIBLE in result.message
