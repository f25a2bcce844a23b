"""Formulations: what one declares, and the registry of all.

A formulation declares a (sub)problem in a modelling language. It names the features that a solver must
have, never a solver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .registry import Registry

__all__ = ["Feature", "Formulation", "Kind", "Language", "Subproblem", "formulations"]


class Subproblem(StrEnum):
    """Part of Problem (3) that a formulation declares."""

    ASSOCIATION = "association"  # AO part 1: x and phi, resources fixed
    RESOURCES = "resources"  # AO part 2: resources, x and phi fixed
    JOINT = "joint"


class Language(StrEnum):
    """Language of a face of a formulation; a backend says which of them it takes."""

    CVXPY = "cvxpy"  # a model with a `cvxpy.Problem`, readable and easy to extend
    MATRIX = "matrix"  # a `formulations.matrix.MatrixProgram`, assembled without a loop over pairs
    PYOMO = "pyomo"  # a `pyomo.environ.ConcreteModel`
    NONLINEAR = "nonlinear"  # a `formulations.nonlinear.NonlinearProgram` with exact sparse derivatives


class Kind(StrEnum):
    """Relation of the solutions of a formulation to those of its subproblem."""

    EXACT = "exact"  # the same optima
    RELAXATION = "relaxation"  # its optimal value bounds the subproblem's
    RESTRICTION = "restriction"  # its points are feasible, its optimum may be worse
    LOCAL = "local"  # the same problem or a surrogate, solved to local optimality only


class Feature(StrEnum):
    """Feature of a model that a solver must be able to handle."""

    LP = "LP"
    MILP = "MILP"
    QP = "QP"
    SOC = "SOC"
    SDP = "SDP"
    EXP = "EXP"
    NLP = "NLP"  # smooth and not convex, to local optimality
    MINLP = "MINLP"  # mixed-integer, nonlinear and not convex, to global optimality


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
    needs
        Features that a solver must have.
    source
        Equation of the paper, or reference.
    summary
        One line for listings.
    faces
        The languages it is declared in, the fastest first, each with ``build(scenario, **options)`` that
        returns the model. All faces are the same mathematics.
    options
        Names of the options that the builders take.
    frees_offloading
        For resource formulations: whether the offloading is a variable too.
    parts
        For joint formulations in Pyomo: from a model, which expression is which part (`joint.pair_parts.PairParts`), so
        that rows of limits and `joint.attributes` follow.
    complete
        For joint formulations in Pyomo: sets every auxiliary variable of a model from its data and the users' values
        (`joint.user_values.UserValues`), so that a whole point follows from an allocation.
    supports
        Extra constraints of a scenario that the model states, as kinds or as the parts of which it states any row (see
        `constraints`); with others it must not be used.
    """

    name: str
    subproblem: Subproblem
    kind: Kind
    needs: frozenset[Feature]
    source: str
    summary: str
    faces: Mapping[str, Callable[..., Any]]
    options: tuple[str, ...] = ()
    frees_offloading: bool = False
    parts: Callable[..., Any] | None = None
    complete: Callable[..., None] | None = None
    supports: frozenset[str] = frozenset()


#: Every formulation by ``subproblem/name``, for instance ``association/hull``.
formulations: Registry[Formulation] = Registry(
    "formulation",
    packages=("formulations.association", "formulations.resources", "formulations.joint"),
    group="dashf_pyomo.formulations",
    name_of=lambda entry: f"{entry.subproblem}/{entry.name}",
    wrong_with=lambda entry: "" if isinstance(entry, Formulation) else "expected a Formulation",
)
