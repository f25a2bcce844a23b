"""Coefficients of AO part 1: what each pair costs and how long it takes, scaled to order one.

Source: (6)::

    min  y omega_t T + sum_n A_n phi_n + sum_nm (B_nm x_nm + G_nm x_nm phi_n)
    s.t. T >= l_n phi_n + sum_m [ srv_nm x_nm + (up_nm - srv_nm) x_nm phi_n ]      srv = s + tau_down
         sum_n share_nm x_nm <= 1 for bandwidth, power and speed of each server, sum_m x_nm = 1

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
from ..scenario import Scenario
from ..terms import Sites, upper_rows
from .pair_resources import PairResources
from .pair_rows import ASSOCIATION_EXTRAS, PairRows, limited_offloading, pair_rows, rate_shortage

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
        y omega_t in scaled units.
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
        column = np.newaxis
        whole = sites.terms(
            pairs.bandwidth, pairs.user_power[:, column], pairs.server_power, pairs.user_speed[:, column],
            pairs.server_speed,
        )  # fmt: skip
        value = sites.score(pairs.bandwidth, pairs.server_power, pairs.server_speed)
        price, time_price = ratio * s.weight_energy, ratio * s.weight_time
        local, local_energy = whole.time_local[:, 0], whole.energy_local[:, 0]
        uplink, uplink_energy = whole.time_uplink, whole.energy_uplink
        with np.errstate(over="ignore", invalid="ignore"):
            (user_time, user_energy), (server_time, server_energy) = whole.user_end, whole.server_end
            user_cost, server_cost = price * user_energy, price * server_energy
        if price == 0.0:
            user_cost, server_cost = np.zeros_like(user_time), np.zeros_like(server_time)
        extra = s.constraints
        if extra is not None:
            user_time = np.where(extra.allowed, user_time, np.inf)
            server_time = np.where(extra.allowed, server_time, np.inf)

        # Times and energies are linear in phi, so no allocation is faster or cheaper than everybody's best end.
        best_time = _largest(np.minimum(user_time, server_time).min(axis=1))
        best_cost = np.minimum(user_cost, server_cost).min(axis=1)
        scale = float(value.max(axis=1).sum() + best_cost[np.isfinite(best_cost)].sum() + time_price * best_time)
        if not (np.isfinite(scale) and scale > 0.0):
            scale = 1.0
        unit = scale / time_price if time_price > 0.0 else best_time
        if not (np.isfinite(unit) and unit > 0.0):
            unit = best_time or 1.0
        user_end = (user_time <= CLOSED_ABOVE * unit) & (user_cost <= CLOSED_ABOVE * scale)
        server_end = (server_time <= CLOSED_ABOVE * unit) & (server_cost <= CLOSED_ABOVE * scale)
        shares = [
            pairs.bandwidth / s.bandwidth_max,
            pairs.server_power / s.server_power_max,
            pairs.server_speed / s.server_speed_max,
        ]
        _keep_one_open(user_end, server_end, user_time, server_time, np.max(shares, axis=0) <= 1.0)

        def kept(array: Array, open_: NDArray[np.bool_], divisor: float) -> Array:
            with np.errstate(over="ignore", invalid="ignore"):
                most = CLOSED_ABOVE * divisor  # only where everything is closed and one end must stay
                return np.where(open_, np.minimum(array, most), 0.0) / divisor

        alone = np.asarray(user_end.any(axis=1))
        sent_energy = kept(price * uplink_energy if price else np.zeros_like(uplink), user_end, scale)
        served_energy = kept(server_cost, server_end, scale)
        shortage = 0.0 if extra is None else EXCESS_PRICE * rate_shortage(s, whole)
        return cls(
            time_price=time_price * unit / scale,
            local_cost=kept(price * local_energy, alone, scale),
            pair_cost=served_energy - value / scale + shortage,
            product_cost=sent_energy - served_energy,
            local_time=kept(local, alone, unit),
            server_time=kept(server_time, server_end, unit),
            uplink_time=kept(uplink, user_end, unit),
            user_end=user_end.astype(np.float64),
            server_end=server_end.astype(np.float64),
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
    fits: NDArray[np.bool_],
) -> None:
    """Open the fastest end of every user that has none open at a server whose budgets it fits alone."""
    fits = np.where(fits.any(axis=1, keepdims=True), fits, True)
    shut = np.flatnonzero(~((user_end | server_end) & fits).any(axis=1))
    for user in shut:
        own_time = np.where(fits[user], user_time[user], np.inf)
        served_time = np.where(fits[user], server_time[user], np.inf)
        own, served = int(np.argmin(own_time)), int(np.argmin(served_time))
        if own_time[own] <= served_time[served]:
            user_end[user, own] = True
        else:
            server_end[user, served] = True


def optimal_offloading(scenario: Scenario, allocation: Allocation, ratio: float) -> Array:
    """Return the phi that is optimal for (6) at this allocation's association and resources, shape (N,).

    With x fixed, (6) is a linear program in phi and T. For a given T each phi_n sits at its cheaper end
    or as near to it as T allows, so the objective is convex and piecewise linear in T alone, and sorting
    its breakpoints solves the program exactly; infinite times need no special care.

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
    # Delay and energy of a user that trains everything itself, and of one that trains nothing.
    ends = Sites(s, a.server).terms(a.bandwidth, a.user_power, a.server_power, a.user_speed, a.server_speed)
    (time_one, energy_one), (time_zero, energy_zero) = ends.user_end, ends.server_end

    if upper_rows(s):
        energy_price = ratio * s.weight_energy
        with np.errstate(invalid="ignore"):
            costs = energy_price * energy_zero, energy_price * energy_one
        return limited_offloading(s, a.server, ends, (time_zero, time_one), costs, ratio * s.weight_time)

    # An end that takes forever is no choice, whatever the other one costs.
    only_zero, only_one = ~np.isfinite(time_one), ~np.isfinite(time_zero)
    fixed = only_zero | only_one
    with np.errstate(invalid="ignore"):
        slope = ratio * s.weight_energy * (energy_one - energy_zero)
        stretch = time_one - time_zero  # delay gained by going from phi = 0 to phi = 1
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
    too_dear = np.flatnonzero(paid > ratio * s.weight_time)
    deadline = max(floor, float(breaks[order][too_dear[0]])) if too_dear.size else floor

    offload = prefers_one.astype(np.float64)
    late = movable & (preferred > deadline)
    if np.any(late):
        step = (preferred[late] - deadline) / (preferred[late] - other[late])
        step = np.clip(step, 0.0, 1.0)
        offload[late] = np.where(prefers_one[late], 1.0 - step, step)
    return offload
