"""The coefficients of a pair in ball arithmetic, from the numbers of the scenario, and its least delays.

The problem is scaled as in `formulations.scaled`: score by score_scale, time by time_unit, cost by cost_unit; energies
are in J. With shares b, pi, psi of bandwidth, server power and server speed, fractions p, f of the user's caps, and the
rate R(c, b, p) = b ln(1 + c p / b), delay and energy of a pair are::

    phi (a1 / f + a2 / R(cu, b, p)) + (1 - phi) (a3 / psi + a2 / R(cd, b, pi))
    phi (e1 f^2 + e2 p / R(cu, b, p)) + (1 - phi) (e3 psi^2 + e4 pi / R(cd, b, pi))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from formulations import Scenario

from .balls import ball
from .scores import MOST_SHARES, SCORES

__all__ = ["ScaledPair", "Units", "least_delay", "most_score"]


@dataclass(frozen=True)
class Units:
    """Scaled costs of a time unit and of a J, and the SCR of one scaled score unit per scaled cost unit, as balls."""

    time: float
    cost: float
    time_weight: Any
    energy_weight: Any
    scr: Any

    @classmethod
    def of(cls, scenario: Scenario, time_unit: float, cost_unit: float) -> Units:
        """Return the units of a certificate."""
        cost = ball(cost_unit)
        return cls(
            time_unit,
            cost_unit,
            ball(scenario.weight_time) * ball(time_unit) / cost,
            ball(scenario.weight_energy) / cost,
            ball(scenario.score_scale) / cost,
        )


@dataclass(frozen=True)
class ScaledPair:
    """Coefficients of one pair as balls; the names are those of the module."""

    a1: Any
    a2: Any
    a3: Any
    e1: Any
    e2: Any
    e3: Any
    e4: Any
    cu: Any
    cd: Any

    @classmethod
    def of(cls, scenario: Scenario, n: int, m: int, units: Units) -> ScaledPair:
        """Return the coefficients of user n at server m."""
        s = scenario
        time = ball(units.time)
        flops = ball(s.flops_per_param[n]) * ball(s.adapter_params[n])
        bandwidth, noise = ball(s.bandwidth_max[m]), ball(s.noise_psd) * ball(s.bandwidth_max[m])
        # bits / (b b_max log2(1 + snr)) = nats / (b ln(1 + snr))
        nats = ball(s.adapter_params[n]) * ball(s.bits_per_param) * ball(2.0).log() / bandwidth
        user_speed, server_speed = ball(s.user_speed_max[n]), ball(s.server_speed_max[m])
        user_power, server_power = ball(s.user_power_max[n]), ball(s.server_power_max[m])
        user_work, server_work = flops * ball(s.user_epochs[n]), flops * ball(s.server_epochs[m])
        return cls(
            a1=user_work / (ball(s.user_gpus[n]) * user_speed * time),
            a2=nats / time,
            a3=server_work / (ball(s.server_gpus[m]) * server_speed * time),
            e1=ball(s.user_capacitance[n]) * user_work * user_speed**2,
            e2=user_power * nats,
            e3=ball(s.server_capacitance[m]) * server_work * server_speed**2,
            e4=server_power * nats,
            cu=ball(s.channel_gain[n, m]) * user_power / noise,
            cd=ball(s.channel_gain[n, m]) * server_power / noise,
        )


def least_delay(pair: ScaledPair, bandwidth: Any, snr: Any, offload: tuple[float, float]) -> Any:
    """Return a ball below or around the least delay with at most this bandwidth, downlink SNR and this range of phi.

    Both rates grow with bandwidth and power, all else is at its cap, and the delay is linear in phi: it is least at an
    end of the range. The downlink carries b ln(1 + x) at its SNR x = cd pi / b, and pi <= 1, so at most
    b ln(1 + min(x, cd / b)) with both at their largest. `snr` may be None: not limited.
    """
    own = pair.a1 + pair.a2 / (bandwidth * (pair.cu / bandwidth).log1p())
    reach = pair.cd / bandwidth
    served = pair.a3 + pair.a2 / (bandwidth * (reach if snr is None else reach.min(snr)).log1p())
    low, high = ball(offload[0]), ball(offload[1])
    return (low * own + (1 - low) * served).min(high * own + (1 - high) * served)


def most_score(scenario: Scenario) -> Any:
    """Return a bound on the scaled score of all allocations.

    The shares of k users at one server sum to 3 at most (one for each of the budgets), and the score g is concave: by
    Jensen their scores sum to f(k) = k g(3 / k) at most. f, with f(0) = 0, is concave in k, the perspective of g(3 t)
    at t = 1 / k. So if one server had two users more than another, moving one of its users there would not lower the
    sum of f over the servers: N users spread as evenly as possible give the largest sum.
    """
    low, extra = divmod(scenario.n_users, scenario.n_servers)
    total = ball(0.0)
    for users, servers in ((low + 1, extra), (low, scenario.n_servers - extra)):
        if users:
            shares = ball(MOST_SHARES) / users
            total += servers * users * SCORES[scenario.objective.score].value(ball(scenario.score_norm), shares)
    return total
