"""Extra constraints in AO part 1: what (6) gains where the scenario declares them, and the offloading under them.

Resources are fixed in AO part 1, so a limit may be out of reach there although AO part 2 can meet it. Every limit is
therefore elastic: its relative excess is priced at `EXCESS_PRICE`, so high that it is met wherever it can be. Pairs
that are not allowed are closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..constraints import EXCESS_PRICE, Constraints, Extra

__all__ = ["ASSOCIATION_EXTRAS", "AssociationLimits", "limited_offloading", "rate_shortage"]

Array = NDArray[np.float64]

#: Kinds that are stated here; the models of `model` and `matrix` have rows for all of them.
ASSOCIATION_EXTRAS = frozenset({Extra.DELAY, Extra.ASSOCIATION, Extra.RATE, Extra.ENERGY})

#: Largest share of a budget of energy that is told apart; anything above is out of reach anyway.
_MOST_ENERGY = 1e4


@dataclass(frozen=True, eq=False)
class AssociationLimits:
    """Rows that extra constraints add to (6), relative to their limits.

    Parameters
    ----------
    hurry
        One over the user's delay limit, in time units; zero where there is none, shape (N,).
    energy
        What a pair spends of its server's energy if the server trains everything, as a share, shape (N, M).
    """

    hurry: Array
    energy: Array

    @classmethod
    def of(cls, constraints: Constraints, server_energy: Array, time_unit: float) -> AssociationLimits:
        """Return the rows for energies of all pairs in J, shape (N, M)."""
        with np.errstate(over="ignore", invalid="ignore"):
            share = np.nan_to_num(server_energy / constraints.server_energy, nan=0.0, posinf=_MOST_ENERGY)
        return cls(time_unit / constraints.delay_limit, np.minimum(share, _MOST_ENERGY))


def rate_shortage(constraints: Constraints, rate_up: Array, rate_down: Array) -> Array:
    """Return by how much the rates of all pairs fall short, relative, both directions together, shape (N, M)."""
    short = np.zeros_like(rate_up)
    for rate, least in ((rate_up, constraints.uplink_rate), (rate_down, constraints.downlink_rate)):
        asked = least[:, np.newaxis] > 0
        short += np.where(asked, np.maximum(1.0 - rate / np.where(asked, least[:, np.newaxis], 1.0), 0.0), 0.0)
    return short


def limited_offloading(
    constraints: Constraints,
    server: NDArray[np.int64],
    times: tuple[Array, Array],
    costs: tuple[Array, Array],
    server_energy: Array,
    time_price: float,
) -> Array:
    """Return the phi that is best under delay limits and budgets of energy, by a linear program, shape (N,).

    Parameters
    ----------
    constraints
        The limits.
    server
        Association, shape (N,).
    times, costs
        Delay (s) and priced energy of every user at phi = 0 and phi = 1; infinite where an end is closed.
    server_energy
        What the server spends on the user at phi = 0, J, shape (N,).
    time_price
        Price of a second.

    Raises
    ------
    ArithmeticError
        If the program is not solved.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array, eye_array, hstack, vstack

    n, m = len(server), len(constraints.server_energy)
    open_zero, open_one = np.isfinite(times[0]), np.isfinite(times[1])
    most = np.where(open_one, 1.0, 0.0)
    least = np.where(open_zero | ~open_one, 0.0, 1.0)
    zero, one, cost_zero, cost_one = (np.where(np.isfinite(part), part, 0.0) for part in (*times, *costs))
    unit = max(float(np.max(np.where(most > 0, one, zero))), float(np.max(np.where(least < 1, zero, one))), 1e-300)
    zero, one = zero / unit, one / unit
    slope, price = cost_one - cost_zero, time_price * unit
    scale = max(price, float(np.max(np.abs(slope))), 1e-300)
    hurry = unit / constraints.delay_limit
    spent = np.minimum(np.where(open_zero, server_energy, 0.0) / constraints.server_energy[server], _MOST_ENERGY)

    # Columns: phi, T, excess of every delay, excess of every budget of energy.
    stretch = coo_array((one - zero, (np.arange(n), np.arange(n))), shape=(n, n))
    hurried = coo_array((hurry * (one - zero), (np.arange(n), np.arange(n))), shape=(n, n))
    saved = coo_array((-spent, (server, np.arange(n))), shape=(m, n))
    rows = vstack(
        [
            hstack([stretch, coo_array(-np.ones((n, 1))), coo_array((n, n)), coo_array((n, m))]),
            hstack([hurried, coo_array((n, 1)), -eye_array(n), coo_array((n, m))]),
            hstack([saved, coo_array((m, 1)), coo_array((m, n)), -eye_array(m)]),
        ]
    )
    right = np.concatenate([-zero, 1.0 - hurry * zero, 1.0 - np.bincount(server, spent, minlength=m)])
    cost = np.concatenate([slope / scale, [price / scale], np.full(n + m, EXCESS_PRICE)])
    bounds = [*zip(least, most, strict=True), *[(0.0, None)] * (1 + n + m)]
    found = linprog(cost, A_ub=rows.tocsr(), b_ub=right, bounds=bounds, method="highs")
    if found.x is None:
        raise ArithmeticError(f"offloading under extra constraints: {found.message}")
    return np.clip(found.x[:n], least, most)
