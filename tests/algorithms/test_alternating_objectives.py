"""Alternating optimisation by other objectives: the price of its steps, linear forms of ratios, moves within limits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from algorithm_helpers import random_allocation

import dashf_pyomo
from dashf_pyomo.algorithms import configure
from dashf_pyomo.algorithms.dashf_plus import move_users, seek
from dashf_pyomo.algorithms.dinkelbach import dinkelbach
from dashf_pyomo.algorithms.relaxed import within_limits
from dashf_pyomo.algorithms.rounding import ROUNDINGS, RoundingTask, most_users
from dashf_pyomo.algorithms.run import Limits, Run
from dashf_pyomo.algorithms.steps import ResourceStep, middle_offload
from dashf_pyomo.algorithms.user_ratios import SurrogateRun, by_user_ratios, linear_form
from dashf_pyomo.check import check
from formulations import Allocation, InputError, Scenario, evaluate
from formulations.allocation import merit
from formulations.association.model import AssociationSolution
from formulations.association.pair_resources import PairResources, equal_split

PRICES = {"utility": 250.0, "cost": 1.0}
MEAN_COST = {"kind": "cost", "delay": "mean"}
SUM, LEAST = {"kind": "sum-of-ratios", "user_weight": [1.0, 2.0, 0.5]}, {"kind": "max-min"}


def priced(kind: str, **constraints: Any) -> Scenario:
    objective = {"kind": kind} if kind == "cost" else {"kind": kind, "price": PRICES[kind]}
    return Scenario.random(3, 2, 4, objective=objective, constraints=constraints or None)


def climb(run: Run, start: Allocation | None) -> str:
    """Local search with random steps, by the objective of the run's scenario."""
    s, rng = run.scenario, np.random.default_rng(1)
    best = random_allocation(s, 0) if start is None else start
    run.record(best)
    for _ in range(60):
        ratio = run.incumbent[1] if s.objective.cost_price is None else s.objective.cost_price
        value = merit(s, best, ratio)
        scale = {name: np.exp(0.2 * rng.standard_normal(s.n_users)) for name in ("bandwidth", "server_power")}
        scale |= {name: np.exp(0.2 * rng.standard_normal(s.n_users)) for name in ("server_speed", "user_speed")}
        moved = replace(best, **{name: getattr(best, name) * factor for name, factor in scale.items()})
        phi = np.clip(best.offload + 0.1 * rng.standard_normal(s.n_users), 0.0, 1.0)
        moved = replace(moved, offload=phi).within_budgets(s)
        if merit(s, moved, ratio) > value:
            best = moved
            run.record(best)
    return "climbed"


# -- the price of the steps -------------------------------------------------------------------


@pytest.mark.parametrize("kind", PRICES)
def test_the_steps_of_a_utility_or_a_cost_have_its_price_and_stop_where_nothing_is_gained(kind: str) -> None:
    scenario = priced(kind)
    told: list[float] = []
    found = sorted(
        (random_allocation(scenario, seed) for seed in range(6)),
        key=lambda one: evaluate(scenario, one).value,
        reverse=kind == "cost",
    )

    def step(_: Allocation, ratio: float) -> tuple[Allocation, dict[str, Any]]:
        told.append(ratio)
        return found[min(len(told), 5)], {}

    run = Run(scenario, Limits())
    said = dinkelbach(run, found[0], step, epsilon=1e-6, max_iterations=20)
    assert said == "converged in 6 iterations" and told == [PRICES[kind]] * 6
    assert run.incumbent[0] is found[5]


@pytest.mark.parametrize("kind", PRICES)
def test_an_iterate_that_is_worse_stops_it_and_the_best_is_kept(kind: str) -> None:
    scenario = priced(kind)
    found = sorted((random_allocation(scenario, n) for n in range(3)), key=lambda one: evaluate(scenario, one).value)
    if kind == "cost":
        found.reverse()
    order = iter([found[2], found[0]])
    run = Run(scenario, Limits())
    said = dinkelbach(run, found[1], lambda *_: (next(order), {}), epsilon=1e-6, max_iterations=9)
    worst = f"{evaluate(scenario, found[0]).value:.6g}"
    assert said.startswith(f"iterate 2 {'rose' if kind == 'cost' else 'fell'} from {kind}") and worst in said
    assert said.endswith("kept iterate 1") and run.incumbent[0] is found[2]


def test_a_start_with_an_infinite_cost_is_left_behind() -> None:
    scenario = priced("cost")
    dead = replace(equal_split(scenario, np.array([0, 1, 0]), np.full(3, 0.5)), server_speed=np.zeros(3))
    good = random_allocation(scenario, 0)
    run = Run(scenario, Limits())
    said = dinkelbach(run, dead, lambda *_: (good, {}), epsilon=1e-4, max_iterations=9)
    assert said == "converged in 2 iterations" and run.incumbent[0] is good


# -- ratios of the users ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_the_linear_form_of_a_sum_of_ratios_has_its_derivative_and_is_zero_at_its_point(seed: int) -> None:
    scenario = Scenario.random(3, 2, 4, objective=SUM)
    point = random_allocation(scenario, seed)
    judged = evaluate(scenario, point)
    form = linear_form(scenario, judged, np.ones(3))
    assert form is not None and evaluate(form, point).value == pytest.approx(0.0, abs=1e-9 * judged.score)
    slopes = []
    for name in ("bandwidth", "server_speed", "user_speed", "offload"):
        for user in range(3):
            ends = []
            for sign in (-1.0, 1.0):
                values = getattr(point, name).copy()
                values[user] *= 1.0 + sign * 1e-6
                moved = replace(point, **{name: values})
                ends.append((evaluate(scenario, moved).value, evaluate(form, moved).value))
            slopes.append([(b - a) for a, b in zip(*ends, strict=True)])
    truth, linear = np.array(slopes).T
    factor = truth @ linear / (linear @ linear)  # its unit is its own
    assert factor > 0.0 and truth == pytest.approx(factor * linear, abs=1e-5 * np.abs(truth).max())


def test_the_linear_form_of_the_least_ratio_bounds_it_by_any_weights() -> None:
    scenario = Scenario.random(3, 2, 4, objective=LEAST)
    point = random_allocation(scenario, 0)
    judged = evaluate(scenario, point)
    form = linear_form(scenario, judged, np.array([0.2, 0.5, 0.3]))
    assert form is not None
    better = [one for n in range(40) if evaluate(scenario, one := random_allocation(scenario, n)).value > judged.value]
    assert len(better) > 3  # where the least ratio is better, so is every user's share in the form
    assert min(evaluate(form, one).value for one in better) > 0.0


def test_a_point_where_a_user_has_no_ratio_has_no_linear_form() -> None:
    scenario = Scenario.random(3, 2, 4, objective=SUM)
    dead = replace(random_allocation(scenario, 0), server_speed=np.zeros(3))
    assert linear_form(scenario, evaluate(scenario, dead), np.ones(3)) is None


@pytest.mark.parametrize("objective", [SUM, LEAST])
def test_linear_forms_lead_to_a_better_value_than_the_ratio_of_the_sums(objective: dict[str, Any]) -> None:
    scenario = Scenario.random(3, 2, 4, objective=objective)
    once, run = Run(scenario, Limits()), Run(scenario, Limits())
    total = scenario.replace(objective={"kind": "scr", "delay": "sum", "user_weight": objective.get("user_weight")})
    climb(SurrogateRun(once, total), None)
    said, last = by_user_ratios(run, climb, 1e-4)
    assert run.incumbent[1] > 1.01 * once.incumbent[1] and "linear forms" in said
    assert last.whole is run and run.incumbent[1] == evaluate(scenario, run.incumbent[0]).value


def test_a_bound_of_another_objective_is_none_of_the_run() -> None:
    run = Run(Scenario.random(3, 2, 4, objective=LEAST), Limits())
    part = SurrogateRun(run, Scenario.random(3, 2, 4))
    part.record(random_allocation(run.scenario, 0))
    assert part.record_bound(1e-9, "by hand") and part.bound is None and run.bound is None
    run.record_bound(run.incumbent[1], "by hand")
    assert run.closed and not part.closed


# -- limits that roundings and moves know of --------------------------------------------------


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("most", [[2, 4], [3, 3], [5, 1]])
def test_roundings_keep_the_number_of_users_per_server(rounding: str, most: list[int]) -> None:
    scenario = Scenario.random(6, 2, 0, constraints={"users_per_server": most, "forbidden": [[2, 1]]})
    pairs = PairResources.equal(scenario)
    for seed in range(5):
        weight = np.random.default_rng(seed).exponential(size=(6, 2)) * [1.0, 3.0 if seed % 2 else 0.1]
        weight[2, 1] = 0.0
        fractional = AssociationSolution(weight / weight.sum(axis=1, keepdims=True), np.full(6, 0.5), 0.0)
        server = ROUNDINGS[rounding](RoundingTask(fractional, pairs, scenario, 1.0))
        assert np.all(np.bincount(server, minlength=2) <= most) and server[2] == 0


def test_a_server_may_serve_the_whole_number_of_its_limit() -> None:
    scenario = Scenario.random(4, 2, 0, constraints={"users_per_server": [2.9, None]})
    assert most_users(scenario).tolist() == [2, 4] and most_users(Scenario.random(4, 2, 0)).tolist() == [4, 4]


class Unchanged(ResourceStep):
    """AO part 2 that leaves an allocation as it is, and has no model."""

    def __init__(self) -> None:
        pass

    def __call__(self, allocation: Allocation, ratio: float) -> tuple[Allocation, dict[str, Any]]:
        return allocation, {}


@pytest.mark.parametrize("kind", PRICES)
def test_moves_exchange_users_of_full_servers(kind: str) -> None:
    scenario = priced(kind, users_per_server=[2, 1])
    ranked = sorted(
        ([0, 0, 1], [0, 1, 0], [1, 0, 0]),
        key=lambda server: evaluate(scenario, equal_split(scenario, np.array(server), np.full(3, 0.5))).value,
        reverse=kind == "cost",
    )
    run = Run(scenario, Limits())
    run.record(equal_split(scenario, np.array(ranked[0]), np.full(3, 0.5)))
    _, kept = move_users(run, Unchanged(), 20, 1e-4)
    assert kept >= 1 and run.incumbent[0].server.tolist() in ranked[1:]
    assert np.all(np.bincount(run.incumbent[0].server) <= [2, 1])


def test_a_turn_goes_to_the_other_end_of_the_range_of_phi() -> None:
    ranges = [[0.2, 0.7], [0.4, 0.4], [0.1, 1.0]]
    scenario = Scenario.random(3, 1, 4, constraints={"offload": ranges})
    run = Run(scenario, Limits())
    run.record(equal_split(scenario, np.zeros(3, dtype=np.int64), np.array([0.2, 0.4, 0.9])))
    tried: list[list[float]] = []

    class Seen(Unchanged):
        def __call__(self, allocation: Allocation, ratio: float) -> tuple[Allocation, dict[str, Any]]:
            tried.append(allocation.offload.tolist())
            return allocation, {}

    move_users(run, Seen(), 20, 1e9, turns=True)
    assert sorted(tried) == sorted([[0.7, 0.4, 0.9], [0.2, 0.4, 0.1], [0.7, 0.4, 0.1]])


@pytest.mark.parametrize("binary", [False, True])
def test_a_search_for_a_first_allocation_keeps_the_limits_that_it_can_choose_by(binary: bool) -> None:
    limits = {"users_per_server": [1, 2], "offload": [[0.6, 1.0], None, [0.0, 0.3]], "binary_offload": binary}
    scenario = Scenario.random(3, 2, 4, constraints=limits)
    run = Run(scenario, Limits())
    assert seek(run, Unchanged(), 1) and run.incumbent[0].offload.tolist() == (
        [1.0, 1.0, 0.0] if binary else [0.6, 0.5, 0.3]
    )


def test_half_of_the_training_is_moved_into_the_range_of_phi() -> None:
    ranges = [[0.6, 1.0], [0.0, 0.2], None]
    limited = Scenario.random(3, 2, 0, constraints={"offload": ranges})
    binary = Scenario.random(3, 2, 0, constraints={"offload": ranges, "binary_offload": True})
    assert middle_offload(limited).tolist() == [0.6, 0.2, 0.5] and middle_offload(binary).tolist() == [1.0, 0.0, 1.0]


def test_of_many_kinds_of_limits_not_every_set_is_searched() -> None:
    limits = {"delay_limit": 1e-9, "user_energy": 1e9, "total_energy": 1e9, "mean_delay": 1e9, "users_per_server": 9}
    scenario = Scenario.random(2, 1, 0, constraints=limits)
    told: list[int] = []

    def search(run: Run) -> str:
        told.append(len(run.scenario.extra_kinds))
        run.record(equal_split(run.scenario, np.zeros(2, dtype=np.int64), np.full(2, 0.5)))
        return "searched"

    within_limits(Run(scenario, Limits()), search)
    assert len(told) <= 2 + len(limits) and told[0] == 0 and told[-1] == len(limits)


# -- baselines --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["rucaa", "gucaa", "nearest"])
@pytest.mark.parametrize(
    "objective", [{"kind": "cost", "delay": "mean"}, SUM, LEAST, {"kind": "utility", "price": 9.0}]
)
def test_a_baseline_is_judged_by_whatever_the_objective_is(method: str, objective: dict[str, Any]) -> None:
    scenario = Scenario.random(3, 2, 4, objective=objective, constraints={"offload": [[0.7, 0.9], None, None]})
    result = dashf_pyomo.solve(scenario, method)
    assert result.allocation.offload.tolist() == [0.7, 0.5, 0.5] and result.objective == objective["kind"]
    assert result.value == evaluate(scenario, result.allocation).value
    assert result.scr == evaluate(scenario, result.allocation).scr
    assert all(item.holds for item in check(scenario, result.to_dict()))


@pytest.mark.parametrize("method", ["rucaa", "gucaa", "nearest", "aauco", "gucro"])
def test_a_baseline_that_cannot_keep_a_row_refuses_it_by_name(method: str) -> None:
    row = {"name": "two at the first", "at_most": 2.0, "terms": [{"attribute": "served", "servers": [0]}]}
    scenario = Scenario.random(3, 2, 4, constraints={"rows": [row], "users_per_server": 2})
    with pytest.raises(InputError, match=r"row 'two at the first', users per server") as caught:
        dashf_pyomo.solve(scenario, method)
    assert f"method {method}" in str(caught.value)


@pytest.mark.parametrize("method", ["dashf", "dashf-plus", "aauco", "gucro"])
def test_ratios_of_the_users_are_honoured_where_their_linear_forms_are(method: str) -> None:
    honoured = configure(method, {}).honours()
    forms = {"objective utility", "mean delay in the cost", "user weights"} <= honoured
    assert ("objective sum-of-ratios" in honoured) == ("objective max-min" in honoured) == forms


# -- whole methods ----------------------------------------------------------------------------

ROW = {"name": "phi of the first two", "at_most": 1.2, "terms": [{"attribute": "offload", "users": [0, 1]}]}


@pytest.mark.parametrize(
    ("objective", "constraints"),
    [
        (MEAN_COST, None),
        (MEAN_COST, {"users_per_server": [1, 2]}),
        ({"kind": "cost"}, {"binary_offload": True}),
        ({"kind": "utility", "price": 300.0}, {"offload": [[0.2, 0.4], None, None]}),
        ({"kind": "scr", "delay": "mean", "user_weight": [1.0, 2.0, 3.0]}, {"rows": [ROW]}),
        (SUM, {"users_per_server": 2}),
        (LEAST, None),
    ],
)
def test_dashf_honours_an_objective_with_limits_and_is_better_than_the_start(
    objective: dict[str, Any], constraints: dict[str, Any] | None
) -> None:
    scenario = Scenario.random(3, 2, 1, objective=objective, constraints=constraints)
    result = dashf_pyomo.solve(scenario, "dashf", association="hull", rounding="argmax")
    free = dashf_pyomo.solve(scenario.without(scenario.extra_kinds), "nearest")
    assert result.allocation is not None and evaluate(scenario, result.allocation).feasible
    assert result.value == evaluate(scenario, result.allocation).value
    assert scenario.objective.better(result.value, free.value)
    assert all(item.holds for item in check(scenario, result.to_dict()))


@pytest.mark.parametrize("method", ["aauco", "gucro"])
@pytest.mark.parametrize("objective", [MEAN_COST, SUM])
def test_baselines_that_optimise_do_so_by_the_objective(method: str, objective: dict[str, Any]) -> None:
    scenario = Scenario.random(3, 2, 1, objective=objective)
    result, plain = dashf_pyomo.solve(scenario, method), dashf_pyomo.solve(scenario, "gucaa")
    assert scenario.objective.better(result.value, plain.value)


def test_without_weight_of_delay_every_search_keeps_the_limits_of_delays() -> None:
    limits = {"delay_limit": 40.0, "users_per_server": 2}
    scenario = Scenario.random(3, 2, 1, weight_time=0.0, objective={"kind": "cost"}, constraints=limits)
    result = dashf_pyomo.solve(scenario, "dashf", association="hull", rounding="argmax")
    assert evaluate(scenario, result.allocation).feasible
    with pytest.raises(InputError, match="method dashf: weight_time = 0: user 0 has no limit of its delay"):
        dashf_pyomo.solve(scenario.without(scenario.extra_kinds), "dashf")
