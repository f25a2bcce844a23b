"""Runs, results and their check by the value of the objective, whatever it is: order, bounds, claims, words."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from dashf_pyomo import Claim, Result
from dashf_pyomo.algorithms import configure
from dashf_pyomo.algorithms.relaxed import RelaxedRun
from dashf_pyomo.algorithms.run import Limits, Run
from dashf_pyomo.check import check
from dashf_pyomo.objectives import SENSES, bound_text, improvement, name_of, standing
from dashf_pyomo.trace import TraceEntry
from formulations import Allocation, Scenario, evaluate
from formulations.association.pair_resources import equal_split
from formulations.documents import digest

OBJECTIVES: dict[str, dict[str, Any]] = {
    "scr": {},
    "weighted scr": {"kind": "scr", "delay": "mean", "user_weight": [1.0, 3.0, 2.0]},
    "utility": {"kind": "utility", "price": 300.0},
    "cost": {"kind": "cost", "delay": "mean"},
    "sum-of-ratios": {"kind": "sum-of-ratios"},
    "max-min": {"kind": "max-min"},
}
SOURCE = "a bound by hand"


def scenario(name: str) -> Scenario:
    return Scenario.random(3, 2, 4, objective=OBJECTIVES[name] or None)


def allocations(given: Scenario) -> list[Allocation]:
    """Some allocations, from the worst to the best."""
    found = [
        equal_split(given, np.array(server), np.full(3, phi))
        for server in ([0, 1, 0], [1, 0, 1], [0, 0, 0])
        for phi in (0.2, 0.5, 0.9)
    ]
    found.sort(key=lambda one: evaluate(given, one).value, reverse=given.objective.sense == "min")
    assert len({evaluate(given, one).value for one in found}) > 4
    return found


def beyond(given: Scenario, value: float, part: float) -> float:
    """A number that is better than a value by a part of it, or worse where that is negative."""
    return value + (-1.0 if given.objective.sense == "min" else 1.0) * part * abs(value)


def concluded(run: Run) -> Result:
    method = configure("minlp", {})
    readings = method.all_readings(run.scenario)
    return run.conclude(lambda: "by hand", "minlp", dataclasses.asdict(method), readings)


def wrong(given: Scenario, document: dict[str, Any]) -> set[str]:
    return {finding.claim for finding in check(given, document) if not finding.holds}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_run_keeps_the_best_by_the_value_and_its_sense(name: str) -> None:
    given = scenario(name)
    *_, worse, best = found = allocations(given)
    run = Run(given, Limits())
    for one in (found[0], best, worse):
        run.record(one)
    assert run.incumbent == (best, evaluate(given, best).value)
    run.record(worse, keep="always")
    assert run.incumbent[0] is worse


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_bound_that_says_most_stands_and_closes_the_gap(name: str) -> None:
    given = scenario(name)
    best = allocations(given)[-1]
    run = Run(given, Limits(gap=0.01))
    value = run.record(best).value
    loose, tight, looser = (beyond(given, value, part) for part in (0.5, 0.005, 0.9))
    assert run.record_bound(loose, SOURCE) and run.bound == loose and not run.closed
    assert run.record_bound(tight, "another") and run.bound == tight and run.closed
    assert run.record_bound(looser, SOURCE) and run.bound == tight
    assert run.upper_bound == (None if given.objective.sense == "min" else tight)
    result = concluded(run)
    assert (result.value, result.bound, result.bound_source) == (value, tight, "another")
    assert result.claim is Claim.CERTIFIED and result.objective == given.objective.kind
    assert result.sense == given.objective.sense
    assert result.upper_bound == (tight if given.objective.kind == "scr" else None)
    assert not wrong(given, result.to_dict())


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("late", [False, True])
def test_a_bound_that_a_verified_value_is_beyond_is_refuted(name: str, late: bool) -> None:
    given = scenario(name)
    run = Run(given, Limits())
    best = allocations(given)[-1]
    false = beyond(given, evaluate(given, best).value, -1e-3)
    if late:
        assert run.record_bound(false, SOURCE)
        run.record(best)
    else:
        run.record(best)
        assert not run.record_bound(false, SOURCE)
    assert run.bound is None and not run.record_bound(beyond(given, false, 10.0), SOURCE)
    (said,) = run.contradictions
    relation = ">=" if given.objective.sense == "min" else "<="
    assert f"{name_of(given.objective.kind)} {relation} {false:.9g}" in said
    result = concluded(run)
    assert result.bound is None and result.claim is Claim.FEASIBLE and result.message.startswith("CONTRADICTION")
    assert not wrong(given, result.to_dict())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_value_within_the_tolerance_beyond_a_bound_closes_the_gap(name: str) -> None:
    given = scenario(name)
    run = Run(given, Limits(gap=0.0))
    value = run.record(allocations(given)[-1]).value
    assert run.record_bound(beyond(given, value, -1e-10), SOURCE)
    assert run.bound == value and run.closed and not run.contradictions
    assert not wrong(given, concluded(run).to_dict())


def test_the_error_of_a_bound_on_a_utility_is_relative_to_its_parts_and_is_not_hidden() -> None:
    score, value = 1e6, 1e-2  # the cost is almost as large
    assert standing("utility", 0.9e-2, value, 1e-9, score) == pytest.approx(0.9e-2 + 1e-3)
    assert standing("utility", value * (1 - 1e-10), value, 1e-9, score) == value
    assert standing("cost", 2.0, 1.0, 1e-9) == 1.0 and standing("cost", 0.5, 1.0, 1e-9) == 0.5


@pytest.mark.parametrize("name", OBJECTIVES)
def test_results_say_the_value_and_are_read_as_they_were_written(name: str, tmp_path: Any) -> None:
    given = scenario(name)
    run = Run(given, Limits())
    for one in allocations(given):
        run.record(one, phase="by hand")
    run.record_bound(beyond(given, run.incumbent[1], 0.1), SOURCE)
    result = concluded(run)
    result.write(tmp_path / "r.json")
    again = Result.read(tmp_path / "r.json")
    assert again.to_dict() == result.to_dict() and again.trace == result.trace
    printed = given.objective.kind == "scr"
    for entry in result.to_dict()["trace"]:
        assert ("upper_bound" in entry) == printed and ("value" in entry and "bound" in entry) == (not printed)
    assert [entry.value for entry in result.trace[:-1]] == [evaluate(given, one).value for one in allocations(given)]


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("changed", ["value", "bound", "objective", "better entry"])
def test_the_check_rejects_what_is_not_the_value_of_the_objective(name: str, changed: str) -> None:
    given = scenario(name)
    run = Run(given, Limits())
    value = run.record(allocations(given)[-1]).value
    run.record(allocations(given)[0])
    run.record_bound(beyond(given, value, 0.1), SOURCE)
    document = concluded(run).to_dict()
    assert not wrong(given, document)
    claims = {"upper bound", "lower bound"}
    if changed == "value":
        document["value"] = beyond(given, value, 1e-6)
        claims = {"value"}
    elif changed == "bound":
        document["bound"] = beyond(given, value, -1e-6)
        document["upper_bound"] = document["bound"] if given.objective.kind == "scr" else None
    elif changed == "objective":
        document["objective"], document["sense"] = ("cost", "min") if given.objective.kind == "scr" else ("scr", "max")
        claims = {"objective"}
    else:
        key = "scr" if given.objective.kind == "scr" else "value"
        document["trace"][1][key] = beyond(given, value, 0.1)
        claims = {"trace"}
    document["digest"] = digest(document)
    assert claims & wrong(given, document)


def test_a_bound_of_a_relaxation_of_a_cost_is_one_of_the_cost() -> None:
    given = Scenario.random(3, 2, 4, objective={"kind": "cost"}, constraints={"delay_limit": 1e6})
    run = Run(given, Limits())
    part = RelaxedRun(run, given.without(given.extra_kinds))
    best = allocations(given)[-1]
    part.record(best)
    value = run.incumbent[1]
    assert part.record_bound(0.5 * value, SOURCE) and run.bound == 0.5 * value and part.bound == 0.5 * value
    assert not part.record_bound(1.5 * value, SOURCE) and run.bound is None


def test_improvements_are_relative_and_infinite_from_no_allocation() -> None:
    assert improvement("cost", 2.0, 1.0) == 0.5 and improvement("scr", 2.0, 1.0) == -0.5
    assert improvement("utility", -2.0, -1.0) == 0.5
    assert improvement("cost", np.inf, 3.0) == np.inf == improvement("scr", 0.0, 3.0)
    assert improvement("cost", np.inf, np.inf) == 0.0 and improvement("cost", 1.0, np.inf) == -np.inf


def test_bounds_are_rounded_so_that_they_stay_bounds() -> None:
    assert bound_text(1.23456789) == "1.23457" and bound_text(1.23456789, kind="cost") == "1.23456"
    assert bound_text(-1.23456789, kind="utility") == "-1.23456"
    assert set(SENSES) == {"scr", "utility", "cost", "sum-of-ratios", "max-min"}


def test_an_entry_of_the_scr_has_it_as_its_value() -> None:
    entry = TraceEntry(0, 0.0, scr=2.0, best=2.0, bound=3.0)
    assert entry.value == 2.0 and entry.upper_bound == 3.0
    assert TraceEntry(0, 0.0, value=1.0, bound=3.0, objective="cost").upper_bound is None
