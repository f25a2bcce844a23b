"""Branching: which box is cut where, at a deadline, at the servers of a user, or at its phi."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from .bounding import Bounding
from .boxes import NARROW, Bounded, Box, Cut, DeadlineCut, OffloadCut, ServerCut
from .columns import DELAY, ENERGY, OFFLOAD, ColumnPool
from .problem import SeparableProblem
from .settings import Cutoff, above
from .tree import Node

__all__ = ["Branching", "RootBranching", "TreeBranching", "user_cut"]

Array = NDArray[np.float64]

#: The root is exhausted when cutting deadlines can bring the bound down by no more than this part of the gap.
EXHAUSTED = 0.05

#: Branching cuts deadlines while that can bring a bound down by this part of what it lies above the target.
BY_DEADLINE = 0.3

#: Branching cuts deadlines first where the bound is above the incumbent by this part: LP solutions with deadlines that
#: are further apart than this factor round badly.
FAR, NEARBY = 0.05, 1.1

#: What is farther than this factor, squared, from the best deadline is cut off at this factor.
AROUND = 1.15

#: A user is split when no part of it in the LP solution has all the weight but this.
WHOLE = 1e-3

#: Parts of a user whose phi differ by less are not told apart.
ALIKE = 0.02


@dataclass
class Branching(ABC):
    """A way to choose cuts.

    Parameters
    ----------
    bounding
        Says what cutting deadlines can bring.
    pool
        The columns.
    cutoff
        The incumbent.
    accuracy
        Relative accuracy of the bounds.
    """

    bounding: Bounding
    pool: ColumnPool
    cutoff: Cutoff
    accuracy: float
    #: Why the search stops where there is no cut.
    exhausted: ClassVar[str]

    @abstractmethod
    def cut(self, worst: Node) -> Cut | None:
        """Return where to cut the worst node, or None if nothing is left to cut."""

    def divided(self, parent: Node, children: tuple[Node, ...]) -> None:  # noqa: B027
        """Learn what a cut has brought."""

    def _far_cut(self, box: Box) -> DeadlineCut | None:
        """Return the cut that takes off what is far from the best deadline on one side, or None if nothing is."""
        best = self.bounding.best_deadline
        return None if best is None else far_cut(box, best)

    def _deadline_cut(self, box: Box, narrow: float = NARROW) -> DeadlineCut | None:
        """Return a cut of the deadlines of a box, or None if they are close together, or none counts."""
        return deadline_cut(box, narrow) if self.bounding.has_deadline else None


@dataclass
class RootBranching(Branching):
    """Cuts of deadlines alone, until they bring next to nothing: what is left is the root bound."""

    exhausted: ClassVar[str] = "root bound exhausted"
    _stuck: bool = field(default=False, init=False)

    def cut(self, worst: Node) -> Cut | None:
        """Return a cut of deadlines, or None if that can bring the bound down by next to nothing."""
        if self._stuck:
            return None
        limit = self.bounding.limit(worst)
        little = max(self.accuracy * abs(limit), EXHAUSTED * (worst.bound - self.cutoff.value))
        if worst.bound - limit <= little:
            return None
        return self._far_cut(worst.box) or self._deadline_cut(worst.box)

    def divided(self, parent: Node, children: tuple[Node, ...]) -> None:
        """Remember whether a cut has helped neither part."""
        self._stuck = all(child.bound >= parent.bound for child in children)


@dataclass
class TreeBranching(Branching):
    """Cuts of deadlines if that helps, else of a user that the LP solution splits: branch and price."""

    exhausted: ClassVar[str] = "no box can be cut"

    def cut(self, worst: Node) -> Cut | None:
        """Return the cut of a node, or None if there is nothing to cut in it."""
        by_deadline = self._far_cut(worst.box) or self._deadline_cut(worst.box)
        if by_deadline is not None:
            low, high = worst.box.interval
            if high > NEARBY * low and worst.bound > above(self.cutoff.value, FAR):
                return by_deadline
            target = self.cutoff.target
            gain = worst.bound - max(self.bounding.limit(worst), target)
            if gain > BY_DEADLINE * (worst.bound - target):
                return by_deadline
        by_user = user_cut(self.bounding.problem, worst.box, worst.bounded, self.pool)
        return by_user or self._deadline_cut(worst.box, 1e-9)


def deadline_cut(box: Box, narrow: float = NARROW) -> DeadlineCut | None:
    """Return the cut in the geometric middle of the deadlines, or None if they are close together."""
    low, high = box.interval
    return DeadlineCut(float(np.sqrt(low) * np.sqrt(high))) if high > low * (1.0 + narrow) else None


def far_cut(box: Box, best: float) -> DeadlineCut | None:
    """Return the cut that takes off what is far from the best deadline on one side, or None if nothing is."""
    low, high = box.interval
    if low < best / AROUND**2 and best <= high:
        return DeadlineCut(best / AROUND)
    if high > best * AROUND**2 and low <= best:
        return DeadlineCut(best * AROUND)
    return None


def user_cut(problem: SeparableProblem, box: Box, bounded: Bounded, pool: ColumnPool) -> Cut | None:
    """Return the cut of the user that the LP solution of a box splits most, or None if it splits no user.

    A user counts by how far apart its parts are: the mean distance of its columns from their mean, at their prices.

    Parameters
    ----------
    problem
        The separable problem.
    box
        The box that is cut.
    bounded
        Has the LP solution and its prices.
    pool
        The columns.
    """
    prices, members, weights = bounded.prices, bounded.members, bounded.weights
    if prices is None or not len(members):
        return None
    n, m = box.allowed.shape
    held = weights > 1e-9
    members, weights = members[held], weights[held]
    user, server, data = pool.user[members], pool.server[members], pool.data[members]
    by_server = np.zeros((n, m))
    np.add.at(by_server, (user, server), weights)
    # What a column takes of each budget, of rows at each server, and of cost, at its price.
    taken = np.zeros((len(members), 4 * m + 1))
    for i in range(3):
        taken[np.arange(len(members)), 3 * server + i] = data[:, i] * prices.shares[server, i]
    if len(problem.rows):
        charged = problem.rows.charged(prices.rows, user, server, problem.entries(user, server, data))
        taken[np.arange(len(members)), 3 * m + server] = charged
    taken[:, -1] = prices.ratio * problem.cost_of(user, data[:, ENERGY], data[:, DELAY])
    mean = np.zeros((n, 4 * m + 1))
    np.add.at(mean, user, weights[:, np.newaxis] * taken)
    apart = np.bincount(user, weights * np.abs(taken - mean[user]).sum(axis=1), minlength=n)
    for n_th in np.argsort(-apart).tolist():
        if apart[n_th] <= 0.0:
            return None
        own = weights[user == n_th], data[user == n_th]
        cut = (
            problem.own_cut(n_th, *own, far=True)
            or _cut_of(n_th, by_server[n_th], box, *own)
            or problem.own_cut(n_th, *own, far=False)
        )
        if cut is not None:
            return cut
    return None


def _cut_of(n: int, by_server: Array, box: Box, weights: Array, data: Array) -> Cut | None:
    """Return the cut that takes a user's parts from each other: by server, else by phi."""
    heaviest = int(by_server.argmax())
    if by_server.sum() - by_server[heaviest] > WHOLE:
        return ServerCut(n, np.arange(len(by_server)) == heaviest)
    phi = data[:, OFFLOAD]
    low, high = box.offload[n]
    mean = float(np.average(phi, weights=weights))
    below = float(weights[phi <= mean].sum())
    if np.ptp(phi) < ALIKE or min(below, weights.sum() - below) < WHOLE:
        return None
    width = high - low
    at = float(np.clip(mean, low + 0.1 * width, high - 0.1 * width))
    return OffloadCut(n, at, int(weights[phi > at].sum() > weights[phi <= at].sum()))
