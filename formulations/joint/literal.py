"""`literal`: Problem (2), (3) as printed, products and all, with the ratio as the objective.

Source: (2), (3); target: a mixed-integer nonlinear program. All pairs hold resources and the budgets count those of
connected pairs, x_nm b_nm. A time is a variable with time * speed >= work, so that a share of zero costs nothing at
any speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..allocation import Allocation
from ..formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from ..lazy import lazy
from ..scaled import ScaledPairs
from ..scenario import Scenario
from .data import JointData
from .limits import JOINT_EXTRAS, JointLimits
from .model import decisions, objective

if TYPE_CHECKING:
    import pyomo.environ as pyo
else:
    pyo = lazy("pyomo.environ")

__all__ = ["build", "state"]


def build(scenario: Scenario, known: Allocation | None = None) -> pyo.ConcreteModel:
    """Return the model for a scenario.

    Parameters
    ----------
    scenario
        The data.
    known
        An allocation whose SCR bounds times and resources; a simple one is made where none is given.

    Raises
    ------
    InputError
        If the joint models cannot be scaled, see `JointData`.
    """
    data = JointData.of(scenario, known)
    model = decisions("literal", data, arguments={"known": known})
    score, cost = state(model, data)
    objective(model, score, cost, epigraph=False)
    return model


def state(model: pyo.ConcreteModel, data: JointData) -> tuple[Any, Any]:
    """State (3b) to (3j) and return score and cost as expressions in scaled units."""
    c, pairs = data.pairs, model.users * model.servers
    least, delay = data.least_bandwidth, data.most_delay
    for n, k in pairs:
        model.bandwidth[n, k].setlb(float(least[n, k]) if data.usable[n, k] else 1.0)
    model.local_time = pyo.Var(model.users, bounds=(0, delay), doc="T^(t1)")
    for label in ("uplink_time", "server_time", "downlink_time"):
        setattr(model, label, pyo.Var(pairs, bounds=(0, delay), doc=f"{label} where connected, else 0"))
    bandwidth, power, speed = model.bandwidth, model.server_power, model.server_speed
    up, served, down = model.uplink_time, model.server_time, model.downlink_time

    def rate(snr: float, beta: Any, p: Any) -> Any:
        return beta * pyo.log(1 + snr * p / beta)

    def local_row(m: Any, n: int) -> Any:
        return m.local_time[n] * m.user_speed[n] >= c.local_time[n] * m.offload[n]

    def uplink_row(m: Any, n: int, k: int) -> Any:
        return up[n, k] * rate(c.snr_up[n, k], bandwidth[n, k], m.user_power[n]) >= (
            c.link_time[n, k] * m.x[n, k] * m.offload[n]
        )

    def server_row(m: Any, n: int, k: int) -> Any:
        return served[n, k] * speed[n, k] >= c.server_time[n, k] * m.x[n, k] * (1 - m.offload[n])

    def downlink_row(m: Any, n: int, k: int) -> Any:
        return down[n, k] * rate(c.snr_down[n, k], bandwidth[n, k], power[n, k]) >= (
            c.link_time[n, k] * m.x[n, k] * (1 - m.offload[n])
        )

    def delay_row(m: Any, n: int) -> Any:
        return m.local_time[n] + sum(m.x[n, k] * (up[n, k] + served[n, k] + down[n, k]) for k in m.servers) <= m.delay

    model.local_row = pyo.Constraint(model.users, rule=local_row)
    model.uplink_row = pyo.Constraint(pairs, rule=uplink_row)
    model.server_row = pyo.Constraint(pairs, rule=server_row)
    model.downlink_row = pyo.Constraint(pairs, rule=downlink_row)
    model.delay_row = pyo.Constraint(model.users, rule=delay_row, doc="(3j), aggregated over servers")
    for label in ("bandwidth", "server_power", "server_speed"):
        share = getattr(model, label)
        row = pyo.Constraint(
            model.servers,
            rule=lambda m, k, share=share: sum(m.x[n, k] * share[n, k] for n in m.users) <= 1,
            doc="(3d), (3f), (3h)",
        )
        setattr(model, f"{label}_budget", row)

    if data.limits is not None:
        _limit(model, data.limits, rate, c)

    def energy(n: int, k: int) -> Any:
        link = c.link_time[n, k]
        return model.x[n, k] * (
            c.uplink_energy[n, k] / link * model.user_power[n] * up[n, k]
            + c.server_energy[n, k] * (1 - model.offload[n]) * speed[n, k] ** 2
            + c.downlink_energy[n, k] / link * power[n, k] * down[n, k]
        )

    def score(n: int, k: int) -> Any:
        return model.x[n, k] * pyo.log(1 + data.scenario.score_norm * (bandwidth[n, k] + power[n, k] + speed[n, k]))

    local = sum(c.local_energy[n] * model.offload[n] * model.user_speed[n] ** 2 for n in model.users)
    cost = c.time_weight * model.delay + local + sum(energy(n, k) for n, k in pairs)
    return sum(score(n, k) for n, k in pairs), cost


def _limit(model: pyo.ConcreteModel, limits: JointLimits, rate: Callable[..., Any], c: ScaledPairs) -> None:
    """State the extra constraints of the scenario; pairs that are not allowed are fixed already."""
    model.extra = pyo.ConstraintList(doc="(X1), (X3), (X4)")
    add, x, users, servers = model.extra.add, model.x, model.users, model.servers
    up, served, down = model.uplink_time, model.server_time, model.downlink_time
    bandwidth, power, speed = model.bandwidth, model.server_power, model.server_speed
    for n in users:
        if np.isfinite(limits.delay[n]):
            add(
                model.local_time[n] + sum(x[n, k] * (up[n, k] + served[n, k] + down[n, k]) for k in servers)
                <= limits.delay[n]
            )
        for k in servers:
            for need, snr, sent in (
                (limits.need_up, c.snr_up, model.user_power[n]),
                (limits.need_down, c.snr_down, power[n, k]),
            ):
                if need[n, k] > 0:
                    add(rate(snr[n, k], bandwidth[n, k], sent) >= need[n, k] * x[n, k])
    for k in servers:
        if limits.send[k] > 0:
            add(
                sum(
                    x[n, k]
                    * (
                        limits.train[n, k] * (1 - model.offload[n]) * speed[n, k] ** 2
                        + limits.send[k] * power[n, k] * down[n, k]
                    )
                    for n in users
                )
                <= 1
            )


formulations.register(
    Formulation(
        name="literal",
        subproblem=Subproblem.JOINT,
        kind=Kind.EXACT,
        needs=frozenset({Feature.MINLP}),
        source="(2), (3)",
        summary="the problem as printed: products of x and resources, the ratio as objective",
        faces={Language.PYOMO: build},
        supports=JOINT_EXTRAS,
        options=("known",),
    )
)
