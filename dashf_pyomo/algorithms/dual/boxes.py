"""Boxes of allocations, and the cuts that branching makes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "Cut", "DeadlineCut", "OffloadCut", "ServerCut"]

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Box:
    """A set of allocations: the part of the problem that a bound is about.

    Parameters
    ----------
    interval
        Shortest and longest delay, time units.
    allowed
        Pairs that may be connected, shape (N, M).
    offload
        Range of phi of every user, shape (N, 2).
    """

    interval: tuple[float, float]
    allowed: Mask
    offload: NDArray[np.float64]

    @classmethod
    def whole(cls, interval: tuple[float, float], allowed: Mask) -> Box:
        """Return the box of all phi."""
        return cls(interval, allowed, np.tile([0.0, 1.0], (len(allowed), 1)))

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


Cut = DeadlineCut | ServerCut | OffloadCut
