"""`bnp`: closes what the root bound leaves open, and its certificate holds the branching."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashf_pyomo
from dashf_pyomo.algorithms.dual.boxes import Box, DeadlineCut, OffloadCut, ServerCut
from dashf_pyomo.certificate import Certificate, verify
from dashf_pyomo.certificate.nodes import ByOffload, ByServers, LeafClaim, Region, leaf_boxes
from dashf_pyomo.check import check
from dashf_pyomo.conformance.soundness import best_known, judge_bound, wide_scenario
from dashf_pyomo.status import Status
from dashf_pyomo.trace import EntryKind
from formulations import Scenario, families

pytestmark = pytest.mark.slow


def test_cuts_cover_their_box() -> None:
    box = Box.whole((1.0, 4.0), np.full((2, 3), True))
    rng = np.random.default_rng(0)
    cuts = (DeadlineCut(2.0), ServerCut(1, np.array([True, False, True])), OffloadCut(0, 0.3))
    for cut in cuts:
        first, second = cut(box)
        for _ in range(200):
            deadline, server, phi = rng.uniform(1.0, 4.0), rng.integers(3, size=2), rng.uniform(size=2)
            held = [
                part.interval[0] <= deadline <= part.interval[1]
                and all(part.allowed[range(2), server])
                and all((part.offload[:, 0] <= phi) & (phi <= part.offload[:, 1]))
                for part in (first, second)
            ]
            assert any(held), str(cut)


@pytest.mark.parametrize(("users", "seed"), [(3, 0), (3, 2), (5, 2)])
def test_small_scenarios_are_closed_and_their_certificates_verify(users: int, seed: int, tmp_path: Path) -> None:
    scenario, path = Scenario.random(users, 2, seed), str(tmp_path / "c.npz")
    result = dashf_pyomo.solve(scenario, "bnp", time_limit=120, certificate=path)
    assert result.status is Status.CERTIFIED and result.gap is not None and result.gap <= 1e-3
    bounds = [entry.upper_bound for entry in result.trace if entry.upper_bound is not None]
    assert bounds == sorted(bounds, reverse=True)
    assert all(finding.holds for finding in check(scenario, json.loads(json.dumps(result.to_dict()))))
    certificate = Certificate.read(path)
    proven = verify(scenario, certificate)
    assert result.scr is not None and result.scr <= proven.bound <= result.upper_bound
    leaves = list(leaf_boxes(certificate.root, Region.root(np.full((users, 2), True))))
    branched = [box for node, box in leaves if isinstance(node, LeafClaim) and not box.allowed.all()]
    assert branched, "this scenario needs branching"


def test_branching_closes_what_the_root_cannot() -> None:
    scenario = Scenario.random(3, 2, seed=1)
    root = dashf_pyomo.solve(scenario, "dual", moves=0, time_limit=60)
    branched = dashf_pyomo.solve(scenario, "bnp", time_limit=60)
    assert root.gap is not None and branched.gap is not None
    assert root.gap > 0.01 > 1e-3 >= branched.gap
    assert branched.upper_bound is not None and root.scr is not None and branched.upper_bound >= root.scr


def test_two_users_agree_with_the_global_solvers() -> None:
    result = dashf_pyomo.solve(Scenario.random(2, 2, seed=0), "bnp", time_limit=60)
    assert result.status is Status.CERTIFIED
    assert result.scr is not None and result.upper_bound is not None
    assert result.scr <= 834.979 * (1 + 1e-6) and result.upper_bound >= 834.979 * (1 - 1e-6)


@pytest.mark.parametrize("seed", [1100, 1102, 1108])  # benchmarks/soundness.py goes through thousands
def test_no_bound_lies_below_what_enumeration_and_local_search_reach(seed: int) -> None:
    scenario = wide_scenario(seed, most_users=3, most_servers=2)
    verdict = judge_bound(scenario, "bnp", best_known(scenario, methods=()), time_limit=30)
    assert verdict is not None and verdict.sound
    assert verdict.result.upper_bound is not None


def test_the_trace_says_where_the_work_is() -> None:
    result = dashf_pyomo.solve(Scenario.random(3, 2, seed=0), "bnp", time_limit=60)
    rows = [entry for entry in result.trace if entry.bound_source]
    assert rows and {"boxes", "depth", "deadlines", "columns", "cells", "proof_time"} <= rows[-1].facts.keys()
    assert result.trace[-1].kind is EntryKind.PROFILE
    profile = result.trace[-1].facts
    assert len(profile["profile_deadlines"]) == len(profile["profile_bounds"]) + 1
    assert max(profile["profile_bounds"]) == pytest.approx(result.upper_bound)


@pytest.mark.parametrize("family", ["growing-bandwidth", "slow-users", "hotspots", "shadowing"])
def test_other_families_are_bounded_too(family: str) -> None:
    result = dashf_pyomo.solve(families.draw(family, 4, 2, 0), "bnp", gap=0.02, time_limit=120)
    assert result.gap is not None and result.gap <= 0.02


def test_many_users_are_bounded_without_a_row_for_each_deadline() -> None:
    scenario = Scenario.random(85, 3, seed=0)
    result = dashf_pyomo.solve(scenario, "dual", gap=5e-3, time_limit=120)
    assert result.status is Status.CERTIFIED and result.gap is not None and result.gap <= 5e-3
    plain = dashf_pyomo.solve(scenario, "aauco")
    assert plain.scr is not None and result.upper_bound is not None and plain.scr <= result.upper_bound


def test_a_split_by_phi_is_written_and_verified(tmp_path: Path) -> None:
    # One server, so nothing but deadlines and phi can be cut.
    for seed in range(8):
        scenario, path = wide_scenario(seed + 20, most_users=3, most_servers=1), str(tmp_path / "c.npz")
        result = dashf_pyomo.solve(scenario, "bnp", gap=1e-4, time_limit=20, certificate=path)
        root = Certificate.read(path).root
        if _kinds(root) & {ByOffload}:
            assert ByServers not in _kinds(root)
            assert verify(scenario, Certificate.read(path)).bound <= result.upper_bound
            return
    pytest.fail("no scenario was cut at phi")


def _kinds(root: object) -> set[type]:
    kinds, pending = set(), [root]
    while pending:
        node = pending.pop()
        kinds.add(type(node))
        pending += [getattr(node, name) for name in ("below", "above", "inside", "outside") if hasattr(node, name)]
    return kinds


def test_many_users_whose_deadlines_all_lie_close_together_are_bounded() -> None:
    base = Scenario.random(81, 2, seed=0)
    slow = np.array(base.user_speed_max, dtype=float)
    slow[0] *= 0.3
    changed = {
        "weight_energy": 0.0,
        "server_speed_max": (np.asarray(base.server_speed_max) * 1e-3).tolist(),
        "bits_per_param": (np.asarray(base.bits_per_param) * 1e-5).tolist(),
        "user_speed_max": slow.tolist(),
    }
    result = dashf_pyomo.solve(Scenario.from_dict({**base.to_dict(), **changed}), "dual", gap=0.05, time_limit=120)
    assert result.upper_bound is not None and np.isfinite(result.upper_bound)
    json.dumps(result.to_dict(), allow_nan=False)


def test_proofs_that_are_no_numbers_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from dashf_pyomo.algorithms.dual import problem

    asked = []

    def infinite(self: problem.SeparableProblem, *args: Any, **kwargs: Any) -> problem.Priced:
        asked.append(found := prove(self, *args, **kwargs))
        return replace(found, best=np.where(np.arange(len(found.best)) == 0, np.inf, found.best), dual_value=np.inf)

    prove = problem.SeparableProblem.prove
    monkeypatch.setattr(problem.SeparableProblem, "prove", infinite)
    result = dashf_pyomo.solve(Scenario.random(2, 2, seed=0), "bnp", time_limit=3)
    assert asked
    assert result.status is not Status.CERTIFIED and result.upper_bound is None


@pytest.mark.parametrize(("users", "lie"), [(2, -np.inf), (2, -1e3), (81, -1e3)])
def test_proofs_below_what_is_known_to_be_reached_prove_nothing(
    monkeypatch: pytest.MonkeyPatch, users: int, lie: float
) -> None:
    from dashf_pyomo.algorithms.dual import problem

    asked = []

    def lying(self: problem.SeparableProblem, *args: Any, **kwargs: Any) -> problem.Priced:
        asked.append(found := prove(self, *args, **kwargs))
        return replace(found, best=np.where(np.arange(len(found.best)) == 0, lie, found.best))

    prove = problem.SeparableProblem.prove
    monkeypatch.setattr(problem.SeparableProblem, "prove", lying)
    result = dashf_pyomo.solve(Scenario.random(users, 2, seed=0), "dual", time_limit=20)
    assert asked
    assert result.status is not Status.CERTIFIED and result.upper_bound is None
