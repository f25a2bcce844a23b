"""`joint-nlp`: offloading and resources together at a fixed association, one smooth nonlinear program.

Source: (3) at fixed x and y. Alternating between offloading and resources stops where neither alone can
improve, often with phi = 1 nearly everywhere; moving both wins most of that back.
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
    return ResourceProgram(scenario, free_offloading=True)


def build_cvxpy(scenario: Scenario) -> ResourceProblem:
    """Return the same program in CVXPY."""
    from .nonlinear_cvxpy import ResourceProblem

    return ResourceProblem(scenario, free_offloading=True)


formulations.register(
    Formulation(
        name="joint-nlp",
        subproblem=Subproblem.RESOURCES,
        kind=Kind.LOCAL,
        needs=frozenset({Feature.NLP}),
        source="(3) at fixed x and y",
        summary="offloading and resources together at a fixed association, smooth nonlinear program",
        faces={Language.NONLINEAR: build, Language.CVXPY: build_cvxpy},
        frees_offloading=True,
        supports=RESOURCE_EXTRAS,
    ),
    origin=__name__,
)
