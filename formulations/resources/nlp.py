"""`nlp`: AO part 2 as it stands, a smooth nonlinear program solved to local optimality.

Source: (10), without the surrogate of fractional programming.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from ..scenario import Scenario
from .limit_families import RESOURCE_EXTRAS
from .nonlinear import ResourceProgram

if TYPE_CHECKING:
    from .nonlinear_cvxpy import ResourceProblem

__all__ = ["build", "build_cvxpy"]


def build(scenario: Scenario) -> ResourceProgram:
    """Return the program with exact sparse derivatives."""
    return ResourceProgram(scenario, free_offloading=False)


def build_cvxpy(scenario: Scenario) -> ResourceProblem:
    """Return the same program in CVXPY."""
    from .nonlinear_cvxpy import ResourceProblem

    return ResourceProblem(scenario, free_offloading=False)


formulations.register(
    Formulation(
        name="nlp",
        subproblem=Subproblem.RESOURCES,
        kind=Kind.LOCAL,
        needs=frozenset({Feature.NLP}),
        source="(10)",
        summary="(10) itself as a smooth nonlinear program",
        faces={Language.NONLINEAR: build, Language.CVXPY: build_cvxpy},
        supports=RESOURCE_EXTRAS,
    ),
    origin=__name__,
)
