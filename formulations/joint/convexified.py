"""`convexified`: everything that is jointly convex stated as such, products only where they must be.

Source: (3), target: a mixed-integer program whose only non-convex terms are four products per pair. For a pair (n, m)
let w = phi x be what the user trains, v = x - w what the server trains, and t1..t4 the times, all zero where x is.

* Local training: energy = e1 a1^2 w^3 / t1^2, two rotated second-order cones.
* Uplink: with the product z = beta w and U <= sqrt(z t2), power times time is y2 = w G(U / w) / c, where
  G(u) = u^2 (exp(a2 / u^2) - 1) is convex and decreasing and c the SNR at full power; jointly convex in (w, z, t2). The
  cap on the power is linear: y2 <= t2.
* Server training: with the product q = psi v, t3 q >= a3 v^2 and energy >= e3 q^2 / v, both cones.
* Downlink: with the products beta w and s <= pi v, t4 R(beta - z, s) >= a2 v^2 is convex because R is concave and
  homogeneous; power times time is the product y4 = pi t4, and at least what the uplink's function says of (v, t4).

The user's power and speed stand in y2 = p t2 and f t1 = a1 w, which are for what others state about them.

So only z = beta w, q = psi v, s <= pi v and y4 >= pi t4 are left to a solver's spatial branching, and all
are exact where phi is 0 or 1. G and R enter by tangent planes, which makes this a relaxation: `tangent_error` bounds
the relative error of either function. Whatever a solver returns, the bound is one on (3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation
from ..attributes import STATED_PARTS
from ..documents import InputError
from ..formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from ..lazy import lazy
from ..scenario import Scenario
from .data import JointData
from .model import Stated, decisions, objective
from .pair_parts import JOINT_EXTRAS, JointLimits, PairParts, state_limits
from .user_values import UserValues, put, put_ratio

if TYPE_CHECKING:
    import pyomo.environ as pyo
else:
    pyo = lazy("pyomo.environ")

__all__ = ["CUTS", "DEFAULT_CUTS", "build", "complete", "pair_parts"]

Array = NDArray[np.float64]
Pair = tuple[int, int]

#: Scaled times of training below this are taken as none: what that leaves out only relaxes the model.
LEAST_TIME = 1e-9

#: Valid inequalities that can be left out, to measure what each is worth.
CUTS: dict[str, str] = {
    "score": "total score at most what the budgets allow (concavity of ln)",
    "delay": "T at least a user's delay at its server with all resources",
    "bandwidth": "a connected user holds the share of bandwidth without which it cannot be in time",
    "products": "products within the hull of their factors on the pair's on/off box",
    "downlink": "downlink energy at least the convex function of shares and time",
}

#: Those that pay: `downlink` adds as many rows as all the rest and made SCIP slower at three users.
DEFAULT_CUTS = ("score", "delay", "bandwidth", "products")


def build(
    scenario: Scenario,
    known: Allocation | None = None,
    ratio: float | None = None,
    cuts: tuple[str, ...] = DEFAULT_CUTS,
    tangent_error: float = 1e-3,
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
    cuts
        Names of the valid inequalities to state, from `CUTS`.
    tangent_error
        Largest relative error of the tangent planes.
    assume_scr, longest_delay
        Whether what is worse than the known allocation may be left out; if not, the longest delay, see `JointData.of`.

    Raises
    ------
    InputError
        If a cut is not known, or the joint models cannot be scaled, see `JointData`.
    """
    for cut in cuts:
        if cut not in CUTS:
            raise InputError(f"unknown cut {cut!r}; expected some of {', '.join(CUTS)}")
    data = JointData.of(scenario, known, assume_scr, longest_delay)
    arguments = {"known": known, "ratio": ratio, "cuts": cuts, "tangent_error": tangent_error}
    arguments |= {"assume_scr": assume_scr, "longest_delay": longest_delay}
    model = decisions("convexified", data, ratio, arguments)
    usable = [(n, k) for n in model.users for k in model.servers if data.usable[n, k]]
    model.pairs = pyo.Set(initialize=usable, dimen=2)
    for label in ("bandwidth", "server_power", "server_speed"):
        for pair in set(model.users * model.servers) - set(usable):
            getattr(model, label)[pair].setub(0)
    _couple(model, data, cuts)
    for pair in usable:
        _state_pair(model, data, pair, cuts, tangent_error)
    if data.limits is not None:
        _limit(model, data, data.limits, tangent_error)
    objective(model, _stated(model, data))
    return model


def _couple(model: pyo.ConcreteModel, data: JointData, cuts: tuple[str, ...]) -> None:
    """State variables and what ties users, servers and pairs together."""
    pairs = model.pairs
    longest = {(n, k): (0, float(data.time_bound[n])) for n, k in pairs}
    root = {pair: (0, np.sqrt(most)) for pair, (_, most) in longest.items()}
    energy = {(n, k): (0, float(data.user_energy[n])) for n, k in pairs}
    model.own = pyo.Var(pairs, bounds=(0, 1), doc="w = phi x")
    model.own_bandwidth = pyo.Var(pairs, bounds=(0, 1), doc="z = beta w")
    model.served_speed = pyo.Var(pairs, bounds=(0, 1), doc="q = psi v")
    model.served_power = pyo.Var(pairs, bounds=(0, 1), doc="s <= pi v")
    for i in (1, 2, 3, 4):
        setattr(model, f"time{i}", pyo.Var(pairs, bounds=longest))
    model.energy1 = pyo.Var(pairs, bounds=energy)
    model.energy3 = pyo.Var(pairs, bounds=energy)
    model.exposure2 = pyo.Var(pairs, bounds=longest, doc="y2: power times time")
    model.exposure4 = pyo.Var(pairs, bounds=longest, doc="y4: power times time")
    most_slow = {(n, k): (0, 1.0 / max(float(data.pairs.local_time[n]), LEAST_TIME)) for n, k in pairs}
    model.slowness = pyo.Var(pairs, bounds=most_slow, doc="w^2 / t1 at least")
    model.mean_up = pyo.Var(pairs, bounds=root, doc="sqrt(z t2) at most")
    if "downlink" in cuts:
        model.mean_down = pyo.Var(pairs, bounds=root, doc="sqrt((beta - z) t4) at most")
    most_rate = {pair: (0, float(np.log1p(data.pairs.snr_down[pair]))) for pair in pairs}
    model.rate_down = pyo.Var(pairs, bounds=most_rate, doc="R(beta - z, s) at most")
    limited = frozenset() if data.limits is None else data.limits.parts
    if "energy_local" in limited:
        model.worked = pyo.Var(pairs, bounds=(0, 1), doc="a1^2 w^3 / t1^2 at least, for limits of energy")
    if "energy_server" in limited:
        model.trained = pyo.Var(pairs, bounds=(0, 1), doc="q^2 / v at least, for limits of energy")
    score = data.scenario.score
    model.score = pyo.Var(model.users, bounds=(0, score.largest))
    model.rows = pyo.ConstraintList()
    add = model.rows.add
    for n in model.users:
        mine = _of(model, n)
        shares = sum(model.bandwidth[q] + model.server_power[q] + model.server_speed[q] for q in mine)
        add(model.offload[n] == sum(model.own[q] for q in mine))
        add(model.score[n] <= score.in_pyomo(shares))
        add(_user_delay(model, n) <= model.delay)
        if "delay" in cuts:
            add(model.delay >= sum(data.pair_delay[q] * model.x[q] for q in mine))
    for k in model.servers:
        for share in (model.bandwidth, model.server_power, model.server_speed):
            add(sum(share[n, k] for n in model.users) <= 1)
    if "score" in cuts:
        add(sum(model.score[n] for n in model.users) <= data.largest_total)


def _limit(model: pyo.ConcreteModel, data: JointData, limits: JointLimits, tangent_error: float) -> None:
    """State the extra constraints; pairs that are not allowed are not there.

    The least uplink rate is exact: with phi = 0 the least bandwidth of the pair carries it at full power, and otherwise
    it says t2 <= link w / R. The least downlink rate enters by the tangents of R.
    """
    add, c = model.rows.add, data.pairs
    for q in model.pairs:
        x, w, beta, pi = model.x[q], model.own[q], model.bandwidth[q], model.server_power[q]
        if max(limits.need_up[q], limits.need_down[q]) > 0:
            add(beta >= data.least_bandwidth[q] * x)
        if limits.need_up[q] > 0:
            add(limits.need_up[q] * model.time2[q] <= c.link_time[q] * w)
        if limits.need_down[q] > 0:
            for constant, slope in _rate_tangents(c.snr_down[q], data.least_bandwidth[q], tangent_error):
                add(constant * beta + slope * c.snr_down[q] * pi >= limits.need_down[q] * x)
        if "energy_local" in limits.parts and c.local_time[q[0]] >= LEAST_TIME:
            add(model.worked[q] * w >= c.local_time[q[0]] ** 2 * model.slowness[q] ** 2)
        if "energy_server" in limits.parts:
            add(model.trained[q] * (x - w) >= model.served_speed[q] ** 2)
    state_limits(model, model.rows, limits, pair_parts(model), list(model.pairs))


def pair_parts(model: pyo.ConcreteModel) -> PairParts:
    """Return which expression is which part; those of times and energies are at least it."""
    c, stated = model.dashf.data.pairs, STATED_PARTS
    # Energies of training are variables in cost units, and without a price only where a limit needs them.
    trainings = {
        "energy_local": (model.component("worked"), model.energy1, lambda q: c.local_energy[q[0]]),
        "energy_server": (model.component("trained"), model.energy3, lambda q: c.server_energy[q]),
    }
    parts: dict[str, Callable[[Pair], Any]] = {
        "served": lambda q: model.x[q],
        "own": lambda q: model.own[q],
        "left": lambda q: model.x[q] - model.own[q],
        "bandwidth": lambda q: model.bandwidth[q],
        "server_power": lambda q: model.server_power[q],
        "server_speed": lambda q: model.server_speed[q],
        "time_local": lambda q: model.time1[q],
        "time_uplink": lambda q: model.time2[q],
        "time_server": lambda q: model.time3[q],
        "time_downlink": lambda q: model.time4[q],
        "energy_uplink": lambda q: model.exposure2[q],
        "energy_downlink": lambda q: model.exposure4[q],
    }
    for part, (counted, priced, price) in trainings.items():
        if counted is not None:
            parts[part] = counted.__getitem__
        elif all(price(q) > 0.0 for q in model.pairs):
            parts[part] = partial(_unpriced, priced, price)
        else:
            stated -= {part}
    return PairParts(lambda part, n, k: parts[part]((n, k)), stated=stated)


def _unpriced(priced: Any, price: Callable[[Pair], float], pair: Pair) -> Any:
    return priced[pair] / float(price(pair))


def _of(model: pyo.ConcreteModel, user: int) -> list[Pair]:
    """Return the pairs of a user."""
    return [(user, k) for k in model.servers if (user, k) in model.pairs]


def _user_delay(model: pyo.ConcreteModel, user: int) -> Any:
    times = (model.time1, model.time2, model.time3, model.time4)
    return sum(time[q] for time in times for q in _of(model, user))


def _stated(model: pyo.ConcreteModel, data: JointData) -> Stated:
    """Return what users have."""
    price = data.pairs.energy_prices

    def energy(pairs: Iterable[Pair]) -> Any:
        return sum(
            model.energy1[pair]
            + price["energy_uplink"][pair] * model.exposure2[pair]
            + model.energy3[pair]
            + price["energy_downlink"][pair] * model.exposure4[pair]
            for pair in pairs
        )

    return Stated(
        score=lambda n: model.score[n],
        delay=partial(_user_delay, model),
        energy=lambda n: energy(_of(model, n)),
        scores=sum(model.score[n] for n in model.users),
        energies=energy(model.pairs),
    )


def _state_pair(
    model: pyo.ConcreteModel, data: JointData, pair: Pair, cuts: tuple[str, ...], tangent_error: float
) -> None:
    """State delay and energy of one pair."""
    c, (n, _), add = data.pairs, pair, model.rows.add
    x, w, beta, pi, psi = (
        variable[pair] for variable in (model.x, model.own, model.bandwidth, model.server_power, model.server_speed)
    )
    z, q, s, v = model.own_bandwidth[pair], model.served_speed[pair], model.served_power[pair], x - w
    t1, t2, t3, t4 = (time[pair] for time in (model.time1, model.time2, model.time3, model.time4))
    e1, y2, e3, y4 = (part[pair] for part in (model.energy1, model.exposure2, model.energy3, model.exposure4))
    link, rate, slow = c.link_time[pair], model.rate_down[pair], model.slowness[pair]
    up = model.mean_up[pair]
    least = data.least_bandwidth[pair]

    for part in (w, beta, pi, psi):
        add(part <= x)
    for time in (t1, t2, t3, t4):
        add(time <= float(data.time_bound[n]) * x)
    if "bandwidth" in cuts:
        add(beta >= least * x)
    add(z == beta * w)
    add(q == psi * v)
    add(s <= pi * v)
    if "products" in cuts:
        for product, share, part in ((z, beta, w), (q, psi, v), (s, pi, v)):
            add(product <= share)
            add(product <= part)
            if product is not s:
                add(product >= share + part - x)

    # What the users' power and speed mean; they cost nothing more, and a user that trains nothing may have any.
    add(y2 == model.user_power[n] * t2)
    add(t1 * model.user_speed[n] == c.local_time[n] * w)
    if c.local_time[n] >= LEAST_TIME:
        add(t1 >= c.local_time[n] * w)
        add(slow * t1 >= w**2)
        add(e1 * w >= c.local_energy[n] * c.local_time[n] ** 2 * slow**2)

    snr = c.snr_up[pair]
    add(up**2 <= z * t2)
    add(y2 <= t2)
    for value, slope, u in _energy_tangents(link, snr, least, tangent_error):
        add(y2 >= (value * w + slope * (up - u * w)) / snr)

    add(t3 * q >= c.server_time[pair] * v**2)
    add(e3 * v >= c.server_energy[pair] * q**2)

    snr = c.snr_down[pair]
    add(t4 * rate >= link * v**2)
    for constant, slope in _rate_tangents(snr, least, tangent_error):
        add(rate <= constant * (beta - z) + slope * snr * s)
    add(y4 >= pi * t4)
    if "downlink" in cuts:
        down = model.mean_down[pair]
        add(down**2 <= (beta - z) * t4)
        for value, slope, u in _energy_tangents(link, snr, least, tangent_error):
            add(y4 >= (value * v + slope * (down - u * v)) / snr)


# -- tangent planes ---------------------------------------------------------------------------

#: Spectral efficiencies ln(1 + SNR) beyond this get no tangents of their own: their coefficients would be useless.
MOST_SPECTRAL = 40.0


def _spectral(snr: float, least: float) -> float:
    """Return the largest ln(1 + SNR) that a pair can have, capped."""
    return float(min(np.logaddexp(0.0, np.log(snr) - np.log(least)), MOST_SPECTRAL))


def _energy_tangents(link: float, snr: float, least: float, error: float) -> list[tuple[float, float, float]]:
    """Return (G, G', u) at the touching points of G(u) = u^2 (exp(link / u^2) - 1).

    They are spread over l = link / u^2 = ln(1 + SNR) up to what the least bandwidth allows, so that the relative error
    between neighbours is the same; the first is the asymptote G >= link. Tangents are valid wherever they touch.
    """
    low = min(1e-3, error)
    grid = np.geomspace(low, max(_spectral(snr, least), 2.0 * low), 2000)

    def curve(at: Array) -> tuple[Array, Array, Array]:
        u = np.sqrt(link / at)
        rise = np.expm1(at)
        return u, u**2 * rise, 2.0 * u * (rise - at * np.exp(at))

    # Between neighbours at a distance of s in the measure sqrt(G''/G) du the error is s^2 / 8.
    # G'' = 2 (e^l - 1) - 2 l e^l + 4 l^2 e^l, and du/dl = -u / (2 l).
    bend = 2.0 * np.expm1(grid) + (4.0 * grid**2 - 2.0 * grid) * np.exp(grid)
    u, value, _ = curve(grid)
    weight = np.sqrt(bend / value) * u / (2.0 * grid)
    length = np.concatenate([[0.0], np.cumsum(0.5 * (weight[1:] + weight[:-1]) * np.diff(grid))])
    count = max(int(np.ceil(length[-1] / np.sqrt(8.0 * error))) + 1, 2)
    at = np.interp(np.linspace(0.0, length[-1], count), length, grid)
    u, value, slope = curve(at)
    return [(link, 0.0, 0.0), *zip(value.tolist(), slope.tolist(), u.tolist(), strict=True)]


def _rate_tangents(snr: float, least: float, error: float) -> list[tuple[float, float]]:
    """Return (constant, slope) with R(b, s) <= constant b + slope (snr s).

    They touch at l = ln(1 + SNR) from 0 on; the measure of the relative error is dl / sqrt(l), so equal steps of
    sqrt(l) make it the same everywhere.
    """
    reach = np.sqrt(_spectral(snr, least))
    count = max(int(np.ceil(2.0 * reach / np.sqrt(8.0 * error))) + 1, 2)
    at = np.linspace(0.0, reach, count) ** 2
    return list(zip((at + np.expm1(-at)).tolist(), np.exp(-at).tolist(), strict=True))


def complete(model: pyo.ConcreteModel, data: JointData, users: UserValues) -> None:
    """Set the auxiliary variables from what every user has."""
    c = data.pairs
    served = 1.0 - users.phi
    slow = users.phi * users.speed / c.local_time  # w^2 / t1
    values = {
        "own": users.phi,
        "own_bandwidth": users.beta * users.phi,
        "served_speed": users.psi * served,
        "served_power": users.pi * served,
        "time1": users.times[0],
        "time2": users.times[1],
        "time3": users.times[2],
        "time4": users.times[3],
        "slowness": slow,
        "energy1": users.energies[0],
        "energy3": users.energies[2],
        "mean_up": np.sqrt(users.beta * users.phi * users.times[1]),
        "mean_down": np.sqrt(users.beta * served * users.times[3]),
        "exposure2": users.power * users.times[1],
        "exposure4": users.pi * users.times[3],
        "rate_down": served * users.rate_down,
        "trained": users.psi**2 * served,
        "worked": users.phi * users.speed**2,
    }
    for name, value in values.items():
        variable = model.component(name)
        if variable is None:  # mean_down comes with a cut, trained and worked with limits of energy
            continue
        for n, k in model.pairs:
            put(variable[n, k], value[n] if k == users.server[n] else 0.0)
    for n in model.users:
        put(model.score[n], users.score[n])
    put_ratio(model, data, users)


formulations.register(
    Formulation(
        name="convexified",
        subproblem=Subproblem.JOINT,
        kind=Kind.RELAXATION,
        needs=frozenset({Feature.MINLP}),
        source="(3), perspectives of local training, uplink and server training",
        summary="perspectives and tangent planes; four products per pair are all that is not convex",
        faces={Language.PYOMO: build},
        parts=pair_parts,
        complete=complete,
        supports=JOINT_EXTRAS,
        options=("known", "ratio", "cuts", "tangent_error", "assume_scr", "longest_delay"),
    ),
    origin=__name__,
)
