"""What extra constraints rule out by the data alone: users that no server can serve within their limits."""

from __future__ import annotations

import numpy as np

from . import physics
from .allocation import FEASIBILITY_TOLERANCE
from .scenario import Scenario

__all__ = ["unreachable"]


def unreachable(scenario: Scenario) -> str:
    """Return why no allocation meets the extra constraints, or an empty text where the data do not tell.

    A user alone with all resources of a server has its highest rates and least delay there (delay is linear in phi).
    Where every server that is allowed misses a limit of the user by more than `FEASIBILITY_TOLERANCE`, the scenario is
    infeasible. Users who can be served alone but not together are not found.
    """
    s, extra = scenario, scenario.constraints
    if extra is None:
        return ""
    column = np.newaxis
    with np.errstate(over="ignore", under="ignore"):
        up = physics.rate(s.bandwidth_max, s.user_power_max[:, column], s.channel_gain, s.noise_psd)
        down = physics.rate(s.bandwidth_max, s.server_power_max, s.channel_gain, s.noise_psd)
        flops, bits = s.flops[:, column], s.bits[:, column]
        local = physics.training_time(s.flops, s.user_epochs, 1.0, s.user_gpus, s.user_speed_max)[:, column]
        own = local + physics.transmission_time(bits, 1.0, up)
        served = physics.training_time(flops, s.server_epochs, 1.0, s.server_gpus, s.server_speed_max)
        served = served + physics.transmission_time(bits, 1.0, down)
    slack = 1.0 + FEASIBILITY_TOLERANCE
    good = (up * slack >= extra.uplink_rate[:, column]) & (down * slack >= extra.downlink_rate[:, column])
    good &= np.minimum(own, served) <= extra.delay_limit[:, column] * slack
    lost = np.flatnonzero(~(good & extra.allowed).any(axis=1))
    if not lost.size:
        return ""
    return f"user {lost[0]} meets its limits at no server that is allowed, even alone with all resources"
