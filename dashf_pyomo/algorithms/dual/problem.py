"""The separable problem: prices in, values and columns of all users out.

Given prices, users are independent. The dual value D, the sum of lambda plus that of the users' best reduced values
h_n, shows how good an allocation can be: its score less y times its cost is at most D. Where the objective is a cost
the score counts nothing, and y = 1; where it is a utility, y is its price. What D says of its value an objective knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formulations import Allocation, InputError
from formulations.joint.data import JointData
from formulations.objective import Objective, ObjectiveKind

from .boxes import Box
from .columns import DELAY, ENERGY, OFFLOAD, WIDTH, ColumnPool, columns_of
from .prices import Prices
from .profile import Profile

__all__ = ["PricedColumns", "SeparableProblem"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Floating-point sums of the bound are raised by this much, relative to their magnitude.
SUM_SLACK = 1e-12

#: A search of near pairs leaves out those whose last column is worse than the user's best by this part of its score.
MARGIN = 0.3


@dataclass(frozen=True, eq=False)
class PricedColumns:
    """Columns that pricing has found, and the dual value at its prices.

    Parameters
    ----------
    dual_value
        D: with proven values, no allocation of the box has score - y cost above it.
    best
        Best reduced value of every user, shape (N,).
    user, server, data
        Columns, as in `ColumnPool`.
    reduced
        Their reduced values.
    """

    dual_value: float
    best: Array
    user: Index
    server: Index
    data: Array
    reduced: Array


class SeparableProblem:
    """The problem of one scenario without units, whose users meet only in prices.

    Parameters
    ----------
    data
        Scaled coefficients and what follows from the data alone.
    objective
        What is optimised; None for what the scenario declares.

    Attributes
    ----------
    scenario, pairs, objective
        The scenario, its scaled coefficients, and what is optimised.
    cost_price
        y, scaled, where the objective fixes it, else None.
    profile
        Profile of the time spent.
    cells
        Cells bounded in proofs.
    """

    def __init__(self, data: JointData, objective: Objective | None = None) -> None:
        self.data, self.scenario, self.pairs = data, data.scenario, data.pairs
        self.objective = objective or data.scenario.objective
        price = self.objective.cost_price
        # Scores count in their scale; without them a unit of value is one of cost.
        self.cost_price = price / data.scr_unit if price is not None and self.objective.score_weight else price
        self.profile, self.cells = Profile(), 0
        n, m = self.scenario.n_users, self.scenario.n_servers
        self._coefficients = self.pairs.stacked()
        self._hints = np.zeros((n, m, 1, 4))
        self._last = np.full((n, m, WIDTH), np.nan)
        self._require_numbers(data.usable)

    @property
    def time_weight(self) -> float:
        """omega_t: cost units of one time unit."""
        return self.pairs.time_weight

    def whole(self) -> Box:
        """Return the box that holds every allocation which may be better than the one the data were scaled by.

        Raises
        ------
        InputError
            If the objective is not the SCR: the longest delay that matters is known for that alone.
        """
        if self.objective.kind is not ObjectiveKind.SCR:
            raise InputError(f"objective {self.objective.kind}: no longest delay is known; expected a box with one")
        return Box.whole((self.data.least_delay, self.data.most_delay), self.data.usable)

    def bound(self, prices: Prices, dual_value: float, box: Box) -> float:
        """Return the bound on the scaled value in a box that D shows at given prices.

        Raises
        ------
        ValueError
            If the prices are of another objective.
        """
        if self.cost_price is None:
            return prices.bound(dual_value, self.time_weight, box.interval[0])
        if prices.ratio != self.cost_price:
            raise ValueError(
                f"price of the cost = {prices.ratio!r}; expected {self.cost_price!r}, as the objective asks"
            )
        return self.objective.bound(dual_value, prices.ratio, self.time_weight * box.interval[0])

    def user_tolerance(self, box: Box, cutoff: float, accuracy: float) -> float:
        """Return what a user's value may be off by, for the bound to be off by a relative accuracy."""
        shortest, longest = box.interval
        return accuracy * cutoff * self.time_weight * max(shortest, 1e-3 * longest) / len(box.allowed)

    def _require_numbers(self, usable: NDArray[np.bool_]) -> None:
        """Refuse pairs, of a mask of shape (N, M), whose coefficients have left the range of floating-point numbers.

        Raises
        ------
        InputError
            If there is one.
        """
        broken = usable & ~np.isfinite(self._coefficients).all(axis=2)
        if broken.any():
            n, m = np.argwhere(broken)[0].tolist()
            raise InputError(
                f"user {n} at server {m}: a rate, time or energy exceeds 1e308; expected numbers that can be computed"
            )

    def shadow(self, allocation: Allocation, ratio: float) -> Prices:
        """Return the prices at which an allocation is about the best: those of a local optimum are its multipliers.

        Parameters
        ----------
        allocation
            A feasible allocation.
        ratio
            Its scaled SCR.
        """
        n, m = self.scenario.n_users, self.scenario.n_servers
        user, server, data = columns_of(self.scenario, self.pairs, allocation)
        slopes = self.slopes(user, server, data[:, :3], ratio, float(data[:, DELAY].max()) * (1.0 + 1e-9))
        prices = np.zeros((m, 3))
        for i in range(3):
            weight = np.where(np.isfinite(slopes[:, i]), data[:, i], 0.0)
            held = np.bincount(server, weight, minlength=m)
            worth = np.bincount(server, weight * np.nan_to_num(slopes[:, i]), minlength=m)
            prices[:, i] = np.maximum(np.divide(worth, held, out=np.zeros(m), where=held > 0.0), 0.0)
        late = np.maximum(np.nan_to_num(slopes[:, 3]), 0.0)
        return Prices(ratio, prices, late if late.any() else np.ones(n)).balanced(self.time_weight)

    def slopes(self, user: Index, server: Index, shares: Array, ratio: float, deadline: float) -> Array:
        """Return what `kernels.pricing.shadow_prices` does, for pairs of users and servers, shape (K,) each."""
        from .kernels.pricing import shadow_prices

        weight, norm = self.objective.score_weight, self.scenario.score_norm
        return shadow_prices(self._coefficients[user, server], norm, ratio, shares, deadline, weight=weight)

    def least_energy(
        self, user: Index, server: Index, shares: Array, deadline: float, offload: ArrayLike = (0.0, 1.0)
    ) -> Array:
        """Return what `kernels.pricing.least_energy` does, for pairs of users and servers, shape (K,) each."""
        from .kernels.pricing import least_energy

        return least_energy(self._coefficients[user, server], shares, deadline, offload)

    def search(
        self, prices: Prices, box: Box, tolerance: float, *, warm: bool = False, near: bool = False
    ) -> PricedColumns:
        """Find good columns of every allowed pair; nothing is proven.

        Parameters
        ----------
        prices, box, tolerance
            As in `prove`.
        warm
            Climb from the last columns alone; otherwise from several starts too.
        near
            Leave out pairs that are far from the best of their user, as their last columns say.
        """
        with self.profile.clock("search"):
            return self._price(prices, box, tolerance, prove=False, warm=warm, near=near)

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Forget what searches of a block find: later ones climb from what is there before it."""
        hints, last = self._hints.copy(), self._last.copy()
        try:
            yield
        finally:
            self._hints, self._last = hints, last

    def start_from(self, pool: ColumnPool, members: Index, prices: Prices, box: Box) -> None:
        """Let warm searches climb from the best columns of a pool at given prices, where a pair has any."""
        if not len(members):
            return
        pair = pool.user[members] * self.scenario.n_servers + pool.server[members]
        order = np.lexsort((self.reduced(pool, members, prices, box.interval[0]), pair))
        best = members[order[np.append(pair[order][1:] != pair[order][:-1], True)]]
        user, server, data = pool.user[best], pool.server[best], pool.data[best]
        self._hints[user, server, 0] = data[:, [0, 1, 2, DELAY]]
        self._last[user, server] = data

    def _near(self, prices: Prices, box: Box) -> NDArray[np.bool_]:
        """Return the pairs whose last column is near the best of its user, and those without one, shape (N, M)."""
        last, shortest = self._last, box.interval[0]
        gains = self.objective.score_weight * self.scenario.score.of(last[:, :, :3].sum(axis=2))
        value = gains - (last[:, :, :3] * prices.shares).sum(axis=2) - prices.ratio * last[:, :, ENERGY]
        value -= prices.delay[:, np.newaxis] * np.maximum(last[:, :, DELAY], shortest)
        phi = last[:, :, OFFLOAD]
        fits = (last[:, :, DELAY] <= box.interval[1]) & (box.offload[:, :1] <= phi) & (phi <= box.offload[:, 1:])
        fits &= np.isfinite(value) & box.allowed
        best = np.where(fits, value, -np.inf).max(axis=1, keepdims=True)
        return box.allowed & (~fits | (value >= best - MARGIN * np.maximum(gains, 0.0)))

    def prove(self, prices: Prices, box: Box, tolerance: float, max_cells: int) -> PricedColumns:
        """Prove what every user can be worth at most; columns come along.

        Parameters
        ----------
        prices
            The prices; the delay prices are balanced.
        box
            Interval and allowed pairs.
        tolerance
            Largest error of a user's bound, upwards.
        max_cells
            Most cells of a pair.
        """
        with self.profile.clock("proof"):
            return self._price(prices, box, tolerance, prove=True, max_cells=max_cells)

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
        from .kernels.pricing import Terms, price_pairs, search_pairs

        user, server = np.nonzero(self._near(prices, box) if near else box.allowed)
        arguments = (
            self._coefficients[user, server],
            self.scenario.score_norm,
            prices.shares[server],
            prices.ratio,
            box.interval,
            prices.delay[user],
        )
        hints, offload = self._hints[user, server], box.offload[user]
        terms = Terms(weight=self.objective.score_weight)
        n = self.scenario.n_users
        if prove:
            first = search_pairs(*arguments, terms=terms, offload=offload, tolerance=0.1 * tolerance, hints=hints)
            reached = np.full(n, -np.inf)
            np.maximum.at(reached, user, first.lower)
            # A pair below what another server of the user reaches is of no interest.
            need = reached[user] + tolerance
            found = price_pairs(
                *arguments,
                terms=terms,
                offload=offload,
                tolerance=tolerance,
                need=need,
                max_cells=max_cells,
                hints=hints,
            )
            self.cells += int(found.cells.sum())
        else:
            found = search_pairs(*arguments, terms=terms, offload=offload, tolerance=tolerance, hints=hints, quick=warm)
        values = found.upper if prove else found.lower
        best = np.full(n, -np.inf)
        np.maximum.at(best, user, values)
        dual_value = float(prices.shares.sum() + best.sum())
        if np.isfinite(dual_value):
            dual_value += SUM_SLACK * float(prices.shares.sum() + np.abs(best).sum())
        columns = found.columns
        there = np.isfinite(columns).all(axis=1)
        self._hints[user[there], server[there], 0] = columns[there][:, [0, 1, 2, 8]]
        self._last[user[there], server[there]] = columns[there, :WIDTH]
        return PricedColumns(dual_value, best, user[there], server[there], columns[there, :WIDTH], found.lower[there])

    def leaves(
        self, prices: Prices, box: Box, tolerance: float, max_cells: int = 100_000
    ) -> tuple[dict[tuple[int, int], Array], float]:
        """Prove once more, pair by pair, and return the leaves of the proofs and the dual value D that they show.

        Parameters
        ----------
        prices, box, tolerance
            As in `prove`.
        max_cells
            Most cells of a pair.
        """
        from .kernels.pricing import Terms, prove_pair

        reached = self.search(prices, box, 0.1 * tolerance).best
        found: dict[tuple[int, int], Array] = {}
        best = np.full(self.scenario.n_users, -np.inf)
        for n, m in np.argwhere(box.allowed).tolist():
            upper, _, leaves = prove_pair(
                self._coefficients[n, m],
                self.scenario.score_norm,
                prices.shares[m],
                prices.ratio,
                box.interval,
                float(prices.delay[n]),
                terms=Terms(weight=self.objective.score_weight),
                offload=box.offload[n],
                tolerance=tolerance,
                need=float(reached[n]) + tolerance,
                max_cells=max_cells,
                hints=self._hints[n, m],
            )
            found[n, m] = leaves
            best[n] = max(best[n], upper)
        return found, float(prices.shares.sum() + best.sum())

    def reduced(self, pool: ColumnPool, members: Index, prices: Prices, shortest: float) -> Array:
        """Return the reduced values of columns of the pool at given prices."""
        data, user, server = pool.data[members], pool.user[members], pool.server[members]
        shares = data[:, :3]
        return np.asarray(
            self.objective.score_weight * self.scenario.score.of(shares.sum(axis=1))
            - (shares * prices.shares[server]).sum(axis=1)
            - prices.ratio * data[:, ENERGY]
            - prices.delay[user] * np.maximum(data[:, DELAY], shortest)
        )
