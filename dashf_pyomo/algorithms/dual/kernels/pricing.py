"""What Python asks of the kernels: bounds and columns of pairs, least energies, shadow prices.

The pricing problem is stated by `price_pairs`, its bound derived in `cells`, and the branch and bound is in `proof`.
Arguments are checked here, pairs are shared out to threads by `running`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .running import for_all_pairs, kernels

__all__ = [
    "COLUMN",
    "LEAF",
    "SCORES",
    "TERM",
    "PricingResult",
    "Terms",
    "least_energy",
    "price_pairs",
    "prove_pair",
    "search_pairs",
    "shadow_prices",
]

Array = NDArray[np.float64]
_Checked = tuple[Array, float, int, Array, Array, Array, Array]

#: Functions of the score, in the order of the numbers by which `score` knows them.
SCORES = ("log", "sqrt", "linear")

#: What the entries of a column are; energy in cost units, delay and deadline in time units.
COLUMN = ("bandwidth", "power", "speed", "offload", "user_power", "user_speed", "energy", "delay", "deadline")

#: What a pair's value and range are made of, beyond its coefficients, as the kernels take it.
TERM = (
    *("weight", "bandwidth", "power", "speed", "user_speed", "user_power", "server_speed", "server_power"),
    *("delay", "offload", "constant", "t0", "t1", "offload_low", "offload_high", "need_up", "need_down"),
)

#: What the entries of a leaf are.
LEAF = (
    *("snr_low", "snr_high", "offload_low", "offload_high"),
    *("m", "tau_low", "tau_high", "bound", "nu_low", "nu_high", "touch"),
)

#: Entries of a row of a tree: those of a leaf, and three that say where to split it.
TREE_WIDTH = len(LEAF) + 3

#: Prices of phi and constants are below this, far from the end of the range of numbers.
MOST = 1e250

#: Rounding of a constant that a delay limit changes, relative to its parts.
ROUNDING = 1e-15

#: A least energy takes about a microsecond, a shadow price a few: fewer pairs are not worth a thread.
GRAIN = 1000


@dataclass(frozen=True, eq=False)
class Terms:
    """What the value of a pair has beyond the service-cost ratio: by default nothing.

    Each is a number or has shape (K,).

    Parameters
    ----------
    weight
        a, what a unit of the score is worth, at least 0.
    offload_price
        mu, price of phi, of any sign.
    constant
        k, what is charged whatever is chosen, of any sign.
    delay_limit
        L, the longest delay that the user may have, positive; infinity where there is none.
    need_up, need_down
        Least R of the uplink and the downlink, finite, at least 0, whatever phi is: b ln(1 + snr_up p / b) >= need_up
        and b ln(1 + snr_down pi / b) >= need_down.
    """

    weight: ArrayLike = 1.0
    offload_price: ArrayLike = 0.0
    constant: ArrayLike = 0.0
    delay_limit: ArrayLike = np.inf
    need_up: ArrayLike = 0.0
    need_down: ArrayLike = 0.0


#: The service-cost ratio.
PLAIN = Terms()


@dataclass(frozen=True)
class PricingResult:
    """Bounds and columns of K pairs.

    Parameters
    ----------
    upper
        Proven upper bounds on h, in scores over the score scale, shape (K,); minus infinity for a pair that cannot
        meet the deadline or carry its least rates, infinity where nothing was asked to be proven.
    lower
        Values of the best columns found, shape (K,).
    columns
        Entries of `COLUMN` of the best columns, shape (K, 9); NaN where there is none. Delays keep within the limits,
        and so do deadlines, and rates are what they need to be, up to 1e-12; energies are sums without their prices.
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
    energy_price: ArrayLike,
    interval: tuple[ArrayLike, ArrayLike],
    delay_price: ArrayLike,
    *,
    terms: Terms = PLAIN,
    score: str = "log",
    offload: ArrayLike = (0.0, 1.0),
    tolerance: ArrayLike = 1e-4,
    need: ArrayLike = -np.inf,
    max_cells: int = 1000,
    hints: Array | None = None,
) -> PricingResult:
    """Bound the pricing problem of every pair from above, with proof, and from below, by a column.

    The pricing problem of a pair is::

        h = max  a g(b + pi + psi) - prices . (b, pi, psi) - c1 E1 - c2 E2 - c3 E3 - c4 E4 - rho T - mu phi - k
            over T in the interval, phi in its range, shares, p, f with delay <= min(T, L) and least rates

    Parameters
    ----------
    coefficients
        Coefficients of the pairs without units: times local, link, server; energies local, uplink, server, downlink;
        SNR up and down, as in `formulations.scaled.ScaledPairs`, shape (K, 9).
    norm
        varpi_2 of the score.
    prices
        Prices of whole shares of bandwidth, power and speed, of any sign, shape (K, 3).
    energy_price
        What a cost unit of energy is worth, at least 0: a number, or c1 to c4 for training at the user, the uplink,
        training at the server and the downlink, shape (4,) or (K, 4).
    interval
        Shortest and longest deadline, time units, each a number or shape (K,); the longest is finite and positive.
    delay_price
        Price rho of the deadline, of any sign, a number or shape (K,).
    terms
        a, mu, k, L and the least rates.
    score
        Which function g of the score, of `SCORES`: ln(1 + norm s), sqrt(norm s) or norm s.
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
    data = _checked(
        coefficients, norm, prices, energy_price, interval, delay_price, terms, score, offload, tolerance, need, hints
    )
    return _price(data, proves=True, max_cells=max_cells)


def search_pairs(
    coefficients: Array,
    norm: float,
    prices: Array,
    energy_price: ArrayLike,
    interval: tuple[ArrayLike, ArrayLike],
    delay_price: ArrayLike,
    *,
    terms: Terms = PLAIN,
    score: str = "log",
    offload: ArrayLike = (0.0, 1.0),
    tolerance: ArrayLike = 1e-4,
    hints: Array | None = None,
    quick: bool = False,
) -> PricingResult:
    """Find good columns of every pair by local search alone: `upper` is infinite or minus infinity.

    Parameters are those of `price_pairs`, and `quick`: climb from hints alone where one meets the deadline.
    """
    data = _checked(
        coefficients,
        norm,
        prices,
        energy_price,
        interval,
        delay_price,
        terms,
        score,
        offload,
        tolerance,
        -np.inf,
        hints,
    )
    return _price(data, quick=quick)


def prove_pair(
    coefficients: Array,
    norm: float,
    prices: Array,
    energy_price: ArrayLike,
    interval: tuple[float, float],
    delay_price: float,
    *,
    terms: Terms = PLAIN,
    score: str = "log",
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
        Shape (9,); the rest as in `price_pairs`, for one pair.

    Returns
    -------
    upper, lower
        Proven upper bound and value of the best column.
    leaves : array, shape (number, 11)
        Entries of `LEAF`; the cells cover all of [0, infinity) x the range of phi that meets the longest
        deadline, and each bound is that of `cells.cell_value` at its (m, tau_low, tau_high,
        nu_low, nu_high), with the tangent of r that touches at `touch`.
    """
    data = _checked(
        np.reshape(coefficients, (1, 9)), norm, np.reshape(prices, (1, 3)), energy_price, interval, delay_price,
        terms, score, offload, tolerance, need, None if hints is None else np.reshape(hints, (1, -1, 4)),
    )  # fmt: skip
    ends = data[3][0, 13:15]
    # Should the kernel not come to an end, nothing is proven of the whole pair.
    tree = np.zeros((max_cells // 2 + 2, TREE_WIDTH))
    tree[0, : len(LEAF)] = 0.0, np.inf, ends[0], ends[1], 1.0, 1.0, 1.0, np.inf, 0.0, 0.0, 1.0
    whole = tree[0].copy()
    result, counts = _priced(data, tree, proves=True, max_cells=max_cells)
    if counts[0, 0] == 0:
        tree[0] = whole
    return float(result.upper[0]), float(result.lower[0]), tree[: counts[0, 1], : len(LEAF)].copy()


def least_energy(
    coefficients: Array,
    shares: Array,
    deadline: Array | float,
    offload: ArrayLike = (0.0, 1.0),
    *,
    energy_price: ArrayLike = 1.0,
    offload_price: ArrayLike = 0.0,
    need_up: ArrayLike = 0.0,
    need_down: ArrayLike = 0.0,
) -> Array:
    """Return the least energy of every pair at its shares and deadline, and how it is reached.

    Parameters
    ----------
    coefficients
        Coefficients of the pairs without units, in the order of `link.Pair` up to `cd`, shape (K, 9).
    shares
        Shares b, pi, psi of the server, shape (K, 3).
    deadline
        T, in time units, a number or shape (K,).
    offload
        Range of phi, shape (2,) or (K, 2).
    energy_price, offload_price
        Prices of the four energies and of phi, as in `price_pairs`. With them the least is that of
        c1 E1 + c2 E2 + c3 E3 + c4 E4 + mu phi.
    need_up, need_down
        Least rates, as in `Terms`, shape (K,) or numbers.

    Returns
    -------
    array, shape (K, 5)
        Energy in cost units (infinite where the deadline or the least rates cannot be met), phi, p, f, and the price of
        delay in cost units per time unit (a subgradient of the energy in -T). The delay of the first four is at most T
        up to 1e-12 of it.
    """
    c = np.ascontiguousarray(coefficients, dtype=np.float64)
    count = len(c)
    held = _rows(shares, (count, 3))
    terms = _stacked(
        count,
        1.0,
        0.0,
        energy_price,
        0.0,
        _rows(offload_price, (count,)),
        0.0,
        (0.0, deadline),
        _rows(offload, (count, 2)),
        (need_up, need_down),
    )
    out = np.tile((np.inf, 1.0, 1.0, 1.0, 0.0), (count, 1))
    for_all_pairs(lambda *part: kernels().least_energy_of(c, terms, held, out, *part), count, GRAIN)
    return out


def shadow_prices(
    coefficients: Array,
    norm: float,
    energy_price: ArrayLike,
    shares: Array,
    deadline: ArrayLike,
    *,
    weight: ArrayLike = 1.0,
    offload_price: ArrayLike = 0.0,
    need_up: ArrayLike = 0.0,
    need_down: ArrayLike = 0.0,
    score: str = "log",
) -> Array:
    """Return the derivatives of a g(b + pi + psi) - E*(z; T) by the shares and the deadline.

    E* is the least of c1 E1 + c2 E2 + c3 E3 + c4 E4 + mu phi at these shares and deadline, with the least rate of the
    uplink. That shares must carry least rates at all is a bound on them, which derivatives do not show.

    Parameters
    ----------
    coefficients
        Coefficients of the pairs without units, in the order of `link.Pair` up to `cd`, shape (K, 9).
    norm
        varpi_2 of the score.
    energy_price, weight, offload_price
        c1 to c4, a and mu, as in `price_pairs`.
    shares
        Shares b, pi, psi of the server, shape (K, 3).
    deadline
        T, in time units, a number or shape (K,).
    need_up, need_down, score
        Least rates and g, as in `Terms` and `price_pairs`.

    Returns
    -------
    array, shape (K, 4)
        By b, pi, psi and T; NaN where the deadline or the least rates cannot be met.
    """
    c = np.ascontiguousarray(coefficients, dtype=np.float64)
    held = np.ascontiguousarray(shares, dtype=np.float64)
    terms = _stacked(
        len(c), weight, 0.0, energy_price, 0.0, offload_price, 0.0, (0.0, deadline), (0.0, 1.0), (need_up, need_down)
    )
    kind = _kind(score)
    out = np.full((len(c), 4), np.nan)
    for_all_pairs(lambda *part: kernels().shadow_prices_of(c, norm, kind, terms, held, out, *part), len(c), GRAIN)
    return out


def _price(data: _Checked, *, proves: bool = False, quick: bool = False, max_cells: int = 1) -> PricingResult:
    """Run the kernel on all pairs; each part of them has room of its own for proofs."""
    return _priced(data, None, proves=proves, quick=quick, max_cells=max_cells)[0]


def _priced(
    data: _Checked, tree: Array | None, *, proves: bool = False, quick: bool = False, max_cells: int = 1
) -> tuple[PricingResult, NDArray[np.intp]]:
    """Return bounds, columns and numbers of cells, and of each pair the numbers of cells and leaves, shape (K, 2).

    What the kernel does not come to is left at "nothing proven, nothing found".
    """
    count = len(data[0])
    bounds = np.tile((np.inf, -np.inf), (count, 1))
    columns = np.full((count, len(COLUMN)), np.nan)
    counts = np.tile(np.array((0, 1), dtype=np.intp), (count, 1))

    def price(first: int, last: int) -> None:
        room = np.empty((max_cells // 2 + 2 if proves else 1, TREE_WIDTH)) if tree is None else tree
        kernels().price(*data, proves, quick, max_cells, room, bounds, columns, counts, first, last)

    for_all_pairs(price, count)
    return PricingResult(bounds[:, 0], bounds[:, 1], columns, counts[:, 0]), counts


def _rows(values: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return values as an array of that shape, repeated where they are given once."""
    return np.ascontiguousarray(np.broadcast_to(np.asarray(values, dtype=np.float64), shape))


def _stacked(
    count: int,
    weight: ArrayLike,
    shares: ArrayLike,
    energy: ArrayLike,
    delay: ArrayLike,
    offload_price: ArrayLike,
    constant: ArrayLike,
    interval: tuple[ArrayLike, ArrayLike],
    offload: ArrayLike,
    needs: tuple[ArrayLike, ArrayLike],
) -> Array:
    """Return the entries of `TERM` of so many pairs."""
    least = [_rows(item, (count,)) for item in needs]
    if not all(np.all((item >= 0.0) & (item < np.inf)) for item in least):
        raise ValueError("least rates must be finite and at least 0")
    numbers = [_rows(item, (count,)) for item in (delay, offload_price, constant, *interval)]
    parts = [_rows(weight, (count,)), _rows(shares, (count, 3)), _rows(energy, (count, 4)), *numbers]
    return np.ascontiguousarray(np.column_stack([*parts, _rows(offload, (count, 2)), *least]))


def _kind(score: str) -> int:
    """Return the number of a function of the score."""
    if score not in SCORES:
        raise ValueError(f"score = {score!r}; expected one of {SCORES}")
    return SCORES.index(score)


def _within_limit(
    interval: tuple[Array, Array], rho: Array, limit: Array, constant: Array
) -> tuple[Array, Array, Array]:
    """Return the intervals of users with a delay limit L, and their constants, shape (K,) each.

    A user with delay <= min(T, L) pays rho T for a deadline T in [t0, t1] of its choice. Where rho >= 0 no later one
    than its delay needs is chosen: T lies in [t0, min(t1, L)], or it is t0 > L, which is the pair at the deadline L
    with rho (t0 - L) charged. Where rho < 0 it chooses t1: that is the pair in [min(t0, L), min(t1, L)], best at its
    end, with rho (t1 - L) charged where L < t1. The constant is lowered by its rounding, so that bounds stay above.
    """
    t0, t1 = interval
    beyond = rho * np.maximum(np.where(rho >= 0.0, t0, t1) - limit, 0.0)
    charged = constant + beyond - ROUNDING * (np.abs(constant) + np.abs(beyond)) * (beyond != 0.0)
    return np.minimum(t0, limit), np.minimum(t1, limit), charged


def _checked(
    coefficients: Array,
    norm: float,
    prices: Array,
    energy_price: ArrayLike,
    interval: tuple[ArrayLike, ArrayLike],
    delay_price: ArrayLike,
    terms: Terms,
    score: str,
    offload: ArrayLike,
    tolerance: ArrayLike,
    need: ArrayLike,
    hints: Array | None,
) -> _Checked:
    """Return the arguments of the kernels, checked."""
    c = np.ascontiguousarray(coefficients, dtype=np.float64)
    if c.ndim != 2 or c.shape[1] != 9:
        raise ValueError(f"coefficients have shape {c.shape}; expected (K, 9)")
    if not (np.all(np.isfinite(c)) and np.all(c >= 0.0) and np.all(c[:, [0, 1, 2, 7, 8]] > 0.0)):
        raise ValueError("coefficients must be finite, times and SNR positive, energies at least 0")
    count = len(c)
    weight, energy, priced = _rows(terms.weight, (count,)), _rows(energy_price, (count, 4)), _rows(prices, (count, 3))
    for name, values in (("energy prices", energy), ("weights", weight)):
        if not np.all((values >= 0.0) & (values < np.inf)):
            raise ValueError(f"{name} must be finite and at least 0")
    if not np.all((priced > -MOST) & (priced < np.inf)):
        raise ValueError(f"prices must be finite and above {-MOST:g}")
    t0, t1 = (_rows(end, (count,)) for end in interval)
    if not np.all((t0 >= 0.0) & (t0 <= t1) & (t1 > 0.0) & (t1 < np.inf)):
        raise ValueError(f"interval = {interval}; expected 0 <= shortest <= longest, positive and finite")
    if not 0.0 < norm < np.inf:
        raise ValueError(f"norm = {norm}; expected a positive number")
    rho, gap, wanted = (_rows(item, (count,)) for item in (delay_price, tolerance, need))
    if not np.all(np.isfinite(rho)) or not np.all(gap > 0.0) or np.any(np.isnan(wanted)):
        raise ValueError("delay prices must be finite, tolerances positive, needs not NaN")
    limit, mu = _rows(terms.delay_limit, (count,)), _rows(terms.offload_price, (count,))
    if not np.all(limit > 0.0):
        raise ValueError("delay limits must be positive")
    first, last, constant = _within_limit((t0, t1), rho, limit, _rows(terms.constant, (count,)))
    if not np.all((np.abs(mu) < MOST) & (np.abs(constant) < MOST)):
        raise ValueError(f"offload prices and constants, those of delay limits included, must be within {MOST:g}")
    ends = _rows(offload, (count, 2))
    if not np.all((ends[:, 0] >= 0.0) & (ends[:, 0] <= ends[:, 1]) & (ends[:, 1] <= 1.0)):
        raise ValueError("ranges of phi must lie in [0, 1], low end first")
    starts = np.zeros((count, 0, 4)) if hints is None else np.ascontiguousarray(hints, dtype=np.float64)
    if starts.shape[0] != count or starts.ndim != 3 or starts.shape[2] != 4:
        raise ValueError(f"hints have shape {starts.shape}; expected ({count}, H, 4)")
    needs = terms.need_up, terms.need_down
    stacked = _stacked(count, weight, priced, energy, rho, mu, constant, (first, last), ends, needs)
    return c, float(norm), _kind(score), stacked, gap, wanted, starts
