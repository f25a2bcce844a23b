"""Boxes of allocations, the cuts that branching makes, and what is known of a box."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .prices import Prices

__all__ = ["NARROW", "Bounded", "Box", "CostCut", "Cut", "DeadlineCut", "OffloadCut", "ServerCut"]

Mask = NDArray[np.bool_]

#: An interval of deadlines whose ends differ by less, relative, is not cut any more.
NARROW = 1e-3


@dataclass(frozen=True, eq=False)
class Box:
    """A set of allocations: the part of the problem that a bound is about.

    Parameters
    ----------
    interval
        Shortest and longest deadline, time units: the largest delay, or delays where the largest does not count.
    allowed
        Pairs that may be connected, shape (N, M).
    offload
        Range of phi of every user, shape (N, 2).
    cost
        Range of what every user costs by itself, scaled, shape (N, 2); None where that is not cut.
    """

    interval: tuple[float, float]
    allowed: Mask
    offload: NDArray[np.float64]
    cost: NDArray[np.float64] | None = None

    @classmethod
    def whole(cls, interval: tuple[float, float], allowed: Mask, offload: NDArray[np.float64] | None = None) -> Box:
        """Return the box of all phi, or of those in a range, shape (N, 2)."""
        return cls(interval, allowed, np.tile([0.0, 1.0], (len(allowed), 1)) if offload is None else offload)

    def between(self, low: float, high: float) -> Box:
        """Return the part with delays from `low` to `high`."""
        return replace(self, interval=(low, high))


@dataclass(frozen=True)
class DeadlineCut:
    """A cut at a deadline."""

    at: float

    def __call__(self, box: Box) -> tuple[Box, Box]:
        """Return both parts of a box."""
        low, high = box.interval
        return box.between(low, self.at), box.between(self.at, high)

    def __str__(self) -> str:
        return f"deadline {self.at:.4g}"


@dataclass(frozen=True, eq=False)
class ServerCut:
    """A cut between the servers of a user in a mask, shape (M,), and the rest."""

    user: int
    servers: Mask

    def __call__(self, box: Box) -> tuple[Box, Box]:
        """Return both parts of a box."""
        inside, outside = box.allowed.copy(), box.allowed.copy()
        inside[self.user] &= self.servers
        outside[self.user] &= ~self.servers
        return replace(box, allowed=inside), replace(box, allowed=outside)

    def __str__(self) -> str:
        return f"server of user {self.user}"


@dataclass(frozen=True)
class OffloadCut:
    """A cut at phi of a user; the heavier part of its mixture is below (0) or above (1)."""

    user: int
    at: float
    heavier: int = 0

    def __call__(self, box: Box) -> tuple[Box, Box]:
        """Return both parts of a box."""
        below, above = box.offload.copy(), box.offload.copy()
        below[self.user, 1] = above[self.user, 0] = self.at
        return replace(box, offload=below), replace(box, offload=above)

    def __str__(self) -> str:
        return f"phi of user {self.user} at {self.at:.3g}"


@dataclass(frozen=True)
class CostCut:
    """A cut at what a user costs by itself."""

    user: int
    at: float

    def __call__(self, box: Box) -> tuple[Box, Box]:
        """Return both parts of a box."""
        below = np.tile([0.0, np.inf], (len(box.allowed), 1)) if box.cost is None else box.cost.copy()
        above = below.copy()
        below[self.user, 1] = above[self.user, 0] = self.at
        return replace(box, cost=below), replace(box, cost=above)

    def __str__(self) -> str:
        return f"cost of user {self.user} at {self.at:.3g}"


Cut = DeadlineCut | ServerCut | OffloadCut | CostCut


@dataclass(frozen=True, eq=False)
class Bounded:
    """A box with its bound and the solution of its restricted master problem.

    Parameters
    ----------
    bound
        Upper bound on the scaled value of its allocations (minus infinity if it has none).
    value
        Value of the restricted master problem: about what the bound of this box can be at best.
    prices
        Prices at which the bound was taken.
    weights
        Of `members`, in the solution of the linear program; those of each user sum to one; shape (J,).
    members
        Columns of the pool in the restricted master problem, shape (J,).
    rounds
        Rounds of column generation.
    deadline
        Of the solution: the longest mean deadline of a user.
    """

    bound: float
    value: float
    prices: Prices | None
    weights: NDArray[np.float64]
    members: NDArray[np.int64]
    rounds: int
    deadline: float

    @classmethod
    def without_solution(cls, bound: float, prices: Prices | None, rounds: int, deadline: float) -> Bounded:
        """Return what is known of a box whose linear program was not solved, or has nothing to mix."""
        return cls(bound, -np.inf, prices, np.zeros(0), np.zeros(0, np.int64), rounds, deadline)
