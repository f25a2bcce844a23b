"""Prices of the parametric form of an objective: what its score, energies and delays count at a ratio y.

Source: (4), (6) and (10) for the printed objective. For all that are linear in the users' scores and costs::

    sum_n score_n v_n - latest max_n D_n - sum_n (delay_n D_n + energy_n E_n)

Only one of `latest` and `delay` is there: where T is the mean of the delays, or their sum, users meet in no deadline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .objective import Aspect, DelayKind, ObjectiveKind
from .scenario import Scenario

__all__ = ["LINEAR_ASPECTS", "Prices"]

Array = NDArray[np.float64]

#: What an objective may have whose parametric form is this one, as `supports` names it. Where users have ratios of
#: their own, methods solve a sequence of such objectives.
LINEAR_ASPECTS: frozenset[str] = frozenset(
    str(aspect) for aspect in (Aspect.UTILITY, Aspect.COST, Aspect.MEAN, Aspect.WEIGHTS, Aspect.SCORE, Aspect.NO_TIME)
)


@dataclass(frozen=True, eq=False)
class Prices:
    """What a unit of everything counts in the parametric form.

    Parameters
    ----------
    score
        Of every user's score, shape (N,).
    energy
        Of a joule that is spent for a user, shape (N,).
    delay
        Of a second of every user's delay, shape (N,).
    latest
        Of a second of the largest delay.
    """

    score: Array
    energy: Array
    delay: Array
    latest: float

    @classmethod
    def of(cls, scenario: Scenario, ratio: float) -> Prices:
        """Return the prices at a ratio y, for ``utility`` and ``cost`` their `Objective.cost_price`."""
        objective, n = scenario.objective, scenario.n_users
        second = ratio * scenario.weight_time
        return cls(
            score=objective.score_weights(n),
            energy=ratio * scenario.weight_energy * objective.cost_weights(n),
            delay=second * objective.delay_weights(n),
            latest=second if cls.have_deadline(scenario) else 0.0,
        )

    @staticmethod
    def unit(scenario: Scenario, ratio: float, user_delay: Array, user_energy: Array) -> float:
        """Return what counts as one for a solver, in units of the parametric form: about what users score at most.

        Where that need not be of the size of the cost, as it is where y is their ratio, it is at least the cost.

        Parameters
        ----------
        scenario
            The data.
        ratio
            y.
        user_delay, user_energy
            Delays (s) and energies (J) of an allocation, shape (N,).
        """
        objective = scenario.objective
        score = scenario.score_scale * float(objective.score_weights(scenario.n_users).max())
        if objective.kind is ObjectiveKind.SCR:
            return score
        unit = max(score, ratio * scenario.cost(user_delay, user_energy))
        return unit if 0.0 < unit < np.inf else 1.0

    @staticmethod
    def have_deadline(scenario: Scenario) -> bool:
        """Return whether the largest delay has a price, whatever the ratio but zero."""
        return scenario.objective.delay is DelayKind.LARGEST and scenario.weight_time > 0.0
