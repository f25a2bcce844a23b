"""`sdr-rlt`: the semidefinite relaxation in blocks with the rows of the hull added.

Source: P3, (8), with 0 <= w <= x and sum_m w = phi from multiplying the bounds of phi and the assignment row by
phi and x (reformulation-linearisation, Sherali and Adams 1990). At least as tight as both its parts.
"""

from __future__ import annotations

import cvxpy as cp

from ..formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from ..scenario import Scenario
from .model import AssociationModel, Lifting
from .pair_rows import ASSOCIATION_EXTRAS
from .sdr_chordal import lift as lift_chordal

__all__ = ["build", "lift"]


def lift(n_users: int, n_servers: int) -> Lifting:
    """Return the blocks of `sdr-chordal` with the rows of `hull`."""
    blocks = lift_chordal(n_users, n_servers)
    rows = [
        blocks.product >= 0,
        blocks.product <= blocks.association,
        cp.sum(blocks.product, axis=1) == blocks.offload,
    ]
    return Lifting(
        blocks.association, blocks.offload, blocks.product, [*blocks.constraints, *rows], blocks.second_moment
    )


def build(scenario: Scenario, delay_rows: str = "aggregated") -> AssociationModel:
    """Return the semidefinite program in blocks, with the hull rows, for a scenario."""
    return AssociationModel(scenario, lift, delay_rows)


formulations.register(
    Formulation(
        name="sdr-rlt",
        subproblem=Subproblem.ASSOCIATION,
        kind=Kind.RELAXATION,
        needs=frozenset({Feature.SDP}),
        source="P3, (8), with the rows of the hull",
        summary="SDP: the relaxation in blocks plus the hull rows, at least as tight as both",
        faces={Language.CVXPY: build},
        options=("delay_rows",),
        supports=ASSOCIATION_EXTRAS,
    ),
    origin=__name__,
)
