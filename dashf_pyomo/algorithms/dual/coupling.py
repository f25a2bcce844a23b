"""Rows that tie users together beside the budgets, and limits of single users, in the units of the separable problem.

A row is linear in what a column of a user at a server is: one, phi, shares, energies and the delay. At a price it adds
to the prices of these, so that users are independent still. Limits of one user's delay and rates, and its range of
phi, are part of its own problem.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from formulations import InputError, Scenario
from formulations.constraints import Over
from formulations.terms import Rows, row_of_pairs, upper_rows

__all__ = ["ENTRIES", "CouplingRows"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: What a row may be about, of one column: one, phi, shares of bandwidth, power and speed, the four energies, the delay.
ENTRIES = (
    *("one", "offload", "bandwidth", "power", "speed"),
    *("energy_local", "energy_uplink", "energy_server", "energy_downlink", "delay"),
)
ONE, OFFLOAD, SHARES, ENERGIES, DELAY = 0, 1, slice(2, 5), slice(5, 9), 9

_TIMES = ("time_local", "time_uplink", "time_server", "time_downlink")
_ENERGIES = ENTRIES[ENERGIES]


@dataclass(frozen=True, eq=False)
class _Group:
    """The rows of one limit: where they begin, which row every pair is in, and its coefficients, shape (N, M, 10)."""

    first: int
    row: Index
    coefficients: Array


class CouplingRows:
    """The rows of a scenario but those of the budgets and of single users' delays and rates.

    Parameters
    ----------
    scenario
        The data.
    time_unit, energy_unit
        s and J that count as one.

    Attributes
    ----------
    right
        Right-hand sides, shape (R,); rows are scaled to order one.
    unit
        What counts as one in every row, SI, shape (R,).
    names
        What the rows are called, R of them.
    has_delays
        Whether a row is about delays.

    Raises
    ------
    InputError
        If a row weighs the four times of a user differently: their sum alone has a price.
    """

    def __init__(self, scenario: Scenario, time_unit: float, energy_unit: float) -> None:
        n, m = scenario.n_users, scenario.n_servers
        self._shape = n, m
        self._groups: list[_Group] = []
        right: list[Array] = []
        unit: list[Array] = []
        self.names: list[str] = []
        pairs = np.arange(n * m)
        units = {
            "bandwidth": scenario.bandwidth_max,
            "server_power": scenario.server_power_max,
            "server_speed": scenario.server_speed_max,
        }
        first = 0
        for rows in upper_rows(scenario):
            if rows.limit.key == "delay_limit":
                continue
            active = rows.active
            place = np.full(len(rows.bound), -1)
            place[active] = first + np.arange(len(active))
            row = place[row_of_pairs(rows.limit.over, pairs, m)].reshape(n, m)
            coefficients = np.zeros((n, m, len(ENTRIES)))
            for part, weight in self._relative(rows).items():
                _add(coefficients, part, weight, units, time_unit, energy_unit)
            coefficients[row < 0] = 0.0
            if not np.isfinite(coefficients).all():
                raise InputError(
                    f"{rows.limit.label}: a coefficient exceeds 1e308; expected numbers that can be computed"
                )
            self._groups.append(_Group(first, np.maximum(row, 0), coefficients))
            right.append(rows.right[active])
            unit.append(rows.unit[active])
            self.names += [f"{rows.limit.label}, {rows.limit.over} {i}" for i in active.tolist()]
            first += len(active)
        self.right: Array = np.concatenate(right) if right else np.zeros(0)
        self.unit: Array = np.concatenate(unit) if unit else np.zeros(0)
        self.has_delays = any(group.coefficients[:, :, DELAY].any() for group in self._groups)

    def _relative(self, rows: Rows) -> dict[str, Array]:
        times = [rows.weights.get(part, np.zeros(self._shape)) for part in _TIMES]
        if any(np.any(weight != times[0]) for weight in times):
            raise InputError(
                f"{rows.limit.label}: the four times of a user count differently; expected the whole delay"
            )
        # The whole delay stands under the first of its times.
        unit = rows.unit[:, np.newaxis] if rows.limit.over is Over.USER else rows.unit
        kept = {part: weight for part, weight in rows.weights.items() if part not in _TIMES[1:]}
        with np.errstate(over="ignore", invalid="ignore"):
            return {part: np.where(np.isfinite(unit), weight / unit, 0.0) for part, weight in kept.items()}

    def __len__(self) -> int:
        return len(self.right)

    def prices(self, rows: Array) -> Array:
        """Return what every entry of a column costs by prices of rows, shape (R,), at every pair, shape (N, M, 10)."""
        total = np.zeros((*self._shape, len(ENTRIES)))
        for group in self._groups:
            total += rows[group.row][:, :, np.newaxis] * group.coefficients
        return total

    def charged(self, rows: Array, user: Index, server: Index, entries: Array) -> Array:
        """Return what columns cost by prices of rows, shape (K,)."""
        total = np.zeros(len(user))
        for group in self._groups:
            taken = (group.coefficients[user, server] * entries).sum(axis=1)
            total += rows[group.row[user, server]] * taken
        return total

    def taken(self, user: Index, server: Index, entries: Array) -> tuple[Index, Array]:
        """Return the rows that columns take part in, and what each takes, shape (K, number of limits) each."""
        rows = [group.row[user, server] for group in self._groups]
        taken = [(group.coefficients[user, server] * entries).sum(axis=1) for group in self._groups]
        if not rows:
            return np.zeros((len(user), 0), np.int64), np.zeros((len(user), 0))
        return np.column_stack(rows), np.column_stack(taken)

    def served(self) -> tuple[Array, Array]:
        """Return rows on associations alone, as a matrix over pairs, shape (R', N M), and right-hand sides, (R',)."""
        n, m = self._shape
        matrix, right = [], []
        for group in self._groups:
            if group.coefficients[:, :, 1:].any():
                continue
            for row in np.unique(group.row):
                inside = (group.row == row).ravel()
                matrix.append(np.where(inside, group.coefficients[:, :, ONE].ravel(), 0.0))
                right.append(self.right[row])
        return np.array(matrix).reshape(-1, n * m), np.array(right)


def _add(
    coefficients: Array, part: str, weight: Array, units: dict[str, Array], time_unit: float, energy_unit: float
) -> None:
    """Add a part with its weight, SI, to the coefficients of a limit."""
    if part == "served":
        coefficients[:, :, ONE] += weight
    elif part == "own":
        coefficients[:, :, OFFLOAD] += weight
    elif part == "left":
        coefficients[:, :, ONE] += weight
        coefficients[:, :, OFFLOAD] -= weight
    elif part in units:
        coefficients[:, :, 2 + list(units).index(part)] += weight * units[part]
    elif part in _ENERGIES:
        coefficients[:, :, ENTRIES.index(part)] += weight * energy_unit
    elif part == _TIMES[0]:
        coefficients[:, :, DELAY] += weight * time_unit
    else:
        raise InputError(f"part {part!r} has no price; expected one of the paper's")
