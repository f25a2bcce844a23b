"""Cells of what a user costs, and the multipliers that bound its ratio there; see `ratios` for the bound."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from .columns import DELAY, OFFLOAD

__all__ = ["Cells", "Known", "Multipliers", "constant", "multipliers"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

#: A cell is cut at its cost, rather than at phi, while the logarithm of its ends times this is more than that width.
BY_COST = 8.0

#: A cell whose ends are as close together as this, relative, is not cut.
NARROW = 1e-5

#: Halvings of the price of the cost of a cell, and how far from r it is looked for, as a factor.
BISECTIONS, FAR = 30, 1e6

#: Delays of columns that end where a cell does may be later by this part of them.
ROUNDING = 1e-8

#: The price of the cost is within this factor of r at first, and of its square, its cube, and so on in later tries.
TRUST = 3.0

#: Where no column is known, a user has this part of the largest score.
SOME = 0.25


@dataclass(frozen=True, eq=False)
class _Rows:
    """Arrays with K rows each."""

    def chosen(self, index: Any) -> Self:
        """Return some of the rows."""
        return type(self)(*(getattr(self, item.name)[index] for item in fields(self)))

    def and_(self, other: Self) -> Self:
        """Return these and others."""
        return type(self)(
            *(np.concatenate([getattr(self, item.name), getattr(other, item.name)]) for item in fields(self))
        )


@dataclass(frozen=True, eq=False)
class Known(_Rows):
    """Columns that are known, and what they are worth at the prices of the moment.

    Parameters
    ----------
    user, server, data
        As in `ColumnPool`.
    reduced
        Reduced values, shape (K,).
    cost, gain
        What they cost by themselves, and their weighted ratios, shape (K,).
    """

    user: Index
    server: Index
    data: Array
    reduced: Array
    cost: Array
    gain: Array


@dataclass(frozen=True, eq=False)
class Cells(_Rows):
    """Cells of pairs, K of them.

    Parameters
    ----------
    user, server
        Of which pair, shape (K,).
    low, high
        Range of the user's cost, shape (K,).
    offload
        Range of phi, shape (K, 2).
    bound
        What is proven of it, shape (K,); infinite where nothing is.
    tries
        How often it was proven, shape (K,).
    """

    user: Index
    server: Index
    low: Array
    high: Array
    offload: Array
    bound: Array
    tries: Index

    def cut(self, by_phi: bool = True) -> Cells:
        """Return both parts of each: at the cost, or, where that may be and the cost is narrow, at phi."""
        width = np.diff(self.offload)[:, 0]
        at_phi = by_phi & (BY_COST * (np.log(self.high) - np.log(self.low)) < width)
        middle = np.clip(np.sqrt(self.low) * np.sqrt(self.high), self.low, self.high)
        phi = self.offload.mean(axis=1)
        first, second = self.offload.copy(), self.offload.copy()
        first[at_phi, 1] = second[at_phi, 0] = phi[at_phi]
        new = np.zeros(len(width), np.int64)
        below = replace(self, high=np.where(at_phi, self.high, middle), offload=first, tries=new)
        return below.and_(replace(self, low=np.where(at_phi, self.low, middle), offload=second, tries=new))

    @property
    def narrow(self) -> Mask:
        """Which are too narrow to be cut."""
        return np.asarray(self.high <= self.low * (1.0 + NARROW))


@dataclass(frozen=True, eq=False)
class Multipliers(_Rows):
    """Multipliers of cells, and what they say of the columns that are known, which is less than what they prove.

    Parameters
    ----------
    value
        The bound of both ends, were there no other columns, shape (K,); minus infinity where none is known.
    ratio
        r, shape (K,).
    price
        q of both ends, shape (K, 2).
    best
        Index of the column that is the best at each end, shape (K, 2); minus one where none is known.
    """

    value: Array
    ratio: Array
    price: Array
    best: Index


def constant(price: Array, ratio: Array, cells: Cells, end: int) -> Array:
    """Return what is added to the linear problem of an end (0 or 1) of cells at its price q, shape (K,)."""
    if end == 0:
        return np.where(price <= ratio, price, ratio + (price - ratio) * (cells.high / cells.low))
    return np.where(price >= ratio, price, ratio - (ratio - price) * (cells.low / cells.high))


def multipliers(known: Known, cells: Cells, n_servers: int, time_weight: float, most: Array) -> Multipliers:
    """Return the multipliers of cells that are about the best for the columns that are known.

    The ratio is that of the best column in the cell, or of the nearest one.

    Parameters
    ----------
    known, cells
        Columns and cells.
    n_servers
        M.
    time_weight
        omega_t: what a column costs at least, per unit of its delay.
    most
        The largest weighted score of every user, shape (N,).
    """
    count, guess = len(cells.user), SOME * most[cells.user] / cells.low
    if not len(known.user):
        none = np.full((count, 2), -1)
        return Multipliers(np.full(count, -np.inf), guess, np.column_stack([guess, guess]), none)
    # Columns by pairs: those of a cell stand in a row.
    pair = known.user * n_servers + known.server
    order = np.argsort(pair, kind="stable")
    wanted = cells.user * n_servers + cells.server
    begin, end = (np.searchsorted(pair[order], wanted, side) for side in ("left", "right"))
    place = begin[:, np.newaxis] + np.arange(max(int(np.max(end - begin)), 1))
    index = order[np.minimum(place, len(order) - 1)]
    cost, delay, phi = known.cost[index], known.data[index, DELAY], known.data[index, OFFLOAD]
    low, high = cells.low[:, np.newaxis], cells.high[:, np.newaxis]
    held = (place < end[:, np.newaxis]) & (delay * time_weight <= high * (1.0 + ROUNDING))
    held &= (cells.offload[:, :1] <= phi) & (phi <= cells.offload[:, 1:])
    far = np.where(held, np.maximum(np.log(cost / high), np.log(low / cost)), np.inf)
    inside, at = far <= 0.0, np.arange(count)
    best = np.argmax(np.where(inside, known.reduced[index], -np.inf), axis=1)
    chosen = np.where(inside.any(axis=1), best, np.argmin(far, axis=1))
    there = held.any(axis=1)
    ratio = np.where(there, known.gain[index][at, chosen], guess)
    score, charged = (known.gain * known.cost)[index], (known.gain - known.reduced)[index]
    ends = [_best_price(held, score, cost, charged, ratio, cells, i) for i in (0, 1)]
    columns = np.column_stack([np.where(there, index[at, column], -1) for _, _, column in ends])
    value = np.maximum(ends[0][0], ends[1][0])
    return Multipliers(value, ratio, np.column_stack([ends[0][1], ends[1][1]]), columns)


def _best_price(
    held: Mask, score: Array, cost: Array, charged: Array, ratio: Array, cells: Cells, end: int
) -> tuple[Array, Array, Index]:
    """Return the least value over q of one end, that q, and the best column there, shape (K,) each.

    Where the best column at q = r is in the cell, that is the one; else the one at which columns pass its end, or what
    is nearest to it of those to be trusted.

    Parameters
    ----------
    held, score, cost, charged
        Which columns count, their weighted scores, costs and what they are charged, shape (K, J).
    ratio
        r, shape (K,).
    cells, end
        The cells, and the end: 0 or 1.
    """
    unit = (cells.high if end else cells.low)[:, np.newaxis]
    at = np.arange(len(ratio))

    def best(price: Array) -> tuple[Array, Index]:
        value = np.where(held, (score - price[:, np.newaxis] * cost) / unit - charged, -np.inf)
        chosen = np.argmax(value, axis=1)
        return value[at, chosen] + constant(price, ratio, cells, end), chosen

    price = ratio
    value, chosen = best(price)
    paid, there = cost[at, chosen], held.any(axis=1)
    above, below = there & (paid > cells.high), there & (paid < cells.low)
    limit = np.where(above, cells.high, cells.low)
    low, high = np.where(above, ratio, ratio / FAR), np.where(below, ratio, ratio * FAR)
    moving = above | below
    for _ in range(BISECTIONS if moving.any() else 0):
        tried = np.where(moving, np.sqrt(low) * np.sqrt(high), price)
        new, column = best(tried)
        more = cost[at, column] > limit
        low, high = np.where(more, tried, low), np.where(more, high, tried)
        better = new < value
        value, price = np.where(better, new, value), np.where(better, tried, price)
    # What few columns say is not to be trusted far from r.
    reach = TRUST ** (1.0 + cells.tries)
    price = np.clip(price, ratio / reach, ratio * reach)
    return value, price, best(price)[1]
