"""Columns: choices of single users, each with its server, shares, energy and delay, whatever interval it came from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["DELAY", "ENERGY", "OFFLOAD", "WIDTH", "ColumnPool"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Entries of a column: shares of bandwidth, power, speed, then phi, user power and speed (fractions), energy, delay.
WIDTH = 8
OFFLOAD, ENERGY, DELAY = 3, 6, 7


class ColumnPool:
    """All columns found so far.

    Attributes
    ----------
    user, server
        Whose they are, shape (J,).
    data
        Their entries, shape (J, 8): shares of bandwidth, power and speed, phi, fractions of the user's caps of power
        and speed, energy (all four, unweighted, in its unit), delay (time units).
    """

    def __init__(self) -> None:
        self.user: Index = np.zeros(0, np.int64)
        self.server: Index = np.zeros(0, np.int64)
        self.data: Array = np.zeros((0, WIDTH))

    def __len__(self) -> int:
        return len(self.user)

    def add(self, user: Index, server: Index, data: Array) -> None:
        """Add columns, those that are not finite left out."""
        good = np.isfinite(data).all(axis=1)
        self.user = np.concatenate([self.user, user[good]])
        self.server = np.concatenate([self.server, server[good]])
        self.data = np.concatenate([self.data, data[good]])

    def adopt(self, other: ColumnPool, members: Index) -> Index:
        """Add columns of another pool, all finite, and return their places here."""
        known = len(self)
        self.add(other.user[members], other.server[members], other.data[members])
        return np.arange(known, len(self))
