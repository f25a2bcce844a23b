"""From an LP solution to an allocation: a server for each user, the mean of its columns there, the best deadline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, Scenario, evaluate

from .boxes import Bounded
from .columns import DELAY, OFFLOAD, WIDTH, ColumnPool
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
    problem: SeparableProblem, bounded: Bounded, pool: ColumnPool, rng: np.random.Generator | None = None
) -> tuple[Index, Array] | None:
    """Return a server for each user, and the mean of its columns there, or None if a user has no column.

    Parameters
    ----------
    problem
        The separable problem; where it has rows, servers are chosen that keep them.
    bounded
        Has the LP solution.
    pool
        Its columns.
    rng
        Draws each user's server with its weight; without it the heaviest is taken.

    Returns
    -------
    server : array, shape (N,)
    columns : array, shape (N, 8)
        The mean of the entries of `ColumnPool`.
    """
    n, m = problem.scenario.n_users, problem.scenario.n_servers
    members, weights = bounded.members, bounded.weights
    user, data = pool.user[members], pool.data[members]
    by_server = np.zeros((n, m))
    np.add.at(by_server, (user, pool.server[members]), weights)
    total = by_server.sum(axis=1, keepdims=True)
    if np.any(total <= 0.0):
        return None
    if rng is None:
        server = by_server.argmax(axis=1)
    else:
        chance = np.cumsum(by_server / total, axis=1)
        server = np.minimum((rng.uniform(size=(n, 1)) > chance).sum(axis=1), m - 1)
    if len(problem.rows):
        wanted = 0.1 * by_server + (np.arange(m) == server[:, np.newaxis])
        server = _within_rows(problem, wanted, by_server > 0.0, members, weights, pool)
    share = np.where(pool.server[members] == server[user], weights, 0.0)
    held = np.bincount(user, share, minlength=n)
    if np.any(held <= 0.0):
        return None
    mean = np.column_stack([np.bincount(user, share * data[:, i], minlength=n) for i in range(WIDTH)])
    return server, mean / held[:, np.newaxis]


def _within_rows(
    problem: SeparableProblem,
    wanted: Array,
    there: NDArray[np.bool_],
    members: Index,
    weights: Array,
    pool: ColumnPool,
) -> Index:
    """Return the servers of users, shape (N,), that are most wanted among those whose mean columns keep the rows.

    Every row may be exceeded, at a price above all that is wanted: what resources can do about it comes later.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import coo_array, eye_array, hstack, kron

    n, m = wanted.shape
    user, server = pool.user[members], pool.server[members]
    limit, taken = problem.rows.taken(user, server, problem.entries(user, server, pool.data[members]))
    pair = user * m + server
    total = np.bincount(pair, weights, minlength=n * m)
    share = np.divide(weights, total[pair], out=np.zeros(len(pair)), where=total[pair] > 0.0)
    count, kinds = len(problem.rows), limit.shape[1]
    index = limit.ravel(), np.repeat(pair, kinds)
    rows = coo_array(((taken * share[:, np.newaxis]).ravel(), index), shape=(count, n * m)).tocsr()
    once = hstack([kron(eye_array(n), np.ones((1, m))), coo_array((n, count))]).tocsr()
    found = milp(
        np.concatenate([-wanted.ravel(), np.full(count, 10.0)]),
        integrality=np.concatenate([np.ones(n * m), np.zeros(count)]),
        bounds=Bounds(0.0, np.concatenate([there.ravel().astype(np.float64), np.full(count, np.inf)])),
        constraints=[
            LinearConstraint(once, 1.0, 1.0),
            LinearConstraint(hstack([rows, -eye_array(count)]).tocsr(), -np.inf, problem.rows.right),
        ],
        options={"time_limit": 2.0, "mip_rel_gap": 1e-3},
    )
    best = wanted if found.x is None else found.x[: n * m].reshape(n, m)
    return np.where(there, best, -1.0).argmax(axis=1)


def at_best_deadline(problem: SeparableProblem, server: Index, columns: Array, deadline: float) -> Allocation:
    """Return the allocation with given shares, cut to the budgets, at the best of several deadlines.

    At each deadline phi and the user's power and speed need the least energy for it, where it can be met. Where users
    have no deadline in common, each has the delay of its columns.

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
    objective, ranges = scenario.objective, problem.whole().offload
    best, most = _allocation(scenario, server, columns), None
    for factor in DEADLINES:
        asked = deadline * factor if problem.has_deadline else columns[:, DELAY] * factor
        found = problem.least_energy(np.arange(len(server)), server, columns[:, :3], asked, ranges)
        met = np.isfinite(found[:, 0])
        columns[met, OFFLOAD:6] = found[met, 1:4]
        candidate = _allocation(scenario, server, columns)
        e = evaluate(scenario, candidate)
        if e.feasible and (most is None or objective.better(e.value, most)):
            best, most = candidate, e.value
    return best


def _allocation(scenario: Scenario, server: Index, columns: Array) -> Allocation:
    zeros = np.zeros(len(server))
    empty = Allocation(server.astype(np.int64), zeros, zeros, zeros, zeros, zeros, zeros)
    return empty.with_shares(scenario, columns[:, [0, 1, 2, 4, 5]].T, columns[:, OFFLOAD])
