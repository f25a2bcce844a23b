"""From a mixture of columns to an allocation: the heaviest server of every user, and the mean of its columns there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, Scenario

from .columns import OFFLOAD, ColumnPool
from .interval import Bounded

__all__ = ["modes", "rounded"]

Array = NDArray[np.float64]


def _by_server(bounded: Bounded, pool: ColumnPool, shape: tuple[int, int]) -> Array:
    weight = np.zeros(shape)
    np.add.at(weight, (pool.user[bounded.members], pool.server[bounded.members]), bounded.weights)
    return weight


def modes(bounded: Bounded, pool: ColumnPool, server: NDArray[np.int64]) -> Array:
    """Return phi of every user's heaviest column at its server, shape (N,); 1/2 where it has none."""
    members = bounded.members
    there = pool.server[members] == server[pool.user[members]]
    members, weights = members[there], bounded.weights[there]
    phi = np.full(len(server), 0.5)
    order = np.argsort(weights, kind="stable")  # the heaviest comes last, and stays
    phi[pool.user[members[order]]] = pool.data[members[order], OFFLOAD]
    return phi


def rounded(
    scenario: Scenario, bounded: Bounded, pool: ColumnPool, rng: np.random.Generator | None = None
) -> Allocation | None:
    """Return the allocation that a mixture suggests, or None if a user has no column in it.

    Parameters
    ----------
    scenario
        The data.
    bounded
        Has the mixture.
    pool
        Its columns.
    rng
        Draws each user's server with its weight; without it the heaviest is taken.
    """
    n, m = scenario.n_users, scenario.n_servers
    weight = _by_server(bounded, pool, (n, m))
    total = weight.sum(axis=1, keepdims=True)
    if np.any(total <= 0.0):
        return None
    if rng is None:
        server = weight.argmax(axis=1)
    else:
        chance = np.cumsum(weight / total, axis=1)
        server = np.minimum((rng.uniform(size=(n, 1)) > chance).sum(axis=1), m - 1)
    members = bounded.members
    user = pool.user[members]
    chosen = pool.server[members] == server[user]
    share = np.where(chosen, bounded.weights, 0.0)
    held = np.bincount(user, share, minlength=n)
    data = pool.data[members]
    mean = np.column_stack([np.bincount(user, share * data[:, i], minlength=n) for i in range(6)]) / held[:, np.newaxis]
    zeros = np.zeros(n)
    empty = Allocation(server.astype(np.int64), zeros, zeros, zeros, zeros, zeros, zeros)
    return empty.with_shares(scenario, mean[:, [0, 1, 2, 4, 5]].T, mean[:, 3])
