"""Properties of the whole class, at random scenarios: of the evaluator, of the reference, and of proven bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dashf_pyomo
from dashf_pyomo.algorithms import configure
from dashf_pyomo.conformance.claims import excludes
from dashf_pyomo.conformance.declared import relative_loss
from dashf_pyomo.conformance.draws import declared_scenario
from dashf_pyomo.conformance.reference import climb, combinations, reference_optimum
from formulations import Allocation, Scenario, evaluate
from formulations.association.pair_resources import equal_split
from formulations.terms import rows_of

SEEDS = st.integers(0, 10_000)

#: Seeds of references: two local searches that end where they did yesterday are compared, within `SAME`, relative.
FIXED = (1, 2, 5, 18)
SAME = 1e-3


def allocation_on(scenario: Scenario, seed: int) -> Allocation:
    rng = np.random.default_rng(seed)
    n = scenario.n_users
    split = equal_split(scenario, rng.integers(scenario.n_servers, size=n), rng.uniform(0.0, 1.0, n))
    return replace(split, bandwidth=split.bandwidth * rng.uniform(0.3, 1.0, n))


def permuted(scenario: Scenario, users: Any, servers: Any) -> Scenario:
    """The scenario with users and servers in another order, and everything that is declared with them."""
    document = scenario.to_dict()
    for field, value in list(document.items()):
        if field == "channel_gain":
            document[field] = np.array(value)[np.ix_(users, servers)].tolist()
        elif (isinstance(value, list) and field.startswith("user_")) or field in ("adapter_params", "flops_per_param"):
            document[field] = np.array(value)[users].tolist()
        elif isinstance(value, list) and (field.startswith("server_") or field == "bandwidth_max"):
            document[field] = np.array(value)[servers].tolist()
    new_user, new_server = np.argsort(users), np.argsort(servers)
    constraints = document["constraints"] or {}
    for key, value in list(constraints.items()):
        if key in ("forbidden", "forced"):
            constraints[key] = [[int(new_user[n]), int(new_server[m])] for n, m in value]
        elif key in ("users_per_server", "server_energy"):
            constraints[key] = [value[m] for m in servers]
        elif key in ("delay_limit", "uplink_rate", "downlink_rate", "user_energy", "offload"):
            constraints[key] = [value[n] for n in users]
        elif key == "rows":
            for term in (term for row in value for term in row["terms"]):
                chosen = range(scenario.n_users) if term["users"] is None else term["users"]
                term["users"] = [int(new_user[n]) for n in chosen]
                if term["servers"] is not None:
                    term["servers"] = [int(new_server[m]) for m in term["servers"]]
    weights = document.get("objective", {}).get("user_weight")
    if weights is not None:
        document["objective"]["user_weight"] = [weights[n] for n in users]
    return Scenario.from_dict({**document, "version": 2})


# -- the evaluator --------------------------------------------------------------------------------


@settings(max_examples=5)
@given(SEEDS)
def test_the_order_of_users_and_servers_does_not_matter(seed: int) -> None:
    scenario = declared_scenario(seed, most_users=3, most_servers=3)
    rng = np.random.default_rng(seed)
    users, servers = rng.permutation(scenario.n_users), rng.permutation(scenario.n_servers)
    a = allocation_on(scenario, seed)
    moved = {name: np.array(value)[users] for name, value in a.to_dict().items() if name != "server"}
    b = Allocation(server=np.argsort(servers)[a.server[users]], **moved)
    before, after = evaluate(scenario, a), evaluate(permuted(scenario, users, servers), b)
    assert after.value == pytest.approx(before.value, rel=1e-12)
    assert sorted(v.relative for v in after.violations) == pytest.approx(
        sorted(v.relative for v in before.violations), rel=1e-9, abs=1e-12
    )


@settings(max_examples=5)
@given(SEEDS, st.floats(0.1, 10.0))
def test_weights_of_users_scale_the_value(seed: int, factor: float) -> None:
    scenario = declared_scenario(seed)
    objective, a = scenario.objective, allocation_on(scenario, seed)
    weights = objective.user_weight or (1.0,) * scenario.n_users
    heavier = scenario.replace(objective=replace(objective, user_weight=tuple(factor * w for w in weights)))
    value, scaled = evaluate(scenario, a).value, evaluate(heavier, a).value
    if objective.kind == "utility":  # only its score is weighted
        cost = scenario.cost(evaluate(scenario, a).user_delay, evaluate(scenario, a).energy_by_user)
        value, scaled = value + (objective.price or 0.0) * cost, scaled + (objective.price or 0.0) * cost
        assert scaled == pytest.approx(factor * value, rel=1e-9, abs=1e-9 * (objective.price or 0.0) * cost)
    elif objective.kind == "cost" and objective.delay == "largest":  # the largest delay is nobody's own
        assert (scaled - value) * (factor - 1.0) >= 0.0
    else:
        assert scaled == pytest.approx(factor * value, rel=1e-9)


@settings(max_examples=5)
@given(SEEDS)
def test_a_utility_without_score_is_a_cost_at_its_price(seed: int) -> None:
    scenario = declared_scenario(seed)
    a, price = allocation_on(scenario, seed), 3.0
    delay = scenario.objective.delay
    plain = scenario.replace(objective={"kind": "cost", "delay": str(delay)})
    utility = scenario.replace(objective={"kind": "utility", "price": price, "delay": str(delay)}, score_scale=1e-12)
    cost = evaluate(plain, a).value
    assert -evaluate(utility, a).value / price == pytest.approx(cost, rel=1e-9, abs=1e-11 * scenario.n_users)


@settings(max_examples=5)
@given(SEEDS)
def test_what_is_relaxed_breaks_no_more(seed: int) -> None:
    scenario = declared_scenario(seed)
    a = allocation_on(scenario, seed)
    e = evaluate(scenario, a)
    broken = {(v.constraint, v.where, v.relative) for v in e.violations}
    for kind in scenario.extra_kinds:
        relaxed = evaluate(scenario.without([kind]), a)
        assert relaxed.value == e.value
        assert {(v.constraint, v.where, v.relative) for v in relaxed.violations} <= broken
    for rows in rows_of(scenario):
        over = rows.excess(rows.values(_terms(scenario, a), a.server))
        said = {v.limited_by for v in e.violations}
        assert all(((rows.limit.key, rows.index + i) in said) == (over[i] > 0) for i in range(len(over)))


def _terms(scenario: Scenario, a: Allocation) -> Any:
    from formulations.terms import Sites

    return Sites(scenario, a.server).terms(
        a.bandwidth, a.user_power, a.server_power, a.user_speed, a.server_speed, a.offload, 1.0 - a.offload
    )


# -- the reference --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", FIXED)
def test_the_reference_of_a_relaxed_scenario_is_not_worse_than_what_meets_the_limits(seed: int) -> None:
    """Started where the limits hold, a search without them ends at least as well: the limits are not turned round."""
    scenario = declared_scenario(seed, most_users=2, most_servers=1)
    limited = reference_optimum(scenario)
    if limited.allocation is None:
        return
    free = scenario.limited_by(None)
    assert evaluate(free, limited.allocation).feasible
    best = reference_optimum(free) if scenario.weight_time > 0.0 else limited
    assert relative_loss(scenario, limited.value, best.value) <= SAME


@pytest.mark.slow
@pytest.mark.parametrize("seed", FIXED)
def test_a_row_that_cannot_bind_changes_no_reference(seed: int) -> None:
    scenario = declared_scenario(seed, most_users=2, most_servers=1).limited_by(None)
    if scenario.weight_time == 0.0:
        return
    most = float(scenario.bandwidth_max.sum())
    row = {"name": "idle", "at_most": 3.0 * most, "terms": [{"attribute": "bandwidth"}]}
    idle = scenario.limited_by({"rows": [row]})
    with_row, without = reference_optimum(idle), reference_optimum(scenario)
    assert abs(relative_loss(scenario, without.value, with_row.value)) <= SAME


@pytest.mark.slow
@pytest.mark.parametrize("seed", FIXED)
def test_the_reference_of_a_permuted_scenario_is_the_same(seed: int) -> None:
    scenario = declared_scenario(seed, most_users=2, most_servers=2)
    users, servers = np.arange(scenario.n_users)[::-1], np.arange(scenario.n_servers)[::-1]
    other = permuted(scenario, users, servers)
    assert len(list(combinations(other))) == len(list(combinations(scenario)))
    first, second = reference_optimum(scenario), reference_optimum(other)
    assert (first.allocation is None) == (second.allocation is None)
    if first.allocation is not None:
        assert abs(relative_loss(scenario, first.value, second.value)) <= SAME


def test_a_search_keeps_to_the_associations_it_is_given() -> None:
    scenario = Scenario.random(2, 2, 0, objective={"kind": "cost"})
    chosen = [one for one in combinations(scenario) if one[0].tolist() == [1, 1]]
    found = climb(scenario, iter(chosen)).allocation
    assert found is not None and found.server.tolist() == [1, 1]


# -- bounds ---------------------------------------------------------------------------------------


def bound_of(scenario: Scenario) -> float | None:
    """What `dual` proves, None where it takes no such scenario."""
    if configure("dual", {}).refusal(scenario):
        return None
    return dashf_pyomo.solve(scenario, "dual", time_limit=10, threads=1, moves=0, dives=0).bound


@pytest.mark.slow
@pytest.mark.parametrize(
    "objective", [None, {"kind": "cost", "delay": "mean"}, {"kind": "utility", "price": 50.0}], ids=str
)
def test_no_bound_excludes_what_is_reached_under_more_limits(objective: dict[str, Any] | None) -> None:
    """A bound without limits holds for what keeps them too; with a row that cannot bind it is the same within gaps."""
    scenario = Scenario.random(2, 1, 1, objective=objective)
    free = bound_of(scenario)
    if free is None:
        pytest.skip(f"dual does not honour {', '.join(sorted(scenario.demands))}")
    best = reference_optimum(scenario)
    assert best.allocation is not None
    tight = {"total_energy": 0.5 * evaluate(scenario, best.allocation).energy}
    limited = scenario.limited_by(tight)
    reached = reference_optimum(limited)
    assert reached.allocation is not None and not excludes(scenario, free, reached.value)
    idle = {"total_energy": 1e3 * evaluate(scenario, best.allocation).energy}
    for declared, known in ((tight, reached), (idle, best)):
        bound = bound_of(scenario.limited_by(declared))
        if bound is None:
            pytest.skip("dual does not honour total energy")
        assert not excludes(scenario, bound, known.value)
    assert bound == pytest.approx(free, rel=2e-3)
