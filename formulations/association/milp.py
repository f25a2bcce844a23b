"""`milp`: AO part 1 exactly, as a mixed-integer linear program.

Source: (6). The lifting of `hull` with x binary is an exact linearisation of the products phi_n x_nm. Where offloading
is binary, so are the products.
"""

from __future__ import annotations

from functools import partial

from ..formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from ..scenario import Scenario
from .hull import lift
from .matrix import AssociationMatrix
from .model import AssociationModel
from .pair_rows import ASSOCIATION_EXTRAS

__all__ = ["build", "build_matrix"]


def build(scenario: Scenario, delay_rows: str = "aggregated") -> AssociationModel:
    """Return the mixed-integer linear program for a scenario."""
    exact = partial(lift, binary=True, binary_offload=scenario.binary_offload)
    return AssociationModel(scenario, exact, delay_rows)


def build_matrix(scenario: Scenario, delay_rows: str = "aggregated") -> AssociationMatrix:
    """Return the same program in arrays."""
    return AssociationMatrix(scenario, binary=True, delay_rows=delay_rows)


formulations.register(
    Formulation(
        name="milp",
        subproblem=Subproblem.ASSOCIATION,
        kind=Kind.EXACT,
        needs=frozenset({Feature.LP, Feature.MILP}),
        source="(6), products linearised exactly",
        summary="MILP: the hull with binary association, exact",
        faces={Language.MATRIX: build_matrix, Language.CVXPY: build},
        options=("delay_rows",),
        supports=ASSOCIATION_EXTRAS,
    ),
    origin=__name__,
)
