"""From a mixture of columns to an allocation: one server and one mode of phi for each user, and the best shares there.

With the server of every user and a narrow range of its phi given, what is left is nearly convex: the mean of a user's
columns, each weighted as the master program weights it, keeps the budgets and costs no more than they do. So column
generation in that box alone, with one pair a user, and the mean of its mixture make a good allocation. The deadline
is then chosen by trial, and the energy is the least that meets it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, Scenario, evaluate

from .boxes import Box
from .columns import OFFLOAD, ColumnPool
from .deadline import at_deadline
from .interval import Bounded
from .master import Prices
from .pricer import Pricer

__all__ = ["fixed_modes", "mean_allocation"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Half the width of the range of phi of a user.
REACH = 0.05

#: Deadlines that are tried, relative to that of the mixture.
DEADLINES = np.concatenate([[1.0], 1.0 + np.linspace(-0.02, 0.02, 9), np.geomspace(0.8, 1.25, 8)])


def fixed_modes(box: Box, server: Index, offload: Array) -> Box:
    """Return the part of a box in which every user has one server and a phi near a given one, shape (N,) each."""
    ranges = np.clip(np.column_stack([offload - REACH, offload + REACH]), 0.0, 1.0)
    allowed = box.allowed & (np.arange(box.allowed.shape[1]) == server[:, np.newaxis])
    return Box(box.interval, allowed, ranges)


def mean_allocation(
    pricer: Pricer,
    pool: ColumnPool,
    box: Box,
    deadline: float,
    floor: float,
    accuracy: float,
    start: Prices | None,
    tick: Callable[[], None],
) -> tuple[Allocation | None, Bounded]:
    """Return the mean of the best mixture of a box with one server for each user, and what is known of the box.

    Parameters
    ----------
    pricer, pool, deadline, floor, accuracy, start, tick
        As in `deadline.at_deadline`.
    box
        Each user has one server in it.
    """
    bounded, pool = at_deadline(pricer, pool, box, deadline, floor, accuracy, start, tick=tick)
    server = box.allowed.argmax(axis=1)
    n = len(server)
    members, weights = bounded.members, bounded.weights
    if not len(members):
        return None, bounded
    user = pool.user[members]
    held = np.bincount(user, weights, minlength=n)
    if np.any(held <= 0.0):
        return None, bounded
    data = pool.data[members]
    mean = np.column_stack([np.bincount(user, weights * data[:, i], minlength=n) / held for i in range(6)])
    best: Allocation | None = None
    most = -np.inf
    for factor in DEADLINES:
        at = _with_deadline(pricer, server, mean, bounded.deadline * factor)
        candidate = _allocation(pricer.scenario, server, at)
        e = evaluate(pricer.scenario, candidate)
        if e.feasible and e.scr > most:
            best, most = candidate, e.scr
    return best, bounded


def _with_deadline(pricer: Pricer, server: Index, mean: Array, deadline: float) -> Array:
    """Return the columns with the phi, power and speed that need least energy for a deadline, where it can be met."""
    best = pricer.least_energy(np.arange(len(server)), server, mean[:, :3], deadline)
    good = np.isfinite(best[:, 0])
    adapted = mean.copy()
    adapted[good, OFFLOAD:6] = best[good, 1:4]
    return adapted


def _allocation(scenario: Scenario, server: Index, columns: Array) -> Allocation:
    zeros = np.zeros(len(server))
    empty = Allocation(server.astype(np.int64), zeros, zeros, zeros, zeros, zeros, zeros)
    return empty.with_shares(scenario, columns[:, [0, 1, 2, 4, 5]].T, columns[:, OFFLOAD])
