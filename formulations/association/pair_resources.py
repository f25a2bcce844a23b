"""The resources that AO part 1 takes as given: what user n would get from server m, on *all* pairs.

After AO part 2 only connected pairs hold resources, and with nothing on the others AO part 1 could never
associate anybody anew. The paper does not say what idle pairs hold; `IDLE_PAIRS` names the readings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation
from ..scenario import Scenario

__all__ = ["IDLE_PAIRS", "PairResources", "equal_split", "start_allocation", "where_allowed"]

Array = NDArray[np.float64]

#: Readings of "resources of an idle pair": the initial equal share; none, which closes the pair; or what
#: an equal split among the server's users and the newcomer would give.
IDLE_PAIRS = ("hold", "zero", "equal-share")


@dataclass(frozen=True, eq=False)
class PairResources:
    """Resources on all pairs.

    Parameters
    ----------
    bandwidth, server_power, server_speed
        b_nm (Hz), p_nm (W), F_nm (FLOP/s), shape (N, M).
    user_power, user_speed
        p_n (W), F_n (FLOP/s), shape (N,).
    """

    bandwidth: Array
    server_power: Array
    server_speed: Array
    user_power: Array
    user_speed: Array

    @classmethod
    def equal(cls, scenario: Scenario) -> PairResources:
        """Return the start of Algorithm 1: budget / N on all pairs, users at their caps."""
        shape = (scenario.n_users, scenario.n_servers)
        return cls(
            bandwidth=np.broadcast_to(scenario.bandwidth_max / scenario.n_users, shape),
            server_power=np.broadcast_to(scenario.server_power_max / scenario.n_users, shape),
            server_speed=np.broadcast_to(scenario.server_speed_max / scenario.n_users, shape),
            user_power=scenario.user_power_max,
            user_speed=scenario.user_speed_max,
        )

    @classmethod
    def around(cls, scenario: Scenario, allocation: Allocation, idle: str = "hold") -> PairResources:
        """Return the resources of an allocation on its pairs, and the rule's on all others.

        A user that trains nothing itself needs no power or speed, so AO part 2 leaves both undetermined;
        it keeps its caps, as at the start of Algorithm 1.

        Raises
        ------
        ValueError
            If `idle` is not one of `IDLE_PAIRS`.
        """
        if idle not in IDLE_PAIRS:
            raise ValueError(f"idle_pairs = {idle!r}; expected one of {', '.join(IDLE_PAIRS)}")
        users = np.arange(scenario.n_users)
        load = np.bincount(allocation.server, minlength=scenario.n_servers)
        share = {
            "hold": np.full(scenario.n_servers, 1.0 / scenario.n_users),
            "zero": np.zeros(scenario.n_servers),
            "equal-share": 1.0 / (load + 1.0),
        }[idle]

        def spread(own: Array, budget: Array) -> Array:
            pairs = np.tile(share * budget, (scenario.n_users, 1))
            pairs[users, allocation.server] = own
            return pairs

        trains = allocation.offload > 0
        return cls(
            bandwidth=spread(allocation.bandwidth, scenario.bandwidth_max),
            server_power=spread(allocation.server_power, scenario.server_power_max),
            server_speed=spread(allocation.server_speed, scenario.server_speed_max),
            user_power=np.where(trains, allocation.user_power, scenario.user_power_max),
            user_speed=np.where(trains, allocation.user_speed, scenario.user_speed_max),
        )

    def at(self, scenario: Scenario, server: NDArray[np.int64], offload: Array) -> Allocation:
        """Return the allocation that these resources give at an association, scaled back into the budgets."""
        users = np.arange(len(server))
        return Allocation(
            server=server,
            offload=offload,
            bandwidth=self.bandwidth[users, server],
            user_power=np.asarray(self.user_power),
            server_power=self.server_power[users, server],
            user_speed=np.asarray(self.user_speed),
            server_speed=self.server_speed[users, server],
        ).within_budgets(scenario)


def start_allocation(scenario: Scenario) -> Allocation:
    """Return the start of Algorithm 1: users in turn over the servers, budget / N each, phi = 0.5.

    A user that its server is forbidden to takes the strongest of those that are allowed, and phi is the nearest to a
    half that may be.
    """
    server = where_allowed(scenario, np.arange(scenario.n_users, dtype=np.int64) % scenario.n_servers)
    half = scenario.nearest_offload(np.full(scenario.n_users, 0.5))
    return PairResources.equal(scenario).at(scenario, server, half)


def where_allowed(scenario: Scenario, server: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the association with users at servers that are not allowed moved to the strongest that is, shape (N,)."""
    allowed = scenario.allowed
    strongest = np.argmax(np.where(allowed, scenario.channel_gain, -1.0), axis=1)
    return np.where(allowed[np.arange(len(server)), server], server, strongest)


def equal_split(scenario: Scenario, server: NDArray[np.int64], offload: Array) -> Allocation:
    """Return the average resource allocation of the baselines (Section V-C).

    Each server splits its budgets equally among the users it serves; users run at their caps.
    """
    load = np.bincount(server, minlength=scenario.n_servers)[server]
    return Allocation(
        server=server,
        offload=offload,
        bandwidth=scenario.bandwidth_max[server] / load,
        user_power=scenario.user_power_max,
        server_power=scenario.server_power_max[server] / load,
        user_speed=scenario.user_speed_max,
        server_speed=scenario.server_speed_max[server] / load,
    ).within_budgets(scenario)
