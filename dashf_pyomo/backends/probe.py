"""Tiny models with known values, one for each feature: what "available" means is that these are solved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from formulations.formulation import Feature

if TYPE_CHECKING:
    import cvxpy as cp
    import pyomo.environ as pyo

__all__ = ["TINY_MINLP_VALUE", "tiny_minlp", "tiny_models"]


def tiny_models(features: frozenset[Feature]) -> Iterator[tuple[Feature, cp.Problem, float]]:
    """Yield (feature, problem, known value) for the features given."""
    import cvxpy as cp

    for feature in sorted(features):
        x = cp.Variable(2, nonneg=True)
        if feature is Feature.LP:
            yield feature, cp.Problem(cp.Maximize(x[0] + 2 * x[1]), [cp.sum(x) <= 1, x[1] <= 0.25]), 1.25
        elif feature is Feature.MILP:
            z = cp.Variable(2, integer=True)
            yield feature, cp.Problem(cp.Maximize(z[0] + z[1]), [2 * z[0] + 2 * z[1] <= 3, z >= 0]), 1.0
        elif feature is Feature.QP:
            yield feature, cp.Problem(cp.Minimize(cp.sum_squares(x)), [cp.sum(x) == 1]), 0.5
        elif feature is Feature.SOC:
            yield feature, cp.Problem(cp.Minimize(cp.norm(x - np.array([3.0, 4.0]), 2)), [x <= 0]), 5.0
        elif feature is Feature.SDP:
            s = cp.Variable((2, 2), PSD=True)
            yield feature, cp.Problem(cp.Minimize(cp.trace(s)), [s[0, 1] == 1]), 2.0
        elif feature is Feature.EXP:
            yield feature, cp.Problem(cp.Maximize(cp.sum(cp.log(x))), [cp.sum(x) <= 2]), 0.0
        elif feature is Feature.NLP:
            x.value = np.array([0.5, 0.7])
            yield feature, cp.Problem(cp.Minimize(-cp.multiply(x[0], x[1])), [cp.sum(x) <= 2]), -1.0


#: Optimal value of `tiny_minlp`, at x = 2.5 and y = 2.
TINY_MINLP_VALUE = 5.0


def tiny_minlp() -> pyo.ConcreteModel:
    """Return a model that is neither convex nor continuous, with a logarithm; its objective is ``value``."""
    import pyomo.environ as pyo

    model = pyo.ConcreteModel()
    model.x = pyo.Var(bounds=(0, 4))
    model.y = pyo.Var(bounds=(0, 3), domain=pyo.Integers)
    model.budget = pyo.Constraint(expr=model.x + model.y <= 4.5)
    model.cap = pyo.Constraint(expr=pyo.log(1 + model.x) <= float(np.log(3.5)))
    model.value = pyo.Objective(expr=model.x * model.y, sense=pyo.maximize)
    return model
