"""From an LP solution to an allocation: a server for each user, the mean of its columns there, the best deadline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, Scenario, evaluate

from .boxes import Bounded
from .columns import OFFLOAD, ColumnPool
from .problem import SeparableProblem

__all__ = ["at_best_deadline", "modes", "rounded"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Deadlines that are tried, relative to that of the LP solution.
DEADLINES = np.concatenate([[1.0], 1.0 + np.linspace(-0.02, 0.02, 9), np.geomspace(0.8, 1.25, 8)])


def modes(bounded: Bounded, pool: ColumnPool, server: Index) -> Array:
    """Return phi of every user's heaviest column at its server, shape (N,); 1/2 where it has none."""
    members = bounded.members
    there = pool.server[members] == server[pool.user[members]]
    members, weights = members[there], bounded.weights[there]
    phi = np.full(len(server), 0.5)
    order = np.argsort(weights, kind="stable")  # the heaviest comes last, and stays
    phi[pool.user[members[order]]] = pool.data[members[order], OFFLOAD]
    return phi


def rounded(
    shape: tuple[int, int], bounded: Bounded, pool: ColumnPool, rng: np.random.Generator | None = None
) -> tuple[Index, Array] | None:
    """Return a server for each user, and the mean of its columns there, or None if a user has no column.

    Parameters
    ----------
    shape
        (N, M).
    bounded
        Has the LP solution.
    pool
        Its columns.
    rng
        Draws each user's server with its weight; without it the heaviest is taken.

    Returns
    -------
    server : array, shape (N,)
    columns : array, shape (N, 6)
        Shares of bandwidth, power and speed, phi, fractions of the user's power and speed.
    """
    n, m = shape
    members, weights = bounded.members, bounded.weights
    user, data = pool.user[members], pool.data[members]
    by_server = np.zeros(shape)
    np.add.at(by_server, (user, pool.server[members]), weights)
    total = by_server.sum(axis=1, keepdims=True)
    if np.any(total <= 0.0):
        return None
    if rng is None:
        server = by_server.argmax(axis=1)
    else:
        chance = np.cumsum(by_server / total, axis=1)
        server = np.minimum((rng.uniform(size=(n, 1)) > chance).sum(axis=1), m - 1)
    share = np.where(pool.server[members] == server[user], weights, 0.0)
    held = np.bincount(user, share, minlength=n)
    if np.any(held <= 0.0):
        return None
    mean = np.column_stack([np.bincount(user, share * data[:, i], minlength=n) for i in range(6)])
    return server, mean / held[:, np.newaxis]


def at_best_deadline(problem: SeparableProblem, server: Index, columns: Array, deadline: float) -> Allocation:
    """Return the allocation with given shares, cut to the budgets, at the best of several deadlines.

    At each deadline phi and the user's power and speed need the least energy for it, where it can be met.

    Parameters
    ----------
    problem
        The separable problem.
    server, columns
        As `rounded` returns them.
    deadline
        Of the LP solution, time units.
    """
    scenario = problem.scenario
    columns = columns.copy()
    for i in range(3):
        taken = np.bincount(server, columns[:, i], minlength=scenario.n_servers)
        columns[:, i] /= np.maximum(taken, 1.0)[server]
    best = _allocation(scenario, server, columns)
    most = -np.inf
    for factor in DEADLINES:
        found = problem.least_energy(np.arange(len(server)), server, columns[:, :3], deadline * factor)
        met = np.isfinite(found[:, 0])
        columns[met, OFFLOAD:6] = found[met, 1:4]
        candidate = _allocation(scenario, server, columns)
        e = evaluate(scenario, candidate)
        if e.feasible and e.scr > most:
            best, most = candidate, e.scr
    return best


def _allocation(scenario: Scenario, server: Index, columns: Array) -> Allocation:
    zeros = np.zeros(len(server))
    empty = Allocation(server.astype(np.int64), zeros, zeros, zeros, zeros, zeros, zeros)
    return empty.with_shares(scenario, columns[:, [0, 1, 2, 4, 5]].T, columns[:, OFFLOAD])
