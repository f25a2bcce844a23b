"""The offloading program with the association fixed: as good as SciPy's linear programming, and right at its edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from algorithm_helpers import cost, offloading_by_linprog, random_allocation, some_ratio
from hypothesis import given
from hypothesis import strategies as st
from strategies import cases, magnitudes

from formulations import Allocation, Scenario, evaluate
from formulations.association.coefficients import optimal_offloading

Reference = Callable[[Scenario, Allocation, float], np.ndarray]


def assert_optimal(
    scenario: Scenario, allocation: Allocation, ratio: float, reference: Reference = offloading_by_linprog
) -> np.ndarray:
    """No worse than what the reference finds, up to rounding; both are judged by the evaluator."""
    offload = optimal_offloading(scenario, allocation, ratio)
    assert offload.shape == (scenario.n_users,) and np.all((offload >= 0) & (offload <= 1))
    best = cost(scenario, replace(allocation, offload=reference(scenario, allocation, ratio)), ratio)
    if np.isfinite(best):
        ours = replace(allocation, offload=offload)
        assert cost(scenario, ours, ratio) <= best + 1e-9 * (abs(best) + evaluate(scenario, ours).score)
    return offload


def offloading_by_deadlines(scenario: Scenario, allocation: Allocation, ratio: float) -> np.ndarray:
    """The best offloading over the deadlines where one can lie: at some user's delay at phi = 0 or phi = 1.

    Slow, but without an LP solver's tolerances, which data of wide magnitudes break.
    """
    zero, one = (evaluate(scenario, replace(allocation, offload=np.full(scenario.n_users, x))) for x in (0.0, 1.0))
    found, least = np.zeros(scenario.n_users), np.inf
    for deadline in {*zero.user_delay, *one.user_delay} - {np.inf}:
        offload = np.empty(scenario.n_users)
        for n in range(scenario.n_users):
            (t0, e0), (t1, e1) = ((e.user_delay[n], e.energy_by_user[n]) for e in (zero, one))
            prefers_one = e1 < e0
            preferred, other = (t1, t0) if prefers_one else (t0, t1)
            if preferred <= deadline:
                moved = 0.0
            elif other >= deadline or np.isinf(preferred):
                moved = 1.0
            else:
                moved = (preferred - deadline) / (preferred - other)
            offload[n] = 1.0 - moved if prefers_one else moved
        reached = cost(scenario, replace(allocation, offload=offload), ratio)
        if reached < least:
            found, least = offload, reached
    return found


@pytest.mark.parametrize("users", [1, 2, 5, 12])
@pytest.mark.parametrize("weight_energy", [0.005, 0.0, 5.0])
def test_equals_the_optimum_of_the_linear_program(users: int, weight_energy: float) -> None:
    for seed in range(8):
        scenario = Scenario.random(users=users, servers=2, seed=seed, weight_energy=weight_energy)
        allocation = random_allocation(scenario, seed)
        ratio = some_ratio(scenario, seed)
        offload = assert_optimal(scenario, allocation, ratio)
        # Equality, not only "no worse": SciPy must not be fooled by our scaling either.
        other = replace(allocation, offload=offloading_by_linprog(scenario, allocation, ratio))
        mine = cost(scenario, replace(allocation, offload=offload), ratio)
        assert mine == pytest.approx(cost(scenario, other, ratio), rel=1e-6, abs=1e-6 * evaluate(scenario, other).score)


@pytest.mark.parametrize("seed", range(6))
def test_beats_random_offloading(seed: int) -> None:
    scenario = Scenario.random(users=6, servers=3, seed=seed)
    allocation, ratio = random_allocation(scenario, seed), some_ratio(scenario, seed)
    best = cost(scenario, replace(allocation, offload=optimal_offloading(scenario, allocation, ratio)), ratio)
    rng = np.random.default_rng(seed)
    for offload in [*rng.uniform(size=(50, 6)), *rng.integers(2, size=(50, 6)).astype(float)]:
        other = cost(scenario, replace(allocation, offload=offload), ratio)
        assert best <= other + 1e-12 * abs(other)


@given(case=cases(), ratio=magnitudes(1e-6, 1e6))
def test_is_optimal_on_wide_magnitudes_and_zero_shares(case: tuple[Scenario, Allocation], ratio: float) -> None:
    scenario, allocation = case
    assert_optimal(scenario, allocation, ratio, offloading_by_deadlines)


def test_half_way_points_are_found_where_the_deadline_is_worth_a_part_of_the_energy() -> None:
    fractional = 0
    for seed in range(20):
        scenario = Scenario.random(users=5, servers=2, seed=seed, weight_energy=5e-5)
        offload = assert_optimal(scenario, random_allocation(scenario, seed), some_ratio(scenario, seed))
        fractional += np.any((offload > 1e-6) & (offload < 1 - 1e-6))
    assert fractional >= 5


# -- edges ------------------------------------------------------------------------------------

CLOSED = {
    "bandwidth": None,  # no rate either way: nothing helps
    "user_power": 0.0,  # no uplink: the server trains
    "user_speed": 0.0,
    "server_power": 1.0,  # no downlink: the user trains
    "server_speed": 1.0,
}


@pytest.mark.parametrize("field", CLOSED)
def test_a_way_that_takes_forever_is_not_taken(field: str) -> None:
    scenario = Scenario.random(users=3, servers=2, seed=4)
    allocation = random_allocation(scenario, 4)
    values = getattr(allocation, field).copy()
    values[1] = 0.0
    closed = replace(allocation, **{field: values})
    offload = optimal_offloading(scenario, closed, 100.0)
    expected = CLOSED[field]
    assert np.all(np.isfinite(offload))
    if expected is not None:
        assert offload[1] == expected
        assert np.isfinite(evaluate(scenario, replace(closed, offload=offload)).delay)
        assert_optimal(scenario, closed, 100.0)


def test_one_user_without_any_way_does_not_spoil_the_others() -> None:
    scenario = Scenario.random(users=3, servers=1, seed=2)
    allocation = random_allocation(scenario, 2)
    dead = replace(allocation, bandwidth=allocation.bandwidth * [0.0, 1.0, 1.0])
    offload = optimal_offloading(scenario, dead, 10.0)
    # With an infinite delay, whatever the others do, only their energy counts.
    for user in (1, 2):
        energies = [
            evaluate(scenario, replace(dead, offload=np.full(3, share))).energy_by_user[user] for share in (0.0, 1.0)
        ]
        assert offload[user] == np.argmin(energies)


def test_free_energy_puts_every_user_at_its_faster_end_if_it_decides_the_deadline() -> None:
    scenario = Scenario.random(users=1, servers=1, seed=0, weight_energy=0.0)
    allocation = random_allocation(scenario, 0)
    delays = [evaluate(scenario, replace(allocation, offload=np.array([share]))).delay for share in (0.0, 1.0)]
    assert optimal_offloading(scenario, allocation, 5.0) == [np.argmin(delays)]


@given(ratio=st.sampled_from([0.0, 1e-9, 1.0, 1e9]), users=st.integers(1, 4))
def test_users_that_are_alike_tie_and_the_value_is_still_optimal(ratio: float, users: int) -> None:
    # One gain, one adapter, one token count: every breakpoint of T coincides.
    scenario = Scenario.random(
        users=users, servers=1, seed=3, channel_gain=1e-11, adapter_params=5e6, flops_per_param=2e7
    )
    share = np.full(users, 1.0 / users)
    allocation = Allocation(
        server=[0] * users,
        offload=share,
        bandwidth=share * scenario.bandwidth_max[0],
        user_power=scenario.user_power_max,
        server_power=share * scenario.server_power_max[0],
        user_speed=scenario.user_speed_max,
        server_speed=share * scenario.server_speed_max[0],
    )
    assert_optimal(scenario, allocation, ratio)


def test_ends_that_cost_the_same_go_to_the_faster_one() -> None:
    # Energy is free, so both ends cost the same; user 1 does not decide the deadline and still takes its faster end.
    scenario = Scenario.random(users=2, servers=1, seed=1, weight_energy=0.0)
    allocation = random_allocation(scenario, 1)
    offload = optimal_offloading(scenario, allocation, 1.0)
    ends = [evaluate(scenario, replace(allocation, offload=np.full(2, share))).user_delay for share in (0.0, 1.0)]
    assert np.array_equal(offload, np.argmin(ends, axis=0))


def test_a_dearer_deadline_is_never_later() -> None:
    scenario = Scenario.random(users=6, servers=2, seed=9)
    allocation = random_allocation(scenario, 9)
    delays = []
    for weight in (0.0005, 0.005, 0.05, 0.5, 5.0, 50.0):
        priced = replace(scenario, weight_time=weight)
        offload = optimal_offloading(priced, allocation, 50.0)
        delays.append(evaluate(priced, replace(allocation, offload=offload)).delay)
    assert all(late >= early * (1 - 1e-12) for late, early in pairwise(delays))
    assert delays[0] > delays[-1]


def test_the_offloading_that_comes_in_does_not_matter() -> None:
    scenario = Scenario.random(users=4, servers=2, seed=6)
    allocation = random_allocation(scenario, 6)
    other = replace(allocation, offload=1.0 - allocation.offload)
    assert np.array_equal(optimal_offloading(scenario, allocation, 7.0), optimal_offloading(scenario, other, 7.0))
