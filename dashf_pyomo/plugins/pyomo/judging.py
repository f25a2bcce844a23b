"""The judge of points of extended models: the evaluator, and every row of the model at the allocation.

Solvers keep rows within tolerances, and formulations relax: what a solver's point says of itself is not what its
allocation is worth. So the allocation is read, all variables get the values that it implies, and those are judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from formulations import FEASIBILITY_TOLERANCE, Allocation, Evaluation, InputError, evaluate
from formulations.joint import read

from .model_values import Checked, Violated, best_point, check, point_of
from .recognition import Recognised, meant, variables_of

__all__ = ["Judged", "judge", "judge_allocation", "rank", "values_of"]

#: Offloading this close to 0 or 1 may be meant to be that.
_WHOLE = 1e-5


@dataclass(frozen=True, eq=False)
class Judged:
    """An allocation in terms of an extended model.

    Parameters
    ----------
    allocation, evaluation
        The allocation, and what the evaluator says of it.
    point
        The values that it implies, and those of the variables that it does not determine, by name.
    checked
        Its value in the model and what it breaks there, what the evaluator does not accept included.
    """

    allocation: Allocation
    evaluation: Evaluation
    point: Mapping[str, float]
    checked: Checked

    @property
    def holds(self) -> bool:
        """Whether everything is kept, and known to be."""
        return not self.checked.violated and not self.checked.unchecked and self.checked.objective is not None


def judge(recognised: Recognised, point: Mapping[str, float], free: Sequence[str], sense: int) -> Judged | None:
    """Judge a solver's point; None if there is no allocation in it.

    The same point may be read in several ways, within tolerances; the one that breaks least counts.

    Parameters
    ----------
    recognised
        The model.
    point
        Values by the name of the variable within the model.
    free
        Variables that an allocation does not determine; they keep their values, whole ones where they are whole.
    sense
        1 for a model that minimises, else -1.
    """
    values = _fixed(recognised) | dict(point)
    try:
        stated, plain = (read(recognised.fresh, values, as_stated=kept) for kept in (True, False))
    except InputError:
        return None
    whole = np.round(stated.offload)
    snapped = replace(stated, offload=np.where(np.abs(stated.offload - whole) <= _WHOLE, whole, stated.offload))
    others = values_of(recognised, values, free)
    found = [judge_allocation(recognised, candidate, others) for candidate in (stated, snapped, plain)]
    return min(found, key=lambda entry: rank(entry, sense))


def rank(judged: Judged, sense: int) -> tuple[bool, int, float]:
    """Return what to sort by: what keeps everything first, then what breaks less, then the better objective."""
    objective = judged.checked.objective
    return not judged.holds, len(judged.checked.violated), float("inf") if objective is None else sense * objective


def judge_allocation(recognised: Recognised, allocation: Allocation, others: Mapping[str, float]) -> Judged:
    """Judge an allocation with values of the variables that it does not determine."""
    evaluation = evaluate(recognised.info.scenario, allocation)
    if recognised.differences:
        point = {**point_of(recognised, allocation), **others}
        checked = check(recognised.model, point)
    else:
        allocation, point, checked = best_point(recognised, allocation)
    broken = [
        Violated(f"{entry.constraint}, {entry.where}", entry.value, None, entry.limit, entry.relative)
        for entry in evaluation.violations
        if entry.relative > FEASIBILITY_TOLERANCE
    ]
    violated = tuple(sorted([*checked.violated, *broken], key=lambda entry: -entry.excess))
    return Judged(allocation, evaluation, point, replace(checked, violated=violated))


def values_of(recognised: Recognised, values: Mapping[str, float], free: Sequence[str]) -> dict[str, float]:
    """Return values of the variables that an allocation does not determine, whole ones where they are whole."""
    variables, found = variables_of(recognised.model), {}
    for name in free:
        variable, value = variables[name], values.get(name, variables[name].value)
        if value is not None:
            found[name] = float(value) if variable.is_continuous() else float(round(value))
    return found


def _fixed(recognised: Recognised) -> dict[str, float]:
    """Return the values of fixed variables, which solvers leave out."""
    return {
        name: meant(variable)
        for name, variable in variables_of(recognised.model).items()
        if variable.fixed and variable.value is not None
    }
