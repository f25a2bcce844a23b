"""The paper's baselines: who serves whom, who gets what, and what part each of them optimises."""

from __future__ import annotations

import numpy as np
import pytest

import dashf_pyomo
from formulations import Scenario, evaluate
from formulations.association.pair_resources import IDLE_PAIRS, PairResources, equal_split, start_allocation

SCENARIO = Scenario.random(users=7, servers=3, seed=2)


@pytest.mark.parametrize("method", ["rucaa", "gucaa", "nearest", "aauco"])
def test_average_allocation_splits_every_budget_equally_among_the_users_of_a_server(method: str) -> None:
    s, a = SCENARIO, dashf_pyomo.solve(SCENARIO, method).allocation
    count = np.bincount(a.server, minlength=s.n_servers)[a.server]
    assert a.bandwidth == pytest.approx(s.bandwidth_max[a.server] / count)
    assert a.server_power == pytest.approx(s.server_power_max[a.server] / count)
    assert a.server_speed == pytest.approx(s.server_speed_max[a.server] / count)
    assert np.array_equal(a.user_power, s.user_power_max) and np.array_equal(a.user_speed, s.user_speed_max)


@pytest.mark.parametrize("method", ["rucaa", "gucaa", "nearest", "gucro"])
def test_methods_that_do_not_optimise_the_offloading_train_half_and_half(method: str) -> None:
    assert np.all(dashf_pyomo.solve(SCENARIO, method).allocation.offload == 0.5)


@pytest.mark.parametrize("method", ["gucaa", "gucro"])
def test_greedy_connection_takes_the_server_with_the_fewest_users_in_turn(method: str) -> None:
    assert dashf_pyomo.solve(SCENARIO, method).allocation.server.tolist() == [0, 1, 2, 0, 1, 2, 0]


def test_nearest_takes_the_largest_gain() -> None:
    gain = [[3e-11, 1e-11, 2e-11], [1e-11, 2e-11, 3e-11], [1e-12, 9e-12, 8e-12]]
    scenario = Scenario.random(users=3, servers=3, channel_gain=gain)
    assert dashf_pyomo.solve(scenario, "nearest").allocation.server.tolist() == [0, 2, 1]


def test_random_connection_is_uniform_over_the_servers() -> None:
    found = [dashf_pyomo.solve(SCENARIO, "rucaa", seed=seed).allocation.server for seed in range(100)]
    share = np.bincount(np.concatenate(found), minlength=3) / 700
    assert share == pytest.approx(1 / 3, abs=0.1)


@pytest.mark.parametrize(("better", "worse"), [("gucro", "gucaa"), ("aauco", "nearest"), ("dashf", "gucaa")])
def test_what_a_method_optimises_pays(better: str, worse: str) -> None:
    assert dashf_pyomo.solve(SCENARIO, better).scr > dashf_pyomo.solve(SCENARIO, worse).scr


# -- the resources they start from ------------------------------------------------------------


def test_algorithm_1_starts_from_one_nth_of_every_budget_users_in_turn() -> None:
    s, a = SCENARIO, start_allocation(SCENARIO)
    assert a.server.tolist() == [0, 1, 2, 0, 1, 2, 0] and np.all(a.offload == 0.5)
    assert a.bandwidth == pytest.approx(s.bandwidth_max[a.server] / 7)
    assert a.server_power == pytest.approx(s.server_power_max[a.server] / 7)
    assert a.server_speed == pytest.approx(s.server_speed_max[a.server] / 7)
    assert np.array_equal(a.user_power, s.user_power_max) and np.array_equal(a.user_speed, s.user_speed_max)


@pytest.mark.parametrize(
    ("idle", "at_0", "at_1"), [("hold", 1 / 3, 1 / 3), ("zero", 0, 0), ("equal-share", 1 / 3, 1 / 2)]
)
def test_idle_pairs_hold_what_their_reading_says(idle: str, at_0: float, at_1: float) -> None:
    # Users 0 and 1 are with server 0, user 2 with server 1.
    scenario = Scenario.random(users=3, servers=2, seed=0)
    allocation = equal_split(scenario, np.array([0, 0, 1]), np.array([0.0, 1.0, 0.5]))
    pairs = PairResources.around(scenario, allocation, idle)
    for held, own, budget in (
        (pairs.bandwidth, allocation.bandwidth, scenario.bandwidth_max),
        (pairs.server_power, allocation.server_power, scenario.server_power_max),
        (pairs.server_speed, allocation.server_speed, scenario.server_speed_max),
    ):
        assert np.array_equal(held[[0, 1, 2], [0, 0, 1]], own)
        assert held[[2, 0, 1], [0, 1, 1]] / budget[[0, 1, 1]] == pytest.approx([at_0, at_1, at_1])


@pytest.mark.parametrize("idle", IDLE_PAIRS)
def test_users_that_train_nothing_keep_their_caps_for_the_next_association(idle: str) -> None:
    scenario = Scenario.random(users=3, servers=2, seed=0)
    allocation = equal_split(scenario, np.array([0, 0, 1]), np.array([0.0, 1.0, 0.5]))
    low = allocation.to_dict() | {"user_power": [0.0, 0.1, 0.1], "user_speed": [0.0, 1e12, 1e12]}
    pairs = PairResources.around(scenario, type(allocation).from_dict(low), idle)
    assert pairs.user_power.tolist() == [scenario.user_power_max[0], 0.1, 0.1]
    assert pairs.user_speed.tolist() == [scenario.user_speed_max[0], 1e12, 1e12]


def test_an_unknown_reading_of_idle_pairs_is_refused() -> None:
    with pytest.raises(ValueError, match="idle_pairs = 'keep'"):
        PairResources.around(SCENARIO, start_allocation(SCENARIO), "keep")


def test_pairs_taken_at_an_association_are_scaled_back_into_the_budgets() -> None:
    pairs = PairResources.equal(SCENARIO)
    crowded = pairs.at(SCENARIO, np.zeros(7, dtype=np.int64), np.full(7, 0.5))
    assert evaluate(SCENARIO, crowded).feasible
    wide = PairResources(
        10 * pairs.bandwidth, 10 * pairs.server_power, 10 * pairs.server_speed, pairs.user_power, pairs.user_speed
    )
    overfull = wide.at(SCENARIO, np.zeros(7, dtype=np.int64), np.full(7, 0.5))
    assert evaluate(SCENARIO, overfull).feasible
    assert overfull.bandwidth == pytest.approx(SCENARIO.bandwidth_max[0] / 7)
