"""The bound of one box: column generation for good prices, then a proof at the best of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .boxes import Box
from .columns import ENERGY, ColumnPool
from .generation import Generation, collect, fits
from .master import Prices
from .pricer import Priced, Pricer

__all__ = ["COARSE", "Bounded", "bound_box", "proven_bound", "user_tolerance"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Column generation stops when its bound is off by this part of what it lies above the incumbent.
COARSE = 0.02


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


def user_tolerance(pricer: Pricer, box: Box, floor: float, accuracy: float) -> float:
    """Return what a user's value may be off by, for the bound to be off by a relative accuracy."""
    shortest, longest = box.interval
    return accuracy * floor * pricer.pairs.time_weight * max(shortest, 1e-3 * longest) / len(box.allowed)


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
    shortest = box.interval[0]
    nothing = np.zeros(0), np.zeros(0, np.int64)
    if not box.allowed.any(axis=1).all():
        return Bounded(-np.inf, -np.inf, None, *nothing, 0, shortest)
    tolerance = user_tolerance(pricer, box, floor, accuracy)

    def done(bound: float, value: float) -> bool:
        close = bound <= max(value, floor) * (1.0 + accuracy) or bound <= target * (1.0 - 0.1 * accuracy)
        # Far above the incumbent, prices need not be better than that.
        return close or bound - value <= coarse * (bound - floor)

    generation = Generation(pricer, pool, box, floor, start, 0.1 * tolerance)
    for _ in range(most_rounds):
        tick()
        if generation.round(done):
            break  # done, or somebody cannot be in time: the proof will say so
    chosen, rounds = generation.chosen, generation.rounds
    # A mixture that buys more than the budgets, when rounds have run out, may be worth more than any bound.
    value = min(generation.value, generation.best)
    mixture = value, chosen, generation.weights, generation.members, rounds, generation.deadline()
    if not proven:
        return Bounded(generation.best, *mixture)
    bound, proof = proven_bound(pricer, pool, box, chosen, tolerance, max_cells)
    collect(pricer, pool, proof)
    if np.isneginf(bound):
        return Bounded(-np.inf, -np.inf, chosen, *nothing, rounds, shortest)
    return Bounded(bound, *mixture)


def proven_bound(
    pricer: Pricer, pool: ColumnPool, box: Box, prices: Prices, tolerance: float, max_cells: int
) -> tuple[float, Priced]:
    """Prove what the allocations of a box can reach at most, in scaled SCR, by given prices.

    The bound is minus infinity if some user cannot be served in time, and infinity if the proof met what is no number,
    or if a column that is there is worth more than the proof allows: a proof that is wrong somewhere proves nothing.

    Parameters
    ----------
    pricer, pool, box
        As in `bound_box`.
    prices
        Balanced prices.
    tolerance
        What a user's value may be above the truth.
    max_cells
        Most cells a pair.

    Returns
    -------
    bound
        The bound.
    proof
        What pricing says.
    """
    proof = pricer.prove(prices, box, tolerance, max_cells)
    members = np.flatnonzero((pool.data[:, :ENERGY] <= 1.0).all(axis=1))  # the evaluator lets a little more pass
    members = members[fits(pool, members, box, late=0.0)]
    known = np.full(len(box.allowed), -np.inf)
    np.maximum.at(known, pool.user[members], pricer.reduced(pool, members, prices, box.interval[0]))
    np.maximum.at(known, proof.user, proof.reduced)
    rounding = 1e-9 * np.log1p(3.0 * pricer.scenario.score_norm)
    wrong = np.isnan(proof.best) | np.isposinf(proof.best) | (known > proof.best + rounding)
    if wrong.any():
        return np.inf, proof
    if np.isneginf(proof.best).any():
        return -np.inf, proof
    return prices.bound(proof.excess, pricer.pairs.time_weight, box.interval[0]), proof
