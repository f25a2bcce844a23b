"""Objectives and rows that a scenario may declare, for tests of whoever honours them."""

from __future__ import annotations

from typing import Any

from formulations.objective import DelayKind, Objective, ObjectiveKind

#: Of three users.
WEIGHTS = (3.0, 0.4, 1.5)

#: Objectives of three users whose parametric form is linear in scores and costs; together they have every aspect.
OBJECTIVES: dict[str, Any] = {
    "cost, largest": {"kind": "cost"},
    "cost, mean": {"kind": "cost", "delay": "mean", "user_weight": WEIGHTS},
    "cost, sum": {"kind": "cost", "delay": "sum"},
    "scr, mean": {"kind": "scr", "delay": "mean"},
    "scr, weights": {"kind": "scr", "user_weight": WEIGHTS},
    "scr, sqrt": {"kind": "scr", "score": "sqrt"},
    "utility, linear": {"kind": "utility", "price": 300.0, "score": "linear", "user_weight": WEIGHTS},
    "utility, sum": {"kind": "utility", "price": 400.0, "delay": "sum"},
    "linear form": Objective(
        ObjectiveKind.UTILITY, price=1.0, delay=DelayKind.SUM, user_weight=WEIGHTS, cost_weight=(900.0, 50.0, 200.0)
    ),
}


def row(at_most: float, *terms: dict[str, Any]) -> dict[str, Any]:
    """Constraints with one row."""
    return {"rows": [{"name": "declared", "at_most": at_most, "terms": list(terms)}]}


def of(user: int, attribute: str, coefficient: float = 1.0, servers: Any = None) -> dict[str, Any]:
    """The term of one user in a row."""
    return {"attribute": attribute, "users": [user], "coefficient": coefficient, "servers": servers}
