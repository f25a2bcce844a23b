"""Offloading and resources for objectives of the users' own ratios, by the linear forms around what is reached."""

from __future__ import annotations

from typing import Any

import numpy as np

from formulations import Allocation, evaluate

from ..run import Run
from ..steps import ResourceStep
from ..user_ratios import SurrogateRun, heavier_behind, linear_form

__all__ = ["FormStep", "resource_step"]

#: Most linear forms for one allocation, and the least growth, relative, after which there is another one.
FORMS, GROWTH = 4, 1e-4


def resource_step(run: Run) -> ResourceStep | FormStep:
    """Return what optimises offloading and resources of an allocation for the objective of a run."""
    if run.scenario.objective.kind.by_user:
        return FormStep(run)
    return ResourceStep(run, "joint-nlp", "auto", 1e-3, 2, two_starts=False, optional=True)


class FormStep:
    """What a `ResourceStep` is for other objectives; the evaluator says which allocation is kept.

    Parameters
    ----------
    run
        Gives scenario, clock and solvers.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def __call__(self, allocation: Allocation, ratio: float) -> tuple[Allocation, dict[str, Any]]:
        """Return the allocation with better offloading and resources, and facts for the trace.

        Parameters
        ----------
        allocation
            Where to start.
        ratio
            Not used: every user has its own.
        """
        scenario, n = self._run.scenario, self._run.scenario.n_users
        best, judged = allocation, evaluate(scenario, allocation)
        here, at, weights = allocation, judged, np.full(n, 1.0 / n)
        facts: dict[str, Any] = {}
        for _ in range(FORMS):
            weights = heavier_behind(scenario, at, weights)
            form = linear_form(scenario, at, weights)
            if form is None:
                break
            part = SurrogateRun(self._run, form)
            here, facts = ResourceStep(part, "joint-nlp", "auto", 1e-3, 2, two_starts=False, optional=True)(here, 1.0)
            at = evaluate(scenario, here)
            grown = at.value > judged.value * (1.0 + GROWTH)
            if (at.feasible, at.value) > (judged.feasible, judged.value):
                best, judged = here, at
            if not grown:
                break
        return best, facts
