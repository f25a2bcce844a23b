"""`sdr`: the paper's semidefinite relaxation of AO part 1, literally one dense matrix.

Source: P3, (8). With Q = (phi_1..phi_N, x_11..x_NM) the matrix S stands for (Q, 1)(Q, 1)' and its rank is
not constrained; N + NM + 1 rows. S >= 0 alone does not keep phi in [0, 1] (the relaxation would be
unbounded), so phi_n^2 <= phi_n carries the bounds (7c) and (7d).
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np

from ..documents import InputError
from ..formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from ..scenario import Scenario
from .model import AssociationModel, Lifting
from .pair_rows import ASSOCIATION_EXTRAS

__all__ = ["build", "lift"]


#: Largest matrix that is worth starting: its cone has half a million entries.
MOST_ROWS = 1200


def lift(n_users: int, n_servers: int) -> Lifting:
    """Return the expressions of S that stand for x, phi and their products.

    Raises
    ------
    InputError
        If the matrix would have more than `MOST_ROWS` rows.
    """
    n, m = n_users, n_servers
    size = n + n * m + 1
    if size > MOST_ROWS:
        raise InputError(
            f"association sdr: {n} users and {m} servers make a dense matrix of {size} rows; expected at most "
            f"{MOST_ROWS}, sdr-chordal has the same value in small blocks"
        )
    lifted = cp.Variable((size, size), PSD=True, name="S")
    user = np.arange(n)
    pair = n + np.arange(n * m)
    last = size - 1
    phi = lifted[user, np.full(n, last)]
    flat = lifted[pair, np.full(n * m, last)]
    constraints = [
        lifted[last, last] == 1,
        lifted[pair, pair] == flat,  # (8a): x^2 = x
        lifted[user, user] <= phi,  # (8c), (7d): phi^2 <= phi
    ]
    x = cp.reshape(flat, (n, m), order="C")
    w = cp.reshape(lifted[np.repeat(user, m), pair], (n, m), order="C")
    return Lifting(x, phi, w, constraints)


def build(scenario: Scenario, delay_rows: str = "aggregated") -> AssociationModel:
    """Return the dense semidefinite program for a scenario."""
    return AssociationModel(scenario, lift, delay_rows)


formulations.register(
    Formulation(
        name="sdr",
        subproblem=Subproblem.ASSOCIATION,
        kind=Kind.RELAXATION,
        needs=frozenset({Feature.SDP}),
        source="P3, (8)",
        summary="SDP: the paper's relaxation, one dense matrix of N + NM + 1 rows",
        faces={Language.CVXPY: build},
        options=("delay_rows",),
        supports=ASSOCIATION_EXTRAS,
    ),
    origin=__name__,
)
