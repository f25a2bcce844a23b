"""Users that no server can serve within their extra constraints, known from the data alone."""

from __future__ import annotations

import numpy as np

from .allocation import FEASIBILITY_TOLERANCE
from .scenario import Scenario
from .terms import Sites

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
    sites, column = Sites(s), np.newaxis
    most = sites.terms(
        s.bandwidth_max,
        sites.user("user_power_max"),
        s.server_power_max,
        sites.user("user_speed_max"),
        s.server_speed_max,
    )
    slack = 1.0 + FEASIBILITY_TOLERANCE
    good = (most.rate_up * slack >= extra.uplink_rate[:, column]) & (
        most.rate_down * slack >= extra.downlink_rate[:, column]
    )
    good &= np.minimum(most.user_end[0], most.server_end[0]) <= extra.delay_limit[:, column] * slack
    lost = np.flatnonzero(~(good & extra.allowed).any(axis=1))
    if not lost.size:
        return ""
    return f"user {lost[0]} meets its limits at no server that is allowed, even alone with all resources"
