"""Where to cut a box: at a deadline, at the servers of a user, or at its phi."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .boxes import Box, Cut, DeadlineCut, OffloadCut, ServerCut
from .columns import ENERGY, OFFLOAD, ColumnPool
from .interval import Bounded

__all__ = ["NARROW", "deadline_cut", "far_cut", "user_cut"]

Array = NDArray[np.float64]

#: An interval of deadlines whose ends differ by less, relative, is not cut any more.
NARROW = 1e-3

#: What is farther than this factor, squared, from the best deadline is cut off at this factor.
AROUND = 1.15

#: A user is split when no part of its mixture has all the weight but this.
WHOLE = 1e-3

#: Parts of a mixture whose phi differ by less are not told apart.
ALIKE = 0.02


def deadline_cut(box: Box, narrow: float = NARROW) -> DeadlineCut | None:
    """Return the cut in the geometric middle of the deadlines, or None if they are close together."""
    low, high = box.interval
    return DeadlineCut(float(np.sqrt(low) * np.sqrt(high))) if high > low * (1.0 + narrow) else None


def far_cut(box: Box, best: float) -> DeadlineCut | None:
    """Return the cut that takes off what is far from the best deadline on one side, or None if nothing is."""
    low, high = box.interval
    if low < best / AROUND**2 and best <= high:
        return DeadlineCut(best / AROUND)
    if high > best * AROUND**2 and low <= best:
        return DeadlineCut(best * AROUND)
    return None


def user_cut(box: Box, bounded: Bounded, pool: ColumnPool) -> Cut | None:
    """Return the cut of the user that the mixture of a box splits most, or None if it splits nobody.

    A user counts by how far apart its parts are: the mean distance of its columns from their mean, at their prices.

    Parameters
    ----------
    box
        What is to be cut.
    bounded
        Has the mixture and its prices.
    pool
        The columns.
    """
    prices, members, weights = bounded.prices, bounded.members, bounded.weights
    if prices is None or not len(members):
        return None
    n, m = box.allowed.shape
    held = weights > 1e-9
    members, weights = members[held], weights[held]
    user, server, data = pool.user[members], pool.server[members], pool.data[members]
    by_server = np.zeros((n, m))
    np.add.at(by_server, (user, server), weights)
    # What a column takes of each budget, and of energy, at its price; one entry per server and resource.
    taken = np.zeros((len(members), 3 * m + 1))
    for i in range(3):
        taken[np.arange(len(members)), 3 * server + i] = data[:, i] * prices.shares[server, i]
    taken[:, -1] = prices.ratio * data[:, ENERGY]
    mean = np.zeros((n, 3 * m + 1))
    np.add.at(mean, user, weights[:, np.newaxis] * taken)
    apart = np.bincount(user, weights * np.abs(taken - mean[user]).sum(axis=1), minlength=n)
    for n_th in np.argsort(-apart).tolist():
        if apart[n_th] <= 0.0:
            return None
        cut = _cut_of(n_th, by_server[n_th], box, weights[user == n_th], data[user == n_th])
        if cut is not None:
            return cut
    return None


def _cut_of(n: int, by_server: Array, box: Box, weights: Array, data: Array) -> Cut | None:
    """Return the cut that takes a user's parts from each other: by server, else by phi."""
    heaviest = int(by_server.argmax())
    if by_server.sum() - by_server[heaviest] > WHOLE:
        return ServerCut(n, np.arange(len(by_server)) == heaviest)
    phi = data[:, OFFLOAD]
    low, high = box.offload[n]
    mean = float(np.average(phi, weights=weights))
    below = float(weights[phi <= mean].sum())
    if np.ptp(phi) < ALIKE or min(below, weights.sum() - below) < WHOLE:
        return None
    width = high - low
    at = float(np.clip(mean, low + 0.1 * width, high - 0.1 * width))
    return OffloadCut(n, at, int(weights[phi > at].sum() > weights[phi <= at].sum()))
