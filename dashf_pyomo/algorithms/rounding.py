"""From a fractional association to a binary one.

Every rounding is a function of one `RoundingTask` and returns the servers, shape (N,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from formulations import FEASIBILITY_TOLERANCE, Allocation, Scenario
from formulations.allocation import merit
from formulations.association.coefficients import optimal_offloading
from formulations.association.pair_resources import PairResources

if TYPE_CHECKING:
    from formulations.association.model import AssociationSolution

__all__ = [
    "ROUNDINGS",
    "RoundingTask",
    "argmax",
    "hungarian",
    "most_users",
    "offloaded",
    "randomised",
    "slots",
    "within_counts",
]

Array = NDArray[np.float64]
Servers: TypeAlias = NDArray[np.int64]

#: Candidates that `randomised` draws.
SAMPLES = 50


@dataclass(frozen=True, eq=False)
class RoundingTask:
    """Fractional association that is to be rounded.

    Parameters
    ----------
    fractional
        The solution of the relaxation.
    pairs
        Resources on all pairs.
    scenario
        The data.
    ratio
        Dinkelbach's y, for roundings that compare candidates.
    seed
        Seed of roundings that draw.
    """

    fractional: AssociationSolution
    pairs: PairResources
    scenario: Scenario
    ratio: float
    seed: int = 0

    def value(self, server: Servers) -> float:
        """Return the `merit` at an association, offloading optimal, resources scaled into budgets."""
        s = self.scenario
        return merit(s, offloaded(s, self.pairs.at(s, server, self.fractional.offload), self.ratio), self.ratio)


def offloaded(scenario: Scenario, allocation: Allocation, ratio: float) -> Allocation:
    """Return the allocation with the offloading that (6) prefers at its association and resources."""
    return replace(allocation, offload=optimal_offloading(scenario, allocation, ratio))


def slots(pairs: PairResources, scenario: Scenario) -> Servers:
    """Return how many users each server can take, shape (M,).

    The paper matches users and servers one to one, which cannot serve more users than servers. Here a
    server has as many places as each of its three budgets carries users of mean share, at least
    ceil(N/M) so that there is a place for every user, at most N; and no more than the users that it may serve, if
    these leave a place for every user.
    """
    n, m = scenario.n_users, scenario.n_servers
    places = np.full(m, float(n))
    for held, budget in _resources(pairs, scenario):
        mean = np.mean(held / budget, axis=0)
        with np.errstate(divide="ignore"):
            # 1/(1/N) may come out a hair below N.
            places = np.minimum(places, np.floor(1.0 / mean * (1.0 + 1e-9)))
    found = np.clip(places, -(-n // m), n).astype(np.int64)
    most = most_users(scenario)
    limited = np.minimum(found, most)
    if limited.sum() >= n:
        return limited
    return most if most.sum() >= n else found


def most_users(scenario: Scenario) -> Servers:
    """Return how many users each server may serve by its limit of users, at most N, shape (M,)."""
    n = scenario.n_users
    if scenario.constraints is None:
        return np.full(scenario.n_servers, n, dtype=np.int64)
    limit = scenario.constraints.limits["users_per_server"]
    return np.floor(np.minimum(limit, n) * (1.0 + FEASIBILITY_TOLERANCE)).astype(np.int64)


def within_counts(scenario: Scenario, server: Servers) -> Servers:
    """Return the association with users of servers that serve too many moved to allowed ones with room, shape (N,).

    Those with the weakest gains move, to the strongest that is left to them; where none is left a user stays.
    """
    most, server = most_users(scenario), np.array(server, dtype=np.int64)
    load = np.bincount(server, minlength=scenario.n_servers)
    own = scenario.channel_gain[np.arange(len(server)), server]
    for user in np.argsort(own, kind="stable").tolist():
        if load[server[user]] <= most[server[user]]:
            continue
        gain = np.where(scenario.allowed[user] & (load < most), scenario.channel_gain[user], -1.0)
        target = int(np.argmax(gain))
        if gain[target] >= 0.0:
            load[server[user]] -= 1
            load[target] += 1
            server[user] = target
    return server


def hungarian(task: RoundingTask) -> Servers:
    """Return the matching of largest total weight x_nm with each server's column replicated by its `slots`.

    Source: the Hungarian step after (8).
    """
    from scipy.optimize import linear_sum_assignment

    server = np.repeat(np.arange(task.scenario.n_servers), slots(task.pairs, task.scenario))
    weight = np.where(task.scenario.allowed, task.fractional.association, -float(task.scenario.n_users))
    users, places = linear_sum_assignment(weight[:, server], maximize=True)
    rounded = np.empty(task.scenario.n_users, dtype=np.int64)
    rounded[users] = server[places]
    return rounded


def argmax(task: RoundingTask) -> Servers:
    """Take the largest x_nm of every user, then move users off overfilled servers, those that lose least first."""
    return _repair(np.argmax(task.fractional.association, axis=1), task)


def randomised(task: RoundingTask) -> Servers:
    """Return the best of `SAMPLES` random roundings and of `argmax`, by score minus y times cost.

    Source: Gaussian randomisation of semidefinite relaxations (Luo et al., 2010). A candidate is drawn per user from
    the normal distribution with mean x_n and the covariance S_xx - x x' of its block and takes the largest entry;
    where the formulation has no covariance, a server is drawn with probabilities x_n.
    """
    rng = np.random.default_rng(task.seed)
    x, covariance = task.fractional.association, task.fractional.covariance
    if covariance is not None:
        values, vectors = np.linalg.eigh((covariance + np.swapaxes(covariance, 1, 2)) / 2.0)
        factor = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
        noise = rng.standard_normal((SAMPLES, *x.shape))
        drawn = np.argmax(x + np.einsum("nij,knj->kni", factor, noise), axis=2)
    else:
        cumulative = np.cumsum(x, axis=1)[:, :-1]
        drawn = np.sum(rng.random((SAMPLES, len(x)))[:, :, None] > cumulative, axis=2)
    candidates = np.unique(np.vstack([argmax(task), *(_repair(server, task) for server in drawn)]), axis=0)
    return max(candidates, key=task.value)


def _resources(pairs: PairResources, scenario: Scenario) -> list[tuple[Array, Array]]:
    return [
        (pairs.bandwidth, scenario.bandwidth_max),
        (pairs.server_power, scenario.server_power_max),
        (pairs.server_speed, scenario.server_speed_max),
    ]


def _repair(server: Servers, task: RoundingTask) -> Servers:
    """Move users from servers over budget, or with too many, to servers with room, the smallest loss of x first."""
    x = task.fractional.association
    n, m = x.shape
    most = most_users(task.scenario)
    # The part of its places that a user takes; where there is none it takes too much.
    count = np.where(most < n, np.where(most > 0, 1.0 / np.maximum(most, 1), 2.0), 0.0)
    share = np.array(
        [*(held / budget for held, budget in _resources(task.pairs, task.scenario)), np.tile(count, (n, 1))]
    )
    allowed = task.scenario.allowed
    server = server.copy()
    users = np.arange(n)
    load = np.array([np.bincount(server, part[users, server], minlength=m) for part in share])
    room = 1.0 + 1e-9
    for _ in range(n):
        over = np.flatnonzero((load > room).any(axis=0))
        if over.size == 0:
            break
        members = np.flatnonzero(np.isin(server, over))
        fits = (load[:, None, :] + share[:, members, :] <= room).all(axis=0) & allowed[members]
        fits[np.arange(len(members)), server[members]] = False
        if not fits.any():
            break  # nowhere to go: the shares are scaled back later
        loss = np.where(fits, x[members, server[members]][:, None] - x[members], np.inf)
        which, target = np.unravel_index(np.argmin(loss), loss.shape)
        user = members[which]
        load[:, server[user]] -= share[:, user, server[user]]
        load[:, target] += share[:, user, target]
        server[user] = target
    return server


Rounding: TypeAlias = Callable[[RoundingTask], Servers]

ROUNDINGS: dict[str, Rounding] = {"hungarian": hungarian, "argmax": argmax, "randomised": randomised}
