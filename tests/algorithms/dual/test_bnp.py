"""`bnp`: closes what the root bound leaves open, and its certificate holds the branching."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dashf_pyomo
from dashf_pyomo.algorithms.dual import problem
from dashf_pyomo.algorithms.dual.boxes import Box, DeadlineCut, OffloadCut, ServerCut
from dashf_pyomo.certificate import Certificate, verify
from dashf_pyomo.certificate.nodes import ByOffload, ByServers, LeafClaim, Region, leaf_boxes
from dashf_pyomo.check import check
from dashf_pyomo.conformance.soundness import best_known, judge_bound, wide_scenario
from dashf_pyomo.result import Result
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


@dataclass(frozen=True)
class Solved:
    """A scenario that needs branching, and what `bnp` writes of it."""

    scenario: Scenario
    result: Result
    certificate: Certificate


@pytest.fixture(scope="module", params=[(3, 2), (5, 2)], ids="{0[0]}-{0[1]}".format)
def solved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Solved:
    users, seed = request.param
    scenario, path = Scenario.random(users, 2, seed), str(tmp_path_factory.mktemp("bnp") / "c.npz")
    result = dashf_pyomo.solve(scenario, "bnp", time_limit=120, certificate=path)
    return Solved(scenario, result, Certificate.read(path))


def test_small_scenarios_are_closed_and_their_certificates_verify(solved: Solved) -> None:
    scenario, result, certificate = solved.scenario, solved.result, solved.certificate
    assert result.status is Status.CERTIFIED and result.gap is not None and result.gap <= 1e-3
    bounds = [entry.upper_bound for entry in result.trace if entry.upper_bound is not None]
    assert bounds == sorted(bounds, reverse=True)
    assert all(finding.holds for finding in check(scenario, json.loads(json.dumps(result.to_dict()))))
    proven = verify(scenario, certificate)
    assert result.scr is not None and result.scr <= proven.bound <= result.upper_bound
    leaves = list(leaf_boxes(certificate.root, Region.root(np.full((scenario.n_users, 2), True))))
    branched = [box for node, box in leaves if isinstance(node, LeafClaim) and not box.allowed.all()]
    assert branched, "this scenario needs branching"


def test_the_trace_says_where_the_work_is(solved: Solved) -> None:
    result = solved.result
    rows = [entry for entry in result.trace if entry.bound_source]
    assert rows and {"boxes", "depth", "deadlines", "columns", "cells", "proof_time"} <= rows[-1].facts.keys()
    assert [entry.kind for entry in result.trace[-2:]] == [EntryKind.PROFILE, EntryKind.CERTIFICATE]
    profile = result.trace[-2].facts
    assert len(profile["profile_deadlines"]) == len(profile["profile_bounds"]) + 1
    assert max(profile["profile_bounds"]) == pytest.approx(result.upper_bound)


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


@pytest.mark.parametrize("family", ["growing-bandwidth", "slow-users", "hotspots", "shadowing"])
def test_other_families_are_bounded_too(family: str) -> None:
    result = dashf_pyomo.solve(families.draw(family, 3, 2, 0), "bnp", gap=0.02, time_limit=120)
    assert result.gap is not None and result.gap <= 0.02


def test_many_users_are_bounded_without_a_row_for_each_deadline() -> None:
    scenario = Scenario.random(85, 3, seed=0)
    result = dashf_pyomo.solve(scenario, "dual", gap=5e-3, time_limit=120)
    assert result.status is Status.CERTIFIED and result.gap is not None and result.gap <= 5e-3
    plain = dashf_pyomo.solve(scenario, "aauco")
    assert plain.scr is not None and result.upper_bound is not None and plain.scr <= result.upper_bound


def test_a_split_by_phi_is_written_and_verified(tmp_path: Path) -> None:
    # One server, so nothing but deadlines and phi can be cut.
    scenario, path = wide_scenario(40, most_users=3, most_servers=1), str(tmp_path / "c.npz")
    result = dashf_pyomo.solve(scenario, "bnp", gap=1e-4, time_limit=60, certificate=path)
    kinds = _kinds(Certificate.read(path).root)
    assert ByOffload in kinds and ByServers not in kinds
    assert verify(scenario, Certificate.read(path)).bound <= result.upper_bound


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


@pytest.mark.parametrize(
    ("method", "users", "lie"), [("bnp", 2, np.inf), ("dual", 2, -np.inf), ("dual", 2, -1e3), ("dual", 81, -1e3)]
)
def test_proofs_of_no_numbers_or_below_what_is_known_to_be_reached_prove_nothing(
    monkeypatch: pytest.MonkeyPatch, method: str, users: int, lie: float
) -> None:
    asked = []

    def lying(self: problem.SeparableProblem, *args: Any, **kwargs: Any) -> problem.Priced:
        asked.append(found := prove(self, *args, **kwargs))
        if len(asked) > 20:  # it would be asked until the time is over
            raise KeyboardInterrupt
        found = replace(found, best=np.where(np.arange(len(found.best)) == 0, lie, found.best))
        return replace(found, dual_value=np.inf) if lie == np.inf else found

    prove = problem.SeparableProblem.prove
    monkeypatch.setattr(problem.SeparableProblem, "prove", lying)
    result = dashf_pyomo.solve(Scenario.random(users, 2, seed=0), method, time_limit=60)
    assert asked
    assert result.status is not Status.CERTIFIED and result.upper_bound is None
