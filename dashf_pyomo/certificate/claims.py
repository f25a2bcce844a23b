"""What a claim proves of its box.

Let y >= 0, lambda >= 0, and any rho, and take an allocation of the box with delay T in [t0, t1], scaled score V and
cost K = omega T + sum of energies. Budgets hold, so sum lambda - sum_n lambda_m(n) . z_n >= 0, and each user's delay
is at most T, so its score - lambda . z - y energy - rho_n T is at most h_nm, the maximum that `cellbound` bounds::

    V - y K <= D = sum lambda + sum_n max over allowed m of h_nm + max over T in {t0, t1} of (sum rho - y omega) T

If D <= 0, V / K <= y. Otherwise V / K <= y + D / K <= y + D / (omega t0), which is infinite for t0 = 0. A user
with no pair that meets t1 makes the box empty. For each pair, the cells cover [0, x] x [phi range] for some x, and
where the SNR exceeds x the share of bandwidth is below cd / x (as pi <= 1), which does not suffice for t1; without
bandwidth there is no finite delay at all.

*Terms.* h_nm may be that of other prices: a weight a >= 0 of the score, c1 to c4 of the four energies, mu of phi, and a
constant k, with a score - lambda . z - sum c_i E_i - rho T - mu phi - k. What the user is worth to the ratio lies above
that by::

    score - y sum E_i - (a score - sum c_i E_i - mu phi - k) = (1 - a) score + sum (c_i - y) E_i + mu phi + k

As 0 <= score <= ln(1 + 3 norm) and E_i >= 0, that is at most max(1 - a, 0) ln(1 + 3 norm) plus the larger mu phi at the
ends of the range of phi, plus k, if no c_i is above y. It is added to h_nm, so that D is one of the ratio again. Where
a c_i is above y there is no such number, and nothing is proven.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from formulations import Scenario

from .balls import PRECISION, above, ball, flint
from .nodes import CertificateError, LeafClaim, Region, Terms
from .pairbound import PairPrices, PairRange, UnprovenError, pair_bound
from .scaled_pair import ScaledPair, Units

__all__ = ["UnprovenError", "UserTask", "claim_bound", "tasks_of", "user_bound"]


@dataclass(frozen=True, eq=False)
class UserTask:
    """One user of one claim: everything that its term of D needs.

    Parameters
    ----------
    claim, user
        Which claim, counted from 0, and n.
    t0, t1
        Range of the deadline.
    offload
        Range of phi.
    ratio, prices, delay_price
        y, lambda, shape (M, 3), and rho_n.
    leaves
        For every allowed server its leaves, shape (number, 10).
    terms
        Those of this user alone, N = 1; None stands for those of the service-cost ratio.
    """

    claim: int
    user: int
    t0: float
    t1: float
    offload: tuple[float, float]
    ratio: float
    prices: NDArray[np.float64]
    delay_price: float
    leaves: dict[int, NDArray[np.float64]]
    terms: Terms | None = None


def tasks_of(index: int, claim: LeafClaim, box: Region) -> Iterator[UserTask]:
    """Yield the users of a claim.

    Raises
    ------
    CertificateError
        If the claim is not one for the box.
    UnprovenError
        If the box has no longest deadline.
    """
    if claim.leaf_count.shape != box.allowed.shape:
        raise CertificateError(
            f"claim_leaf_count[{index}] has shape {claim.leaf_count.shape}; expected {box.allowed.shape}, (N, M)"
        )
    if not math.isfinite(box.t1):
        raise UnprovenError(f"claim for {box}: expected a finite longest deadline; only a late node proves others")
    closed = (claim.leaf_count > 0) & ~box.allowed
    if np.any(closed):
        n, m = np.argwhere(closed)[0]
        raise CertificateError(f"claim_leaf_count[{index}][{n}][{m}] > 0; expected 0, the box does not allow the pair")
    ends = np.cumsum(claim.leaf_count, dtype=np.int64).reshape(claim.leaf_count.shape)
    for n in range(len(claim.delay_price)):
        servers = np.flatnonzero(box.allowed[n]).tolist()
        leaves = {m: claim.leaves[ends[n, m] - claim.leaf_count[n, m] : ends[n, m]] for m in servers}
        offload = float(box.offload[n, 0]), float(box.offload[n, 1])
        rho = float(claim.delay_price[n])
        yield UserTask(index, n, box.t0, box.t1, offload, claim.ratio, claim.prices, rho, leaves, _of_user(claim, n))


def _of_user(claim: LeafClaim, n: int) -> Terms | None:
    t, one = claim.terms, slice(n, n + 1)
    return t and Terms(t.weight[one], t.energy_price[one], t.offload_price[one], t.constant[one])


def user_bound(scenario: Scenario, time_unit: float, cost_unit: float, task: UserTask) -> float:
    """Return a number above the largest worth of a user to the ratio over its allowed servers: h and what it charges.

    It is minus infinity if no server meets t1.

    Raises
    ------
    UnprovenError
        If the leaves of a pair do not cover all that may meet t1, or its energies are charged more than the ratio.
    """
    with flint().ctx.workprec(PRECISION):
        units = Units.of(scenario, time_unit, cost_unit)
        return max((_pair_bound(scenario, units, task, m) for m in task.leaves), default=-math.inf)


def _pair_bound(scenario: Scenario, units: Units, task: UserTask, m: int) -> float:
    where = f"claim {task.claim}, user {task.user}, server {m}"
    terms = task.terms or Terms.plain(task.ratio, (1, len(task.prices)))
    paid = tuple(terms.energy_price[0, m].tolist())
    weight, mu, k = ball(terms.weight[0]), ball(terms.offload_price[0, m]), ball(terms.constant[0, m])
    norm, (low, high) = ball(scenario.score_norm), map(ball, task.offload)
    unpaid = (1 - weight).max(ball(0.0)) * (1 + 3 * norm).log() + (mu * low).max(mu * high) + k
    lb, lp, ls = task.prices[m].tolist()
    prices = PairPrices(weight, paid, (lb, lp, ls), task.delay_price, mu, k - unpaid)
    within = PairRange(task.t0, task.t1, task.offload)
    pair = ScaledPair.of(scenario, task.user, m, units)
    bound = pair_bound(pair, norm, prices, within, task.leaves[m], where=where)
    if bound > -math.inf and max(paid) > task.ratio:
        raise UnprovenError(f"{where}: an energy price {max(paid)!r}; expected at most the ratio {task.ratio!r}")
    return bound


def claim_bound(claim: LeafClaim, box: Region, units: Units, users: list[float]) -> float:
    """Return a bound on the SCR in the box, SI units, from bounds of its users; minus infinity if it is empty.

    Parameters
    ----------
    claim, box
        The claim and its box.
    units
        Units of the certificate.
    users
        What `user_bound` returns for each user.
    """
    if -math.inf in users:
        return -math.inf
    if math.inf in users:
        return math.inf
    with flint().ctx.workprec(PRECISION):
        ratio, t0, t1 = ball(claim.ratio), ball(box.t0), ball(box.t1)
        unpaid = sum(map(ball, claim.delay_price.tolist()), ball(0.0)) - ratio * units.time_weight
        total = sum(map(ball, [*claim.prices.ravel().tolist(), *users]), ball(0.0))
        total += (unpaid * t0).max(unpaid * t1)
        if total <= 0:
            return above(ratio * units.scr)
        return above((ratio + total / (units.time_weight * t0)) * units.scr) if box.t0 > 0.0 else math.inf
