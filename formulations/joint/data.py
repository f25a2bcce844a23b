"""Data of the joint models that are known before a solver starts: units, bounds, and pairs that cannot be used.

Everything follows from an allocation that is known and from the data. The score of any allocation is at most what the
budgets allow, S. One that is at least as good as the known one costs at most S / y where the known SCR is y, at most
(S - v) / price where the known utility is v, and at most v where the known cost is v; delays and energies are bounded
by what they cost. What this excludes is removed by proof.

That proof is about the objective that the scenario declares. Where something else is to be optimised, or allocations
are wanted that are worse than the known one, the data is made with ``assume_scr=False``: a longest delay takes the
place of the bound from the known value, and everything else follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation, evaluate
from ..association.coefficients import optimal_offloading
from ..association.pair_resources import equal_split, where_allowed
from ..constraints import Over
from ..documents import InputError
from ..objective import DelayKind, ObjectiveKind
from ..scaled import ScaledPairs
from ..scenario import Scenario
from ..terms import Sites, rows_of
from .pair_parts import JointLimits

__all__ = ["JointData", "known_allocation"]

Array = NDArray[np.float64]

#: Bounds that come out of root finding are widened by this much, relative, to stay bounds.
WIDENED = 1e-9

#: The longest delay of models without an assumption about the SCR, in delays of the known allocation, where none is
#: stated.
LONGEST = 1e3


def known_allocation(scenario: Scenario) -> Allocation:
    """Return the best of a few simple allocations: nearest or cyclic association, equal resources, offloading by LP.

    Raises
    ------
    InputError
        If none of them has an SCR above zero.
    """
    objective = scenario.objective
    best, most = None, objective.worst
    users = np.arange(scenario.n_users, dtype=np.int64)
    for chosen in (np.argmax(scenario.channel_gain, axis=1), users % scenario.n_servers):
        server = where_allowed(scenario, chosen)
        allocation = equal_split(scenario, server, np.full(scenario.n_users, 0.5))
        ratio = evaluate(scenario, allocation).scr
        for _ in range(3):  # Dinkelbach in the offloading alone
            offload = optimal_offloading(scenario, allocation, objective.cost_price or ratio)
            allocation = equal_split(scenario, server, offload)
            ratio = max(ratio, evaluate(scenario, allocation).scr)
        e = evaluate(scenario, allocation)
        # The last iterate may be worse in the ratio than one before by rounding.
        value = ratio if objective.kind is ObjectiveKind.SCR and scenario.constraints is None else e.value
        if (e.feasible or scenario.constraints is None) and objective.better(value, most):
            best, most = allocation, value
    if best is None and scenario.constraints is not None:
        raise InputError(
            "no simple allocation meets the extra constraints; give the joint models a known one (method minlp does)"
        )
    if best is None:
        raise InputError(
            "no simple allocation has a positive service-cost ratio or a finite value; the joint models scale by one"
        )
    return best


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
            Whether allocations with a lower SCR than the known one may be left out.
        longest_delay
            Without that: the longest delay, s; `LONGEST` times that of the known allocation by default.

        Raises
        ------
        InputError
            If the known allocation is not feasible, users have ratios of their own, the weight of time is zero and no
            limit bounds every delay (then none need be attained), or the longest delay is none.
        """
        if scenario.objective.kind.by_user:
            raise InputError(f"objective {scenario.objective.kind}: expected one with a common cost")
        if scenario.weight_time <= 0.0 and not np.isfinite(_limited_delay(scenario)).all():
            raise InputError(
                "weight_time = 0: the best delay is unbounded; expected a positive weight, or a limit of every delay"
            )
        # Without extra constraints a known allocation must not hide that the data allow none to scale by.
        simple = known_allocation(scenario) if known is None or scenario.constraints is None else known
        allocation = simple if known is None else known
        e = evaluate(scenario, allocation)
        scr = scenario.objective.kind is ObjectiveKind.SCR
        if not (e.feasible and (e.scr > 0.0 if scr else np.isfinite(e.value))):
            raise InputError("the known allocation is not feasible or has no SCR above zero; expected a feasible one")
        cost = e.score / e.scr if scr else scenario.cost(e.user_delay, e.energy_by_user)
        pairs = ScaledPairs.of(scenario, e.delay, cost)
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
    def scr_unit(self) -> float:
        """SCR of one scaled score unit per scaled cost unit."""
        return self.scenario.score_scale / self.pairs.cost_unit

    @property
    def value_unit(self) -> float:
        """What one unit of the scaled value is: an SCR, a score, or minus a cost; the scaled value is maximised."""
        kind = self.scenario.objective.kind
        if kind is ObjectiveKind.COST:
            return -self.pairs.cost_unit
        return self.scr_unit if kind is ObjectiveKind.SCR else self.scenario.score_scale

    @property
    def ratio(self) -> float:
        """Price y of the cost in the parametric form: the known SCR, else the price of the cost."""
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

    @property
    def cost_left_out(self) -> float:
        """A scaled cost that every allocation exceeds which the bounds on delay and energy leave out."""
        if self.longest is None:
            return self._most_known_cost
        return self.pairs.time_weight * self.longest

    # -- bounds on whole allocations ----------------------------------------------------------

    @cached_property
    def most_score(self) -> float:
        """Bound on the scaled score that follows from the budgets."""
        s = self.scenario
        total = s.score.largest_total(s.n_users, s.n_servers) * (1.0 + WIDENED)
        return total * float(s.objective.score_weights(s.n_users).max())

    @property
    def _most_known_cost(self) -> float:
        """Bound on the scaled cost of an allocation at least as good as the known one."""
        kind = self.scenario.objective.kind
        if kind is ObjectiveKind.SCR:
            return self.most_score / self.least_ratio
        known = self.value / abs(self.value_unit)
        if kind is ObjectiveKind.COST:
            return known * (1.0 + WIDENED)
        most = max(self.most_score, known)
        return (most - known + WIDENED * (abs(most) + abs(known))) / self.least_ratio * (1.0 + WIDENED)

    @property
    def most_delay(self) -> float:
        """Bound on the scaled delay of an allocation at least as good as the known one, or the longest delay."""
        if self.longest is not None:
            return self.longest
        s, weight = self.scenario, self.pairs.time_weight
        if s.objective.kind is ObjectiveKind.SCR and s.objective.delay is DelayKind.LARGEST and weight > 0.0:
            return self.most_score / (self.least_ratio * weight) * (1.0 + WIDENED)
        return float(self._own_delay.max())

    @cached_property
    def _own_delay(self) -> Array:
        """Bound on every user's scaled delay, by the known cost and by limits, shape (N,)."""
        s, weight = self.scenario, self.pairs.time_weight
        limited = _limited_delay(s) / self.pairs.time_unit * (1.0 + WIDENED)
        if weight == 0.0:
            return limited
        counted = s.objective.delay_weights(s.n_users)
        if not counted.any():
            return np.minimum(self._most_known_cost / weight * (1.0 + WIDENED), limited)
        # What the others cost at least is not left for one user's delay.
        least = weight * counted * self.pair_delay.min(axis=1)
        others = least.sum() * (1.0 - WIDENED) - least
        with np.errstate(divide="ignore", over="ignore"):
            own = (self._most_known_cost - np.maximum(others, 0.0)) / (weight * counted)
        return np.minimum(own * (1.0 + WIDENED), limited)

    @property
    def most_energy(self) -> float:
        """Bound on the scaled weighted energy of an allocation that the delay does not leave out."""
        if self.longest is not None:  # everything at full speed, and full power all the time
            p = self.pairs
            price = p.energy_prices
            training = np.maximum(price["energy_local"], price["energy_server"])
            sending = np.maximum(price["energy_uplink"], price["energy_downlink"])
            most = np.where(self.scenario.allowed, training + sending * self.longest, 0.0)
            return float(most.max(axis=1).sum()) * (1.0 + WIDENED)
        return (self._most_known_cost - self.least_cost) * (1.0 + WIDENED)

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
            return self.pairs.time_weight * self.longest + self.most_energy
        return self._most_known_cost

    @property
    def least_cost(self) -> float:
        """Lower bound on the scaled cost."""
        s = self.scenario
        if s.objective.delay is DelayKind.LARGEST:
            return self.pairs.time_weight * self.least_delay
        least = s.objective.delay_weights(s.n_users) * self.pair_delay.min(axis=1)
        return self.pairs.time_weight * float(least.sum()) * (1.0 - WIDENED)

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
