"""The separable problem of a scenario, and the way to optimise its resources, by the kind of its objective."""

from __future__ import annotations

from dataclasses import replace

from formulations import Allocation, Scenario, evaluate
from formulations.joint.data import JointData
from formulations.objective import ObjectiveKind

from .least_ratio import LeastRatioProblem
from .problem import SeparableProblem
from .ratios import RatioProblem

__all__ = ["separable_problem"]


def separable_problem(scenario: Scenario, known: Allocation, units_of: Scenario | None = None) -> SeparableProblem:
    """Return the separable problem of a scenario.

    Parameters
    ----------
    scenario
        The problem.
    known
        An allocation that is known: what is worse is left out.
    units_of
        The problem that it is an allocation of, if that has fewer limits.

    Raises
    ------
    InputError
        If nothing can be bounded from that allocation.
    """
    judged = scenario if units_of is None else units_of
    if scenario.objective.kind is ObjectiveKind.SUM_OF_RATIOS:
        return RatioProblem(scenario, known, evaluate(judged, known).value)
    data = replace(JointData.of(judged, known), scenario=scenario)
    return LeastRatioProblem(data) if scenario.objective.kind is ObjectiveKind.MAX_MIN else SeparableProblem(data)
