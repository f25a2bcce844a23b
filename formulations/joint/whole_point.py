"""A whole point of a joint model for an allocation: the paper's decisions and every auxiliary variable.

The auxiliary variables follow from the decisions by what the formulation says (`Formulation.complete`): times are the
least ones possible and energies what they cost, so the rows hold wherever the allocation is one that the model admits.
`joint.set_values` gives the decisions alone, which is enough for a start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..allocation import Allocation, Evaluation, evaluate
from ..formulation import Subproblem, formulations
from .model import info, set_values
from .user_values import UserValues

if TYPE_CHECKING:
    import pyomo.environ as pyo

__all__ = ["set_point"]


def set_point(
    model: pyo.ConcreteModel,
    allocation: Allocation,
    delay: float | None = None,
    evaluation: Evaluation | None = None,
) -> bool:
    """Give all variables of a joint model the values that an allocation implies; fixed ones get them too.

    Bounds are not looked at: an allocation worse than the known one may lie outside.

    Parameters
    ----------
    model
        A joint model as it was built.
    allocation
        An allocation with a finite delay.
    delay
        T, s, where it is not to be the least possible one.
    evaluation
        What the evaluator says of the allocation, where that is known already.

    Returns
    -------
    bool
        False if the formulation has no way back; then only the decisions have values.

    Raises
    ------
    InputError
        If the model is not a joint model.
    """
    found = info(model)
    e = evaluate(found.scenario, allocation) if evaluation is None else evaluation
    least = e.delay if delay is None else delay
    set_values(model, allocation, least)
    users = UserValues.of(found.data, allocation, e, least)
    complete = formulations[f"{Subproblem.JOINT}/{found.formulation}"].complete
    if complete is None:
        return False
    complete(model, found.data, users)
    return True
