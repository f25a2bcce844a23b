"""Coefficients of AO part 1: what each pair costs and how long it takes, scaled to order one.

Source: (6)::

    min  y omega_t T + sum_n A_n phi_n + sum_nm (B_nm x_nm + G_nm x_nm phi_n)
    s.t. T >= l_n phi_n + sum_m [ srv_nm x_nm + (up_nm - srv_nm) x_nm phi_n ]      srv = s + tau_down
         sum_n share_nm x_nm <= 1 for bandwidth, power and speed of each server, sum_m x_nm = 1

where A, B and G hold energies and scores, and the delays where each user's has a price of its own (`Prices`); T then
has none, and no times.

This is the one place where AO part 1 is scaled: times are in units of `time_unit`, the objective in
units of `objective_unit`, resources are shares of their budgets. Both units come from a sensible
allocation (all scores at most, energies and delay at least), so what can matter is of order one; what
is beyond `CLOSED_ABOVE` of it is closed rather than scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation
from ..constraints import EXCESS_PRICE, require_support
from ..prices import Prices
from ..reach import require_bounded_delay
from ..scenario import Scenario
from ..terms import Sites, upper_rows
from .pair_resources import PairResources
from .pair_rows import (
    ASSOCIATION_EXTRAS,
    PairRows,
    limited_offloading,
    mixed,
    pair_rows,
    rate_shortage,
)

__all__ = ["DELAY_ROWS", "AssociationCoefficients", "optimal_offloading"]

Array = NDArray[np.float64]

#: Readings of (3j): one row per user with the products summed over its servers, or one row per pair as printed. For
#: binary x both are the same. Relaxed, the aggregated rows imply the others where 0 <= w <= x holds (hull, milp,
#: sdr-rlt); in the paper's SDR w is not kept there, and neither implies the other.
DELAY_ROWS = ("aggregated", "pairwise")

#: An end of a pair (the user trains everything, or the server does) that has no rate or speed, or whose time or energy
#: alone would cost more than this many times what a sensible allocation costs altogether, is closed: no share goes
#: there. Interior-point codes cannot carry such numbers, and nothing that could be best uses them.
CLOSED_ABOVE = 1e4


@dataclass(frozen=True, eq=False)
class AssociationCoefficients:
    """Scaled data of (6); arrays of pairs have shape (N, M), arrays of users (N,).

    Parameters
    ----------
    time_price
        y omega_t in scaled units; zero where the largest delay has no price.
    local_cost
        A_n.
    pair_cost, product_cost
        B_nm and G_nm.
    local_time
        l_n.
    server_time, uplink_time
        s_nm + tau_down_nm and tau_up_nm.
    user_end, server_end
        1 where user n may train a share itself when it is at server m, and where that server may; else 0. Times and
        costs of a closed end are zero, and w_nm <= user_end_nm, x_nm - w_nm <= server_end_nm keep it empty.
    least_offload, most_offload
        Range of phi_n.
    bandwidth_share, power_share, speed_share
        Share of its server's budget that a pair would hold.
    time_unit, objective_unit
        Scaled times and objectives are multiplied by these to get s and score units.
    limits
        Rows of extra constraints. What a pair's rates fall short of the least ones is priced in `pair_cost`, and pairs
        that are not allowed have both ends closed.
    """

    time_price: float
    local_cost: Array
    pair_cost: Array
    product_cost: Array
    local_time: Array
    server_time: Array
    uplink_time: Array
    user_end: Array
    server_end: Array
    least_offload: Array
    most_offload: Array
    bandwidth_share: Array
    power_share: Array
    speed_share: Array
    time_unit: float
    objective_unit: float
    limits: tuple[PairRows, ...] = ()

    @classmethod
    def of(cls, scenario: Scenario, pairs: PairResources, ratio: float) -> AssociationCoefficients:
        """Return the coefficients at given resources and ratio y.

        Parameters
        ----------
        scenario
            The data.
        pairs
            Resources on all pairs.
        ratio
            Dinkelbach's y, score per cost.
        """
        s, sites = scenario, Sites(scenario)
        require_support("AO part 1", ASSOCIATION_EXTRAS, s.demands)
        require_bounded_delay(s)
        column = np.newaxis
        whole = sites.terms(
            pairs.bandwidth, pairs.user_power[:, column], pairs.server_power, pairs.user_speed[:, column],
            pairs.server_speed,
        )  # fmt: skip
        value = sites.score(pairs.bandwidth, pairs.server_power, pairs.server_speed)
        prices = Prices.of(s, ratio)
        value = prices.score[:, column] * value
        time_price, timed = prices.latest, Prices.have_deadline(s)
        with np.errstate(over="ignore", invalid="ignore"):
            (user_time, user_energy), (server_time, server_energy) = whole.user_end, whole.server_end
        local_cost, uplink_cost, user_cost, server_cost = (
            priced(prices, time, energy)
            for time, energy in (
                (whole.time_local, whole.energy_local),
                (whole.time_uplink, whole.energy_uplink),
                (user_time, user_energy),
                (server_time, server_energy),
            )
        )
        local = whole.time_local[:, 0]
        extra = s.constraints
        if extra is not None:
            user_time = np.where(extra.allowed, user_time, np.inf)
            server_time = np.where(extra.allowed, server_time, np.inf)

        # Times and energies are linear in phi, so no allocation is faster or cheaper than everybody's best end.
        low, high = s.offload_range
        ends = [phi[:, column] for phi in (low, high)]
        pair_time = np.minimum(*(mixed(phi, user_time, server_time) for phi in ends))
        pair_cost = np.minimum(*(mixed(phi, user_cost, server_cost) for phi in ends))
        best_time = _largest(pair_time.min(axis=1))
        best_cost = pair_cost.min(axis=1)
        scale = float(value.max(axis=1).sum() + best_cost[np.isfinite(best_cost)].sum() + time_price * best_time)
        if not (np.isfinite(scale) and scale > 0.0):
            scale = 1.0
        unit = scale / time_price if time_price > 0.0 else best_time
        if not (np.isfinite(unit) and unit > 0.0):
            unit = best_time or 1.0
        latest = CLOSED_ABOVE * unit if timed else np.finfo(np.float64).max

        def good(time: Array, cost: Array) -> NDArray[np.bool_]:
            return (time <= latest) & (cost <= CLOSED_ABOVE * scale)

        # A range of phi that leaves no choice needs both ends, or none of the pair.
        pair = good(pair_time, pair_cost)
        user_end = np.where(ends[0] > 0.0, pair, good(user_time, user_cost) & (ends[1] > 0.0))
        server_end = np.where(ends[1] < 1.0, pair, good(server_time, server_cost) & (ends[0] < 1.0))
        shares = [
            pairs.bandwidth / s.bandwidth_max,
            pairs.server_power / s.server_power_max,
            pairs.server_speed / s.server_speed_max,
        ]
        needs = ends[0] > 0.0, ends[1] < 1.0
        _keep_one_open(user_end, server_end, user_time, server_time, needs, np.max(shares, axis=0) <= 1.0)

        def kept(array: Array, open_: NDArray[np.bool_], share: Array, divisor: float) -> Array:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                # Only where everything is closed and one end must stay, or where a range keeps to a small share.
                most = CLOSED_ABOVE * divisor / np.where(share > 0.0, share, 1.0)
                return np.where(open_, np.minimum(array, most), 0.0) / divisor

        own, left = ends[0], 1.0 - ends[1]
        alone = np.asarray(user_end.any(axis=1))
        sent_cost = kept(uplink_cost, user_end, own, scale)
        served_cost = kept(server_cost, server_end, left, scale)
        times = [
            kept(local, alone, low, unit),
            kept(server_time, server_end, left, unit),
            kept(whole.time_uplink, user_end, own, unit),
        ]
        local_time, server_time, uplink_time = times if timed else [np.zeros_like(time) for time in times]
        shortage = 0.0 if extra is None else EXCESS_PRICE * rate_shortage(s, whole)
        return cls(
            time_price=time_price * unit / scale,
            local_cost=kept(local_cost[:, 0], alone, low, scale),
            pair_cost=served_cost - value / scale + shortage,
            product_cost=sent_cost - served_cost,
            local_time=local_time,
            server_time=server_time,
            uplink_time=uplink_time,
            user_end=user_end.astype(np.float64),
            server_end=server_end.astype(np.float64),
            least_offload=low,
            most_offload=high,
            bandwidth_share=shares[0],
            power_share=shares[1],
            speed_share=shares[2],
            time_unit=unit,
            objective_unit=scale,
            limits=pair_rows(s, whole, user_end, server_end),
        )

    def value(self, server: NDArray[np.int64], offload: Array) -> float:
        """Return the objective of (6), score units, at a binary association and the least T it allows.

        Budgets are not checked; a share at a closed end is infinitely dear.
        """
        users = np.arange(len(server))
        on_user, on_server = self.user_end[users, server], self.server_end[users, server]
        if np.any((offload > 0) & (on_user == 0)) or np.any((offload < 1) & (on_server == 0)):
            return np.inf
        times = (
            self.local_time * offload
            + self.server_time[users, server] * (1.0 - offload)
            + self.uplink_time[users, server] * offload
        )
        cost = self.local_cost * offload + self.pair_cost[users, server] + self.product_cost[users, server] * offload
        return float(self.time_price * times.max() + cost.sum()) * self.objective_unit


def _largest(array: Array) -> float:
    finite = array[np.isfinite(array)]
    return float(finite.max()) if finite.size else 1.0


def _keep_one_open(
    user_end: NDArray[np.bool_],
    server_end: NDArray[np.bool_],
    user_time: Array,
    server_time: Array,
    needs: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    fits: NDArray[np.bool_],
) -> None:
    """Open the fastest end of every user that has none open at a server whose budgets it fits alone.

    Where a range of phi needs an end, shape (N, 1) each, it is opened as well, and an end alone is not enough.
    """
    fits = np.where(fits.any(axis=1, keepdims=True), fits, True)
    usable = (user_end | server_end) & (user_end | ~needs[0]) & (server_end | ~needs[1])
    shut = np.flatnonzero(~(usable & fits).any(axis=1))
    for user in shut:
        own_time = np.where(fits[user], user_time[user], np.inf)
        served_time = np.where(fits[user], server_time[user], np.inf)
        own, served = int(np.argmin(own_time)), int(np.argmin(served_time))
        if own_time[own] <= served_time[served]:
            user_end[user, own] = True
            server_end[user, own] |= needs[1][user, 0]
        else:
            server_end[user, served] = True
            user_end[user, served] |= needs[0][user, 0]


def optimal_offloading(scenario: Scenario, allocation: Allocation, ratio: float) -> Array:
    """Return the phi that is optimal for (6) at this allocation's association and resources, shape (N,).

    With x fixed, (6) is a linear program in phi and T. For a given T each phi_n sits at its cheaper end
    or as near to it as T allows, so the objective is convex and piecewise linear in T alone, and sorting
    its breakpoints solves the program exactly; infinite times need no special care. A range of phi only moves the two
    ends, where offloading is binary every deadline is tried, and rows of limits make it a program for a solver.

    Parameters
    ----------
    scenario
        The data.
    allocation
        Association and resources; its offloading is ignored.
    ratio
        Dinkelbach's y.
    """
    s, a = scenario, allocation
    require_bounded_delay(s)
    # Delay and energy of a user that trains everything itself, and of one that trains nothing.
    ends = Sites(s, a.server).terms(a.bandwidth, a.user_power, a.server_power, a.user_speed, a.server_speed)
    (time_one, energy_one), (time_zero, energy_zero) = ends.user_end, ends.server_end
    prices = Prices.of(s, ratio)
    if upper_rows(s):
        costs = priced(prices, time_zero, energy_zero), priced(prices, time_one, energy_one)
        times = time_zero, time_one
        if not Prices.have_deadline(s):  # any delay that ends is as good as another
            times = np.where(np.isfinite(time_zero), 0.0, np.inf), np.where(np.isfinite(time_one), 0.0, np.inf)
        return limited_offloading(s, a.server, ends, times, costs, prices.latest)

    low, high = s.offload_range
    times = mixed(low, time_one, time_zero), mixed(high, time_one, time_zero)
    energies = mixed(low, energy_one, energy_zero), mixed(high, energy_one, energy_zero)
    moved = (_best_ends if s.binary_offload else _best_between)(prices, times, energies)
    return low + (high - low) * moved


def priced(prices: Prices, time: Array, energy: Array) -> Array:
    """Return what delays and energies of users cost, shape (N,) or (N, M); what has no price costs nothing."""
    total: Array = np.zeros_like(time)
    for price, value in ((prices.energy, energy), (prices.delay, time)):
        each = price if value.ndim == 1 else price[:, np.newaxis]
        with np.errstate(over="ignore", invalid="ignore"):
            total = total + np.where(each == 0.0, 0.0, each * value)
    return total


def _best_ends(prices: Prices, times: tuple[Array, Array], energies: tuple[Array, Array]) -> Array:
    """Return which of two ends is best for every user, 0 or 1; the largest delay is one of their times."""
    first, second = (priced(prices, time, energy) for time, energy in zip(times, energies, strict=True))
    lost = ~np.isfinite(np.minimum(*times))  # whatever they do, so the delay does not matter
    finite = np.concatenate(times)
    deadlines = np.unique(finite[np.isfinite(finite)]) if prices.latest > 0.0 and not lost.any() else np.array([np.inf])
    best, least = np.where(times[1] < times[0], 1.0, 0.0), np.inf
    for deadline in deadlines.tolist():
        # An end that takes forever, or too long, is no choice; ties go to the faster one.
        costs = [
            np.where((t <= deadline) & np.isfinite(t), c, np.inf) for t, c in zip(times, (first, second), strict=True)
        ]
        total = float(np.minimum(*costs)[~lost].sum()) + (prices.latest * deadline if np.isfinite(deadline) else 0.0)
        if total < least:
            least = total
            best = np.where(costs[0] == costs[1], times[1] < times[0], costs[1] < costs[0]).astype(np.float64)
    return best


def _best_between(prices: Prices, times: tuple[Array, Array], energies: tuple[Array, Array]) -> Array:
    """Return how far it is best for every user to go from its first end to its second, from 0 to 1."""
    (time_zero, time_one), (energy_zero, energy_one) = times, energies
    # An end that takes forever is no choice, whatever the other one costs.
    only_zero, only_one = ~np.isfinite(time_one), ~np.isfinite(time_zero)
    fixed = only_zero | only_one
    with np.errstate(invalid="ignore"):
        slope = prices.energy * (energy_one - energy_zero)
        stretch = time_one - time_zero  # delay gained by going from the first end to the second
        if np.any(prices.delay > 0.0):
            slope = slope + prices.delay * stretch
    prefers_one = np.where(only_one, True, np.where(only_zero, False, slope < 0))
    # Ties go to the faster end.
    prefers_one = np.where(~fixed & (slope == 0), stretch < 0, prefers_one)
    preferred = np.where(prefers_one, time_one, time_zero)
    other = np.where(prefers_one, time_zero, time_one)
    movable = ~fixed & (other < preferred)
    floor = float(np.max(np.where(movable, other, preferred)))

    # Lowering T below `preferred` moves user n away from its cheaper end at |slope/stretch| per second.
    breaks = preferred[movable]
    with np.errstate(divide="ignore", over="ignore"):
        rates = np.abs(slope[movable]) / np.abs(stretch[movable])
    order = np.argsort(-breaks, kind="stable")
    paid = np.cumsum(rates[order])
    too_dear = np.flatnonzero(paid > prices.latest)
    deadline = max(floor, float(breaks[order][too_dear[0]])) if too_dear.size else floor

    offload = prefers_one.astype(np.float64)
    late = movable & (preferred > deadline)
    if np.any(late):
        step = (preferred[late] - deadline) / (preferred[late] - other[late])
        step = np.clip(step, 0.0, 1.0)
        offload[late] = np.where(prefers_one[late], 1.0 - step, step)
    return offload
