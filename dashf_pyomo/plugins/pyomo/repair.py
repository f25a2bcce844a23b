"""The best allocation near a point of an extended model: a smooth program at its association, every row included.

The variables are the logarithms of shares and of fractions of caps, as in `formulations.resources.nonlinear`, then phi,
the deadline, and the continuous variables that an allocation does not determine. The rows that were added or changed,
and the objective, are functions of the point that an allocation implies, so nothing is relaxed. They are
expressions of the user; derivatives are differences.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray
from pyomo.core.expr.visitor import identify_variables

from formulations import Allocation, Evaluation, evaluate
from formulations.allocation import limit_margins
from formulations.joint.whole_point import set_point

from ...backends import BackendLimits
from ...backends.ipopt import IPOPT
from ...deadline import Deadline
from .judging import Judged, judge_allocation, values_of
from .model_values import evaluated, values
from .recognition import Change, Recognised, meant, variables_of

__all__ = ["repairs"]

Array = NDArray[np.float64]

#: Least share: logarithms need a bound.
_LEAST = 1e-9

#: Step of the differences, in sizes of the variables.
_STEP = 1e-6

#: Beyond this many variables differences take too long.
_MOST_VARIABLES = 120

#: Most seconds of a local solve.
_MOST_SECONDS = 5.0

#: What a user has of its server, and of its own.
_SERVER = ("bandwidth", "server_power", "server_speed")
_OWN = ("user_power", "user_speed")


@dataclass(frozen=True)
class _Row:
    """A body between two ends, in sizes of the ends."""

    body: Any
    lower: float | None
    upper: float | None

    def margins(self) -> list[float]:
        """Return what is >= 0 where the row holds; of an equation only one, which is zero then."""
        value = evaluated(self.body)
        value = np.nan if value is None else value
        ends = [(end, sign) for end, sign in ((self.lower, 1.0), (self.upper, -1.0)) if end is not None]
        if self.equal:
            del ends[1]
        return [sign * (value - end) / max(1.0, abs(end)) for end, sign in ends]

    @property
    def equal(self) -> bool:
        """Whether it is an equation."""
        return self.lower is not None and self.lower == self.upper


def repairs(
    recognised: Recognised, judged: Judged, free: Sequence[str], sense: int, deadline: Deadline | None = None
) -> Iterator[Judged]:
    """Yield what local solves make of an allocation, each judged; nothing where it cannot be stated.

    Sequential quadratic programs come near to the end fast, and often stop short of it with derivatives that are
    differences; Ipopt goes on from there, then from the start.

    Parameters
    ----------
    recognised
        The model.
    judged
        Allocation to start from.
    free
        Variables that an allocation does not determine.
    sense
        1 for a model that minimises, else -1.
    deadline
        The time at which no other solve begins.
    """
    deadline = deadline or Deadline()
    program = _Program(recognised, judged, free, sense)  # which reads what is fixed, so before the values change
    if len(program.start) > _MOST_VARIABLES:
        return
    begin, near = program.start, program.start
    for search in (_by_quadratic_programs, _by_ipopt, _by_ipopt):
        with values(recognised.model, judged.point):
            program.start = near if search is _by_ipopt else begin
            found = search(program, deadline) if program.ready() else None
        near = begin if found is None or near is not begin else found
        if found is not None:
            allocation, _, others = program.split(found)
            kept = allocation.within_budgets(recognised.info.scenario)
            yield judge_allocation(recognised, kept, values_of(recognised, {**judged.point, **others}, free))
        if deadline.passed:
            return


def _by_quadratic_programs(program: _Program, deadline: Deadline) -> Array | None:
    """Return where SciPy's sequential quadratic programming ends."""
    from scipy.optimize import minimize

    def stop(_: Array) -> None:
        if deadline.passed:
            raise StopIteration

    moved = np.abs(program.slopes(program.start)[1:]).max(axis=1) > 0.0  # it cannot do with rows that nothing moves
    sides = {"eq": moved & (program.row_upper == 0.0), "ineq": moved & (program.row_upper > 0.0)}
    found: Array = minimize(
        program.objective,
        program.start,
        jac=program.gradient,
        bounds=list(zip(program.lower, program.upper, strict=True)),
        constraints=[
            {
                "type": kind,
                "fun": lambda v, at=at: program.constraints(v)[at],
                "jac": lambda v, at=at: program.slopes(v)[1:][at],
            }
            for kind, at in sides.items()
            if at.any()
        ],
        method="SLSQP",
        callback=stop,
        options={"maxiter": 200, "ftol": 1e-10},
    ).x
    return found if np.isfinite(found).all() else None


def _by_ipopt(program: _Program, deadline: Deadline) -> Array | None:
    """Return where Ipopt ends."""
    if not IPOPT.availability().available:
        return None
    left = deadline.left()
    seconds = _MOST_SECONDS if left is None else min(max(left, 0.1), _MOST_SECONDS)
    program.point = None
    IPOPT.solve(program, BackendLimits(time_limit=seconds))
    return program.point


class _Program:
    """A `formulations.nonlinear.NonlinearProgram` without second derivatives; the model has a point's values meanwhile.

    The first of its values is the objective, to be minimised, the others are margins: at least zero, or zero.
    """

    def __init__(self, recognised: Recognised, judged: Judged, free: Sequence[str], sense: int) -> None:
        self._model, data = recognised.model, recognised.info.data
        self._scenario, self._unit = data.scenario, data.pairs.time_unit
        self._reference, self._sense = judged.allocation, sense
        variables = variables_of(self._model)
        moving = {name: variables[name] for name in free if name in judged.point and _moves(variables[name])}
        self._free_names, self._free = list(moving), list(moving.values())
        self._goal = next(self._model.component_data_objects(pyo.Objective, active=True))
        self._rows = self._stated(recognised, [variables[name] for name in free])
        self._values: tuple[bytes, Array] = (b"", np.zeros(0))
        self._slopes: tuple[bytes, Array] = (b"", np.zeros(0))
        self.point: Array | None = None
        self.value: float | None = None
        self.multipliers: tuple[Array, Array, Array] | None = None
        self._scale = 1.0
        s, m = self._scenario, self._reference.server
        self._most = np.array([*(getattr(s, f"{r}_max")[m] for r in _SERVER), *(getattr(s, f"{r}_max") for r in _OWN)])
        self._set_box([judged.point[name] for name in moving])

    def ready(self) -> bool:
        """Scale the objective and tell equations from inequalities; return whether all is defined at the start."""
        self._scale = 1.0
        self._values = (b"", np.zeros(0))
        first = self._all(self.start)
        self._scale = max(1.0, abs(float(first[0])))
        self._values = self._slopes = (b"", first)  # those were of another scale
        equal = [row.equal for row in self._rows for _ in row.margins()]
        self.row_lower, self.row_upper = np.zeros(len(first) - 1), np.full(len(first) - 1, np.inf)
        self.row_upper[np.flatnonzero(equal)] = 0.0
        return bool(np.isfinite(first).all() and np.isfinite(self.slopes(self.start)).all())

    def _decisions(self) -> list[list[Any]]:
        """Return the variables of shares in use, of the users' own fractions, and of phi, (6, N)."""
        users = [(n, int(k)) for n, k in enumerate(self._reference.server)]
        shares = [[getattr(self._model, label)[pair] for pair in users] for label in _SERVER]
        return [*shares, *([getattr(self._model, label)[n] for n, _ in users] for label in (*_OWN, "offload"))]

    def _stated(self, recognised: Recognised, free: list[Any]) -> list[_Row]:
        """Return all that was added or changed, bounds of the decisions aside, and the rows of what is free."""
        aside = {id(variable) for row in self._decisions() for variable in row} | {id(self._model.delay)}
        found, listed = [], set()
        for difference in recognised.differences:
            data = difference.data
            if difference.change in (Change.ADDED, Change.CHANGED):
                found.append(_Row(data.body, pyo.value(data.lower), pyo.value(data.upper)))
                listed.add(id(data))
            elif difference.change is Change.FIXED and id(data) not in aside:
                found.append(_Row(data, meant(data), meant(data)))
            elif difference.change is Change.BOUNDS and id(data) not in aside and not data.fixed:
                found.append(_Row(data, *data.bounds))
        loose = {id(variable) for variable in free}
        for row in self._model.component_data_objects(pyo.Constraint, active=True) if loose else ():
            if id(row) not in listed and any(id(variable) in loose for variable in identify_variables(row.body)):
                found.append(_Row(row.body, pyo.value(row.lower), pyo.value(row.upper)))
        return found

    def _set_box(self, free_start: list[float]) -> None:
        """Set start and bounds: of decisions those that the model has, fixings included."""
        a = self._reference
        shares = np.array([getattr(a, label) for label in (*_SERVER, *_OWN)]) / self._most
        box = np.array([[_box(variable) for variable in row] for row in self._decisions()])
        whole = [not variable.is_continuous() for variable in self._model.offload.values()]
        box[5, whole] = np.round(a.offload)[whole, np.newaxis]  # binary offloading stays what it is
        delay, (shortest, longest) = evaluate(self._scenario, a).delay / self._unit, _box(self._model.delay)
        free = np.array([_box(variable) for variable in self._free]).reshape(-1, 2)
        low, high, start = (np.log(np.clip(x, _LEAST, 1.0)).ravel() for x in (box[:5, :, 0], box[:5, :, 1], shares))
        self.lower = np.concatenate([low, box[5, :, 0], [shortest], free[:, 0]])
        self.upper = np.maximum(np.concatenate([high, box[5, :, 1], [longest], free[:, 1]]), self.lower)
        begin = [start, a.offload, [delay if np.isfinite(delay) else 1.0], free_start]
        self.start = np.clip(np.concatenate(begin), self.lower, self.upper)
        self._sizes = np.maximum(1.0, np.abs(self.start))

    def split(self, v: Array) -> tuple[Allocation, float, dict[str, float]]:
        """Return the allocation, the deadline in s, and the values of the free variables by name."""
        n = self._scenario.n_users
        shares = np.exp(v[: 5 * n].reshape(5, n)) * self._most
        held = {label: shares[i] for i, label in enumerate((*_SERVER, *_OWN))}
        allocation = replace(self._reference, offload=v[5 * n : 6 * n], **held)
        others = dict(zip(self._free_names, v[6 * n + 1 :].tolist(), strict=True))
        return allocation, float(v[6 * n]) * self._unit, others

    def _all(self, v: Array) -> Array:
        """Return the objective and all margins; not a number where something is not defined."""
        key = v.tobytes()
        if self._values[0] == key:
            return self._values[1]
        allocation, deadline, others = self.split(v)
        e = evaluate(self._scenario, allocation)
        set_point(self._model, allocation, deadline, e)
        for variable, value in zip(self._free, others.values(), strict=True):
            variable.set_value(value, skip_validation=True)
        goal = evaluated(self._goal.expr)
        margins = [margin for row in self._rows for margin in row.margins()]
        objective = np.nan if goal is None else self._sense * goal / self._scale
        found = np.concatenate([[objective], margins, self._own(allocation, deadline, e)])
        self._values = (key, found)
        return found

    def objective(self, v: Array) -> float:
        """Return the objective, to be minimised."""
        return float(self._all(v)[0])

    def constraints(self, v: Array) -> Array:
        """Return all margins."""
        return self._all(v)[1:]

    def gradient(self, v: Array) -> Array:
        """Return the gradient of the objective."""
        return self.slopes(v)[0]

    def jacobianstructure(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return rows and columns of the entries of `jacobian`: all."""
        rows, columns = np.indices((len(self.row_lower), len(self.start)))
        return rows.ravel(), columns.ravel()

    def jacobian(self, v: Array) -> Array:
        """Return the derivatives of the margins."""
        return self.slopes(v)[1:].ravel()

    def slopes(self, v: Array) -> Array:
        """Return the derivatives of all values by differences, one row each; what is fixed has none."""
        key = v.tobytes()
        if self._slopes[0] == key:
            return self._slopes[1]
        found = np.zeros((len(self.row_lower) + 1, len(v)))
        for i in np.flatnonzero(self.upper > self.lower):
            step = _STEP * self._sizes[i]
            ahead, behind = v.copy(), v.copy()
            ahead[i], behind[i] = min(v[i] + step, self.upper[i]), max(v[i] - step, self.lower[i])
            found[:, i] = (self._all(ahead) - self._all(behind)) / (ahead[i] - behind[i])
        self._slopes = (key, found)
        return found

    def _own(self, a: Allocation, deadline: float, e: Evaluation) -> Array:
        """Return the margins of what no allocation may break: the deadline, budgets, limits of the scenario."""
        s, m = self._scenario, a.server
        parts = [(deadline - e.user_delay) / self._unit]
        for label in _SERVER:
            parts.append(1.0 - np.bincount(m, getattr(a, label), minlength=s.n_servers) / getattr(s, f"{label}_max"))
        if s.constraints is not None:
            parts += limit_margins(s, a)
        return np.concatenate(parts)


def _moves(variable: Any) -> bool:
    return bool(variable.is_continuous() and not variable.fixed)


def _box(variable: Any) -> tuple[float, float]:
    """Return the range of a variable, one number where it is fixed."""
    if variable.fixed:
        return meant(variable), meant(variable)
    lower, upper = variable.bounds
    return -np.inf if lower is None else lower, np.inf if upper is None else upper
