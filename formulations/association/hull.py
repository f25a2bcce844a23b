"""`hull`: the linear relaxation of AO part 1 with the convex hull of {(x, phi, w)} of every user.

Source: (6). Because sum_m x_nm = 1 and x is binary, w_nm = phi_n x_nm with 0 <= w_nm <= x_nm and
sum_m w_nm = phi_n describes the convex hull per user, so this is at least as tight as the SDR.
"""

from __future__ import annotations

import cvxpy as cp

from ..formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from ..scenario import Scenario
from .matrix import AssociationMatrix
from .model import AssociationModel, Lifting
from .pair_rows import ASSOCIATION_EXTRAS

__all__ = ["build", "build_matrix", "lift"]


def lift(n_users: int, n_servers: int, *, binary: bool = False, binary_offload: bool = False) -> Lifting:
    """Return x and w >= 0 with w <= x; phi is the row sum of w."""
    shape = (n_users, n_servers)
    x = cp.Variable(shape, name="x", **({"boolean": True} if binary else {"nonneg": True}))
    w = cp.Variable(shape, name="w", **({"boolean": True} if binary_offload else {"nonneg": True}))
    return Lifting(x, cp.sum(w, axis=1), w, [w <= x])


def build(scenario: Scenario, delay_rows: str = "aggregated") -> AssociationModel:
    """Return the linear program for a scenario."""
    return AssociationModel(scenario, lift, delay_rows)


def build_matrix(scenario: Scenario, delay_rows: str = "aggregated") -> AssociationMatrix:
    """Return the same program in arrays."""
    return AssociationMatrix(scenario, binary=False, delay_rows=delay_rows)


formulations.register(
    Formulation(
        name="hull",
        subproblem=Subproblem.ASSOCIATION,
        kind=Kind.RELAXATION,
        needs=frozenset({Feature.LP}),
        source="(6) with the convex hull per user",
        summary="LP: products over the convex hull of each user; at least as tight as the SDR",
        faces={Language.MATRIX: build_matrix, Language.CVXPY: build},
        options=("delay_rows",),
        supports=ASSOCIATION_EXTRAS,
    ),
    origin=__name__,
)
