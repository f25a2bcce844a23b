"""`sdr-chordal`: the paper's semidefinite relaxation split into N small blocks, with the same value.

Source: P3, (8). Target: one block of M + 2 rows per user. Objective and constraints use only the entries
of S that couple one user's {1, phi_n, x_n1, .., x_nM}. These sets form a chordal pattern whose cliques
share the constant alone, so a partial matrix has a positive semidefinite completion exactly when each
block is positive semidefinite (Grone, Johnson, Sa, Wolkowicz 1984).
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np

from ..formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from ..scenario import Scenario
from .model import AssociationModel, Lifting
from .pair_rows import ASSOCIATION_EXTRAS

__all__ = ["build", "lift"]


def lift(n_users: int, n_servers: int) -> Lifting:
    """Return N blocks with rows (phi_n, x_n1, .., x_nM, 1)."""
    m = n_servers
    size = m + 2
    blocks = cp.Variable((n_users, size, size), PSD=True, name="S")
    servers = np.arange(1, m + 1)
    phi = blocks[:, 0, -1]
    x = blocks[:, 1 : m + 1, -1]
    w = blocks[:, 0, 1 : m + 1]
    constraints = [
        blocks[:, -1, -1] == 1,
        blocks[:, servers, servers] == x,  # (8a): x^2 = x
        blocks[:, 0, 0] <= phi,  # (8c), (7d): phi^2 <= phi
    ]
    return Lifting(x, phi, w, constraints, blocks[:, 1 : m + 1, 1 : m + 1])


def build(scenario: Scenario, delay_rows: str = "aggregated") -> AssociationModel:
    """Return the semidefinite program in blocks for a scenario."""
    return AssociationModel(scenario, lift, delay_rows)


formulations.register(
    Formulation(
        name="sdr-chordal",
        subproblem=Subproblem.ASSOCIATION,
        kind=Kind.RELAXATION,
        needs=frozenset({Feature.SDP}),
        source="P3, (8), in the cliques of its sparsity pattern",
        summary="SDP: the paper's relaxation in N blocks of M + 2 rows, the same value",
        faces={Language.CVXPY: build},
        options=("delay_rows",),
        supports=ASSOCIATION_EXTRAS,
    ),
    origin=__name__,
)
