"""`hull` and `milp` in arrays: assembled by vectorised indexing, no loop over pairs, no modelling layer.

Source: (6) with the lifting of `hull`. Columns are x (pair by pair), w (likewise), T, and the excesses of extra
constraints where there are any; phi_n is the sum of user n's w. Where offloading is binary, so is w with a binary x.
The pattern of the matrix depends on N and M alone and is built once; new coefficients only change its values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from ..constraints import EXCESS_PRICE
from ..matrix import MatrixProgram
from ..scenario import Scenario
from ..terms import row_of_pairs, upper_rows
from .coefficients import DELAY_ROWS, AssociationCoefficients
from .model import AssociationSolution, clean

__all__ = ["AssociationMatrix"]

Array = NDArray[np.float64]


class AssociationMatrix:
    """AO part 1 with the hull lifting as one `MatrixProgram`.

    Parameters
    ----------
    scenario
        The data; only its sizes enter.
    binary
        Whether x is binary.
    delay_rows
        One of `coefficients.DELAY_ROWS`.

    Attributes
    ----------
    problem
        The program; its values are set by `update`.
    """

    def __init__(self, scenario: Scenario, binary: bool, delay_rows: str = "aggregated") -> None:
        if delay_rows not in DELAY_ROWS:
            raise ValueError(f"delay_rows = {delay_rows!r}; expected one of {', '.join(DELAY_ROWS)}")
        self._pairwise = delay_rows == "pairwise"
        self._shape = n, m = scenario.n_users, scenario.n_servers
        pairs = n * m
        pair = np.arange(pairs)
        user, server = pair // m, pair % m
        x, w, deadline = pair, pairs + pair, 2 * pairs

        blocks: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        first = 0

        def rows(count: int, *entries: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
            nonlocal first
            blocks.extend((first + row, column) for row, column in entries)
            first += count

        rows(n, (user, x))  # sum_m x = 1
        rows(pairs, (pair, w), (pair, x))  # -server_end <= w - x <= 0
        if self._pairwise:
            # srv x + extra w + local_n sum_m' w_nm' <= T in every row (n, m): all w of user n appear.
            own = (np.repeat(pair, m), pairs + (user[:, None] * m + np.arange(m)).ravel())
            rows(pairs, (pair, x), own, (pair, np.full(pairs, deadline)))
        else:
            rows(n, (user, x), (user, w), (np.arange(n), np.full(n, deadline)))
        for _ in range(3):
            rows(m, (server, x))  # budgets
        budgeted = first
        self._ranged = scenario.constraints is not None and scenario.constraints.has_ranges
        if self._ranged:  # low x - w <= 0, w - high x <= 0
            rows(pairs, (pair, x), (pair, w))
            rows(pairs, (pair, w), (pair, x))
        limited = first
        columns = 2 * pairs + 1
        self._excesses = 0
        for limit in upper_rows(scenario):  # at_server (x - w) + at_user w + served x - excess <= most
            count = len(limit.bound)
            taken = row_of_pairs(limit.limit.over, pair, m)
            rows(count, (taken, x), (taken, w), (np.arange(count), columns + self._excesses + np.arange(count)))
            self._excesses += count
        columns += self._excesses

        row, column = (np.concatenate(part) for part in zip(*blocks, strict=True))
        # Entries keep their order through the conversion, so that `update` can put values in place.
        order = np.arange(len(row), dtype=np.float64)
        pattern = coo_array((order, (row, column)), shape=(first, columns)).tocsr()
        self._order = pattern.data.astype(np.int64)
        delays = pairs if self._pairwise else n
        free = np.full(first - n, -np.inf)
        more = columns - 2 * pairs  # T and the excesses
        whole = binary and scenario.binary_offload
        upper = [np.ones(n), np.zeros(pairs + delays), np.ones(budgeted - n - pairs - delays)]
        upper += [np.zeros(limited - budgeted), np.ones(first - limited)]
        self._limited = limited
        self.problem = MatrixProgram(
            cost=np.zeros(columns),
            matrix=pattern,
            row_lower=np.concatenate([np.ones(n), free]),
            row_upper=np.concatenate(upper),
            lower=np.zeros(columns),
            upper=np.concatenate([np.ones(2 * pairs), np.full(more, np.inf)]),
            integer=np.concatenate([np.full(pairs, binary), np.full(pairs, whole), np.zeros(more, dtype=np.bool_)]),
        )
        self._unit = 1.0

    def update(self, coefficients: AssociationCoefficients) -> None:
        """Set the values; the pattern stays."""
        c = coefficients
        n, m = self._shape
        self._unit = c.objective_unit
        one = np.ones(n * m)
        extra = c.uplink_time - c.server_time
        local = c.local_time[:, None]
        if self._pairwise:
            product = local[:, :, None] + extra[:, :, None] * np.eye(m)
            delay = [c.server_time.ravel(), product.ravel(), -one]
        else:
            delay = [c.server_time.ravel(), (extra + local).ravel(), -np.ones(n)]
        shares = [share.ravel() for share in (c.bandwidth_share, c.power_share, c.speed_share)]
        ranges = [np.repeat(c.least_offload, m), -one, one, -np.repeat(c.most_offload, m)] if self._ranged else []
        limits: list[Array] = []
        for rows in c.limits:
            of_product = rows.of_product + rows.of_user[:, None]
            limits += [rows.of_pair.ravel(), of_product.ravel(), np.full(rows.count, -rows.excess)]
        if c.limits:
            self.problem.row_upper[self._limited :] = np.concatenate([rows.most for rows in c.limits])
        values = np.concatenate([one, one, -one, *delay, *shares, *ranges, *limits])
        self.problem.matrix.data = values[self._order]
        self.problem.upper[n * m : 2 * n * m] = c.user_end.ravel()
        self.problem.row_lower[n : n + n * m] = -c.server_end.ravel()  # w - x >= -server_end
        product_cost = c.product_cost + c.local_cost[:, None]
        excess = np.full(self._excesses, EXCESS_PRICE)
        self.problem.cost = np.concatenate([c.pair_cost.ravel(), product_cost.ravel(), [c.time_price], excess])

    def solution(self) -> AssociationSolution:
        """Read the solution after the program was solved, cleaned of the solver's tolerance."""
        point, value = self.problem.point, self.problem.value
        if point is None or value is None:
            raise RuntimeError("the program was not solved")
        pairs = self._shape[0] * self._shape[1]
        x, w = point[:pairs].reshape(self._shape), point[pairs : 2 * pairs].reshape(self._shape)
        return AssociationSolution(*clean(x, w.sum(axis=1)), value=value * self._unit, product=w)
