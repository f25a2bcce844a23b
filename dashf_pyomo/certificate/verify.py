"""Verifying a certificate: every leaf of its tree, with balls.

*A claim* in a box: let y >= 0, lambda >= 0, and any rho, and an allocation of the box with delay T in [t0, t1], scaled
score V and cost K = omega T + sum of energies. Budgets hold, so sum lambda - sum_n lambda_m(n) . z_n >= 0, and each
user's delay is at most T, so its score - lambda . z - y energy - rho_n T is at most h_nm, the maximum that `cellbound`
bounds::

    V - y K <= D = sum lambda + sum_n max over allowed m of h_nm + max over T in {t0, t1} of (sum rho - y omega) T

If D <= 0, V / K <= y. Otherwise V / K <= y + D / K <= y + D / (omega t0), which is infinite for t0 = 0. A user
with no pair that meets t1 makes the box empty. For each pair, the cells cover [0, x] x [phi range] for some x, and
where the SNR exceeds x the share of bandwidth is below cd / x (as pi <= 1), which does not suffice for t1; without
bandwidth there is no finite delay at all.

*Late*: V <= S (see `pairs.most_score`) and K >= omega t0. *Empty*: a user cannot meet t1 at any allowed server.
An allocation with an infinite delay has an SCR of zero, so no bound below zero is ever reported.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from formulations import Scenario

from .balls import PRECISION, above, ball, flint
from .cellbound import Priced, cell_bound
from .cover import covers
from .format import Certificate
from .pairs import ScaledPair, Units, least_delay, most_score
from .tree import Box, CertificateError, Claim, Empty, Late, leaf_boxes

__all__ = ["UnprovenError", "Verified", "verify"]

#: Told about users of claims that are done, and all of them.
Observer = Callable[[int, int], None]


class UnprovenError(Exception):
    """A certificate does not prove what it states; the message says where and why."""


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


@dataclass(frozen=True, eq=False)
class _Task:
    """One user of one claim: everything that its term of D needs."""

    claim: int
    user: int
    box: tuple[float, float, tuple[float, float]]
    ratio: float
    prices: NDArray[np.float64]
    delay_price: float
    leaves: dict[int, NDArray[np.float64]]


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
    root = Box.root(scenario.n_users, scenario.n_servers)
    parts = list(leaf_boxes(certificate.root, root))
    for node, _ in parts:
        if isinstance(node, Claim) and node.leaf_count.shape != root.allowed.shape:
            raise CertificateError(
                f"claim_leaf_count has shape {node.leaf_count.shape}; expected {root.allowed.shape}, (N, M)"
            )
    claims = [(node, box) for node, box in parts if isinstance(node, Claim)]
    tasks = [task for index, (claim, box) in enumerate(claims) for task in _tasks(index, claim, box)]
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
            worst = _worse(worst, _claim_bound(claim, box, units, users), certificate, f"claim for {box}")
    leaves = sum(len(claim.leaves) for claim, _ in claims)
    return Verified(worst, len(parts), leaves, time.monotonic() - started)


def _worse(worst: float, bound: float, certificate: Certificate, where: str) -> float:
    if not bound <= certificate.upper_bound:
        raise UnprovenError(f"{where}: proves {bound!r}, stated is {certificate.upper_bound!r}")
    return max(worst, bound)


def _check_empty(scenario: Scenario, units: Units, box: Box) -> None:
    for n in range(scenario.n_users):
        if all(_too_slow(ScaledPair.of(scenario, n, int(m), units), box, n) for m in np.flatnonzero(box.allowed[n])):
            return
    raise UnprovenError(f"empty for {box}: every user meets the longest deadline alone")


def _too_slow(pair: ScaledPair, box: Box, n: int) -> bool:
    ends = float(box.offload[n, 0]), float(box.offload[n, 1])
    return bool(least_delay(pair, ball(1.0), None, ends) > ball(box.t1))


# -- claims -----------------------------------------------------------------------------------


def _tasks(index: int, claim: Claim, box: Box) -> Iterator[_Task]:
    if not math.isfinite(box.t1):
        raise UnprovenError(f"claim for {box}: the longest deadline is infinite; only a late node proves that")
    closed = (claim.leaf_count > 0) & ~box.allowed
    if np.any(closed):
        n, m = np.argwhere(closed)[0]
        raise CertificateError(f"claim_leaf_count[{index}][{n}][{m}] > 0; expected 0, the box does not allow the pair")
    ends = np.cumsum(claim.leaf_count)
    starts = (ends - claim.leaf_count.ravel()).reshape(claim.leaf_count.shape)
    for n in range(len(claim.delay_price)):
        leaves = {
            int(m): claim.leaves[starts[n, m] : starts[n, m] + claim.leaf_count[n, m]]
            for m in np.flatnonzero(box.allowed[n])
        }
        offload = float(box.offload[n, 0]), float(box.offload[n, 1])
        yield _Task(index, n, (box.t0, box.t1, offload), claim.ratio, claim.prices, float(claim.delay_price[n]), leaves)


def _claim_bound(claim: Claim, box: Box, units: Units, users: list[float]) -> float:
    """Return a bound on the SCR in the box, SI units; minus infinity if it is empty."""
    if -math.inf in users:
        return -math.inf
    if math.inf in users:
        return math.inf
    ratio = ball(claim.ratio)
    charged = sum(map(ball, claim.delay_price.tolist()), ball(0.0)) - ratio * units.time_weight
    total = sum(map(ball, claim.prices.ravel().tolist()), sum(map(ball, users), ball(0.0)))
    total += (charged * ball(box.t0)).max(charged * ball(box.t1))
    if total <= 0:
        return above(ratio * units.scr)
    if box.t0 <= 0.0:
        return math.inf
    return above((ratio + total / (units.time_weight * ball(box.t0))) * units.scr)


def _terms(
    scenario: Scenario, certificate: Certificate, tasks: list[_Task], workers: int
) -> Iterator[tuple[_Task, float]]:
    """Yield each task with its term; the first that cannot be proven raises `UnprovenError`."""
    given = scenario, certificate.time_unit, certificate.cost_unit
    if workers <= 1 or len(tasks) < 2:
        for task in tasks:
            yield task, _term(*given, task)
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


def _term_here(task: _Task) -> float:
    assert _given is not None
    return _term(*_given, task)


def _term(scenario: Scenario, time_unit: float, cost_unit: float, task: _Task) -> float:
    """Return a number above the largest h of a user over its servers; minus infinity if none meets t1."""
    with flint().ctx.workprec(PRECISION):
        units = Units.of(scenario, time_unit, cost_unit)
        return max((_pair_bound(scenario, units, task, m) for m in task.leaves), default=-math.inf)


def _pair_bound(scenario: Scenario, units: Units, task: _Task, m: int) -> float:
    t0, t1, offload = task.box
    pair, leaves = ScaledPair.of(scenario, task.user, m, units), task.leaves[m]
    if least_delay(pair, ball(1.0), None, offload) > ball(t1):
        return -math.inf
    where = f"claim {task.claim}, user {task.user}, server {m}"
    if not len(leaves):
        raise UnprovenError(f"{where}: has no leaves, and may meet the longest deadline {t1!r}")
    top = float(leaves[:, 1].max())
    b0 = (pair.cd / ball(top)).min(ball(1.0))
    if not least_delay(pair, b0, None, offload) > ball(t1):
        raise UnprovenError(f"{where}: its leaves end at the SNR {top!r}; larger ones may meet the longest deadline")
    if not covers(leaves[:, :4], top, offload):
        raise UnprovenError(
            f"{where}: its leaves do not cover SNR 0 to {top!r} and phi {offload[0]!r} to {offload[1]!r}"
        )
    ratio, (lb, lp, ls) = ball(task.ratio), (ball(price) for price in task.prices[m])
    data = replace(pair, e1=ratio * pair.e1, e2=ratio * pair.e2, e3=ratio * pair.e3, e4=ratio * pair.e4)
    priced = Priced(data, ball(scenario.score_norm), (lb, lp, ls), ball(task.delay_price), t0, t1, b0)
    worst = -math.inf
    for leaf in leaves.tolist():
        bound = cell_bound(priced, leaf)
        if bound is not None:
            worst = max(worst, above(bound))
    return worst
