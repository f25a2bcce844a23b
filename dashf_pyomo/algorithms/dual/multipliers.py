"""Good multipliers for a cell: the bound of `cells` is jointly convex in (m, tau0, tau1, nu0, nu1).

For a fixed m each face of phi is minimised over its own tau, for each tau over nu, then m over the worse face, both by intersecting the two
tangents of a bracket: exact at the kinks that phi = 1 brings, and with a lower estimate that says when to stop. Nothing
here needs to be right for a bound to be valid: whatever is returned was evaluated by `cells.face_value`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .cells import SLACK, face_value
from .link import compiled, link, own_cost

__all__ = ["Face", "Tightened", "tighten"]


class Face(NamedTuple):
    """One face of phi at its multiplier: the bound without the term of T, and the relaxed maximiser.

    Parameters
    ----------
    value
        Proven bound, without the term of T.
    tau, nu
        Prices of the score and of a full share of power.
    delay
        Delay of the relaxed maximiser, minus the slope of `value` in m.
    b, x, psi
        The relaxed maximiser.
    """

    value: float
    tau: float
    nu: float
    delay: float
    b: float
    x: float
    psi: float


class Tightened(NamedTuple):
    """The best bound found for a cell, its multipliers and its two faces."""

    bound: float
    m: float
    first: Face
    second: Face


@compiled
def _best_nu(pair, cell, phi, m, tau, accuracy):  # type: ignore[no-untyped-def]
    """Minimise one face over nu between 0 and tau - lp; return the bound, nu, and what `face_value` returns besides."""
    value, slope, delay, b, x, psi = face_value(pair, cell, phi, m, tau, 0.0)
    nu = 0.0
    left, left_value, left_slope = 0.0, value, 1.0 - b * x / pair.cd
    if left_slope >= -1e-12 or tau <= pair.lp:
        return value, nu, slope, delay, b, x, psi
    right = tau - pair.lp
    right_value, right_slope = 0.0, 0.0
    at = right
    for i in range(8):
        other, other_slope, other_delay, other_b, other_x, other_psi = face_value(pair, cell, phi, m, tau, at)
        excess = 1.0 - other_b * other_x / pair.cd
        if other < value:
            value, nu, slope, delay, b, x, psi = other, at, other_slope, other_delay, other_b, other_x, other_psi
        if excess > 0.0:
            right, right_value, right_slope = at, other, excess
        else:
            if i == 0:
                break
            left, left_value, left_slope = at, other, excess
        at = (left_value - right_value + right_slope * right - left_slope * left) / (right_slope - left_slope)
        if not left < at < right or left_value + left_slope * (at - left) > value - accuracy:
            break
    return value, nu, slope, delay, b, x, psi


@compiled
def _tighten_face(pair, cell, phi, m, tau, limit, accuracy):  # type: ignore[no-untyped-def]
    """Minimise one face over tau; stop at a value below `limit`, or when it cannot be reached."""
    least, most = pair.norm / (1.0 + 3.0 * pair.norm), pair.norm
    tau = max(least, min(most, tau))
    left, left_value, left_slope = -1.0, 0.0, 0.0
    right, right_value, right_slope = -1.0, 0.0, 0.0
    best = Face(math.inf, tau, 0.0, 0.0, 1.0, 0.0, 1.0)
    for _ in range(14):
        value, nu, slope, delay, b, x, psi = _best_nu(pair, cell, phi, m, tau, 0.3 * accuracy)
        if value < best.value:
            best = Face(value, tau, nu, delay, b, x, psi)
        if value <= limit:
            break
        span = max(0.0, 1.0 / tau - 1.0 / pair.norm)
        if slope > 0.0:
            if tau <= least:
                break
            right, right_value, right_slope = tau, value, slope
        elif slope < 0.0:
            if tau >= most:
                break
            left, left_value, left_slope = tau, value, slope
        else:
            break
        if left < 0.0 or right < 0.0:
            # As if the shares stood still: they answer the other way, so this crosses the minimum.
            following = 1.0 / (1.0 / pair.norm + max(0.0, min(3.0, span + slope)))
            tau = max(least, min(most, following))
            if tau == left or tau == right:
                break
            continue
        crossing = (left_value - right_value + right_slope * right - left_slope * left) / (right_slope - left_slope)
        if not left < crossing < right:
            break
        lowest = left_value + left_slope * (crossing - left)
        if lowest > best.value - accuracy or lowest > limit + 4.0 * (best.value - lowest):
            break
        tau = crossing
    return best


@compiled
def tighten(pair, cell, m, tau0, tau1, target, accuracy, most):  # type: ignore[no-untyped-def]
    """Return a bound of the cell below `target` if multipliers for one are found, else about the best bound.

    Parameters
    ----------
    pair, cell
        What is bounded.
    m, tau0, tau1
        First multipliers.
    target
        A bound below this is good enough.
    accuracy
        A bound this close to the least is good enough.
    most
        Most values of m that are tried.
    """
    left, left_value, left_slope = -1.0, 0.0, 0.0
    right, right_value, right_slope = -1.0, 0.0, 0.0
    nothing = Face(math.inf, tau0, 0.0, 0.0, 1.0, 0.0, 1.0)
    best = Tightened(math.inf, m, nothing, nothing)
    for _ in range(most):
        time = max((m - pair.rho) * pair.t0, (m - pair.rho) * pair.t1) + SLACK * (m + abs(pair.rho)) * pair.t1
        first = _tighten_face(pair, cell, cell.phi0, m, tau0, target - time, 0.3 * accuracy)
        second = first
        if cell.phi1 > cell.phi0:
            second = _tighten_face(pair, cell, cell.phi1, m, tau1, target - time, 0.3 * accuracy)
        tau0, tau1 = first.tau, second.tau
        worse = first if first.value >= second.value else second
        bound = time + worse.value
        if bound < best.bound:
            best = Tightened(bound, m, first, second)
        if bound <= target:
            break
        late = worse.delay - pair.t1
        early = worse.delay - pair.t0
        slope = -late if m > pair.rho else -early
        if m == pair.rho and late <= 0.0 <= early:
            break
        if m == pair.rho and late > 0.0:
            slope = -late
        if slope < 0.0:
            left, left_value, left_slope = m, bound, slope
        else:
            right, right_value, right_slope = m, bound, slope
        if left < 0.0 or right < 0.0:
            limit = pair.t1 if m > pair.rho or late > 0.0 else max(pair.t0, 1e-6 * pair.t1)
            ratio = worse.delay / limit
            following = m * max(0.02, min(30.0, ratio * ratio * (1.3 if ratio > 1.0 else 0.75)))
            if (m - pair.rho) * (following - pair.rho) < 0.0:
                following = pair.rho
            if not 1e-200 < following < 1e200:
                break
            m = following
            continue
        if not right_slope > left_slope or not left_slope > -math.inf:
            m = math.sqrt(left * right)
            continue
        crossing = (left_value - right_value + right_slope * right - left_slope * left) / (right_slope - left_slope)
        lowest = left_value + left_slope * (crossing - left)
        if not left < crossing < right or lowest > best.bound - accuracy:
            break
        if lowest > target + 2.0 * (best.bound - lowest):
            break
        m = pair.rho if left < pair.rho < right and right < 3.0 * left else crossing
    return best


@compiled
def exchange(pair, m, face):  # type: ignore[no-untyped-def]
    """Return what an own training costs more than an offloaded one at the maximiser of a face, at the price m."""
    own = own_cost(pair, m)[0] + link(pair, m, face.b)[0]
    x = max(face.x, 1e-12)
    level = math.log1p(x)
    psi = max(face.psi, min(1.0, pair.a3 / pair.t1))
    served = pair.E3 * psi * psi + m * pair.a3 / psi + (pair.E4 / pair.cd * x + m * pair.a2 / face.b) / level
    return own - served
