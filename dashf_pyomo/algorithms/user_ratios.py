"""Objectives of the users' own ratios, as a sequence of utilities that alternating optimisation can maximise.

Around a point where user n has score v_n, cost c_n and ratio r_n = w_n v_n / c_n, the sum of ratios has the linear form
sum (w_n v_n - r_n c_n) / c_n, and the least ratio that of weights theta_n that sum to one, with the least ratio r for
all: sum theta_n (w_n v_n - r c_n) / c_n. Each is a utility with weights of users in score and in cost; its optimum is
the next point.

Source: Jong (2012) for the sum; Crouzeix, Ferland and Schaible (1985) for the least ratio, with the weights of their
dual by multiplicative updates (Arora, Hazan and Kale 2012). Steps here are neither exact nor damped: what counts is the
objective itself, by which the run keeps the best of all that is found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, Evaluation, Scenario, evaluate
from formulations.constraints import Extra
from formulations.objective import Aspect, DelayKind, Objective, ObjectiveKind

from ..objectives import improvement
from .relaxed import RelaxedRun
from .run import Run

__all__ = ["NEEDS", "SurrogateRun", "by_user_ratios", "heavier_behind", "linear_form"]

Array = NDArray[np.float64]

#: What the steps have to honour for objectives of the users' own ratios.
NEEDS = frozenset(Extra(aspect) for aspect in (Aspect.UTILITY, Aspect.MEAN, Aspect.WEIGHTS))

#: Most linear forms, and most of them in a row that bring nothing.
_MOST_FORMS, _MOST_IDLE = 12, 3

#: Part of an equal weight that every user keeps, so that none is given up.
_LEAST_WEIGHT = 1e-2

#: Improves an allocation, or the start of the algorithm where there is none, and says how that ended.
Iterate = Callable[[Run, Allocation | None], str]


class SurrogateRun(RelaxedRun):
    """The part of a run that works on another objective; the whole run judges everything found by its own.

    What is proven of the other objective says nothing of the run's, so no bound is entered or used here.
    """

    def record_bound(self, bound: float, source: str, *, tolerance: float = 1e-9, **facts: Any) -> bool:
        """Leave a bound out, which is one on another objective."""
        return True

    @property
    def bound(self) -> float | None:
        """None: bounds of the whole run are on another objective."""
        return None


def linear_form(scenario: Scenario, judged: Evaluation, weights: Array) -> Scenario | None:
    """Return the scenario with the utility that is the linear form of its objective around a point.

    Parameters
    ----------
    scenario
        Has an objective of the users' ratios.
    judged
        The point.
    weights
        theta_n, positive, shape (N,), for the least ratio.

    Returns
    -------
    Scenario or None
        None where a user has no finite ratio above zero at the point.
    """
    objective, n = scenario.objective, scenario.n_users
    cost = scenario.user_costs(judged.user_delay, judged.energy_by_user)
    score_weight = objective.score_weights(n)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ratio = score_weight * judged.user_score / cost
        if objective.kind is ObjectiveKind.MAX_MIN:
            in_score, in_cost = score_weight * weights / cost, weights * np.min(ratio) / cost
        else:
            in_score, in_cost = score_weight / cost, ratio / cost
        # In this unit limits that are broken cost what they do elsewhere.
        unit = np.mean(in_score)
        in_score, in_cost = in_score / unit, in_cost / unit
    good = np.isfinite(in_score) & np.isfinite(in_cost) & (in_score > 0.0) & (in_cost > 0.0)
    if not good.all():
        return None
    return scenario.replace(
        objective=Objective(
            ObjectiveKind.UTILITY,
            price=1.0,
            delay=DelayKind.SUM,
            user_weight=tuple(in_score.tolist()),
            score=objective.score,
            cost_weight=tuple(in_cost.tolist()),
        )
    )


def by_user_ratios(run: Run, iterate: Iterate, epsilon: float) -> tuple[str, SurrogateRun]:
    """Maximise an objective of the users' ratios, and return a line on how that ended and the run of the last form.

    The first point is the best for the ratio of total score to total cost.

    Parameters
    ----------
    run
        Takes what is found; its scenario has the objective.
    iterate
        Improves an allocation by the objective of the run that it is given.
    epsilon
        Stop when the objective grows by less, relative.
    """
    scenario, n = run.scenario, run.scenario.n_users
    objective = scenario.objective
    total = Objective(ObjectiveKind.SCR, delay=DelayKind.SUM, user_weight=objective.user_weight, score=objective.score)
    part = SurrogateRun(run, scenario.replace(objective=total))
    said = iterate(part, None)
    weights, idle = np.full(n, 1.0 / n), 0
    for number in range(1, _MOST_FORMS + 1):
        if not part.has_incumbent:
            return said, part
        point = part.incumbent[0]
        judged = evaluate(scenario, point)
        if objective.kind is ObjectiveKind.MAX_MIN:
            weights = heavier_behind(scenario, judged, weights)
        form = linear_form(scenario, judged, weights)
        if form is None:
            return f"{said}; a user has no ratio there", part
        before = run.incumbent[1] if run.has_incumbent else objective.worst
        part = SurrogateRun(run, form)
        said = iterate(part, point)
        after = run.incumbent[1] if run.has_incumbent else objective.worst
        idle = idle + 1 if improvement(objective.kind, before, after) <= epsilon else 0
        if idle == (1 if objective.kind is ObjectiveKind.SUM_OF_RATIOS else _MOST_IDLE):
            return f"converged in {number} linear forms", part
    return f"stopped after {_MOST_FORMS} linear forms, still growing", part


def heavier_behind(scenario: Scenario, judged: Evaluation, weights: Array) -> Array:
    """Return weights of users by what their ratios are: the smaller its ratio, the more a user gains in weight."""
    cost = scenario.user_costs(judged.user_delay, judged.energy_by_user)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ratio = scenario.objective.score_weights(scenario.n_users) * judged.user_score / cost
        grown = weights * np.clip(np.min(ratio) / ratio, 0.0, 1.0)
    if not (np.isfinite(grown).all() and grown.sum() > 0.0):
        return weights
    return np.maximum(grown / grown.sum(), _LEAST_WEIGHT / len(weights))
