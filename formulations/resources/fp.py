"""`fp`: the paper's fractional-programming step of AO part 2, a convex surrogate around a reference point.

Source: (10) to (12). Each transmission energy chi/r is replaced by chi^2 z + 1/(4 r^2 z), which touches it
at z = 1/(2 chi r). With E0 = chi0/r0, the energy at the reference point, that is::

    E0/2 [ (p/p0)^2 + (r0/r)^2 ],

which stays finite at phi = 0 and phi = 1 (E0 = 0, where the paper's z is undefined) and is of order one in
units of E0. The surrogate lies above the energy, so solving it again around its own solution climbs (10);
the limit is a stationary point, not a global optimum.

Scaling, all of it here: resources, rates and times are relative to the reference point (where that is near
zero, to a small share), the objective to `Prices.unit`. So every coefficient is of order one near the
solution, whatever the magnitudes of the data.

With other objectives every score and cost has a weight of its own; where delays are summed in the cost there is no T.
"""

from __future__ import annotations

from collections.abc import Mapping

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation, Evaluation, evaluate
from ..constraints import EXCESS_PRICE, Over
from ..formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from ..objective import ObjectiveKind
from ..prices import Prices
from ..scenario import Scenario
from ..terms import Sites, least_rates, rows_of, upper_rows
from .limit_families import LIMIT_MARGIN, RESOURCE_EXTRAS, require_rows

__all__ = ["FractionalProgram", "build"]

Array = NDArray[np.float64]

#: Least unit of a share, times min(1, M/N): shares at the reference point may be zero.
LEAST_UNIT = 1e-2

#: The parts of `formulations.attributes` that are a coefficient times one expression; the energies of sending have two.
_PIECES = {"energy_uplink": ("power", "rate"), "energy_downlink": ("power", "rate")}

#: Parts whose expressions are linear or constant, so that their coefficients may be negative.
_LINEAR = frozenset({"served", "own", "left", "bandwidth", "server_power", "server_speed"})

_TIMES = ("local", "uplink", "server", "downlink")

#: Pairs up to which the association is a parameter, so that one compilation serves every association.
#: Beyond, a parameter for each pair costs more memory than compiling again for a new association.
PARAMETRIC_PAIRS = 500


class FractionalProgram:
    """The surrogate (12) of AO part 2 as a parameterised CVXPY problem.

    Parameters
    ----------
    scenario
        The data.

    Attributes
    ----------
    problem
        The `cvxpy.Problem`, in scaled units; set by `update`.
    """

    problem: cp.Problem

    def __init__(self, scenario: Scenario) -> None:
        require_rows(scenario)
        self._scenario = scenario
        self._members: NDArray[np.int64] | None = None  # association that is compiled in
        self._reference: Allocation | None = None
        self._rate: dict[str, Array] = {}  # of the reference, by direction
        n, m = scenario.n_users, scenario.n_servers
        self._p = {
            name: cp.Parameter(n, nonneg=True, name=name)
            for name in (
                *("bandwidth_unit", "power_unit", "speed_unit"),
                *("user_power_cap", "user_speed_cap"),
                *("local_time", "uplink_time", "server_time", "downlink_time"),
                *("local_energy", "uplink_energy", "uplink_power", "server_energy", "downlink_energy"),
                "downlink_power",
                *("up_gain", "up_self", "up_cross", "up_scale", "down_gain", "down_self", "down_cross", "down_scale"),
            )
        }
        self._unit = {name: np.ones(n) for name in ("bandwidth", "power", "speed", "user_power", "user_speed")}
        self._time_price = cp.Parameter(nonneg=True, name="time_price")
        self._variable = {name: cp.Variable(n, nonneg=True, name=name) for name in self._unit}
        self._membership: dict[str, cp.Parameter] | None = None
        self._deadline = Prices.have_deadline(scenario)
        if not self._deadline:
            self._p |= {f"{way}_cost": cp.Parameter(n, nonneg=True, name=f"{way}_cost") for way in _TIMES}
        objective = scenario.objective
        self._scored = objective.kind is not ObjectiveKind.COST
        self._weighted = objective.kind is not ObjectiveKind.SCR or objective.user_weight is not None
        if self._weighted:
            self._p["score_weight"] = cp.Parameter(n, nonneg=True, name="score_weight")
        self._rows = upper_rows(scenario)
        self._limited = bool(rows_of(scenario))
        if self._limited:
            self._p |= {name: cp.Parameter(n, nonneg=True, name=name) for name in ("up_need", "down_need")}
            for i, rows in enumerate(self._rows):
                self._p |= {
                    name: cp.Parameter(n, nonneg=not (rows.signed and part in _LINEAR), name=name)
                    for name, (part, _) in self._pieces(i).items()
                }
        if n * m <= PARAMETRIC_PAIRS:
            of_servers = (i for i, rows in enumerate(self._rows) if rows.limit.over is Over.SERVER)
            names = ("bandwidth", "power", "speed", *(name for i in of_servers for name in self._pieces(i)))
            self._membership = {name: cp.Parameter((n, m), nonneg=True, name=f"{name}_membership") for name in names}
            self.problem = self._compose(None)

    def update(self, reference: Allocation, ratio: float) -> None:
        """Set the reference point and y.

        Parameters
        ----------
        reference
            Association and offloading are fixed to its; z is taken at its powers and rates.
        ratio
            Dinkelbach's y.

        Raises
        ------
        ValueError
            If the reference has an infinite delay; the surrogate is undefined there.
        """
        s, a = self._scenario, reference
        m = a.server
        e = evaluate(s, a)
        if not np.isfinite(e.delay):
            raise ValueError("the reference allocation has an infinite delay")
        self._reference = a
        own, rest = a.offload, 1.0 - a.offload
        self._unit = unit = self._units(a)
        members = m[:, None] == np.arange(s.n_servers)
        if self._membership is not None:
            for name in unit.keys() & self._membership.keys():
                self._membership[name].value = members * unit[name][:, None]
        elif self._members is None or not np.array_equal(self._members, m):
            self._members = m
            self.problem = self._compose(m)

        p = self._p
        for name in ("bandwidth", "power", "speed"):
            p[f"{name}_unit"].value = unit[name]
        for name in ("user_power", "user_speed"):
            p[f"{name}_cap"].value = 1.0 / unit[name]
        unit_value = Prices.unit(s, ratio, e.user_delay, e.energy_by_user)
        prices = Prices.of(s, ratio / unit_value)
        energy_price = prices.energy
        self._time_price.value = prices.latest * e.delay
        if self._weighted:
            p["score_weight"].value = prices.score * (s.score_scale / unit_value)

        sites = Sites(s, m)
        user_speed = unit["user_speed"] * s.user_speed_max
        server_speed = unit["speed"] * s.server_speed_max[m]
        self._whole = {
            "time_local": sites.local_time(own, user_speed),
            "time_server": sites.server_time(rest, server_speed),
            "energy_local": sites.local_energy(own, user_speed),
            "energy_server": sites.server_energy(rest, server_speed),
        }
        for place in ("local", "server"):
            p[f"{place}_time"].value = self._whole[f"time_{place}"] / e.delay
            p[f"{place}_energy"].value = energy_price * self._whole[f"energy_{place}"]
        self._set_link(
            "up", "uplink", own > 0, e.time_uplink / e.delay, energy_price * e.energy_uplink,
            a.user_power, unit["user_power"] * s.user_power_max,
        )  # fmt: skip
        self._set_link(
            "down", "downlink", rest > 0, e.time_downlink / e.delay, energy_price * e.energy_downlink,
            a.server_power, unit["power"] * s.server_power_max[m],
        )  # fmt: skip
        if not self._deadline:
            for way in _TIMES:
                p[f"{way}_cost"].value = prices.delay * e.delay * p[f"{way}_time"].value
        if self._limited:
            self._set_limits(a, e)

    def _pieces(self, number: int) -> dict[str, tuple[str, str]]:
        """Return the parameters of a limit by name: of which part, and which piece of it."""
        return {
            "_".join((self._rows[number].name, part, piece)).rstrip("_"): (part, piece)
            for part in self._rows[number].weights
            for piece in _PIECES.get(part, ("",))
        }

    def _set_limits(self, a: Allocation, e: Evaluation) -> None:
        """Set what extra constraints need: rates relative to the reference's, parts relative to the bounds of rows."""
        s, m, p, unit = self._scenario, a.server, self._p, self._unit
        at, tight = (np.arange(s.n_users), m), 1.0 - LIMIT_MARGIN
        for way, least in zip(("up", "down"), least_rates(s), strict=True):
            p[f"{way}_need"].value = least / self._rate[way] / tight
        own, rest = a.offload, 1.0 - a.offload
        pieces = {
            **{(part, ""): value for part, value in self._whole.items()},
            ("time_uplink", ""): e.time_uplink,
            ("time_downlink", ""): e.time_downlink,
            ("served", ""): np.ones(s.n_users),
            ("own", ""): own,
            ("left", ""): rest,
            ("bandwidth", ""): unit["bandwidth"] * s.bandwidth_max[m],
            ("server_power", ""): unit["power"] * s.server_power_max[m],
            ("server_speed", ""): unit["speed"] * s.server_speed_max[m],
        }
        # chi/r by its surrogate, as in the objective.
        for part, used, energy, power, name, cap in (
            ("energy_uplink", own > 0, e.energy_uplink, a.user_power, "user_power", s.user_power_max),
            ("energy_downlink", rest > 0, e.energy_downlink, a.server_power, "power", s.server_power_max[m]),
        ):
            pieces[part, "rate"] = energy / 2.0
            pieces[part, "power"] = energy / 2.0 * (unit[name] * cap / np.where(used, power, cap)) ** 2
        members = m[:, None] == np.arange(s.n_servers)
        for i, rows in enumerate(self._rows):
            bound = rows.unit[rows.row_of(m)] if rows.signed else rows.bound[rows.row_of(m)] * tight
            for name, (part, piece) in self._pieces(i).items():
                value = rows.weights[part][at] * pieces[part, piece] / bound
                p[name].value = value
                if self._membership is not None and name in self._membership:
                    self._membership[name].value = members * value[:, None]

    def _units(self, a: Allocation) -> dict[str, Array]:
        """Return the unit of each variable as a share of its budget or cap: the reference's, but not zero."""
        s, m = self._scenario, a.server
        least = LEAST_UNIT * min(1.0, s.n_servers / s.n_users)
        return {
            "bandwidth": np.maximum(a.bandwidth / s.bandwidth_max[m], least),
            "power": np.maximum(a.server_power / s.server_power_max[m], least),
            "speed": np.maximum(a.server_speed / s.server_speed_max[m], least),
            "user_power": np.maximum(a.user_power / s.user_power_max, LEAST_UNIT),
            "user_speed": np.maximum(a.user_speed / s.user_speed_max, LEAST_UNIT),
        }

    def _set_link(
        self, way: str, link: str, used: NDArray[np.bool_], time: Array, energy: Array, power: Array, power_unit: Array
    ) -> None:
        """Set what one direction of transmission needs: rates relative to the reference's."""
        s, a = self._scenario, self._reference
        assert a is not None
        sites = Sites(s, a.server)
        bandwidth_unit = self._unit["bandwidth"] * s.bandwidth_max[a.server]
        rate = np.where(used, sites.rate(a.bandwidth, power), sites.rate(bandwidth_unit, power_unit))
        self._rate[way] = rate
        p = self._p
        p[f"{link}_time"].value = time
        p[f"{link}_energy"].value = energy / 2.0
        p[f"{link}_power"].value = np.where(used, energy / 2.0 * (power_unit / np.where(used, power, 1.0)) ** 2, 0.0)
        # rate/rate0 = k b ln(1 + c p/b) with b, p in their units; b ln(c') - rel_entr(b, b/c' + c/c' p) is
        # the same with arguments of like size, c' = max(1, c).
        snr = sites.gain * power_unit / (s.noise_psd * bandwidth_unit)
        large = np.maximum(snr, 1.0)
        scale = bandwidth_unit / (np.log(2.0) * rate)
        p[f"{way}_gain"].value = scale * np.log(large)
        p[f"{way}_scale"].value = scale
        p[f"{way}_self"].value = scale / large
        p[f"{way}_cross"].value = scale * (snr / large)

    @property
    def parameters(self) -> Mapping[str, cp.Parameter]:
        """Parameters of every user, shape (N,), by name."""
        return self._p

    def transmission(self, link: str, power: cp.Variable, slow: cp.Variable) -> cp.Expression:
        """Return every user's transmission energy as the surrogate has it, (12), shape (N,).

        A replacement returns something convex that touches chi/r at the reference and lies above.

        Parameters
        ----------
        link
            ``uplink`` or ``downlink``; parameters ``<link>_power`` and ``<link>_energy`` are E0/2 times the squares of
            the units.
        power, slow
            Sender's power, in its unit, and an upper bound on r0/r.
        """
        p = self._p
        return cp.multiply(p[f"{link}_power"], cp.square(power)) + cp.multiply(p[f"{link}_energy"], cp.square(slow))

    def score(self, user_score: cp.Expression) -> cp.Expression:
        """Return the score to be maximised from the users' own, a concave function of them; (1) is the sum."""
        return cp.sum(user_score)

    def _compose(self, server: NDArray[np.int64] | None) -> cp.Problem:
        """Declare (12), for any association by parameters or for a given one."""
        n, m = self._scenario.n_users, self._scenario.n_servers
        p = self._p
        share = {name: self._variable[name] for name in ("bandwidth", "power", "speed")}
        beta, power, speed = share.values()
        user_power, user_speed = self._variable["user_power"], self._variable["user_speed"]
        delay = cp.Variable(nonneg=True, name="delay")
        slow_up = cp.Variable(n, nonneg=True, name="inverse_uplink_rate")
        slow_down = cp.Variable(n, nonneg=True, name="inverse_downlink_rate")
        slow_user = cp.Variable(n, nonneg=True, name="inverse_user_speed")
        slow_server = cp.Variable(n, nonneg=True, name="inverse_server_speed")

        def relative_rate(way: str, sender_power: cp.Variable) -> cp.Expression:
            return cp.multiply(p[f"{way}_gain"], beta) - cp.rel_entr(
                cp.multiply(p[f"{way}_scale"], beta),
                cp.multiply(p[f"{way}_self"], beta) + cp.multiply(p[f"{way}_cross"], sender_power),
            )

        shares = sum(cp.multiply(p[f"{name}_unit"], variable) for name, variable in share.items())
        user_score = self._scenario.score.in_cvxpy(shares)
        energy = cp.sum(
            cp.multiply(p["local_energy"], cp.square(user_speed))
            + self.transmission("uplink", user_power, slow_up)
            + cp.multiply(p["server_energy"], cp.square(speed))
            + self.transmission("downlink", power, slow_down)
        )
        rate_up, rate_down = relative_rate("up", user_power), relative_rate("down", power)
        slow = dict(zip(_TIMES, (slow_user, slow_up, slow_server, slow_down), strict=True))

        def stages(kind: str) -> cp.Expression:
            """Return the sum of the four times of every user, each with its parameter."""
            return sum(cp.multiply(p[f"{way}_{kind}"], inverse) for way, inverse in slow.items())

        constraints = [
            user_power <= p["user_power_cap"],
            user_speed <= p["user_speed_cap"],
            cp.inv_pos(rate_up) <= slow_up,
            cp.inv_pos(rate_down) <= slow_down,
            cp.inv_pos(user_speed) <= slow_user,
            cp.inv_pos(speed) <= slow_server,
        ]
        objective = energy
        if self._deadline:
            constraints.append(stages("time") <= delay)
            objective = self._time_price * delay + energy
        else:
            objective += cp.sum(stages("cost"))
        if self._scored and self._weighted:
            # A parameter must not be a factor of what has parameters itself.
            below = cp.Variable(n, name="user_score")
            constraints.append(below <= user_score)
            objective -= self.score(cp.multiply(p["score_weight"], below))
        elif self._scored:
            objective -= self.score(user_score)

        def by_server(name: str, expression: cp.Expression) -> cp.Expression:
            """Sum a parameter times an expression over the users of every server."""
            if server is None:
                assert self._membership is not None
                spread = cp.reshape(expression, (n, 1), order="C") @ np.ones((1, m))
                return cp.sum(cp.multiply(self._membership[name], spread), axis=0)
            members = np.equal.outer(np.arange(m), server).astype(np.float64)
            return members @ cp.multiply(p[f"{name}_unit" if name in share else name], expression)

        constraints += [by_server(name, variable) <= 1 for name, variable in share.items()]
        if self._limited:
            excess = cp.Variable(nonneg=True, name="excess")
            constraints += [rate_up >= p["up_need"] - excess, rate_down >= p["down_need"] - excess]
            expressions = {
                **dict.fromkeys([("served", ""), ("own", ""), ("left", "")], np.ones(n)),
                ("bandwidth", ""): beta,
                ("server_power", ""): power,
                ("server_speed", ""): speed,
                ("time_local", ""): slow_user,
                ("time_uplink", ""): slow_up,
                ("time_server", ""): slow_server,
                ("time_downlink", ""): slow_down,
                ("energy_local", ""): cp.square(user_speed),
                ("energy_uplink", "power"): cp.square(user_power),
                ("energy_uplink", "rate"): cp.square(slow_up),
                ("energy_server", ""): cp.square(speed),
                ("energy_downlink", "power"): cp.square(power),
                ("energy_downlink", "rate"): cp.square(slow_down),
            }
            for i, rows in enumerate(self._rows):
                pieces = self._pieces(i).items()
                if rows.limit.over is Over.SERVER:
                    taken = sum(by_server(name, expressions[piece]) for name, piece in pieces)
                else:
                    taken = sum(cp.multiply(p[name], expressions[piece]) for name, piece in pieces)
                most = rows.most - LIMIT_MARGIN if rows.signed else 1
                constraints.append((cp.sum(taken) if rows.limit.over is Over.ALL else taken) <= most + excess)
            objective += EXCESS_PRICE * excess
        return cp.Problem(cp.Minimize(objective), constraints)

    def solution(self) -> Allocation:
        """Read the resources after the problem was solved, cut back into budgets and caps."""
        a = self._reference
        if a is None:
            raise RuntimeError("update() was never called")
        shares = [np.asarray(self._variable[name].value, dtype=np.float64) * self._unit[name] for name in self._unit]
        return a.with_shares(self._scenario, np.array(shares), a.offload)


def build(scenario: Scenario) -> FractionalProgram:
    """Return the surrogate program for a scenario."""
    return FractionalProgram(scenario)


formulations.register(
    Formulation(
        name="fp",
        subproblem=Subproblem.RESOURCES,
        kind=Kind.LOCAL,
        needs=frozenset({Feature.QP, Feature.SOC, Feature.EXP}),
        source="(12)",
        summary="convex surrogate of the paper's fractional programming, solved again around its solution",
        faces={Language.CVXPY: build},
        supports=RESOURCE_EXTRAS,
    ),
    origin=__name__,
)
