"""Rounding: places on the servers, the matching that fills them, and the other ways to a binary association."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from algorithm_helpers import RESOURCES, budgets_allow, random_pairs, solve_association, some_ratio
from hypothesis import given
from hypothesis import strategies as st

from dashf_pyomo.algorithms.rounding import ROUNDINGS, RoundingTask, argmax, hungarian, randomised, slots
from formulations import Scenario
from formulations.association.coefficients import AssociationCoefficients
from formulations.association.model import AssociationSolution
from formulations.association.pair_resources import PairResources

of_all_roundings = pytest.mark.parametrize("name", ROUNDINGS)
sizes = st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(0, 10**6))


def make(users: int, servers: int, share: float | None = None) -> tuple[Scenario, PairResources]:
    """A scenario, and pairs that all hold the same share of every budget (1/N without one)."""
    scenario = Scenario.random(users=users, servers=servers, seed=0)
    pairs = PairResources.equal(scenario)
    if share is not None:
        factor = share * users
        pairs = replace(pairs, **{name: getattr(pairs, name) * factor for name in RESOURCES})
    return scenario, pairs


def fractional(users: int, servers: int, seed: int) -> np.ndarray:
    weight = np.random.default_rng(seed).exponential(size=(users, servers))
    return weight / weight.sum(axis=1, keepdims=True)


def task(weights: np.ndarray, pairs: PairResources, scenario: Scenario, seed: int = 0) -> RoundingTask:
    solution = AssociationSolution(np.asarray(weights, dtype=float), np.full(len(weights), 0.5), 0.0)
    return RoundingTask(solution, pairs, scenario, some_ratio(scenario, 0), seed)


# -- places -----------------------------------------------------------------------------------


@pytest.mark.parametrize("users", [1, 3, 6, 7, 10, 49, 98])
def test_equal_shares_of_one_nth_leave_a_place_for_everybody_on_every_server(users: int) -> None:
    scenario, pairs = make(users, 2)
    assert slots(pairs, scenario).tolist() == [users, users]


@pytest.mark.parametrize(("share", "expected"), [(0.1, 10), (0.3, 5), (0.24, 5), (0.18, 5), (0.11, 9), (1e-9, 10)])
def test_a_server_has_as_many_places_as_mean_shares_fit_but_no_fewer_than_half_of_ten(
    share: float, expected: int
) -> None:
    scenario, pairs = make(10, 2, share=share)
    assert slots(pairs, scenario).tolist() == [expected, expected]


@pytest.mark.parametrize("resource", RESOURCES)
def test_the_scarcest_of_the_three_budgets_decides(resource: str) -> None:
    scenario, pairs = make(8, 2, share=0.13)  # 7 places
    held = getattr(pairs, resource).copy()
    held[:, 1] *= 1.5  # 0.195: 5 places
    assert slots(replace(pairs, **{resource: held}), scenario).tolist() == [7, 5]


@pytest.mark.parametrize(("users", "servers", "least"), [(7, 2, 4), (9, 4, 3), (2, 5, 1), (1, 1, 1), (8, 8, 1)])
def test_there_are_at_least_n_over_m_places_rounded_up(users: int, servers: int, least: int) -> None:
    scenario, pairs = make(users, servers, share=5.0)
    assert slots(pairs, scenario).tolist() == [least] * servers


def test_pairs_that_hold_nothing_limit_nothing() -> None:
    scenario, pairs = make(5, 2, share=0.0)
    assert slots(pairs, scenario).tolist() == [5, 5]


# -- any rounding -----------------------------------------------------------------------------


@of_all_roundings
@given(size=sizes)
def test_every_user_gets_one_server_that_exists(name: str, size: tuple[int, int, int]) -> None:
    users, servers, seed = size
    scenario = Scenario.random(users=users, servers=servers, seed=1)
    server = ROUNDINGS[name](task(fractional(users, servers, seed), random_pairs(scenario, 1), scenario))
    assert server.shape == (users,) and np.issubdtype(server.dtype, np.integer)
    assert np.all((server >= 0) & (server < servers))


@of_all_roundings
@given(size=sizes)
def test_an_association_that_is_binary_and_fits_stays(name: str, size: tuple[int, int, int]) -> None:
    users, servers, seed = size
    scenario, pairs = make(users, servers)
    chosen = np.random.default_rng(seed).integers(servers, size=users)
    assert np.array_equal(ROUNDINGS[name](task(np.eye(servers)[chosen], pairs, scenario)), chosen)


@of_all_roundings
def test_a_user_that_is_moved_goes_to_a_server_that_is_allowed(name: str) -> None:
    scenario, pairs = make(2, 3, share=1.0)  # one place each
    limited = scenario.limited_by({"forbidden": [[0, 1], [1, 1]]})
    server = ROUNDINGS[name](task(np.array([[1.0, 0.0, 0.0]] * 2), pairs, limited))
    assert sorted(server) == [0, 2]


@of_all_roundings
def test_the_same_task_gives_the_same_association(name: str) -> None:
    scenario, pairs = make(8, 3, share=0.3)
    first, second = (ROUNDINGS[name](task(fractional(8, 3, 5), pairs, scenario)) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("rounding", [hungarian, argmax], ids=["hungarian", "argmax"])
@given(size=sizes)
def test_takes_every_users_largest_weight_where_there_is_room_for_everybody(
    rounding: object, size: tuple[int, int, int]
) -> None:
    users, servers, seed = size
    scenario, pairs = make(users, servers)
    weights = fractional(users, servers, seed)
    assert np.array_equal(rounding(task(weights, pairs, scenario)), np.argmax(weights, axis=1))


# -- the matching -----------------------------------------------------------------------------


@given(size=sizes, share=st.floats(0.01, 2.0))
def test_no_server_gets_more_users_than_it_has_places(size: tuple[int, int, int], share: float) -> None:
    users, servers, seed = size
    scenario, pairs = make(users, servers, share=share)
    server = hungarian(task(fractional(users, servers, seed), pairs, scenario))
    assert np.all(np.bincount(server, minlength=servers) <= slots(pairs, scenario))


@pytest.mark.parametrize(("users", "servers"), [(4, 2), (5, 2), (5, 3), (2, 3)])
def test_no_association_within_the_places_has_more_weight(users: int, servers: int) -> None:
    row = np.arange(users)
    for seed in range(10):
        scenario, pairs = make(users, servers, share=1.0)  # one place each, raised to ceil(N/M)
        weights, places = fractional(users, servers, seed), slots(pairs, scenario)
        best = max(
            weights[row, list(choice)].sum()
            for choice in product(range(servers), repeat=users)
            if np.all(np.bincount(choice, minlength=servers) <= places)
        )
        assert weights[row, hungarian(task(weights, pairs, scenario))].sum() == pytest.approx(best, rel=1e-12)


def test_places_that_bind_push_the_user_that_loses_least() -> None:
    scenario, pairs = make(2, 2, share=1.0)
    weights = np.array([[0.9, 0.1], [0.6, 0.4]])
    for rounding in (hungarian, argmax):
        assert rounding(task(weights, pairs, scenario)).tolist() == [0, 1]
        assert rounding(task(weights[::-1], pairs, scenario)).tolist() == [1, 0]


def test_fewer_users_than_servers_may_leave_servers_empty() -> None:
    scenario, pairs = make(2, 4)
    weights = np.array([[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    assert hungarian(task(weights, pairs, scenario)).tolist() == [2, 2]
    _, tight = make(2, 4, share=1.0)
    assert sorted(hungarian(task(weights, tight, scenario)) == 2) == [False, True]


@given(size=sizes, factor=st.floats(0.1, 10.0))
def test_the_scale_of_the_weights_does_not_matter(size: tuple[int, int, int], factor: float) -> None:
    users, servers, seed = size
    scenario, pairs = make(users, servers, share=1.0)
    weights, row = fractional(users, servers, seed), np.arange(users)
    first, second = (hungarian(task(each, pairs, scenario)) for each in (weights, factor * weights))
    assert weights[row, first].sum() == pytest.approx(weights[row, second].sum(), rel=1e-9)


# -- the others -------------------------------------------------------------------------------


@given(size=sizes)
def test_argmax_moves_users_until_the_budgets_hold_where_shares_are_alike(size: tuple[int, int, int]) -> None:
    users, servers, seed = size
    scenario, pairs = make(users, servers, share=servers / (users + servers))  # room for everybody, not for all on one
    server = argmax(task(fractional(users, servers, seed), pairs, scenario))
    assert budgets_allow(scenario, pairs, server)


@pytest.mark.parametrize("name", ["sdr-chordal", "hull"])  # with and without a covariance
def test_randomised_is_at_least_as_good_as_argmax(name: str) -> None:
    for seed in range(6):
        scenario = Scenario.random(users=6, servers=3, seed=seed)
        pairs, ratio = random_pairs(scenario, seed), some_ratio(scenario, seed)
        solution = solve_association(name, scenario, AssociationCoefficients.of(scenario, pairs, ratio))
        job = RoundingTask(solution, pairs, scenario, ratio)
        assert job.value(randomised(job)) >= job.value(argmax(job))


@pytest.mark.parametrize("covariance", [None, np.tile(0.2 * np.eye(3), (6, 1, 1))], ids=["none", "given"])
def test_randomised_finds_better_associations_where_the_relaxation_says_nothing(covariance: np.ndarray | None) -> None:
    scenario = Scenario.random(users=6, servers=3, seed=1)
    blank = AssociationSolution(np.full((6, 3), 1 / 3), np.full(6, 0.5), 0.0, covariance)
    jobs = [RoundingTask(blank, PairResources.equal(scenario), scenario, some_ratio(scenario, 1), k) for k in range(3)]
    found = [randomised(job) for job in jobs]
    assert all(job.value(server) > job.value(argmax(job)) for job, server in zip(jobs, found, strict=True))
    assert len({tuple(server) for server in found}) > 1  # another seed, other draws


def test_randomised_knows_argmax_even_if_no_draw_hits_it() -> None:
    scenario = Scenario.random(users=9, servers=3, seed=1)
    pairs, ratio = PairResources.equal(scenario), some_ratio(scenario, 1)
    best = solve_association("milp", scenario, AssociationCoefficients.of(scenario, pairs, ratio)).association
    vague = AssociationSolution(0.1 * best + 0.3, np.full(9, 0.5), 0.0)  # 0.4 on the best server, 0.3 on the others
    job = RoundingTask(vague, pairs, scenario, ratio)
    assert np.array_equal(randomised(job), np.argmax(best, axis=1))


def test_randomised_draws_with_the_covariance_of_the_relaxation() -> None:
    scenario = Scenario.random(users=6, servers=3, seed=1)
    vague = np.tile([0.34, 0.33, 0.33], (6, 1))
    sure = AssociationSolution(vague, np.full(6, 0.5), 0.0, np.zeros((6, 3, 3)))
    job = RoundingTask(sure, PairResources.equal(scenario), scenario, some_ratio(scenario, 1))
    assert np.array_equal(randomised(job), argmax(job))  # no variance, nothing to draw
