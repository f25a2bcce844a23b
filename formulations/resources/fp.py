"""`fp`: the paper's fractional-programming step of AO part 2, a convex surrogate around a reference point.

Source: (10) to (12). Each transmission energy chi/r is replaced by chi^2 z + 1/(4 r^2 z), which touches it
at z = 1/(2 chi r). With E0 = chi0/r0, the energy at the reference point, that is

    E0/2 [ (p/p0)^2 + (r0/r)^2 ],

which stays finite at phi = 0 and phi = 1 (E0 = 0, where the paper's z is undefined) and is of order one in
units of E0. The surrogate lies above the energy, so solving it again around its own solution climbs (10);
the limit is a stationary point, not a global optimum.

Scaling, all of it here: resources are shares of their budgets and caps in units of min(1, M/N), rates are
relative to the reference point, times to its delay, the objective to its score.
"""

from __future__ import annotations

from dataclasses import replace

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from .. import physics
from ..allocation import Allocation, evaluate
from ..formulation import Feature, Formulation, Kind, Subproblem, formulations
from ..scenario import Scenario

__all__ = ["FractionalProgram", "build"]

Array = NDArray[np.float64]

#: Pairs up to which the association is a parameter, so that one compilation serves every association.
#: Beyond, a parameter for each pair costs more memory than compiling again for a new association.
PARAMETRIC_PAIRS = 5000


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
        self._scenario = scenario
        self._members: NDArray[np.int64] | None = None  # association that is compiled in
        self._reference: Allocation | None = None
        n = scenario.n_users
        self._share_unit = min(1.0, scenario.n_servers / n)
        self._p = {
            name: cp.Parameter(n, nonneg=True, name=name)
            for name in (
                *("local_time", "uplink_time", "server_time", "downlink_time"),
                *("local_energy", "uplink_energy", "uplink_power", "server_energy", "downlink_energy"),
                "downlink_power",
                *("up_gain", "up_self", "up_cross", "up_scale", "down_gain", "down_self", "down_cross", "down_scale"),
            )
        }
        self._time_price = cp.Parameter(nonneg=True, name="time_price")
        self._score_price = cp.Parameter(nonneg=True, name="score_price")
        self._share = {name: cp.Variable(n, nonneg=True, name=name) for name in ("bandwidth", "power", "speed")}
        self._user_power = cp.Variable(n, nonneg=True, name="user_power")
        self._user_speed = cp.Variable(n, nonneg=True, name="user_speed")
        self._membership: cp.Parameter | None = None
        if n * scenario.n_servers <= PARAMETRIC_PAIRS:
            self._membership = cp.Parameter((n, scenario.n_servers), nonneg=True, name="membership")
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
        if self._membership is not None:
            self._membership.value = (m[:, None] == np.arange(s.n_servers)).astype(np.float64)
        elif self._members is None or not np.array_equal(self._members, m):
            self._members = m
            self.problem = self._compose(m)

        own, rest = a.offload, 1.0 - a.offload
        time_unit = e.delay
        unit = e.score if e.score > 0 else s.score_scale
        energy_price = ratio * s.weight_energy / unit
        p = {name: parameter for name, parameter in self._p.items()}
        self._time_price.value = ratio * s.weight_time * time_unit / unit
        self._score_price.value = s.score_scale / unit

        p["local_time"].value = (
            physics.training_time(s.flops, s.user_epochs, own, s.user_gpus, s.user_speed_max) / time_unit
        )
        p["server_time"].value = (
            physics.training_time(s.flops, s.server_epochs[m], rest, s.server_gpus[m], s.server_speed_max[m])
            / time_unit
            / self._share_unit
        )
        p["local_energy"].value = energy_price * physics.training_energy(
            s.user_capacitance, s.flops, s.user_epochs, own, s.user_speed_max
        )
        p["server_energy"].value = (
            energy_price
            * physics.training_energy(s.server_capacitance[m], s.flops, s.server_epochs[m], rest, s.server_speed_max[m])
            * self._share_unit**2
        )
        gain = s.channel_gain[np.arange(s.n_users), m]
        self._set_link(
            "up",
            "uplink",
            own,
            e.time_uplink,
            energy_price * e.energy_uplink,
            a.user_power,
            s.user_power_max,
            1.0,
            gain,
            time_unit,
        )
        self._set_link(
            "down", "downlink", rest, e.time_downlink, energy_price * e.energy_downlink,
            a.server_power, s.server_power_max[m], self._share_unit, gain, time_unit,
        )  # fmt: skip

    def _set_link(
        self, way: str, link: str, share: Array, time: Array, energy: Array, power: Array,
        full_power: Array, power_unit: float, gain: Array, time_unit: float,
    ) -> None:  # fmt: skip
        """Set what one direction of transmission needs: rates relative to the reference's."""
        s, a, unit = self._scenario, self._reference, self._share_unit
        assert a is not None
        budget = s.bandwidth_max[a.server]
        used = share > 0
        rate = np.where(
            used,
            physics.rate(a.bandwidth, power, gain, s.noise_psd),
            physics.rate(budget * unit, full_power * power_unit, gain, s.noise_psd),
        )
        p = self._p
        p[f"{link}_time"].value = time / time_unit
        p[f"{link}_energy"].value = energy / 2.0
        with np.errstate(divide="ignore", invalid="ignore"):
            p[f"{link}_power"].value = np.where(used, energy / 2.0 * (full_power * power_unit / power) ** 2, 0.0)
        # rate/rate0 = k b ln(1 + c p/b) with b, p in shares; b ln(c') - rel_entr(b, b/c' + c/c' p) is the
        # same with arguments of like size, c' = max(1, c).
        snr = gain * full_power * power_unit / (s.noise_psd * budget * unit)
        large = np.maximum(snr, 1.0)
        scale = budget * unit / (np.log(2.0) * rate)
        p[f"{way}_gain"].value = scale * np.log(large)
        p[f"{way}_scale"].value = scale
        p[f"{way}_self"].value = scale / large
        p[f"{way}_cross"].value = scale * (snr / large)

    def _compose(self, server: NDArray[np.int64] | None) -> cp.Problem:
        """Declare (12), for any association by parameters or for a given one."""
        n, m = self._scenario.n_users, self._scenario.n_servers
        p, unit = self._p, self._share_unit
        beta, power, speed = (self._share[name] for name in ("bandwidth", "power", "speed"))
        user_power, user_speed = self._user_power, self._user_speed
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

        value = self._score_price * cp.sum(cp.log1p(self._scenario.score_norm * unit * (beta + power + speed)))
        energy = cp.sum(
            cp.multiply(p["local_energy"], cp.square(user_speed))
            + cp.multiply(p["uplink_power"], cp.square(user_power))
            + cp.multiply(p["uplink_energy"], cp.square(slow_up))
            + cp.multiply(p["server_energy"], cp.square(speed))
            + cp.multiply(p["downlink_power"], cp.square(power))
            + cp.multiply(p["downlink_energy"], cp.square(slow_down))
        )
        constraints = [
            user_power <= 1,
            user_speed <= 1,
            cp.inv_pos(relative_rate("up", user_power)) <= slow_up,
            cp.inv_pos(relative_rate("down", power)) <= slow_down,
            cp.inv_pos(user_speed) <= slow_user,
            cp.inv_pos(speed) <= slow_server,
            cp.multiply(p["local_time"], slow_user)
            + cp.multiply(p["uplink_time"], slow_up)
            + cp.multiply(p["server_time"], slow_server)
            + cp.multiply(p["downlink_time"], slow_down)
            <= delay,
        ]
        if server is None:
            columns = np.ones((1, m))
            constraints += [
                cp.sum(cp.multiply(self._membership, cp.reshape(share, (n, 1), order="C") @ columns), axis=0)
                <= 1.0 / unit
                for share in (beta, power, speed)
            ]
        else:
            members = np.equal.outer(np.arange(m), server).astype(np.float64)
            constraints += [members @ share <= 1.0 / unit for share in (beta, power, speed)]
        return cp.Problem(cp.Minimize(self._time_price * delay + energy - value), constraints)

    def solution(self) -> Allocation:
        """Read the resources after the problem was solved, cut back into budgets and caps."""
        s, a, unit = self._scenario, self._reference, self._share_unit
        if a is None:
            raise RuntimeError("update() was never called")
        m = a.server

        def read(variable: cp.Variable) -> Array:
            return np.maximum(np.asarray(variable.value, dtype=np.float64), 0.0)

        return replace(
            a,
            bandwidth=read(self._share["bandwidth"]) * unit * s.bandwidth_max[m],
            server_power=read(self._share["power"]) * unit * s.server_power_max[m],
            server_speed=read(self._share["speed"]) * unit * s.server_speed_max[m],
            user_power=np.where(a.offload > 0, read(self._user_power) * s.user_power_max, s.user_power_max),
            user_speed=np.where(a.offload > 0, read(self._user_speed) * s.user_speed_max, s.user_speed_max),
        ).within_budgets(s)


def build(scenario: Scenario) -> FractionalProgram:
    """Return the surrogate program for a scenario."""
    return FractionalProgram(scenario)


formulations.register(
    Formulation(
        name="fp",
        subproblem=Subproblem.RESOURCES,
        kind=Kind.LOCAL,
        language="cvxpy",
        needs=frozenset({Feature.QP, Feature.SOC, Feature.EXP}),
        source="(12)",
        summary="convex surrogate of the paper's fractional programming, solved again around its solution",
        build=build,
    )
)
