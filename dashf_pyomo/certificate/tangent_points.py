"""Where to put tangents: float searches that no bound depends on.

Any point gives a valid bound in `cellbound`; a good one gives a tight one. Nothing here is trusted, so numbers beyond
floats are simply cut off.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

__all__ = ["bandwidth_at", "falling_root", "level_for", "link_slope", "lowest_point", "speed_point", "tangent_of_r"]


def falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a decreasing function of a positive number changes its sign, by Brent's method in logarithms.

    An end of the range is returned where the sign does not change.
    """
    from scipy.optimize import brentq  # loads solvers, which whoever only reads certificates does not need

    if not function(low) > 0.0:
        return low
    if not function(high) < 0.0:
        return high

    def at(x: float) -> float:
        return function(math.exp(x))

    left, right = math.log(low), math.log(high)
    if not (at(left) > 0.0 > at(right)):  # rounding of the logarithms
        return low if abs(at(left)) < abs(at(right)) else high
    return math.exp(brentq(at, left, right, xtol=1e-15, maxiter=200, disp=False))


def lowest_point(function: Callable[[float], tuple[float, float]], first: float) -> float:
    """Return about where a convex function of a number >= 0 is least, from tangents that cross between two sides of it.

    Parameters
    ----------
    function
        Returns the value and the slope.
    first
        Where to look for a rise first, positive.
    """
    low, high = 0.0, first
    value, slope = function(low)
    if not slope < 0.0:
        return low
    right = function(high)
    while right[1] < 0.0 and high < 1e300:
        low, (value, slope), high = high, right, 8.0 * high
        right = function(high)
    for _ in range(24):
        if not right[1] > slope:
            break
        at = (value - right[0] + right[1] * high - slope * low) / (right[1] - slope)
        best = min(value, right[0])
        if not low < at < high or value + slope * (at - low) > best - 1e-10 * (abs(best) + abs(slope) * at):
            break
        found = function(at)
        if found[1] < 0.0:
            low, (value, slope) = at, found
        else:
            high, right = at, found
    return low if value < right[0] else high


def excess(level: float) -> float:
    """Return k(l) = e^l (l - 1) + 1."""
    if level > 0.3:
        return math.exp(level) * (level - 1.0) + 1.0
    total, term = 0.0, 0.5 * level * level
    for n in range(2, 16):
        total += term * (n - 1)
        term *= level / (n + 1)
    return total


def bandwidth_at(level: float, a: float, g: float, cu: float, need: float = 0.0) -> float:
    """Return the bandwidth at which a link of least cost has this level: its power is free, at its cap, or needed."""
    capped = cu / math.expm1(level)
    k = a * excess(level)
    return max(min(capped, g / k) if k > 0.0 else capped, need / level)


@lru_cache(maxsize=64)
def level_for(b: float, a: float, g: float, cu: float) -> float:
    """Return the level of the link of least cost at a bandwidth, without a least rate."""
    capped = math.log1p(cu / b)
    if a * excess(capped) <= g / b:
        return capped
    # l^2 / 2 <= k(l), and k(l) <= e l^2 / 2 up to l = 1.
    kappa = g / (a * b)
    low, high = min(1.0, math.sqrt(2.0 * kappa / math.e)), min(capped, math.sqrt(2.0 * kappa))
    return falling_root(lambda level: math.log(kappa / excess(level)), low, max(low, high))


def link_slope(level: float, a: float, g: float, e2: float, cu: float, need: float = 0.0) -> tuple[float, float]:
    """Return the bandwidth at a level and -dU/db there."""
    b = bandwidth_at(level, a, g, cu, need)
    k = excess(level)
    if a > 0.0 and g / (a * k) <= b:
        return b, a * k / (b * level)
    return b, (e2 + g) * math.exp(-level) * k / (b * level) ** 2


def speed_point(c: float, square: float, hyper: float) -> float:
    """Return the maximiser of c psi - square psi^2 - hyper / psi on (0, 1], square and hyper not both zero."""
    return falling_root(lambda psi: c - 2.0 * square * psi + hyper / (psi * psi), 1e-100, 1.0)


#: Below this SNR numbers end before a search does, and r is touched at the upper end: its tangent is positive there.
LEAST_SNR = 1e-100


def tangent_of_r(x0: float, x1: float) -> float:
    """Return where to touch r(x) = 1 / ln(1 + x) so that the tangent is positive up to x1 and balanced on the cell."""
    if x1 < LEAST_SNR:
        return x1
    touch = math.sqrt(x0) * math.sqrt(x1)
    while x1 > 0.98 * (touch + (1.0 + touch) * math.log1p(touch)):
        touch = min(x1, 1.3 * max(touch, 0.2 * x1 / (1.0 + math.log1p(x1))))
        if touch >= x1:
            break
    return touch
