r"""The bound of one cell of a pair in ball arithmetic.

What is bounded, at a weight a >= 0 of the score g, prices c_i >= 0 of the energies, E_i = c_i e_i, prices l = (lb, lp,
ls) of the shares, rho of the deadline and mu of phi, and a constant k, all these of any sign::

    max of a g(b + pi + psi) - lb b - lp pi - ls psi - sum of energies - rho T - mu phi - k

over deadlines T in [t0, t1], shares in [0, 1], fractions p, f in (0, 1] and phi in [phi0, phi1], with delay <= T, b >
b0 and x0 <= x <= x1 for the downlink SNR x = cd pi / b, and with R(cu, b, p) >= need_up and b ln(1 + x) >= need_down. g
is one of `scores`, all concave. The multipliers m, tau, nu come from the certificate; every m >= 0, tau >= 0, nu >= 0
gives a bound. Weak duality alone is used, and that functions of one number are convex:

1.  Adding m (T - delay) >= 0 removes the deadline; (m - rho) T is largest at t0 or t1, and k is a number.
2.  With everything else fixed, what is left is linear in phi, mu phi included: it is largest at phi0 or phi1. At one of
    them, w = 1 - phi.
3.  a g(s) - tau s <= conj on s in [0, 3]: concave as a >= 0, so that a tangent anywhere lies above, largest at an
    end; for a = 0 that is 0 - tau s <= 0. Adding nu (1 - pi) >= 0 and pi = x b / cd leave::

        conj + nu + C b + (tau - ls) psi - phi [A + U(b) + mu]
            - w [E3 psi^2 + m a3 / psi + (E4 / cd) q(x) + m a2 r(x) / b]

    with C = tau - lb + (tau - lp - nu) x / cd, q = x / ln(1 + x), r = 1 / ln(1 + x), A = min over f of
    E1 f^2 + m a1 / f and U(b) = min over p of (E2 p + m a2) / R(cu, b, p).
4.  q is concave: with l = ln(1 + x) its slope (l - 1 + e^-l) / l^2, the integral of (1 - s) e^(-l s) over s in
    [0, 1], falls. r is convex, as ln is concave. q is replaced by its chord over [x0, x1], r by a tangent that is
    positive at x1. What results is linear in x: it is largest at x0 or x1. At both, b0 <= b <= b1 = min(1, cd / x0).
    The least rate of the downlink is b >= need_down r(x): so b >= need_down r(x1) at both, and adding eta (b -
    need_down r^) >= 0 with any eta >= 0, r^ the tangent below r, keeps all linear in x. It adds eta to C and takes eta
    need_down r^ off. A good eta is found by a search, and that with eta = 0 is a bound as well.
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

*With a least rate* need_up, U can only be more, so that both lines stay below it. Without the cap, U~ over
l >= need_up / b is convex as well and does not increase: in logarithms of b and p the set R >= need_up is convex, as
ln R is concave, and it grows with b. The cost falls in l up to k(l) = g / (a b) and rises then: where a k(l) >= g / b
at l = need_up / b, the need holds the rate, U~ = (a b (e^l - 1) + g) / need_up there, its slope is -a k / need_up, and
for all b > 0::

    U(b') >= U~(b') >= (a b (e^l - 1) + g) / need_up - (a k / need_up) (b' - b)

That the need holds it is proven in balls too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import tangent_points
from .balls import ball, flint
from .scaled_pair import ScaledPair, least_delay
from .scores import conjugate

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
        Share of bandwidth that does not suffice for t1 or the least rates, whatever else is chosen.
    weight, mu, constant
        a, the price of phi, and k.
    score
        Which g, a name of `scores.SCORES`.
    need_up, need_down
        Least R of both links, at least 0.
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
    score: str = "log"
    need_up: Ball = 0
    need_down: Ball = 0


def cell_bound(pair: Priced, leaf: list[float]) -> Ball | None:
    """Return a ball above or around a bound of the cell, or None if no point of it meets t1 and the least rates.

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
    b0 = pair.b0
    if pair.need_down > 0:
        b0 = b0.max(pair.need_down / ball(x1).log1p())
        if b0 > b1:
            return None
    price = ball(m)
    late = price - pair.rho
    time = (late * ball(pair.t0)).max(late * ball(pair.t1)) - pair.constant
    corners = _corners(x0, x1, touch)
    own = _own_cost(pair, price)
    first = _face(pair, corners, (b0, b1), own, price, ball(phi0), ball(tau0), ball(nu0))
    if phi1 == phi0 and tau1 == tau0 and nu1 == nu0:
        return time + first
    return time + first.max(_face(pair, corners, (b0, b1), own, price, ball(phi1), ball(tau1), ball(nu1)))


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
    pair: Priced,
    corners: list[tuple[Ball, Ball, Ball]],
    ends: tuple[Ball, Ball],
    own: Ball,
    m: Ball,
    phi: Ball,
    tau: Ball,
    nu: Ball,
) -> Ball:
    """Bound one end of the range of phi, without the terms of the deadline and k (steps 3 to 6)."""
    w, ls = 1 - phi, pair.prices[2]
    worst, over = _worse_corner(pair, corners, ends, m, phi, tau, nu, ball(0.0))
    if pair.need_down > 0 and over < 0.0:

        def at(eta: float) -> tuple[float, float]:
            value, slope = _worse_corner(pair, corners, ends, m, phi, tau, nu, ball(eta))
            return float(value), slope

        try:
            eta = tangent_points.lowest_point(at, max(float(tau), 1e-3 * abs(float(worst))) or 1.0)
            worst = worst.min(_worse_corner(pair, corners, ends, m, phi, tau, nu, ball(eta))[0])
        except (ArithmeticError, ValueError):
            pass  # where floats end, eta = 0 is left
    score = conjugate(pair.score, pair.weight, pair.norm, tau)
    return score + nu + _speed(pair, tau - ls, w, m) - phi * (own + pair.mu) + worst


def _worse_corner(
    pair: Priced,
    corners: list[tuple[Ball, Ball, Ball]],
    ends: tuple[Ball, Ball],
    m: Ball,
    phi: Ball,
    tau: Ball,
    nu: Ball,
    eta: Ball,
) -> tuple[Ball, float]:
    """Bound what hangs on bandwidth and downlink (step 4), and say about how it grows with eta."""
    d, w = pair.data, 1 - phi
    lb, lp, _ = pair.prices
    g = m * d.a2
    worst, most, over = None, 0.0, 0.0
    for x, q, r in corners:
        c = tau - lb + (tau - lp - nu) * x / d.cd + eta
        line, at = _bandwidth(pair, c, phi, w * g * r, g, ends)
        value = line - w * d.e4 / d.cd * q - eta * pair.need_down * r
        if worst is None or float(value) > most:
            most, over = float(value), float(at - pair.need_down * r)
        worst = value if worst is None else worst.max(value)
    return worst, over


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


def _bandwidth(pair: Priced, c: Ball, phi: Ball, g_down: Ball, g: Ball, ends: tuple[Ball, Ball]) -> tuple[Ball, Ball]:
    """Bound C b - phi U(b) - G / b over b in [b0, b1] by a line (step 5), and return about where it is largest."""
    value, slope = ball(0.0), c  # the line is value + slope b
    at, level = _maximiser(pair, c, phi, g_down, g, ends)
    if g_down > 0:
        value -= 2 * g_down / at
        slope += g_down / (at * at)
    if phi > 0:
        base, decline = _tangent_of_link(pair, g, level)
        value -= phi * base
        slope += phi * decline
    return value + (slope * ends[0]).max(slope * ends[1]), at


def _tangent_of_link(pair: Priced, g: Ball, level: float) -> tuple[Ball, Ball]:
    """Return (base, decline) with U(b) >= base - decline b for all b > 0."""
    length = ball(level)
    grown = length.exp()
    # k = integral of t e^t over [0, l] lies in l^2 / 2 times [1, e^l]; the closed form cancels at small l.
    k = grown * (length - 1) + 1 if level > 1e-10 else length * length / 2 * flint().arb.union(ball(1.0), grown)
    cu, energy = pair.data.cu, pair.data.e2
    a = energy / cu
    if pair.need_up > 0:
        b = pair.need_up / length
        if a * k * b >= g:  # the need holds the rate at b
            cost, decline = (a * b * length.expm1() + g) / pair.need_up, a * k / pair.need_up
            return cost + decline * b, decline
    b = cu / length.expm1()
    if a * k * b <= g:  # the cap of power binds at b
        cost = (energy + g) / (b * length)
        decline = cost * k / (grown * b * length)
        return cost + decline * b, decline
    if not g > 0:
        return a, ball(0.0)  # U~(b) >= a, as (e^l - 1) / l >= 1
    return a * grown + a * k / length, (a * k) ** 2 / (g * length)


def _maximiser(pair: Priced, c: Ball, phi: Ball, g_down: Ball, g: Ball, span: tuple[Ball, Ball]) -> tuple[Ball, float]:
    """Return about where C b - phi U(b) - G / b is largest, and the level of the uplink there."""
    low, high, down, part, need = float(span[0]), float(span[1]), float(g_down), float(phi), float(pair.need_up)
    falling, delay = float(c), float(g)
    a, energy, cu = float(pair.data.e2 / pair.data.cu), float(pair.data.e2), float(pair.data.cu)
    try:
        if part <= 0.0:
            b = (down / -falling) ** 0.5 if falling < 0.0 else high
            return ball(min(high, max(low, b))), 1.0
        ends = [tangent_points.level_for(b, a, delay, cu) for b in (high, low)]
        if need > 0.0:
            ends = [max(level, need / b) for level, b in zip(ends, (high, low), strict=True)]
        if falling >= 0.0 or delay <= 0.0:
            return ball(high), ends[0]

        def missing(level: float) -> float:
            b, slope = tangent_points.link_slope(level, a, delay, energy, cu, need)
            return -falling - part * slope - down / (b * b)

        level = tangent_points.falling_root(missing, *ends)
        return ball(min(high, max(low, tangent_points.bandwidth_at(level, a, delay, cu, need)))), level
    except (ArithmeticError, ValueError):
        return ball(high if high > 0.0 else 1.0), 1.0
