"""The service score (1) of a user, in every language: varpi_1 ln(1 + varpi_2 s) of its shares s = beta + pi + psi."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .lazy import lazy

cp: Any = lazy("cvxpy")
pyo: Any = lazy("pyomo.environ")

__all__ = ["Score"]

Array = NDArray[np.float64]
Values = float | Array

#: Most shares of a user: the whole bandwidth, power and speed of its server.
MOST_SHARES = 3.0


@dataclass(frozen=True)
class Score:
    """The score of a user as a function of its shares, concave and increasing.

    All but `value` leave varpi_1 out, which the formulations take as the unit of the score.

    Parameters
    ----------
    scale, norm
        varpi_1, varpi_2.
    """

    scale: float
    norm: float

    def value(self, bandwidth_share: Values, power_share: Values, speed_share: Values) -> Array:
        """Return v_n of b_nm/b_max, p_nm/p_max^(m) and F_nm/F_max^(m), which broadcast."""
        with np.errstate(over="ignore", under="ignore"):
            shares = np.asarray(bandwidth_share, dtype=np.float64) + power_share + speed_share
            return self.scale * self.of(shares)

    def of(self, shares: Values) -> Array:
        """Return ln(1 + varpi_2 s)."""
        return np.log1p(self.norm * np.asarray(shares, dtype=np.float64))

    def slope(self, shares: Values) -> Array:
        """Return the derivative of `of`."""
        return self.norm / (1.0 + self.norm * np.asarray(shares, dtype=np.float64))

    def bend(self, shares: Values) -> Array:
        """Return minus the second derivative of `of`, which for a logarithm is the slope squared."""
        return self.slope(shares) ** 2

    @property
    def largest(self) -> float:
        """The score of a user with all of its server."""
        return float(np.log1p(MOST_SHARES * self.norm))

    def largest_total(self, n_users: int, n_servers: int) -> float:
        """Return a bound on the total score: with k users at a server it is at most k ln(1 + 3 varpi_2 / k).

        That is increasing and concave in k, so the users are spread evenly at best.
        """
        low, extra = divmod(n_users, n_servers)
        loads = [(low + 1, extra), (low, n_servers - extra)]
        return float(sum(count * k * np.log1p(MOST_SHARES * self.norm / k) for k, count in loads if k))

    def in_pyomo(self, shares: Any) -> Any:
        """Return `of` as a Pyomo expression."""
        return pyo.log(1 + self.norm * shares)

    def in_cvxpy(self, shares: Any) -> Any:
        """Return `of` as a CVXPY expression, elementwise."""
        return cp.log1p(self.norm * shares)

    def in_smooth_cvxpy(self, shares: Any) -> Any:
        """Return `of` as a CVXPY expression for its nonlinear solvers, which know no log1p."""
        return cp.log(1 + self.norm * shares)
