"""From an allocation to values of a model's variables, and what these break."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyomo.environ as pyo

from formulations import FEASIBILITY_TOLERANCE, Allocation
from formulations.joint.whole_point import set_point

from .recognition import Recognised, meant, name_of, others, variables_of

__all__ = ["Checked", "Violated", "best_point", "check", "evaluated", "point_of", "values"]

#: Values by the name of the variable within the model.
Point = Mapping[str, float]


@dataclass(frozen=True)
class Violated:
    """A row, bound or fixing that a point breaks.

    Parameters
    ----------
    component
        Name within the model.
    value
        Value found.
    lower, upper
        Range allowed; None is no limit.
    excess
        Distance outside, relative to the limit where that is above one.
    """

    component: str
    value: float
    lower: float | None
    upper: float | None
    excess: float

    def __str__(self) -> str:
        low, high = ("none" if bound is None else f"{bound:.9g}" for bound in (self.lower, self.upper))
        return f"{self.component} = {self.value:.9g}, expected {low} to {high}"


@dataclass(frozen=True)
class Checked:
    """Value of a point in a model.

    Parameters
    ----------
    objective
        Value of the active objective; None where it cannot be evaluated.
    violated
        Broken components, the worst first.
    unchecked
        Names of rows that have variables without a value, and of components that nothing here can evaluate, such as
        special ordered sets and disjunctions.
    """

    objective: float | None
    violated: tuple[Violated, ...]
    unchecked: tuple[str, ...]


def point_of(recognised: Recognised, allocation: Allocation) -> dict[str, float]:
    """Return the values that an allocation gives to the variables of the formulation, by name; finite ones only."""
    fresh = recognised.fresh
    with np.errstate(invalid="ignore", divide="ignore"):  # where nothing arrives, times are infinite
        set_point(fresh, allocation)
    return {
        name: float(variable.value)
        for variable, name in ((v, v.name) for v in fresh.component_data_objects(pyo.Var))
        if variable.value is not None and np.isfinite(variable.value)
    }


def best_point(recognised: Recognised, allocation: Allocation) -> tuple[Allocation, dict[str, float], Checked]:
    """Return the allocation with its point and what that breaks; among equals by symmetry, the one that breaks least.

    A joint model keeps one of the solutions that are the same up to the names of identical users or servers.
    """
    found = []
    for candidate in (allocation, _ordered(recognised, allocation)):
        point = point_of(recognised, candidate)
        checked = check(recognised.model, point)
        if not checked.violated:
            return candidate, point, checked
        found.append((candidate, point, checked))
    return min(found, key=lambda entry: len(entry[2].violated))


def _ordered(recognised: Recognised, allocation: Allocation) -> Allocation:
    data = recognised.info.data
    users, servers = data.identical_users(), data.identical_servers()
    if users:
        order = np.arange(allocation.n_users)
        for group in _groups(users):
            order[group] = np.array(group)[np.argsort(allocation.server[group], kind="stable")]
        arrays = {name: np.asarray(value)[order] for name, value in vars(allocation).items()}
        return replace(allocation, **arrays)
    label = np.arange(data.scenario.n_servers)
    load = np.bincount(allocation.server, minlength=len(label))
    for group in _groups(servers):
        label[np.array(group)[np.argsort(-load[group], kind="stable")]] = group
    return replace(allocation, server=label[allocation.server])


def _groups(neighbours: list[tuple[int, int]]) -> list[list[int]]:
    """Return chains of neighbours as sorted groups."""
    groups: dict[int, list[int]] = {}
    for one, other in sorted(neighbours):
        group = groups.pop(one, [one])
        groups[other] = [*group, other]
    return list(groups.values())


@contextmanager
def values(model: Any, point: Point) -> Iterator[None]:
    """Give the variables of a model other values for the while; fixed ones too."""
    variables = variables_of(model)
    kept = [(variable, variable.value, variable.stale) for variable in variables.values()]
    try:
        for name, variable in variables.items():
            value = point.get(name)
            if value is not None:
                variable.set_value(value, skip_validation=True)
        yield
    finally:
        for variable, value, stale in kept:
            variable.set_value(value, skip_validation=True)
            variable.stale = stale


def check(model: Any, point: Point) -> Checked:
    """Evaluate every active row, every bound and fixing, and the objective of a model at a point.

    Parameters
    ----------
    model
        Any Pyomo model; it is left as it was. Variables that the point does not name keep their values.
    point
        Values by the name of the variable within the model.
    """
    variables = variables_of(model)
    fixed = {
        name: None if variable.value is None else meant(variable)
        for name, variable in variables.items()
        if variable.fixed
    }
    violated: list[Violated] = []
    unchecked = [other.component for other in others(model)]

    def judge(name: str, value: float, lower: Any, upper: Any) -> None:
        excess = 0.0 if np.isfinite(value) else np.inf
        for bound, sign in ((lower, -1.0), (upper, 1.0)):
            if bound is not None:
                excess = max(excess, sign * (value - bound) / max(1.0, abs(bound)))
        if excess > FEASIBILITY_TOLERANCE:
            violated.append(Violated(name, value, lower, upper, excess))

    with values(model, point):
        for name, variable in variables.items():
            value = variable.value
            if name in fixed:
                judge(name, float("nan") if value is None else value, fixed[name], fixed[name])
            elif value is not None:
                judge(name, value, *variable.bounds)
                if not variable.is_continuous():
                    judge(name, value, round(value), round(value))
        for row in model.component_data_objects(pyo.Constraint, active=True):
            value = evaluated(row.body)
            name = name_of(row, model)
            if value is None:
                unchecked.append(name)
            else:
                judge(name, value, pyo.value(row.lower), pyo.value(row.upper))
        goals = [*model.component_data_objects(pyo.Objective, active=True)]
        objective = evaluated(goals[0].expr) if len(goals) == 1 else None
    violated.sort(key=lambda entry: -entry.excess)
    return Checked(objective, tuple(violated), tuple(unchecked))


def evaluated(expression: Any) -> float | None:
    """Return the value of an expression; None where a variable has none or the expression is not defined there."""
    try:
        value = pyo.value(expression, exception=False)
    except (ArithmeticError, ValueError):
        return None
    return None if value is None or isinstance(value, complex) else float(value)
