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
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from formulations.score import Score

from ...backends import BackendError
from .columns import DELAY, ENERGY, ColumnPool
from .prices import Prices

__all__ = ["RestrictedMaster"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Score of an artificial column, far below any real one, and the least that it can be lowered to.
ARTIFICIAL, LEAST_ARTIFICIAL = -10.0, -1e9

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
    n_users, n_servers
        N and M.
    score
        varpi_2 of the score.
    time_weight
        omega_t: cost units of one time unit.
    interval
        Shortest and longest deadline.
    deadline_rows
        Whether there is a row for each user's deadline; without, the interval is one deadline.
    surplus_prices
        Costs of the surplus columns, at which more of a budget is bought, shape (M, 3): prices stay below, however few
        columns there are as yet. Without, there are no surplus columns.

    Attributes
    ----------
    members
        Indices of the columns in their pool.
    uses_surplus
        Budgets of which the last solution buys more, shape (M, 3).
    uses_artificial
        Users that the last solution does not serve wholly, shape (N,).
    """

    def __init__(
        self,
        n_users: int,
        n_servers: int,
        score: Score,
        time_weight: float,
        interval: tuple[float, float],
        deadline_rows: bool = True,
        surplus_prices: Array | None = None,
    ) -> None:
        import highspy

        self._n, self._m, self._score, self._interval = n_users, n_servers, score, interval
        self._highs = highs = highspy.Highs()
        highs.setOptionValue("output_flag", False)
        highs.setOptionValue("solver", "simplex")  # serial, and warm
        infinity = highspy.kHighsInf
        # Tolerances of the solver are absolute: where scores are tiny they are counted in the largest of a user.
        largest = score.largest
        self._unit = largest if largest < TINY else 1.0
        # Rows: cost; users; budgets by server and resource; deadlines.
        self._deadline_rows = deadline_rows
        rows = 1 + n_users + 3 * n_servers + (n_users if deadline_rows else 0)
        lower = np.concatenate([[1.0], np.zeros(n_users), np.full(rows - 1 - n_users, -infinity)])
        upper = np.concatenate([[1.0], np.zeros(rows - 1)])
        empty = np.zeros(rows, np.int32)
        highs.addRows(rows, lower, upper, 0, empty, np.zeros(0, np.int32), np.zeros(0))
        # The scale r enters users and budgets, the deadline d cost and deadlines, see the head of this module.
        scale_rows = np.arange(1, 1 + n_users + 3 * n_servers, dtype=np.int32)
        deadline_at = np.concatenate([[0], np.arange(1 + n_users + 3 * n_servers, rows)]).astype(np.int32)
        scale = np.full(len(scale_rows), -1.0)
        if not deadline_rows:
            scale_rows, scale = np.append(scale_rows, np.int32(0)), np.append(scale, time_weight * interval[0])
        highs.addCol(0.0, 0.0, infinity, len(scale_rows), scale_rows, scale)
        deadline = np.concatenate([[time_weight], np.full(len(deadline_at) - 1, -1.0)])
        highs.addCol(0.0, 0.0, infinity if deadline_rows else 0.0, len(deadline_at), deadline_at, deadline)
        highs.changeObjectiveSense(highspy.ObjSense.kMaximize)
        # Artificial columns serve a user at no budget for a very bad score: the problem is always feasible.
        self._artificial = np.full(n_users, ARTIFICIAL)
        self.uses_artificial = np.zeros(n_users, bool)
        for user in range(n_users):
            highs.addCol(ARTIFICIAL, 0.0, infinity, 1, np.array([1 + user], np.int32), np.ones(1))
        self._surplus_prices = np.zeros((n_servers, 3)) if surplus_prices is None else surplus_prices
        most = 0.0 if surplus_prices is None else infinity
        for budget, price in enumerate(self._surplus_prices.ravel().tolist()):
            row = np.array([1 + n_users + budget], np.int32)
            highs.addCol(-price / self._unit, 0.0, most, 1, row, -np.ones(1))
        self._fixed = 2 + n_users + 3 * n_servers
        self.uses_surplus = np.zeros((n_servers, 3), bool)
        self.members: Index = np.zeros(0, np.int64)

    def add(self, pool: ColumnPool, members: Index) -> None:
        """Add columns of the pool by index; those that are too late for the interval are the caller's to leave out."""
        data, user, server = pool.data[members], pool.user[members], pool.server[members]
        count = len(members)
        budget = 1 + self._n + 3 * server
        rows = np.column_stack(
            [
                np.zeros(count, np.int64),
                1 + user,
                budget,
                budget + 1,
                budget + 2,
                1 + self._n + 3 * self._m + user,
            ]
        )
        values = np.column_stack(
            [data[:, ENERGY], np.ones(count), data[:, :3], np.maximum(data[:, DELAY], self._interval[0])]
        )
        if not self._deadline_rows:
            rows, values = rows[:, :-1], values[:, :-1]
        gains = self._score.of(data[:, :3].sum(axis=1)) / self._unit
        self._highs.addCols(
            count,
            gains,
            np.zeros(count),
            np.full(count, 1e30),
            rows.size,
            np.arange(0, rows.size, rows.shape[1], dtype=np.int32),
            rows.ravel().astype(np.int32),
            values.ravel(),
        )
        self.members = np.concatenate([self.members, members])

    def keep(self, chosen: NDArray[np.bool_]) -> None:
        """Remove all other columns of `members`."""
        gone = (self._fixed + np.flatnonzero(~chosen)).astype(np.int32)
        self._highs.deleteCols(len(gone), gone)
        self.members = self.members[chosen]

    def raise_surplus_prices(self, factor: float) -> None:
        """Make dearer what the last solution buys beyond the budgets."""
        self._surplus_prices = np.where(self.uses_surplus, factor * self._surplus_prices, self._surplus_prices)
        for budget in np.flatnonzero(self.uses_surplus).tolist():
            self._highs.changeColCost(2 + self._n + budget, -float(self._surplus_prices.flat[budget]) / self._unit)

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
        prices = Prices(
            value,
            np.abs(duals[budgets : budgets + 3 * self._m].reshape(self._m, 3)),
            np.abs(duals[budgets + 3 * self._m :]) if self._deadline_rows else np.ones(self._n),
        )
        weights = np.asarray(solution.col_value) / max(solution.col_value[0], 1e-300)
        self.uses_artificial = weights[2 : 2 + self._n] > NEGLIGIBLE
        self.uses_surplus = weights[2 + self._n : self._fixed].reshape(self._m, 3) > NEGLIGIBLE
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
