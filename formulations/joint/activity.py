"""`activity`: resources per pair switched on and off by x, everything else per user through aggregated resources.

Source: (3); target: a mixed-integer nonlinear program with far fewer products than `literal`. Because a user has one
server, bandwidth, signal, power and speed of user n are the sums over its pairs; each rate, time and energy is then
stated once per user.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation
from ..formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from ..lazy import lazy
from ..scenario import Scenario
from .data import JointData
from .model import Stated, decisions, objective, rows
from .pair_parts import JOINT_EXTRAS, PairParts, state_limits
from .user_values import UserValues, put, put_ratio

if TYPE_CHECKING:
    import pyomo.environ as pyo
else:
    pyo = lazy("pyomo.environ")

__all__ = ["build", "complete", "pair_parts"]

Array = NDArray[np.float64]


def build(
    scenario: Scenario,
    known: Allocation | None = None,
    ratio: float | None = None,
    assume_scr: bool = True,
    longest_delay: float | None = None,
) -> pyo.ConcreteModel:
    """Return the model for a scenario.

    Parameters
    ----------
    scenario
        The data.
    known
        An allocation whose SCR bounds everything; a simple one is made where none is given.
    ratio
        y of the objective score - y cost, SI; without it the objective is the SCR.
    assume_scr, longest_delay
        Whether what is worse than the known allocation may be left out; if not, the longest delay, see `JointData.of`.

    Raises
    ------
    InputError
        If the joint models cannot be scaled, see `JointData`.
    """
    data = JointData.of(scenario, known, assume_scr, longest_delay)
    arguments = {"known": known, "ratio": ratio, "assume_scr": assume_scr, "longest_delay": longest_delay}
    model = decisions("activity", data, ratio, arguments)
    _switch(model, data)
    objective(model, _state_users(model, data))
    return model


def _switch(model: pyo.ConcreteModel, data: JointData) -> None:
    """State on/off bounds and budgets, and the score that follows from the shares."""
    pairs = model.users * model.servers
    model.uplink_power = pyo.Var(pairs, bounds=(0, 1), doc="user_power where connected, else 0")
    switched = (model.bandwidth, model.server_power, model.server_speed, model.uplink_power)
    least = data.least_bandwidth
    kinds, budgeted = pyo.Set(initialize=range(len(switched))), pyo.Set(initialize=range(3))
    rows(model, "switches", kinds * pairs, lambda i, n, k: switched[i][n, k] <= model.x[n, k])
    rows(model, "least_bandwidth", pairs, lambda n, k: model.bandwidth[n, k] >= float(least[n, k]) * model.x[n, k])
    rows(model, "budgets", budgeted * model.servers, lambda i, k: sum(switched[i][n, k] for n in model.users) <= 1)
    rows(
        model,
        "one_power",
        model.users,
        lambda n: model.user_power[n] == sum(model.uplink_power[n, k] for k in model.servers),
    )
    score = data.scenario.score
    model.score = pyo.Var(model.users, bounds=(0, score.largest))

    def score_row(n: int) -> Any:
        shares = sum(share[n, k] for share in switched[:3] for k in model.servers)
        return model.score[n] <= score.in_pyomo(shares)

    rows(model, "score_row", model.users, score_row)
    model.score_budget = pyo.Constraint(expr=sum(model.score[n] for n in model.users) <= data.largest_total)


def _state_users(model: pyo.ConcreteModel, data: JointData) -> Stated:
    """State rates, times and energies of each user; return what users have."""
    c, s, users, servers = data.pairs, data.scenario, model.users, model.servers
    width = s.bandwidth_max / s.bandwidth_max.mean()  # bandwidths of all servers in one unit
    link = c.link_time[:, 0] * width[0]  # in that unit the same for all servers
    longest, energy = data.time_bound.tolist(), data.user_energy.tolist()
    least = np.where(data.usable, data.least_bandwidth * width, np.inf).min(axis=1)
    up_signal, down_signal = c.snr_up * width, c.snr_down * width
    speed = 1.0 / c.server_time

    def sized(most: Array, low: Array | None = None) -> dict[int, tuple[float, float]]:
        return {n: (0.0 if low is None else float(low[n]), float(most[n])) for n in users}

    wide, strong_up, strong_down = width.max(), up_signal.max(axis=1), down_signal.max(axis=1)
    model.width = pyo.Var(users, bounds=sized(np.full(len(least), wide), least))
    model.rate_up = pyo.Var(users, bounds=sized(wide * np.log1p(strong_up / wide)))
    model.rate_down = pyo.Var(users, bounds=sized(wide * np.log1p(strong_down / wide)))
    model.speed = pyo.Var(users, bounds=sized(speed.max(axis=1)))
    model.times = pyo.Var(range(1, 5), users, bounds={(i, n): (0, longest[n]) for i in range(1, 5) for n in users})
    model.energies = pyo.Var(range(1, 5), users, bounds={(i, n): (0, energy[n]) for i in range(1, 5) for n in users})
    model.rows = pyo.ConstraintList()
    add, times, energies = model.rows.add, model.times, model.energies
    price = c.energy_prices
    up_price, down_price = price["energy_uplink"], price["energy_downlink"]
    for n in users:
        phi, pairs = model.offload[n], [(n, k) for k in servers]
        add(model.width[n] == sum(width[k] * model.bandwidth[n, k] for k in servers))
        add(model.speed[n] == sum(speed[q] * model.server_speed[q] for q in pairs))
        for rate, signal, power in (
            (model.rate_up, up_signal, model.uplink_power),
            (model.rate_down, down_signal, model.server_power),
        ):
            received = sum(signal[q] * power[q] for q in pairs)
            add(rate[n] <= model.width[n] * pyo.log(1 + received / model.width[n]))
        add(times[1, n] * model.user_speed[n] >= c.local_time[n] * phi)
        add(times[2, n] * model.rate_up[n] >= link[n] * phi)
        add(times[3, n] * model.speed[n] >= 1 - phi)
        add(times[4, n] * model.rate_down[n] >= link[n] * (1 - phi))
        add(sum(times[i, n] for i in range(1, 5)) <= model.delay)
        add(energies[1, n] >= c.local_energy[n] * phi * model.user_speed[n] ** 2)
        add(energies[2, n] >= up_price[n, 0] * model.user_power[n] * times[2, n])
        add(energies[3, n] >= (1 - phi) * sum(c.server_energy[q] * model.server_speed[q] ** 2 for q in pairs))
        add(energies[4, n] >= sum(down_price[q] * model.server_power[q] for q in pairs) * times[4, n])
    limits = data.limits
    if limits is not None:
        for n in users:
            for need, rate in ((limits.need_up, model.rate_up), (limits.need_down, model.rate_down)):
                if need[n, 0] > 0:  # rates are in one unit for all servers, as the bandwidths
                    add(rate[n] >= need[n, 0] * width[0])
        state_limits(model, model.rows, limits, pair_parts(model), list(users * servers))
    return Stated(
        score=lambda n: model.score[n],
        delay=lambda n: sum(times[i, n] for i in range(1, 5)),
        energy=lambda n: sum(energies[i, n] for i in range(1, 5)),
        scores=sum(model.score[n] for n in users),
        energies=sum(energies[i, n] for i in range(1, 5) for n in users),
    )


def pair_parts(model: pyo.ConcreteModel) -> PairParts:
    """Return which expression is which part."""
    x, phi, times = model.x, model.offload, model.times
    stages = ("time_local", "time_uplink", "time_server", "time_downlink")
    stage = {name: number for number, name in enumerate(stages, start=1)}

    def pair(part: str, n: int, k: int) -> Any:
        if part in stage:
            return x[n, k] * times[stage[part], n]
        pairs = {
            "served": lambda: x[n, k],
            "own": lambda: x[n, k] * phi[n],
            "left": lambda: x[n, k] * (1 - phi[n]),
            "bandwidth": lambda: model.bandwidth[n, k],
            "server_power": lambda: model.server_power[n, k],
            "server_speed": lambda: model.server_speed[n, k],
            "energy_local": lambda: x[n, k] * (phi[n] * model.user_speed[n] ** 2),
            "energy_uplink": lambda: model.uplink_power[n, k] * times[2, n],
            "energy_server": lambda: (1 - phi[n]) * model.server_speed[n, k] ** 2,
            "energy_downlink": lambda: model.server_power[n, k] * times[4, n],
        }
        return pairs[part]()

    return PairParts(
        pair,
        user={
            "own": lambda n: phi[n],
            "left": lambda n: 1 - phi[n],
            "energy_local": lambda n: phi[n] * model.user_speed[n] ** 2,
            "energy_uplink": lambda n: model.user_power[n] * times[2, n],
            **{name: partial(_time, times, number) for name, number in stage.items()},
        },
    )


def _time(times: Any, number: int, n: int) -> Any:
    return times[number, n]


def complete(model: pyo.ConcreteModel, data: JointData, users: UserValues) -> None:
    """Set the auxiliary variables from what every user has."""
    s = data.scenario
    width = s.bandwidth_max / s.bandwidth_max.mean()
    speed = 1.0 / data.pairs.server_time
    for n, server in enumerate(users.server.tolist()):
        for k in model.servers:
            put(model.uplink_power[n, k], users.power[n] if k == server else 0.0)
        put(model.score[n], users.score[n])
        put(model.width[n], width[server] * users.beta[n])
        put(model.rate_up[n], width[server] * users.rate_up[n])
        put(model.rate_down[n], width[server] * users.rate_down[n])
        put(model.speed[n], speed[n, server] * users.psi[n])
        for i in range(4):
            put(model.times[i + 1, n], users.times[i, n])
            put(model.energies[i + 1, n], users.energies[i, n])
    put_ratio(model, data, users)


formulations.register(
    Formulation(
        name="activity",
        subproblem=Subproblem.JOINT,
        kind=Kind.EXACT,
        needs=frozenset({Feature.MINLP}),
        source="(3) with on/off resources",
        summary="resources switched by x, rates, times and energies once per user",
        faces={Language.PYOMO: build},
        parts=pair_parts,
        complete=complete,
        supports=JOINT_EXTRAS,
        options=("known", "ratio", "assume_scr", "longest_delay"),
    ),
    origin=__name__,
)
