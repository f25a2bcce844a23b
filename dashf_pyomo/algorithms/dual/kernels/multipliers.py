"""Good multipliers for a cell: the bound of `cells` is jointly convex in (m, tau0, tau1, nu0, nu1).

For a fixed m each face of phi is minimised over its own tau, for each tau over nu, then m over the worse face, all by
intersecting the two tangents of a bracket: exact at the kinks that phi = 1 brings, and with a lower estimate that says
when to stop. At a kink the slopes in the other multipliers are those of the mixture of both sides. Nothing here needs
to be right for a bound to be valid: whatever is returned was evaluated by `cells.face_value`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from .cells import SLACK, face_value
from .compiling import compiled
from .link import link, own_cost

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


class _Cut(NamedTuple):
    """A face at one multiplier: the bound, its slopes in nu and in tau, and the relaxed maximiser."""

    at: float
    value: float
    by_nu: float
    by_tau: float
    delay: float
    b: float
    x: float
    psi: float


@compiled
def _cut(pair, cell, phi, m, tau, nu, at):
    """Return the cut of a face at its multipliers; `at` is the one that is searched."""
    value, slope, delay, b, x, psi = face_value(pair, cell, phi, m, tau, nu)
    return _Cut(at, value, 1.0 - b * x / pair.cd, slope, delay, b, x, psi)


@compiled
def _mixed(left, right, part, at):
    """Return the cut that the two sides of a kink make together, `part` of the right one."""
    rest = 1.0 - part
    b = rest * left.b + part * right.b
    return _Cut(
        at,
        min(left.value, right.value),
        rest * left.by_nu + part * right.by_nu,
        rest * left.by_tau + part * right.by_tau,
        rest * left.delay + part * right.delay,
        b,
        (rest * left.b * left.x + part * right.b * right.x) / b,
        rest * left.psi + part * right.psi,
    )


@compiled
def _best_nu(pair, cell, phi, m, tau, accuracy):
    """Minimise one face over nu between 0 and tau - lp; return nu and the cut, with the slope in tau of the minimum."""
    left = _cut(pair, cell, phi, m, tau, 0.0, 0.0)
    if left.by_nu >= -1e-12 or tau <= pair.lp:
        return 0.0, left
    right = _cut(pair, cell, phi, m, tau, tau - pair.lp, tau - pair.lp)
    if right.by_nu <= 0.0:
        # Beyond tau - lp nobody wants power: the minimum is the kink there, it moves with tau, and pi = 1.
        slope = right.by_tau + right.by_nu
        x = pair.cd / right.b
        return right.at, _Cut(tau, right.value, 0.0, slope, right.delay, right.b, x, right.psi)
    for _ in range(7):
        width = right.by_nu - left.by_nu
        at = (left.value - right.value + right.by_nu * right.at - left.by_nu * left.at) / width
        best = min(left.value, right.value)
        if not left.at < at < right.at or left.value + left.by_nu * (at - left.at) > best - accuracy:
            break
        cut = _cut(pair, cell, phi, m, tau, at, at)
        if cut.by_nu > 0.0:
            right = cut
        else:
            left = cut
    nu = left.at if left.value <= right.value else right.at
    return nu, _mixed(left, right, -left.by_nu / (right.by_nu - left.by_nu), tau)


@compiled
def _tighten_face(pair, cell, phi, m, tau, limit, accuracy):
    """Minimise one face over tau; stop at a value below `limit`, or when it cannot be reached."""
    least, most = pair.norm / (1.0 + 3.0 * pair.norm), pair.norm
    tau = max(least, min(most, tau))
    value, best_tau, best_nu = math.inf, tau, 0.0
    nu, cut = _best_nu(pair, cell, phi, m, tau, 0.3 * accuracy)
    left, right, has_left, has_right = cut, cut, False, False
    for _ in range(14):
        if cut.value < value:
            value, best_tau, best_nu = cut.value, tau, nu
        if value <= limit:
            break
        span = max(0.0, 1.0 / tau - 1.0 / pair.norm)
        cut = _Cut(tau, cut.value, cut.by_nu, cut.by_tau, cut.delay, cut.b, cut.x, cut.psi)
        if cut.by_tau > 0.0:
            right, has_right = cut, True
        else:
            left, has_left = cut, True
        if not (has_left and has_right):
            # As if the shares stood still: they answer the other way, so this crosses the minimum.
            following = max(least, min(most, 1.0 / (1.0 / pair.norm + max(0.0, min(3.0, span + cut.by_tau)))))
            if following == tau or cut.by_tau == 0.0:
                break
        else:
            width = right.by_tau - left.by_tau
            following = (left.value - right.value + right.by_tau * right.at - left.by_tau * left.at) / width
            lowest = left.value + left.by_tau * (following - left.at)
            if not left.at < following < right.at or lowest > value - accuracy:
                break
            if lowest > limit + 20.0 * (value - lowest):
                break
        tau = following
        nu, cut = _best_nu(pair, cell, phi, m, tau, 0.3 * accuracy)
    if has_left and has_right:
        cut = _mixed(left, right, -left.by_tau / (right.by_tau - left.by_tau), tau)
    return Face(value, best_tau, best_nu, cut.delay, cut.b, cut.x, cut.psi)


@compiled
def tighten(pair, cell, m, tau0, tau1, target, accuracy, most):
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
        if lowest > target + 5.0 * (best.bound - lowest):
            break
        m = pair.rho if left < pair.rho < right and right < 3.0 * left else crossing
    return best


@compiled
def exchange(pair, m, face):
    """Return what an own training costs more than an offloaded one at the maximiser of a face, at the price m."""
    own = own_cost(pair, m)[0] + link(pair, m, face.b)[0]
    x = max(face.x, 1e-12)
    level = math.log1p(x)
    psi = max(face.psi, min(1.0, pair.a3 / pair.t1))
    served = pair.E3 * psi * psi + m * pair.a3 / psi + (pair.E4 / pair.cd * x + m * pair.a2 / face.b) / level
    return own - served
