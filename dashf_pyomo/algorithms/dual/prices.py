"""Prices of the servers' budgets and of time, which separate the users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Prices"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prices:
    """Prices that separate the users.

    Parameters
    ----------
    ratio
        y, score over cost, scaled.
    shares
        lambda, at least zero, shape (M, 3).
    delay
        rho, at least zero, shape (N,); the sum is y omega_t.
    """

    ratio: float
    shares: Array
    delay: Array

    def towards(self, other: Prices, part: float) -> Prices:
        """Return the prices that lie `part` of the way to others."""
        return Prices(
            self.ratio + part * (other.ratio - self.ratio),
            self.shares + part * (other.shares - self.shares),
            self.delay + part * (other.delay - self.delay),
        )

    def balanced(self, time_weight: float) -> Prices:
        """Return the prices with no negative ones and delay prices that sum to y omega_t."""
        total = self.ratio * time_weight
        delay = np.maximum(self.delay, 0.0)
        held = delay.sum()
        delay = delay * (total / held) if held > 0.0 else np.full_like(delay, total / len(delay))
        return Prices(self.ratio, np.maximum(self.shares, 0.0), delay)

    def bound(self, dual_value: float, time_weight: float, shortest: float) -> float:
        """Return the bound that D shows: as cost >= omega_t T0, score - y cost <= D gives y + D / (omega_t T0)."""
        return self.ratio + max(dual_value, 0.0) / (time_weight * shortest)
