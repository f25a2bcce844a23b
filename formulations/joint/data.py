"""Data of the joint models that are known before a solver starts: units, bounds, and pairs that cannot be used.

Everything follows from an allocation that is known and from the data. The score of any allocation is at most what the
budgets allow, S. One that is at least as good as the known one costs at most S / y where the known SCR is y, at most
(S - v) / price where the known utility is v, and at most v where the known cost is v; where the least of the users'
ratios is known to be y, each costs at most its own largest score over y. Delays and energies are bounded by what they
cost. What this excludes is removed by proof. A known sum of ratios says nothing of any one user, so there, and where
time costs nothing, all delays have to be limited.

That proof is about the objective that the scenario declares. Where something else is to be optimised, or allocations
are wanted that are worse than the known one, the data is made with ``assume_scr=False``: a longest delay takes the
place of the bound from the known value, and everything else follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation, Evaluation, evaluate
from ..association.coefficients import optimal_offloading
from ..association.pair_resources import equal_split, where_allowed
from ..constraints import Over
from ..documents import InputError
from ..objective import DelayKind, ObjectiveKind, Sense
from ..scaled import ScaledPairs
from ..scenario import Scenario
from ..terms import Sites, rows_of
from .pair_parts import JointLimits, permitted_offload

__all__ = ["JointData", "known_allocation"]

Array = NDArray[np.float64]

#: Bounds that come out of root finding are widened by this much, relative, to stay bounds.
WIDENED = 1e-9

#: The longest delay of models without an assumption about the SCR, in delays of the known allocation, where none is
#: stated.
LONGEST = 1e3


#: Most associations that are tried for a known allocation where the usual ones break extra constraints.
_MOST_TRIED = 256


def known_allocation(scenario: Scenario) -> Allocation:
    """Return the best of a few simple allocations: nearest or cyclic association, equal resources, offloading by LP.

    Where these break extra constraints, other associations are tried, and users at either end of their range.

    Raises
    ------
    InputError
        If none of them meets the extra constraints and has a value to scale by.
    """
    users = np.arange(scenario.n_users, dtype=np.int64)
    nearest, cyclic = np.argmax(scenario.channel_gain, axis=1), users % scenario.n_servers
    best = _best_simple(scenario, [nearest, cyclic], ends=False)
    if best is None and scenario.constraints is not None:
        every = (np.array(one) for one in islice(product(range(scenario.n_servers), repeat=len(users)), _MOST_TRIED))
        best = _best_simple(scenario, every, ends=True)
    if best is None and scenario.constraints is not None:
        raise InputError(
            "no simple allocation meets the extra constraints; give the joint models a known one (method minlp does)"
        )
    if best is None:
        raise InputError(
            "no simple allocation has a positive service-cost ratio or a finite value; the joint models scale by one"
        )
    return best


def _best_simple(scenario: Scenario, associations: Iterable[NDArray[np.int64]], ends: bool) -> Allocation | None:
    objective = scenario.objective
    best, most = None, objective.worst
    for chosen in associations:
        server = where_allowed(scenario, chosen)
        tried = [_with_offloading(scenario, server)]
        if ends:
            tried += [_equal(scenario, server, np.full(scenario.n_users, phi)) for phi in (0.0, 0.5, 1.0)]
        for allocation, ratio in tried:
            e = evaluate(scenario, allocation)
            # The last iterate may be worse in the ratio than one before by rounding.
            value = ratio if objective.kind is ObjectiveKind.SCR and scenario.constraints is None else e.value
            if (e.feasible or scenario.constraints is None) and objective.better(value, most):
                best, most = allocation, value
    return best


def _equal(scenario: Scenario, server: NDArray[np.int64], offload: Array) -> tuple[Allocation, float]:
    """Return an allocation with equal resources, and its SCR."""
    allocation = equal_split(scenario, server, permitted_offload(scenario, offload))
    return allocation, evaluate(scenario, allocation).scr


def _with_offloading(scenario: Scenario, server: NDArray[np.int64]) -> tuple[Allocation, float]:
    """Return an allocation with equal resources and offloading by Dinkelbach in that alone, and the best SCR of it."""
    price = scenario.objective.cost_price
    allocation, ratio = _equal(scenario, server, np.full(scenario.n_users, 0.5))
    for _ in range(3):
        offload = optimal_offloading(scenario, allocation, price or ratio)
        allocation, found = _equal(scenario, server, offload)
        ratio = max(ratio, found)
    return allocation, ratio


@dataclass(frozen=True, eq=False)
class JointData:
    """Scaled coefficients and proven bounds of one scenario.

    Parameters
    ----------
    scenario
        The data.
    value
        The objective of an allocation that is known: the optimum is at least as good.
    pairs
        Coefficients; the time unit is the known allocation's delay, the cost unit its cost.
    longest
        The longest delay, scaled, of data that assumes nothing about the SCR; None where the known one bounds all.
    stated
        Whether that longest delay is part of the problem: somebody stated it, or the scenario's limits imply it.
    """

    scenario: Scenario
    value: float
    pairs: ScaledPairs
    longest: float | None = None
    stated: bool = False

    @classmethod
    def of(
        cls,
        scenario: Scenario,
        known: Allocation | None = None,
        assume_scr: bool = True,
        longest_delay: float | None = None,
    ) -> JointData:
        """Return the data that follows from a known allocation; a simple one is made where none is given.

        Parameters
        ----------
        scenario
            The data.
        known
            The known allocation.
        assume_scr
            Whether allocations with a worse objective than the known one may be left out. If not, the known one only
            gives units, and may break extra constraints.
        longest_delay
            Without that: the longest delay, s; `LONGEST` times that of the known allocation by default.

        Raises
        ------
        InputError
            If the known allocation is not feasible, the best delay may be unbounded (time costs nothing, or only the
            sum of the users' ratios counts) and no limit bounds every one (then none need be attained), or the longest
            delay is none.
        """
        kind = scenario.objective.kind
        if not np.isfinite(_limited_delay(scenario)).all():
            why = "weight_time = 0" if scenario.weight_time <= 0.0 else f"objective {kind}"
            sacrifices = kind is ObjectiveKind.SUM_OF_RATIOS or bool(
                np.any(scenario.objective.cost_weights(scenario.n_users) == 0.0)
            )
            if scenario.weight_time <= 0.0 or sacrifices:
                expected = "a positive weight, or " if scenario.weight_time <= 0.0 else ""
                raise InputError(f"{why}: the best delay is unbounded; expected {expected}a limit of every delay")
        # Without extra constraints a known allocation must not hide that the data allow none to scale by.
        simple = known_allocation(scenario) if known is None or scenario.constraints is None else known
        allocation = simple if known is None else known
        e = evaluate(scenario, allocation)
        positive = kind is ObjectiveKind.SCR or kind.by_user
        usable = e.feasible or (not assume_scr and np.isfinite(e.delay))
        if not (usable and (e.value > 0.0 if positive else np.isfinite(e.value))):
            raise InputError("the known allocation is not feasible or has no SCR above zero; expected a feasible one")
        pairs = ScaledPairs.of(scenario, e.delay, _cost_unit(scenario, e))
        if assume_scr:
            if longest_delay is not None:
                raise InputError(f"longest_delay = {longest_delay!r}; expected none, or assume_scr=False with it")
            return cls(scenario, e.value, pairs)
        found = cls(scenario, e.value, pairs, *_longest(scenario, longest_delay, e.delay))
        if found.most_delay < found.least_delay:
            raise InputError(
                f"longest delay of {found.most_delay * e.delay:.6g} s; expected at least "
                f"{found.least_delay * e.delay:.6g} s, which no allocation is below"
            )
        return found

    # -- units --------------------------------------------------------------------------------

    @property
    def kind(self) -> ObjectiveKind:
        """Kind of the objective."""
        return self.scenario.objective.kind

    @property
    def scr_unit(self) -> float:
        """SCR of one scaled score unit per scaled cost unit."""
        return self.scenario.score_scale / self.pairs.cost_unit

    @property
    def value_unit(self) -> float:
        """What one unit of the scaled value is, which is maximised: an SCR or ratios, a score, or minus a cost."""
        if self.kind is ObjectiveKind.COST:
            return -self.pairs.cost_unit
        return self.scenario.score_scale if self.kind is ObjectiveKind.UTILITY else self.scr_unit

    @property
    def objective_unit(self) -> float:
        """What one unit of the models' objective is, which has the sense of the scenario's."""
        return abs(self.value_unit)

    @property
    def ratio(self) -> float:
        """Price y of the cost in the parametric form: the known value of a ratio, else the price of the cost."""
        price = self.scenario.objective.cost_price
        return self.value if price is None else price

    @property
    def assumes_scr(self) -> bool:
        """Whether what is worse than the known allocation is left out."""
        return self.longest is None

    @property
    def least_ratio(self) -> float:
        """`ratio` in scaled units."""
        return self.ratio / self.scr_unit

    # -- bounds on whole allocations ----------------------------------------------------------

    @cached_property
    def largest_total(self) -> float:
        """Bound on the sum of the scaled scores, each counted once, that follows from the budgets."""
        s = self.scenario
        return s.score.largest_total(s.n_users, s.n_servers) * (1.0 + WIDENED)

    @cached_property
    def most_score(self) -> float:
        """Bound on the scaled score as the objective counts it that follows from the budgets."""
        weights = self.scenario.objective.score_weights(self.scenario.n_users)
        return self.largest_total * float(weights.max())

    @property
    def _most_known_cost(self) -> float:
        """Bound on the scaled cost of an allocation at least as good as the known one; infinite for users' ratios."""
        if self.kind.by_user:
            return np.inf
        if self.kind is ObjectiveKind.SCR:
            return self.most_score / self.least_ratio
        known = self.value / self.objective_unit
        if self.kind is ObjectiveKind.COST:
            return known * (1.0 + WIDENED)
        most = max(self.most_score, known)
        return (most - known + WIDENED * (abs(most) + abs(known))) / self.least_ratio * (1.0 + WIDENED)

    @property
    def most_user_score(self) -> Array:
        """Bound on the scaled score of each user as the objective counts it, shape (N,)."""
        s = self.scenario
        return s.objective.score_weights(s.n_users) * s.score.largest * (1.0 + WIDENED)

    @property
    def most_user_cost(self) -> Array:
        """Bound on the scaled cost of each user by itself in an allocation at least as good, shape (N,)."""
        if self.kind is ObjectiveKind.MAX_MIN and self.longest is None:
            return self.most_user_score / self.least_ratio * (1.0 + WIDENED)
        return np.full(self.scenario.n_users, np.inf)

    @property
    def cost_left_out(self) -> float:
        """A scaled cost that every allocation exceeds which the bounds on delay and energy leave out.

        Infinite where the longest delay is what limits of the scenario imply, which leaves none out. Where users have
        ratios of their own it is the cost of one of them.
        """
        if self.longest is None:
            return self._most_known_cost
        limited = _limited_delay(self.scenario) / self.pairs.time_unit
        if np.all(limited <= self.longest):
            return np.inf
        counted = self.scenario.objective.delay_weights(self.scenario.n_users)
        return self.pairs.time_weight * self.longest * (float(counted.min()) if counted.any() else 1.0)

    @property
    def leaves_nothing_out(self) -> bool:
        """Whether every allocation of the scenario is within the bounds."""
        return self.longest is not None and self.cost_left_out == np.inf

    def left_out(self, ratio: float | None = None) -> float:
        """Return a bound on the models' objective at all allocations that the bounds leave out: those cost much.

        Parameters
        ----------
        ratio
            y of a parametric objective, SI; None for the objective of the scenario.
        """
        cost = self.cost_left_out
        if ratio is not None:
            return self.most_score - ratio / self.scr_unit * cost if ratio > 0.0 else self.most_score
        if self.kind.by_user:
            # A sum is left out by limits alone, whoever else has what.
            if self.kind is ObjectiveKind.SUM_OF_RATIOS:
                return -np.inf
            return self.least_ratio if self.longest is None else _ratio(float(self.most_user_score.max()), cost)
        if self.kind is ObjectiveKind.COST:
            return cost
        if self.kind is ObjectiveKind.UTILITY:
            return self.most_score - self.least_ratio * cost
        return _ratio(self.most_score, cost)

    def best(self, ratio: float | None = None) -> float:
        """Return the bound on the models' objective that needs no solver: the most score at the least cost.

        Parameters
        ----------
        ratio
            As in `left_out`.
        """
        cost = self.least_cost
        if ratio is not None:
            return self.most_score - ratio / self.scr_unit * cost
        if self.kind.by_user:
            ratios = self.most_user_ratio
            return float(ratios.sum() if self.kind is ObjectiveKind.SUM_OF_RATIOS else ratios.min())
        if self.kind is ObjectiveKind.COST:
            return cost
        if self.kind is ObjectiveKind.UTILITY:
            return self.most_score - self.least_ratio * cost
        return _ratio(self.most_score, cost)

    def weaker(self, one: float, other: float) -> float:
        """Return the weaker of two bounds on the models' objective, which holds wherever one of them does."""
        return min(one, other) if self.scenario.objective.sense is Sense.MIN else max(one, other)

    @property
    def most_delay(self) -> float:
        """Bound on the scaled delay of an allocation at least as good as the known one, or the longest delay."""
        if self.longest is not None:
            return self.longest
        s, weight = self.scenario, self.pairs.time_weight
        if self.kind is ObjectiveKind.SCR and s.objective.delay is DelayKind.LARGEST and weight > 0.0:
            return self.most_score / (self.least_ratio * weight) * (1.0 + WIDENED)
        return float(self._own_delay.max())

    @cached_property
    def _own_delay(self) -> Array:
        """Bound on every user's scaled delay, by the known cost and by limits, shape (N,)."""
        s, weight = self.scenario, self.pairs.time_weight
        limited = _limited_delay(s) / self.pairs.time_unit * (1.0 + WIDENED)
        if weight == 0.0:
            return limited
        if self.kind.by_user:
            return np.minimum(self.most_user_cost / weight * (1.0 + WIDENED), limited)
        counted = s.objective.delay_weights(s.n_users)
        if not counted.any():
            return np.minimum(self._most_known_cost / weight * (1.0 + WIDENED), limited)
        # What the others cost at least is not left for one user's delay.
        least = weight * counted * self.pair_delay.min(axis=1)
        others = least.sum() * (1.0 - WIDENED) - least
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            own = (self._most_known_cost - np.maximum(others, 0.0)) / (weight * counted)
        return np.minimum(np.where(counted > 0.0, own * (1.0 + WIDENED), np.inf), limited)

    @property
    def most_energy(self) -> float:
        """Bound on the scaled weighted energy, as the cost counts it, of an allocation that is not left out."""
        if self.longest is not None or self.kind.by_user:
            s = self.scenario
            counted = np.ones(s.n_users) if self.kind.by_user else s.objective.cost_weights(s.n_users)
            return float((counted * self._whole_energy).sum()) * (1.0 + WIDENED)
        return (self._most_known_cost - self.least_cost) * (1.0 + WIDENED)

    @property
    def _whole_energy(self) -> Array:
        """Bound on each user's scaled weighted energy: everything at full speed, full power all the time, (N,)."""
        price = self.pairs.energy_prices
        training = np.maximum(price["energy_local"], price["energy_server"])
        sending = np.maximum(price["energy_uplink"], price["energy_downlink"])
        longest = self.time_bound[:, np.newaxis] if self.longest is None else self.longest
        return np.where(self.scenario.allowed, training + sending * longest, 0.0).max(axis=1)

    @cached_property
    def user_energy(self) -> Array:
        """Bound on each user's scaled weighted energy, counted once, shape (N,)."""
        if self.kind.by_user:
            spent = self.most_user_cost - self.pairs.time_weight * self.pair_delay.min(axis=1) * (1.0 - WIDENED)
            return np.minimum(spent, self._whole_energy) * (1.0 + WIDENED)
        counted = self.scenario.objective.cost_weights(self.scenario.n_users)
        if np.all(counted > 0.0):
            return self.most_energy / counted
        whole = self._whole_energy * (1.0 + WIDENED)
        return np.where(counted > 0.0, self.most_energy / np.where(counted > 0.0, counted, 1.0), whole)

    @cached_property
    def pair_delay(self) -> Array:
        """Least delay of every pair, alone with all resources, scaled, shape (N, M); delay is linear in phi.

        Infinite where the pair is not allowed.
        """
        s, sites = self.scenario, Sites(self.scenario)
        whole = sites.terms(
            s.bandwidth_max,
            sites.user("user_power_max"),
            s.server_power_max,
            sites.user("user_speed_max"),
            s.server_speed_max,
        )
        with np.errstate(over="ignore"):
            least = np.minimum(whole.user_end[0], whole.server_end[0]) / self.pairs.time_unit * (1.0 - WIDENED)
        return np.where(s.allowed, least, np.inf)

    @property
    def least_delay(self) -> float:
        """Lower bound on the scaled delay: every user alone at its best server with all resources."""
        return float(self.pair_delay.min(axis=1).max())

    @property
    def most_cost(self) -> float:
        """Upper bound on the scaled cost."""
        if self.longest is not None:
            delay = self.scenario.objective.total_delay(np.full(self.scenario.n_users, self.longest))
            return self.pairs.time_weight * delay + self.most_energy
        return self._most_known_cost

    @cached_property
    def least_cost(self) -> float:
        """Lower bound on the scaled cost; zero where time costs nothing and energy vanishes."""
        s = self.scenario
        if self.pairs.time_weight == 0.0:
            return float((s.objective.cost_weights(s.n_users) * self._least_energy).sum()) * (1.0 - WIDENED)
        if s.objective.delay is DelayKind.LARGEST:
            return self.pairs.time_weight * self.least_delay
        least = s.objective.delay_weights(s.n_users) * self.pair_delay.min(axis=1)
        return self.pairs.time_weight * float(least.sum()) * (1.0 - WIDENED)

    @property
    def least_user_cost(self) -> Array:
        """Lower bound on the scaled cost of each user by itself, shape (N,)."""
        if self.pairs.time_weight == 0.0:
            return self._least_energy * (1.0 - WIDENED)
        return self.pairs.time_weight * self.pair_delay.min(axis=1) * (1.0 - WIDENED)

    @property
    def most_user_ratio(self) -> Array:
        """Bound on each user's scaled ratio as the objective counts it, shape (N,)."""
        with np.errstate(divide="ignore"):
            return self.most_user_score / self.least_user_cost

    @cached_property
    def _least_energy(self) -> Array:
        """Lower bound on each user's scaled weighted energy within its longest delay D, shape (N,).

        Training phi at the user takes a speed of local_time phi / D at least, so an energy of A phi^3, and the rest at
        the server B (1 - phi)^3; the least of their sum is A B / (sqrt A + sqrt B)^2.
        """
        p, longest = self.pairs, self.user_delay[:, np.newaxis]
        own = np.sqrt(p.local_energy)[:, np.newaxis] * p.local_time[:, np.newaxis] / longest
        served = np.sqrt(p.server_energy) * p.server_time / longest
        total = own + served
        least = (own * served / np.where(total > 0.0, total, 1.0)) ** 2
        return np.where(self.scenario.allowed, least, np.inf).min(axis=1) * (1.0 - WIDENED)

    # -- bounds on pairs ----------------------------------------------------------------------

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Pairs that an allocation within the bounds can use, shape (N, M)."""
        usable = self.pair_delay <= self.user_delay[:, np.newaxis]
        if self.limits is not None:
            usable &= self.limits.reachable(self.pairs.snr_up, self.pairs.snr_down)
        return usable

    @cached_property
    def limits(self) -> JointLimits | None:
        """Extra constraints of the scenario in the units of the model, None where there are none."""
        return JointLimits.of(self.scenario, self.pairs.time_unit)

    @cached_property
    def user_delay(self) -> Array:
        """Bound on every user's scaled delay: that on the whole, and its own limit, shape (N,)."""
        most = np.full(self.scenario.n_users, self.most_delay)
        if self.longest is None:
            most = np.minimum(most, self._own_delay)
        return most if self.limits is None else np.minimum(most, self.limits.delay * (1.0 + WIDENED))

    @property
    def time_bound(self) -> Array:
        """Bound on every time of a user in the models, shape (N,): tighter where users have delays of their own."""
        own = self.kind.by_user or self.scenario.objective.delay is not DelayKind.LARGEST
        return self.user_delay if own else np.full(self.scenario.n_users, self.most_delay)

    @cached_property
    def least_bandwidth(self) -> Array:
        """Least share of bandwidth that a connected pair needs, shape (N, M); 1 where the pair is not usable.

        Whatever phi, something is sent up or down, so the faster link at full power must carry the adapter in time:
        max(R_up, R_down) >= link_time / T_max, and R increases in the share. So does a least rate, at full power.
        """
        p = self.pairs
        least = _least_share(np.maximum(p.snr_up, p.snr_down), p.link_time / self.user_delay[:, np.newaxis])
        if self.limits is not None:
            for snr, need in ((p.snr_up, self.limits.need_up), (p.snr_down, self.limits.need_down)):
                least = np.maximum(least, np.where(need > 0, _least_share(snr, need), 0.0))
        return np.where(self.usable, least, 1.0)

    def _of_limits(self, over: Over) -> list[Array]:
        """Return what limits say of every user, or of every server: bounds of their own rows, and all weights."""
        found: list[Array] = []
        for rows in rows_of(self.scenario):
            found += [rows.bound] if rows.limit.over is over else []
            found += [weight if over is Over.USER else weight.T for weight in rows.weights.values()]
        return found

    def identical_users(self) -> list[tuple[int, int]]:
        """Return pairs of users (n, n') with n < n' and the same data throughout; neighbours of each group only."""
        s = self.scenario
        rows = np.column_stack(
            [
                s.channel_gain,
                s.user_power_max,
                s.user_speed_max,
                s.user_gpus,
                s.user_capacitance,
                s.adapter_params,
                s.flops_per_param,
                s.user_epochs,
                *self._of_limits(Over.USER),
                s.allowed,
                s.objective.score_weights(s.n_users),
                s.objective.cost_weights(s.n_users),
                *([] if s.constraints is None else [s.constraints.offload]),
            ]
        )
        return _neighbours(rows)

    def identical_servers(self) -> list[tuple[int, int]]:
        """Return pairs of servers (m, m') with m < m' and the same data and gains; neighbours of each group only."""
        s = self.scenario
        rows = np.column_stack(
            [
                s.channel_gain.T,
                s.bandwidth_max,
                s.server_power_max,
                s.server_speed_max,
                s.server_gpus,
                s.server_capacitance,
                s.server_epochs,
                *self._of_limits(Over.SERVER),
                s.allowed.T,
            ]
        )
        return _neighbours(rows)


def _ratio(score: float, cost: float) -> float:
    """Return score over cost, infinite where that is zero."""
    return score / cost if cost > 0.0 else np.inf


def _cost_unit(scenario: Scenario, e: Evaluation) -> float:
    """Return the cost of the known allocation; the mean of the users' where they have costs of their own."""
    kind = scenario.objective.kind
    if kind is ObjectiveKind.SCR:
        return e.score / e.scr
    if kind.by_user:
        return float(np.mean(scenario.user_costs(e.user_delay, e.energy_by_user)))
    return scenario.cost(e.user_delay, e.energy_by_user)


def _limited_delay(scenario: Scenario) -> Array:
    """Return the longest delay of every user, s, that limits of the scenario allow, shape (N,)."""
    n, extra = scenario.n_users, scenario.constraints
    if extra is None:
        return np.full(n, np.inf)
    return np.minimum(extra.delay_limit, n * float(extra.limits["mean_delay"][0]))


def _longest(scenario: Scenario, longest_delay: float | None, known_delay: float) -> tuple[float, bool]:
    """Return the longest delay in delays of the known allocation, and whether it is part of the problem.

    Raises
    ------
    InputError
        If it is not positive and finite.
    """
    limit = np.inf if scenario.constraints is None else float(np.max(scenario.constraints.delay_limit))
    if longest_delay is None:
        return min(LONGEST, limit / known_delay * (1.0 + WIDENED)), limit / known_delay <= LONGEST
    number = isinstance(longest_delay, (int, float)) and not isinstance(longest_delay, bool)
    if not (number and 0.0 < longest_delay < np.inf):
        raise InputError(f"longest_delay = {longest_delay!r}; expected a number of seconds above zero")
    return min(longest_delay, limit * (1.0 + WIDENED)) / known_delay, True


def _least_share(snr: Array, needed: Array) -> Array:
    """Return the least share of bandwidth with R >= needed at this SNR, or one, shape (N, M)."""
    low, high = np.full(snr.shape, -700.0), np.zeros(snr.shape)
    for _ in range(100):  # bisection on the logarithm of the share
        middle = 0.5 * (low + high)
        share = np.exp(middle)
        with np.errstate(over="ignore"):
            enough = share * np.log1p(snr / share) >= needed
        high = np.where(enough, middle, high)
        low = np.where(enough, low, middle)
    return np.exp(low) * (1.0 - WIDENED)


def _neighbours(rows: Array) -> list[tuple[int, int]]:
    last: dict[bytes, int] = {}
    found = []
    for index, row in enumerate(rows):
        key = row.tobytes()
        if key in last:
            found.append((last[key], index))
        last[key] = index
    return found
