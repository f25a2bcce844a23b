"""Verifying a certificate: every leaf of its tree, in ball arithmetic.

*Claim*: see `claims`. *Late*: with deadlines from t0 on, the score is at most S (see `pairs.most_score`), and the cost
at least omega t0. *Empty*: a user cannot meet the longest deadline at any allowed server, alone and with all
resources. An allocation with an infinite delay has an SCR of zero, so no bound below zero is ever reported.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from formulations import Scenario

from .balls import PRECISION, above, ball, flint
from .claims import UnprovenError, UserTask, claim_bound, tasks_of, user_bound
from .format import Certificate
from .nodes import CertificateError, Empty, Late, LeafClaim, Region, leaf_boxes
from .scaled_pair import ScaledPair, Units, least_delay, most_score

__all__ = ["UnprovenError", "Verified", "verify"]

#: Told about users of claims that are done, and all of them.
Observer = Callable[[int, int], None]


@dataclass(frozen=True)
class Verified:
    """What a certificate proves.

    Parameters
    ----------
    bound
        Proven upper bound on the SCR, SI units, at most the stated one.
    nodes, leaves
        Numbers of leaves of the tree, and of leaves of pairs in them.
    seconds
        Time it took.
    """

    bound: float
    nodes: int
    leaves: int
    seconds: float


def verify(
    scenario: Scenario, certificate: Certificate, progress: Observer | None = None, workers: int = 1
) -> Verified:
    """Verify a certificate, slowly and rigorously.

    Parameters
    ----------
    scenario
        The scenario that it is for.
    certificate
        What is claimed.
    progress
        Called with the number of users of claims done and their total.
    workers
        Processes to spread the claims over. With more than one, a script needs the usual guard of its main part.

    Raises
    ------
    CertificateError
        If it is for another scenario, or its shapes or splits do not fit.
    UnprovenError
        If it does not prove its stated bound.
    BackendError
        If python-flint is not installed.
    """
    started = time.monotonic()
    if certificate.scenario_sha256 != scenario.sha256:
        raise CertificateError(
            f"scenario_sha256 = {certificate.scenario_sha256[:16]!r}...; expected {scenario.sha256[:16]!r}..."
        )
    root = Region.root(scenario.allowed)  # other extra constraints only shrink what is to be bounded
    parts = list(leaf_boxes(certificate.root, root))
    claims = [(node, box) for node, box in parts if isinstance(node, LeafClaim)]
    tasks = [task for index, (claim, box) in enumerate(claims) for task in tasks_of(index, claim, box)]
    worst = 0.0
    with flint().ctx.workprec(PRECISION):
        units = Units.of(scenario, certificate.time_unit, certificate.cost_unit)
        score = most_score(scenario)
        for node, box in parts:
            if isinstance(node, Empty):
                _check_empty(scenario, units, box)
            elif isinstance(node, Late):
                bound = above(score / (units.time_weight * ball(box.t0)) * units.scr) if box.t0 > 0.0 else math.inf
                worst = _worse(worst, bound, certificate, f"late from {box}")
        terms = [[-math.inf] * scenario.n_users for _ in claims]
        for done, (task, term) in enumerate(_terms(scenario, certificate, tasks, workers), 1):
            terms[task.claim][task.user] = term
            if progress is not None:
                progress(done, len(tasks))
        for (claim, box), users in zip(claims, terms, strict=True):
            worst = _worse(worst, claim_bound(claim, box, units, users), certificate, f"claim for {box}")
    leaves = sum(len(claim.leaves) for claim, _ in claims)
    return Verified(worst, len(parts), leaves, time.monotonic() - started)


def _worse(worst: float, bound: float, certificate: Certificate, where: str) -> float:
    if not bound <= certificate.upper_bound:
        raise UnprovenError(f"{where}: proves {bound!r}, stated is {certificate.upper_bound!r}")
    return max(worst, bound)


def _check_empty(scenario: Scenario, units: Units, box: Region) -> None:
    for n in range(scenario.n_users):
        if all(_too_slow(ScaledPair.of(scenario, n, int(m), units), box, n) for m in np.flatnonzero(box.allowed[n])):
            return
    raise UnprovenError(f"empty for {box}: every user meets the longest deadline alone")


def _too_slow(pair: ScaledPair, box: Region, n: int) -> bool:
    ends = float(box.offload[n, 0]), float(box.offload[n, 1])
    return bool(least_delay(pair, ball(1.0), None, ends) > ball(box.t1))


def _terms(
    scenario: Scenario, certificate: Certificate, tasks: list[UserTask], workers: int
) -> Iterator[tuple[UserTask, float]]:
    """Yield each task with its term; the first that cannot be proven raises `UnprovenError`."""
    given = scenario, certificate.time_unit, certificate.cost_unit
    if workers <= 1 or len(tasks) < 2:
        for task in tasks:
            yield task, user_bound(*given, task)
        return
    # Fresh processes: a fork of a process with threads may hang.
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, given) as pool:
        try:
            chunk = max(1, len(tasks) // (8 * workers))
            yield from zip(tasks, pool.map(_term_here, tasks, chunksize=chunk), strict=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


#: What a worker process works on: scenario, time unit, cost unit.
_given: tuple[Scenario, float, float] | None = None


def _start(scenario: Scenario, time_unit: float, cost_unit: float) -> None:
    global _given
    _given = scenario, time_unit, cost_unit


def _term_here(task: UserTask) -> float:
    assert _given is not None
    return user_bound(*_given, task)
