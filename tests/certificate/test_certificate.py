"""Certificates: what is true is verified, and nothing proves a bound below an SCR that is known."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from certificate_cases import SCENARIOS, Case, Solver, branched, case

import dashf_pyomo
from dashf_pyomo.certificate import (
    ByDeadline,
    ByOffload,
    ByServers,
    Certificate,
    CertificateError,
    Empty,
    Late,
    LeafClaim,
    UnprovenError,
    verify,
)
from dashf_pyomo.certificate.balls import PRECISION, flint
from dashf_pyomo.certificate.claims import claim_bound, tasks_of, user_bound
from dashf_pyomo.certificate.nodes import Region
from dashf_pyomo.certificate.stated import StatedProblem
from dashf_pyomo.check import check
from dashf_pyomo.cli.main import main
from formulations import Scenario, evaluate
from formulations.scaled import ScaledPairs

REFUSED = (CertificateError, UnprovenError)


def proven(scenario: Scenario, certificate: Certificate) -> float:
    """What a certificate proves, whatever it states; infinity if it is refused."""
    try:
        return verify(scenario, dataclasses.replace(certificate, bound=1e300)).bound
    except REFUSED:
        return np.inf


def changed(certificate: Certificate, key: str, value: Any) -> Certificate:
    """The certificate with one array replaced, as it would be read from a re-signed file."""
    return Certificate.from_arrays({**certificate.to_arrays(), key: value})


# -- what is true is verified -----------------------------------------------------------------


def test_the_verifier_shares_no_code_with_the_kernels() -> None:
    code = (
        "import sys; from formulations import Scenario; from dashf_pyomo.certificate import *\n"
        "s = Scenario.random(2, 1)\n"
        "try: verify(s, Certificate(s.sha256, 1.0, 1.0, 1.0, Empty()))\n"
        "except UnprovenError: pass\n"
        "sys.exit(any('dual' in name for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_certificates_are_verified_and_tell_what_the_kernels_say(name: str) -> None:
    one = case(name)
    seen: list[tuple[int, int]] = []
    verified = verify(one.scenario, one.certificate, progress=lambda done, total: seen.append((done, total)))
    assert one.known <= verified.bound <= one.certificate.bound
    assert verified.bound == pytest.approx(one.claimed, rel=1e-6)
    assert seen and seen[-1][0] == seen[-1][1] and verified.leaves > 0


def test_several_processes_find_the_same() -> None:
    one = case("3x1")
    assert verify(one.scenario, one.certificate, workers=2).bound == verify(one.scenario, one.certificate).bound


def test_every_kind_of_split_is_verified() -> None:
    one, certificate = branched("2x2")
    verified = verify(one.scenario, certificate)
    assert one.known <= verified.bound <= certificate.bound
    kinds = certificate.to_arrays()["node_kind"]
    assert set(kinds) == set(range(6))


def test_other_units_prove_the_same() -> None:
    one = case("3x1")
    solver = Solver(one.scenario, one.allocation)
    node, bound = solver.claim((0.9, 1.1))
    solver.time_unit, solver.cost_unit = 7.0, 13.0
    solver.pairs = ScaledPairs.of(one.scenario, 7.0, 13.0)
    solver.c, solver.omega = solver.pairs.stacked(), solver.pairs.time_weight
    solver.unit = one.scenario.score_scale / 13.0
    solver.ratio = one.known / solver.unit
    delay = evaluate(one.scenario, one.allocation).delay / 7.0
    other, also = solver.claim((0.9 * delay, 1.1 * delay))
    assert isinstance(node, LeafClaim) and isinstance(other, LeafClaim)
    assert also == pytest.approx(bound, rel=1e-2)
    certificate = solver.certificate(ByDeadline(0.9 * delay, Late(), Late()), 1.0)
    assert alone(one.scenario, certificate, other, box_of(one, 0.9 * delay, 1.1 * delay)) >= one.known


# -- a claim around the known allocation ------------------------------------------------------


def box_of(one: Case, t0: float, t1: float) -> Region:
    root = Region.root(np.full(one.scenario.channel_gain.shape, True))
    return dataclasses.replace(root, t0=t0, t1=t1)


def alone(scenario: Scenario, units: Certificate, claim: LeafClaim, box: Region) -> float:
    """What one claim proves of its box; infinity if it is refused."""
    with flint().ctx.workprec(PRECISION):
        problem = StatedProblem(scenario, units)
        try:
            terms = [user_bound(problem, task) for task in tasks_of(0, claim, box, problem)]
            return claim_bound(problem, claim, box, terms)
        except REFUSED:
            return np.inf


TIGHT = (1.0 - 1e-6, 1.0 + 1e-6)


def around(name: str) -> tuple[Case, LeafClaim, Region, float]:
    """A claim of a narrow box of deadlines that holds the known allocation."""
    one = case(name)
    claim, bound = Solver(one.scenario, one.allocation).claim(TIGHT, tolerance=1e-5)
    assert isinstance(claim, LeafClaim)
    return one, claim, box_of(one, *TIGHT), bound


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_changed_number_of_a_claim_proves_nothing_below_the_known_ratio(name: str) -> None:
    one, claim, box, bound = around(name)
    assert one.known <= alone(one.scenario, one.certificate, claim, box) <= bound * (1 + 1e-6)
    rng = np.random.default_rng(0)
    factors = (0.0, 0.5, 0.99, 1.01, 2.0, 1e-9, 1e9, 5e-324, 1e300)
    accepted = 0
    for _ in range(40):
        name = rng.choice(["ratio", "prices", "delay_price", "leaves", "leaves", "leaf_count"])
        value = np.array(getattr(claim, name))
        index = tuple(rng.integers(size) for size in value.shape)
        if name == "leaf_count":
            value[index] += rng.choice([-1, 1])
        else:
            value[index] = value[index] * rng.choice(factors) if rng.uniform() < 0.8 else rng.normal()
        try:
            forged = dataclasses.replace(claim, **{name: value})
        except CertificateError:
            continue
        found = alone(one.scenario, one.certificate, forged, box)
        assert found >= one.known
        accepted += found < np.inf
    assert accepted > 5


@pytest.mark.parametrize("name", ["2x2", "3x1"])
def test_a_changed_number_of_a_file_proves_nothing_below_the_known_ratio(name: str) -> None:
    one = case(name)
    arrays = one.certificate.to_arrays()
    rng = np.random.default_rng(1)
    for key in (*arrays, *["node_kind", "node_value"] * 5):
        if arrays[key].size == 0 or arrays[key].dtype.kind == "U":
            continue
        for _ in range(3):
            value = arrays[key].copy()
            index = tuple(rng.integers(size) for size in value.shape)
            if value.dtype.kind == "f":
                odd = rng.choice([np.nan, np.inf, -np.inf, 5e-324])
                value[index] = odd if rng.uniform() < 0.3 else value[index] * rng.choice([0.0, 0.5, 2.0, -1.0, 1e-300])
            else:
                value[index] += rng.choice([-1, 1, 2])
            try:
                forged = changed(one.certificate, key, value)
            except CertificateError:
                continue
            assert proven(one.scenario, forged) >= one.known


# -- forgers ----------------------------------------------------------------------------------


def test_a_lower_stated_bound_is_refused() -> None:
    one = case("2x2")
    found = verify(one.scenario, one.certificate).bound
    with pytest.raises(UnprovenError, match=r"proves .* stated is"):
        verify(one.scenario, dataclasses.replace(one.certificate, bound=found * (1 - 1e-12)))
    verify(one.scenario, dataclasses.replace(one.certificate, bound=found))


def test_another_scenario_is_refused() -> None:
    one = case("2x2")
    with pytest.raises(CertificateError, match="scenario_sha256"):
        verify(Scenario.random(2, 2, 99), one.certificate)
    forged = dataclasses.replace(one.certificate, scenario_sha256=case("3x1").scenario.sha256)
    with pytest.raises(CertificateError, match=r"claim_leaf_count.*expected \(3, 1\)"):
        verify(case("3x1").scenario, forged)


FORGED: dict[str, Callable[[LeafClaim], dict[str, Any]]] = {
    "lower ratio": lambda claim: {"ratio": 0.5 * claim.ratio},
    "no ratio": lambda claim: {"ratio": 0.0},
    "dear deadlines": lambda claim: {"delay_price": claim.delay_price + 10.0},
    "one dear deadline": lambda claim: {"delay_price": claim.delay_price + 100.0 * np.eye(len(claim.delay_price))[0]},
    "free deadlines": lambda claim: {"delay_price": -claim.delay_price},
    "no prices": lambda claim: {"prices": 0.0 * claim.prices},
    "high prices": lambda claim: {"prices": 10.0 * claim.prices},
    "no SNR": lambda claim: {"leaves": cut(claim, 1, 0.5)},
    "half of phi": lambda claim: {"leaves": cut(claim, 3, 0.5)},
    "only phi = 1": lambda claim: {"leaves": put(claim, 2, 1.0)},
    "no cells at all": lambda claim: {
        "leaf_count": 0 * claim.leaf_count,
        "leaves": claim.leaves[:0],
        "early": claim.early[:0],
    },
    "pairs swapped": lambda claim: {"leaf_count": claim.leaf_count[::-1], "leaves": claim.leaves[::-1]},
    "no price of delay": lambda claim: {"leaves": put(claim, 4, 0.0)},
    "huge price of delay": lambda claim: {"leaves": put(claim, 4, 1e200)},
    "tiny price of the score": lambda claim: {"leaves": put(claim, 5, 5e-324)},
    "huge price of the score": lambda claim: {"leaves": put(claim, 6, 1e300)},
    "huge price of full power": lambda claim: {"leaves": put(claim, 7, 1e300)},
    "points, not cells": lambda claim: {"leaves": np.column_stack([claim.leaves[:, [1, 1]], claim.leaves[:, 2:]])},
}  # fmt: skip


def put(claim: LeafClaim, column: int, value: float) -> np.ndarray:
    leaves = claim.leaves.copy()
    leaves[:, column] = value
    if column == 2:
        leaves[:, 3] = value
    return leaves


def cut(claim: LeafClaim, column: int, part: float) -> np.ndarray:
    """Cells that end earlier."""
    leaves = claim.leaves.copy()
    leaves[:, column] = np.maximum(leaves[:, column - 1], part * leaves[:, column])
    return leaves


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_forged_claim_proves_a_bound_below_the_known_ratio(name: str) -> None:
    one, claim, box, _ = around(name)
    for forged in FORGED.values():
        assert alone(one.scenario, one.certificate, dataclasses.replace(claim, **forged(claim)), box) >= one.known


def test_dropped_leaves_and_servers_are_missed() -> None:
    one, claim, box, _ = around("2x2")
    ends = np.cumsum(claim.leaf_count)
    for k in range(len(claim.leaves)):
        count = claim.leaf_count.copy()
        count.flat[np.searchsorted(ends, k, side="right")] -= 1
        forged = dataclasses.replace(
            claim, leaf_count=count, leaves=np.delete(claim.leaves, k, axis=0), early=np.zeros(0, bool)
        )
        assert alone(one.scenario, one.certificate, forged, box) == np.inf


def test_leaves_of_a_pair_that_the_box_forbids_are_refused() -> None:
    one, claim, box, _ = around("2x2")
    problem = StatedProblem(one.scenario, one.certificate)
    allowed = box.allowed.copy()
    allowed[0, 0] = False
    with pytest.raises(CertificateError, match="does not allow the pair"):
        list(tasks_of(0, claim, dataclasses.replace(box, allowed=allowed), problem))


TREES: dict[str, Callable[[Any], Any]] = {
    "empty root": lambda root: Empty(),
    "late root": lambda root: Late(),
    "late from the start": lambda root: ByDeadline(5e-324, Empty(), Late()),
    "empty for long": lambda root: ByDeadline(1e6, Empty(), Late()),
    "claim without end": lambda root: first_claim(root),
    "claim from zero": lambda root: ByDeadline(1e3, first_claim(root), Late()),
    "claim for another interval": lambda root: ByDeadline(1.0, first_claim(root), last_claim(root)),
    "children swapped": lambda root: dataclasses.replace(root, below=root.above, above=root.below),
    "cut outside": lambda root: ByDeadline(-1.0, root, root),
    "cut at infinity": lambda root: ByDeadline(np.inf, root, Late()),
    "cut at NaN": lambda root: ByDeadline(np.nan, Late(), Late()),
    "phi beyond one": lambda root: ByOffload(0, 1.5, root, Empty()),
    "phi below zero": lambda root: ByOffload(0, -0.5, Empty(), root),
    "all of phi empty": lambda root: ByOffload(0, 1.0, Empty(), Empty()),
    "half of phi empty": lambda root: ByOffload(0, 0.5, Empty(), Empty()),
    "no such user": lambda root: ByOffload(7, 0.5, root, root),
    "negative user": lambda root: ByServers(-1, [True, False], root, root),
    "servers left out": lambda root: ByServers(0, [True, True], Empty(), Empty()),
    "wrong mask": lambda root: ByServers(0, [True], root, Empty()),
}


def first_claim(root: Any) -> LeafClaim:
    while not isinstance(root, LeafClaim):
        root = root.below if not isinstance(root.below, Empty) else root.above
    return root


def last_claim(root: Any) -> LeafClaim:
    while not isinstance(root, LeafClaim):
        root = root.above if not isinstance(root.above, Late) else root.below
    return root


@pytest.mark.parametrize("kind", TREES)
def test_no_forged_tree_proves_a_bound_below_the_known_ratio(kind: str) -> None:
    one = case("2x2")
    forged = dataclasses.replace(one.certificate, root=TREES[kind](one.certificate.root))
    assert proven(one.scenario, forged) >= one.known


def test_a_server_that_is_not_allowed_needs_no_proof_but_its_complement_does() -> None:
    one = case("2x2")
    solver = Solver(one.scenario, one.allocation)
    inside = np.arange(2) == one.allocation.server[0]
    everything = np.full((2, 2), True)
    everything[0] = inside
    kept, _ = solver.claim(TIGHT, everything)
    here = ByServers(0, inside, kept, Empty())
    with pytest.raises(UnprovenError, match=r"empty.*servers of 1 users"):
        verify(one.scenario, solver.certificate(ByDeadline(TIGHT[1], here, Late()), 1e300))


# -- in a check -------------------------------------------------------------------------------


def result_with(one: Case, bound: float) -> dict[str, Any]:
    """A result of the known allocation that claims a bound."""
    document = dashf_pyomo.solve(one.scenario, "dashf").to_dict()
    gap = (bound - document["scr"]) / bound
    claimed = {"upper_bound": bound, "bound": bound, "gap": gap}
    return document | {"method": "minlp", "bound_source": "these tests", **claimed}


def test_a_check_with_a_certificate_checks_the_bound() -> None:
    one = case("3x1")
    bound = verify(one.scenario, one.certificate).bound

    def finding(stated: float, certificate: Certificate | None) -> Any:
        document = result_with(one, stated)
        return next(f for f in check(one.scenario, document, certificate=certificate) if f.claim == "upper bound")

    assert finding(bound, None).holds and not finding(bound, None).checked
    good = finding(bound, one.certificate)
    assert good.holds and good.checked
    low = finding(bound * (1 - 1e-9), one.certificate)
    assert not low.holds and f"{bound:.9g}" in low.detail
    other = finding(bound, case("2x2").certificate)
    assert not other.holds and "scenario_sha256" in other.detail


def test_a_certificate_is_checked_whatever_the_result_claims(tmp_path: Path) -> None:
    one, two = case("3x1"), case("2x2")
    result = dashf_pyomo.solve(one.scenario, "nearest")
    for name, certificate in (("own", one.certificate), ("other", two.certificate)):
        certificate.write(tmp_path / f"{name}.npz")
    one.scenario.write(tmp_path / "s.json")
    result.write(tmp_path / "r.json")
    command = ["check", str(tmp_path / "s.json"), str(tmp_path / "r.json"), "--certificate"]
    assert main([*command, str(tmp_path / "own.npz")]) == 0
    assert main([*command, str(tmp_path / "other.npz")]) == 1

    def finding(certificate: Certificate) -> Any:
        found = check(one.scenario, result.to_dict(), certificate=certificate)
        return next(finding for finding in found if finding.claim == "certificate")

    assert finding(one.certificate).holds and "for the scenario" in finding(one.certificate).detail
    assert not finding(two.certificate).holds and "scenario_sha256" in finding(two.certificate).detail
