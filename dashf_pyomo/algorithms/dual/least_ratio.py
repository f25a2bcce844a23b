"""The separable problem of the least of the users' ratios, w_n v_n / c_n with c_n = omega_t D_n + omega_e E_n.

At a ratio y and weights theta_n >= 0 of the users that sum to one, prices of budgets and rows make them independent::

    D = sum lambda + sum kappa r + sum_n max over its choices of  theta_n (w_n v_n - y c_n) - what it is charged

Where every user has a ratio of at least t >= y, w_n v_n - y c_n >= (t - y) c_n, so that (t - y) sum_n theta_n c_n <= D
and the least ratio is at most y + max(D, 0) / sum_n theta_n (least c_n).

The weights are the prices of the rows of the restricted master problem that say that no user is behind. Its ratio is
where the most that all users can be ahead of y c_n is nothing.

Every user has a row of its own, so that the gap of the root does not vanish as users become many: it is 6 to 11 % for
five and for ten users at two servers. With random scenarios `bnp` closes it to 0.1 % for five users in about a
minute; for ten it leaves 6 to 10 %.

Source: Crouzeix, Ferland and Schaible (1985), a generalised Dinkelbach; here on mixtures of columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations.joint.data import JointData

from .boxes import Box
from .columns import DELAY, ENERGY, ColumnPool
from .master import ARTIFICIAL, LEAST_SURPLUS, NEGLIGIBLE, SURPLUS, RestrictedMaster
from .prices import Prices
from .problem import SeparableProblem

__all__ = ["LeastRatioMaster", "LeastRatioProblem", "WeighedPrices"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Most ratios at which a restricted master problem is solved, and its value that counts as nothing.
MOST_RATIOS, NOTHING = 40, 1e-7

#: Weights below this, relative to an equal one, are raised to it: a user without weight has no best column.
LEAST_WEIGHT = 1e-6


@dataclass(frozen=True, eq=False)
class WeighedPrices(Prices):
    """Prices with weights of users.

    Parameters
    ----------
    weights
        theta_n, at least zero, summing to one, shape (N,).
    """

    weights: Array = field(default_factory=lambda: np.zeros(0))

    def towards(self, other: Prices, part: float) -> WeighedPrices:
        """Return the prices that lie `part` of the way to others."""
        assert isinstance(other, WeighedPrices)
        plain = super().towards(other, part)
        weights = self.weights + part * (other.weights - self.weights)
        return WeighedPrices(plain.ratio, plain.shares, plain.delay, plain.rows, weights)

    def balanced(self, time_weight: float, counted: Array | None = None) -> WeighedPrices:
        """Return the prices with no negative ones, weights that sum to one, and delays at what they cost each user."""
        weights = np.maximum(self.weights, 0.0)
        weights = weights / weights.sum() if weights.sum() > 0.0 else np.full(len(weights), 1.0 / len(weights))
        weights = np.maximum(weights, LEAST_WEIGHT / len(weights))
        weights = weights / weights.sum()
        return replace(
            self,
            shares=np.maximum(self.shares, 0.0),
            rows=np.maximum(self.rows, 0.0),
            delay=self.ratio * time_weight * weights,
            weights=weights,
        )


class LeastRatioProblem(SeparableProblem):
    """The separable problem of the least of the users' ratios.

    Parameters
    ----------
    data
        Scaled coefficients, and bounds on what users cost in allocations that are not worse than a known one.
    """

    certifies = False

    def __init__(self, data: JointData) -> None:
        super().__init__(data)
        n = self.scenario.n_users
        self.energy_weights, self.delay_weights = np.zeros(n), np.zeros(n)
        self._own_energy = float(self.scenario.weight_energy > 0.0)
        self.longest = np.minimum(self.longest, data.user_delay)

    def master(self, interval: tuple[float, float], deadline_rows: bool, start: Prices | None) -> LeastRatioMaster:
        """Return the restricted master problem."""
        return LeastRatioMaster(self, interval, deadline_rows, start)

    def user_costs(self, data: Array) -> Array:
        """Return the scaled costs of columns by themselves, shape (K,)."""
        return np.asarray(self._own_energy * data[:, ENERGY] + self.time_weight * data[:, DELAY])

    def cost_of(self, user: Index, energy: Array, delay: Array) -> Array:
        """Return what columns cost their users, shape (K,)."""
        return np.asarray(self._own_energy * energy + self.time_weight * delay)

    def worth(self, user: Index, data: Array) -> Array:
        """Return about what columns are worth in a mean of all users, shape (K,)."""
        return self.gains(user, data) / self.scenario.n_users

    def reduced_values(self, user: Index, server: Index, data: Array, prices: Prices, shortest: float) -> Array:
        """Return theta (w v - y c) of columns less what they are charged, shape (K,)."""
        assert isinstance(prices, WeighedPrices)
        ahead = self.gains(user, data) - prices.ratio * self.user_costs(data)
        value = prices.weights[user] * ahead - (data[:, :3] * prices.shares[server]).sum(axis=1)
        if len(self.rows):
            value = value - self.rows.charged(prices.rows, user, server, self.entries(user, server, data))
        return np.asarray(value)

    def _pieces(self, prices: Prices, box: Box, user: Index, server: Index) -> Any:
        assert isinstance(prices, WeighedPrices)
        pieces = super()._pieces(prices, box, user, server)
        weights = prices.weights[pieces.user]
        energy = np.broadcast_to(np.asarray(pieces.energy, dtype=np.float64), (len(weights), 4))
        spent = self._own_energy * prices.ratio * weights
        terms = {**pieces.terms, "weight": pieces.terms["weight"] * weights}
        return replace(pieces, energy=energy + spent[:, np.newaxis], terms=terms)

    def balanced(self, prices: Prices) -> Prices:
        """Return prices with no negative ones and with balanced weights."""
        return prices.balanced(self.time_weight)

    def shadow(self, allocation: Any, ratio: float) -> Prices:
        """Return the prices at which an allocation is about the best, the users who are behind weighing more."""
        plain = super().shadow(allocation, ratio)
        user, _, data = self.columns_of(allocation)
        ratios = self.gains(user, data) / self.user_costs(data)
        weights = (ratios.min() / ratios) ** 4
        weights /= weights.sum()
        # As if all weighed the same: shares are as much worth to those that count as they are to all.
        shares = plain.shares / len(weights)
        return self.balanced(WeighedPrices(ratio, shares, plain.delay, plain.rows, weights))

    def least_costs(self, box: Box) -> Array:
        """Return the least that users cost in a box, shape (N,)."""
        return self.time_weight * np.min(self.data.pair_delay, axis=1, where=box.allowed, initial=np.inf)

    def bound(self, prices: Prices, dual_value: float, box: Box) -> float:
        """Return the bound on the scaled value in a box that D shows at given prices."""
        assert isinstance(prices, WeighedPrices)
        if dual_value <= 0.0:
            return prices.ratio
        cost = float((prices.weights * self.least_costs(box)).sum())
        return prices.ratio + dual_value / cost * (1.0 + 1e-12) if cost > 0.0 else np.inf

    def user_tolerance(self, box: Box, cutoff: float, accuracy: float) -> float:
        """Return what a user's value may be off by, for the bound to be off by a relative accuracy."""
        least = float(np.mean(self.least_costs(box)))
        return accuracy * cutoff * max(least, 1e-3) / len(box.allowed)


class LeastRatioMaster(RestrictedMaster):
    """The linear program of the least ratio, solved at one ratio y after another.

    With w_j the weights of the columns and s what every user is ahead of y::

        max  s
        s.t. s - sum over j of user n of (w v_j - y c_j) w_j <= 0     price theta_n
             sum over j of user n of w_j = 1                          price h_n
             sum over j at server m of z_j w_j <= 1                   prices lambda_m, three a server, and kappa of rows

    The ratio is where s is zero. It is found by Newton's method on the ratio of the mixture. Parameters are those of
    `RestrictedMaster`.
    """

    def __init__(
        self,
        problem: LeastRatioProblem,
        interval: tuple[float, float],
        deadline_rows: bool = True,
        start: Prices | None = None,
    ) -> None:
        import highspy

        self._ratios, self._interval = problem, interval
        self._n, self._m = n, m = problem.scenario.n_users, problem.scenario.n_servers
        self._highs = highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        highs.setOptionValue("solver", "simplex")
        infinity = highspy.kHighsInf
        self._unit, self._limits = 1.0, 3 * m + len(problem.rows)
        right = np.concatenate([np.ones(3 * m), problem.rows.right])
        lower = np.concatenate([np.full(n, -infinity), np.ones(n), np.full(self._limits, -infinity)])
        upper = np.concatenate([np.zeros(n), np.ones(n), right])
        empty = np.zeros(len(lower), np.int32)
        highs.addRows(len(lower), lower, upper, 0, empty, np.zeros(0, np.int32), np.zeros(0))
        highs.addCol(1.0, -infinity, infinity, n, np.arange(n, dtype=np.int32), np.ones(n))
        # One that does nothing, so that columns have the places that they have in other master problems.
        highs.addCol(0.0, 0.0, 0.0, 0, np.zeros(0, np.int32), np.zeros(0))
        highs.changeObjectiveSense(highspy.ObjSense.kMaximize)
        self._y = self._least = 0.0
        self._artificial = np.full(n, ARTIFICIAL)
        self.uses_artificial = np.zeros(n, bool)
        for user in range(n):
            highs.addCol(0.0, 0.0, infinity, 2, np.array([user, n + user], np.int32), np.array([-ARTIFICIAL, 1.0]))
        self._surplus_prices = np.full(self._limits, LEAST_SURPLUS)
        if start is not None:
            self._surplus_prices = np.maximum(SURPLUS * np.append(start.shares.ravel(), start.rows), LEAST_SURPLUS / n)
        for limit, cost in enumerate(self._surplus_prices.tolist()):
            most = infinity if start is not None or limit >= 3 * m else 0.0
            highs.addCol(-cost, 0.0, most, 1, np.array([2 * n + limit], np.int32), -np.ones(1))
        self._fixed = 2 + n + self._limits
        self.uses_surplus = np.zeros(self._limits, bool)
        self.members = np.zeros(0, np.int64)
        self._user, self._score, self._spent = np.zeros(0, np.int64), np.zeros(0), np.zeros(0)

    def add(self, pool: ColumnPool, members: Index) -> None:
        """Add columns of the pool by index."""
        problem, count = self._ratios, len(members)
        data, user, server = pool.data[members], pool.user[members], pool.server[members]
        budget = 2 * self._n + 3 * server
        score, spent = problem.gains(user, data), problem.user_costs(data)
        rows = [user, self._n + user, budget, budget + 1, budget + 2]
        values = [self._y * spent - score, np.ones(count), data[:, 0], data[:, 1], data[:, 2]]
        if len(problem.rows):
            limit, taken = problem.rows.taken(user, server, problem.entries(user, server, data))
            rows += list(2 * self._n + 3 * self._m + limit.T)
            values += list(taken.T)
        place, entry = np.column_stack(rows), np.column_stack(values)
        self._highs.addCols(
            count,
            np.zeros(count),
            np.zeros(count),
            np.full(count, 1e30),
            place.size,
            np.arange(0, place.size, place.shape[1], dtype=np.int32),
            place.ravel().astype(np.int32),
            entry.ravel(),
        )
        self.members = np.concatenate([self.members, members])
        self._user = np.concatenate([self._user, user])
        self._score, self._spent = np.concatenate([self._score, score]), np.concatenate([self._spent, spent])

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Remove all other columns of `members`."""
        super().keep(chosen)
        self._user, self._score, self._spent = self._user[chosen], self._score[chosen], self._spent[chosen]

    def lower_artificial_scores(self, factor: float) -> bool:
        """Lower the score of the artificial columns that the last solution uses; return whether there was room."""
        from .master import LEAST_ARTIFICIAL

        chosen = self.uses_artificial & (self._artificial > LEAST_ARTIFICIAL)
        self._artificial = np.where(chosen, factor * self._artificial, self._artificial)
        self._state()
        return bool(chosen.any())

    def _state(self) -> None:
        """State the ratio y in the rows of the users."""
        highs, y = self._highs, self._y
        for user in range(self._n):
            highs.changeCoeff(user, 2 + user, float(y - self._artificial[user]))
        ahead = y * self._spent - self._score
        for j, (user, value) in enumerate(zip(self._user.tolist(), ahead.tolist(), strict=True)):
            highs.changeCoeff(user, self._fixed + j, value)

    def solve(self) -> tuple[float, Prices, Array]:
        """Return the ratio, the prices, and the weights of `members`; those of a user sum to one, or less as yet.

        Raises
        ------
        BackendError
            If the solver fails.
        """
        low, high = -np.inf, np.inf
        for _ in range(MOST_RATIOS):
            self._optimise()
            ahead = float(self._highs.getInfo().objective_function_value)
            solution = self._highs.getSolution()
            duals = np.abs(np.asarray(solution.row_dual))
            taken = np.asarray(solution.col_value)
            weights = duals[: self._n]
            low, high = (max(low, self._y), high) if ahead > 0.0 else (low, min(high, self._y))
            # An artificial column costs one.
            spent = np.bincount(self._user, self._spent * taken[self._fixed :], minlength=self._n)
            spent = spent + taken[2 : 2 + self._n]  # without columns it counts in whole numbers
            slope = float((weights * spent).sum())
            if abs(ahead) <= NOTHING * max(slope, 1e-9) * max(abs(self._y), 1e-3) or not slope > 0.0:
                break
            following = self._y + ahead / slope
            if not low < following < high:
                if not (np.isfinite(low) and np.isfinite(high)):
                    break
                following = 0.5 * (low + high)
                if not low < following < high:
                    break
            self._y = following
            self._state()
        rows = 2 * self._n + 3 * self._m
        total = float(weights.sum())
        prices = WeighedPrices(
            self._y,
            duals[2 * self._n : rows].reshape(self._m, 3),
            np.zeros(self._n),
            duals[rows:],
            weights / total if total > 0.0 else np.full(self._n, 1.0 / self._n),
        )
        self.uses_artificial = taken[2 : 2 + self._n] > NEGLIGIBLE
        self.uses_surplus = taken[2 + self._n : self._fixed] > NEGLIGIBLE
        return self._y, prices, taken[self._fixed :]
