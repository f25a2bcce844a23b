"""What somebody may do to a joint model; the tests of the plugins share it."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo


def row(model: Any) -> None:
    model.mine = pyo.Constraint(expr=model.offload[0] <= 0.5)


def block(model: Any) -> None:
    model.inner = pyo.Block()
    model.inner.z = pyo.Var(bounds=(0, 1))
    model.inner.row = pyo.Constraint(expr=model.inner.z >= model.offload[0])


def objective(model: Any) -> None:
    model.objective.set_value(model.objective.expr - 0.1 * model.delay)


def second_objective(model: Any) -> None:
    model.objective.deactivate()
    model.mine = pyo.Objective(expr=model.delay, sense=pyo.minimize)


def sense(model: Any) -> None:
    model.objective.sense = pyo.minimize


def coefficient(model: Any) -> None:
    row = model.rows[1]
    row.set_value(row.body * 1.000001 == row.upper)


def right_hand_side(model: Any) -> None:
    row = model.budgets[0, 0]
    row.set_value((None, row.body, 0.5))


def sos(model: Any) -> None:
    model.sos = pyo.SOSConstraint(var=model.offload, sos=1)
