"""Extra constraints in AO part 2: rows of declared limits relative to their bounds, with exact derivatives.

Every row is a weighted sum of parts of users at their servers, at most r + e with r = 1, but for rows with negative
numbers; a least rate is R_min U <= 1 + e with U = 1/R. The excess e >= 0 is priced at `EXCESS_PRICE`: limits that no
resources meet at this association and offloading leave a program that can still be solved, and one that comes as near
to them as possible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..attributes import STATED_PARTS
from ..constraints import Extra, require_support
from ..linear_rows import SIGNED
from ..prices import LINEAR_ASPECTS
from ..reach import require_bounded_delay
from ..scaled import whole_parts
from ..scenario import Scenario
from ..terms import Rows, least_rates, upper_rows
from .shares import WeightedParts

__all__ = [
    "LIMIT_MARGIN",
    "RESOURCE_EXTRAS",
    "LimitFamily",
    "least_relative_rates",
    "limit_families",
    "relative_parts",
    "require_rows",
]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: What is stated here: any row over these parts, and least rates; a forced or forbidden pair needs no row, as the
#: association is given, and offloading keeps to its range, or is given as well.
RESOURCE_EXTRAS: frozenset[str] = (
    STATED_PARTS
    | {Extra.DELAY, Extra.ASSOCIATION, Extra.RATE, Extra.ENERGY, Extra.OFFLOAD, Extra.BINARY, SIGNED}
    | LINEAR_ASPECTS
)

#: Limits are stated this much tighter, relative, so that what a solver leaves within its tolerance keeps them.
LIMIT_MARGIN = 2e-7


def require_rows(scenario: Scenario) -> None:
    """Refuse a scenario with a kind of extra constraints that no row states, and one whose best delay is unbounded.

    Raises
    ------
    InputError
        If there is one.
    """
    require_support("AO part 2", RESOURCE_EXTRAS, scenario.demands)
    require_bounded_delay(scenario)


def relative_parts(scenario: Scenario, rows: Rows, server: Index) -> dict[str, Array]:
    """Return what every part at whole resources and R = 1 comes to, relative to the user's row, shape (N,) each."""
    shape, at = scenario.channel_gain.shape, (np.arange(len(server)), server)
    return {part: np.broadcast_to(value, shape)[at] for part, value in rows.relative(whole_parts(scenario)).items()}


def least_relative_rates(scenario: Scenario, server: Index) -> tuple[Array, Array]:
    """Return the least R of both directions at every user's server, zero where there is none, shape (N,) each."""
    nats = np.log(2.0) / scenario.bandwidth_max[server]  # bit/s to R
    up, down = least_rates(scenario)
    return up * nats, down * nats


@dataclass(frozen=True, eq=False)
class LimitFamily:
    """The rows of one limit at an association.

    Parameters
    ----------
    taken
        What every user takes, relative to the bound of its row.
    row_of
        The row of every user, shape (N,).
    most
        Right-hand sides, of which programs leave a `LIMIT_MARGIN`.
    """

    taken: WeightedParts
    row_of: Index
    most: Array

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.most)

    def gather(self, values: Array) -> Array:
        """Return the sums of what every user takes, by rows."""
        return np.bincount(self.row_of, values, minlength=self.count).astype(np.float64)


def limit_families(scenario: Scenario, server: Index) -> list[LimitFamily]:
    """Return the rows of all limits of a scenario at an association."""
    require_rows(scenario)
    users = np.arange(len(server))
    found = [
        LimitFamily(WeightedParts(relative_parts(scenario, rows, server)), rows.row_of(server), rows.most)
        for rows in upper_rows(scenario)
    ]
    for direction, need in zip(("up", "down"), least_relative_rates(scenario, server), strict=True):
        if np.any(need > 0):
            taken = WeightedParts({f"inverse_rate_{direction}": need})
            found.append(LimitFamily(taken, users, np.ones(len(users))))
    return found
