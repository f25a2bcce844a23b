"""Pricing of all pairs: proven upper bounds on their reduced values, and good columns.

The pricing problem is stated by `price_pairs`, its bound derived in `cells`, and the search is in `tree`. The first
call on a machine compiles for about half a minute; numba keeps the result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...interrupts import held_back
from .link import make_pair
from .tree import TREE_WIDTH, price, prove

__all__ = ["COLUMN", "LEAF", "PricingResult", "price_pairs", "prove_pair", "search_pairs"]

Array = NDArray[np.float64]

#: What the entries of a column are; energy in cost units, delay and deadline in time units.
COLUMN = ("bandwidth", "power", "speed", "offload", "user_power", "user_speed", "energy", "delay", "deadline")

#: What the entries of a leaf are.
LEAF = ("snr_low", "snr_high", "offload_low", "offload_high", "m", "tau_low", "tau_high", "bound", "nu_low", "nu_high")


@dataclass(frozen=True)
class PricingResult:
    """Bounds and columns of K pairs.

    Parameters
    ----------
    upper
        Proven upper bounds on h, in scores over the score scale, shape (K,); minus infinity for a pair that cannot
        meet the deadline, infinity where nothing was asked to be proven.
    lower
        Values of the best columns found, shape (K,).
    columns
        Entries of `COLUMN` of the best columns, shape (K, 9); NaN where there is none.
    cells
        Numbers of cells bounded, shape (K,).
    """

    upper: Array
    lower: Array
    columns: Array
    cells: NDArray[np.int64]


def price_pairs(
    coefficients: Array,
    norm: float,
    prices: Array,
    ratio: float,
    interval: tuple[float, float],
    delay_price: ArrayLike,
    *,
    offload: ArrayLike = (0.0, 1.0),
    tolerance: ArrayLike = 1e-4,
    need: ArrayLike = -np.inf,
    max_cells: int = 1000,
    hints: Array | None = None,
) -> PricingResult:
    """Bound the pricing problem of every pair from above, with proof, and from below, by a column.

    The pricing problem of a pair is::

        h = max  ln(1 + norm (b + pi + psi)) - prices . (b, pi, psi) - ratio energy - delay_price T
            over T in the interval, phi in its range, shares, p, f with delay <= T

    Parameters
    ----------
    coefficients
        Coefficients of the pairs without units: times local, link, server; energies local, uplink, server, downlink;
        SNR up and down, as in `formulations.scaled.ScaledPairs`, shape (K, 9).
    norm
        varpi_2 of the score.
    prices
        Prices of whole shares of bandwidth, power and speed, at least 0, shape (K, 3).
    ratio
        Score (over the score scale) that a cost unit is worth, at least 0.
    interval
        Shortest and longest deadline, time units; the longest is finite and positive.
    delay_price
        Price rho of the deadline, of any sign, a number or shape (K,).
    offload
        Range of phi, within [0, 1], shape (2,) or (K, 2).
    tolerance
        Gap between the bounds at which a pair is done, absolute, positive, a number or shape (K,).
    need
        A pair is done once its upper bound is at most this, a number or shape (K,).
    max_cells
        Most cells of a pair; its upper bound is proven all the same.
    hints
        Shares and deadline (b, pi, psi, T) to start from, shape (K, H, 4); rows without bandwidth are ignored.

    Raises
    ------
    ValueError
        If a shape or a range is wrong.
    """
    if max_cells < 1:
        raise ValueError(f"max_cells = {max_cells}; expected at least 1")
    data = _checked(coefficients, norm, prices, ratio, interval, delay_price, offload, tolerance, need, hints)
    return PricingResult(*price(*data[:9], int(max_cells), *data[9:]))


def search_pairs(
    coefficients: Array,
    norm: float,
    prices: Array,
    ratio: float,
    interval: tuple[float, float],
    delay_price: ArrayLike,
    *,
    offload: ArrayLike = (0.0, 1.0),
    tolerance: ArrayLike = 1e-4,
    hints: Array | None = None,
    quick: bool = False,
) -> PricingResult:
    """Find good columns of every pair by local search alone: `upper` is infinite or minus infinity.

    Parameters are those of `price_pairs`, and `quick`: climb from hints alone where one meets the deadline.
    """
    data = _checked(coefficients, norm, prices, ratio, interval, delay_price, offload, tolerance, -np.inf, hints)
    return PricingResult(*price(*data[:9], -1 if quick else 0, *data[9:]))


def prove_pair(
    coefficients: Array,
    norm: float,
    prices: Array,
    ratio: float,
    interval: tuple[float, float],
    delay_price: float,
    *,
    offload: ArrayLike = (0.0, 1.0),
    tolerance: float = 1e-4,
    need: float = -np.inf,
    max_cells: int = 1000,
    hints: Array | None = None,
) -> tuple[float, float, Array]:
    """Bound one pair as `price_pairs` does, and return the leaves that prove the bound.

    Parameters
    ----------
    coefficients
        Shape (9,); the rest as in `price_pairs`.

    Returns
    -------
    upper, lower
        Proven upper bound and value of the best column.
    leaves : array, shape (number, 10)
        Entries of `LEAF`; the cells cover all of [0, infinity) x the range of phi that meets the longest
        deadline, and each bound is that of `cells.cell_value` at its (m, tau_low, tau_high,
        nu_low, nu_high).
    """
    data = _checked(
        np.reshape(coefficients, (1, 9)), norm, np.reshape(prices, (1, 3)), ratio, interval, delay_price,
        offload, tolerance, need, None if hints is None else np.reshape(hints, (1, -1, 4)),
    )  # fmt: skip
    c, norm, priced, ratio, t0, t1, rho, ends, gap, wanted, starts = data
    tree = np.empty((max_cells // 2 + 2, TREE_WIDTH))
    with held_back():
        pair = make_pair(c[0], norm, priced[0], ratio, t0, t1, rho[0], ends[0, 0], ends[0, 1])
        upper, lower, _, leaves = prove(pair, starts[0], gap[0], wanted[0], max_cells, tree, np.empty(4))
    return upper, lower, tree[:leaves, : len(LEAF)].copy()


def _checked(
    coefficients: Array,
    norm: float,
    prices: Array,
    ratio: float,
    interval: tuple[float, float],
    delay_price: ArrayLike,
    offload: ArrayLike,
    tolerance: ArrayLike,
    need: ArrayLike,
    hints: Array | None,
) -> tuple[Array, float, Array, float, float, float, Array, Array, Array, Array, Array]:
    """Return the arguments of the kernels, checked."""
    c = np.ascontiguousarray(coefficients, dtype=np.float64)
    if c.ndim != 2 or c.shape[1] != 9:
        raise ValueError(f"coefficients have shape {c.shape}; expected (K, 9)")
    if not (np.all(np.isfinite(c)) and np.all(c >= 0.0) and np.all(c[:, [0, 1, 2, 7, 8]] > 0.0)):
        raise ValueError("coefficients must be finite, times and SNR positive, energies at least 0")
    count = len(c)
    priced = np.ascontiguousarray(np.broadcast_to(np.asarray(prices, dtype=np.float64), (count, 3)))
    if not (np.all(np.isfinite(priced)) and np.all(priced >= 0.0)):
        raise ValueError("prices must be finite and at least 0")
    t0, t1 = (float(end) for end in interval)
    if not (0.0 <= t0 <= t1 and 0.0 < t1 < np.inf):
        raise ValueError(f"interval = {interval}; expected 0 <= shortest <= longest, positive and finite")
    if not (0.0 < norm < np.inf and 0.0 <= ratio < np.inf):
        raise ValueError(f"norm = {norm}, ratio = {ratio}; expected a positive and a non-negative number")
    rho, gap, wanted = (
        np.ascontiguousarray(np.broadcast_to(np.asarray(item, dtype=np.float64), (count,)))
        for item in (delay_price, tolerance, need)
    )
    if not np.all(np.isfinite(rho)) or not np.all(gap > 0.0) or np.any(np.isnan(wanted)):
        raise ValueError("delay prices must be finite, tolerances positive, needs not NaN")
    ends = np.ascontiguousarray(np.broadcast_to(np.asarray(offload, dtype=np.float64), (count, 2)))
    if not np.all((ends[:, 0] >= 0.0) & (ends[:, 0] <= ends[:, 1]) & (ends[:, 1] <= 1.0)):
        raise ValueError("ranges of phi must lie in [0, 1], low end first")
    starts = np.zeros((count, 0, 4)) if hints is None else np.ascontiguousarray(hints, dtype=np.float64)
    if starts.shape[0] != count or starts.ndim != 3 or starts.shape[2] != 4:
        raise ValueError(f"hints have shape {starts.shape}; expected ({count}, H, 4)")
    return c, float(norm), priced, float(ratio), t0, t1, rho, ends, gap, wanted, starts
