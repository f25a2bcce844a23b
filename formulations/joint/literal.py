"""`literal`: Problem (2), (3) as printed, products and all, with the ratio as the objective.

Source: (2), (3); target: a mixed-integer nonlinear program. The budgets count the resources of connected pairs, x_nm
b_nm; idle pairs hold none, so that b_nm means the same in every formulation. A time is a variable with
time * speed >= work, so that a share of zero costs nothing at any speed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from ..allocation import Allocation
from ..formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from ..lazy import lazy
from ..scaled import ScaledPairs
from ..scenario import Scenario
from .data import JointData
from .model import Stated, decisions, objective, rows
from .pair_parts import JOINT_EXTRAS, JointLimits, PairParts, state_limits
from .user_values import UserValues, put, put_ratio

if TYPE_CHECKING:
    import pyomo.environ as pyo
else:
    pyo = lazy("pyomo.environ")

__all__ = ["build", "complete", "pair_parts", "state"]


def build(
    scenario: Scenario,
    known: Allocation | None = None,
    assume_scr: bool = True,
    longest_delay: float | None = None,
) -> pyo.ConcreteModel:
    """Return the model for a scenario.

    Parameters
    ----------
    scenario
        The data.
    known
        An allocation whose SCR bounds times and resources; a simple one is made where none is given.
    assume_scr, longest_delay
        Whether what is worse than it may be left out; if not, the longest delay, see `JointData.of`.

    Raises
    ------
    InputError
        If the joint models cannot be scaled, see `JointData`.
    """
    data = JointData.of(scenario, known, assume_scr, longest_delay)
    arguments = {"known": known, "assume_scr": assume_scr, "longest_delay": longest_delay}
    model = decisions("literal", data, arguments=arguments)
    objective(model, state(model, data), epigraph=False)
    return model


def state(model: pyo.ConcreteModel, data: JointData) -> Stated:
    """State (3b) to (3j) and return what users have."""
    c, pairs = data.pairs, model.users * model.servers
    least, longest = data.least_bandwidth, data.time_bound.tolist()
    model.local_time = pyo.Var(model.users, bounds={n: (0, longest[n]) for n in model.users}, doc="T^(t1)")
    of_pairs = {(n, k): (0, longest[n]) for n, k in pairs}
    for label in ("uplink_time", "server_time", "downlink_time"):
        setattr(model, label, pyo.Var(pairs, bounds=of_pairs, doc=f"{label} where connected, else 0"))
    # An idle pair has no rate to speak of, and a logarithm none at zero: solvers need to see that this is above it.
    model.width = pyo.Var(pairs, doc="bandwidth where connected, else 1")
    for n, k in pairs:
        model.width[n, k].setlb(float(least[n, k]) if data.usable[n, k] else 1.0)
        model.width[n, k].setub(1.0)
    x, phi, servers = model.x, model.offload, model.servers
    bandwidth, power, speed = model.bandwidth, model.server_power, model.server_speed
    local, up, served, down = model.local_time, model.uplink_time, model.server_time, model.downlink_time
    shares = {"bandwidth": bandwidth, "server_power": power, "server_speed": speed}

    def rate(snr: Any, n: int, k: int, p: Any) -> Any:
        return model.width[n, k] * pyo.log(1 + snr * p / model.width[n, k])

    def idle(label: str, n: int, k: int) -> Any:
        return shares[label][n, k] <= x[n, k]

    def budget(label: str, k: int) -> Any:
        return sum(x[n, k] * shares[label][n, k] for n in model.users) <= 1

    rows(model, "idle", pyo.Set(initialize=list(shares)) * pairs, idle, "idle pairs hold nothing")
    rows(model, "width_row", pairs, lambda n, k: model.width[n, k] == bandwidth[n, k] + (1 - x[n, k]))
    rows(model, "least_bandwidth", pairs, lambda n, k: bandwidth[n, k] >= float(least[n, k]) * x[n, k])
    rows(model, "local_row", model.users, lambda n: local[n] * model.user_speed[n] >= c.local_time[n] * phi[n])
    rows(
        model,
        "uplink_row",
        pairs,
        lambda n, k: up[n, k] * rate(c.snr_up[n, k], n, k, model.user_power[n]) >= c.link_time[n, k] * x[n, k] * phi[n],
    )
    rows(
        model,
        "server_row",
        pairs,
        lambda n, k: served[n, k] * speed[n, k] >= c.server_time[n, k] * x[n, k] * (1 - phi[n]),
    )
    rows(
        model,
        "downlink_row",
        pairs,
        lambda n, k: (
            down[n, k] * rate(c.snr_down[n, k], n, k, power[n, k]) >= c.link_time[n, k] * x[n, k] * (1 - phi[n])
        ),
    )

    def user_delay(n: int) -> Any:
        return local[n] + sum(x[n, k] * (up[n, k] + served[n, k] + down[n, k]) for k in servers)

    said = "(3j), aggregated over servers"
    rows(model, "delay_row", model.users, lambda n: user_delay(n) <= model.delay, said)
    for label in shares:
        rows(model, f"{label}_budget", servers, partial(budget, label), "(3d), (3f), (3h)")

    parts = pair_parts(model)
    if data.limits is not None:
        _limit(model, data.limits, parts, rate, c)

    def score(n: int, k: int) -> Any:
        return model.x[n, k] * data.scenario.score.in_pyomo(bandwidth[n, k] + power[n, k] + speed[n, k])

    def energy(of: list[tuple[int, int]]) -> Any:
        return sum(parts.total(part, price, of) for part, price in c.energy_prices.items())

    return Stated(
        score=lambda n: sum(score(n, k) for k in servers),
        delay=user_delay,
        energy=lambda n: energy([(n, k) for k in servers]),
        scores=sum(score(n, k) for n, k in pairs),
        energies=energy(list(pairs)),
    )


def pair_parts(model: pyo.ConcreteModel) -> PairParts:
    """Return which expression is which part."""
    x, phi = model.x, model.offload
    pairs: dict[str, Callable[[int, int], Any]] = {
        "served": lambda n, k: x[n, k],
        "own": lambda n, k: x[n, k] * phi[n],
        "left": lambda n, k: x[n, k] * (1 - phi[n]),
        "bandwidth": lambda n, k: model.bandwidth[n, k],
        "server_power": lambda n, k: model.server_power[n, k],
        "server_speed": lambda n, k: model.server_speed[n, k],
        "time_local": lambda n, k: x[n, k] * model.local_time[n],
        "time_uplink": lambda n, k: x[n, k] * model.uplink_time[n, k],
        "time_server": lambda n, k: x[n, k] * model.server_time[n, k],
        "time_downlink": lambda n, k: x[n, k] * model.downlink_time[n, k],
        "energy_local": lambda n, k: x[n, k] * (phi[n] * model.user_speed[n] ** 2),
        "energy_uplink": lambda n, k: x[n, k] * (model.user_power[n] * model.uplink_time[n, k]),
        "energy_server": lambda n, k: x[n, k] * ((1 - phi[n]) * model.server_speed[n, k] ** 2),
        "energy_downlink": lambda n, k: x[n, k] * (model.server_power[n, k] * model.downlink_time[n, k]),
    }
    return PairParts(
        pair=lambda part, n, k: pairs[part](n, k),
        user={
            "own": lambda n: phi[n],
            "left": lambda n: 1 - phi[n],
            "time_local": lambda n: model.local_time[n],
            "energy_local": lambda n: phi[n] * model.user_speed[n] ** 2,
        },
    )


def _limit(
    model: pyo.ConcreteModel, limits: JointLimits, parts: PairParts, rate: Callable[..., Any], c: ScaledPairs
) -> None:
    """State the extra constraints of the scenario; pairs that are not allowed are fixed already."""
    model.extra = pyo.ConstraintList(doc="(X1), (X3), (X4), and other declared limits")
    pairs = list(model.users * model.servers)
    for n, k in pairs:
        for need, snr, sent in (
            (limits.need_up, c.snr_up, model.user_power[n]),
            (limits.need_down, c.snr_down, model.server_power[n, k]),
        ):
            if need[n, k] > 0:
                model.extra.add(rate(snr[n, k], n, k, sent) >= need[n, k] * model.x[n, k])
    state_limits(model, model.extra, limits, parts, pairs)


def complete(model: pyo.ConcreteModel, data: JointData, users: UserValues) -> None:
    """Set the auxiliary variables from what every user has."""
    names = ("uplink_time", "server_time", "downlink_time")
    for n, server in enumerate(users.server.tolist()):
        put(model.local_time[n], users.times[0, n])
        for k in model.servers:
            put(model.width[n, k], users.beta[n] if k == server else 1.0)
            for i, name in enumerate(names, start=1):
                put(getattr(model, name)[n, k], users.times[i, n] if k == server else 0.0)
    put_ratio(model, data, users)


formulations.register(
    Formulation(
        name="literal",
        subproblem=Subproblem.JOINT,
        kind=Kind.EXACT,
        needs=frozenset({Feature.MINLP}),
        source="(2), (3)",
        summary="the problem as printed: products of x and resources, the ratio as objective",
        faces={Language.PYOMO: build},
        parts=pair_parts,
        complete=complete,
        supports=JOINT_EXTRAS,
        options=("known", "assume_scr", "longest_delay"),
    ),
    origin=__name__,
)
