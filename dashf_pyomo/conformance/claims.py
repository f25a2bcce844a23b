"""Claims of a result under attack: what is wrong with them, given what others reach."""

from __future__ import annotations

import math

from formulations import Scenario, evaluate

from ..algorithms import methods
from ..result import Result
from ..status import Claim
from ..trace import EntryKind

__all__ = ["EXTERNAL", "ROUNDING", "excludes", "faults"]

#: A bound may be beyond a reached value by this much, relative: the last bits of the evaluator and of unit conversion.
ROUNDING = 1e-9

#: The same where the bound is what a solver says of a model, within its tolerances on the rows.
EXTERNAL = 1e-6


def excludes(scenario: Scenario, bound: float, value: float, rounding: float = ROUNDING) -> bool:
    """Return whether a bound on the objective says that a value cannot be reached; one that is no number does.

    Parameters
    ----------
    scenario
        Whose objective it is.
    bound, value
        The bound, and the value of an allocation.
    rounding
        How much beyond the bound the value may be, relative to the larger of them.
    """
    if math.isnan(bound):
        return True
    if math.isinf(bound) or math.isinf(value):
        return scenario.objective.better(value, bound)
    beyond = abs(value - bound) > rounding * max(abs(value), abs(bound))
    return beyond and scenario.objective.better(value, bound)


def faults(scenario: Scenario, result: Result, reached: float | None, gap: float = 1e-3) -> list[str]:
    """Return what is wrong with the claims of a result, in words; nothing where they hold.

    Parameters
    ----------
    scenario
        The problem.
    result
        What a method says of it.
    reached
        A value that is reached by a feasible allocation of anybody, None where none is known.
    gap
        The gap that was asked for.
    """
    found, objective = [], scenario.objective
    # A source that its own run refutes has said something false, although nothing of it is left in the result.
    found += [entry.contradiction or "contradiction" for entry in result.trace if entry.kind is EntryKind.CONTRADICTION]
    if (result.objective, result.sense) != (str(objective.kind), str(objective.sense)):
        found.append(f"it is about {result.objective} ({result.sense}), the scenario's is {objective.kind}")
    known = [] if reached is None else [reached]
    if result.allocation is not None:
        e = evaluate(scenario, result.allocation)
        if not e.feasible:
            found.append(f"its allocation is not feasible: {e.violations[0]}")
        elif result.value != e.value:
            found.append(f"it says {result.value}, the evaluator {e.value}")
        else:
            known.append(e.value)
    rounding = ROUNDING if methods[result.method].writes_certificates else EXTERNAL
    if result.bound is not None:
        for value in known:
            if excludes(scenario, result.bound, value, rounding):
                found.append(f"bound {result.bound!r} excludes {value!r}, which is reached")
    if result.claim is Claim.INFEASIBLE and known:
        found.append(f"it says infeasible, but {known[0]!r} is reached")
    if result.claim is Claim.CERTIFIED and not (result.gap is not None and result.gap <= gap):
        found.append(f"certified with a gap of {result.gap}; expected at most {gap}")
    return found
