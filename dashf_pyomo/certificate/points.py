"""Where to put tangents: float searches that no bound depends on.

Any point gives a valid bound in `cellbound`; a good one gives a tight one. Nothing here is trusted, so numbers beyond
floats are simply cut off.
"""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["LOWEST", "falling_root", "level_for", "link_slope", "speed_point", "tangent_of_r"]

LOWEST, HIGHEST = 1e-150, 600.0  # range of levels l = ln(1 + SNR)


def falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a decreasing function of a positive number changes its sign, by the Illinois method in logarithms.

    An end of the range is returned where the sign does not change.
    """
    left, right = math.log(low), math.log(high)
    f_left, f_right = function(low), function(high)
    if not f_left > 0.0:
        return low
    if not f_right < 0.0:
        return high
    # Wide functions are bisected first: a secant on many decades crawls.
    for step in range(200):
        if step < 12 or step % 3 == 0 or not math.isfinite(f_left - f_right):
            middle = 0.5 * (left + right)
        else:
            middle = left + (right - left) * f_left / (f_left - f_right)
        value = function(math.exp(middle))
        if value == 0.0 or right - left < 1e-15 * max(1.0, abs(middle)):
            return math.exp(middle)
        if value > 0.0:
            left, f_left = middle, value
        else:
            right, f_right = middle, value
    return math.exp(0.5 * (left + right))


def excess(level: float) -> float:
    """Return k(l) = e^l (l - 1) + 1."""
    if level > 0.3:
        return math.exp(level) * (level - 1.0) + 1.0
    total, term = 0.0, 0.5 * level * level
    for n in range(2, 16):
        total += term * (n - 1)
        term *= level / (n + 1)
    return total


def bandwidth_at(level: float, a: float, g: float, cu: float) -> float:
    """Return the bandwidth at which a link of least cost has this level: the power is free, or at its cap."""
    capped = cu / math.expm1(level)
    k = a * excess(level)
    return min(capped, g / k) if k > 0.0 else capped


def level_for(b: float, a: float, g: float, cu: float) -> float:
    """Return the level of the link of least cost at a bandwidth."""
    return falling_root(lambda level: math.log(bandwidth_at(level, a, g, cu) / b), LOWEST, HIGHEST)


def link_slope(level: float, a: float, g: float, e2: float, cu: float) -> tuple[float, float]:
    """Return the bandwidth at a level and -dU/db there."""
    b = bandwidth_at(level, a, g, cu)
    k = excess(level)
    if a > 0.0 and g / (a * k) <= b:
        return b, a * k / (b * level)
    return b, (e2 + g) * math.exp(-level) * k / (b * level) ** 2


def speed_point(c: float, square: float, hyper: float) -> float:
    """Return the maximiser of c psi - square psi^2 - hyper / psi on (0, 1], square and hyper not both zero."""
    return falling_root(lambda psi: c - 2.0 * square * psi + hyper / (psi * psi), 1e-100, 1.0)


def tangent_of_r(x0: float, x1: float) -> float:
    """Return where to touch r(x) = 1 / ln(1 + x) so that the tangent is positive up to x1 and balanced on the cell."""
    touch = math.sqrt(x0) * math.sqrt(x1)
    while x1 > 0.98 * (touch + (1.0 + touch) * math.log1p(touch)):
        touch = min(x1, 1.3 * max(touch, 0.2 * x1 / (1.0 + math.log1p(x1))))
        if touch >= x1:
            break
    return touch
