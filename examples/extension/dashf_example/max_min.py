"""`max-min`: AO part 2 with a max-min fair score, N times the score of the worst-off user, instead of the sum.

N min v_n is never above sum v_n, and the constraints are the same, so its points are feasible for (10).
"""

from __future__ import annotations

import cvxpy as cp

from formulations.formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from formulations.resources.fp import FractionalProgram
from formulations.resources.limit_families import RESOURCE_EXTRAS


class FairProgram(FractionalProgram):
    """The surrogate of `fp` with the fair score."""

    def score(self, user_score: cp.Expression) -> cp.Expression:
        """Return N times the least score."""
        return user_score.size * cp.min(user_score)


formulations.register(
    Formulation(
        name="max-min",
        subproblem=Subproblem.RESOURCES,
        kind=Kind.RESTRICTION,
        needs=frozenset({Feature.QP, Feature.SOC, Feature.EXP}),
        source="(10) with N min v_n for the score",
        summary="max-min fair variant of the score",
        faces={Language.CVXPY: FairProgram},
        supports=RESOURCE_EXTRAS,
    )
)
