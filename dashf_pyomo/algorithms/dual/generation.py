"""Column generation in one box: good prices, round by round, and the LP solution that goes with them.

Prices are smoothed in and out (Ben-Ameur and Neto 2007): each round prices at a point between the best prices so far
and those of the restricted master problem. Most rounds are *warm*: only pairs near the best are searched, from their
best columns so far. That can miss a better column, and an estimate that is too low would mislead all that follows; so
now and then, and before the end, all pairs are searched from all starts at the best prices themselves (a *full* round).

While columns are few the restricted master problem cannot keep the budgets, and its prices would be far too high. It
has surplus columns, which buy more of a budget at prices not far above those to start from; they become dearer until
none is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .boxes import Box
from .columns import DELAY, OFFLOAD, ColumnPool
from .master import SURPLUS
from .prices import Prices
from .problem import PricedColumns, SeparableProblem

__all__ = ["ColumnGeneration", "collect", "fits"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Prices go this part of the way from the best so far to those of the restricted master problem.
STEP = 0.5

#: Every so many rounds is a full one.
FULL = 4

#: Artificial columns that are still used at the end get a score that is lower by this factor.
LOWER = 30.0

#: Columns are kept if they are worse than the best of their user by no more than this part of their worth.
NEAR = 0.1

#: A box starts with the columns that are worse than the best of their user by no more than this part of their worth.
SUITABLE = 0.5

#: Columns a user at the start; if there are more, only the more suitable ones are taken.
FIRST_COLUMNS = 15

#: Columns a user in the restricted master problem, at which the far ones are removed.
MOST_COLUMNS = 40


class ColumnGeneration:
    """Column generation in a box.

    Parameters
    ----------
    problem
        The separable problem.
    pool
        Columns so far; new ones are added.
    box
        The box that is bounded.
    cutoff
        A scaled value that is reached; bounds below it are of no interest.
    start
        Prices to start from, or None.
    tolerance
        Accuracy of the search, absolute, for a user.
    deadline_rows
        Whether the restricted master problem has a row for each user's deadline; one deadline needs none.
    ends_full
        Whether its last round is a full one.

    Attributes
    ----------
    best
        Least bound so far, as the search says: not proven.
    value
        Value of the restricted master problem.
    centre
        Prices of the least bound.
    weights
        The LP solution, for `members`.
    possible
        False once a user is found that no pair serves in time.
    """

    def __init__(
        self,
        problem: SeparableProblem,
        pool: ColumnPool,
        box: Box,
        cutoff: float,
        start: Prices | None,
        tolerance: float,
        deadline_rows: bool = True,
        ends_full: bool = True,
    ) -> None:
        self._problem, self._pool, self._box, self._cutoff, self._tolerance = problem, pool, box, cutoff, tolerance
        n = len(box.allowed)
        self._master = problem.master(box.interval, deadline_rows and problem.has_deadline, start)
        members = np.arange(len(pool))
        members = members[fits(problem, pool, members, box)]
        part = SUITABLE
        while start is not None and part >= 0.1 * SUITABLE:
            members = members[self._promising(members, start, part)]
            part = 0.5 * part if len(members) > FIRST_COLUMNS * n + 1000 else 0.0
        self._master.add(pool, members)
        self._most_columns = MOST_COLUMNS * n + 1000
        self._step, self._ends_full, self._centre_is_full = STEP, ends_full, False
        # Prices to start from come with columns to climb from.
        self._last_full = 1 - FULL if start is None else 0
        self._trial: Prices | None = None
        self.centre, self.best, self.value = start, np.inf, -np.inf
        self.weights: Array = np.zeros(0)
        self.rounds, self.possible = 0, True

    @property
    def chosen(self) -> Prices:
        """The best prices so far, or the last ones tried."""
        chosen = self._trial if self.centre is None else self.centre
        assert chosen is not None
        return chosen

    @property
    def members(self) -> Index:
        """The columns of the pool that `weights` are for."""
        return self._master.members[: len(self.weights)]

    def round(self, done: Callable[[float, float], bool]) -> bool:
        """Solve the restricted master problem, price, and return whether it is done.

        Parameters
        ----------
        done
            Says of bound and value whether they are close enough.
        """
        self.rounds += 1
        before = self.value
        with self._problem.profile.clock("master"):
            self.value, prices, self.weights = self._master.solve()
        self._remove_far(prices)
        # Where the last columns changed nothing, the prices of the linear program are nearer to those that will.
        moved = abs(self.value - before) > 1e-6 * abs(before) if before > -np.inf else True
        self._step = STEP if moved else 0.5 * (1.0 + self._step)
        if self._problem.cost_price is None:
            prices = replace(prices, ratio=max(prices.ratio, self._cutoff))
        full = self.rounds >= self._last_full + FULL
        priced = self._price_full(prices) if full else self._price_warm(prices)
        if not np.isfinite(priced.best).all():
            self.possible = False
            return True
        if done(self.best, self.value):
            if self._ends_full and not self._centre_is_full:
                self._add(priced)
                priced = self._price_full(prices)
            if done(self.best, self.value):
                # Where artificial columns are used, at the ratio reached, the value is not that of allocations.
                artificial = self._master.uses_artificial.any() and not done(self.best, -np.inf)
                if not self._master.uses_surplus.any() and not (
                    artificial and self._master.lower_artificial_scores(LOWER)
                ):
                    return True
                self._master.raise_surplus_prices(SURPLUS)
        self._add(priced)
        return False

    def _price_warm(self, prices: Prices) -> PricedColumns:
        """Price between the best prices so far and those of the restricted master problem, from known columns."""
        trial = prices if self.centre is None else self.centre.towards(prices, self._step if self.rounds > 1 else 0.0)
        self._trial = trial = self._problem.balanced(trial)
        self._problem.start_from(self._pool, self._master.members, trial, self._box)
        priced = self._problem.search(trial, self._box, self._tolerance, warm=True, near=True)
        if self._estimate(trial, priced) < self.best:
            priced = self._problem.search(trial, self._box, self._tolerance, warm=True)  # what was left out may matter
        reached = self._estimate(trial, priced)
        if reached < self.best:
            self.best, self.centre, self._step, self._centre_is_full = reached, trial, STEP, False
        return priced

    def _price_full(self, prices: Prices) -> PricedColumns:
        """Price all pairs from all starts at the best prices so far: a warm round may miss what raises its bound."""
        self._trial = centre = self._problem.balanced(prices if self.centre is None else self.centre)
        self._problem.start_from(self._pool, self._master.members, centre, self._box)
        priced = self._problem.search(centre, self._box, self._tolerance)
        self.best, self.centre, self._step = self._estimate(centre, priced), centre, STEP
        self._centre_is_full, self._last_full = True, self.rounds
        return priced

    def _estimate(self, prices: Prices, priced: PricedColumns) -> float:
        return self._problem.bound(prices, priced.dual_value, self._box)

    def _add(self, priced: PricedColumns) -> None:
        known = len(self._pool)
        collect(self._problem, self._pool, priced)
        fresh = np.arange(known, len(self._pool))
        self._master.add(self._pool, fresh[fits(self._problem, self._pool, fresh, self._box)])

    def learn(self, proof: PricedColumns, bound: float) -> None:
        """Add the columns that a proof at the chosen prices has found, and go by the bound that it shows."""
        self._add(proof)
        self.best, self._centre_is_full, self._last_full = bound, True, self.rounds

    def deadline(self) -> float:
        """Return the longest mean deadline of a user in the LP solution, in the interval of the box."""
        shortest, longest = self._box.interval
        late = np.maximum(self._pool.data[self.members, DELAY], shortest)
        n = len(self._box.allowed)
        mean = np.bincount(self._pool.user[self.members], self.weights * late, minlength=n).max()
        return float(np.clip(mean, shortest, longest))  # a user without columns as yet has no deadline

    def _remove_far(self, prices: Prices) -> None:
        """Remove the far columns of a restricted master problem that has many."""
        if len(self._master.members) <= self._most_columns:
            return
        keep = self.weights > 0.0
        keep |= self._promising(self._master.members, self.centre or prices, NEAR)
        self._master.keep(keep)
        self.weights = self.weights[keep]
        self._most_columns = max(self._most_columns, 2 * len(self._master.members))

    def _promising(self, members: Index, prices: Prices, part: float) -> NDArray[np.bool_]:
        """Return which columns are worse than the best of their user by no more than a part of their worth."""
        pool = self._pool
        reduced = self._problem.reduced(pool, members, prices, self._box.interval[0])
        best = np.full(len(self._box.allowed), -np.inf)
        np.maximum.at(best, pool.user[members], reduced)
        worth = self._problem.worth(pool.user[members], pool.data[members])
        return np.asarray(reduced >= best[pool.user[members]] - part * worth)


def collect(problem: SeparableProblem, pool: ColumnPool, priced: PricedColumns) -> None:
    """Add the columns that are among the best of their users, by a part of their worth."""
    worth = problem.worth(priced.user, priced.data)
    near = priced.reduced >= priced.best[priced.user] - NEAR * worth
    pool.add(priced.user[near], priced.server[near], priced.data[near])


def fits(
    problem: SeparableProblem, pool: ColumnPool, members: Index, box: Box, late: float = 1e-9
) -> NDArray[np.bool_]:
    """Return which columns of a pool a box holds; delays may be above its longest by a part of it."""
    user, phi = pool.user[members], pool.data[members, OFFLOAD]
    return np.asarray(
        problem.admits(user, pool.server[members], pool.data[members], late)
        & (pool.data[members, DELAY] <= box.interval[1] * (1.0 + late))
        & box.allowed[user, pool.server[members]]
        & (box.offload[user, 0] <= phi)
        & (phi <= box.offload[user, 1])
    )
