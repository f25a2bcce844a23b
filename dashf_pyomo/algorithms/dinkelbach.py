"""The outer loop of alternating optimisation: Dinkelbach's for a ratio, at a fixed price for other objectives.

For a ratio: solve at a fixed y, set y to the ratio found, until it stops growing; Dinkelbach (1967), lines 3 to 8 of
Algorithm 1. A utility or a cost has its price of cost instead of y, which stays. With steps that are not exact the
value can become *worse*; the printed test stops then too. What the run keeps is its choice, see `Run.record`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from formulations import Allocation, Evaluation
from formulations.objective import Objective, Sense

from ..objectives import improvement, name_of
from .run import Run

__all__ = ["ACCEPT", "dinkelbach", "ratio_at"]

#: ``best`` keeps the best iterate; ``always`` keeps the last, as Algorithm 1 is printed.
ACCEPT = ("best", "always")

Step = Callable[[Allocation, float], tuple[Allocation, dict[str, Any]]]


def ratio_at(objective: Objective, value: float) -> float:
    """Return y of the parametric form: the value reached where that is the ratio sought, else the price of cost."""
    return value if objective.cost_price is None else objective.cost_price


def _growth(objective: Objective, before: Evaluation, after: Evaluation) -> float:
    """Return by how much an iterate is better than the one before, relative to its value.

    The linear form of another objective is zero around its own point, so that its score is what counts there.
    """
    if objective.cost_weight is None or before.value == after.value:
        return improvement(objective.kind, before.value, after.value)
    return improvement(objective.kind, before.score, before.score + (after.value - before.value))


def dinkelbach(
    run: Run,
    start: Allocation,
    step: Step,
    *,
    epsilon: float,
    max_iterations: int,
    accept: str = "best",
    falls: int = 0,
) -> str:
    """Iterate a step and return a line on how it ended.

    Parameters
    ----------
    run
        Takes every iterate.
    start
        First iterate.
    step
        ``step(allocation, y)`` returns the next iterate and facts for the trace.
    epsilon
        Stop when the value becomes better by at most this, relative.
    max_iterations
        Most steps.
    accept
        One of `ACCEPT`.
    falls
        Number of falls, iterates with a worse value than the one before, that do not stop it; the next iterate then
        starts from the fallen one.
    """
    objective, allocation = run.scenario.objective, start
    judged = run.record(start, keep=accept, phase="start")
    # With extra constraints an iterate may break some; there is no fall before one that keeps them.
    met = judged.extra_excess == 0.0
    best, best_iteration = judged.value, 0
    for iteration in range(1, max_iterations + 1):
        ratio = ratio_at(objective, judged.value)
        allocation, facts = step(allocation, ratio)
        last, before = judged, met
        judged = run.record(allocation, keep=accept, phase="iterate", ratio=ratio, **facts)
        reached, met, growth = judged.value, judged.extra_excess == 0.0, _growth(objective, last, judged)
        if not before:
            best, best_iteration = reached, iteration
            if abs(growth) <= epsilon and not met:
                return f"stopped after {iteration} iterations, none of which meets the extra constraints"
            continue
        if not met:
            return f"iterate {iteration} breaks an extra constraint; kept iterate {best_iteration}"
        if objective.better(reached, best):
            best, best_iteration = reached, iteration
        found = reached != objective.worst
        if growth < -epsilon and found and falls > 0:
            falls -= 1
        elif growth < -epsilon:
            literal = accept == "always" and found  # an infeasible iterate is never kept
            kept = "kept it all the same (accept=always)" if literal else f"kept iterate {best_iteration}"
            became = "rose" if objective.sense is Sense.MIN else "fell"
            said = f"{became} from {name_of(objective.kind)} {last.value:.6g} to {reached:.6g}"
            return f"iterate {iteration} {said}; {kept}"
        elif growth <= epsilon:
            return f"converged in {iteration} iterations"
    becomes = "falling" if objective.sense is Sense.MIN else "growing"
    return f"stopped after {max_iterations} iterations, still {becomes}"
