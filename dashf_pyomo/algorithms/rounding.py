"""From a fractional association to a binary one.

Every rounding has the signature ``(fractional x, resources on all pairs, scenario) -> server (N,)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from formulations import Scenario
from formulations.association.pairs import PairResources

__all__ = ["ROUNDINGS", "hungarian", "slots"]

Array = NDArray[np.float64]
Rounding: TypeAlias = Callable[[Array, PairResources, Scenario], NDArray[np.int64]]


def slots(pairs: PairResources, scenario: Scenario) -> NDArray[np.int64]:
    """Return how many users each server can take, shape (M,).

    The paper matches users and servers one to one, which cannot serve more users than servers. Here a
    server has as many places as each of its three budgets carries users of mean share, at least
    ceil(N/M) so that there is a place for everybody, at most N.
    """
    n, m = scenario.n_users, scenario.n_servers
    places = np.full(m, float(n))
    for held, budget in (
        (pairs.bandwidth, scenario.bandwidth_max),
        (pairs.server_power, scenario.server_power_max),
        (pairs.server_speed, scenario.server_speed_max),
    ):
        mean = np.mean(held / budget, axis=0)
        with np.errstate(divide="ignore"):
            # 1/(1/N) may come out a hair below N.
            places = np.minimum(places, np.floor(1.0 / mean * (1.0 + 1e-9)))
    return np.clip(places, -(-n // m), n).astype(np.int64)


def hungarian(association: Array, pairs: PairResources, scenario: Scenario) -> NDArray[np.int64]:
    """Return the matching of largest total weight x_nm with each server's column replicated by its `slots`.

    Source: the Hungarian step after (8).
    """
    server = np.repeat(np.arange(scenario.n_servers), slots(pairs, scenario))
    users, places = linear_sum_assignment(association[:, server], maximize=True)
    rounded = np.empty(scenario.n_users, dtype=np.int64)
    rounded[users] = server[places]
    return rounded


ROUNDINGS: dict[str, Rounding] = {"hungarian": hungarian}
