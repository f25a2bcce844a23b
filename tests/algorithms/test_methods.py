"""Every registered method: what it returns is feasible, true, repeatable, and survives limits and interruption."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

import dashf_pyomo
from dashf_pyomo import Result, Status
from dashf_pyomo.algorithms import Method, methods
from dashf_pyomo.algorithms.run import Run
from dashf_pyomo.trace import TraceEntry
from formulations import Allocation, Scenario, evaluate
from formulations.association.pair_resources import IDLE_PAIRS, start_allocation

SIZES = ((1, 1), (1, 3), (3, 1), (2, 5), (4, 2), (6, 3), (8, 2), (10, 2))

#: What else the data may be like; every kind at two sizes.
KINDS: dict[str, dict[str, Any]] = {
    "alike": {"channel_gain": 1e-11, "adapter_params": 5e6, "flops_per_param": 2e7},
    "very-good": {"channel_gain": 1e-3},
    "very-bad": {"channel_gain": 1e-18},
    "literal": {"preset": "paper-literal"},
    "free-energy": {"weight_energy": 0.0},
    "dear-energy": {"weight_energy": 50.0},
    "cheap-time": {"weight_time": 1e-6},
    "uneven-servers": {"server_speed_max": [1e10, 1e16], "bandwidth_max": [1e9, 1e4]},
    "uneven-users": {"channel_gain": [[1e-6, 1e-17]] * 2 + [[1e-17, 1e-17]] * 3},
}


@cache
def scenarios() -> dict[str, Scenario]:
    found = {f"{n}x{m}-{seed}": Scenario.random(users=n, servers=m, seed=seed) for n, m in SIZES for seed in (n % 4,)}
    for kind, data in KINDS.items():
        for n, m in ((5, 2), (2, 2)):
            gain = data.get("channel_gain")
            more = {"channel_gain": gain[-n:]} if isinstance(gain, list) else {}
            if isinstance(gain, float):
                more = {"channel_gain": np.full((n, m), gain)}
            found[f"{kind}-{n}x{m}"] = Scenario.random(users=n, servers=m, seed=7, **{**data, **more})
    return found


#: Seconds; for methods that take what they get. The paper's need a tenth of it.
LIMIT = 1.0
#: Seconds that a solver in a child process leaves for handing over.
RESERVE = 0.2
PAPER = ("dashf", "rucaa", "gucaa", "aauco", "gucro", "nearest")


@cache
def solved(method: str, name: str) -> Result:
    return dashf_pyomo.solve(scenarios()[name], method, time_limit=LIMIT)


@cache
def observed(method: str) -> tuple[Result, list[TraceEntry]]:
    """A result on few users, whom every method solves in its own time, and what the observer saw."""
    seen: list[TraceEntry] = []
    return dashf_pyomo.solve(default(few(method)), method, observer=seen.append), seen


def few(method: str) -> int:
    return 3 if method in PAPER else 2


def default(users: int = 10, seed: int = 0) -> Scenario:
    return Scenario.random(users=users, servers=2, seed=seed)


def case(method: str, *more: str) -> Any:
    """A case of a method, slow if it is none of the paper's."""
    return pytest.param(method, *more, marks=[] if method in PAPER else pytest.mark.slow)


of_all_methods = pytest.mark.parametrize("method", [case(method) for method in methods])
of_all_scenarios = pytest.mark.parametrize("name", [*scenarios()])
#: The paper's methods on all scenarios; slower ones on every fifth.
RUNS = [case(method, name) for method in methods for name in [*scenarios()][:: 1 if method in PAPER else 5]]


# -- what comes out ---------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "name"), RUNS)
def test_returns_a_feasible_allocation_and_what_the_evaluator_says_of_it(method: str, name: str) -> None:
    scenario, result = scenarios()[name], solved(method, name)
    if result.status is Status.TIME_LIMIT:
        assert result.wall_time >= LIMIT - RESERVE
    else:
        assert result.status in (Status.FEASIBLE, Status.CERTIFIED)
    assert result.allocation is not None
    truth = evaluate(scenario, result.allocation)
    assert truth.feasible and truth.max_violation <= 1e-6
    for claim in ("scr", "score", "delay", "energy", "max_violation"):
        assert getattr(result, claim) == getattr(truth, claim)
    assert math.isfinite(truth.delay) and truth.scr > 0
    assert result.upper_bound is None or result.upper_bound >= truth.scr * (1 - 1e-9)


@of_all_scenarios
def test_dashf_never_ends_below_its_start(name: str) -> None:
    start = evaluate(scenarios()[name], start_allocation(scenarios()[name])).scr
    assert solved("dashf", name).trace[0].scr == start
    assert solved("dashf", name).scr >= start


@of_all_methods
def test_the_same_call_gives_the_same_result(method: str) -> None:
    first, second = observed(method)[0], dashf_pyomo.solve(default(few(method)), method)
    assert first.scr == second.scr
    assert first.allocation.to_dict() == second.allocation.to_dict()


def test_another_seed_gives_another_random_association() -> None:
    found = {tuple(dashf_pyomo.solve(default(), "rucaa", seed=seed).allocation.server) for seed in range(5)}
    assert len(found) == 5


@of_all_methods
def test_the_result_names_every_option_and_reading(method: str) -> None:
    result, _ = observed(method)
    assert set(result.options) == {field.name for field in dataclasses.fields(methods[method])}
    assert set(default().readings.items()) <= set(result.readings.items())
    assert result.method == method and result.matches(default(few(method)))


@of_all_methods
def test_the_observer_sees_every_trace_entry_as_it_is_made(method: str) -> None:
    result, seen = observed(method)
    assert tuple(seen) == result.trace
    assert [entry.iteration for entry in seen] == list(range(result.iterations + 1))


@pytest.mark.parametrize("method", ["dashf", "aauco"])
def test_energy_that_dwarfs_every_other_cost_does_not_break_part_1(method: str) -> None:
    scenario = Scenario.random(
        users=4, servers=3, seed=2, weight_energy=1e6, weight_time=1e-6, server_speed_max=[1e16, 1e11, 1e13]
    )
    result = dashf_pyomo.solve(scenario, method)
    assert result.status is Status.FEASIBLE, result.message


@pytest.mark.slow
def test_the_papers_methods_come_in_the_papers_order() -> None:
    mean = {
        method: np.mean([dashf_pyomo.solve(default(seed=seed), method).scr for seed in range(10)])
        for method in ("dashf", "aauco", "gucro", "gucaa", "rucaa")
    }
    assert mean["dashf"] > mean["aauco"] > max(mean["gucaa"], mean["rucaa"])
    assert mean["dashf"] > mean["gucro"]


# -- accepting a fall -------------------------------------------------------------------------


def test_a_fall_is_kept_or_not_as_asked_and_the_message_says_so() -> None:
    best, last = (dashf_pyomo.solve(default(), "dashf", accept=accept) for accept in ("best", "always"))
    values = [entry.scr for entry in best.trace]
    assert values == [entry.scr for entry in last.trace]
    assert values[-1] < max(values)  # the paper's default scenario has a fall
    assert best.scr == max(values) and last.scr == values[-1]
    assert "fell" in best.message and f"kept iterate {np.argmax(values)}" in best.message
    assert "fell" in last.message and "accept=always" in last.message


@pytest.mark.parametrize("idle_pairs", IDLE_PAIRS)
@pytest.mark.parametrize("delay_rows", ["aggregated", "pairwise"])
@pytest.mark.parametrize("association", ["hull", "milp", "sdr", "sdr-chordal"])
def test_every_combination_of_parts_works(association: str, delay_rows: str, idle_pairs: str) -> None:
    options = {"association": association, "delay_rows": delay_rows, "idle_pairs": idle_pairs}
    result = dashf_pyomo.solve(default(users=4), "dashf", **options)
    assert result.status is Status.FEASIBLE
    assert result.scr >= result.trace[0].scr
    assert {**result.options, **options} == result.options
    assert result.readings["idle_pairs"] == idle_pairs and result.readings["delay_rows"] == delay_rows


# -- what a run takes from a method -----------------------------------------------------------


@dataclass(frozen=True)
class Scripted(Method):
    """Records given allocations."""

    name = "scripted"
    summary = "for tests"

    script: tuple[Allocation, ...] = ()
    keep: str = "best"

    def search(self, run: Run) -> str:
        for allocation in self.script:
            run.record(allocation, keep=self.keep)
        return "done"


def greedy(scenario: Scenario) -> Allocation:
    """Better than the start by far, and over every budget."""
    start = start_allocation(scenario)
    more = {field: 100.0 * getattr(start, field) for field in ("bandwidth", "server_power", "server_speed")}
    return replace(start, offload=np.ones(scenario.n_users), **more)


@pytest.mark.parametrize("keep", ["best", "always"])
def test_an_allocation_that_breaks_a_budget_is_never_kept(keep: str) -> None:
    scenario = default(users=4)
    start = start_allocation(scenario)
    assert evaluate(scenario, greedy(scenario)).scr > evaluate(scenario, start).scr
    result = Scripted(script=(start, greedy(scenario)), keep=keep).solve(scenario)
    assert result.status is Status.FEASIBLE and result.allocation is start
    assert [entry.accepted for entry in result.trace] == [True, False]


def test_a_method_that_finds_nothing_feasible_ends_as_unknown_without_an_allocation() -> None:
    scenario = default(users=4)
    result = Scripted(script=(greedy(scenario),)).solve(scenario)
    assert result.status is Status.UNKNOWN
    assert result.allocation is result.scr is result.delay is None


@pytest.mark.parametrize(("keep", "kept"), [("best", 0), ("always", 1)])
def test_the_run_keeps_the_best_or_the_last(keep: str, kept: int) -> None:
    scenario = default(users=4)
    script = (dashf_pyomo.solve(scenario, "dashf").allocation, start_allocation(scenario))
    result = Scripted(script=script, keep=keep).solve(scenario)
    assert result.allocation is script[kept]


def test_turns_come_after_all_other_moves_and_find_what_those_miss() -> None:
    scenario = Scenario.random(2, 2, seed=4)
    without = dashf_pyomo.solve(scenario, "dashf-plus", turn_users=0)
    turned = dashf_pyomo.solve(scenario, "dashf-plus")
    first = next(i for i, entry in enumerate(turned.trace) if entry.phase == "turn")
    assert not any(entry.phase == "turn" for entry in without.trace)
    assert turned.trace[first - 1].best == pytest.approx(without.scr, rel=1e-9)
    assert turned.scr > 1.1 * without.scr
