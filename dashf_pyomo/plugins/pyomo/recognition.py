"""Recognition of a Pyomo model: its scenario and formulation, and its differences from the model that this one builds.

Nothing is taken on trust: the model is built again from its scenario and arguments, and components, bounds, domains,
fixed variables, rows and the objective are compared one by one. Rows are compared as expressions, term by term, so a
row that was rewritten counts as changed even where it means the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyomo.environ as pyo
from pyomo.contrib.solver.common.util import IncompatibleModelError
from pyomo.core.base.block import BlockData
from pyomo.core.expr.compare import convert_expression_to_prefix_notation

from formulations import InputError
from formulations.formulation import Language, Subproblem, formulations
from formulations.joint import JointInfo, info

from ...backends.model_search import outside, within

__all__ = [
    "ORDERS",
    "Change",
    "Difference",
    "Recognised",
    "UnsupportedModelError",
    "closed_at",
    "meant",
    "name_of",
    "names_of",
    "others",
    "recognise",
    "variables_of",
]

#: Numbers that differ by less, relative, are the same: a model may come from another machine.
SAME = 1e-12

#: Whole numbers are meant by values this close to them.
INTEGER_TOLERANCE = 1e-5

#: Rows that keep one of the points that are the same up to the names of identical users or servers.
ORDERS = ("user_order", "server_order")

#: Components that state nothing by themselves.
_PASSIVE = frozenset(
    {
        pyo.Block,
        pyo.BooleanVar,
        pyo.BuildAction,
        pyo.BuildCheck,
        pyo.Constraint,
        pyo.Expression,
        pyo.ExternalFunction,
        pyo.Objective,
        pyo.Param,
        pyo.RangeSet,
        pyo.Set,
        pyo.SetOf,
        pyo.Suffix,
        pyo.Var,
    }
)


class UnsupportedModelError(InputError, IncompatibleModelError):
    """A model that is not one of Problem (3), or one extended by what the method cannot honour."""


class Change(StrEnum):
    """Kind of change to a model after it was built."""

    FIXED = "fixed"  # a variable was fixed
    BOUNDS = "bounds"  # bounds or domain of a variable, or a variable unfixed that the builder had fixed
    ADDED = "added"  # a constraint
    CHANGED = "changed"  # a constraint has another expression or other bounds
    REMOVED = "removed"  # a constraint was deactivated or deleted
    OBJECTIVE = "objective"  # another objective, or another sense
    SYMMETRY = "symmetry"  # a row that only keeps identical users or servers in order was deactivated or deleted
    OTHER = "other"  # a component that a model of Problem (3) cannot have, or lacks


@dataclass(frozen=True, eq=False)
class Difference:
    """Difference between a model and the one that its formulation builds.

    Parameters
    ----------
    change
        Kind of change.
    component
        Name of the component within the model.
    text
        The difference in words.
    data
        The component of the model; None where it was deleted.
    restricts
        Whether every point of the extended model is one of the original, with the same objective, up to the names of
        identical users and servers.
    """

    change: Change
    component: str
    text: str
    data: Any = None
    restricts: bool = False

    def __str__(self) -> str:
        return f"{self.component} {self.text}"


@dataclass(frozen=True, eq=False)
class Recognised:
    """Model with its formulation and its differences.

    Parameters
    ----------
    model
        The model that was given.
    info
        Scenario, formulation, units.
    fresh
        The model that the formulation builds.
    differences
        In what the two differ.
    """

    model: Any
    info: JointInfo
    fresh: pyo.ConcreteModel
    differences: tuple[Difference, ...]

    def of(self, *changes: Change) -> list[Difference]:
        """Return the differences of some kinds."""
        return [difference for difference in self.differences if difference.change in changes]


def recognise(model: Any) -> Recognised:
    """Find out what a model is a model of, and in what it was changed since.

    Parameters
    ----------
    model
        A `ConcreteModel` or block that `formulations.joint` built, whatever was done to it since.

    Raises
    ------
    UnsupportedModelError
        If it is not a model of Problem (3), or lacks variables of it.
    """
    if not isinstance(model, BlockData):
        raise UnsupportedModelError(
            f"{type(model).__name__} is not a Pyomo model; expected one that formulations.joint built"
        )
    try:
        found = info(model)
    except InputError as error:
        inner = [b.name for b in model.block_data_objects() if isinstance(getattr(b, "dashf", None), JointInfo)]
        if not inner:
            raise UnsupportedModelError(str(error)) from None
        raise UnsupportedModelError(
            f"model {model.name!r} is not a model of Problem (3), but its block {' and '.join(inner)} is; expected "
            f"that block: solve(model.{inner[0]}), the rest of the model is not looked at"
        ) from None
    build = formulations[f"{Subproblem.JOINT}/{found.formulation}"].faces[Language.PYOMO]
    fresh = build(found.scenario, **found.arguments)
    ours, theirs = names_of(fresh), names_of(model)
    differences = [
        *_variables(fresh, model),
        *_rows(fresh, model, ours, theirs),
        *_objectives(fresh, model, ours, theirs),
    ]
    differences += others(model)
    lost = [difference for difference in differences if difference.change is Change.OTHER and difference.data is None]
    if lost:
        raise UnsupportedModelError(
            f"model {model.name!r} lacks {lost[0].component} of formulation {found.formulation}; expected a model as "
            f"joint.{found.formulation}(scenario) builds it"
        )
    return Recognised(model, found, fresh, tuple(differences))


def names_of(model: Any) -> dict[int, str]:
    """Return the names of a model's variables within the model, by identity."""
    return {id(variable): name_of(variable, model) for variable in model.component_data_objects(pyo.Var)}


def variables_of(model: Any) -> dict[str, Any]:
    """Return a model's variables by name, and those outside of it that its rows or its objective are about."""
    found = {name_of(variable, model): variable for variable in model.component_data_objects(pyo.Var)}
    return found | outside(model)


def name_of(component: Any, model: Any) -> str:
    """Return the name of a component within a model; of one outside, which a block may refer to, ``../`` and all."""
    if within(component, model):
        return str(component.getname(fully_qualified=True, relative_to=model))
    return f"../{component.name}"


def _by_name(model: Any, kind: Any, active: bool | None = None) -> dict[str, Any]:
    return {name_of(data, model): data for data in model.component_data_objects(kind, active=active)}


# -- variables --------------------------------------------------------------------------------


def _variables(fresh: Any, model: Any) -> Iterator[Difference]:
    present = _by_name(model, pyo.Var)
    for name, built in _by_name(fresh, pyo.Var).items():
        found = present.get(name)
        if found is None:
            yield Difference(Change.OTHER, name, "was deleted")
            continue
        if found.fixed:
            if found.value is None:
                raise UnsupportedModelError(f"variable {found.name} is fixed without a value; expected one")
            value = meant(found)
            if value not in (closed_at(built), built.value if built.fixed else None):
                possible = not built.fixed and _within((value, value), built.bounds)
                yield Difference(Change.FIXED, name, f"is fixed at {found.value:g}", found, restricts=possible)
        elif built.fixed and not found.fixed:
            yield Difference(Change.BOUNDS, name, f"is free, was fixed at {built.value:g}", found)
        if _same_domain(found, built) and _same_bounds(found.bounds, built.bounds):
            continue
        text = f"has {_bounds_text(found)}, was built with {_bounds_text(built)}"
        tighter = _same_domain(found, built) and _within(found.bounds, built.bounds)
        yield Difference(Change.BOUNDS, name, text, found, restricts=tighter)


def closed_at(variable: Any) -> float | None:
    """Return the only value that the bounds of a variable leave, or None: models close pairs by bounds."""
    lower, upper = variable.bounds
    return lower if lower is not None and lower == upper else None


def meant(variable: Any) -> float:
    """Return the value of a variable, a whole one where the variable is whole and the value within the tolerance."""
    value = float(variable.value)
    whole = not variable.is_continuous() and abs(value - round(value)) <= INTEGER_TOLERANCE
    return float(round(value)) if whole else value


def _same_domain(one: Any, other: Any) -> bool:
    kinds = [(v.is_continuous(), v.is_integer(), v.is_binary()) for v in (one, other)]
    return kinds[0] == kinds[1]


def _bounds_text(variable: Any) -> str:
    domain = "" if variable.is_continuous() else f"domain {variable.domain}, "
    lower, upper = ("none" if bound is None else f"{bound:g}" for bound in variable.bounds)
    return f"{domain}bounds {lower}..{upper}"


def _same_bounds(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    return all(_same(a, b) for a, b in zip(one, other, strict=True))


def _within(inner: tuple[Any, Any], outer: tuple[Any, Any]) -> bool:
    (low, high), (least, most) = inner, outer
    below = least is None or (low is not None and low >= least)
    return below and (most is None or (high is not None and high <= most))


def _same(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return bool(one == other or abs(one - other) <= SAME * max(abs(one), abs(other)))


# -- rows and objective -----------------------------------------------------------------------


def _rows(fresh: Any, model: Any, ours: dict[int, str], theirs: dict[int, str]) -> Iterator[Difference]:
    present = _by_name(model, pyo.Constraint, active=True)
    for name, built in _by_name(fresh, pyo.Constraint, active=True).items():
        found = present.pop(name, None)
        if found is None:
            inactive = model.find_component(name)
            text = "is deactivated" if inactive is not None else "was deleted"
            order = name.split("[")[0] in ORDERS
            yield Difference(Change.SYMMETRY if order else Change.REMOVED, name, text, inactive, restricts=order)
            continue
        (low, body, high), (least, expected, most) = (row.to_bounded_expression(True) for row in (found, built))
        if not _same_expression(body, theirs, expected, ours):
            yield Difference(Change.CHANGED, name, "has another expression", found)
        elif not _same_bounds((low, high), (least, most)):
            yield Difference(
                Change.CHANGED, name, "has other bounds", found, restricts=_within((low, high), (least, most))
            )
    for name, added in present.items():
        yield Difference(Change.ADDED, name, "was added", added, restricts=True)


def _objectives(fresh: Any, model: Any, ours: dict[int, str], theirs: dict[int, str]) -> Iterator[Difference]:
    active = _by_name(model, pyo.Objective, active=True)
    if len(active) != 1:
        raise UnsupportedModelError(f"model {model.name!r} has {len(active)} active objectives; expected one")
    ((name, found),) = active.items()
    built = fresh.objective
    if found.sense != built.sense or not _same_expression(found.expr, theirs, built.expr, ours):
        yield Difference(Change.OBJECTIVE, name, "is not the objective of the formulation", found)


def _same_expression(one: Any, names: dict[int, str], other: Any, other_names: dict[int, str]) -> bool:
    left, right = (
        convert_expression_to_prefix_notation(expression, include_named_exprs=False) for expression in (one, other)
    )
    return len(left) == len(right) and all(
        _same_node(a, names, b, other_names) for a, b in zip(left, right, strict=True)
    )


def _same_node(one: Any, names: dict[int, str], other: Any, other_names: dict[int, str]) -> bool:
    if isinstance(one, tuple) or isinstance(other, tuple):
        return bool(one == other)
    if _is_variable(one) or _is_variable(other):
        # A variable from outside of the model has no name in it, and is nothing like ours.
        return _is_variable(one) and _is_variable(other) and names.get(id(one), "") == other_names[id(other)]
    return _same(float(pyo.value(one)), float(pyo.value(other)))


def _is_variable(node: Any) -> bool:
    return hasattr(node, "is_variable_type") and bool(node.is_variable_type())


def others(model: Any) -> Iterator[Difference]:
    """Find what states more than rows, bounds and the objective do: nothing here can evaluate it."""
    for component in model.component_objects(active=True, descend_into=True):
        kind = component.ctype
        if kind not in _PASSIVE and len(component) > 0:
            text = f"is a {kind.__name__}, which a model of Problem (3) has not"
            yield Difference(Change.OTHER, name_of(component, model), text, component)
