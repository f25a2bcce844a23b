"""The separable problem: prices in, values and columns of all users out.

Given prices, users are independent. The dual value D, the sum of lambda and of kappa times the right-hand sides of the
rows, plus that of the users' best reduced values h_n, shows how good an allocation can be: its weighted score less y
times its cost is at most D. Where the objective is a cost the score counts nothing, and y = 1; where it is a utility,
y is its price. Values are scaled so that they are maximised: minus a cost.

A user's problem at a server comes in *pieces* that cover its choices: phi = 0 and phi = 1 where offloading is binary;
delays before and within the interval where a row counts delays and the cost the largest of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formulations import Allocation, InputError, evaluate
from formulations.joint.data import JointData
from formulations.objective import DelayKind
from formulations.scaled import ScaledPairs
from formulations.terms import upper_rows

from ...deadline import Deadline
from .boxes import Box, Cut
from .columns import DELAY, ENERGY, OFFLOAD, WIDTH, ColumnPool
from .coupling import DELAY as ROW_DELAY
from .coupling import ENERGIES, ENTRIES, ONE, SHARES, CouplingRows
from .coupling import OFFLOAD as ROW_OFFLOAD
from .prices import Prices
from .profile import Profile

if TYPE_CHECKING:
    from .master import RestrictedMaster

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

    Attributes
    ----------
    scenario, pairs, objective
        The scenario, its scaled coefficients, and what is optimised.
    cost_price
        y, scaled, where the objective fixes it, else None.
    score_weights, energy_weights
        What a scaled score of every user counts, and a scaled energy in the cost, shape (N,).
    delay_weights
        What every user's delay counts in the cost, shape (N,); None where the largest counts.
    rows
        Rows beside the budgets.
    longest
        Longest delay of every user by limits of its own, and by the known value where the largest does not count, time
        units, shape (N,).
    profile
        Profile of the time spent.
    cells
        Cells bounded in proofs.
    """

    #: Whether its bounds have certificates, and what the source of bounds says of how they are proven.
    certifies: ClassVar[bool] = True
    way: ClassVar[str] = ""

    def __init__(self, data: JointData) -> None:
        self.data, self.scenario, self.pairs = data, data.scenario, data.pairs
        s = self.scenario
        self.objective = s.objective
        price = self.objective.cost_price
        # Scores count in their scale; without them a unit of value is one of cost.
        self.cost_price = price / data.scr_unit if price is not None and self.objective.score_weight else price
        n, m = s.n_users, s.n_servers
        self.score_weights = self.objective.score_weights(n)
        self.energy_weights = self.objective.cost_weights(n) * (s.weight_energy > 0.0)
        largest = self.objective.delay is DelayKind.LARGEST and s.weight_time > 0.0
        self.delay_weights = None if largest else self.objective.delay_weights(n)
        self.energy_unit = self._unit_of_energy()
        self.rows = CouplingRows(s, self.pairs.time_unit, self.energy_unit)
        limits = data.limits
        self.longest = np.full(n, np.inf) if limits is None else limits.delay
        if not largest:
            self.longest = np.minimum(self.longest, data.user_delay)
        self._need_up = np.zeros((n, m)) if limits is None else limits.need_up
        self._need_down = np.zeros((n, m)) if limits is None else limits.need_down
        self.binary = s.constraints is not None and s.constraints.binary_offload
        self.profile, self.cells = Profile(), 0
        self._coefficients = self._scaled().stacked()
        self._hints = np.zeros((n, m, 1, 4))
        self._last = np.full((n, m, WIDTH), np.nan)
        self._require_numbers(data.usable)

    def _unit_of_energy(self) -> float:
        """Return the energy, J, that counts as one: that which costs one unit, or a limit where energy is free."""
        s = self.scenario
        if s.weight_energy > 0.0:
            return self.pairs.cost_unit / s.weight_energy
        units = [rows.unit[rows.active] for rows in upper_rows(s) if any("energy" in part for part in rows.weights)]
        return float(np.min(np.concatenate(units))) if units else np.inf

    def _scaled(self) -> ScaledPairs:
        """Return the coefficients with energies in their unit."""
        if self.scenario.weight_energy > 0.0 or np.isinf(self.energy_unit):
            return self.pairs
        priced = self.scenario.replace(weight_energy=1.0)
        return ScaledPairs.of(priced, self.pairs.time_unit, self.energy_unit)

    # -- what the objective is -----------------------------------------------------------------

    @property
    def time_weight(self) -> float:
        """omega_t: cost units of one time unit."""
        return self.pairs.time_weight

    @property
    def has_deadline(self) -> bool:
        """Whether users share a deadline: the largest delay, which the cost counts."""
        return self.delay_weights is None

    def master(self, interval: tuple[float, float], deadline_rows: bool, start: Prices | None) -> RestrictedMaster:
        """Return the restricted master problem of an interval of deadlines; see there."""
        from .master import RestrictedMaster

        return RestrictedMaster(self, interval, deadline_rows, start)

    def heed(self, deadline: Deadline) -> None:
        """End proofs that take long when the time is over; those of single kernel calls do not."""

    def whole(self) -> Box:
        """Return the box that holds every allocation which may be better than the one the data were scaled by."""
        data, extra = self.data, self.scenario.constraints
        allowed = data.usable
        if self.has_deadline:
            interval = data.least_delay, data.most_delay
        else:
            least = float(np.min(data.pair_delay, where=allowed, initial=np.inf))
            interval = min(least, data.most_delay), data.most_delay
        return Box.whole(interval, allowed, None if extra is None else extra.offload)

    def balanced(self, prices: Prices) -> Prices:
        """Return prices with no negative ones, whose prices of delay and of the cost are as the objective asks."""
        if self.cost_price is not None and prices.ratio != self.cost_price:
            prices = replace(prices, ratio=self.cost_price)
        return prices.balanced(self.time_weight, self.delay_weights)

    def least_cost(self, box: Box) -> float:
        """Return a lower bound on the scaled cost of the allocations in a box."""
        return self.time_weight * box.interval[0] if self.has_deadline else self._least_own_cost

    @cached_property
    def _least_own_cost(self) -> float:
        """Lower bound on the scaled cost where it is a sum over users: each alone, with all resources of its server."""
        from .kernels.pricing import price_pairs

        n, m = self.scenario.n_users, self.scenario.n_servers
        free = Prices(1.0, np.zeros((m, 3)), np.zeros(n), np.zeros(len(self.rows)))
        pieces = self._pieces(self.balanced(free), self.whole(), *np.nonzero(self.data.usable))
        pieces = replace(pieces, terms=pieces.terms | {"weight": np.zeros(len(pieces.user))})
        found = price_pairs(
            self._coefficients[pieces.user, pieces.server],
            self.scenario.score_norm,
            *pieces.arguments(),
            terms=pieces.kernel_terms(),
            offload=pieces.offload,
            tolerance=1e-4 * max(self.data.most_cost / n, 1e-9),
            **self._score,
        )
        best = np.full(n, -np.inf)
        np.maximum.at(best, pieces.user, found.upper)
        least = -float(best.sum()) * (1.0 - SUM_SLACK)
        return max(self.data.least_cost, least if np.isfinite(least) else 0.0)

    def bound(self, prices: Prices, dual_value: float, box: Box) -> float:
        """Return the bound on the scaled value in a box that D shows at given prices.

        Raises
        ------
        ValueError
            If the prices are of another objective.
        """
        if self.cost_price is None:
            least = self.least_cost(box)
            if least <= 0.0:
                return prices.ratio if dual_value <= 0.0 else np.inf
            return prices.bound(dual_value, least)
        if prices.ratio != self.cost_price:
            raise ValueError(
                f"price of the cost = {prices.ratio!r}; expected {self.cost_price!r}, as the objective asks"
            )
        return dual_value

    def user_tolerance(self, box: Box, cutoff: float, accuracy: float) -> float:
        """Return what a user's value may be off by, for the bound to be off by a relative accuracy."""
        n = len(box.allowed)
        if self.cost_price is not None:
            return accuracy * max(abs(cutoff), 1e-9) / n
        if not self.has_deadline:
            return accuracy * cutoff * max(self.data.least_cost, 1e-3 * self.data.most_cost) / n
        shortest, longest = box.interval
        return accuracy * cutoff * self.time_weight * max(shortest, 1e-3 * longest) / n

    def cost_of(self, user: Index, energy: Array, delay: Array) -> Array:
        """Return what columns count in the cost, scaled, shape (K,): not their delays where the largest counts."""
        cost = self.energy_weights[user] * energy
        return cost if self.delay_weights is None else cost + self.time_weight * self.delay_weights[user] * delay

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

    # -- columns -------------------------------------------------------------------------------

    def columns_of(self, allocation: Allocation) -> tuple[Index, Index, Array]:
        """Return the columns that an allocation consists of, one for each user."""
        s, a, m = self.scenario, allocation, allocation.server
        e = evaluate(s, a)
        if s.weight_energy > 0.0:
            energy = s.weight_energy * e.energy_by_user / self.pairs.cost_unit
        else:
            energy = e.energy_by_user / self.energy_unit
        data = np.column_stack(
            [
                a.bandwidth / s.bandwidth_max[m],
                a.server_power / s.server_power_max[m],
                a.server_speed / s.server_speed_max[m],
                a.offload,
                a.user_power / s.user_power_max,
                a.user_speed / s.user_speed_max,
                energy,
                e.user_delay / self.pairs.time_unit,
            ]
        )
        return np.arange(s.n_users), np.asarray(m), data

    def entries(self, user: Index, server: Index, data: Array) -> Array:
        """Return what rows may be about, of columns: `coupling.ENTRIES`, shape (K, 10)."""
        found = np.ones((len(user), len(ENTRIES)))
        found[:, ROW_OFFLOAD], found[:, SHARES], found[:, ROW_DELAY] = data[:, OFFLOAD], data[:, :3], data[:, DELAY]
        c, (b, pi, psi, phi, p, f) = self._coefficients[user, server].T, data[:, :6].T
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            up, down = b * np.log1p(c[7] * p / b), b * np.log1p(c[8] * pi / b)
            energies = (
                phi * c[3] * f**2,
                np.where(phi > 0.0, phi * c[4] * p / up, 0.0),
                (1.0 - phi) * c[5] * psi**2,
                np.where(phi < 1.0, (1.0 - phi) * c[6] * pi / down, 0.0),
            )
        found[:, ENERGIES] = np.nan_to_num(np.column_stack(energies), nan=0.0, posinf=1e300)
        return found

    def admits(self, user: Index, server: Index, data: Array, late: float) -> NDArray[np.bool_]:
        """Return which columns keep the limits of their users; delays and rates may break them by a part of them."""
        good = data[:, DELAY] <= self.longest[user] * (1.0 + late)
        if self.binary:
            good &= (data[:, OFFLOAD] == 0.0) | (data[:, OFFLOAD] == 1.0)
        need_up, need_down = self._need_up[user, server], self._need_down[user, server]
        if need_up.any() or need_down.any():
            b, pi, p = data[:, 0], data[:, 1], data[:, 4]
            snr_up, snr_down = self.pairs.snr_up[user, server], self.pairs.snr_down[user, server]
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                good &= b * np.log1p(snr_up * p / b) * (1.0 + late) >= need_up
                good &= b * np.log1p(snr_down * pi / b) * (1.0 + late) >= need_down
        return np.asarray(good)

    def within(self, user: Index, data: Array, box: Box) -> NDArray[np.bool_]:
        """Return which columns keep what a box says beside deadlines, pairs and phi, shape (K,)."""
        return np.full(len(user), True)

    def own_cut(self, user: int, weights: Array, data: Array, far: bool) -> Cut | None:
        """Return a cut between columns of a user by something else than server and phi, or None.

        It comes before those if the columns are far apart, and after them otherwise.
        """
        return None

    def gains(self, user: Index, data: Array) -> Array:
        """Return the weighted scores of columns, shape (K,)."""
        return self.score_weights[user] * self.scenario.score.of(data[:, :3].sum(axis=1))

    def worth(self, user: Index, data: Array) -> Array:
        """Return what columns are about worth, against which differences are small: scores, else costs; shape (K,)."""
        if self.objective.score_weight:
            return self.gains(user, data)
        late = data[:, DELAY] / len(self.longest) if self.has_deadline else 0.0
        return self.cost_of(user, data[:, ENERGY], data[:, DELAY]) + self.time_weight * late

    # -- prices --------------------------------------------------------------------------------

    def shadow(self, allocation: Allocation, ratio: float) -> Prices:
        """Return the prices at which an allocation is about the best: those of a local optimum are its multipliers.

        Parameters
        ----------
        allocation
            A feasible allocation.
        ratio
            Its price of cost, scaled.
        """
        n, m = self.scenario.n_users, self.scenario.n_servers
        user, server, data = self.columns_of(allocation)
        deadline = data[:, DELAY] if not self.has_deadline else np.full(n, float(data[:, DELAY].max()))
        slopes = self.slopes(user, server, data[:, :3], ratio, deadline * (1.0 + 1e-9))
        prices = np.zeros((m, 3))
        for i in range(3):
            weight = np.where(np.isfinite(slopes[:, i]), data[:, i], 0.0)
            held = np.bincount(server, weight, minlength=m)
            worth = np.bincount(server, weight * np.nan_to_num(slopes[:, i]), minlength=m)
            prices[:, i] = np.maximum(np.divide(worth, held, out=np.zeros(m), where=held > 0.0), 0.0)
        late = np.maximum(np.nan_to_num(slopes[:, 3]), 0.0)
        found = Prices(ratio, prices, late if late.any() else np.ones(n), np.zeros(len(self.rows)))
        return self.balanced(found)

    def slopes(self, user: Index, server: Index, shares: Array, ratio: float, deadline: Array) -> Array:
        """Return what `kernels.pricing.shadow_prices` does, for pairs of users and servers, shape (K,) each."""
        from .kernels.pricing import shadow_prices

        return shadow_prices(
            self._coefficients[user, server],
            self.scenario.score_norm,
            np.repeat((ratio * self.energy_weights[user])[:, np.newaxis], 4, axis=1),
            shares,
            deadline,
            weight=self.score_weights[user],
            **self._needs(user, server),
            **self._score,
        )

    @property
    def _score(self) -> dict[str, Any]:
        """The score function, as the kernels take it."""
        return {} if self.objective.score == "log" else {"score": self.objective.score}

    def _needs(self, user: Index, server: Index) -> dict[str, Any]:
        """Return the least rates of pairs as the kernels take them, where there are any."""
        if not (self._need_up.any() or self._need_down.any()):
            return {}
        return {"need_up": self._need_up[user, server], "need_down": self._need_down[user, server]}

    def least_energy(
        self, user: Index, server: Index, shares: Array, deadline: ArrayLike, offload: ArrayLike = (0.0, 1.0)
    ) -> Array:
        """Return what `kernels.pricing.least_energy` does, for pairs of users and servers, shape (K,) each."""
        from .kernels.pricing import least_energy

        needs = self._needs(user, server)
        limit = np.minimum(deadline, self.longest[user])
        if not self.binary:
            return least_energy(self._coefficients[user, server], shares, limit, offload, **needs)
        # Whichever end takes less.
        ranges = np.broadcast_to(np.asarray(offload, dtype=np.float64), (len(user), 2))
        best = np.tile((np.inf, 1.0, 1.0, 1.0, 0.0), (len(user), 1))
        for end in (0.0, 1.0):
            held = np.flatnonzero((ranges[:, 0] <= end) & (end <= ranges[:, 1]))
            part = {key: values[held] for key, values in needs.items()}
            found = least_energy(
                self._coefficients[user[held], server[held]], shares[held], limit[held], (end, end), **part
            )
            better = found[:, 0] < best[held, 0]
            best[held[better]] = found[better]
        return best

    # -- pricing -------------------------------------------------------------------------------

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
        n, m = box.allowed.shape
        user, server = (index.ravel() for index in np.indices((n, m)))
        last = self._last.reshape(n * m, WIDTH)
        value = self.reduced_values(user, server, last, prices, box.interval[0])
        worth = self.worth(user, last)
        phi = last[:, OFFLOAD]
        fits = (last[:, DELAY] <= box.interval[1]) & (box.offload[user, 0] <= phi) & (phi <= box.offload[user, 1])
        fits = (fits & np.isfinite(value) & box.allowed.ravel()).reshape(n, m)
        value, worth = value.reshape(n, m), worth.reshape(n, m)
        best = np.where(fits, value, -np.inf).max(axis=1, keepdims=True)
        return box.allowed & (~fits | (value >= best - MARGIN * np.maximum(worth, 0.0)))

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

    def _pieces(self, prices: Prices, box: Box, user: Index, server: Index) -> _Pieces:
        """Return the problems of pairs at given prices, in pieces, as the kernels take them."""
        ratio, shares = prices.ratio, prices.shares[server]
        energy: Any = ratio
        if not np.all(self.energy_weights == 1.0):
            energy = np.repeat((ratio * self.energy_weights[user])[:, np.newaxis], 4, axis=1)
        terms: dict[str, Any] = {"weight": self.score_weights[user], "delay_limit": self.longest[user]}
        delay, t0 = prices.delay[user], np.full(len(user), box.interval[0])
        if not self.has_deadline:
            t0 = np.minimum(self.data.pair_delay[user, server], self.longest[user])
        more = np.zeros(len(user))
        if len(self.rows):
            charged = self.rows.prices(prices.rows)[user, server]
            shares = shares + charged[:, SHARES]
            energy = charged[:, ENERGIES] + np.broadcast_to(np.asarray(energy, dtype=np.float64), (len(user), 4))
            terms |= {"offload_price": charged[:, ROW_OFFLOAD], "constant": charged[:, ONE]}
            more = charged[:, ROW_DELAY]
        terms |= self._needs(user, server)
        pieces = _Pieces(
            np.arange(len(user)),
            user,
            server,
            shares,
            energy,
            delay + more,
            box.offload[user],
            t0,
            box.interval[1],
            terms,
        )
        if self.has_deadline and more.any():
            pieces = pieces.before(more, delay, self.data.pair_delay[user, server])
        return pieces.whole_offload() if self.binary else pieces

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
        from .kernels.pricing import price_pairs, search_pairs

        pieces = self._pieces(prices, box, *np.nonzero(self._near(prices, box) if near else box.allowed))
        user, server = pieces.user, pieces.server
        arguments = (self._coefficients[user, server], self.scenario.score_norm, *pieces.arguments())
        keywords: dict[str, Any] = {
            "terms": pieces.kernel_terms(),
            "offload": pieces.offload,
            "hints": self._hints[user, server],
            **self._score,
        }
        n = self.scenario.n_users
        if prove:
            first = search_pairs(*arguments, tolerance=0.1 * tolerance, **keywords)
            reached = np.full(n, -np.inf)
            np.maximum.at(reached, user, first.lower)
            # A pair below what another server of the user reaches is of no interest.
            need = reached[user] + tolerance
            found = price_pairs(*arguments, tolerance=tolerance, need=need, max_cells=max_cells, **keywords)
            self.cells += int(found.cells.sum())
        else:
            found = search_pairs(*arguments, tolerance=tolerance, quick=warm, **keywords)
        values = found.upper if prove else found.lower
        best = np.full(n, -np.inf)
        np.maximum.at(best, user, values)
        columns = found.columns
        there = np.isfinite(columns).all(axis=1)
        last = np.flatnonzero(there)[np.argsort(found.lower[there], kind="stable")]  # the best piece of a pair stays
        self._hints[user[last], server[last], 0] = columns[last][:, [0, 1, 2, 8]]
        self._last[user[last], server[last]] = columns[last, :WIDTH]
        return PricedColumns(
            self._dual_value(prices, best), best, user[there], server[there], columns[there, :WIDTH], found.lower[there]
        )

    def _dual_value(self, prices: Prices, best: Array) -> float:
        """Return D of the users' best values, with room for the rounding of sums."""
        taken = prices.rows * self.rows.right
        dual_value = float(prices.shares.sum() + taken.sum() + best.sum())
        if np.isfinite(dual_value):
            dual_value += SUM_SLACK * float(prices.shares.sum() + np.abs(taken).sum() + np.abs(best).sum())
        return dual_value

    def leaves(
        self, prices: Prices, box: Box, tolerance: float, max_cells: int = 100_000
    ) -> tuple[dict[tuple[int, int], list[Array]], float]:
        """Prove once more, pair by pair, and return the leaves of the proofs and the dual value D that they show.

        Parameters
        ----------
        prices, box, tolerance
            As in `prove`.
        max_cells
            Most cells of a piece.

        Returns
        -------
        leaves
            By pair, those of every piece.
        dual_value
            D.
        """
        from .kernels.pricing import prove_pair

        reached = self.search(prices, box, 0.1 * tolerance).best
        found: dict[tuple[int, int], list[Array]] = {}
        best = np.full(self.scenario.n_users, -np.inf)
        pieces = self._pieces(prices, box, *np.nonzero(box.allowed))
        for k in range(len(pieces.user)):
            n, m = int(pieces.user[k]), int(pieces.server[k])
            shares, energy, interval, delay = pieces.only(k).arguments()
            upper, _, leaves = prove_pair(
                self._coefficients[n, m],
                self.scenario.score_norm,
                shares,
                energy if np.ndim(energy) == 0 else energy[0],
                (float(interval[0][0]), float(interval[1])) if np.ndim(interval[0]) else interval,
                float(delay[0]),
                terms=pieces.only(k).kernel_terms(),
                offload=pieces.offload[k],
                tolerance=tolerance,
                need=float(reached[n]) + tolerance,
                max_cells=max_cells,
                hints=self._hints[n, m],
                **self._score,
            )
            found.setdefault((n, m), []).append(leaves)
            best[n] = max(best[n], upper)
        return found, self._dual_value(prices, best)

    def reduced(self, pool: ColumnPool, members: Index, prices: Prices, shortest: float) -> Array:
        """Return the reduced values of columns of the pool at given prices."""
        return self.reduced_values(pool.user[members], pool.server[members], pool.data[members], prices, shortest)

    def reduced_values(self, user: Index, server: Index, data: Array, prices: Prices, shortest: float) -> Array:
        """Return the reduced values of columns at given prices, shape (K,)."""
        late = np.maximum(data[:, DELAY], shortest) if self.has_deadline else data[:, DELAY]
        value = (
            self.gains(user, data)
            - (data[:, :3] * prices.shares[server]).sum(axis=1)
            - prices.ratio * self.energy_weights[user] * data[:, ENERGY]
            - prices.delay[user] * late
        )
        if len(self.rows):
            value = value - self.rows.charged(prices.rows, user, server, self.entries(user, server, data))
        return np.asarray(value)


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Problems of users at servers in pieces, as the kernels take them; K of them.

    Parameters
    ----------
    origin
        Which of the pairs that were asked about each is of.
    user, server
        Whose they are; the pieces of a pair lie apart.
    shares, energy, delay
        Prices of shares, shape (K, 3), of energies, a number or shape (K, 4), and of the deadline, shape (K,).
    offload
        Ranges of phi, shape (K, 2).
    shortest, longest
        Ends of the interval of the deadline, shape (K,) and a number.
    terms
        Fields of `kernels.pricing.Terms`, shape (K,) each.
    """

    origin: Index
    user: Index
    server: Index
    shares: Array
    energy: Any
    delay: Array
    offload: Array
    shortest: Array
    longest: float
    terms: dict[str, Any]

    def arguments(self) -> tuple[Any, ...]:
        """Return prices, price of energy, interval and price of the deadline."""
        alike = len(self.shortest) == 0 or bool(np.all(self.shortest == self.shortest[0]))
        shortest = (float(self.shortest[0]) if len(self.shortest) else self.longest) if alike else self.shortest
        return self.shares, self.energy, (shortest, self.longest), self.delay

    def kernel_terms(self) -> Any:
        """Return the rest as the kernels take it."""
        from .kernels.pricing import Terms

        return Terms(**self.terms)

    def only(self, k: int) -> _Pieces:
        """Return one of them."""
        return self.chosen(np.array([k]))

    def chosen(self, index: Index) -> _Pieces:
        """Return some of them."""
        energy = self.energy if np.ndim(self.energy) == 0 else self.energy[index]
        terms = {key: values[index] for key, values in self.terms.items()}
        parts = (self.shares[index], energy, self.delay[index], self.offload[index], self.shortest[index])
        return _Pieces(self.origin[index], self.user[index], self.server[index], *parts, self.longest, terms)

    def and_(self, other: _Pieces) -> _Pieces:
        """Return these and others."""

        def both(name: str) -> Any:
            return np.concatenate([getattr(self, name), getattr(other, name)])

        energy = self.energy if np.ndim(self.energy) == 0 else both("energy")
        terms = {key: np.concatenate([values, other.terms[key]]) for key, values in self.terms.items()}
        return _Pieces(
            both("origin"), both("user"), both("server"), both("shares"), energy, both("delay"), both("offload"),
            both("shortest"), self.longest, terms,
        )  # fmt: skip

    def before(self, more: Array, delay: Array, least: Array) -> _Pieces:
        """Return these, and the pieces with delays before the interval: they pay for its beginning all the same.

        Parameters
        ----------
        more
            What rows charge for the user's own delay.
        delay
            Price of the common deadline.
        least
            The least delay of every pair.
        """
        early = np.flatnonzero((more > 0.0) & (least < self.shortest))
        if not len(early):
            return self
        part = self.chosen(early)
        constant = part.terms["constant"] + delay[early] * part.shortest
        limit = np.minimum(part.terms["delay_limit"], part.shortest)
        terms = {**part.terms, "constant": constant, "delay_limit": limit}
        return self.and_(replace(part, delay=more[early], shortest=least[early], terms=terms))

    def whole_offload(self) -> _Pieces:
        """Return the pieces at phi = 0 and at phi = 1."""
        zero, one = (np.flatnonzero((self.offload[:, 0] <= end) & (end <= self.offload[:, 1])) for end in (0.0, 1.0))
        at_zero, at_one = self.chosen(zero), self.chosen(one)
        ends = np.zeros((len(zero), 2)), np.ones((len(one), 2))
        return replace(at_zero, offload=ends[0]).and_(replace(at_one, offload=ends[1]))
