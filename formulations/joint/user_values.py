"""Values of every user at an allocation, in the units of a joint model; every auxiliary variable follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation, Evaluation
from ..objective import DelayKind
from ..terms import Sites
from .data import JointData

if TYPE_CHECKING:
    import pyomo.environ as pyo

__all__ = ["UserValues", "put", "put_ratio"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class UserValues:
    """Values of every user, in shares and in the units of a model; shape (N,), times and energies (4, N)."""

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
    def of(cls, data: JointData, a: Allocation, e: Evaluation, delay: float) -> UserValues:
        """Return the values at an allocation, from its evaluation and a delay in s."""
        s, c, m = data.scenario, data.pairs, a.server
        beta, pi, psi = (
            getattr(a, r) / getattr(s, f"{r}_max")[m] for r in ("bandwidth", "server_power", "server_speed")
        )
        price = s.weight_energy / c.cost_unit
        sites, nats = Sites(s, m), np.log(2.0) / s.bandwidth_max[m]
        return cls(
            server=m,
            phi=np.asarray(a.offload),
            beta=beta,
            pi=pi,
            psi=psi,
            power=a.user_power / s.user_power_max,
            speed=a.user_speed / s.user_speed_max,
            rate_up=sites.rate(a.bandwidth, a.user_power) * nats,
            rate_down=sites.rate(a.bandwidth, a.server_power) * nats,
            times=np.array([e.time_local, e.time_uplink, e.time_server, e.time_downlink]) / c.time_unit,
            energies=np.array([e.energy_local, e.energy_uplink, e.energy_server, e.energy_downlink]) * price,
            score=e.user_score / s.score_scale,
            delay=delay / c.time_unit,
        )


def put(variable: Any, value: float) -> None:
    """Set a variable, whatever its bounds."""
    variable.set_value(float(value), skip_validation=True)


def put_ratio(model: pyo.ConcreteModel, data: JointData, u: UserValues) -> None:
    """Set costs and ratios where the objective is stated by them."""
    s, weight = data.scenario, data.pairs.time_weight
    declared = s.objective
    scores = declared.score_weights(s.n_users) * u.score
    if data.kind.by_user:
        costs = weight * u.times.sum(axis=0) + u.energies.sum(axis=0)
        for name, values in (("user_cost", costs), ("user_ratio", scores / costs)):
            variables = model.component(name)
            for n in model.users if variables is not None else ():
                put(variables[n], values[n])
        if model.component("ratio") is not None:
            put(model.ratio, (scores / costs).min())
        return
    if model.component("cost") is None:
        return
    largest = declared.delay is DelayKind.LARGEST
    delay = u.delay if largest else declared.total_delay(u.times.sum(axis=0))
    cost = weight * delay + float((declared.cost_weights(s.n_users) * u.energies.sum(axis=0)).sum())
    put(model.cost, cost)
    put(model.ratio, float(scores.sum()) / cost)
