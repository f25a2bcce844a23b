"""Least energy of a pair at given shares and deadline: strong duality in the one price of delay.

At shares z = (b, pi, psi) and deadline T, energies counted at their prices and mu the price of phi::

    E*(z; T) = min over phi, p, f of energy + mu phi with delay <= T
             = max over m >= 0 of  min{ A(m) + U(m, b) + mu, e + m d } - m T

with e, d the energy and delay of a user that offloads everything, and A, U from `link`. The problem is
jointly convex in phi and the times spent: E1 phi^3 a1^2 / t^2 for training, for the uplink a perspective of
t (e^(L/t) - 1), and mu phi is linear. So there is no gap.
The maximum lies at phi = 1 where the own delay meets T, at phi = 0 with m = 0, or where both costs are equal.
Where phi is kept in a range, the convexity in phi says that the least energy is at the end next to the free optimum.

Least rates hold whatever phi is, also where nothing is sent: shares that do not carry them have no energy. That of the
uplink keeps its time at most phi a2 / need_up, which is linear, so the problem stays jointly convex.
"""

import cython

if not cython.compiled:
    from math import exp, expm1, fabs, inf, log, log1p, sqrt

    from .link import Pair, excess, held_by_need, idle_link, link, make_pair, own_cost
    from .score import LOG

__all__ = ["Least", "fulfil", "least_energy_of", "own_deadline_price", "server_side"]

#: Rates short of their needs by this part, by rounding, carry them.
ROUNDED = cython.declare(cython.double, 1e-13)

#: E* (infinite where the deadline cannot be met), phi, p and f that reach it, the price m of delay.
Least = cython.struct(energy=cython.double, phi=cython.double, p=cython.double, f=cython.double, m=cython.double)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def server_side(pair: Pair, b: float, power: float, speed: float) -> tuple[float, float]:
    """Return the energy and delay of a user that offloads everything; infinite without power or speed."""
    if b <= 0.0 or power <= 0.0 or speed <= 0.0:
        return inf, inf
    rate = b * log1p(pair.cd * power / b)
    if rate <= 0.0:
        return inf, inf
    return pair.E3 * speed * speed + pair.E4 * power / rate, pair.a3 / speed + pair.a2 / rate


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def own_deadline_price(pair: Pair, b: float, deadline: float) -> float:
    """Return the price m at which a user that trains everything itself takes exactly `deadline`.

    The caller knows that the user can be faster. Zero if no price at all makes it that slow.
    """
    a = pair.E2 / pair.cu
    if pair.E1 <= 0.0 and a <= 0.0:
        return 0.0
    if pair.need_up > 0.0 and pair.E1 <= 0.0 and pair.a1 + pair.a2 / pair.need_up <= deadline:
        return 0.0
    # A start from half the slack each, then Newton's method on ln delay against ln m, in a bracket.
    m = max(
        2.0 * pair.E1 * (pair.a1 * pair.a1) / (deadline * deadline * deadline) * 8.0, 1e-6 * (pair.E1 + a) / deadline
    )
    low, high = 0.0, inf
    for _round in range(200):
        _, own, f = own_cost(pair, m)
        _, sent, p, level = link(pair, m, b)
        delay = own + sent
        gap = delay - deadline
        if gap > 0.0:
            low = m
        else:
            high = m
        slope = (own / 3.0 if f < 1.0 else 0.0) + (
            sent * excess(level) / (level * level * exp(level))
            if p < 1.0 and not held_by_need(pair, m, b, level)
            else 0.0
        )
        step = log(delay / deadline) * delay / slope if slope > 0.0 else (2.0 if gap > 0.0 else -2.0)
        following = m * exp(max(-8.0, min(8.0, step)))
        if not low < following < high:
            following = 0.5 * (low + high) if high < inf else 4.0 * m
        if abs(following - m) <= 1e-15 * m or following < 1e-250:
            break
        m = following
    return m


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def fulfil(pair: Pair, b: float, power: float, speed: float, deadline: float) -> Least:
    """Return E*, phi, p, f and the price m of delay; E* is infinite where deadline or least rates cannot be met."""
    if pair.carrying > 0.0 and not _carries(pair, b, power):
        return Least(inf, 1.0, 1.0, 1.0, 0.0)
    free = _fulfil(pair, b, power, speed, deadline)
    if pair.f0 <= free.phi <= pair.f1 or free.energy == inf:
        return free
    return _kept(pair, b, power, speed, deadline, pair.f0 if free.phi < pair.f0 else pair.f1)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _carries(pair: Pair, b: float, power: float) -> cython.bint:
    """Return whether both links are as fast as they need to be, the uplink with all power."""
    if b <= 0.0 or power <= 0.0:
        return False
    enough = 1.0 - ROUNDED
    up, down = b * log1p(pair.cu / b), b * log1p(pair.cd * power / b)
    return up >= pair.need_up * enough and down >= pair.need_down * enough


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _kept(pair: Pair, b: float, power: float, speed: float, deadline: float, phi: float) -> Least:
    """Return the columns of `fulfil` at a given phi."""
    w = 1.0 - phi
    e, d = 0.0, 0.0
    if w > 0.0:
        e, d = server_side(pair, b, power, speed)
        if not w * d <= deadline:
            return Least(inf, phi, 1.0, 1.0, 0.0)
    if phi <= 0.0:
        return Least(e, 0.0, 1.0, 1.0, 0.0)
    left = (deadline - w * d) / phi
    fastest = pair.a1 + pair.a2 / (b * log1p(pair.cu / b))
    if fastest > left:
        return Least(inf, phi, 1.0, 1.0, 0.0)
    if fastest == left:
        own, p, f, m = pair.E1 + pair.E2 * (fastest - pair.a1) / pair.a2, 1.0, 1.0, 0.0
    else:
        m = own_deadline_price(pair, b, left)
        if m <= 0.0:
            idle, p = idle_link(pair, b)
            return Least(phi * idle + w * e + pair.mu * phi, phi, p, 1.0, 0.0)
        alone = _own(pair, b, m, left)
        own, p, f = alone.energy, alone.p, alone.f
    return Least(phi * own + w * e + pair.mu * phi, phi, p, f, m)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _fulfil(pair: Pair, b: float, power: float, speed: float, deadline: float) -> Least:
    """Return the columns of `fulfil` for phi in [0, 1]."""
    nothing = Least(inf, 1.0, 1.0, 1.0, 0.0)
    if b <= 0.0 or deadline <= 0.0:
        return nothing
    e, d = server_side(pair, b, power, speed)
    idle, least_p = idle_link(pair, b)
    if d <= deadline and e <= idle + pair.mu:  # the least an own training costs, at no speed at all
        return Least(e, 0.0, 1.0, 1.0, 0.0)
    fastest = pair.a1 + pair.a2 / (b * log1p(pair.cu / b))
    if fastest > deadline and d > deadline:
        return nothing
    alone = inf
    if fastest < deadline:
        alone = own_deadline_price(pair, b, deadline)
        if alone <= 0.0 and not idle + pair.mu > e:
            return Least(idle + pair.mu, 1.0, least_p, 1.0, 0.0)
        cost = pair.mu
        if alone > 0.0:
            cost += own_cost(pair, alone)[0] + link(pair, alone, b)[0]
        else:
            cost += idle
        if not cost > e + alone * d:
            found = _own(pair, b, alone, deadline)
            return Least(found.energy + pair.mu, 1.0, found.p, found.f, alone)
    elif not d < deadline:
        if fastest <= deadline:
            own = pair.E1 + pair.E2 * (fastest - pair.a1) / pair.a2
            return Least(own + pair.mu, 1.0, 1.0, 1.0, 0.0)
        return Least(e, 0.0, 1.0, 1.0, 0.0)
    return _mixed(pair, b, e, d, alone, deadline)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _own(pair: Pair, b: float, m: float, deadline: float) -> Least:
    """Return the columns of `fulfil` for phi = 1 at the price m, the deadline met by f or else by p; without mu."""
    _, own, f = own_cost(pair, m)
    _, sent, p, _ = link(pair, m, b)
    if f < 1.0 and deadline - sent > 0.0 and pair.a1 / (deadline - sent) <= 1.0:
        f = pair.a1 / (deadline - sent)
    elif own + sent > deadline:
        f = 1.0
        p = min(1.0, b * expm1(pair.a2 / (b * (deadline - pair.a1))) / pair.cu)
        sent = pair.a2 / (b * log1p(pair.cu * p / b))
    return Least(pair.E1 * f * f + pair.E2 * p * sent / pair.a2, 1.0, p, f, m)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _mixed(pair: Pair, b: float, e: float, d: float, alone: float, deadline: float) -> Least:
    """Return the columns of `fulfil` where training at home and at the server cost the same.

    The difference of the costs is concave in m. It rises to zero below `alone` if the server alone meets the
    deadline, and falls to zero above `alone` if not; Newton's method is monotone after its first step.
    """
    rising: cython.bint = d < deadline
    m = alone
    if alone == inf:
        m = (e + pair.E1 + pair.E2 + fabs(pair.mu)) / deadline
    low, high = (0.0, alone) if rising else (alone, inf)
    own, sent, f, p = 0.0, 0.0, 1.0, 1.0
    for _round in range(200):
        cost, own, f = own_cost(pair, m)
        linked, sent, p, _ = link(pair, m, b)
        gap = cost + linked - e - m * d + pair.mu
        slope = own + sent - d
        if (gap < 0.0) == rising:
            low = max(low, m)
        else:
            high = min(high, m)
        following = m - gap / slope if slope != 0.0 else -1.0
        if not low < following < high:
            following = (sqrt(low * high) if low > 0.0 else 0.01 * high) if high < inf else 8.0 * m
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
    return Least(phi * own_energy + (1.0 - phi) * e + pair.mu * phi, phi, p, f, m)


def least_energy_of(
    c: cython.const[cython.double][:, ::1],
    terms: cython.const[cython.double][:, ::1],
    shares: cython.const[cython.double][:, ::1],
    out: cython.double[:, ::1],
    first: cython.Py_ssize_t,
    last: cython.Py_ssize_t,
) -> None:
    """Write the least energies of the pairs from `first` to before `last`; see `pricing.least_energy`."""
    with cython.nogil:
        for k in range(first, last):
            pair = make_pair(c, k, 1.0, LOG, terms)
            found = fulfil(pair, shares[k, 0], shares[k, 1], shares[k, 2], pair.t1)
            out[k, 0], out[k, 1], out[k, 2] = found.energy, found.phi, found.p
            out[k, 3], out[k, 4] = found.f, found.m
