"""Good prices for many users: column generation at one deadline, which moves to where it is best.

At one deadline the master program needs no rows for the deadlines of users, which makes it far quicker. At its prices
every user is then asked what it is worth at other deadlines, h_n(T). The best deadline is where their sum less
y omega T is largest, and prices of delay that lie between the slopes of h_n on both sides of it, and sum to y omega,
separate the users over all deadlines: nobody wants another one, as far as h_n is concave.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .boxes import Box
from .columns import DELAY, ENERGY, OFFLOAD, ColumnPool
from .generation import Generation
from .interval import Bounded, user_tolerance
from .master import Prices
from .pricer import Pricer

__all__ = ["at_deadline"]

Array = NDArray[np.float64]

#: Deadlines that users are asked about, relative to the present one, and the accuracy of prices there, until the
#: present one is the best of them. Those of the end are the last ones.
ASKED = (
    (0.02, np.array([0.5, 0.7, 0.85, 1.0, 1.18, 1.4, 2.0])),
    (0.005, np.array([0.88, 0.94, 0.97, 1.0, 1.03, 1.06, 1.12])),
    (0.0, np.array([0.5, 0.7, 0.82, 0.92, 0.97, 0.985, 0.995, 1.0, 1.005, 1.015, 1.03, 1.08, 1.2, 1.45, 2.0])),
)


def at_deadline(
    pricer: Pricer,
    pool: ColumnPool,
    box: Box,
    deadline: float,
    floor: float,
    accuracy: float,
    start: Prices | None,
    *,
    target: float = 0.0,
    stage: int = 0,
    moves: int = 12,
    most_rounds: int = 40,
    tick: Callable[[], None] = lambda: None,
) -> tuple[Bounded, ColumnPool]:
    """Return the bound at a deadline near the best one, not proven, and the columns that its mixture refers to.

    Parameters
    ----------
    pricer, pool, floor, accuracy, start, tick
        As in `interval.bound_box`; the pool is left as it is.
    box
        Allowed pairs, ranges of phi, and the interval in which the deadline may move.
    deadline
        Where to start.
    target
        A bound at or below this is good enough.
    stage
        Where in `ASKED` to start: from 0 if the best deadline may be far.
    moves
        Most moves of the deadline.
    most_rounds
        Most rounds of column generation at a deadline.
    """
    low, high = box.interval
    columns, prices = pool, start
    total, last = 0, len(ASKED) - 1
    said = Envelope()
    for move in range(moves + 1):
        deadline = float(np.clip(deadline, low, high))
        here = box.between(deadline, deadline)
        columns = _at(pricer, columns, box, deadline)
        tolerance = 0.1 * user_tolerance(pricer, here, floor, accuracy)
        stage = last if move == moves else stage
        thorough = stage == last
        generation = Generation(pricer, columns, here, floor, prices, tolerance, deadline_rows=False, thorough=thorough)
        done = partial(_close, floor, target, max(accuracy, ASKED[stage][0]))
        for _ in range(most_rounds):
            tick()
            if generation.round(done):
                break
        total += generation.rounds
        if not generation.possible:
            deadline *= 1.5
            continue
        asked = np.unique(np.clip(ASKED[stage][1] * deadline, low, high))
        prices, bounds = _spread(pricer, box, generation.chosen, deadline, asked, tolerance)
        said.add(asked, bounds)
        better = said.best()
        if abs(better - deadline) <= 0.001 * deadline:
            if stage == last:
                break
            stage += 1
        if move < moves:
            deadline = better
    value, weights, members = generation.value, generation.weights, generation.members
    return Bounded(generation.best, value, prices, weights, members, total, deadline), columns


def _close(floor: float, target: float, accuracy: float, bound: float, value: float) -> bool:
    return bound <= max(value, floor) * (1.0 + accuracy) or bound <= target * (1.0 - 0.1 * accuracy)


def _at(pricer: Pricer, pool: ColumnPool, box: Box, deadline: float) -> ColumnPool:
    """Return the columns that fit a box and can meet a deadline, with the least energy for it."""
    phi = pool.data[:, OFFLOAD]
    fits = box.allowed[pool.user, pool.server]
    fits &= (box.offload[pool.user, 0] <= phi) & (phi <= box.offload[pool.user, 1])
    user, server, data = pool.user[fits], pool.server[fits], pool.data[fits].copy()
    best = pricer.least_energy(user, server, data[:, :3], deadline, box.offload[user])
    data[:, ENERGY], data[:, OFFLOAD:ENERGY], data[:, DELAY] = best[:, 0], best[:, 1:4], deadline
    moved = ColumnPool()
    moved.add(user, server, data)
    return moved


class Envelope:
    """The least of bounds as functions of the deadline, each known at some deadlines and between them."""

    def __init__(self) -> None:
        self._curves: list[tuple[Array, Array]] = []

    def add(self, deadlines: Array, bounds: Array) -> None:
        """Add a bound at ascending deadlines, shape (K,) each."""
        self._curves.append((np.log(deadlines), bounds))

    def best(self) -> float:
        """Return the deadline, of those known, at which the least bound is largest."""
        at = np.unique(np.concatenate([curve for curve, _ in self._curves]))
        with np.errstate(invalid="ignore"):
            known = [np.interp(at, *curve, left=np.inf, right=np.inf) for curve in self._curves]
        least = np.min(known, axis=0)
        least[np.isnan(least)] = -np.inf  # between a deadline that is possible and one that is not
        return float(np.exp(at[np.argmax(least)]))


def _spread(
    pricer: Pricer, box: Box, prices: Prices, present: float, asked: Array, tolerance: float
) -> tuple[Prices, Array]:
    """Return the prices with those of delay that hold the users at the best deadline asked about, and all bounds."""
    free = replace(prices, delay=np.zeros(len(box.allowed)))
    worth = np.empty((len(asked), len(box.allowed)))
    k = int(np.argmin(np.abs(asked - present)))
    for side in (range(k, len(asked)), range(k - 1, -1, -1)):  # outwards, each from what its neighbour found
        with pricer.remembering():
            for i in side:
                worth[i] = pricer.search(free, box.between(asked[i], asked[i]), tolerance, quick=True, near=True).best
    total = prices.ratio * pricer.pairs.time_weight
    excess = prices.shares.sum() + worth.sum(axis=1) - total * asked
    bounds = np.where(np.isfinite(excess), prices.ratio + excess / (pricer.pairs.time_weight * asked), -np.inf)
    k = int(np.argmax(bounds))
    with np.errstate(invalid="ignore"):
        slopes = (worth - worth[k]) / (asked - asked[k])[:, np.newaxis]
    shorter = np.min(slopes[:k], axis=0, initial=np.inf)
    longer = np.maximum(np.max(slopes[k + 1 :], axis=0, initial=-np.inf), 0.0)
    shorter = np.where(np.isfinite(shorter), np.maximum(shorter, longer), longer)
    # One part of the way for all, so that the sum is right.
    least, most = float(longer.sum()), float(shorter.sum())
    part = (total - least) / (most - least) if most > least else 0.5
    delay = longer + float(np.clip(part, 0.0, 1.0)) * (shorter - longer)
    if not delay.any():
        delay = np.ones(len(delay))
    return replace(prices, delay=delay).balanced(pricer.pairs.time_weight), bounds
