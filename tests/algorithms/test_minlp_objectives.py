"""`minlp` on declared objectives, limits and rows: SCIP's optimum is that of enumeration, its verdicts are true."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import lies
import pytest

import dashf_pyomo
from dashf_pyomo.algorithms.dashf_plus import DashfPlus
from dashf_pyomo.backends import OutcomeStatus, backends
from dashf_pyomo.backends.exact import ExactBackend
from dashf_pyomo.check import check
from dashf_pyomo.conformance.reference import reference_optimum
from dashf_pyomo.result import Result
from dashf_pyomo.status import Claim
from formulations import InputError, Scenario
from formulations.joint.data import known_allocation

pytestmark = pytest.mark.slow

#: Objectives and limits of one user at one server, which bind.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cost, weighted, within an energy": ({"kind": "cost", "user_weight": 2.0}, {"total_energy": 800.0}),
    "utility, score by root, range of phi": (
        {"kind": "utility", "price": 30.0, "score": "sqrt"},
        {"offload": [[0.2, 0.9]]},
    ),
    "scr within a mean delay": ({"delay": "mean"}, {"mean_delay": 20.0}),
    "scr, linear score, energy of the user": ({"score": "linear"}, {"user_energy": [300.0]}),
    "sum of ratios within a delay": ({"kind": "sum-of-ratios"}, {"delay_limit": 20.0}),
    "least ratio, training at the user": (
        {"kind": "max-min", "user_weight": 0.5},
        {"rows": [{"name": "own", "at_most": -0.4, "terms": [{"attribute": "offload", "coefficient": -1.0}]}]},
    ),
}

#: Relative gap at which the solver may stop: these tests are about truth, not about speed.
GAP = 1e-2


def need_scip() -> None:
    if not backends["scip"].availability().available:
        pytest.skip("SCIP is not installed")


def scenario_of(declared: dict[str, Any], limits: dict[str, Any], users: int = 1, servers: int = 1) -> Scenario:
    return Scenario.random(users, servers, seed=0, objective=declared, constraints=limits or None)


def solve(scenario: Scenario, **more: Any) -> Result:
    return dashf_pyomo.solve(scenario, "minlp", **{"backend": "scip", "time_limit": 60.0, "gap": GAP, **more})


def holds(result: Result, scenario: Scenario) -> bool:
    return all(finding.holds for finding in check(scenario, json.loads(json.dumps(result.to_dict()))))


@pytest.mark.parametrize(("declared", "limits"), CASES.values(), ids=CASES)
def test_the_optimum_of_scip_is_that_of_enumeration(declared: dict[str, Any], limits: dict[str, Any]) -> None:
    need_scip()
    scenario = scenario_of(declared, limits)
    best, objective = reference_optimum(scenario).value, scenario.objective
    result = solve(scenario, formulation="convexified" if "mean_delay" in limits else "activity")
    assert result.claim is Claim.CERTIFIED and result.value is not None and result.bound is not None
    assert result.value == pytest.approx(best, rel=1.01 * GAP)
    assert objective.better(result.bound, best) or result.bound == pytest.approx(best, rel=1e-6)
    assert holds(result, scenario)
    loose = scenario.replace(constraints={"delay_limit": 1e4})
    assert objective.better(reference_optimum(loose).value, best * (1.01 if objective.sense == "max" else 0.999))


def test_rows_with_negative_numbers_are_kept_and_bind() -> None:
    """The server that is worse has to be used, and the training shared."""
    need_scip()
    base = scenario_of({"kind": "cost", "delay": "sum"}, {}, servers=2)
    worse = 1 - int(reference_optimum(base).allocation.server[0])
    rows = [
        {"name": "used", "at_most": -1.0, "terms": [{"attribute": "served", "servers": [worse], "coefficient": -1.0}]},
        {
            "name": "shared",
            "at_most": 0.0,
            "terms": [
                {"attribute": "energy", "coefficient": 1.0},
                {"attribute": "offload", "coefficient": -2000.0},
            ],
        },
    ]
    scenario = base.replace(constraints={"rows": rows, "delay_limit": 500.0})
    result, best = solve(scenario, formulation="activity"), reference_optimum(scenario).value
    assert result.claim is Claim.CERTIFIED and result.bound is not None and result.allocation is not None
    assert result.value == pytest.approx(best, rel=1.01 * GAP)
    assert result.bound <= best * (1 + 1e-6)
    assert result.allocation.server.tolist() == [worse]
    assert holds(result, scenario)


def test_infeasible_is_said_where_all_delays_are_limited_and_else_it_is_not() -> None:
    need_scip()
    limits = {"total_energy": 50.0}
    result = solve(scenario_of({"kind": "cost"}, {**limits, "delay_limit": 60.0}), formulation="activity")
    assert result.claim is Claim.INFEASIBLE and "finds that no allocation meets" in result.message
    # Who has the time needs less.
    open_ended = solve(scenario_of({"kind": "cost"}, limits), formulation="activity", time_limit=8.0)
    assert open_ended.claim is not Claim.INFEASIBLE


def test_without_a_start_the_solver_finds_one_and_then_proves(monkeypatch: pytest.MonkeyPatch) -> None:
    need_scip()
    monkeypatch.setattr(DashfPlus, "supports", frozenset())  # as for any objective that it does not honour
    scenario = scenario_of({"kind": "cost"}, {"total_energy": 300.0, "delay_limit": 200.0})
    with pytest.raises(InputError, match="no simple allocation"):
        known_allocation(scenario)
    result = solve(scenario, formulation="activity")
    assert result.claim is Claim.CERTIFIED
    assert result.value == pytest.approx(reference_optimum(scenario).value, rel=1.01 * GAP)
    assert "cannot honour the scenario's" in " ".join(entry.note for entry in result.trace)


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
