"""Bounds on objectives of the users' own ratios: never below what is reached, and next to it where that can be."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from test_dual_objectives import random_allocations

import dashf_pyomo
from dashf_pyomo.algorithms.dual.boxes import CostCut
from dashf_pyomo.algorithms.dual.columns import DELAY, ColumnPool
from dashf_pyomo.algorithms.dual.kinds import separable_problem
from dashf_pyomo.algorithms.dual.least_ratio import LeastRatioMaster, LeastRatioProblem, WeighedPrices
from dashf_pyomo.algorithms.dual.prices import Prices
from dashf_pyomo.algorithms.dual.problem import SeparableProblem
from dashf_pyomo.algorithms.dual.ratio_cells import Cells, constant
from dashf_pyomo.algorithms.dual.ratios import RatioProblem
from dashf_pyomo.status import Claim
from formulations import InputError, Scenario, evaluate
from formulations.joint.data import known_allocation

WEIGHTS = (0.3, 2.0, 1.0)


def of_kind(kind: str, users: int, servers: int, seed: int, constraints: Any = None, **objective: Any) -> Scenario:
    return Scenario.random(users, servers, seed, objective={"kind": kind, **objective}, constraints=constraints)


@cache
def problem_of(kind: str, users: int, servers: int, seed: int) -> Any:
    scenario = of_kind(kind, users, servers, seed, user_weight=list(WEIGHTS[:users]))
    return separable_problem(scenario, known_allocation(scenario))


def prices_of(problem: SeparableProblem, rng: np.random.Generator, least: float = -3.0) -> Prices:
    """Prices of shares between nothing and what users are worth."""
    n, m = problem.scenario.n_users, problem.scenario.n_servers
    shares, value = 10.0 ** rng.uniform(least, 0.0, (m, 3)), problem.data.least_ratio
    if isinstance(problem, LeastRatioProblem):
        return problem.balanced(WeighedPrices(value, shares, np.zeros(n), np.zeros(0), rng.dirichlet(np.ones(n))))
    return problem.balanced(Prices(0.0, shares, np.zeros(n), np.zeros(0)))


# -- the bound of a ratio over a cell ---------------------------------------------------------


def test_the_two_ends_of_a_cell_bound_every_ratio_in_it_whatever_the_multipliers() -> None:
    rng, count = np.random.default_rng(0), 20000
    low = 10.0 ** rng.uniform(-3.0, 3.0, count)
    high = low * (1.0 + 10.0 ** rng.uniform(-4.0, 1.0, count))
    ratio, price = (10.0 ** rng.uniform(-3.0, 3.0, shape) for shape in (count, (2, count)))
    zero = np.zeros(count, np.int64)
    cells = Cells(zero, zero, low, high, np.zeros((count, 2)), low, zero)
    cost, score = rng.uniform(low, high), 10.0 ** rng.uniform(-6.0, 6.0, count)
    ends = [
        (score - price[end] * cost) / unit + constant(price[end], ratio, cells, end)
        for end, unit in enumerate((low, high))
    ]
    reached = np.max(ends, axis=0)
    size = score / low + np.abs(ends[0]) + np.abs(ends[1]) + price.max(axis=0) * high / low
    assert np.all(reached >= score / cost - 1e-12 * size)
    # The price r is as good as it gets for a column in the cell whose ratio is r.
    exact = [
        (ratio * cost - ratio * cost) / unit + constant(ratio, ratio, cells, end)
        for end, unit in enumerate((low, high))
    ]
    assert np.allclose(np.max(exact, axis=0), ratio, rtol=1e-12)


def test_the_parts_of_a_cell_cover_it() -> None:
    one = np.zeros(2, np.int64)
    cells = Cells(one, one, np.array([1.0, 1.0]), np.array([4.0, 1.01]), np.tile([0.2, 1.0], (2, 1)), np.ones(2), one)
    below, above = cells.cut().chosen(slice(0, 2)), cells.cut().chosen(slice(2, 4))
    assert below.low.tolist() == cells.low.tolist() and above.high.tolist() == cells.high.tolist()
    assert below.high[0] == above.low[0] == 2.0 and above.offload[0].tolist() == [0.2, 1.0]  # wide: by its cost
    assert (below.offload[1].tolist(), above.offload[1].tolist()) == ([0.2, 0.6], [0.6, 1.0])  # narrow: by phi
    assert cells.cut(by_phi=False).high[1] == pytest.approx(np.sqrt(1.01))


# -- the bound of a box -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sum-of-ratios", "max-min"])
@pytest.mark.parametrize("seed", range(2))
def test_no_allocation_is_better_than_the_bound_at_any_prices(kind: str, seed: int) -> None:
    problem = problem_of(kind, 3, 2, seed)
    scenario, rng = problem.scenario, np.random.default_rng(seed)
    known = known_allocation(scenario)
    values = [evaluate(scenario, one) for one in [known, *random_allocations(scenario, 200, seed)]]
    best = max(e.value for e in values if e.feasible)
    for _ in range(3):
        prices = prices_of(problem, rng)
        proof = problem.prove(prices, problem.whole(), 1e-2, 300)
        assert problem.bound(prices, proof.dual_value, problem.whole()) * problem.data.value_unit >= best
        assert problem.search(prices, problem.whole(), 1e-3).dual_value <= proof.dual_value


@pytest.mark.parametrize("kind", ["sum-of-ratios", "max-min"])
def test_a_proof_lies_above_all_choices_of_a_user_and_next_to_the_best(kind: str) -> None:
    problem = problem_of(kind, 2, 2, 3)
    rng, box, tolerance = np.random.default_rng(1), problem.whole(), 1e-3
    prices = prices_of(problem, rng, least=-1.0)
    proof = problem.prove(prices, box, tolerance, 2000)
    best = np.full(2, -np.inf)
    np.maximum.at(best, proof.user, proof.reduced)
    assert np.all(best <= proof.best) and np.all(proof.best <= best + 2.0 * tolerance)
    # Any shares and delays, and those around the best ones, at the least energy.
    count = 20000
    user, server = rng.integers(2, size=(2, count))
    choice = 10.0 ** rng.uniform((-3.0, -3.0, -3.0, np.log10(box.interval[0])), (0.0, 0.0, 0.0, 2.0), (count, 4))
    around = proof.data[[np.argmax(np.where(proof.user == n, proof.reduced, -np.inf)) for n in range(2)]][user]
    near = rng.random(count) < 0.5
    choice[near] = around[near][:, [0, 1, 2, DELAY]] * np.exp(rng.normal(0.0, 0.2, (count, 4)))[near]
    choice[:, :3] = np.minimum(choice[:, :3], 1.0)
    found = problem.least_energy(user, server, choice[:, :3], choice[:, 3])
    met = np.isfinite(found[:, 0])
    data = np.column_stack([choice[:, :3], found[:, 1:4], found[:, 0], choice[:, 3]])[met]
    reduced = problem.reduced_values(user[met], server[met], data, prices, box.interval[0])
    assert np.all(reduced <= proof.best[user[met]])
    assert proof.best.max() - reduced.max() < 0.1 * abs(proof.best.max())  # they come near it


def test_a_user_that_trains_almost_for_ever_is_worth_no_more_than_is_said() -> None:
    problem = problem_of("sum-of-ratios", 2, 2, 0)
    assert np.all(problem.beyond > 0.0) and problem.beyond.sum() < 1e-3 * problem.data.least_ratio
    # Shares cost so much that nobody takes any: what is left is what lies beyond the longest delay, or next to nothing.
    prices = problem.balanced(Prices(0.0, np.full((2, 3), 1e9), np.zeros(2), np.zeros(0)))
    proof = problem.prove(prices, problem.whole(), 1e-6, 300)
    assert np.all(proof.best >= problem.beyond)
    assert np.all(proof.best <= problem.beyond + 2e-6)
    column = np.array([[1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.001 * problem.longest[0]]])
    assert problem.gains(np.array([0]), column)[0] <= problem.beyond[0]


def test_a_cut_of_the_cost_of_a_user_tells_what_it_is_worth_on_either_side() -> None:
    problem = problem_of("sum-of-ratios", 2, 2, 0)
    prices = prices_of(problem, np.random.default_rng(3))
    box, tolerance = problem.whole(), 1e-3
    whole = problem.prove(prices, box, tolerance, 2000)
    best = np.argmax(np.where(whole.user == 1, whole.reduced, -np.inf))
    cost = float(problem.user_costs(whole.data[best : best + 1])[0])
    dearer, cheaper = (CostCut(1, factor * cost)(box)[part] for factor, part in ((1.5, 1), (0.7, 0)))
    kept = CostCut(1, 1.5 * cost)(box)[0]
    proofs = {
        name: problem.prove(prices, part, tolerance, 2000)
        for name, part in {"dearer": dearer, "cheaper": cheaper, "kept": kept}.items()
    }
    assert abs(proofs["kept"].best[1] - whole.best[1]) <= 2.0 * tolerance
    for name in ("dearer", "cheaper"):
        proof = proofs[name]
        assert proof.best[1] < whole.best[1] - 2.0 * tolerance  # the best choice is on the other side
        assert proof.best[0] == pytest.approx(whole.best[0], abs=2.0 * tolerance)  # the other user has all choices
    held = problem.user_costs(whole.data) >= 1.5 * cost
    assert np.all(whole.reduced[held & (whole.user == 1)] <= proofs["dearer"].best[1])
    # What is beyond the longest delay is on the dear side alone.
    free = problem.balanced(Prices(0.0, np.full((2, 3), 1e9), np.zeros(2), np.zeros(0)))
    assert problem.prove(free, dearer, 1e-9, 300).best[1] >= problem.beyond[1]
    assert problem.prove(free, cheaper, 1e-9, 300).best[1] < 0.0


def test_binary_offloading_is_the_better_of_both_ends() -> None:
    tolerance = 1e-3
    best = {}
    for name, constraints in {
        "binary": {"binary_offload": True},
        "server": {"offload": [[0.0, 0.0]] * 2},
        "user": {"offload": [[1.0, 1.0]] * 2},
    }.items():
        scenario = of_kind("sum-of-ratios", 2, 2, 4, constraints)
        problem = RatioProblem(scenario, known_allocation(scenario), 1e3)
        prices = Prices(0.0, np.full((2, 3), 1.0 / problem.data.scr_unit), np.zeros(2), np.zeros(0))
        proof = problem.prove(problem.balanced(prices), problem.whole(), tolerance, 2000)
        best[name] = proof.best * problem.data.value_unit
    assert best["binary"] == pytest.approx(np.maximum(best["server"], best["user"]), rel=5e-3)
    assert np.all(np.abs(best["server"] - best["user"]) > 0.01 * best["binary"])


# -- the restricted master problem of the least ratio -----------------------------------------


def test_the_master_problem_finds_the_ratio_at_which_no_user_is_behind() -> None:
    problem = problem_of("max-min", 2, 1, 0)
    rng, pool = np.random.default_rng(0), ColumnPool()
    shares = np.repeat(rng.uniform(0.1, 0.9, (40, 1)), 3, axis=1)
    data = np.column_stack([shares, np.tile([0.5, 1.0, 1.0], (40, 1)), rng.uniform(0.1, 1.0, (40, 2))])
    pool.add(np.arange(40) % 2, np.zeros(40, np.int64), data)
    master = LeastRatioMaster(problem, (0.1, 10.0))
    master.add(pool, np.arange(40))
    ratio, prices, weights = master.solve()
    assert isinstance(prices, WeighedPrices)
    score, cost = problem.gains(pool.user, data), problem.user_costs(data)
    mixed = [np.bincount(pool.user, weights * part, minlength=2) for part in (score, cost)]
    assert np.bincount(pool.user, weights) == pytest.approx(np.ones(2))
    assert (weights[:, np.newaxis] * data[:, :3]).sum(axis=0).max() <= 1.0 + 1e-7
    assert np.min(mixed[0] / mixed[1]) == pytest.approx(ratio, rel=1e-6)
    # At its prices no column and no mixture is better: the dual value is nothing.
    reduced = problem.reduced_values(pool.user, pool.server, data, problem.balanced(prices), 0.0)
    worth = np.full(2, -np.inf)
    np.maximum.at(worth, pool.user, reduced)
    assert prices.shares.sum() + worth.sum() == pytest.approx(0.0, abs=1e-4 * ratio)
    master.keep(weights > 0.0)
    assert master.solve()[0] == pytest.approx(ratio, rel=1e-6)


# -- the methods ------------------------------------------------------------------------------


def test_one_user_has_the_same_best_ratio_by_every_objective() -> None:
    found = {}
    for kind in ("scr", "sum-of-ratios", "max-min"):
        result = dashf_pyomo.solve(of_kind(kind, 1, 2, 0), "dual", gap=1e-3)
        assert result.claim is Claim.CERTIFIED, result.message
        found[kind] = result.value, result.bound
    for value, bound in found.values():
        assert value == pytest.approx(found["scr"][0], rel=1e-3)
        assert bound >= max(value for value, _ in found.values()) * (1.0 - 1e-9)


CASES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "sum": ("sum-of-ratios", None, {"user_weight": [1.0, 2.0]}),
    "sum, whole tasks": ("sum-of-ratios", {"binary_offload": True}, {}),
    "sum, all in time": ("sum-of-ratios", {"delay_limit": 30.0, "users_per_server": 1}, {}),
    "least": ("max-min", None, {"user_weight": [1.0, 2.0]}),
    "least, whole tasks": ("max-min", {"binary_offload": True}, {}),
    "least, little energy": ("max-min", {"total_energy": 80.0}, {}),
}


@pytest.mark.parametrize(
    "case", [name if name == "sum" else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
)
def test_two_users_are_closed(case: str) -> None:
    kind, constraints, objective = CASES[case]
    scenario = of_kind(kind, 2, 2, 1, constraints, **objective)
    result = dashf_pyomo.solve(scenario, "bnp", gap=5e-3, time_limit=120)
    assert result.claim is Claim.CERTIFIED, result.message
    plain = dashf_pyomo.solve(scenario, "dashf-plus", time_limit=120)
    assert plain.value <= result.bound
    assert evaluate(scenario, result.allocation).value == result.value <= result.bound


def test_ratios_have_no_certificate_and_say_so(tmp_path: Any) -> None:
    result = dashf_pyomo.solve(of_kind("max-min", 1, 1, 0), "dual", certificate=str(tmp_path / "c.json"))
    assert result.bound is not None
    assert any("no certificate: objective max-min has none" in entry.note for entry in result.trace)


@pytest.mark.parametrize("kind", ["sum-of-ratios", "max-min"])
def test_ratios_without_a_weight_of_time_are_refused(kind: str) -> None:
    scenario = of_kind(kind, 2, 1, 0, {"delay_limit": 50.0}).replace(weight_time=0.0)
    with pytest.raises(InputError, match=rf"weight_time = 0 with objective {kind}"):
        dashf_pyomo.solve(scenario, "dual")


def test_rows_that_ask_for_more_need_delay_limits_where_users_may_be_given_up() -> None:
    row = {"name": "floor", "at_most": -1.0, "terms": [{"attribute": "offload", "coefficient": -1.0}]}
    scenario = of_kind("sum-of-ratios", 2, 1, 0, {"rows": [row]})
    with pytest.raises(InputError, match="expected a delay limit of every user"):
        dashf_pyomo.solve(scenario, "dual")


@pytest.mark.parametrize("kind", ["sum-of-ratios", "max-min"])
def test_a_floor_of_bandwidth_is_kept_and_costs_something(kind: str) -> None:
    plain = of_kind(kind, 2, 1, 0, {"delay_limit": 100.0})
    floor = {
        "name": "floor",
        "at_most": -0.8 * float(plain.bandwidth_max[0]),
        "terms": [{"attribute": "bandwidth", "users": [0], "coefficient": -1.0}],
    }
    scenario = plain.limited_by({"delay_limit": 100.0, "rows": [floor]})
    free, held = (dashf_pyomo.solve(one, "dual", time_limit=60) for one in (plain, scenario))
    assert held.allocation is not None and evaluate(scenario, held.allocation).feasible
    assert held.value <= held.bound < free.value


def test_rates_that_cannot_be_had_are_proven_out_of_reach() -> None:
    # Each alone may have its rate, both together not.
    plain = of_kind("max-min", 2, 1, 0)
    most = plain.bandwidth_max[0] * np.log1p(
        plain.channel_gain[:, 0] * plain.server_power_max[0] / (plain.noise_psd * plain.bandwidth_max[0])
    )
    rates = 0.8 * most / np.log(2.0)
    result = dashf_pyomo.solve(plain.limited_by({"downlink_rate": rates.tolist(), "delay_limit": 1e4}), "bnp")
    assert result.claim is Claim.INFEASIBLE
