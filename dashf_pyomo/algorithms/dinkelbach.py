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
        How many falls of the SCR do not stop it; the next iterate then starts from the fallen one.
    """
    allocation = start
    ratio = run.record(start, keep=accept, phase="start").scr
    best, best_iteration = ratio, 0
    for iteration in range(1, max_iterations + 1):
        allocation, facts = step(allocation, ratio)
        reached = run.record(allocation, keep=accept, phase="iterate", ratio=ratio, **facts).scr
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
