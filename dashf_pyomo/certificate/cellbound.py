r"""The bound of one cell of a pair in ball arithmetic.

What is bounded, at a weight a >= 0 of the score, prices l = (lb, lp, ls) of the shares and c_i >= 0 of the energies,
E_i = c_i e_i, a price rho of the deadline and mu of phi, and a constant k, the last three of any sign::

    max of a ln(1 + norm (b + pi + psi)) - lb b - lp pi - ls psi - sum of energies - rho T - mu phi - k

over deadlines T in [t0, t1], shares in [0, 1], fractions p, f in (0, 1] and phi in [phi0, phi1], with delay <= T, b >
b0 and x0 <= x <= x1 for the downlink SNR x = cd pi / b. The multipliers m, tau, nu come from the certificate; every m
>= 0, tau >= 0, nu >= 0 gives a bound. Weak duality alone is used, and that functions of one number are convex:

1.  Adding m (T - delay) >= 0 removes the deadline; (m - rho) T is largest at t0 or t1, and k is a number.
2.  With everything else fixed, what is left is linear in phi, mu phi included: it is largest at phi0 or phi1. At one of
    them, w = 1 - phi.
3.  a ln(1 + norm s) - tau s <= conj on s in [0, 3]: concave as a >= 0, so that a tangent anywhere lies above, largest
    at an end; for a = 0 that is 0 - tau s <= 0. Adding nu (1 - pi) >= 0 and pi = x b / cd leave::

        conj + nu + C b + (tau - ls) psi - phi [A + U(b) + mu]
            - w [E3 psi^2 + m a3 / psi + (E4 / cd) q(x) + m a2 r(x) / b]

    with C = tau - lb + (tau - lp - nu) x / cd, q = x / ln(1 + x), r = 1 / ln(1 + x), A = min over f of
    E1 f^2 + m a1 / f and U(b) = min over p of (E2 p + m a2) / R(cu, b, p).
4.  q is concave: with l = ln(1 + x) its slope (l - 1 + e^-l) / l^2, the integral of (1 - s) e^(-l s) over s in
    [0, 1], falls. r is convex, as ln is concave. q is replaced by its chord over [x0, x1], r by a tangent that is
    positive at x1. What results is linear in x: it is largest at x0 or x1. At both, b0 <= b <= b1 = min(1, cd / x0).
5.  In b: the bound is C b - phi U(b) - G / b with G = w m a2 r >= 0. A *line* above it comes from tangents of U and of
    1 / b below them, and a line is largest at an end of [b0, b1].
6.  In psi: (tau - ls) psi - w (E3 psi^2 + m a3 / psi) is concave, so a tangent lies above, largest at 0 or 1.
7.  A = E1 + m a1 if m a1 >= 2 E1, where the function of f still falls at its cap; in any case
    A >= 3 (E1 (m a1 / 2)^2)^(1/3), by the inequality of the means for E1 f^2 + m a1 / (2f) + m a1 / (2f).

*Tangents of U*, g = m a2, a = E2 / cu. Without the cap p <= 1, U can only be less: call it U~(b). With u = cu p / b
and l = ln(1 + u) it is min over l of (a (e^l - 1) + g / b) / l, stationary where g / b = a k(l), k(l) = e^l (l - 1) +
1. There U~ = a e^l and, by the envelope theorem, U~' = -g / (b^2 l) = -a^2 k^2 / (g l). As l grows b = g / (a k) falls
and k^2 / l grows, so U~' grows with b: U~ is convex. Hence for every l > 0, without solving anything, for all b > 0::

    U(b) >= U~(b) >= a e^l + a k / l - (a^2 k^2 / (g l)) b

Where the cap binds at b = cu / (e^l - 1), which is where a k(l) <= g / b, U(b) = (E2 + g) / (b l). U is convex itself:
in logarithms of b and p, E2 p + g is log-convex, ln R = ln b + ln ln(1 + e^t) with t = ln(cu p / b) is concave (the
slope of ln ln(1 + e^t) falls, as ln(1 + e^t) <= e^t), so ln U, a minimum of a jointly convex function over ln p <= 0,
is convex in ln b; R grows with b, so U does not; and a convex function that does not increase, of the concave ln b, is
convex. Its slope is -(E2 + g) e^-l k / (b l)^2 (the derivative of b ln(1 + cu / b) is l - u / (1 + u) = e^-l k), so
for all b > 0::

    U(b') >= (E2 + g) / (b l) - (E2 + g) e^-l k / (b l)^2 (b' - b)

That the cap binds is itself proven in balls; where it cannot be, the first line is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import tangent_points
from .balls import ball, flint
from .scaled_pair import ScaledPair, least_delay

__all__ = ["Priced", "cell_bound"]

Ball = Any


@dataclass(frozen=True)
class Priced:
    """A pair with its prices, all as balls.

    Parameters
    ----------
    data
        Coefficients, the energies multiplied by their prices: E1 to E4.
    norm
        varpi_2 of the score.
    prices
        lb, lp, ls.
    rho
        Price of the deadline.
    t0, t1
        Range of the deadline, floats.
    b0
        Share of bandwidth that does not suffice for t1, whatever else is chosen.
    weight, mu, constant
        a, the price of phi, and k.
    """

    data: ScaledPair
    norm: Ball
    prices: tuple[Ball, Ball, Ball]
    rho: Ball
    t0: float
    t1: float
    b0: Ball
    weight: Ball = 1
    mu: Ball = 0
    constant: Ball = 0


def cell_bound(pair: Priced, leaf: list[float]) -> Ball | None:
    """Return a ball above or around a bound of the cell, or None if no point of it meets t1.

    Parameters
    ----------
    pair
        The pair at its prices.
    leaf
        Entries of `nodes.LEAF`.
    """
    x0, x1, phi0, phi1, m, tau0, tau1, nu0, nu1, touch = leaf
    one, cd = ball(1.0), pair.data.cd
    b1 = (cd / ball(x0)).min(one) if x0 > 0.0 else one
    if least_delay(pair.data, b1, ball(x1), (phi0, phi1)) > ball(pair.t1):
        return None
    price = ball(m)
    late = price - pair.rho
    time = (late * ball(pair.t0)).max(late * ball(pair.t1)) - pair.constant
    corners = _corners(x0, x1, touch)
    own = _own_cost(pair, price)
    first = _face(pair, corners, b1, own, price, ball(phi0), ball(tau0), ball(nu0))
    if phi1 == phi0 and tau1 == tau0 and nu1 == nu0:
        return time + first
    return time + first.max(_face(pair, corners, b1, own, price, ball(phi1), ball(tau1), ball(nu1)))


def _corners(x0: float, x1: float, at: float) -> list[tuple[Ball, Ball, Ball]]:
    """Return (x, q, r) at both ends of the cell: ends of the chord of q and of the tangent of r at a point (step 4)."""
    low, high = ball(x0), ball(x1)
    level0, level1 = low.log1p(), high.log1p()
    q0, q1 = low / level0 if x0 > 0.0 else ball(1.0), high / level1
    if x0 == x1:
        return [(low, q0, 1 / level0)]
    touch = ball(at)
    level = touch.log1p()
    slope = -1 / ((1 + touch) * level * level)
    r0, r1 = 1 / level + slope * (low - touch), 1 / level + slope * (high - touch)
    if not r1 > 0:  # r decreases: its value at x1 is below it on the whole cell
        r0 = r1 = 1 / level1
    return [(low, q0, r0), (high, q1, r1)]


def _face(
    pair: Priced, corners: list[tuple[Ball, Ball, Ball]], b1: Ball, own: Ball, m: Ball, phi: Ball, tau: Ball, nu: Ball
) -> Ball:
    """Bound one end of the range of phi, without the terms of the deadline and k (steps 3 to 6)."""
    d, w = pair.data, 1 - phi
    lb, lp, ls = pair.prices
    g = m * d.a2
    worst = None
    for x, q, r in corners:
        c = tau - lb + (tau - lp - nu) * x / d.cd
        value = _bandwidth(pair, c, phi, w * g * r, g, b1) - w * pair.data.e4 / d.cd * q
        worst = value if worst is None else worst.max(value)
    return _conjugate(pair, tau) + nu + _speed(pair, tau - ls, w, m) - phi * (own + pair.mu) + worst


def _conjugate(pair: Priced, tau: Ball) -> Ball:
    """Bound a ln(1 + norm s) - tau s over s in [0, 3] by a tangent: it is concave (step 3)."""
    norm = pair.norm
    at = ball(min(3.0, max(0.0, float(pair.weight / tau - 1 / norm))) if tau > 0 else 3.0)
    slope = pair.weight * norm / (1 + norm * at) - tau
    return pair.weight * (1 + norm * at).log() - tau * at + (slope * (3 - at)).max(-slope * at)


def _own_cost(pair: Priced, m: Ball) -> Ball:
    """Return a ball below or around A(m) (step 7)."""
    trained = m * pair.data.a1
    if trained >= 2 * pair.data.e1:
        return pair.data.e1 + trained
    # A ball around zero has no root; zero is a bound as well.
    volume = pair.data.e1 * (trained / 2) ** 2
    return 3 * volume.root(3) if volume > 0 else ball(0.0)


def _speed(pair: Priced, c: Ball, w: Ball, m: Ball) -> Ball:
    """Bound c psi - w (E3 psi^2 + m a3 / psi) over psi in (0, 1] by a tangent (step 6)."""
    square, hyper = w * pair.data.e3, w * m * pair.data.a3
    flat = c.max(ball(0.0))  # without the costs
    if not (square > 0 or hyper > 0):
        return flat
    at = ball(tangent_points.speed_point(float(c), float(square), float(hyper)))
    slope = c - 2 * square * at + hyper / (at * at)
    return (c * at - square * at * at - hyper / at + (slope * (1 - at)).max(-slope * at)).min(flat)


def _bandwidth(pair: Priced, c: Ball, phi: Ball, g_down: Ball, g: Ball, b1: Ball) -> Ball:
    """Bound C b - phi U(b) - G / b over b in [b0, b1] by a line (step 5)."""
    value, slope = ball(0.0), c  # the line is value + slope b
    at, level = _maximiser(pair, c, phi, g_down, g, b1)
    if g_down > 0:
        value -= 2 * g_down / at
        slope += g_down / (at * at)
    if phi > 0:
        base, decline = _tangent_of_link(pair, g, level)
        value -= phi * base
        slope += phi * decline
    return value + (slope * pair.b0).max(slope * b1)


def _tangent_of_link(pair: Priced, g: Ball, level: float) -> tuple[Ball, Ball]:
    """Return (base, decline) with U(b) >= base - decline b for all b > 0."""
    length = ball(level)
    grown = length.exp()
    # k = integral of t e^t over [0, l] lies in l^2 / 2 times [1, e^l]; the closed form cancels at small l.
    k = grown * (length - 1) + 1 if level > 1e-10 else length * length / 2 * flint().arb.union(ball(1.0), grown)
    cu, energy = pair.data.cu, pair.data.e2
    a = energy / cu
    b = cu / length.expm1()
    if a * k * b <= g:  # the cap of power binds at b
        cost = (energy + g) / (b * length)
        decline = cost * k / (grown * b * length)
        return cost + decline * b, decline
    if not g > 0:
        return a, ball(0.0)  # U~(b) >= a, as (e^l - 1) / l >= 1
    return a * grown + a * k / length, (a * k) ** 2 / (g * length)


def _maximiser(pair: Priced, c: Ball, phi: Ball, g_down: Ball, g: Ball, b1: Ball) -> tuple[Ball, float]:
    """Return about where C b - phi U(b) - G / b is largest, and the level of the uplink there."""
    low, high, down, part = float(pair.b0), float(b1), float(g_down), float(phi)
    falling, delay = float(c), float(g)
    a, energy, cu = float(pair.data.e2 / pair.data.cu), float(pair.data.e2), float(pair.data.cu)
    try:
        if part <= 0.0:
            b = (down / -falling) ** 0.5 if falling < 0.0 else high
            return ball(min(high, max(low, b))), 1.0
        ends = tangent_points.level_for(high, a, delay, cu), tangent_points.level_for(low, a, delay, cu)
        if falling >= 0.0 or delay <= 0.0:
            return ball(high), ends[0]

        def missing(level: float) -> float:
            b, slope = tangent_points.link_slope(level, a, delay, energy, cu)
            return -falling - part * slope - down / (b * b)

        level = tangent_points.falling_root(missing, *ends)
        return ball(min(high, max(low, tangent_points.bandwidth_at(level, a, delay, cu)))), level
    except (ArithmeticError, ValueError):
        return ball(high if high > 0.0 else 1.0), 1.0
