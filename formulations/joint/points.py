"""A whole point of a joint model for an allocation: the paper's decisions and every auxiliary variable.

The auxiliary variables of each formulation follow from the decisions by formulas: times are the least ones possible
and energies what they cost, so the rows hold wherever the allocation is one that the model admits. `joint.set_values`
gives the decisions alone, which is enough for a start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation, Evaluation, evaluate
from .data import JointData
from .model import info, set_values

if TYPE_CHECKING:
    import pyomo.environ as pyo

__all__ = ["set_point"]

Array = NDArray[np.float64]


def set_point(
    model: pyo.ConcreteModel,
    allocation: Allocation,
    delay: float | None = None,
    evaluation: Evaluation | None = None,
) -> bool:
    """Give all variables of a joint model the values that an allocation implies; fixed ones get them too.

    Bounds are not looked at: an allocation worse than the known one may lie outside.

    Parameters
    ----------
    model
        A joint model as it was built.
    allocation
        An allocation with a finite delay.
    delay
        T, s, where it is not to be the least possible one.
    evaluation
        What the evaluator says of the allocation, where that is known already.

    Returns
    -------
    bool
        False if the formulation is not one of ours; then only the decisions have values.

    Raises
    ------
    InputError
        If the model is not a joint model.
    """
    found = info(model)
    e = evaluate(found.scenario, allocation) if evaluation is None else evaluation
    least = e.delay if delay is None else delay
    set_values(model, allocation, least)
    users = _Users.of(found.data, allocation, e, least)
    complete = _COMPLETE.get(found.formulation)
    if complete is None:
        return False
    complete(model, found.data, users)
    return True


@dataclass(frozen=True, eq=False)
class _Users:
    """What every user gets, in shares, and what follows from it, scaled; arrays have shape (N,), times (4, N)."""

    server: NDArray[np.int64]
    phi: Array
    beta: Array
    pi: Array
    psi: Array
    power: Array
    speed: Array
    rate_up: Array
    rate_down: Array
    times: Array
    energies: Array
    score: Array
    delay: float

    @classmethod
    def of(cls, data: JointData, a: Allocation, e: Evaluation, delay: float) -> _Users:
        s, c, m = data.scenario, data.pairs, a.server
        at = (np.arange(s.n_users), m)
        beta, pi, psi = (
            getattr(a, r) / getattr(s, f"{r}_max")[m] for r in ("bandwidth", "server_power", "server_speed")
        )
        power = a.user_power / s.user_power_max
        price = s.weight_energy / c.cost_unit
        with np.errstate(divide="ignore", invalid="ignore"):
            rate_up, rate_down = (
                np.where(beta > 0.0, beta * np.log1p(snr[at] * sent / beta), 0.0)
                for snr, sent in ((c.snr_up, power), (c.snr_down, pi))
            )
        return cls(
            server=m,
            phi=np.asarray(a.offload),
            beta=beta,
            pi=pi,
            psi=psi,
            power=power,
            speed=a.user_speed / s.user_speed_max,
            rate_up=rate_up,
            rate_down=rate_down,
            times=np.array([e.time_local, e.time_uplink, e.time_server, e.time_downlink]) / c.time_unit,
            energies=np.array([e.energy_local, e.energy_uplink, e.energy_server, e.energy_downlink]) * price,
            score=e.user_score / s.score_scale,
            delay=delay / c.time_unit,
        )


def _put(variable: Any, value: float) -> None:
    variable.set_value(float(value), skip_validation=True)


def _put_ratio(model: pyo.ConcreteModel, data: JointData, u: _Users) -> None:
    """Set cost and ratio where the objective is stated by them."""
    if model.component("cost") is None:
        return
    cost = data.pairs.time_weight * u.delay + float(u.energies.sum())
    _put(model.cost, cost)
    _put(model.ratio, float(u.score.sum()) / cost)


def _literal(model: pyo.ConcreteModel, data: JointData, u: _Users) -> None:
    names = ("uplink_time", "server_time", "downlink_time")
    for n, server in enumerate(u.server.tolist()):
        _put(model.local_time[n], u.times[0, n])
        for k in model.servers:
            _put(model.width[n, k], u.beta[n] if k == server else 1.0)
            for i, name in enumerate(names, start=1):
                _put(getattr(model, name)[n, k], u.times[i, n] if k == server else 0.0)


def _activity(model: pyo.ConcreteModel, data: JointData, u: _Users) -> None:
    s = data.scenario
    width = s.bandwidth_max / s.bandwidth_max.mean()
    speed = 1.0 / data.pairs.server_time
    for n, server in enumerate(u.server.tolist()):
        for k in model.servers:
            _put(model.uplink_power[n, k], u.power[n] if k == server else 0.0)
        _put(model.score[n], u.score[n])
        _put(model.width[n], width[server] * u.beta[n])
        _put(model.rate_up[n], width[server] * u.rate_up[n])
        _put(model.rate_down[n], width[server] * u.rate_down[n])
        _put(model.speed[n], speed[n, server] * u.psi[n])
        for i in range(4):
            _put(model.times[i + 1, n], u.times[i, n])
            _put(model.energies[i + 1, n], u.energies[i, n])
    _put_ratio(model, data, u)


def _convexified(model: pyo.ConcreteModel, data: JointData, u: _Users) -> None:
    c = data.pairs
    served = 1.0 - u.phi
    slow = u.phi * u.speed / c.local_time  # w^2 / t1
    values = {
        "own": u.phi,
        "own_bandwidth": u.beta * u.phi,
        "served_speed": u.psi * served,
        "served_power": u.pi * served,
        "time1": u.times[0],
        "time2": u.times[1],
        "time3": u.times[2],
        "time4": u.times[3],
        "slowness": slow,
        "energy1": u.energies[0],
        "energy3": u.energies[2],
        "mean_up": np.sqrt(u.beta * u.phi * u.times[1]),
        "mean_down": np.sqrt(u.beta * served * u.times[3]),
        "exposure2": u.power * u.times[1],
        "exposure4": u.pi * u.times[3],
        "rate_down": served * u.rate_down,
        "trained": u.psi**2 * served,
    }
    for name, value in values.items():
        variable = model.component(name)
        if variable is None:  # mean_down comes with a cut, trained with budgets of energy
            continue
        for n, k in model.pairs:
            _put(variable[n, k], value[n] if k == u.server[n] else 0.0)
    for n in model.users:
        _put(model.score[n], u.score[n])
    _put_ratio(model, data, u)


_COMPLETE: dict[str, Callable[[Any, JointData, _Users], None]] = {
    "literal": _literal,
    "parametric": _literal,
    "activity": _activity,
    "convexified": _convexified,
}
