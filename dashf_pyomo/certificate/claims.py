"""What a claim proves of its box.

Everything but prices follows from the scenario (`stated`, `rows`): a_n, c_n, d_n, the weights and bounds q of the
rows, limits and least rates. Let y >= 0, lambda >= 0, kappa >= 0 and any rho, and take an allocation of the box with
scaled score V = sum a_n v_n and cost K. Budgets and rows hold, so sum lambda - sum_n lambda_m(n) . z_n >= 0, and sum
kappa q less what the parts of all users come to at the prices of the rows is at least 0, too. What the rows charge a
user at a server joins its prices: those of shares, c_1 to c_4 of the four energies, delta of its delay, mu of phi, and
k whatever is chosen. Users then have nothing in common but, where the cost has the largest delay, T in [t0, t1] with
D_n <= T::

    V - y K <= D = sum lambda + sum kappa q + sum_n max over allowed m of h_nm + max over T in {t0, t1} of (sum rho -
        y omega) T
    h_nm = max  a score - prices . z - sum c_i E_i - rho T - delta D_n - mu phi - k

The last of D is there with a common T alone. Without one, a user pays rho_n = y omega d_n for its own delay. What D
says of values is in `stated`; with y = 0, a = 0 and no cost at all it says by D < 0 that the box is empty.

*Delays.* `pairbound` bounds h at one price of a deadline t in an interval, with D_n <= t and D_n <= L, the longest
delay of the user, in general or in what is better than stated. The least delay, alone, is l.

- own: no common T. D_n itself is a deadline, so t in [l, min(t1, L)] at the price rho + delta >= 0.
- alike: delta is zero, or not charged, as it charges nothing negative. t = T in [t0, t1].
- apart: delta > 0 and rho >= 0. Delays within the box, T >= D_n >= t0, cost rho D_n at least: t in [t0, min(t1, L)] at
  rho + delta. Those before it cost rho t0: t in [l, min(t0, L)] at delta, and rho t0 joins k. These are the *early*
  leaves of a claim.

Where offloading is binary, phi = 0 and phi = 1 are bounded one by one. Without bandwidth there is no finite delay at
all. A user that fits nowhere makes the box empty.

*No longest delay.* Where nothing bounds the delay of a user there need be no cells: E_1, E_3 >= 0, E_2 >= phi e2 / cu
and E_4 >= (1 - phi) e4 / cd, as ln(1 + x) <= x, shares lie in [0, 1], and delays are at least l. What is left is linear
in phi.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .balls import PRECISION, above, ball, flint
from .nodes import CertificateError, LeafClaim, Region
from .pairbound import PairPrices, PairRange, UnprovenError, pair_bound
from .rows import Charges, least_rates
from .scaled_pair import ScaledPair, least_delay
from .stated import StatedProblem

__all__ = ["UnprovenError", "UserTask", "claim_bound", "fits_nowhere", "tasks_of", "user_bound"]

Array = NDArray[np.float64]
Ball = Any


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
    ratio, prices, delay_price, rows
        y, lambda, shape (M, 3), rho_n, and kappa.
    leaves, early
        For every allowed server its leaves, and those before the deadlines, shape (number, 10).
    """

    claim: int
    user: int
    t0: float
    t1: float
    offload: tuple[float, float]
    ratio: float
    prices: Array
    delay_price: float
    rows: list[float]
    leaves: dict[int, Array]
    early: dict[int, Array]


def tasks_of(index: int, claim: LeafClaim, box: Region, problem: StatedProblem) -> Iterator[UserTask]:
    """Yield the users of a claim.

    Raises
    ------
    CertificateError
        If the claim is not one for the box, or has prices that the objective does not leave open.
    UnprovenError
        If the box has no longest deadline, though users share one.
    """
    if claim.leaf_count.shape != box.allowed.shape:
        raise CertificateError(
            f"claim_leaf_count[{index}] has shape {claim.leaf_count.shape}; expected {box.allowed.shape}, (N, M)"
        )
    if claim.rows.size not in (0, problem.row_count):  # files of before have none
        raise CertificateError(
            f"claim_row_price[{index}] has {claim.rows.size} prices; expected {problem.row_count}, of the rows"
        )
    if problem.fixed_price is not None and claim.ratio != 0.0:
        raise CertificateError(f"claim_ratio[{index}] = {claim.ratio!r}; expected 0, the objective has no ratio")
    if not problem.shares_deadline and claim.delay_price.any():
        raise CertificateError(f"claim_delay_price[{index}] has prices; expected zeros, users share no deadline")
    if problem.shares_deadline and not math.isfinite(box.t1):
        raise UnprovenError(f"claim for {box}: expected a finite longest deadline; only a late node proves others")
    closed = (claim.leaf_count > 0) & ~box.allowed
    if np.any(closed):
        n, m = np.argwhere(closed)[0]
        raise CertificateError(f"claim_leaf_count[{index}][{n}][{m}] > 0; expected 0, the box does not allow the pair")
    ends = np.cumsum(claim.leaf_count, dtype=np.int64).reshape(claim.leaf_count.shape)
    rows = _row_prices(claim, problem)
    for n in range(len(claim.delay_price)):
        leaves, early = {}, {}
        for m in np.flatnonzero(box.allowed[n]).tolist():
            part = slice(ends[n, m] - claim.leaf_count[n, m], ends[n, m])
            marks = claim.early[part]
            leaves[m], early[m] = claim.leaves[part][~marks], claim.leaves[part][marks]
        offload = float(box.offload[n, 0]), float(box.offload[n, 1])
        rho = float(claim.delay_price[n])
        yield UserTask(index, n, box.t0, box.t1, offload, claim.ratio, claim.prices, rho, rows, leaves, early)


def _row_prices(claim: LeafClaim, problem: StatedProblem) -> list[float]:
    return claim.rows.tolist() if claim.rows.size else [0.0] * problem.row_count


def user_bound(problem: StatedProblem, task: UserTask) -> float:
    """Return a number above the largest worth h of a user over its allowed servers; minus infinity if it fits nowhere.

    Raises
    ------
    UnprovenError
        If the leaves of a pair do not cover all that may fit.
    """
    with flint().ctx.workprec(PRECISION):
        return max((_PairOfTask(problem, task, m).bound() for m in task.leaves), default=-math.inf)


def fits_nowhere(problem: StatedProblem, box: Region, n: int) -> bool:
    """Return whether it is proven that a user keeps the longest deadline and its limits at no server, even alone."""
    longest = _earlier(box.t1, problem.longest[n])
    ends = problem.ends(float(box.offload[n, 0]), float(box.offload[n, 1]))
    return all(
        _Site.of(problem, n, m).excludes(ball(1.0), end, longest)
        for m in np.flatnonzero(box.allowed[n]).tolist()
        for end in ends
    )


def _earlier(t1: float, limit: Ball | None) -> float:
    """Return a float that the earlier of a deadline and a limit does not exceed."""
    return t1 if limit is None else min(t1, above(limit))


@dataclass(frozen=True, eq=False)
class _Site:
    """A pair with what its rates need to be, in the units of R."""

    pair: ScaledPair
    need_up: Ball
    need_down: Ball

    @classmethod
    def of(cls, problem: StatedProblem, n: int, m: int) -> _Site:
        """Return that of a user and a server."""
        nats = ball(2.0).log() / ball(problem.scenario.bandwidth_max[m])
        up, down = least_rates(problem.scenario, n)
        return cls(problem.pair(n, m), ball(up) * nats, ball(down) * nats)

    def excludes(self, bandwidth: Ball, offload: tuple[float, float], longest: float) -> bool:
        """Return whether nothing with at most this bandwidth is in time and has the least rates."""
        if longest < math.inf and least_delay(self.pair, bandwidth, None, offload) > ball(longest):
            return True
        up = bandwidth * (self.pair.cu / bandwidth).log1p()
        down = bandwidth * (self.pair.cd / bandwidth).log1p()
        return bool(up < self.need_up or down < self.need_down)


class _PairOfTask:
    """A server of a task, at its prices."""

    def __init__(self, problem: StatedProblem, task: UserTask, m: int) -> None:
        n = task.user
        self._problem, self._task, self._m = problem, task, m
        self._site = _Site.of(problem, n, m)
        s = problem.scenario
        ratio = ball(task.ratio) if problem.fixed_price is None else problem.fixed_price
        charged = Charges()
        for group in problem.rows:
            group.charge(task.rows, n, m, charged)
        paid = ratio * problem.units.energy_weight * problem.energy_weight[n]
        self._energies = tuple(paid + price for price in charged.energies)
        budgets = s.bandwidth_max[m], s.server_power_max[m], s.server_speed_max[m]
        own = zip(task.prices[m].tolist(), charged.shares, budgets, strict=True)
        self._shares = tuple(ball(price) + more * ball(budget) for price, more, budget in own)
        #: delta, and rho: given, or what the user's own delay costs.
        self._delta, self._rho = charged.delay * ball(problem.units.time), ball(task.delay_price)
        if not problem.shares_deadline:
            self._rho = ratio * problem.units.time_weight * problem.delay_weight[n]
        self._mu, self._k = charged.offload, charged.constant
        self._limit = _earlier(math.inf, problem.longest[n])
        self._where = f"claim {task.claim}, user {n}, server {m}"
        if not self._delta >= 0:
            raise UnprovenError(f"{self._where}: a row pays for delay")

    def bound(self) -> float:
        """Return a number above h; minus infinity if the pair does not fit."""
        longest = min(self._task.t1, self._limit)
        worst = -math.inf
        for end in self._problem.ends(*self._task.offload):
            if self._site.excludes(ball(1.0), end, longest):
                continue
            if longest == math.inf:
                worst = max(worst, self._without_cells(end))
                continue
            for span, price, constant, leaves in self._pieces(end):
                worst = max(worst, self._with_cells(end, span, price, constant, leaves))
        return worst

    def _pieces(self, end: tuple[float, float]) -> Iterator[tuple[tuple[float, float], Ball, Ball, Array]]:
        """Yield intervals of a deadline that hold all delays, with its price, what joins k, and the leaves."""
        task, rho, delta = self._task, self._rho, self._delta
        t0, t1, limit, none = task.t0, task.t1, self._limit, ball(0.0)
        leaves, early = task.leaves[self._m], task.early[self._m]
        if not self._problem.shares_deadline:
            last = min(t1, limit)
            yield (min(self._least(end), last), last), rho + delta, none, leaves
            return
        before = min(t0, limit)
        none_early = self._site.excludes(ball(1.0), end, before)
        if not (delta > 0 and rho >= 0 and (none_early or len(early))):
            yield (t0, t1), rho, none, leaves
            return
        if not none_early:
            yield (min(self._least(end), before), before), delta, rho * ball(t0), early
        if limit >= t0:
            yield (t0, min(t1, limit)), rho + delta, none, leaves

    def _least(self, end: tuple[float, float]) -> float:
        """Return a float that the delay is at least."""
        least = -above(-least_delay(self._site.pair, ball(1.0), None, end))
        return max(least, 0.0) if math.isfinite(least) else 0.0

    def _with_cells(
        self, end: tuple[float, float], span: tuple[float, float], price: Ball, constant: Ball, leaves: Array
    ) -> float:
        problem, site = self._problem, self._site
        weight = problem.score_weight[self._task.user]
        prices = PairPrices(weight, self._energies, self._shares, price, self._mu, self._k + constant)
        within = PairRange(*span, end, self._limit, site.need_up, site.need_down)
        here = leaves[(leaves[:, 2] <= end[1]) & (leaves[:, 3] >= end[0])]
        s = problem.scenario
        return pair_bound(
            site.pair, ball(s.score_norm), prices, within, here, score=s.objective.score, where=self._where
        )

    def _without_cells(self, end: tuple[float, float]) -> float:
        """Return a number above h, whatever the delay is."""
        d, zero = self._site.pair, ball(0.0)
        _, c2, _, c4 = self._energies
        own, served = self._mu + c2 * d.e2 / d.cu, c4 * d.e4 / d.cd
        spent = [ball(phi) * own + (1 - ball(phi)) * served for phi in end]
        most = self._problem.score_weight[self._task.user] * self._problem.score_of_all
        free = sum(((-price).max(zero) for price in self._shares), zero)
        late = (self._rho + self._delta) * ball(self._least(end))
        return above(most + free - spent[0].min(spent[1]) - late - self._k)


def claim_bound(problem: StatedProblem, claim: LeafClaim, box: Region, users: list[float]) -> float:
    """Return a bound on the values in the box, SI units, from bounds of its users; minus infinity if it is empty.

    Parameters
    ----------
    problem
        What is stated.
    claim, box
        The claim and its box.
    users
        What `user_bound` returns for each user.
    """
    if -math.inf in users:
        return -math.inf
    if math.inf in users:
        return math.inf
    with flint().ctx.workprec(PRECISION):
        ratio = ball(claim.ratio) if problem.fixed_price is None else problem.fixed_price
        total = sum(map(ball, [*claim.prices.ravel().tolist(), *users]), ball(0.0))
        rows = _row_prices(claim, problem)
        for group in problem.rows:
            for place, bound in zip(group.place, group.bound, strict=True):
                if place is not None:
                    total += ball(rows[place]) * bound
        if problem.shares_deadline:
            unpaid = sum(map(ball, claim.delay_price.tolist()), ball(0.0)) - ratio * problem.units.time_weight
            total += (unpaid * ball(box.t0)).max(unpaid * ball(box.t1))
        return problem.claimed(ratio, total, problem.least_cost(box))
