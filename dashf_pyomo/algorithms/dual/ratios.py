"""The separable problem of a sum of the users' own ratios, w_n v_n / c_n with c_n = omega_t D_n + omega_e E_n.

Given prices of the budgets and rows users are independent here too, but what a user is worth is a ratio: h is the
largest w v / c - pi, with pi what the column is charged. It is bounded over cells of its cost c. For c in [c0, c1], any
r, and multipliers of c0 <= c <= c1::

    w v / c  <=  r + max over i = 0, 1 of  (w v - r c + mu (c - c0) + nu (c1 - c)) / c_i        mu, nu >= 0

because w v - r c has one sign or the other. At each end a multiplier only moves the price of the cost from r to
q_i >= 0, so what is left is a problem of the kernels with the score weighed by w / c_i and the cost by q_i / c_i, and a
constant:

    end 0    q if q <= r, else r + (q - r) c1 / c0
    end 1    q if q >= r, else r - (r - q) c0 / c1

Both together are convex in (r, q0, q1), and linear for every single column; so q_i comes from the columns that are
known, and the kernels prove what it says. The error is of second order in the width of the cell where choices at one
cost have no gap of duality; phi makes one, so cells are ranges of phi too. Cells where even the largest score is worth
too little are not looked at: the cost has no end, and a user may be given up for the others.

Users that train for ever are worth nothing, and no bound on delays follows from a known allocation. So there is a
longest delay T, and beyond it a user is worth at most w v_max / (omega_t T) whatever it is charged; that is `beyond`.
Rows that can be met by having more could pay it for being there, and are refused unless every delay has a limit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, Scenario, evaluate
from formulations.joint.data import JointData
from formulations.scaled import ScaledPairs
from formulations.terms import rows_of

from .boxes import Box
from .columns import DELAY, ENERGY, OFFLOAD, WIDTH, ColumnPool
from .prices import Prices
from .problem import PricedColumns, SeparableProblem
from .ratio_cells import Cells, Known, Multipliers, constant, multipliers

__all__ = ["RatioProblem"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: What all users together may be worth beyond the longest delay, relative to the known value.
BEYOND = 2e-5

#: Costs of a pair that a full search starts from, and its steps: each is a pricing problem at the last column's ratio.
STARTS, STEPS = 6, 3

#: Columns of a pair that say which multipliers a cell takes; all are dropped but so many once there are twice as many.
KNOWN = 80

#: Most proofs of a cell before it is cut: the columns that one finds may give better multipliers.
TRIES = 6

#: Most cells that are proven for a pair, on average.
MOST_CELLS = 150

#: A cell is proven to this part of the accuracy that is asked for; the rest is for the multipliers.
PART = 0.3

#: What floating-point numbers may lose where a ratio is put together, relative to its parts.
SLACK = 1e-13


class RatioProblem(SeparableProblem):
    """The separable problem of the sum of the users' ratios.

    Parameters
    ----------
    scenario
        The problem.
    known
        An allocation that gives units.
    value
        A value of the objective that is reached, positive: what is far below it does not count.

    Attributes
    ----------
    beyond
        What every user is worth at most with a delay above the longest, scaled, shape (N,); minus infinity where a
        limit is shorter.
    """

    certifies = False
    way = ", over cells of the users' costs"

    def __init__(self, scenario: Scenario, known: Allocation, value: float) -> None:
        e = evaluate(scenario, known)
        costs = scenario.user_costs(e.user_delay, e.energy_by_user)
        pairs = ScaledPairs.of(scenario, _harmonic(e.user_delay), _harmonic(costs))
        super().__init__(JointData(scenario, value, pairs))
        n = scenario.n_users
        self.cost_price = 0.0  # what a user costs is in its ratio
        self.energy_weights, self.delay_weights = np.zeros(n), np.zeros(n)
        self._own_energy = float(scenario.weight_energy > 0.0)
        self._most = self.score_weights * scenario.score.largest * (1.0 + SLACK)
        self._typical = value / self.data.value_unit / n
        limits = np.minimum(self.longest, self.data.user_delay)
        longest = float(self._most.max()) / (self.time_weight * BEYOND * self._typical)
        # Rows that can be met by having more may pay for being there: nobody is left beyond then.
        self._signed = any(rows.signed for rows in rows_of(scenario))
        self.longest = limits if self._signed else np.minimum(limits, longest)
        beyond = self._most / (self.time_weight * longest) * (1.0 + 1e-9)
        self.beyond = np.where(limits > self.longest, beyond, -np.inf)
        self._known = ColumnPool()

    def whole(self) -> Box:
        """Return the box of all allocations whose delays are no longer than the longest."""
        extra = self.scenario.constraints
        least = float(np.min(self.data.pair_delay, where=self.data.usable, initial=np.inf))
        longest = float(self.longest.max())
        return Box.whole((min(least, longest), longest), self.data.usable, None if extra is None else extra.offload)

    # -- columns -------------------------------------------------------------------------------

    def user_costs(self, data: Array) -> Array:
        """Return the scaled costs of columns by themselves, shape (K,)."""
        return np.asarray(self._own_energy * data[:, ENERGY] + self.time_weight * data[:, DELAY])

    def gains(self, user: Index, data: Array) -> Array:
        """Return the weighted ratios of columns, shape (K,)."""
        return np.asarray(super().gains(user, data) / self.user_costs(data))

    def worth(self, user: Index, data: Array) -> Array:
        """Return what columns are about worth: never next to nothing, as users may be given up."""
        return self.gains(user, data) + self._typical

    def slopes(self, user: Index, server: Index, shares: Array, ratio: float, deadline: Array) -> Array:
        """Return the derivatives of the ratios of pairs with these shares and delays, by shares and delays."""
        from .kernels.pricing import shadow_prices

        energy = self.least_energy(user, server, shares, deadline)[:, 0]
        cost = self._own_energy * energy + self.time_weight * deadline
        good = np.flatnonzero(np.isfinite(cost))
        user, server, shares = user[good], server[good], shares[good]
        deadline, cost = deadline[good], cost[good]
        weight = self.score_weights[user] / cost
        price = weight * self.scenario.score.of(shares.sum(axis=1)) / cost * self._own_energy
        keywords: dict[str, Any] = {**self._needs(user, server), **self._score}
        found = np.full((len(energy), 4), np.nan)
        found[good] = shadow_prices(
            self._coefficients[user, server],
            self.scenario.score_norm,
            np.repeat(price[:, np.newaxis], 4, axis=1),
            shares,
            deadline,
            weight=weight,
            **keywords,
        )
        return found

    def start_from(self, pool: ColumnPool, members: Index, prices: Prices, box: Box) -> None:
        """Let warm searches climb from the best columns of a pool, and proofs know the columns near them."""
        super().start_from(pool, members, prices, box)
        if not len(self._known) and len(members):
            self._known.adopt(pool, members)

    def _remember(self, user: Index, server: Index, data: Array) -> None:
        """Keep columns for the multipliers of cells, the last ones where there are many."""
        known = self._known
        known.add(user, server, data)
        most = KNOWN * self.data.usable.size
        if len(known) > 2 * most:
            self._known = ColumnPool()
            self._known.adopt(known, np.arange(len(known) - most, len(known)))

    # -- pricing -------------------------------------------------------------------------------

    def _price(
        self,
        prices: Prices,
        box: Box,
        tolerance: float,
        prove: bool,
        max_cells: int = 0,
        warm: bool = False,
        near: bool = False,
    ) -> PricedColumns:
        user, server = np.nonzero(self._near(prices, box) if near else box.allowed)
        found = self._climb(prices, box, tolerance, user, server, quick=warm)
        known = self._with_known(prices, box, found)
        best = np.full(self.scenario.n_users, -np.inf)
        np.maximum.at(best, known.user, known.reduced)
        if prove:
            best, more = self._bounded(prices, box, tolerance, best, known, max_cells)
            found = found.and_(more)
        self._remember(found.user, found.server, found.data)
        last = np.argsort(found.reduced, kind="stable")  # the best of a pair stays
        at = found.user[last], found.server[last]
        self._hints[at[0], at[1], 0] = found.data[last][:, [0, 1, 2, DELAY]]
        self._last[at] = found.data[last]
        return PricedColumns(self._dual_value(prices, best), best, found.user, found.server, found.data, found.reduced)

    def _found(self, prices: Prices, box: Box, user: Index, server: Index, columns: Array) -> Known:
        """Return columns of pairs with what they are worth, those left out that are no numbers."""
        good = np.isfinite(columns).all(axis=1)
        user, server, data = user[good], server[good], columns[good, :WIDTH]
        reduced = self.reduced_values(user, server, data, prices, box.interval[0])
        return Known(user, server, data, reduced, self.user_costs(data), self.gains(user, data))

    def _climb(self, prices: Prices, box: Box, tolerance: float, user: Index, server: Index, quick: bool) -> Known:
        """Return columns of pairs, from pricing at the cost and the ratio of the last one again and again."""
        from .kernels.pricing import search_pairs

        last = self._last[user, server]
        there = np.isfinite(last).all(axis=1)
        user_0, server_0, last = user[there], server[there], last[there]
        costs, ratios = self.user_costs(last), self.gains(user_0, last)
        hints = self._hints[user_0, server_0]
        again = np.flatnonzero(~there) if quick else np.arange(len(user))
        if len(again):
            grid, guess = self._starts(user[again], server[again])
            user = np.concatenate([user_0, np.tile(user[again], STARTS)])
            server = np.concatenate([server_0, np.tile(server[again], STARTS)])
            costs, ratios = np.concatenate([costs, grid]), np.concatenate([ratios, guess])
            hints = np.concatenate([hints, np.zeros((len(grid), 1, 4))])
        offload = box.offload[user]
        found = self._found(prices, box, user[:0], server[:0], np.zeros((0, WIDTH)))
        for step in range(STEPS if len(again) else 1):
            pieces = self._linear(prices, box, user, server, offload, costs, ratios, self.longest[user])
            priced = search_pairs(
                self._coefficients[pieces.user, pieces.server],
                self.scenario.score_norm,
                *pieces.arguments(),
                terms=pieces.kernel_terms(),
                offload=pieces.offload,
                tolerance=0.1 * tolerance,
                hints=hints[pieces.origin],
                quick=quick or step > 0,
                **self._score,
            )
            here = self._found(prices, box, pieces.user, pieces.server, priced.columns)
            origin = pieces.origin[np.isfinite(priced.columns).all(axis=1)]
            order = np.argsort(here.reduced, kind="stable")  # the best piece of each stays
            costs[origin[order]], ratios[origin[order]] = here.cost[order], here.gain[order]
            hints[origin[order], 0] = here.data[order][:, [0, 1, 2, DELAY]]
            found = found.and_(here)
        return found

    def _cost_range(self, user: Index, server: Index) -> tuple[Array, Array]:
        """Return the least cost of pairs, and the most with the longest delay, shape (K,) each."""
        low = self.time_weight * self.data.pair_delay[user, server]
        c, longest = self._coefficients[user, server].T, self.longest[user]
        with np.errstate(over="ignore"):
            sending = np.maximum(c[4], c[6]) / c[1] * longest  # with all power, all the time
            spent = self._own_energy * (np.maximum(c[3], c[5]) + sending)
        high = (self.time_weight * longest + spent) * (1.0 + 1e-9)
        return low * (1.0 - 1e-9), np.maximum(high, low)

    def _starts(self, user: Index, server: Index) -> tuple[Array, Array]:
        """Return costs to start from, `STARTS` times all pairs, and ratios that are about right there."""
        low, high = self._cost_range(user, server)
        part = np.linspace(0.0, 1.0, STARTS)
        # More and more apart: what a user costs that is served is near the least, what one that is given up, the most.
        high = np.log(high) - np.log(low)
        costs = (low * 1.2 * np.exp(np.multiply.outer(part**2, np.maximum(high - 0.2, 0.0)))).ravel()
        return costs, np.tile(self._most[user], STARTS) / (4.0 * costs)

    def _linear(
        self,
        prices: Prices,
        box: Box,
        user: Index,
        server: Index,
        offload: Array,
        cost: Array,
        price: Array,
        longest: Array,
    ) -> Any:
        """Return the problems that maximise (w v - q c) / c_i less what is charged, in pieces.

        Parameters
        ----------
        prices, box, user, server
            As in `_pieces`; pairs may be repeated.
        offload
            Ranges of phi within those of the box, shape (K, 2).
        cost, price
            c_i and q >= 0, shape (K,).
        longest
            Longest delays, shape (K,).
        """
        pieces = self._pieces(prices, box, user, server)
        of = pieces.origin
        weight, charged = 1.0 / cost[of], price[of] / cost[of]
        energy = np.broadcast_to(np.asarray(pieces.energy, dtype=np.float64), (len(of), 4))
        terms = {
            **pieces.terms,
            "weight": pieces.terms["weight"] * weight,
            "delay_limit": np.minimum(pieces.terms["delay_limit"], longest[of]),
        }
        return replace(
            pieces,
            energy=energy + self._own_energy * charged[:, np.newaxis],
            delay=pieces.delay + self.time_weight * charged,
            offload=pieces.offload if self.binary else offload[of],
            terms=terms,
        )

    # -- proof ---------------------------------------------------------------------------------

    def _bounded(
        self, prices: Prices, box: Box, tolerance: float, reached: Array, found: Known, max_cells: int
    ) -> tuple[Array, Known]:
        """Return what every user is worth at most, shape (N,), and columns that came along.

        Parameters
        ----------
        prices, box, tolerance, max_cells
            As in `prove`.
        reached
            What users are worth at least, shape (N,).
        found
            Columns that are known at these prices.
        """
        user, server = np.nonzero(box.allowed)
        low, high = self._cost_range(user, server)
        reached = np.maximum(reached, self.beyond)
        # Where the largest score is worth too little at a cost, and is charged nothing, no cell is needed.
        tail = np.full(len(user), -np.inf)
        if not self._signed:
            needed = reached[user] + tolerance
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                enough = np.where(needed > 0.0, self._most[user] / needed, np.inf)
            short = high > enough
            high = np.where(short, np.maximum(enough, low), high)
            tail = np.where(short, self._most[user] / high * (1.0 + 1e-12), tail)
        best = np.full(len(reached), -np.inf)
        np.maximum.at(best, user, np.maximum(tail, self.beyond[user]))
        unknown = ~((low > 0.0) & np.isfinite(high))
        np.maximum.at(best, user, np.where(unknown, np.inf, -np.inf))
        inside = np.flatnonzero((high > low) & ~unknown)
        none = np.full(len(inside), np.inf)
        cells = Cells(
            user[inside], server[inside], low[inside], high[inside], box.offload[user[inside]], none,
            np.zeros(len(inside), np.int64),
        )  # fmt: skip
        first, room = len(found.user), MOST_CELLS * len(user)
        while len(cells.user) and room > 0:
            target = reached[cells.user] + tolerance
            chosen = multipliers(found, cells, self.scenario.n_servers, self.time_weight, self._most)
            done = (cells.bound <= target) | (cells.narrow & (cells.tries >= TRIES))
            poor = (chosen.value > target - PART * tolerance) | (cells.tries >= TRIES)
            poor &= ~done & ~cells.narrow
            np.maximum.at(best, cells.user[done], cells.bound[done])
            if poor.any() and np.count_nonzero(~done) + np.count_nonzero(poor) <= room:
                cells = cells.chosen(~done & ~poor).and_(cells.chosen(poor).cut(by_phi=not self.binary))
                continue
            cells, chosen = cells.chosen(~done), chosen.chosen(~done)
            if not len(cells.user):
                break
            room -= len(cells.user)
            need = reached[cells.user] + tolerance
            upper, more = self._proven(prices, box, cells, chosen, found, need, tolerance, max_cells)
            cells = replace(cells, bound=np.minimum(cells.bound, upper), tries=cells.tries + 1)
            np.maximum.at(reached, more.user, more.reduced)
            found = found.and_(more)
        np.maximum.at(best, cells.user, cells.bound)
        return best, found.chosen(np.arange(first, len(found.user)))

    def _with_known(self, prices: Prices, box: Box, found: Known) -> Known:
        """Return columns, and those that are known from other prices and fit a box."""
        pool = self._known
        phi = pool.data[:, OFFLOAD]
        fits = self.admits(pool.user, pool.server, pool.data, 0.0) & box.allowed[pool.user, pool.server]
        fits &= (box.offload[pool.user, 0] <= phi) & (phi <= box.offload[pool.user, 1])
        return found.and_(self._found(prices, box, pool.user[fits], pool.server[fits], pool.data[fits]))

    def _proven(
        self,
        prices: Prices,
        box: Box,
        cells: Cells,
        at: Multipliers,
        found: Known,
        need: Array,
        tolerance: float,
        max_cells: int,
    ) -> tuple[Array, Known]:
        """Return proven bounds of cells at given multipliers, shape (K,), and columns that came along.

        Parameters
        ----------
        prices, box, tolerance, max_cells
            As in `prove`.
        cells, at
            The cells, and their multipliers.
        found
            Columns that the multipliers refer to.
        need
            A bound of a cell at or below this is good enough, shape (K,).
        """
        from .kernels.pricing import price_pairs

        count = len(cells.user)
        user, server = np.tile(cells.user, 2), np.tile(cells.server, 2)
        cost, price = np.concatenate([cells.low, cells.high]), at.price.T.ravel()
        added = np.concatenate([constant(at.price[:, end], at.ratio, cells, end) for end in (0, 1)])
        longest = np.tile(cells.high / self.time_weight * (1.0 + 1e-9), 2)
        pieces = self._linear(prices, box, user, server, np.tile(cells.offload, (2, 1)), cost, price, longest)
        hints, best = np.zeros((2 * count, 1, 4)), at.best.T.ravel()
        hints[best >= 0, 0] = found.data[best[best >= 0]][:, [0, 1, 2, DELAY]]
        priced = price_pairs(
            self._coefficients[pieces.user, pieces.server],
            self.scenario.score_norm,
            *pieces.arguments(),
            terms=pieces.kernel_terms(),
            offload=pieces.offload,
            tolerance=PART * tolerance,
            need=np.tile(need, 2)[pieces.origin] - added[pieces.origin],
            max_cells=max_cells,
            hints=hints[pieces.origin],
            **self._score,
        )
        self.cells += int(priced.cells.sum())
        linear = np.full(2 * count, -np.inf)
        np.maximum.at(linear, pieces.origin, priced.upper)
        parts = self._most[user] / cost + np.abs(added) + np.abs(np.where(np.isfinite(linear), linear, 0.0))
        upper = (linear + added + SLACK * parts).reshape(2, count).max(axis=0)
        return upper, self._found(prices, box, pieces.user, pieces.server, priced.columns)


def _harmonic(values: Array) -> float:
    """Return the harmonic mean of positive numbers, those that are infinite left out of the sum alone."""
    return float(len(values) / np.sum(1.0 / values))
