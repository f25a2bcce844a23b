"""Least energy of a pair at given shares and deadline: strong duality in the one price of delay.

At shares z = (b, pi, psi) and deadline T::

    E*(z; T) = min over phi, p, f of energy with delay <= T
             = max over m >= 0 of  min{ A(m) + U(m, b), e + m d } - m T

with e, d the energy and delay of a user that offloads everything, and A, U from `link`. The problem is
jointly convex in phi and the times spent: E1 phi^3 a1^2 / t^2 for training, and for the uplink a perspective of
t (e^(L/t) - 1). So there is no gap.
The maximum lies at phi = 1 where the own delay meets T, at phi = 0 with m = 0, or where both costs are equal.
Where phi is kept in a range, the convexity in phi says that the least energy is at the end next to the free optimum.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange
from numpy.typing import ArrayLike, NDArray

from .compiling import compiled, compiled_parallel
from .link import excess, link, make_pair, own_cost

__all__ = ["fulfil", "least_energy", "own_deadline_price", "server_side"]

Array = NDArray[np.float64]


@compiled
def server_side(pair, b, power, speed):
    """Return the energy and delay of a user that offloads everything; infinite without power or speed."""
    if b <= 0.0 or power <= 0.0 or speed <= 0.0:
        return math.inf, math.inf
    rate = b * math.log1p(pair.cd * power / b)
    if rate <= 0.0:
        return math.inf, math.inf
    return pair.E3 * speed * speed + pair.E4 * power / rate, pair.a3 / speed + pair.a2 / rate


@compiled
def own_deadline_price(pair, b, deadline):
    """Return the price m at which a user that trains everything itself takes exactly `deadline`.

    The caller knows that the user can be faster. Zero if no price at all makes it that slow.
    """
    a = pair.E2 / pair.cu
    if pair.E1 <= 0.0 and a <= 0.0:
        return 0.0
    # A start from half the slack each, then Newton's method on ln delay against ln m, in a bracket.
    m = max(2.0 * pair.E1 * pair.a1**2 / deadline**3 * 8.0, 1e-6 * (pair.E1 + a) / deadline)
    low, high = 0.0, math.inf
    for _ in range(200):
        _, own, f = own_cost(pair, m)
        _, sent, p, level = link(pair, m, b)
        delay = own + sent
        gap = delay - deadline
        if gap > 0.0:
            low = m
        else:
            high = m
        slope = (own / 3.0 if f < 1.0 else 0.0) + (
            sent * excess(level) / (level * level * math.exp(level)) if p < 1.0 else 0.0
        )
        step = math.log(delay / deadline) * delay / slope if slope > 0.0 else (2.0 if gap > 0.0 else -2.0)
        following = m * math.exp(max(-8.0, min(8.0, step)))
        if not low < following < high:
            following = 0.5 * (low + high) if high < math.inf else 4.0 * m
        if abs(following - m) <= 1e-15 * m or following < 1e-250:
            break
        m = following
    return m


@compiled
def fulfil(pair, b, power, speed, deadline):
    """Return E*, phi, p, f and the price m of delay; E* is infinite where the deadline cannot be met."""
    free = _fulfil(pair, b, power, speed, deadline)
    if pair.f0 <= free[1] <= pair.f1 or free[0] == math.inf:
        return free
    return _kept(pair, b, power, speed, deadline, pair.f0 if free[1] < pair.f0 else pair.f1)


@compiled
def _kept(pair, b, power, speed, deadline, phi):
    """Return the columns of `fulfil` at a given phi."""
    w = 1.0 - phi
    e, d = 0.0, 0.0
    if w > 0.0:
        e, d = server_side(pair, b, power, speed)
        if not w * d <= deadline:
            return math.inf, phi, 1.0, 1.0, 0.0
    if phi <= 0.0:
        return e, 0.0, 1.0, 1.0, 0.0
    left = (deadline - w * d) / phi
    fastest = pair.a1 + pair.a2 / (b * math.log1p(pair.cu / b))
    if fastest > left:
        return math.inf, phi, 1.0, 1.0, 0.0
    if fastest == left:
        own, p, f, m = pair.E1 + pair.E2 * (fastest - pair.a1) / pair.a2, 1.0, 1.0, 0.0
    else:
        m = own_deadline_price(pair, b, left)
        if m <= 0.0:
            return w * e, phi, 1.0, 1.0, 0.0
        own, _, p, f, _ = _own(pair, b, m, left)
    return phi * own + w * e, phi, p, f, m


@compiled
def _fulfil(pair, b, power, speed, deadline):
    """Return the columns of `fulfil` for phi in [0, 1]."""
    nothing = (math.inf, 1.0, 1.0, 1.0, 0.0)
    if b <= 0.0 or deadline <= 0.0:
        return nothing
    e, d = server_side(pair, b, power, speed)
    a = pair.E2 / pair.cu
    if d <= deadline and e <= a:  # a is the least an own training costs, at no speed at all
        return e, 0.0, 1.0, 1.0, 0.0
    fastest = pair.a1 + pair.a2 / (b * math.log1p(pair.cu / b))
    if fastest > deadline and d > deadline:
        return nothing
    alone = math.inf
    if fastest < deadline:
        alone = own_deadline_price(pair, b, deadline)
        if alone <= 0.0:
            return 0.0, 1.0, 1.0, 1.0, 0.0
        cost, _, _ = own_cost(pair, alone)
        cost += link(pair, alone, b)[0]
        if not cost > e + alone * d:
            return _own(pair, b, alone, deadline)
    elif not d < deadline:
        if fastest <= deadline:
            return pair.E1 + pair.E2 * (fastest - pair.a1) / pair.a2, 1.0, 1.0, 1.0, 0.0
        return e, 0.0, 1.0, 1.0, 0.0
    return _mixed(pair, b, e, d, alone, deadline)


@compiled
def _own(pair, b, m, deadline):
    """Return the columns of `fulfil` for phi = 1 at the price m, the deadline met by f or else by p."""
    _, own, f = own_cost(pair, m)
    _, sent, p, _ = link(pair, m, b)
    if f < 1.0 and deadline - sent > 0.0 and pair.a1 / (deadline - sent) <= 1.0:
        f = pair.a1 / (deadline - sent)
    elif own + sent > deadline:
        f = 1.0
        p = min(1.0, b * math.expm1(pair.a2 / (b * (deadline - pair.a1))) / pair.cu)
        sent = pair.a2 / (b * math.log1p(pair.cu * p / b))
    return pair.E1 * f * f + pair.E2 * p * sent / pair.a2, 1.0, p, f, m


@compiled
def _mixed(pair, b, e, d, alone, deadline):
    """Return the columns of `fulfil` where training at home and at the server cost the same.

    The difference of the costs is concave in m. It rises to zero below `alone` if the server alone meets the
    deadline, and falls to zero above `alone` if not; Newton's method is monotone after its first step.
    """
    rising = d < deadline
    m = alone
    if alone == math.inf:
        m = (e + pair.E1 + pair.E2) / deadline
    low, high = (0.0, alone) if rising else (alone, math.inf)
    own, sent, f, p = 0.0, 0.0, 1.0, 1.0
    for _ in range(200):
        cost, own, f = own_cost(pair, m)
        linked, sent, p, _ = link(pair, m, b)
        gap = cost + linked - e - m * d
        slope = own + sent - d
        if (gap < 0.0) == rising:
            low = max(low, m)
        else:
            high = min(high, m)
        following = m - gap / slope if slope != 0.0 else -1.0
        if not low < following < high:
            following = (math.sqrt(low * high) if low > 0.0 else 0.01 * high) if high < math.inf else 8.0 * m
        if abs(following - m) <= 1e-15 * m or not 1e-280 < following < 1e280:
            break
        m = following
    delay = own + sent
    phi = 1.0
    if delay != d:
        phi = max(0.0, min(1.0, (deadline - d) / (delay - d)))
        # One rounding of phi counts where the slower side takes far longer than the deadline.
        if phi * delay + (1.0 - phi) * d > deadline:
            phi = min(1.0, phi + 2.3e-16) if d > delay else phi * (1.0 - 2.3e-16)
    own_energy = pair.E1 * f * f + pair.E2 * p * sent / pair.a2
    return phi * own_energy + (1.0 - phi) * e, phi, p, f, m


@compiled_parallel
def _least_energy(coefficients, shares, deadlines, offload):
    count = coefficients.shape[0]
    out = np.empty((count, 5))
    nothing = np.zeros(3)
    for k in prange(count):
        pair = make_pair(coefficients[k], 1.0, nothing, 1.0, 0.0, deadlines[k], 0.0, offload[k, 0], offload[k, 1])
        out[k] = np.array(fulfil(pair, shares[k, 0], shares[k, 1], shares[k, 2], deadlines[k]))
    return out


def least_energy(coefficients: Array, shares: Array, deadline: Array | float, offload: ArrayLike = (0.0, 1.0)) -> Array:
    """Return the least energy of every pair at its shares and deadline, and how it is reached.

    Parameters
    ----------
    coefficients
        Coefficients of the pairs without units, in the order of `link.Pair` up to `cd`, shape (K, 9).
    shares
        Shares b, pi, psi of the server, shape (K, 3).
    deadline
        T, in time units, a number or shape (K,).
    offload
        Range of phi, shape (2,) or (K, 2).

    Returns
    -------
    array, shape (K, 5)
        Energy in cost units (infinite where the deadline cannot be met), phi, p, f, and the price of delay in
        cost units per time unit (a subgradient of the energy in -T). The delay of the first four is at most T up
        to 1e-12 of it.
    """
    coefficients = np.ascontiguousarray(coefficients, dtype=np.float64)
    count = len(coefficients)
    shares = np.ascontiguousarray(np.broadcast_to(np.asarray(shares, dtype=np.float64), (count, 3)))
    deadlines = np.ascontiguousarray(np.broadcast_to(np.asarray(deadline, dtype=np.float64), (count,)))
    ranges = np.ascontiguousarray(np.broadcast_to(np.asarray(offload, dtype=np.float64), (count, 2)))
    result: Array = _least_energy(coefficients, shares, deadlines, ranges)
    return result
