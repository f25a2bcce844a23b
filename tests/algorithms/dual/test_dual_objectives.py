"""The separable problem bounds other objectives than the ratio: a utility from above, a cost from below."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import dashf_pyomo
from dashf_pyomo.algorithms.dual.boxes import Box
from dashf_pyomo.algorithms.dual.prices import Prices
from dashf_pyomo.algorithms.dual.problem import SeparableProblem
from formulations import Allocation, Scenario, evaluate
from formulations.joint.data import JointData
from formulations.objective import SCR, Objective, ObjectiveKind, Sense

COST = Objective(ObjectiveKind.COST)


def declaring(scenario: Scenario, objective: Objective) -> Scenario:
    return scenario.replace(objective=objective)


@cache
def known(users: int, servers: int, seed: int) -> Allocation:
    scenario = Scenario.random(users, servers, seed)
    return dashf_pyomo.solve(scenario, "dashf-plus", moves=0).allocation.within_budgets(scenario)


def random_allocations(scenario: Scenario, count: int, seed: int) -> list[Allocation]:
    """Allocations within all budgets, of very different delays."""
    rng = np.random.default_rng(seed)
    n, found = scenario.n_users, []
    for _ in range(count):
        server = rng.integers(scenario.n_servers, size=n)
        shares = 10.0 ** rng.uniform(-1.0, 0.0, (3, n))
        for part in shares:
            part /= np.maximum(1.0, np.bincount(server, part, minlength=scenario.n_servers))[server]
        caps = scenario.bandwidth_max[server], scenario.server_power_max[server], scenario.server_speed_max[server]
        bandwidth, power, speed = (share * cap for share, cap in zip(shares, caps, strict=True))
        own = 10.0 ** rng.uniform(-1.0, 0.0, (2, n))
        found.append(
            Allocation(
                server, rng.choice([0.0, 0.5, 1.0], n), bandwidth, own[0] * scenario.user_power_max, power,
                own[1] * scenario.user_speed_max, speed,
            )
        )  # fmt: skip
    return found


def cost_of(scenario: Scenario, allocation: Allocation) -> float:
    e = evaluate(scenario, allocation)
    return scenario.cost(e.user_delay, e.energy_by_user)


@pytest.mark.parametrize("kind", ["cost", "utility"])
@pytest.mark.parametrize("seed", range(4))
def test_no_allocation_of_a_box_is_better_than_its_bound_at_any_prices(kind: str, seed: int) -> None:
    scenario = Scenario.random(3, 2, seed)
    start = known(3, 2, seed)
    rng, allowed = np.random.default_rng(seed), np.full((3, 2), True)
    objective = COST if kind == "cost" else Objective(ObjectiveKind.UTILITY, evaluate(scenario, start).scr)
    data = JointData.of(declaring(scenario, objective), start)
    problem = SeparableProblem(data)
    assert problem.cost_price is not None
    judged = 0
    for allocation in [start, *random_allocations(scenario, 25, seed)]:
        e = evaluate(scenario, allocation)
        if not e.feasible:
            continue
        delay = e.delay / data.pairs.time_unit
        box = Box.whole((delay * rng.uniform(0.5, 1.0), delay * rng.uniform(1.0, 1.5)), allowed)
        prices = Prices(problem.cost_price, 10.0 ** rng.uniform(-3.0, 0.0, (2, 3)), rng.uniform(size=3))
        prices = problem.balanced(prices)
        proof = problem.prove(prices, box, 1e-3, 200)
        bound = problem.bound(prices, proof.dual_value, box) * data.value_unit
        value = objective.value(e.score, cost_of(scenario, allocation))
        assert bound <= value if kind == "cost" else bound >= value
        assert problem.search(prices, box, 1e-4).dual_value <= proof.dual_value
        judged += 1
    assert judged >= 10


def test_the_least_cost_of_a_single_user_is_its_bound() -> None:
    scenario = Scenario.random(1, 1, 0)
    data = JointData.of(declaring(scenario, COST), known(1, 1, 0))
    problem = SeparableProblem(data)
    # Nothing is shared: no share has a price, and the user pays for time.
    prices = problem.balanced(Prices(1.0, np.zeros((1, 3)), np.ones(1)))
    box = Box.whole((1e-3, 1e3), np.full((1, 1), True))
    proof = problem.prove(prices, box, 1e-4, 5000)
    bound = problem.bound(prices, proof.dual_value, box) * data.value_unit
    whole = np.ones(20001)[:, None] * [[1.0, 1.0, 1.0]]
    deadlines = np.geomspace(1e-3, 1e3, len(whole))
    zero = np.zeros(len(whole), np.int64)
    energy = problem.least_energy(zero, zero, whole, deadlines)[:, 0]  # with all power; less of it may do
    reached = float(np.min(energy + problem.time_weight * deadlines)) * data.pairs.cost_unit
    assert bound <= reached
    column = proof.data[0]
    made = Allocation(
        [0], column[3:4], column[:1] * scenario.bandwidth_max, column[4:5] * scenario.user_power_max,
        column[1:2] * scenario.server_power_max, column[5:6] * scenario.user_speed_max,
        column[2:3] * scenario.server_speed_max,
    )  # fmt: skip
    assert evaluate(scenario, made).feasible
    assert bound <= cost_of(scenario, made) <= bound * 1.001


def test_prices_of_another_objective_show_no_bound() -> None:
    scenario = Scenario.random(1, 1, 0)
    problem = SeparableProblem(JointData.of(declaring(scenario, COST), known(1, 1, 0)))
    prices = Prices(0.5, np.zeros((1, 3)), np.ones(1)).balanced(problem.time_weight)
    with pytest.raises(ValueError, match=r"price of the cost = 0\.5; expected 1\.0"):
        problem.bound(prices, 1.0, Box.whole((1.0, 2.0), np.full((1, 1), True)))
    assert problem.balanced(prices).ratio == 1.0


def test_objectives_say_what_a_dual_value_bounds() -> None:
    utility = Objective(ObjectiveKind.UTILITY, 0.5)
    assert (SCR.sense, utility.sense, COST.sense) == (Sense.MAX, Sense.MAX, Sense.MIN)
    assert (SCR.value(6.0, 2.0), utility.value(6.0, 2.0), COST.value(6.0, 2.0)) == (3.0, 5.0, 2.0)
    assert (SCR.value(6.0, np.inf), utility.value(6.0, np.inf), COST.value(6.0, np.inf)) == (0.0, -np.inf, np.inf)
    assert (utility.bound(4.0, 0.5, 2.0), COST.bound(-3.0, 1.0, 2.0), SCR.bound(4.0, 1.0, 2.0)) == (4.0, 3.0, 3.0)
    assert (utility.parametric(6.0, 2.0, 0.5), COST.parametric(6.0, 2.0, 1.0)) == (5.0, -2.0)
