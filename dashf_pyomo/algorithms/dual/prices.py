"""Prices of the servers' budgets, of rows and of time, which separate the users."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

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
        rho, at least zero, shape (N,); the sum is y omega_t where the cost has the largest delay, and each is
        y omega_t times what the user's delay counts where it has their mean or sum.
    rows
        kappa, at least zero, of the rows of `CouplingRows`, shape (R,).
    """

    ratio: float
    shares: Array
    delay: Array
    rows: Array = field(default_factory=lambda: np.zeros(0))

    def towards(self, other: Prices, part: float) -> Prices:
        """Return the prices that lie `part` of the way to others."""
        return Prices(
            self.ratio + part * (other.ratio - self.ratio),
            self.shares + part * (other.shares - self.shares),
            self.delay + part * (other.delay - self.delay),
            self.rows + part * (other.rows - self.rows),
        )

    def balanced(self, time_weight: float, counted: Array | None = None) -> Prices:
        """Return the prices with no negative ones and delay prices that fit y omega_t.

        Parameters
        ----------
        time_weight
            omega_t.
        counted
            What every user's delay counts in the cost, shape (N,); None where the largest counts.
        """
        total = self.ratio * time_weight
        kept = replace(self, shares=np.maximum(self.shares, 0.0), rows=np.maximum(self.rows, 0.0))
        if counted is not None:
            return replace(kept, delay=total * counted)
        delay = np.maximum(self.delay, 0.0)
        held = delay.sum()
        return replace(kept, delay=delay * (total / held) if held > 0.0 else np.full_like(delay, total / len(delay)))

    def bound(self, dual_value: float, least_cost: float) -> float:
        """Return the bound on the ratio that D shows: score - y cost <= D gives y + D / least cost."""
        return self.ratio + max(dual_value, 0.0) / least_cost
