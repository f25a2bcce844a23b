"""What a formulation is, and the registry of all of them.

A formulation declares a (sub)problem in a modelling language. It names the features that a solver must
have, never a solver.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .registry import Registry

__all__ = ["Feature", "Formulation", "Kind", "Subproblem", "formulations"]


class Subproblem(StrEnum):
    """Which part of Problem (3) a formulation declares."""

    ASSOCIATION = "association"  # AO part 1: x and phi, resources fixed
    RESOURCES = "resources"  # AO part 2: resources, x and phi fixed
    JOINT = "joint"


class Kind(StrEnum):
    """How the solutions of a formulation relate to those of its subproblem."""

    EXACT = "exact"  # the same optima
    RELAXATION = "relaxation"  # its optimal value bounds the subproblem's
    RESTRICTION = "restriction"  # its points are feasible, its optimum may be worse
    LOCAL = "local"  # the same problem or a surrogate, solved to local optimality only


class Feature(StrEnum):
    """What a solver must be able to handle."""

    LP = "LP"
    MILP = "MILP"
    QP = "QP"
    SOC = "SOC"
    SDP = "SDP"
    EXP = "EXP"


@dataclass(frozen=True)
class Formulation:
    """A declared (sub)problem.

    Parameters
    ----------
    name
        How it is asked for, unique within its subproblem.
    subproblem
        What it declares.
    kind
        What its value says about the subproblem.
    language
        The modelling language: ``cvxpy`` or ``pyomo``.
    needs
        Features that a solver must have.
    source
        Equation of the paper, or reference.
    summary
        One line for listings.
    build
        ``build(scenario, **options)`` returns the model.
    options
        Names of the options that `build` takes.
    """

    name: str
    subproblem: Subproblem
    kind: Kind
    language: str
    needs: frozenset[Feature]
    source: str
    summary: str
    build: Callable[..., Any]
    options: tuple[str, ...] = ()


#: Every formulation by ``subproblem/name``, for instance ``association/hull``.
formulations: Registry[Formulation] = Registry(
    "formulation",
    packages=("formulations.association", "formulations.resources"),
    group="dashf_pyomo.formulations",
    name_of=lambda entry: f"{entry.subproblem}/{entry.name}",
)
