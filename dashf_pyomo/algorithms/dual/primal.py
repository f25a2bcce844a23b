"""Allocations for many users: one server and one mode of phi for each, and column generation there.

With the server of every user and a narrow range of its phi given, what is left is nearly convex: the mean of a user's
columns, each weighted as the master program weights it, keeps the budgets and costs no more than they do. So column
generation in that box alone, with one pair a user, and the mean of its mixture make a good allocation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation

from .boxes import Box
from .columns import ColumnPool
from .deadline import at_deadline
from .interval import Bounded
from .master import Prices
from .pricer import Pricer
from .rounding import at_best_deadline, rounded

__all__ = ["fixed_modes", "mean_allocation"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Half the width of the range of phi of a user.
REACH = 0.05


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
    few = {"stage": 1, "moves": 4, "most_rounds": 12}  # the deadline is about right, and the mean forgives
    bounded, columns = at_deadline(pricer, pool, box, deadline, floor, accuracy, start, tick=tick, **few)
    n, m = box.allowed.shape
    mean = rounded((n, m), bounded, columns)
    return None if mean is None else at_best_deadline(pricer, *mean, bounded.deadline), bounded
