"""Restricted master problem: the best convex combination of the columns known, and the prices that follow.

The cost is scaled to one, which makes the ratio linear. With r the reciprocal of the cost, w_j the weights of the
columns times r, and d the deadline times r::

    max  sum_j v_j w_j
    s.t. sum_j E_j w_j + omega_t d = 1                           price y, the ratio itself
         sum over j of user n of w_j = r                         price h_n
         sum over j at server m of z_j w_j <= r                  prices lambda_m, three a server
         sum over j of user n of T_j w_j <= d                    price rho_n, their sum is y omega_t

T_j is the delay of the column, at least the beginning of the interval of deadlines. The mean deadline of every user is
at most d / r. The relaxation within an interval is that single columns may have longer ones. At a single deadline T
the last rows and d go, and r costs omega_t T: that is much quicker to solve for many users.

Rows of the scenario are there like budgets, with prices kappa. Where the cost has the mean of the delays, columns cost
their own, and d is not there. Where the objective fixes y, r is one, and the cost is in the objective instead of a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backends import BackendError
from .columns import DELAY, ENERGY, ColumnPool
from .prices import Prices
from .problem import SeparableProblem

__all__ = ["RestrictedMaster"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Score of an artificial column, far below any real one, and the least that it can be lowered to.
ARTIFICIAL, LEAST_ARTIFICIAL = -10.0, -1e9

#: Surplus costs this factor more than the price to start from, and at least the least price.
SURPLUS, LEAST_SURPLUS = 4.0, 1.0

#: Scores of a user below this are tiny.
TINY = 1e-2

#: Parts of a budget, or of a user, that count as nothing.
NEGLIGIBLE = 1e-7


#: Ways to solve it, an option and its value, tried in turn: as ever, on from there, and from the start in other ways.
_WAYS: tuple[tuple[str | None, int | str], ...] = (
    (None, 0),
    (None, 0),
    ("simplex_scale_strategy", 0),
    ("solver", "ipm"),
)


class RestrictedMaster:
    """The linear program of one interval of deadlines, solved again and again as columns come.

    Parameters
    ----------
    problem
        The separable problem: its sizes, its objective and its rows.
    interval
        Shortest and longest deadline.
    deadline_rows
        Whether there is a row for each user's deadline; without, the interval is one deadline, or none counts.
    start
        Prices to start from, or None: the surplus columns of budgets, at which more of one is bought, cost
        `surplus` times as much, so that prices stay below, however few columns there are as yet. Without, there are
        none. Rows always have surplus columns.

    Attributes
    ----------
    members
        Indices of the columns in their pool.
    uses_surplus
        Budgets and rows of which the last solution buys more, shape (3 M + R,).
    uses_artificial
        Users that the last solution does not serve wholly, shape (N,).
    """

    def __init__(
        self,
        problem: SeparableProblem,
        interval: tuple[float, float],
        deadline_rows: bool = True,
        start: Prices | None = None,
    ) -> None:
        import highspy

        self._problem, self._interval = problem, interval
        self._n, self._m = n_users, n_servers = problem.scenario.n_users, problem.scenario.n_servers
        time_weight, price = problem.time_weight, problem.cost_price
        self._highs = highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        highs.setOptionValue("solver", "simplex")  # serial, and warm
        infinity = highspy.kHighsInf
        # Tolerances of the solver are absolute: where scores are tiny they are counted in the largest of a user.
        largest = problem.scenario.score.largest * float(problem.score_weights.max())
        self._unit = largest if 0.0 < largest < TINY else 1.0
        # Rows: cost; users; budgets by server and resource; rows of the scenario; deadlines.
        self._deadline_rows, self._limits = deadline_rows, 3 * n_servers + len(problem.rows)
        rows = 1 + n_users + self._limits + (n_users if deadline_rows else 0)
        lower = np.concatenate([[1.0], np.zeros(n_users), np.full(rows - 1 - n_users, -infinity)])
        upper = np.concatenate([[1.0], np.zeros(rows - 1)])
        if price is not None:
            lower[0] = upper[0] = 0.0
        empty = np.zeros(rows, np.int32)
        highs.addRows(rows, lower, upper, 0, empty, np.zeros(0, np.int32), np.zeros(0))
        # The scale r enters users, budgets and rows, the deadline d cost and deadlines, see the head of this module.
        at = 1 + n_users + self._limits
        scale_rows = np.arange(1, at, dtype=np.int32)
        right = np.concatenate([np.ones(n_users + 3 * n_servers), problem.rows.right])
        deadline_at = np.arange(at, rows, dtype=np.int32)
        fixed = time_weight * interval[0] if problem.has_deadline and not deadline_rows else 0.0
        self._cost = _Cost(price, self._unit)
        self._cost.add_column(highs, fixed, scale_rows, -right, (0.0, infinity) if price is None else (1.0, 1.0))
        longest = infinity if deadline_rows else 0.0
        self._cost.add_column(highs, time_weight, deadline_at, np.full(len(deadline_at), -1.0), (0.0, longest))
        highs.changeObjectiveSense(highspy.ObjSense.kMaximize)
        # Artificial columns serve a user at no budget for a very bad score: the problem is always feasible.
        self._artificial = np.full(n_users, ARTIFICIAL)
        self.uses_artificial = np.zeros(n_users, bool)
        for user in range(n_users):
            highs.addCol(ARTIFICIAL, 0.0, infinity, 1, np.array([1 + user], np.int32), np.ones(1))
        self._surplus_prices = np.full(self._limits, LEAST_SURPLUS)
        if start is not None:
            self._surplus_prices = np.maximum(SURPLUS * np.append(start.shares.ravel(), start.rows), LEAST_SURPLUS)
        for limit, cost in enumerate(self._surplus_prices.tolist()):
            most = infinity if start is not None or limit >= 3 * n_servers else 0.0
            row = np.array([1 + n_users + limit], np.int32)
            highs.addCol(-cost / self._unit, 0.0, most, 1, row, -np.ones(1))
        self._fixed = 2 + n_users + self._limits
        self.uses_surplus = np.zeros(self._limits, bool)
        self.members: Index = np.zeros(0, np.int64)

    def add(self, pool: ColumnPool, members: Index) -> None:
        """Add columns of the pool by index; those that are too late for the interval are the caller's to leave out."""
        problem = self._problem
        data, user, server = pool.data[members], pool.user[members], pool.server[members]
        count = len(members)
        budget = 1 + self._n + 3 * server
        cost = problem.cost_of(user, data[:, ENERGY], data[:, DELAY])
        rows = [1 + user, budget, budget + 1, budget + 2]
        values = [np.ones(count), data[:, 0], data[:, 1], data[:, 2]]
        gains = problem.gains(user, data) / self._unit
        if self._cost.price is None:
            rows.insert(0, np.zeros(count, np.int64))
            values.insert(0, cost)
        else:
            gains = gains - self._cost.price * cost / self._unit
        if len(problem.rows):
            limit, taken = problem.rows.taken(user, server, problem.entries(user, server, data))
            rows += list(1 + self._n + 3 * self._m + limit.T)
            values += list(taken.T)
        if self._deadline_rows:
            rows.append(1 + self._n + self._limits + user)
            values.append(np.maximum(data[:, DELAY], self._interval[0]))
        place, entry = np.column_stack(rows), np.column_stack(values)
        self._highs.addCols(
            count,
            gains,
            np.zeros(count),
            np.full(count, 1e30),
            place.size,
            np.arange(0, place.size, place.shape[1], dtype=np.int32),
            place.ravel().astype(np.int32),
            entry.ravel(),
        )
        self.members = np.concatenate([self.members, members])

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Remove all other columns of `members`."""
        gone = (self._fixed + np.flatnonzero(~chosen)).astype(np.int32)
        self._highs.deleteCols(len(gone), gone)
        self.members = self.members[chosen]

    def raise_surplus_prices(self, factor: float) -> None:
        """Make dearer what the last solution buys beyond budgets and rows."""
        self._surplus_prices = np.where(self.uses_surplus, factor * self._surplus_prices, self._surplus_prices)
        for limit in np.flatnonzero(self.uses_surplus).tolist():
            self._highs.changeColCost(2 + self._n + limit, -float(self._surplus_prices[limit]) / self._unit)

    def lower_artificial_scores(self, factor: float) -> bool:
        """Lower the score of the artificial columns that the last solution uses; return whether there was room."""
        chosen = self.uses_artificial & (self._artificial > LEAST_ARTIFICIAL)
        self._artificial = np.where(chosen, factor * self._artificial, self._artificial)
        for user in np.flatnonzero(chosen).tolist():
            self._highs.changeColCost(2 + user, float(self._artificial[user]))
        return bool(chosen.any())

    def solve(self) -> tuple[float, Prices, Array]:
        """Return the value, the prices, and the weights of `members`; those of a user sum to one, or less as yet.

        Raises
        ------
        BackendError
            If the solver fails.
        """
        self._optimise()
        solution = self._highs.getSolution()
        duals = self._unit * np.asarray(solution.row_dual)
        value = self._unit * float(self._highs.getInfo().objective_function_value)
        budgets = 1 + self._n
        rows, deadlines = budgets + 3 * self._m, budgets + self._limits
        prices = Prices(
            value if self._cost.price is None else self._cost.price,
            np.abs(duals[budgets:rows].reshape(self._m, 3)),
            np.abs(duals[deadlines:]) if self._deadline_rows else np.ones(self._n),
            np.abs(duals[rows:deadlines]),
        )
        weights = np.asarray(solution.col_value) / max(solution.col_value[0], 1e-300)
        self.uses_artificial = weights[2 : 2 + self._n] > NEGLIGIBLE
        self.uses_surplus = weights[2 + self._n : self._fixed] > NEGLIGIBLE
        return value, prices, weights[self._fixed :]

    def _optimise(self) -> None:
        """Run the solver until it has an optimum: wide magnitudes can leave the simplex method undecided."""
        import highspy

        highs = self._highs
        for option, changed in _WAYS:
            if option is None:
                highs.run()
            else:
                _, usual = highs.getOptionValue(option)
                highs.setOptionValue(option, changed)
                highs.clearSolver()
                highs.run()
                highs.setOptionValue(option, usual)
            status = highs.getModelStatus()
            if status == highspy.HighsModelStatus.kOptimal:
                return
        raise BackendError(f"the restricted master problem ended with {highs.modelStatusToString(status)}")


@dataclass(frozen=True)
class _Cost:
    """Where costs are counted: in the cost row, or in the objective at a fixed price, per unit of it."""

    price: float | None
    unit: float

    def add_column(
        self, highs: Any, cost: float, rows: NDArray[np.int32], values: Array, bounds: tuple[float, float]
    ) -> None:
        """Add a variable that costs so much."""
        if self.price is None:
            rows, values = np.append(np.int32(0), rows), np.append(cost, values)
            highs.addCol(0.0, *bounds, len(rows), rows, values)
        else:
            highs.addCol(-self.price * cost / self.unit, *bounds, len(rows), rows, values)
