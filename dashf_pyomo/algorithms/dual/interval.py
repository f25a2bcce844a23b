"""The bound of one box: column generation for good prices, then a proof at the best of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .boxes import Box
from .columns import DELAY, OFFLOAD, ColumnPool
from .master import Master, Prices
from .pricer import Priced, Pricer

__all__ = ["Bounded", "bound_box"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


#: Column generation stops when its bound is off by this part of what it lies above the incumbent.
COARSE = 0.02

#: Prices go this part of the way from the best so far to those of the master.
STEP = 0.5

#: Every so many rounds all pairs are searched, from all starts; between, the promising ones from their last columns.
THOROUGH = 4

#: Columns are kept if they are worse than the best of their user by no more than this part of their score.
NEAR = 0.1

#: A box starts with the columns that are worse than the best of their user by no more than this part of their score.
SUITABLE = 0.5

#: Columns a user in the master program, at which the far ones are forgotten.
MOST_COLUMNS = 40


@dataclass(frozen=True, eq=False)
class Bounded:
    """What is known of a box.

    Parameters
    ----------
    bound
        Upper bound on the scaled SCR of its allocations (minus infinity if it has none).
    value
        Value of the master program: about what the bound of this box can be at best.
    prices
        Where the bound was taken.
    weights
        Of `members`, the best mixture, those of each user sum to one; shape (J,).
    members
        Columns of the pool in the master program, shape (J,).
    rounds
        Rounds of column generation.
    deadline
        Of the mixture: the longest mean deadline of a user.
    """

    bound: float
    value: float
    prices: Prices | None
    weights: Array
    members: Index
    rounds: int
    deadline: float


def bound_box(
    pricer: Pricer,
    pool: ColumnPool,
    box: Box,
    floor: float,
    target: float,
    accuracy: float,
    start: Prices | None,
    *,
    coarse: float = COARSE,
    most_rounds: int = 40,
    max_cells: int = 1000,
    proven: bool = True,
    tick: Callable[[], None] = lambda: None,
) -> Bounded:
    """Generate columns until the bound is as good as it gets or below the target, and prove it.

    Parameters
    ----------
    pricer
        Prices the pairs.
    pool
        Columns so far; new ones are added.
    box
        What is bounded.
    floor
        A scaled SCR that is reached; bounds below it are of no interest.
    target
        A bound at or below this is good enough.
    accuracy
        Relative accuracy of the prices and of the proof.
    start
        Prices to start from, or None.
    coarse
        Prices are good enough once better ones bring the bound down by no more than this part of what it lies above
        the floor.
    most_rounds
        Most rounds of column generation.
    max_cells
        Most cells a pair in the proof.
    proven
        Whether the bound is proven; an unproven one is what local search says.
    tick
        Called in every round; may raise.
    """
    time_weight, shortest = pricer.pairs.time_weight, box.interval[0]
    n, m = box.allowed.shape
    nothing = np.zeros(0), np.zeros(0, np.int64)
    if not box.allowed.any(axis=1).all():
        return Bounded(-np.inf, -np.inf, None, *nothing, 0, shortest)
    master = Master(n, m, pricer.scenario.score_norm, time_weight, box.interval)
    members = np.arange(len(pool))
    members = members[_fits(pool, members, box)]
    if start is not None:
        members = members[_promising(pricer, pool, members, start, shortest, SUITABLE)]
    master.add(pool, members)
    most_columns = MOST_COLUMNS * n + 1000
    per_user = accuracy * floor * time_weight * max(shortest, 1e-3 * box.interval[1]) / n

    def estimate(prices: Prices, excess: float) -> float:
        # With cost >= omega T0, score - y cost <= D gives SCR <= y + D / (omega T0).
        return prices.ratio + max(excess, 0.0) / (time_weight * shortest)

    def done(bound: float) -> bool:
        close = bound <= max(value, floor) * (1.0 + accuracy) or bound <= target * (1.0 - 0.1 * accuracy)
        # Far above the incumbent, prices need not be better than that.
        return close or bound - value <= coarse * (bound - floor)

    centre, best, value, weights = start, np.inf, -np.inf, np.zeros(0)
    priced: Priced | None = None
    rounds, thorough, step = 0, 0, STEP
    for rounds in range(1, most_rounds + 1):
        tick()
        before = value
        value, prices, weights = master.solve()
        if len(master.members) > most_columns:
            keep = weights > 0.0
            keep |= _promising(pricer, pool, master.members, centre or prices, shortest, NEAR)
            master.keep(keep)
            weights = weights[keep]
            most_columns = max(most_columns, 2 * len(master.members))
        # Where the last columns changed nothing, the prices of the master are nearer to those that will.
        step = STEP if value < before * (1.0 - 1e-6) or value > before * (1.0 + 1e-6) else 0.5 * (1.0 + step)
        prices = Prices(max(prices.ratio, floor), prices.shares, prices.delay)
        trial = prices if centre is None else centre.towards(prices, step if rounds > 1 else 0.0)
        trial = trial.balanced(time_weight)
        quick = rounds < thorough + THOROUGH and thorough > 0
        priced = pricer.search(trial, box, 0.1 * per_user, quick)
        reached = estimate(trial, priced.excess)
        if quick and done(min(best, reached)):
            quick = False  # what was left out may matter
            priced = pricer.search(trial, box, 0.1 * per_user)
            reached = estimate(trial, priced.excess)
        thorough = thorough if quick else rounds
        if not np.isfinite(priced.best).all():
            break  # somebody cannot be in time: the proof will say so
        if reached < best:
            best, centre, step = reached, trial, STEP
        if done(best) and not quick:
            break
        known = len(pool)
        _collect(pricer, pool, priced, trial, shortest)
        fresh = np.arange(known, len(pool))
        master.add(pool, fresh[_fits(pool, fresh, box)])
    chosen = trial if centre is None else centre
    members = master.members[: len(weights)]
    late = np.maximum(pool.data[members, DELAY], shortest)
    deadline = float(np.bincount(pool.user[members], weights * late, minlength=n).max())
    if not proven:
        return Bounded(best, value, chosen, weights, members, rounds, deadline)
    proof = pricer.prove(chosen, box, per_user, max_cells)
    _collect(pricer, pool, proof, chosen, shortest)
    if not np.isfinite(proof.best).all():
        return Bounded(-np.inf, -np.inf, chosen, *nothing, rounds, shortest)
    bound = estimate(chosen, proof.excess)
    return Bounded(bound, value, chosen, weights, members, rounds, deadline)


def _promising(
    pricer: Pricer, pool: ColumnPool, members: Index, prices: Prices, shortest: float, part: float
) -> NDArray[np.bool_]:
    """Return which columns are worse than the best of their user by no more than a part of their score."""
    reduced = pricer.reduced(pool, members, prices, shortest)
    best = np.full(pricer.scenario.n_users, -np.inf)
    np.maximum.at(best, pool.user[members], reduced)
    gains = np.log1p(pricer.scenario.score_norm * pool.data[members, :3].sum(axis=1))
    return np.asarray(reduced >= best[pool.user[members]] - part * gains)


def _fits(pool: ColumnPool, members: Index, box: Box) -> NDArray[np.bool_]:
    user, phi = pool.user[members], pool.data[members, OFFLOAD]
    return np.asarray(
        (pool.data[members, DELAY] <= box.interval[1] * (1.0 + 1e-9))
        & box.allowed[user, pool.server[members]]
        & (box.offload[user, 0] <= phi)
        & (phi <= box.offload[user, 1])
    )


def _collect(pricer: Pricer, pool: ColumnPool, priced: Priced, prices: Prices, shortest: float) -> None:
    """Add the columns that are among the best of their users, by a part of their score."""
    gains = np.log1p(pricer.scenario.score_norm * priced.data[:, :3].sum(axis=1))
    near = priced.reduced >= priced.best[priced.user] - NEAR * gains
    pool.add(priced.user[near], priced.server[near], priced.data[near])
