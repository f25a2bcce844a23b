"""The best allocation near a point of an extended model: a smooth program at its association, every row included.

The variables are the logarithms of shares and of fractions of caps, as in `formulations.resources.nonlinear`, then phi,
the deadline, and the continuous variables that an allocation does not determine. The rows that were added or changed,
and the objective, are functions of the point that an allocation implies, so nothing is relaxed. They are somebody
else's expressions; derivatives are differences.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray
from pyomo.core.expr.visitor import identify_variables

from formulations import Allocation, Constraints, evaluate, physics
from formulations.joint.points import set_point

from .judging import Judged, judge_allocation, values_of
from .points import evaluated, values
from .recognition import Change, Recognised, meant, variables_of

__all__ = ["repaired"]

Array = NDArray[np.float64]

#: Least share: logarithms need a bound.
_LEAST = 1e-9

#: Step of the differences, in sizes of the variables.
_STEP = 1e-6

#: Beyond this many variables differences take too long.
_MOST_VARIABLES = 120

#: What a user has of its server, and of its own.
_SERVER = ("bandwidth", "server_power", "server_speed")
_OWN = ("user_power", "user_speed")


class _OutOfTimeError(Exception):
    """The time is over."""


@dataclass(frozen=True)
class _Row:
    """A body between two ends, in sizes of the ends."""

    body: Any
    lower: float | None
    upper: float | None

    def margins(self) -> list[float]:
        """Return what is >= 0 where the row holds; of an equation only one, which is zero then."""
        value = evaluated(self.body)
        if value is None:
            raise ArithmeticError("not defined")
        ends = [(end, sign) for end, sign in ((self.lower, 1.0), (self.upper, -1.0)) if end is not None]
        if self.equal:
            del ends[1]
        return [sign * (value - end) / max(1.0, abs(end)) for end, sign in ends]

    @property
    def equal(self) -> bool:
        """Whether it is an equation."""
        return self.lower is not None and self.lower == self.upper


def repaired(
    recognised: Recognised, judged: Judged, free: Sequence[str], sense: int, deadline: float | None
) -> Judged | None:
    """Return what a local solve makes of an allocation, judged; None where it cannot be stated or nothing came of it.

    Parameters
    ----------
    recognised
        The model.
    judged
        Where to start.
    free
        Variables that an allocation does not determine.
    sense
        1 for a model that minimises, else -1.
    deadline
        When to end, as in ``time.monotonic()``, or None.
    """
    from scipy.optimize import minimize

    with values(recognised.model, judged.point):
        program = _Program(recognised, judged.allocation, free, sense, deadline)
        if len(program.start) > _MOST_VARIABLES:
            return None
        try:
            found = minimize(
                lambda v: program.values(v)[0],
                program.start,
                jac=lambda v: program.jacobian(v)[0],
                bounds=list(zip(program.lower, program.upper, strict=True)),
                constraints=program.constraints(),
                method="SLSQP",
                options={"maxiter": 200, "ftol": 1e-11},
            ).x
        except (_OutOfTimeError, ArithmeticError, ValueError):
            return None
    if not np.isfinite(found).all():
        return None
    allocation, _, others = program.split(found)
    kept = allocation.within_budgets(recognised.info.scenario)
    return judge_allocation(recognised, kept, values_of(recognised, {**judged.point, **others}, free))


class _Program:
    """min f(v) subject to margins >= 0, those of equations = 0; the model has a point's values meanwhile."""

    def __init__(
        self, recognised: Recognised, start: Allocation, free: Sequence[str], sense: int, deadline: float | None
    ) -> None:
        self._model, data = recognised.model, recognised.info.data
        self._scenario, self._unit = data.scenario, data.pairs.time_unit
        self._reference, self._sense, self._deadline = start, sense, deadline
        variables = variables_of(self._model)
        moving = {name: variables[name] for name in free if _moves(variables[name])}
        self._free_names, self._free = list(moving), list(moving.values())
        self._goal = next(self._model.component_data_objects(pyo.Objective, active=True))
        self._rows = self._stated(recognised, [variables[name] for name in free])
        self._last: tuple[bytes, Array] | None = None
        s, m = self._scenario, start.server
        self._most = np.array([*(getattr(s, f"{r}_max")[m] for r in _SERVER), *(getattr(s, f"{r}_max") for r in _OWN)])
        self._set_box()

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

    def _set_box(self) -> None:
        """Set start and bounds: of decisions those that the model has, fixings included."""
        a = self._reference
        shares = np.array([getattr(a, label) for label in (*_SERVER, *_OWN)]) / self._most
        box = np.array([[_box(variable) for variable in row] for row in self._decisions()])
        delay, (shortest, longest) = evaluate(self._scenario, a).delay / self._unit, _box(self._model.delay)
        free = np.array([_box(variable) for variable in self._free]).reshape(-1, 2)
        low, high, start = (np.log(np.clip(x, _LEAST, 1.0)).ravel() for x in (box[:5, :, 0], box[:5, :, 1], shares))
        self.lower = np.concatenate([low, box[5, :, 0], [shortest], free[:, 0]])
        self.upper = np.maximum(np.concatenate([high, box[5, :, 1], [longest], free[:, 1]]), self.lower)
        begin = [start, a.offload, [delay if np.isfinite(delay) else 1.0], [v.value for v in self._free]]
        self.start = np.clip(np.concatenate(begin), self.lower, self.upper)
        self._sizes = np.maximum(1.0, np.abs(self.start))
        self._scale = 1.0
        self._scale = max(1.0, abs(float(self.values(self.start)[0])))

    def split(self, v: Array) -> tuple[Allocation, float, dict[str, float]]:
        """Return the allocation, the deadline in s, and the values of the free variables by name."""
        n = self._scenario.n_users
        shares = np.exp(v[: 5 * n].reshape(5, n)) * self._most
        held = {label: shares[i] for i, label in enumerate((*_SERVER, *_OWN))}
        allocation = replace(self._reference, offload=v[5 * n : 6 * n], **held)
        others = dict(zip(self._free_names, v[6 * n + 1 :].tolist(), strict=True))
        return allocation, float(v[6 * n]) * self._unit, others

    def values(self, v: Array) -> Array:
        """Return the objective and all margins.

        Raises
        ------
        ArithmeticError
            If something is not defined there.
        """
        key = v.tobytes()
        if self._last is not None and self._last[0] == key:
            return self._last[1]
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise _OutOfTimeError
        allocation, deadline, others = self.split(v)
        set_point(self._model, allocation, deadline)
        for variable, value in zip(self._free, others.values(), strict=True):
            variable.set_value(value, skip_validation=True)
        goal = evaluated(self._goal.expr)
        margins = [margin for row in self._rows for margin in row.margins()]
        found = np.concatenate([[np.nan if goal is None else self._sense * goal / self._scale], margins])
        found = np.concatenate([found, self._own(allocation, deadline)])
        if not np.isfinite(found).all():
            raise ArithmeticError("not defined")
        self._last = (key, found)
        return found

    def _own(self, a: Allocation, deadline: float) -> Array:
        """Return the margins of what no allocation may break: the deadline, budgets, limits of the scenario."""
        s, m = self._scenario, a.server
        e = evaluate(s, a)
        parts = [(deadline - e.user_delay) / self._unit]
        for label in _SERVER:
            parts.append(1.0 - np.bincount(m, getattr(a, label), minlength=s.n_servers) / getattr(s, f"{label}_max"))
        if s.constraints is not None:
            spent = np.bincount(m, e.energy_server + e.energy_downlink, minlength=s.n_servers)
            gain = s.channel_gain[np.arange(s.n_users), m]
            parts += _limits(
                s.constraints,
                e.user_delay,
                spent,
                physics.rate(a.bandwidth, a.user_power, gain, s.noise_psd),
                physics.rate(a.bandwidth, a.server_power, gain, s.noise_psd),
            )
        return np.concatenate(parts)

    def jacobian(self, v: Array) -> Array:
        """Return the derivatives of all values, one row each; fixed variables have none."""
        base = self.values(v)
        found = np.zeros((len(base), len(v)))
        for i in np.flatnonzero(self.upper > self.lower):
            step = _STEP * self._sizes[i]
            ahead, behind = v.copy(), v.copy()
            ahead[i], behind[i] = min(v[i] + step, self.upper[i]), max(v[i] - step, self.lower[i])
            found[:, i] = (self.values(ahead) - self.values(behind)) / (ahead[i] - behind[i])
        self._last = (v.tobytes(), base)
        return found

    def constraints(self) -> list[dict[str, Any]]:
        """Return the margins as the solver wants them, without those that nothing moves."""
        equal = [row.equal for row in self._rows for _ in row.margins()]
        slopes = np.abs(self.jacobian(self.start)).max(axis=1)
        kinds = np.array(["", *("eq" if flag else "ineq" for flag in equal)])
        kinds = np.concatenate([kinds, np.full(len(slopes) - len(kinds), "ineq")])
        chosen = {kind: np.flatnonzero((kinds == kind) & (slopes > 0.0)) for kind in ("eq", "ineq")}
        return [
            {
                "type": kind,
                "fun": lambda v, at=at: self.values(v)[at],
                "jac": lambda v, at=at: self.jacobian(v)[at],
            }
            for kind, at in chosen.items()
            if at.size
        ]


def _limits(c: Constraints, delay: Array, spent: Array, up: Array, down: Array) -> list[Array]:
    """Return the margins of the scenario's own limits, relative to them."""
    timed, bounded = np.isfinite(c.delay_limit), np.isfinite(c.server_energy)
    found = [1.0 - delay[timed] / c.delay_limit[timed], 1.0 - spent[bounded] / c.server_energy[bounded]]
    for rate, least in ((up, c.uplink_rate), (down, c.downlink_rate)):
        found.append(rate[least > 0.0] / least[least > 0.0] - 1.0)
    return found


def _moves(variable: Any) -> bool:
    return variable.is_continuous() and not variable.fixed and variable.value is not None


def _box(variable: Any) -> tuple[float, float]:
    """Return the range of a variable, one number where it is fixed."""
    if variable.fixed:
        return meant(variable), meant(variable)
    lower, upper = variable.bounds
    return -np.inf if lower is None else lower, np.inf if upper is None else upper
