"""AO part 1 with other objectives, limits, rows and ranges of phi: as good as trying every association."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from algorithm_helpers import entries, solve_association
from declared_class import OBJECTIVES, of, row
from helpers import assert_clear
from parametric_reference import best_offload, best_pairs, parametric, row_values

from dashf_pyomo.backends.highs import MIP_GAP
from formulations import InputError, Scenario, evaluate
from formulations.association.coefficients import AssociationCoefficients, optimal_offloading
from formulations.association.pair_resources import PairResources, start_allocation
from formulations.formulation import Subproblem
from formulations.objective import DelayKind

ENTRIES = entries(Subproblem.ASSOCIATION)
FACES = [(name, face) for name, entry in ENTRIES.items() for face in entry.faces]
LINEAR = [(name, face) for name, face in FACES if name in ("hull", "milp")]
of_all_objectives = pytest.mark.parametrize("declared", OBJECTIVES.values(), ids=OBJECTIVES)


#: Users that are strong train themselves at best, and leave it to the servers where they are weak.
STRONG: dict[str, Any] = {"user_speed_max": 4e12, "weight_energy": 0.02}
WEAK: dict[str, Any] = {"user_speed_max": 1e12, "weight_energy": 1e-4}


def case(objective: Any = None, seed: int = 3, **changes: Any) -> tuple[Scenario, PairResources, float]:
    """A scenario, resources that fit any association, and y. Energies and delays count about the same."""
    scenario = Scenario.random(3, 2, seed=seed, **(STRONG | changes))
    scenario = scenario.replace(objective=objective)
    start = evaluate(scenario, start_allocation(scenario))
    price = scenario.objective.cost_price
    ratio = start.score / scenario.cost(start.user_delay, start.energy_by_user) if price is None else price
    rng, equal = np.random.default_rng(seed), PairResources.equal(scenario)
    held = {
        field: rng.uniform(0.4, 1.0, (3, 2)) * getattr(equal, field)
        for field in ("bandwidth", "server_power", "server_speed")
    }
    return scenario, replace(equal, **held), ratio


@of_all_objectives
def test_the_objective_is_minus_the_parametric_form_of_the_evaluator(declared: Any) -> None:
    scenario, pairs, ratio = case(declared)
    c = AssociationCoefficients.of(scenario, pairs, ratio)
    # Without a deadline no time is stated: it may be long without end, and would only spoil the scales.
    assert (c.time_price > 0) == bool(np.any(c.server_time > 0)) == (scenario.objective.delay is DelayKind.LARGEST)
    rng = np.random.default_rng(0)
    for server in rng.integers(2, size=(4, 3)):
        allocation = pairs.at(scenario, server, rng.uniform(size=3))
        expected = parametric(scenario, allocation, ratio)
        assert -c.value(server, allocation.offload) == pytest.approx(expected, rel=1e-9, abs=1e-9 * c.objective_unit)


@pytest.mark.slow
@of_all_objectives
def test_milp_is_as_good_as_every_association_and_the_hull_bounds_it(declared: Any) -> None:
    scenario, pairs, ratio = case(declared)
    c = AssociationCoefficients.of(scenario, pairs, ratio)
    _, best = best_pairs(scenario, pairs, ratio)
    values = {key: solve_association(key[0], scenario, c, face=key[1]).value / c.objective_unit for key in FACES}
    for (name, face), value in values.items():
        if name == "milp":
            assert value == pytest.approx(-best / c.objective_unit, abs=2 * MIP_GAP), face
        assert value <= -best / c.objective_unit + 1e-4, (name, face)
        same = 2 * MIP_GAP if name == "milp" else 1e-5
        assert value == pytest.approx(values[name, next(iter(ENTRIES[name].faces))], abs=same)


@of_all_objectives
def test_offloading_is_as_good_as_the_linear_program(declared: Any) -> None:
    for seed in range(4):
        for declared_too in (None, {"offload": [[0.2, 0.7], None, [0.4, 1.0]]}, {"binary_offload": True}):
            scenario, pairs, ratio = case(declared, seed, constraints=declared_too)
            allocation = pairs.at(scenario, np.array([0, 1, 1]), np.full(3, 0.5))
            phi = optimal_offloading(scenario, allocation, ratio)
            found = best_offload(scenario, allocation, ratio)
            assert found is not None
            value = parametric(scenario, replace(allocation, offload=phi), ratio)
            score = evaluate(scenario, allocation).score
            assert value == pytest.approx(found[1], rel=1e-7, abs=1e-7 * score), (seed, declared_too, phi, found[0])
            assert not evaluate(scenario, replace(allocation, offload=phi)).violations


# -- limits, rows, ranges ---------------------------------------------------------------------


#: Rows whose value is limited half-way between the best association without them and the least that there is.
ROWS: dict[str, Any] = {
    "user_energy": lambda bound: {"user_energy": bound},
    "server_energy": lambda bound: {"server_energy": bound},
    "total_energy": lambda bound: {"total_energy": bound},
    "mean_delay": lambda bound: {"mean_delay": bound},
    "row, offload": lambda bound: row(bound, {"attribute": "offload", "coefficient": [1.0, 2.0, 0.5]}),
    "row, energy": lambda bound: row(bound, {"attribute": "energy", "users": [0, 2], "coefficient": [1.0, 3.0]}),
    "row, delay": lambda bound: row(bound, {"attribute": "delay", "servers": [1]}),
    "row, bandwidth": lambda bound: row(bound, {"attribute": "bandwidth", "coefficient": [1.0, 0.5, 3.0]}),
    "row, two servers": lambda bound: row(
        bound, {"attribute": "server_energy", "servers": [0]}, {"attribute": "user_energy", "coefficient": 0.5}
    ),
}

#: What binds as it is; in every one but the first two a number is negative.
BINDING: dict[str, Any] = {
    "users_per_server": {"users_per_server": [2, 1]},
    "forbidden": {"forbidden": [[0, 0], [2, 1]]},
    "floor of offload": row(-1.5, {"attribute": "offload", "coefficient": -1.0}),
    "floor of left": row(1.5, {"attribute": "offload"}, {"attribute": "served", "coefficient": -0.2}),
    "floor of served": row(-1.0, {"attribute": "served", "servers": [1], "coefficient": -1.0}),
    "together": row(0.0, of(0, "served", 1.0, [0]), of(2, "served", -1.0, [0])),
    "apart": row(0.0, of(0, "served", 1.0, [0]), of(1, "served", -1.0, [1])),
    "more offload": row(0.0, of(0, "offload", 1.0), of(1, "offload", -0.5), of(2, "offload", -0.1)),
    "steep": row(1e-3, of(0, "server_speed", 1e-12), of(1, "offload", -9e2)),
    "offload": {"offload": [[0.3, 0.6], [0.8, 0.8], None]},
    "all at the server": {"offload": [[0.0, 0.0], [0.0, 0.0], [0.0, 0.2]]},
    "binary_offload": {"binary_offload": True, "total_energy": 400.0},
    "two rows": {
        "rows": [
            row(-1.0, {"attribute": "served", "servers": [1], "coefficient": -1.0})["rows"][0],
            {**row(1.0, {"attribute": "offload"})["rows"][0], "name": "another"},
        ]
    },
}


def limited(scenario: Scenario, pairs: PairResources, ratio: float, name: str) -> Scenario:
    if name in BINDING:
        return scenario.limited_by(BINDING[name])
    free, _ = best_pairs(scenario, pairs, ratio)
    idle = scenario.limited_by(ROWS[name](1e12))
    taken = max(row_values(idle, free) + 1.0)
    least = np.inf
    for server in np.ndindex(2, 2, 2):
        for phi in np.ndindex(2, 2, 2):
            least = min(least, max(row_values(idle, pairs.at(idle, np.array(server), np.array(phi, float))) + 1.0))
    return scenario.limited_by(ROWS[name](1e12 * (0.5 * taken + 0.5 * least) or 1.0))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*ROWS, *BINDING])
def test_rows_and_ranges_bind_as_with_every_association(name: str) -> None:
    changed = 0
    for objective, users in itertools.product((None, OBJECTIVES["cost, mean"]), (STRONG, WEAK)):
        scenario, pairs, ratio = case(objective, **users)
        strict = limited(scenario, pairs, ratio, name)
        free, _ = best_pairs(scenario, pairs, ratio)
        allocation, best = best_pairs(strict, pairs, ratio)
        assert evaluate(strict, allocation).extra_excess <= 1e-6
        c = AssociationCoefficients.of(strict, pairs, ratio)
        changed += evaluate(strict, free).extra_excess > 1e-3
        for key, face in FACES if name in ("offload", "floor of offload", "total_energy") else LINEAR:
            found = solve_association(key, strict, c, face=face)
            value = found.value / c.objective_unit
            assert value <= -best / c.objective_unit + 2e-4, (key, face)
            low, high = strict.offload_range
            assert np.all((low - 1e-4 <= found.offload) & (found.offload <= high + 1e-4)), (key, face)
            if key != "milp":
                continue
            assert value == pytest.approx(-best / c.objective_unit, abs=2e-4), face
            server = np.argmax(found.association, axis=1)
            reached = pairs.at(strict, server, found.offload)
            assert evaluate(strict, reached).extra_excess <= 1e-5, face
            assert -parametric(strict, reached, ratio) / c.objective_unit == pytest.approx(value, abs=2e-4), face
    assert changed, "nothing that is declared is broken without it"


@pytest.mark.parametrize("name", [*ROWS, *BINDING])
def test_offloading_under_rows_and_ranges_is_as_good_as_the_linear_program(name: str) -> None:
    objectives = (None, OBJECTIVES["cost, mean"], OBJECTIVES["utility, linear"])
    for objective, users in itertools.product(objectives, (STRONG, WEAK)):
        scenario, pairs, ratio = case(objective, **users)
        strict = limited(scenario, pairs, ratio, name)
        allocation, best = best_pairs(strict, pairs, ratio)
        phi = optimal_offloading(strict, allocation, ratio)
        reached = replace(allocation, offload=phi)
        assert evaluate(strict, reached).extra_excess <= 1e-6
        score = evaluate(strict, allocation).score
        assert parametric(strict, reached, ratio) == pytest.approx(best, rel=1e-6, abs=1e-6 * score)


def test_rows_that_cannot_be_kept_are_missed_by_as_little_as_can_be() -> None:
    scenario, pairs, ratio = case()
    floor = row(-4.0, {"attribute": "offload", "coefficient": -1.0})  # phi of three users
    strict = scenario.limited_by(floor)
    c = AssociationCoefficients.of(strict, pairs, ratio)
    for face in ENTRIES["milp"].faces:
        np.testing.assert_allclose(solve_association("milp", strict, c, face=face).offload, 1.0, atol=1e-6)
    allocation = pairs.at(strict, np.array([0, 1, 1]), np.zeros(3))
    np.testing.assert_allclose(optimal_offloading(strict, allocation, ratio), 1.0, atol=1e-9)


def test_a_row_with_large_and_small_numbers_keeps_both() -> None:
    """The numbers of a row against 1 Hz are millions; dividing it must leave the price of its excess as it was."""
    scenario, pairs, ratio = case()
    less = row(1.0, of(0, "bandwidth"), of(1, "bandwidth", -1.0), of(1, "offload", -1e9))
    strict = scenario.limited_by(less)
    c = AssociationCoefficients.of(strict, pairs, ratio)
    (rows,) = c.limits
    assert rows.excess < 1e-4 and np.abs(rows.of_product).max() <= 1e4
    allocation = pairs.at(strict, np.array([0, 1, 1]), np.array([0.5, 0.01, 0.5]))
    x = np.eye(2)[allocation.server]
    value = rows.values(x, allocation.offload, x * allocation.offload[:, None]) - rows.most
    np.testing.assert_allclose(value / rows.excess, row_values(strict, allocation), rtol=1e-9)


# -- edges ------------------------------------------------------------------------------------


def test_a_range_that_only_a_closed_end_could_fill_keeps_a_server_open() -> None:
    """Server 1 takes forever to reach, and phi = 0.5 needs both ends of a pair."""
    scenario = Scenario.random(
        2, 2, seed=0, channel_gain=[[1e-9, 1e-30], [1e-30, 1e-30]], constraints={"offload": [[0.5, 0.5], [0.5, 0.5]]}
    )
    pairs = PairResources.equal(scenario)
    c = AssociationCoefficients.of(scenario, pairs, 100.0)
    assert ((c.user_end > 0) & (c.server_end > 0)).any(axis=1).all()
    for key, face in FACES:
        found = solve_association(key, scenario, c, face=face)
        assert np.argmax(found.association[0]) == 0, (key, face)
        np.testing.assert_allclose(found.offload, 0.5, atol=1e-5)


def test_a_share_that_must_be_there_counts_in_full_however_slow_it_is() -> None:
    scenario = Scenario.random(1, 1, seed=0, constraints={"offload": [[1e-6, 1e-6]]}, user_speed_max=1e5)
    pairs = PairResources.equal(scenario)
    c = AssociationCoefficients.of(scenario, pairs, 100.0)
    server, phi = np.zeros(1, dtype=np.int64), np.full(1, 1e-6)
    expected = parametric(scenario, pairs.at(scenario, server, phi), 100.0)
    assert -c.value(server, phi) == pytest.approx(expected, rel=1e-9)


def test_algorithm_1_starts_within_the_ranges_and_whole_where_offloading_is_binary() -> None:
    ranged = Scenario.random(3, 2, seed=0, constraints={"offload": [[0.0, 0.2], None, [0.7, 1.0]]})
    assert start_allocation(ranged).offload.tolist() == [0.2, 0.5, 0.7]
    binary = Scenario.random(3, 2, seed=0, constraints={"binary_offload": True, "offload": [[0.0, 0.7], None, None]})
    assert start_allocation(binary).offload.tolist() == [0.0, 1.0, 1.0]


def test_without_a_weight_of_delay_every_user_needs_a_limit_of_it() -> None:
    free = Scenario.random(3, 2, seed=0, weight_time=0.0)
    for declared in (None, {"delay_limit": [50.0, None, 50.0]}, row(9.0, {"attribute": "delay", "users": [0, 2]})):
        scenario = free.limited_by(declared)
        with pytest.raises(InputError) as caught:
            AssociationCoefficients.of(scenario, PairResources.equal(scenario), 100.0)
        assert_clear(caught.value, "weight_time = 0", f"user {0 if declared is None else 1}", "limit of its delay")
        with pytest.raises(InputError):
            optimal_offloading(scenario, start_allocation(scenario), 100.0)
    for declared in ({"delay_limit": 60.0}, {"mean_delay": 60.0}, row(90.0, {"attribute": "delay"})):
        scenario, pairs, ratio = case(seed=0, weight_time=0.0, constraints=declared)
        _, best = best_pairs(scenario, pairs, ratio)
        c = AssociationCoefficients.of(scenario, pairs, ratio)
        found = solve_association("milp", scenario, c)
        assert found.value / c.objective_unit == pytest.approx(-best / c.objective_unit, abs=2 * MIP_GAP)


@pytest.mark.parametrize("kind", ["sum-of-ratios", "max-min"])
def test_objectives_with_ratios_of_users_are_refused_by_name(kind: str) -> None:
    scenario = Scenario.random(2, 2, seed=0, objective={"kind": kind})
    with pytest.raises(InputError) as caught:
        AssociationCoefficients.of(scenario, PairResources.equal(scenario), 1.0)
    assert_clear(caught.value, "AO part 1", f"objective {kind}")
