"""Column generation in one box: good prices, round by round, and the mixture that goes with them.

Prices are smoothed in and out (Ben-Ameur and Neto 2007): each round prices at a point between the best prices so far
and those of the master program. Most rounds search only pairs near the best, from their best columns so far. That can
miss a better one, and a bound that is too low would mislead all that follows; so now and then, and before it is done,
all pairs are searched from all starts at the best prices themselves.

While columns are few the master program cannot keep the budgets, and its prices would be those of despair. It may buy
more of them at prices not far above those to start from, which become dearer until nothing is bought any more.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .boxes import Box
from .columns import DELAY, OFFLOAD, ColumnPool
from .master import Master, Prices
from .pricer import Priced, Pricer

__all__ = ["Generation", "collect", "fits"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Prices go this part of the way from the best so far to those of the master.
STEP = 0.5

#: Every so many rounds all pairs are searched, from all starts; between, the promising ones from their last columns.
THOROUGH = 4

#: Prices stay below those to start from by this factor, and can rise to the least cap, until columns are done.
CAP, LEAST_CAP = 4.0, 1.0

#: A user that is not served counts as worth less by this factor, until columns are done.
INSIST = 30.0

#: Columns are kept if they are worse than the best of their user by no more than this part of their score.
NEAR = 0.1

#: A box starts with the columns that are worse than the best of their user by no more than this part of their score.
SUITABLE = 0.5

#: Columns a user at the start; if there are more, only the more suitable ones are taken.
FIRST_COLUMNS = 15

#: Columns a user in the master program, at which the far ones are forgotten.
MOST_COLUMNS = 40


class Generation:
    """Column generation in a box.

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
    start
        Prices to start from, or None.
    tolerance
        Accuracy of the search, absolute, for a user.
    deadline_rows
        Whether the master program has a row for each user's deadline; one deadline needs none.
    thorough
        Whether all pairs are searched, from all starts, before it is done.

    Attributes
    ----------
    best
        Least bound so far, as the search says: not proven.
    value
        Value of the master program.
    centre
        Prices of the least bound.
    weights
        The mixture, for `members`.
    possible
        False once a user is found that no pair serves in time.
    """

    def __init__(
        self,
        pricer: Pricer,
        pool: ColumnPool,
        box: Box,
        floor: float,
        start: Prices | None,
        tolerance: float,
        deadline_rows: bool = True,
        thorough: bool = True,
    ) -> None:
        self._pricer, self._pool, self._box, self._floor, self._tolerance = pricer, pool, box, floor, tolerance
        n, m = box.allowed.shape
        norm, self._time_weight = pricer.scenario.score_norm, pricer.pairs.time_weight
        caps = None if start is None else np.maximum(CAP * start.shares, LEAST_CAP)
        self._master = Master(n, m, norm, self._time_weight, box.interval, deadline_rows, caps)
        members = np.arange(len(pool))
        members = members[fits(pool, members, box)]
        part = SUITABLE
        while start is not None and part >= 0.1 * SUITABLE:
            members = members[self._promising(members, start, part)]
            part = 0.5 * part if len(members) > FIRST_COLUMNS * n + 1000 else 0.0
        self._master.add(pool, members)
        self._most_columns = MOST_COLUMNS * n + 1000
        self._step, self._sure, self._verified = STEP, thorough, False
        # Prices to start from come with columns to climb from.
        self._thorough = 1 - THOROUGH if start is None else 0
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

    def estimate(self, prices: Prices, excess: float) -> float:
        """Return the bound that D shows at given prices."""
        return prices.bound(excess, self._time_weight, self._box.interval[0])

    def round(self, done: Callable[[float, float], bool]) -> bool:
        """Solve the master program, search at new prices, and return whether it is done.

        Parameters
        ----------
        done
            Says of bound and value whether they are close enough.
        """
        self.rounds += 1
        before = self.value
        with self._pricer.clock("master"):
            self.value, prices, self.weights = self._master.solve()
        self._forget(prices)
        # Where the last columns changed nothing, the prices of the master are nearer to those that will.
        moved = abs(self.value - before) > 1e-6 * abs(before) if before > -np.inf else True
        self._step = STEP if moved else 0.5 * (1.0 + self._step)
        prices = Prices(max(prices.ratio, self._floor), prices.shares, prices.delay)
        due = self.rounds >= self._thorough + THOROUGH
        priced = self._verify(prices) if due else self._try(prices)
        if not np.isfinite(priced.best).all():
            self.possible = False
            return True
        if done(self.best, self.value):
            if self._sure and not self._verified:
                self._add(priced)
                priced = self._verify(prices)
            if done(self.best, self.value):
                # Where nobody would serve a user, at the ratio reached, the value is not that of a mixture.
                unserved = self._master.unserved.any() and not done(self.best, -np.inf)
                if not self._master.oversold.any() and not (unserved and self._master.insist(INSIST)):
                    return True
                self._master.raise_caps(CAP)
        self._add(priced)
        return False

    def _try(self, prices: Prices) -> Priced:
        """Search quickly between the best prices so far and those of the master program."""
        trial = prices if self.centre is None else self.centre.towards(prices, self._step if self.rounds > 1 else 0.0)
        self._trial = trial = trial.balanced(self._time_weight)
        self._pricer.start_from(self._pool, self._master.members, trial, self._box)
        priced = self._pricer.search(trial, self._box, self._tolerance, quick=True, near=True)
        if self.estimate(trial, priced.excess) < self.best:
            priced = self._pricer.search(trial, self._box, self._tolerance, quick=True)  # what was left out may matter
        reached = self.estimate(trial, priced.excess)
        if reached < self.best:
            self.best, self.centre, self._step, self._verified = reached, trial, STEP, False
        return priced

    def _verify(self, prices: Prices) -> Priced:
        """Search thoroughly at the best prices so far: what a quick search misses makes its bounds too low."""
        self._trial = centre = (prices if self.centre is None else self.centre).balanced(self._time_weight)
        self._pricer.start_from(self._pool, self._master.members, centre, self._box)
        priced = self._pricer.search(centre, self._box, self._tolerance)
        self.best, self.centre, self._step = self.estimate(centre, priced.excess), centre, STEP
        self._verified, self._thorough = True, self.rounds
        return priced

    def _add(self, priced: Priced) -> None:
        known = len(self._pool)
        collect(self._pricer, self._pool, priced)
        fresh = np.arange(known, len(self._pool))
        self._master.add(self._pool, fresh[fits(self._pool, fresh, self._box)])

    def deadline(self) -> float:
        """Return the longest mean deadline of a user in the mixture, in the interval of the box."""
        shortest, longest = self._box.interval
        late = np.maximum(self._pool.data[self.members, DELAY], shortest)
        n = len(self._box.allowed)
        mean = np.bincount(self._pool.user[self.members], self.weights * late, minlength=n).max()
        return float(np.clip(mean, shortest, longest))  # a user without columns as yet has no deadline

    def _forget(self, prices: Prices) -> None:
        """Drop the far columns of a master program that has many."""
        if len(self._master.members) <= self._most_columns:
            return
        keep = self.weights > 0.0
        keep |= self._promising(self._master.members, self.centre or prices, NEAR)
        self._master.keep(keep)
        self.weights = self.weights[keep]
        self._most_columns = max(self._most_columns, 2 * len(self._master.members))

    def _promising(self, members: Index, prices: Prices, part: float) -> NDArray[np.bool_]:
        """Return which columns are worse than the best of their user by no more than a part of their score."""
        pool = self._pool
        reduced = self._pricer.reduced(pool, members, prices, self._box.interval[0])
        best = np.full(len(self._box.allowed), -np.inf)
        np.maximum.at(best, pool.user[members], reduced)
        gains = np.log1p(self._pricer.scenario.score_norm * pool.data[members, :3].sum(axis=1))
        return np.asarray(reduced >= best[pool.user[members]] - part * gains)


def collect(pricer: Pricer, pool: ColumnPool, priced: Priced) -> None:
    """Add the columns that are among the best of their users, by a part of their score."""
    gains = np.log1p(pricer.scenario.score_norm * priced.data[:, :3].sum(axis=1))
    near = priced.reduced >= priced.best[priced.user] - NEAR * gains
    pool.add(priced.user[near], priced.server[near], priced.data[near])


def fits(pool: ColumnPool, members: Index, box: Box, late: float = 1e-9) -> NDArray[np.bool_]:
    """Return which columns of a pool a box holds; delays may be above its longest by a part of it."""
    user, phi = pool.user[members], pool.data[members, OFFLOAD]
    return np.asarray(
        (pool.data[members, DELAY] <= box.interval[1] * (1.0 + late))
        & box.allowed[user, pool.server[members]]
        & (box.offload[user, 0] <= phi)
        & (phi <= box.offload[user, 1])
    )
