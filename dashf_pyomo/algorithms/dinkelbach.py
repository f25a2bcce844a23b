"""Dinkelbach's outer loop: solve at a fixed ratio y, set y to the SCR found, until it stops growing.

Source: Dinkelbach (1967), lines 3 to 8 of Algorithm 1. With steps that are not exact the SCR can *fall*; the
printed test stops then too. What the run keeps is its choice, see `Run.record`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from formulations import Allocation

from .run import Run

__all__ = ["ACCEPT", "dinkelbach"]

#: ``best`` keeps the best iterate; ``always`` keeps the last, as Algorithm 1 is printed.
ACCEPT = ("best", "always")

Step = Callable[[Allocation, float], tuple[Allocation, dict[str, Any]]]


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
        Stop when y_new/y - 1 is at most this.
    max_iterations
        Most steps.
    accept
        One of `ACCEPT`.
    falls
        Number of falls of the SCR that do not stop it; the next iterate then starts from the fallen one.
    """
    allocation = start
    judged = run.record(start, keep=accept, phase="start")
    # With extra constraints an iterate may break some; there is no fall before one that keeps them.
    met, ratio = judged.extra_excess == 0.0, judged.scr
    best, best_iteration = ratio, 0
    for iteration in range(1, max_iterations + 1):
        allocation, facts = step(allocation, ratio)
        judged = run.record(allocation, keep=accept, phase="iterate", ratio=ratio, **facts)
        reached, before, met = judged.scr, met, judged.extra_excess == 0.0
        if not before:
            settled = abs(reached - ratio) <= epsilon * ratio and not met
            best, best_iteration, ratio = reached, iteration, reached
            if settled:
                return f"stopped after {iteration} iterations, none of which meets the extra constraints"
            continue
        if not met:
            return f"iterate {iteration} breaks an extra constraint; kept iterate {best_iteration}"
        if reached > best:
            best, best_iteration = reached, iteration
        if reached < ratio * (1.0 - epsilon) and reached > 0 and falls > 0:
            falls -= 1
        elif reached < ratio * (1.0 - epsilon):
            literal = accept == "always" and reached > 0  # an infeasible iterate is never kept
            kept = "kept it all the same (accept=always)" if literal else f"kept iterate {best_iteration}"
            return f"iterate {iteration} fell from SCR {ratio:.6g} to {reached:.6g}; {kept}"
        elif reached - ratio <= epsilon * ratio:
            return f"converged in {iteration} iterations"
        ratio = reached
    return f"stopped after {max_iterations} iterations, still growing"
