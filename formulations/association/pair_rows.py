"""Extra constraints in AO part 1: what (6) gains where the scenario declares them, and the offloading under them.

Resources are fixed in AO part 1, so a limit may be out of reach there although AO part 2 can meet it. Every limit is
therefore elastic: its relative excess is priced at `EXCESS_PRICE`, so high that it is met wherever it can be. Pairs
that are not allowed are closed, and ranges of phi are kept as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..attributes import PARTS, STATED_PARTS, Factor
from ..constraints import EXCESS_PRICE, Extra, Over
from ..linear_rows import SIGNED
from ..prices import LINEAR_ASPECTS
from ..scenario import Scenario
from ..terms import Rows, Terms, least_rates, row_of_pairs, upper_rows

__all__ = ["ASSOCIATION_EXTRAS", "PairRows", "limited_offloading", "mixed", "pair_rows", "rate_shortage"]

Array = NDArray[np.float64]

#: What is stated here: all rows over these parts, which `model` and `matrix` have, the kinds that are priced, and the
#: objectives whose parametric form is linear.
ASSOCIATION_EXTRAS: frozenset[str] = (
    STATED_PARTS
    | {Extra.DELAY, Extra.ASSOCIATION, Extra.RATE, Extra.ENERGY, Extra.OFFLOAD, Extra.BINARY, SIGNED}
    | LINEAR_ASPECTS
)

#: Largest multiple of a limit that is told apart; anything above is out of reach anyway. Where negative numbers may
#: make up for it nothing is out of reach: then the row is divided so that none is larger.
_MOST_SHARE = 1e4

#: Most nodes for offloading that is binary and has rows to keep; the best that was found is taken.
_NODES = 2000


@dataclass(frozen=True, eq=False)
class PairRows:
    """Rows of a limit in (6), relative to their bounds: coefficients of phi, x and w, zero where there is no bound.

    Row by row, the sum over its pairs of ``at_server (x - w) + at_user w + served x``, and of ``of_user phi`` over its
    users, is at most `most`, and `excess` times how far the row is beyond its bound, relative to it.

    Parameters
    ----------
    key
        Name of the limit among those of the scenario, `terms.Rows.name`.
    over
        What a row sums over.
    of_user
        What a user takes in proportion to phi, whatever its server, shape (N,).
    at_user, at_server, served
        What a pair takes in proportion to phi, to 1 - phi, and in any case, shape (N, M).
    most
        Right-hand sides: one, but for rows with negative numbers.
    excess
        Coefficient of the excess: one, but where a row with negative numbers was divided.
    """

    key: str
    over: Over
    of_user: Array
    at_user: Array
    at_server: Array
    served: Array
    most: Array
    excess: float = 1.0

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
    most = {factor: share[:, np.newaxis] for factor, share in _most_shares(*scenario.offload_range).items()}
    return tuple(_pair_rows(rows, whole, user_end, server_end, most) for rows in upper_rows(scenario))


def _most_shares(low: Array, high: Array) -> dict[Factor, Array]:
    """Return the most that is told apart of what comes with a factor, shape (N,): more where a share must be there."""
    own, left = (_MOST_SHARE / np.where(share > 0.0, share, 1.0) for share in (low, 1.0 - high))
    return {Factor.USER: own, Factor.OWN: own, Factor.LEFT: left, Factor.SERVED: np.full(len(low), _MOST_SHARE)}


def _pair_rows(
    rows: Rows,
    whole: Terms,
    user_end: NDArray[np.bool_],
    server_end: NDArray[np.bool_],
    most_share: Mapping[Factor, Array],
) -> PairRows:
    n, m = user_end.shape
    zero = np.zeros((n, m))
    taken = dict.fromkeys(Factor, zero)
    for part, weight in rows.relative({part: getattr(whole, part) for part in rows.weights}).items():
        factor = PARTS[part]
        if factor is Factor.USER and not (rows.limit.over is Over.USER and np.all(weight == weight[:, :1])):
            factor = Factor.OWN
        taken[factor] = taken[factor] + np.broadcast_to(weight, (n, m))

    opened = {
        Factor.USER: np.broadcast_to(user_end.any(axis=1, keepdims=True), (n, m)),
        Factor.OWN: user_end,
        Factor.LEFT: server_end,
        Factor.SERVED: np.ones((n, m), dtype=np.bool_),
    }
    divisor = 1.0
    if rows.signed:
        held = (values[opened[factor] & np.isfinite(values)] for factor, values in taken.items())
        divisor = max(1.0, *(float(np.abs(values).max(initial=0.0)) / _MOST_SHARE for values in held))

    def kept(factor: Factor) -> Array:
        values = np.nan_to_num(taken[factor] / divisor, nan=0.0, posinf=np.inf)
        return np.minimum(np.where(opened[factor], values, 0.0), most_share[factor])

    return PairRows(
        rows.name,
        rows.limit.over,
        of_user=kept(Factor.USER)[:, 0],
        at_user=kept(Factor.OWN),
        at_server=kept(Factor.LEFT),
        served=kept(Factor.SERVED),
        most=rows.most / divisor,
        excess=1.0 / divisor,
    )


def rate_shortage(scenario: Scenario, whole: Terms) -> Array:
    """Return by how much the rates of all pairs fall short, relative, both directions together, shape (N, M)."""
    short = np.zeros(scenario.channel_gain.shape)
    for rate, least in zip((whole.rate_up, whole.rate_down), least_rates(scenario), strict=True):
        asked = least[:, np.newaxis] > 0
        short += np.where(asked, np.maximum(1.0 - rate / np.where(asked, least[:, np.newaxis], 1.0), 0.0), 0.0)
    return short


def mixed(phi: Array, at_user: Array, at_server: Array) -> Array:
    """Return what a share phi costs at the user and the rest at the server; an end without a share costs nothing."""
    with np.errstate(invalid="ignore"):
        return np.where(phi > 0.0, phi * at_user, 0.0) + np.where(phi < 1.0, (1.0 - phi) * at_server, 0.0)


def limited_offloading(
    scenario: Scenario,
    server: NDArray[np.int64],
    ends: Terms,
    times: tuple[Array, Array],
    costs: tuple[Array, Array],
    time_price: float,
) -> Array:
    """Return the phi that is best under the rows of limits and in its range, by a linear program, shape (N,).

    Where offloading is binary it is a mixed-integer one, and what was best after a number of nodes is returned.

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
        Price of a second of the largest delay; where there is none the delays are in the costs alone.

    Raises
    ------
    ArithmeticError
        If the program is not solved.
    """
    from scipy.optimize import Bounds, LinearConstraint, linprog, milp
    from scipy.sparse import block_array, coo_array, eye_array

    n = len(server)
    users = np.arange(n)
    open_zero, open_one = np.isfinite(times[0]), np.isfinite(times[1])
    most = np.where(open_one, 1.0, 0.0)
    least = np.where(open_zero | ~open_one, 0.0, 1.0)
    low, high = scenario.offload_range
    most, least = np.clip(most, low, high), np.clip(least, low, high)
    zero, one, cost_zero, cost_one = (np.where(np.isfinite(part), part, 0.0) for part in (*times, *costs))
    unit = max(float(np.max(np.where(most > 0, one, zero))), float(np.max(np.where(least < 1, zero, one))), 1e-300)
    zero, one = zero / unit, one / unit
    slope, price = cost_one - cost_zero, time_price * unit
    scale = max(price, float(np.max(np.abs(slope))), 1e-300)

    # Rows: T, then the limits; columns: phi, T, and the excess of every row of a limit.
    matrix, fixed, most_share = [], [], _most_shares(low, high)
    for rows in upper_rows(scenario):
        row, (at_zero, at_one) = rows.row_of(server), _ends_of(rows, ends, server, most_share)
        at_zero, at_one = np.where(open_zero, at_zero, 0.0), np.where(open_one, at_one, 0.0)
        matrix.append(coo_array((at_one - at_zero, (row, users)), shape=(len(rows.bound), n)))
        fixed.append(rows.most - np.bincount(row, at_zero, minlength=len(rows.bound)))
    right = np.concatenate(fixed)
    count = len(right)
    stretch = coo_array((one - zero, (users, users)), shape=(n, n))
    delays = [stretch, coo_array(-np.ones((n, 1))), coo_array((n, count))]
    limits = [block_array([[part] for part in matrix]), coo_array((count, 1)), -eye_array(count)]
    cost = np.concatenate([slope / scale, [price / scale], np.full(count, EXCESS_PRICE)])
    coefficients, upper = block_array([delays, limits]).tocsr(), np.concatenate([-zero, right])
    if scenario.binary_offload:
        free = np.zeros(1 + count)
        found = milp(
            cost,
            constraints=LinearConstraint(coefficients, -np.inf, upper),
            bounds=Bounds(np.append(least, free), np.append(most, free + np.inf)),
            integrality=np.append(np.ones(n), free),
            options={"node_limit": _NODES},
        )
    else:
        found = linprog(
            cost,
            A_ub=coefficients,
            b_ub=upper,
            bounds=[*zip(least, most, strict=True), *[(0.0, None)] * (1 + count)],
            method="highs",
        )
    if found.x is None:
        raise ArithmeticError(f"offloading under extra constraints: {found.message}")
    return scenario.nearest_offload(np.clip(found.x[:n], least, most))


def _ends_of(
    rows: Rows, ends: Terms, server: NDArray[np.int64], most_share: Mapping[Factor, Array]
) -> tuple[Array, Array]:
    """Return what users take of the rows of a limit at phi = 0 and at phi = 1, relative to the unit, shape (N,)."""
    at, unit = (np.arange(len(server)), server), rows.unit[rows.row_of(server)]
    at_zero, at_one = np.zeros(len(server)), np.zeros(len(server))
    for part, weight in rows.weights.items():
        with np.errstate(over="ignore", invalid="ignore"):
            share = np.nan_to_num(weight[at] * getattr(ends, part) / unit, nan=0.0, posinf=np.inf)
        if not (rows.signed and np.isfinite(share).all()):
            share = np.minimum(share, most_share[PARTS[part]])
        if PARTS[part] in (Factor.LEFT, Factor.SERVED):
            at_zero = at_zero + share
        if PARTS[part] in (Factor.OWN, Factor.USER, Factor.SERVED):
            at_one = at_one + share
    return at_zero, at_one
