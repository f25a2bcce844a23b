"""`dual`: its bound is never below what anybody reaches, and close to it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import highspy
import numpy as np
import pytest

import dashf_pyomo
from dashf_pyomo.algorithms.dual.bounding import Envelope
from dashf_pyomo.algorithms.dual.columns import ColumnPool
from dashf_pyomo.algorithms.dual.master import RestrictedMaster
from dashf_pyomo.algorithms.dual.problem import SeparableProblem
from dashf_pyomo.algorithms.steps import ResourceStep
from dashf_pyomo.backends import BackendError
from dashf_pyomo.check import check
from dashf_pyomo.conformance.soundness import best_known, judge_bound, wide_scenario
from dashf_pyomo.result import Result
from dashf_pyomo.status import Status
from formulations import InputError, Scenario, evaluate
from formulations.joint.data import JointData


def assert_monotone(result: Result) -> None:
    bounds = [entry.upper_bound for entry in result.trace if entry.upper_bound is not None]
    bests = [entry.best for entry in result.trace]
    assert bounds == sorted(bounds, reverse=True)
    assert bests == sorted(bests)


#: One of each size with one or two users and servers, of identical users, and of free energy; benchmarks/soundness.py
#: goes through thousands.
WIDE = (1000, 1001, 1003, 1006, 1020, 1026, 1047)


@pytest.mark.slow
@pytest.mark.parametrize("seed", WIDE)
def test_no_bound_lies_below_what_enumeration_and_local_search_reach(seed: int) -> None:
    scenario = wide_scenario(seed, most_users=2, most_servers=2)
    known = best_known(scenario, methods=())
    verdict = judge_bound(scenario, "dual", known, moves=2)
    assert verdict is not None
    assert verdict.result.upper_bound is not None
    assert verdict.sound, (verdict.result.upper_bound, verdict.best)
    assert_monotone(verdict.result)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 3])
def test_the_papers_scenario_is_certified_to_a_fifth_of_a_percent(seed: int) -> None:
    scenario = Scenario.random(10, 2, seed)
    result = dashf_pyomo.solve(scenario, "dual", gap=2e-3, time_limit=60)
    assert result.status is Status.CERTIFIED, result.message
    assert result.gap is not None and result.gap <= 2e-3
    assert_monotone(result)
    assert all(finding.holds for finding in check(scenario, json.loads(json.dumps(result.to_dict()))))


def test_two_users_agree_with_the_global_solvers() -> None:
    # The optimum that SCIP and Gurobi prove to 1e-4 on two formulations.
    result = dashf_pyomo.solve(Scenario.random(2, 2, seed=0), "dual", time_limit=60)
    assert result.upper_bound is not None and result.scr is not None
    assert result.upper_bound >= 834.979 * (1 - 1e-6)
    assert result.scr == pytest.approx(834.979, rel=1e-4)


@pytest.mark.slow
def test_heuristic_pricing_yields_no_bound() -> None:
    result = dashf_pyomo.solve(Scenario.random(3, 2, seed=1), "dual", rigour="heuristic", moves=0)
    assert result.status is Status.FEASIBLE
    assert result.upper_bound is None and result.gap is None
    assert any("unproven" in entry.note for entry in result.trace)


@pytest.mark.slow
def test_a_local_solver_that_fails_at_the_start_costs_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    step = ResourceStep.__call__

    def fails(self: ResourceStep, *args: Any) -> Any:
        if not self._optional:  # as those of the start are not
            raise BackendError("resources joint-nlp failed")
        return step(self, *args)

    monkeypatch.setattr(ResourceStep, "__call__", fails)
    result = dashf_pyomo.solve(Scenario.random(3, 2, seed=0), "dual", time_limit=60)
    assert result.status is not Status.ERROR and result.upper_bound is not None
    assert any("joint-nlp failed" in entry.note for entry in result.trace)


@pytest.mark.slow
def test_a_time_limit_keeps_bound_and_allocation() -> None:
    result = dashf_pyomo.solve(Scenario.random(10, 2, seed=0), "dual", gap=0.0, time_limit=1.0)
    assert result.status is Status.TIME_LIMIT
    assert result.wall_time < 12.0
    assert result.allocation is not None
    assert_monotone(result)


def test_a_scenario_without_a_weight_on_time_is_declined() -> None:
    with pytest.raises(InputError, match="weight_time = 0: user 0 has no limit of its delay"):
        dashf_pyomo.solve(replace(Scenario.random(2, 2, seed=0), weight_time=0.0), "dual")


def test_free_energy_is_no_obstacle() -> None:
    scenario = replace(Scenario.random(3, 2, seed=0), weight_energy=0.0)
    result = dashf_pyomo.solve(scenario, "dual", moves=0, time_limit=60)
    assert result.upper_bound is not None and result.allocation is not None
    assert result.upper_bound >= evaluate(scenario, result.allocation).scr
    assert result.gap is not None and np.isfinite(result.gap)


@pytest.mark.parametrize("undecided", [1, 2, 3, 4])
def test_a_master_program_that_is_undecided_is_solved_in_another_way(undecided: int) -> None:
    class Undecided:
        """Says so for the first few runs."""

        def __init__(self, highs: Any) -> None:
            self._highs, self.runs = highs, 0

        def __getattr__(self, name: str) -> Any:
            return getattr(self._highs, name)

        def run(self) -> None:
            self.runs += 1
            self._highs.run()

        def getModelStatus(self) -> Any:
            return highspy.HighsModelStatus.kUnknown if self.runs <= undecided else self._highs.getModelStatus()

    pool = ColumnPool()
    data = np.array([[0.5, 0.2, 0.3, 0.5, 1.0, 1.0, 0.1, 1.0], [0.1, 0.1, 0.1, 1.0, 1.0, 1.0, 0.2, 1.1]])
    pool.add(np.array([0, 1]), np.array([0, 0]), data)
    master = RestrictedMaster(SeparableProblem(JointData.of(Scenario.random(2, 1, 0))), (1.0, 1.2))
    master.add(pool, np.arange(2))
    expected = master.solve()[0]
    patched = Undecided(master._highs)
    master._highs = patched
    if undecided == 4:
        with pytest.raises(BackendError, match="the restricted master problem ended with"):
            master.solve()
    else:
        assert master.solve()[0] == pytest.approx(expected)
    assert patched.runs == min(undecided + 1, 4)
    assert patched.getOptionValue("solver")[1] == "simplex"


def test_the_best_deadline_is_where_the_least_bound_is_largest_and_never_an_impossible_one() -> None:
    said = Envelope()
    said.add(np.array([1.0, 2.0, 4.0]), np.array([-np.inf, 3.0, 1.0]))
    assert said.best() == pytest.approx(2.0)
    said.add(np.array([1.5, 2.0, 3.0]), np.array([9.0, 0.5, 2.8]))  # nothing is known for sure at 1.5
    assert said.best() == pytest.approx(3.0)


@pytest.mark.slow
def test_a_user_whose_energy_is_dear_does_not_hide_behind_nobody() -> None:
    # At the ratio of the first columns its best choice costs thousands; the mixture must serve it all the same.
    result = dashf_pyomo.solve(wide_scenario(1219), "dual", time_limit=60)
    assert result.gap is not None and result.gap <= 1e-3
