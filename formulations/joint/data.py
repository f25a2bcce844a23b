"""Data of the joint models that are known before a solver starts: units, bounds, and pairs that cannot be used.

Everything follows from an allocation that is known (its SCR is a lower bound y on the optimum) and from the data:
an allocation that is at least as good has delay <= score / (y omega_t) and energy <= score / (y omega_e), where the
score is at most what the budgets allow. What this excludes is removed by proof.

That proof is about the SCR. Where something else is to be optimised, or the allocations wanted are worse than the known
one, the data is made with ``assume_scr=False``: a longest delay takes the place of the bound from y, and everything
else follows from it.
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
    best, most = None, 0.0
    users = np.arange(scenario.n_users, dtype=np.int64)
    for chosen in (np.argmax(scenario.channel_gain, axis=1), users % scenario.n_servers):
        server = where_allowed(scenario, chosen)
        allocation = equal_split(scenario, server, np.full(scenario.n_users, 0.5))
        ratio = evaluate(scenario, allocation).scr
        for _ in range(3):  # Dinkelbach in the offloading alone
            offload = optimal_offloading(scenario, allocation, ratio)
            allocation = equal_split(scenario, server, offload)
            ratio = max(ratio, evaluate(scenario, allocation).scr)
        if scenario.constraints is not None:
            e = evaluate(scenario, allocation)
            ratio = e.scr if e.feasible else 0.0
        if ratio > most:
            best, most = allocation, ratio
    if best is None and scenario.constraints is not None:
        raise InputError(
            "no simple allocation meets the extra constraints; give the joint models a known one (method minlp does)"
        )
    if best is None:
        raise InputError(
            "no simple allocation has a positive service-cost ratio; the joint models need one to scale by"
        )
    return best


@dataclass(frozen=True, eq=False)
class JointData:
    """Scaled coefficients and proven bounds of one scenario.

    Parameters
    ----------
    scenario
        The data.
    ratio
        A lower bound on the optimal SCR, from an allocation that is known.
    pairs
        Coefficients; the time unit is the known allocation's delay, the cost unit its cost.
    longest
        The longest delay, scaled, of data that assumes nothing about the SCR; None where the known one bounds all.
    stated
        Whether that longest delay is part of the problem: somebody stated it, or the scenario's limits imply it.

    Raises
    ------
    InputError
        If the weight of time is zero: then no bound on the delay follows, and none need be attained.
    """

    scenario: Scenario
    ratio: float
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
            If the known allocation is not feasible, the scenario has no weight on time, or the longest delay is none.
        """
        if scenario.weight_time <= 0.0:
            raise InputError("weight_time = 0: the best delay is unbounded; the joint models need a positive weight")
        # Without extra constraints a known allocation must not hide that the data allow none to scale by.
        simple = known_allocation(scenario) if known is None or scenario.constraints is None else known
        allocation = simple if known is None else known
        e = evaluate(scenario, allocation)
        if not (e.feasible and e.scr > 0.0):
            raise InputError("the known allocation is not feasible or has no SCR above zero; expected a feasible one")
        pairs = ScaledPairs.of(scenario, e.delay, e.score / e.scr)
        if assume_scr:
            if longest_delay is not None:
                raise InputError(f"longest_delay = {longest_delay!r}; expected none, or assume_scr=False with it")
            return cls(scenario, e.scr, pairs)
        found = cls(scenario, e.scr, pairs, *_longest(scenario, longest_delay, e.delay))
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
            return self.most_score / self.least_ratio
        return self.pairs.time_weight * self.longest

    # -- bounds on whole allocations ----------------------------------------------------------

    @cached_property
    def most_score(self) -> float:
        """Bound on the scaled score that follows from the budgets."""
        s = self.scenario
        return s.score.largest_total(s.n_users, s.n_servers) * (1.0 + WIDENED)

    @property
    def most_delay(self) -> float:
        """Bound on the scaled delay of an allocation at least as good as the known one, or the longest delay."""
        if self.longest is not None:
            return self.longest
        return self.most_score / (self.least_ratio * self.pairs.time_weight) * (1.0 + WIDENED)

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
        return (self.most_score / self.least_ratio - self.pairs.time_weight * self.least_delay) * (1.0 + WIDENED)

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
        return self.most_score / self.least_ratio

    @property
    def least_cost(self) -> float:
        """Lower bound on the scaled cost."""
        return self.pairs.time_weight * self.least_delay

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
