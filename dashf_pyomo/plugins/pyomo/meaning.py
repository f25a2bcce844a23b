"""Meaning of an extended model: its objective, and how far the bounds of its formulation hold for it.

A joint model leaves out, by proof, what is worse than a known allocation in the scenario's objective, or, built with
``assume_scr=False``, what takes longer than a longest delay. What a solver proves about the model says nothing about
that; here it is said what it does say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyomo.environ as pyo

from formulations.joint.data import JointData
from formulations.objective import Sense

from ...objectives import name_of as called
from .recognition import ORDERS, Change, Difference, Recognised, UnsupportedModelError, meant, name_of, variables_of

__all__ = [
    "beyond",
    "contradicted",
    "free_names",
    "orders_aside",
    "require_bounds",
    "same_objective",
    "worse_side",
    "worse_than_known",
]

#: Rows that define a variable, which has no other meaning where they are changed.
_DEFINED = {
    "score_row": "score",
    "cost_row": "cost",
    "ratio_row": "ratio",
    "user_cost_row": "user_cost",
    "user_ratio_row": "user_ratio",
    "least_ratio_row": "ratio",
}


def _others(recognised: Recognised) -> list[Difference]:
    """Return the changes after which the objective may mean something else than it did."""
    loosened = [d for d in recognised.of(Change.CHANGED) if not d.restricts]
    return [*recognised.of(Change.OBJECTIVE, Change.REMOVED), *loosened]


def same_objective(recognised: Recognised) -> bool:
    """Return whether a model still has the objective of its formulation."""
    return not _others(recognised)


def require_bounds(recognised: Recognised) -> None:
    """Refuse a model that asks for something which the bounds it was built with may exclude.

    Raises
    ------
    UnsupportedModelError
        In one line, with how to build a model that does not.
    """
    data = recognised.info.data
    outside = [d for d in recognised.of(Change.FIXED) if not d.restricts]
    if outside:
        way = "assume_scr=False or a known allocation of that kind" if data.assumes_scr else "a value within them"
        raise UnsupportedModelError(
            f"model {recognised.model.name!r}: {outside[0]}, outside of the bounds that it was built with; expected "
            f"{way}"
        )
    others = _others(recognised)
    if others and data.assumes_scr:
        raise UnsupportedModelError(
            f"model {recognised.model.name!r} leaves out whatever has {worse_than_known(data)}, which is no proof "
            f"once {others[0]}; expected a model built with assume_scr=False, "
            f"joint.{recognised.info.formulation}(scenario, assume_scr=False, longest_delay=...)"
        )


def worse_side(data: JointData) -> str:
    """Return on which side of the known value what is worse has its own."""
    return "above" if data.scenario.objective.sense is Sense.MIN else "below"


def worse_than_known(data: JointData) -> str:
    """Return in words what has a worse objective than the allocation that bounds a model."""
    name = called(str(data.kind))
    return f"{'an' if name == 'SCR' else 'a'} {name} {worse_side(data)} {data.value:.6g}"


def contradicted(recognised: Recognised) -> str:
    """Return why no association has what was fixed, empty if one may: proven as long as the assignment rows stand."""
    x, scenario = recognised.model.x, recognised.info.scenario
    changed = recognised.of(Change.REMOVED, Change.CHANGED)
    if any(difference.component.startswith("assignment") for difference in changed):
        return ""
    if any(variable.is_continuous() for variable in x.values()):
        return ""
    allowed = scenario.allowed
    for n in range(scenario.n_users):
        fixed = {k: meant(x[n, k]) for k in range(scenario.n_servers) if x[n, k].fixed}
        chosen = [k for k, value in fixed.items() if value == 1]
        if len(chosen) > 1:
            return f"x is fixed at 1 for user {n} at servers {', '.join(map(str, chosen))}"
        if chosen and not allowed[n, chosen[0]]:
            return f"x is fixed at 1 for user {n} at server {chosen[0]}, which the scenario does not allow"
        if not any(allowed[n, k] and fixed.get(k, 1) == 1 for k in range(scenario.n_servers)):
            return f"fixed and forbidden associations leave user {n} no server"
    return ""


def free_names(recognised: Recognised) -> list[str]:
    """Return the variables that no allocation determines: those that were added, and those whose rows were changed."""
    fresh = {v.name for v in recognised.fresh.component_data_objects(pyo.Var)}
    found = [name for name in variables_of(recognised.model) if name not in fresh]
    for difference in recognised.of(Change.CHANGED, Change.REMOVED):
        row, bracket, index = difference.component.partition("[")
        name = f"{_DEFINED.get(row, '')}{bracket}{index}"
        name = name if name in fresh else name.partition("[")[0]  # the least ratio is one, with a row for every user
        if row in _DEFINED and name in fresh and not difference.restricts:
            found.append(name)
    return found


@contextmanager
def orders_aside(recognised: Recognised) -> Iterator[list[str]]:
    """Leave out the rows that keep identical users or servers in order while a changed model may tell them apart."""
    model, aside = recognised.model, []
    if any(difference.change is not Change.SYMMETRY for difference in recognised.differences):
        rows = model.component_data_objects(pyo.Constraint, active=True)
        aside = [row for row in rows if name_of(row, model).split("[")[0] in ORDERS]
    for row in aside:
        row.deactivate()
    try:
        yield [name_of(row, model) for row in aside]
    finally:
        for row in aside:
            row.activate()


def beyond(recognised: Recognised) -> str:
    """Return what a claim about a model with another objective, or about its having no point, does not cover.

    Empty if it covers everything: the longest delay was stated, by the scenario, the builder's caller or a bound.
    """
    data, delay = recognised.info.data, recognised.model.delay
    if data.assumes_scr:
        return f"allocations with {worse_than_known(data)}"
    tighter = delay.fixed or (delay.ub is not None and delay.ub < data.most_delay * (1.0 - 1e-9))
    if data.stated or tighter:
        return ""
    return f"delays above {data.most_delay * data.pairs.time_unit:.6g} s, the longest that the model has by default"
