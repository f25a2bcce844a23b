"""The service score (1) of a user, in every language: varpi_1 g(varpi_2 s) of its shares s = beta + pi + psi.

The paper's g is ln(1 + t). What else is known is in `SCORES`; `declare` adds to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .lazy import lazy

cp: Any = lazy("cvxpy")
pyo: Any = lazy("pyomo.environ")

__all__ = ["LOG", "MOST_SHARES", "SCORES", "Score", "ScoreFunction", "declare"]

Array = NDArray[np.float64]
Values = float | Array

#: Most shares of a user: the whole bandwidth, power and speed of its server.
MOST_SHARES = 3.0


@dataclass(frozen=True)
class ScoreFunction:
    """A concave, increasing function g of t >= 0 with g(0) = 0, by value, slope and conjugate, and in every language.

    Parameters
    ----------
    name
        Its name in scenario files.
    value, slope, bend
        g, its derivative, and minus its second derivative, of arrays.
    conjugate
        max over 0 <= t <= most of g(t) - tau t, of arrays tau and a number most.
    in_pyomo, in_cvxpy
        g as an expression of a Pyomo expression, and of a CVXPY one, elementwise and by its own rules concave.
    in_smooth_cvxpy
        Likewise in atoms that CVXPY's nonlinear solvers know; `in_cvxpy` by default.
    """

    name: str
    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    bend: Callable[[Array], Array]
    conjugate: Callable[[Array, float], Array]
    in_pyomo: Callable[[Any], Any]
    in_cvxpy: Callable[[Any], Any]
    in_smooth_cvxpy: Callable[[Any], Any] | None = None


def _log_conjugate(tau: Array, most: float) -> Array:
    with np.errstate(divide="ignore", over="ignore"):
        at = np.clip(1.0 / tau - 1.0, 0.0, most)
    return np.log1p(at) - tau * at


def _root_conjugate(tau: Array, most: float) -> Array:
    with np.errstate(divide="ignore", over="ignore"):
        at = np.clip(0.25 / tau**2, 0.0, most)
    at = np.where(tau > 0.0, at, most)
    return np.sqrt(at) - tau * at


#: The paper's.
LOG = ScoreFunction(
    name="log",
    value=np.log1p,
    slope=lambda t: 1.0 / (1.0 + t),
    bend=lambda t: (1.0 / (1.0 + t)) ** 2,
    conjugate=lambda tau, most: _log_conjugate(np.asarray(tau, dtype=np.float64), most),
    in_pyomo=lambda t: pyo.log(1 + t),
    in_cvxpy=lambda t: cp.log1p(t),
    in_smooth_cvxpy=lambda t: cp.log(1 + t),
)

#: Every score function by name.
SCORES: dict[str, ScoreFunction] = {LOG.name: LOG}


def declare(function: ScoreFunction) -> ScoreFunction:
    """Add a score function; the same one again changes nothing.

    Raises
    ------
    ValueError
        If another one has its name.
    """
    if SCORES.setdefault(function.name, function) is not function:
        raise ValueError(f"score {function.name!r} is declared already, otherwise; expected another name")
    return function


declare(
    ScoreFunction(
        name="sqrt",
        value=np.sqrt,
        slope=lambda t: 0.5 / np.sqrt(t),
        bend=lambda t: 0.25 * t**-1.5,
        conjugate=lambda tau, most: _root_conjugate(np.asarray(tau, dtype=np.float64), most),
        in_pyomo=lambda t: pyo.sqrt(t),
        in_cvxpy=lambda t: cp.sqrt(t),
    )
)
declare(
    ScoreFunction(
        name="linear",
        value=np.positive,
        slope=np.ones_like,
        bend=np.zeros_like,
        conjugate=lambda tau, most: most * np.maximum(1.0 - np.asarray(tau, dtype=np.float64), 0.0),
        in_pyomo=lambda t: t,
        in_cvxpy=lambda t: t,
    )
)


@dataclass(frozen=True)
class Score:
    """The score of a user as a function of its shares, concave and increasing.

    All but `value` leave varpi_1 out, which the formulations take as the unit of the score.

    Parameters
    ----------
    scale, norm
        varpi_1, varpi_2.
    function
        g.
    """

    scale: float
    norm: float
    function: ScoreFunction = LOG

    def value(self, bandwidth_share: Values, power_share: Values, speed_share: Values) -> Array:
        """Return v_n of b_nm/b_max, p_nm/p_max^(m) and F_nm/F_max^(m), which broadcast."""
        with np.errstate(over="ignore", under="ignore"):
            shares = np.asarray(bandwidth_share, dtype=np.float64) + power_share + speed_share
            return self.scale * self.of(shares)

    def of(self, shares: Values) -> Array:
        """Return g(varpi_2 s)."""
        return self.function.value(self.norm * np.asarray(shares, dtype=np.float64))

    def slope(self, shares: Values) -> Array:
        """Return the derivative of `of`."""
        return self.norm * self.function.slope(self.norm * np.asarray(shares, dtype=np.float64))

    def bend(self, shares: Values) -> Array:
        """Return minus the second derivative of `of`."""
        return self.norm**2 * self.function.bend(self.norm * np.asarray(shares, dtype=np.float64))

    def conjugate(self, price: Values) -> Array:
        """Return the largest `of` less price times s, over the shares that one user may have."""
        scaled = np.asarray(price, dtype=np.float64) / self.norm
        return self.function.conjugate(scaled, self.norm * MOST_SHARES)

    @property
    def largest(self) -> float:
        """The score of a user with all of its server."""
        return float(self.of(MOST_SHARES))

    def largest_total(self, n_users: int, n_servers: int) -> float:
        """Return a bound on the total score: with k users at a server it is at most k g(3 varpi_2 / k).

        That is increasing and concave in k, so the users are spread evenly at best.
        """
        low, extra = divmod(n_users, n_servers)
        loads = [(low + 1, extra), (low, n_servers - extra)]
        return float(sum(count * k * self.of(MOST_SHARES / k) for k, count in loads if k))

    def in_pyomo(self, shares: Any) -> Any:
        """Return `of` as a Pyomo expression."""
        return self.function.in_pyomo(self.norm * shares)

    def in_cvxpy(self, shares: Any) -> Any:
        """Return `of` as a CVXPY expression, elementwise."""
        return self.function.in_cvxpy(self.norm * shares)

    def in_smooth_cvxpy(self, shares: Any) -> Any:
        """Return `of` as a CVXPY expression for its nonlinear solvers, which know no log1p."""
        return (self.function.in_smooth_cvxpy or self.function.in_cvxpy)(self.norm * shares)
