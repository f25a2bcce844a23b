"""Extra constraints in AO part 1: what (6) gains where the scenario declares them, and the offloading under them.

Resources are fixed in AO part 1, so a limit may be out of reach there although AO part 2 can meet it. Every limit is
therefore elastic: its relative excess is priced at `EXCESS_PRICE`, so high that it is met wherever it can be. Pairs
that are not allowed are closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..attributes import PARTS, STATED_PARTS, Factor
from ..constraints import EXCESS_PRICE, Extra, Over
from ..scenario import Scenario
from ..terms import Rows, Terms, least_rates, row_of_pairs, upper_rows

__all__ = ["ASSOCIATION_EXTRAS", "PairRows", "limited_offloading", "pair_rows", "rate_shortage"]

Array = NDArray[np.float64]

#: What is stated here: all rows over these parts, which `model` and `matrix` have, and the kinds that are priced.
ASSOCIATION_EXTRAS: frozenset[str] = STATED_PARTS | {Extra.DELAY, Extra.ASSOCIATION, Extra.RATE, Extra.ENERGY}

#: Largest multiple of a limit that is told apart; anything above is out of reach anyway.
_MOST_SHARE = 1e4


@dataclass(frozen=True, eq=False)
class PairRows:
    """Rows of a limit in (6), relative to their bounds: coefficients of phi, x and w, zero where there is no bound.

    Row by row, the sum over its pairs of ``at_server (x - w) + at_user w + served x``, and of ``of_user phi`` over its
    users, is at most 1.

    Parameters
    ----------
    key
        Key of the limit.
    over
        What a row sums over.
    of_user
        What a user takes in proportion to phi, whatever its server, shape (N,).
    at_user, at_server, served
        What a pair takes in proportion to phi, to 1 - phi, and in any case, shape (N, M).
    """

    key: str
    over: Over
    of_user: Array
    at_user: Array
    at_server: Array
    served: Array

    @property
    def of_pair(self) -> Array:
        """Coefficients of x, shape (N, M)."""
        return self.served + self.at_server

    @property
    def of_product(self) -> Array:
        """Coefficients of w, shape (N, M)."""
        return self.at_user - self.at_server

    @property
    def count(self) -> int:
        """Number of rows."""
        n, m = self.at_user.shape
        return {Over.USER: n, Over.SERVER: m, Over.ALL: 1}[self.over]

    def values(self, association: Array, offload: Array, product: Array) -> Array:
        """Return the rows at x and w, shape (N, M), and phi, shape (N,)."""
        taken = (self.of_pair * association + self.of_product * product).ravel()
        n, m = association.shape
        total = np.bincount(self.row_of(np.arange(n * m)), taken, minlength=self.count).astype(np.float64)
        return total + self.of_user * offload if self.over is Over.USER else total

    def row_of(self, pair: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of pairs that are numbered user by user."""
        return row_of_pairs(self.over, pair, self.at_user.shape[1])


def pair_rows(
    scenario: Scenario, whole: Terms, user_end: NDArray[np.bool_], server_end: NDArray[np.bool_]
) -> tuple[PairRows, ...]:
    """Return the rows of a scenario's limits.

    Parameters
    ----------
    scenario
        The data.
    whole
        What either end costs when it trains everything, at all pairs.
    user_end, server_end
        Ends that are open, shape (N, M); the others hold nothing.
    """
    return tuple(_pair_rows(rows, whole, user_end, server_end) for rows in upper_rows(scenario))


def _pair_rows(rows: Rows, whole: Terms, user_end: NDArray[np.bool_], server_end: NDArray[np.bool_]) -> PairRows:
    n, m = user_end.shape
    zero = np.zeros((n, m))
    taken = dict.fromkeys(Factor, zero)
    for part, weight in rows.relative({part: getattr(whole, part) for part in rows.weights}).items():
        factor = PARTS[part]
        if factor is Factor.USER and not (rows.limit.over is Over.USER and np.all(weight == weight[:, :1])):
            factor = Factor.OWN
        taken[factor] = taken[factor] + np.broadcast_to(weight, (n, m))

    def kept(values: Array, open_: NDArray[np.bool_]) -> Array:
        return np.minimum(np.where(open_, np.nan_to_num(values, nan=0.0, posinf=_MOST_SHARE), 0.0), _MOST_SHARE)

    own_end = np.asarray(user_end.any(axis=1, keepdims=True))
    of_user = kept(taken[Factor.USER][:, :1], own_end)[:, 0]
    everywhere = np.ones((n, m), dtype=np.bool_)
    return PairRows(
        rows.limit.key,
        rows.limit.over,
        of_user,
        kept(taken[Factor.OWN], user_end),
        kept(taken[Factor.LEFT], server_end),
        kept(taken[Factor.SERVED], everywhere),
    )


def rate_shortage(scenario: Scenario, whole: Terms) -> Array:
    """Return by how much the rates of all pairs fall short, relative, both directions together, shape (N, M)."""
    short = np.zeros(scenario.channel_gain.shape)
    for rate, least in zip((whole.rate_up, whole.rate_down), least_rates(scenario), strict=True):
        asked = least[:, np.newaxis] > 0
        short += np.where(asked, np.maximum(1.0 - rate / np.where(asked, least[:, np.newaxis], 1.0), 0.0), 0.0)
    return short


def limited_offloading(
    scenario: Scenario,
    server: NDArray[np.int64],
    ends: Terms,
    times: tuple[Array, Array],
    costs: tuple[Array, Array],
    time_price: float,
) -> Array:
    """Return the phi that is best under the rows of limits, by a linear program, shape (N,).

    Parameters
    ----------
    scenario
        The data.
    server
        Association, shape (N,).
    ends
        What either end costs when it trains everything, shape (N,).
    times, costs
        Delay (s) and priced energy of every user at phi = 0 and phi = 1; infinite where an end is closed.
    time_price
        Price of a second.

    Raises
    ------
    ArithmeticError
        If the program is not solved.
    """
    from scipy.optimize import linprog
    from scipy.sparse import block_array, coo_array, eye_array

    n = len(server)
    users = np.arange(n)
    open_zero, open_one = np.isfinite(times[0]), np.isfinite(times[1])
    most = np.where(open_one, 1.0, 0.0)
    least = np.where(open_zero | ~open_one, 0.0, 1.0)
    zero, one, cost_zero, cost_one = (np.where(np.isfinite(part), part, 0.0) for part in (*times, *costs))
    unit = max(float(np.max(np.where(most > 0, one, zero))), float(np.max(np.where(least < 1, zero, one))), 1e-300)
    zero, one = zero / unit, one / unit
    slope, price = cost_one - cost_zero, time_price * unit
    scale = max(price, float(np.max(np.abs(slope))), 1e-300)

    # Rows: T, then the limits; columns: phi, T, and the excess of every row of a limit.
    matrix, fixed = [], []
    for rows in upper_rows(scenario):
        row, (at_zero, at_one) = rows.row_of(server), _ends_of(rows, ends, server)
        at_zero, at_one = np.where(open_zero, at_zero, 0.0), np.where(open_one, at_one, 0.0)
        matrix.append(coo_array((at_one - at_zero, (row, users)), shape=(len(rows.bound), n)))
        fixed.append(np.bincount(row, at_zero, minlength=len(rows.bound)))
    right = np.concatenate(fixed)
    count = len(right)
    stretch = coo_array((one - zero, (users, users)), shape=(n, n))
    delays = [stretch, coo_array(-np.ones((n, 1))), coo_array((n, count))]
    limits = [block_array([[part] for part in matrix]), coo_array((count, 1)), -eye_array(count)]
    cost = np.concatenate([slope / scale, [price / scale], np.full(count, EXCESS_PRICE)])
    found = linprog(
        cost,
        A_ub=block_array([delays, limits]).tocsr(),
        b_ub=np.concatenate([-zero, 1.0 - right]),
        bounds=[*zip(least, most, strict=True), *[(0.0, None)] * (1 + count)],
        method="highs",
    )
    if found.x is None:
        raise ArithmeticError(f"offloading under extra constraints: {found.message}")
    return np.clip(found.x[:n], least, most)


def _ends_of(rows: Rows, ends: Terms, server: NDArray[np.int64]) -> tuple[Array, Array]:
    """Return what users take of the rows of a limit at phi = 0 and at phi = 1, relative to the bound, shape (N,)."""
    at, bound = (np.arange(len(server)), server), rows.bound[rows.row_of(server)]
    at_zero, at_one = np.zeros(len(server)), np.zeros(len(server))
    for part, weight in rows.weights.items():
        with np.errstate(over="ignore", invalid="ignore"):
            share = np.nan_to_num(weight[at] * getattr(ends, part) / bound, nan=0.0, posinf=_MOST_SHARE)
        share = np.minimum(share, _MOST_SHARE)
        if PARTS[part] in (Factor.LEFT, Factor.SERVED):
            at_zero = at_zero + share
        if PARTS[part] in (Factor.OWN, Factor.USER, Factor.SERVED):
            at_one = at_one + share
    return at_zero, at_one
