"""Transfer of the changes in a joint model to another model of the same scenario."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pyomo.environ as pyo
from pyomo.core.expr.visitor import identify_variables, replace_expressions

from formulations.formulation import Language, Subproblem, formulations

from .recognition import Change, Difference, Recognised, meant, names_of

__all__ = ["carry", "without_assumption"]

#: Lists of rows, in which a place means something else in a model that has more of them.
_LISTS = ("rows", "extra")


def carry(recognised: Recognised, new: Any, shared: Collection[str] | None = None) -> list[Difference]:
    """Fix what was fixed and add what was added; return what cannot be said of the new model.

    Parameters
    ----------
    recognised
        The model that was changed.
    new
        The model that is to be changed likewise.
    shared
        Components that mean the same in both, where not all do. Without it the two are of one formulation, and rows may
        be about variables that were added: they stay where they are.
    """
    names = names_of(recognised.model)
    built = {variable.name: variable for variable in recognised.fresh.component_data_objects(pyo.Var)}
    variables = {variable.name: variable for variable in new.component_data_objects(pyo.Var)}

    def same(variable: Any) -> Any:
        name = names.get(id(variable), "")
        if shared is None and name not in built:
            return variable
        return variables.get(name) if shared is None or name.split("[")[0] in shared else None

    refused: list[Difference] = []
    rows = []
    for difference in recognised.differences:
        data = difference.data
        if difference.change is Change.FIXED and difference.restricts and same(data) is not None:
            same(data).fix(meant(data))
        elif difference.change is Change.ADDED and all(same(v) is not None for v in identify_variables(data.body)):
            substitution = {id(v): same(v) for v in identify_variables(data.body)}
            rows.append((data.lower, replace_expressions(data.body, substitution), data.upper))
        elif difference.change is Change.SYMMETRY:
            order = new.find_component(difference.component)
            if order is not None:
                order.deactivate()
        elif shared is None and _tighten(difference, built, variables, new):
            continue
        else:
            refused.append(difference)
    if rows and not refused:
        new.carried = pyo.ConstraintList(doc="constraints that were added to the source")
        for row in rows:
            new.carried.add(pyo.inequality(*row))
    return refused


def _tighten(difference: Difference, built: dict[str, Any], variables: dict[str, Any], new: Any) -> bool:
    """Carry over tighter bounds of a variable or a row; return whether that is possible."""
    data, name = difference.data, difference.component
    if not difference.restricts:
        return False
    if difference.change is Change.BOUNDS and name in variables:
        (lower, upper), (least, most), variable = data.bounds, built[name].bounds, variables[name]
        if lower is not None and lower != least:
            variable.setlb(lower)
        if upper is not None and upper != most:
            variable.setub(upper)
        return True
    row = new.find_component(name)
    if difference.change is Change.CHANGED and name.split("[")[0] not in _LISTS and row is not None:
        row.set_value((data.lower, row.body, data.upper))
        return True
    return False


def without_assumption(recognised: Recognised) -> Any | None:
    """Return the model as built without an assumption about the SCR, changed likewise.

    None where its formulation has no such model, or a change cannot be carried over.
    """
    found = recognised.info
    formulation = formulations[f"{Subproblem.JOINT}/{found.formulation}"]
    if "assume_scr" not in formulation.options:
        return None
    new = formulation.faces[Language.PYOMO](found.scenario, **{**found.arguments, "assume_scr": False})
    return None if carry(recognised, new) else new
