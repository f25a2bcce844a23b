"""Verifying a certificate: every leaf of its tree, in ball arithmetic.

*Claim*: see `claims`. *Late*: what allocations with deadlines from t0 on cost at least, see `stated`. *Empty*: a user
cannot keep the longest deadline and its limits at any allowed server, alone and with all resources. What is proven is
about allocations that keep everything; one with an infinite delay is none, and has an SCR of zero by convention, so no
bound on the SCR below zero is ever reported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np

from formulations import Scenario
from formulations.objective import ObjectiveKind, Sense

from .balls import PRECISION, flint
from .claims import UnprovenError, UserTask, claim_bound, fits_nowhere, tasks_of, user_bound
from .format import Certificate
from .nodes import CertificateError, Empty, Late, LeafClaim, Region, leaf_boxes
from .stated import StatedProblem

__all__ = ["UnprovenError", "Verified", "verify"]

#: Told about users of claims that are done, and all of them.
Observer = Callable[[int, int], None]


@dataclass(frozen=True)
class Verified:
    """What a certificate proves.

    Parameters
    ----------
    bound
        Proven bound on the objective, SI units: an upper one, or a lower one on a cost; at least as good as the stated
        one. Of a scenario without any allocation it is infinite, or zero for the SCR.
    infeasible
        Whether it is proven that there is no allocation.
    nodes, leaves
        Numbers of leaves of the tree, and of leaves of pairs in them.
    seconds
        Time it took.
    """

    bound: float
    infeasible: bool
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
    with flint().ctx.workprec(PRECISION):
        problem = StatedProblem(scenario, certificate)
        parts = list(leaf_boxes(certificate.root, Region.root(scenario.allowed, problem.offload)))
        claims = [(node, box) for node, box in parts if isinstance(node, LeafClaim)]
        tasks = [task for index, (claim, box) in enumerate(claims) for task in tasks_of(index, claim, box, problem)]
        least = 0.0 if scenario.objective.kind is ObjectiveKind.SCR and not certificate.infeasible else -np.inf
        worst = _Worst(certificate, least)
        for node, box in parts:
            if isinstance(node, Empty):
                _check_empty(problem, box)
            elif isinstance(node, Late):
                worst.add(problem.late(box.t0), f"late from {box}")
        terms = [[-np.inf] * scenario.n_users for _ in claims]
        for done, (task, term) in enumerate(_terms(problem, certificate, tasks, workers), 1):
            terms[task.claim][task.user] = term
            if progress is not None:
                progress(done, len(tasks))
        for (claim, box), users in zip(claims, terms, strict=True):
            worst.add(claim_bound(problem, claim, box, users), f"claim for {box}")
        if problem.excludes:  # what was left out is known to be no better than stated, and no more
            worst.add(worst.stated, "what is stated")
    leaves = sum(len(claim.leaves) for claim, _ in claims)
    bound = scenario.objective.worst if certificate.infeasible else worst.sign * worst.value
    return Verified(bound, certificate.infeasible, len(parts), leaves, time.monotonic() - started)


class _Worst:
    """The largest bound so far; that on a cost is counted negative.

    Parameters
    ----------
    certificate
        States what bounds must not exceed.
    value
        To start from.
    """

    def __init__(self, certificate: Certificate, value: float) -> None:
        self.sign = -1.0 if certificate.sense is Sense.MIN else 1.0
        self.value, self.stated = value, self.sign * certificate.bound
        self._infeasible = certificate.infeasible

    def add(self, bound: float, where: str) -> None:
        """Take a bound.

        Raises
        ------
        UnprovenError
            If it is not as good as stated.
        """
        if self._infeasible and not bound == -np.inf:
            raise UnprovenError(f"{where}: may have allocations; stated is that there is none")
        if not bound <= self.stated:
            raise UnprovenError(f"{where}: proves {self.sign * bound!r}, stated is {self.sign * self.stated!r}")
        self.value = max(self.value, bound)


def _check_empty(problem: StatedProblem, box: Region) -> None:
    if not any(fits_nowhere(problem, box, n) for n in range(problem.scenario.n_users)):
        raise UnprovenError(f"empty for {box}: every user meets the longest deadline alone")


def _terms(
    problem: StatedProblem, certificate: Certificate, tasks: list[UserTask], workers: int
) -> Iterator[tuple[UserTask, float]]:
    """Yield each task with its term; the first that cannot be proven raises `UnprovenError`."""
    if workers <= 1 or len(tasks) < 2:
        for task in tasks:
            yield task, user_bound(problem, task)
        return
    given = problem.scenario, replace(certificate, root=Empty())
    # Fresh processes: a fork of a process with threads may hang.
    with ProcessPoolExecutor(workers, get_context("spawn"), _start, given) as pool:
        try:
            chunk = max(1, len(tasks) // (8 * workers))
            yield from zip(tasks, pool.map(_term_here, tasks, chunksize=chunk), strict=True)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


#: What a worker process works on.
_given: StatedProblem | None = None


def _start(scenario: Scenario, certificate: Certificate) -> None:
    global _given
    with flint().ctx.workprec(PRECISION):
        _given = StatedProblem(scenario, certificate)


def _term_here(task: UserTask) -> float:
    assert _given is not None
    return user_bound(_given, task)
