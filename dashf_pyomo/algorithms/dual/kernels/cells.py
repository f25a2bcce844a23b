"""The proven bound of one pair over one cell of downlink SNR and offloading.

The pricing problem of a pair, with shares z = (b, pi, psi), s = b + pi + psi and a weight a >= 0 of the score, is::

    h = max over T in [t0, t1], z in [0, 1]^3, phi in [0, 1], p, f in (0, 1] with delay <= T and least rates  of
        a g(s) - lb b - lp pi - ls psi - energy - rho T - mu phi - k

g is one of the functions of `score`, all concave. The four energies E1..E4 are each multiplied by a price of its own,
at least zero: the curvature that is used below has that sign. The prices lb, lp and ls of shares, rho, mu and k may
have any sign. With a = 1, all prices of energy equal to y, and mu = k = 0, it is the problem of the service-cost ratio.
Least rates hold whatever phi is: R(cu, b, p) >= need_up and R(cd, b, pi) >= need_down.

Its bound on the cell x0 <= x <= x1, phi0 <= phi <= phi1, where x = cd pi / b is the SNR of the downlink:

1.  *Delay.* For any m > 0, h <= max of the same without the constraint plus m (T - delay). T separates and leaves
    max((m - rho) t0, (m - rho) t1); f and p separate and leave A(m) and U(m, b), see `link`. k is a number.
2.  *Offloading.* For fixed z, p and f what is left is linear in phi, mu phi included: its maximum is at phi0 or at
    phi1, which are bounded one by one (w = 1 - phi below).
3.  *Score.* For any tau >= 0, a g(s) <= tau s + conj(tau), conj(tau) = max over s in [0, 3] of a g(s) - tau s, a
    concave function of s, largest where the slope is tau (for the logarithm s = a / tau - 1 / norm) or at the end next
    to it. Where a = 0, conj is zero and tau = 0 loses nothing. Each face of phi may have a tau of its own.
4.  *Downlink.* With pi = x b / cd the rate is b ln(1 + x), so the downlink costs (E4 / cd) q(x) + m a2 r(x) / b with
    q = x / ln(1 + x), concave, and r = 1 / ln(1 + x), convex and decreasing. Replace q by its chord over the cell
    and r by one tangent that is positive at x1: both lie below, so the bound stays above. Everything is now linear in
    x for fixed b and psi: the maximum is at x0 or at x1. Valid at both vertices: b <= min(1, cd / x0), as pi <= 1.
    Beyond that pi <= 1 is priced: for any nu >= 0, adding nu (1 - pi) only raises the bound. The least rate of the
    downlink is b >= need_down r(x): at both vertices b >= need_down r(x1), and for any eta >= 0 adding
    eta (b - need_down r^(x)), with r^ the tangent below r, only raises the bound; at given multipliers the best eta is
    found where the bound is. A cell in which need_down r(x1) exceeds every b is empty.
5.  *Bandwidth.* At a vertex, C b - phi U(m, b) - w m a2 r / b with C = (tau - lb) + (tau - lp - nu) x / cd + eta is
    concave in b (U is convex, also with the least rate of the uplink, see `link`; r > 0). At any b^ in the range the
    tangent lies above, so value + slope (end - b^), at the worse end, bounds it. At a numerical maximiser this adds
    next to nothing, and no convergence is trusted.
6.  *Speed.* (tau - ls) psi - w (E3 psi^2 + m a3 / psi) is concave in psi: the same.

The bound is the sum, at the worst face and vertex, and it is valid for every m, tau0, tau1, nu0, nu1. Rounding: `SLACK`
times the sum of the magnitudes of all terms is added; about thirty operations of 2^-53 each enter it.

At fixed x and phi nothing is lost (what is left is concave in b and psi, after the duals), so the
bound converges to h as cells shrink, with the square of the width inside. Shares b below the floor of
`least_bandwidth` cannot meet t1 or carry the least rates, so x <= cd / floor. phi = 1 needs no special case: x is free
there but for the least rate.
"""

import cython

if not cython.compiled:
    from math import exp, expm1, inf, isfinite, isnan, log, log1p, sqrt

    from .link import (
        Pair,
        bandwidth_for,
        excess,
        held_by_need,
        is_free_to_choose,
        link,
        log_snr,
        own_cost,
        sloping_cost,
    )
    from .score import score_value, touching_sum

__all__ = ["Cell", "best_sum", "cell_value", "face_value", "least_bandwidth", "least_delay", "make_cell", "time_value"]

#: What is added to every bound for rounding, relative to the magnitudes of its terms.
SLACK = cython.declare(cython.double, 1e-10)

#: Smaller rates are taken for this: they may be zero only because numbers end.
LEAST_RATE = cython.declare(cython.double, 1e-300)

#: Below this SNR the line below r is its value at the upper end: squares would be zero.
LEAST_SNR = cython.declare(cython.double, 1e-100)


#: A cell of SNR and offloading, and the lines below q and r on it.
Cell = cython.struct(
    # Range of the downlink SNR.
    x0=cython.double,
    x1=cython.double,
    # Range of phi.
    phi0=cython.double,
    phi1=cython.double,
    # Range of the share of bandwidth.
    b0=cython.double,
    b1=cython.double,
    # Ends of the chord of q.
    q0=cython.double,
    q1=cython.double,
    # Ends of a tangent of r, and where it touches.
    r0=cython.double,
    r1=cython.double,
    touch=cython.double,
)

#: The worse end of a range of SNR: the bound of what hangs on bandwidth and downlink, b, x, r, the time on the uplink,
#: and by how much b exceeds what the need of the downlink asks for.
Vertex = cython.struct(
    value=cython.double, b=cython.double, x=cython.double, r=cython.double, sent=cython.double, over=cython.double
)

#: Vertices on both sides of the best multiplier of the need, and the part of the right one in the relaxed maximiser.
Mixture = cython.struct(left=Vertex, right=Vertex, part=cython.double)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def least_bandwidth(pair: Pair) -> float:
    """Return a share of bandwidth below which no choice meets t1 or the least rates; above 1 if none ever does.

    Either link takes a2 / R(max(cu, cd), b, 1) at least. The result is lowered a little, for rounding.
    """
    least = bandwidth_for(max(pair.cu, pair.cd), pair.a2 / pair.t1)
    if pair.carrying > 0.0:
        least = max(least, bandwidth_for(pair.cu, pair.need_up), bandwidth_for(pair.cd, pair.need_down))
    return least * (1.0 - 1e-6)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def least_delay(pair: Pair, cell: Cell) -> float:
    """Return a delay that no point of the cell undercuts: everything at its largest; infinite if there is no point."""
    least = inf
    if cell.b0 > cell.b1:
        return least
    own = pair.a1 + pair.a2 / max(cell.b1 * log1p(pair.cu / cell.b1), LEAST_RATE)
    served = pair.a3 + pair.a2 / max(cell.b1 * log1p(min(cell.x1, pair.cd / cell.b1)), LEAST_RATE)
    for end in range(2):
        phi = cell.phi0 if end == 0 else cell.phi1
        delay = (phi * own if phi > 0.0 else 0.0) + ((1.0 - phi) * served if phi < 1.0 else 0.0)
        if isnan(delay):
            return -inf  # what is no number is not too late
        least = min(least, delay)
    return least


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def make_cell(pair: Pair, floor: float, x0: float, x1: float, phi0: float, phi1: float) -> Cell:
    """Return the cell with its chord of q and its tangent of r."""
    b1 = min(1.0, pair.cd / x0) if x0 > 0.0 else 1.0
    b0 = min(floor, b1)
    l0, l1 = log1p(x0), log1p(x1)
    if pair.need_down > 0.0:
        b0 = max(b0, pair.need_down / max(l1, LEAST_RATE) * (1.0 - 1e-6))
    q0 = x0 / l0 if l0 > 0.0 else 1.0
    q1 = x1 / l1 if l1 > 0.0 else 1.0
    if x1 < LEAST_SNR:
        least = 1.0 / max(l1, LEAST_RATE)
        return Cell(x0, x1, phi0, phi1, b0, b1, q0, q1, least, least, x1)
    if not x1 > x0:
        return Cell(x0, x1, phi0, phi1, b0, b1, q0, q1, 1.0 / l0, 1.0 / l1, x1)
    # The geometric mean balances both ends; the tangent must not fall to zero before x1.
    touch = sqrt(x0) * sqrt(x1)
    reach = touch + (1.0 + touch) * log1p(touch)
    while x1 > 0.98 * reach:
        touch = min(x1, 1.3 * max(touch, 0.2 * x1 / (1.0 + l1)))
        if touch >= x1:
            break
        reach = touch + (1.0 + touch) * log1p(touch)
    level = log1p(touch)
    # Quotients, not products: those of large x would leave the range of numbers, and the tangent lie flat above r.
    r0 = (1.0 + (touch - x0) / (1.0 + touch) / level) / level
    r1 = (1.0 + (touch - x1) / (1.0 + touch) / level) / level
    return Cell(x0, x1, phi0, phi1, b0, b1, q0, q1, r0, r1, touch)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _bandwidth(pair: Pair, cell: Cell, c: float, phi: float, wr: float, m: float) -> tuple[float, float, float, float]:
    """Bound C b - phi U(m, b) - wr m a2 / b over b; return the bound, b, the time on the uplink, magnitudes."""
    g = m * pair.a2
    low, high = cell.b0, cell.b1
    b = high
    a = pair.E2 / pair.cu
    if c < 0.0:
        if phi <= 0.0:
            b = min(high, max(low, sqrt(wr * g / -c)))
        else:
            b = _stationary(pair, a, -c, phi, wr, g, high)
            if pair.need_up > 0.0 and a > 0.0:
                b = _stationary_at_need(pair, a, -c, phi, wr, m, max(b, low))
            b = min(high, max(low, b))
    cost, sent = 0.0, 0.0
    slope = c + wr * g / (b * b)
    if phi > 0.0:
        cost, sent, _, level = link(pair, m, b)
        # dU/db = -U R_b / R with R_b = l - u / (1 + u) = e^-l k(l), by the envelope theorem; see `link` for a need.
        slope += phi * sloping_cost(pair, m, b, cost, level) * exp(-level) * excess(level) / (b * level)
    value = c * b - phi * cost - wr * g / b
    value += max(0.0, slope * (high - b), slope * (low - b)) if isfinite(slope) else inf
    return value, b, sent, phi * cost + wr * g / b


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _stationary(pair: Pair, a: float, c: float, phi: float, wr: float, g: float, high: float) -> float:
    """Return where phi U(m, b) + wr g / b falls at the rate c > 0, nearly.

    Below the power cap b = g / (a k(l)), and the condition is (phi / l + wr) k(l)^2 = c g / a^2, solved in l. Above it,
    U = (E2 + g) / R, solved in ln b.
    """
    b = inf
    if a > 0.0:
        target = log(c) + log(g) - 2.0 * log(a)
        if target < 300.0:
            size = exp(target)
            level = (4.0 * size / phi) ** (1.0 / 3.0)
            if wr > 0.0:
                level = min(level, (4.0 * size / wr) ** 0.25)
            level = min(level, 1.0 + 0.5 * max(0.0, target - log(phi + wr)))
            level = max(level, 1e-100)
            for _ in range(30):
                k = excess(level)
                weight = phi / level + wr
                gap = log(weight) + 2.0 * log(k) - target
                step = gap / (2.0 * level * level * exp(level) / k - phi / (level * weight))
                level = level * (1.0 - min(0.8, step)) if level > 1.0 else level * exp(-max(-1.5, min(1.5, step)))
                if abs(step) < 1e-7:
                    break
            b = g / (a * excess(level))
            # Where it lies beyond the range, only the end of the range matters.
            at = level if b < high else log_snr(g / (a * high))
            if expm1(at) * min(b, high) <= pair.cu:
                return b
    # The power cap binds at the solution: Newton's method in ln b.
    b = min(b, high)
    k_total = pair.E2 + g
    for _ in range(40):
        level = log1p(pair.cu / b)
        u = expm1(level)
        decline = exp(-level) * excess(level) / (level * level)  # b |d(1/R)/d ln b|, between 1/2 and 0
        total = phi * k_total * decline + wr * g
        bend = 0.0
        if u > 1e-4:
            v = u / (1.0 + u)
            bend = -u * (-1.0 / ((1.0 + u) * level) * (1.0 + 1.0 / (1.0 + u)) + 2.0 * v / ((1.0 + u) * level * level))
            bend /= level * decline
        gap = log(total / c) - 2.0 * log(b)
        step = gap / (2.0 - bend * phi * k_total * decline / total)
        b *= exp(max(-2.0, min(2.0, step)))
        if abs(step) < 1e-10:
            break
    return b


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _stationary_at_need(pair: Pair, a: float, c: float, phi: float, wr: float, m: float, b: float) -> float:
    """Return where phi U(m, b) + wr g / b falls at the rate c > 0 with a least rate, from where it does without one.

    A need only makes U steeper, below the b at which it starts to hold the rate. There the condition is
    phi a k(l) / need + wr g l^2 / need^2 = c with l = need / b; the left side is convex in ln l, where Newton's method
    falls to the root from the right.
    """
    need, g = pair.need_up, m * pair.a2
    if not 0.0 < b < inf or not held_by_need(pair, m, b, link(pair, m, b)[3]):
        return b
    level = need / b
    for _ in range(60):
        k = excess(level)
        own, down = phi * a / need * k, wr * (g / need) * (level / need) * level
        step = log((own + down) / c) / ((own * (level * level * exp(level) / k) + 2.0 * down) / (own + down))
        if not isfinite(step):
            break
        level *= exp(-max(-2.0, min(2.0, step)))
        if abs(step) < 1e-10:
            break
    return max(b, need / level)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _speed(pair: Pair, c: float, w: float, m: float) -> tuple[float, float, float]:
    """Bound c psi - w (E3 psi^2 + m a3 / psi) over psi in [0, 1]; return the bound, psi, magnitudes."""
    if w <= 0.0:
        psi = 1.0 if c > 0.0 else 0.0
        return c * psi, psi, 0.0
    square, hyper = w * pair.E3, w * m * pair.a3
    # From the right of the root of 2 square psi^3 - c psi^2 - hyper, Newton's method falls to it.
    psi = 1.0
    if 2.0 * square - c - hyper > 0.0:
        for _ in range(60):
            value = (2.0 * square * psi - c) * psi * psi - hyper
            following = psi - value / ((6.0 * square * psi - 2.0 * c) * psi)
            if not following < psi * (1.0 - 1e-9):
                break
            psi = following
    slope = c - 2.0 * square * psi + hyper / (psi * psi)
    cost = square * psi * psi + hyper / psi
    value = c * psi - cost + (max(0.0, slope * (1.0 - psi), -slope * psi) if isfinite(slope) else inf)
    return value, psi, cost


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def best_sum(pair: Pair, tau: float) -> float:
    """Return the sum of shares in [0, 3] at which a g(s) - tau s is largest; tau >= 0."""
    if tau <= 0.0:
        return 3.0 if pair.weight > 0.0 else 0.0
    return min(3.0, max(0.0, touching_sum(pair, tau)))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def time_value(pair: Pair, m: float) -> float:
    """Bound (m - rho) T - k over the interval of the deadline."""
    # Only the difference is rounded; where a deadline is all but free to choose, a slack of both prices would count.
    size = abs(m - pair.rho) if is_free_to_choose(pair) else m + abs(pair.rho)
    time = max((m - pair.rho) * pair.t0, (m - pair.rho) * pair.t1) + SLACK * size * pair.t1
    return time - pair.constant + SLACK * abs(pair.constant)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _worse_vertex(pair: Pair, cell: Cell, phi: float, m: float, tau: float, nu: float, eta: float) -> Vertex:
    """Bound what hangs on bandwidth and downlink at one face, at the multiplier eta of the downlink's need."""
    w = 1.0 - phi
    energy = w * pair.E4 / pair.cd
    worse = Vertex(-inf, 1.0, 0.0, 0.0, 0.0, 0.0)
    for vertex in range(2):
        x = cell.x0 if vertex == 0 else cell.x1
        q = cell.q0 if vertex == 0 else cell.q1
        r = cell.r0 if vertex == 0 else cell.r1
        c = (tau - pair.lb) + (tau - pair.lp - nu) * (x / pair.cd)
        if eta > 0.0:
            c += eta
        value, b, sent, size = _bandwidth(pair, cell, c, phi, w * r, m)
        value -= energy * q
        size += energy * q + ((tau + abs(pair.lb)) + (tau + abs(pair.lp) + nu) * (x / pair.cd)) * cell.b1
        if eta > 0.0:
            value -= eta * pair.need_down * r
            size += eta * (cell.b1 + pair.need_down * r)
        value += SLACK * size
        if not isfinite(value):
            value = inf
        if value > worse.value:
            worse = Vertex(value, b, x, r, sent, b - pair.need_down * r)
    return worse


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _at_best_need(pair: Pair, cell: Cell, phi: float, m: float, tau: float, nu: float, free: Vertex) -> Mixture:
    """Minimise `_worse_vertex` over eta, from its value at eta = 0.

    The two tangents of a bracket cross nearer to the minimum; both sides of it together are the relaxed maximiser.
    """
    left, right, low, high = free, free, 0.0, 0.0
    if free.over >= 0.0 or not free.value < inf:
        return Mixture(free, free, 0.0)
    span = max(cell.b1 * 1e-3, -free.over)
    high = max((abs(pair.lb) + tau) + (abs(pair.lp) + tau + nu) * (free.x / pair.cd), 1e-3 * abs(free.value) / span)
    for _ in range(60):
        right = _worse_vertex(pair, cell, phi, m, tau, nu, high)
        if right.over >= 0.0 or not 0.0 < high < inf:
            break
        left, low = right, high
        high *= 8.0
    if not right.over >= 0.0 or not right.value < inf:
        return Mixture(left, left, 0.0)
    for _ in range(24):
        if not right.over > left.over:
            break
        at = (left.value - right.value + right.over * high - left.over * low) / (right.over - left.over)
        best = min(left.value, right.value)
        lowest = left.value + left.over * (at - low)
        if not low < at < high or lowest > best - 1e-9 * (abs(best) + abs(left.over) * at):
            break
        between = _worse_vertex(pair, cell, phi, m, tau, nu, at)
        if not between.value < inf:
            break
        if between.over >= 0.0:
            right, high = between, at
        else:
            left, low = between, at
    return Mixture(left, right, -left.over / (right.over - left.over) if right.over > left.over else 1.0)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def face_value(
    pair: Pair, cell: Cell, phi: float, m: float, tau: float, nu: float
) -> tuple[float, float, float, float, float, float]:
    """Bound one face of phi without T and k, at prices m of delay, tau of the score, nu of a full share of power.

    Returns the bound, its slopes in tau and (negative) in m, and the relaxed maximiser b, x, psi. What leaves the range
    of floating-point numbers proves nothing: the bound is infinite then.
    """
    w = 1.0 - phi
    span = best_sum(pair, tau)
    conj = pair.weight * score_value(pair, span) - tau * span
    speed, psi, size_speed = _speed(pair, tau - pair.ls, w, m)
    own, trained, _ = own_cost(pair, m)
    worse = _worse_vertex(pair, cell, phi, m, tau, nu, 0.0)
    best, b, x, sent = worse.value, worse.b, worse.x, worse.sent
    down = pair.a2 * worse.r / worse.b
    if pair.need_down > 0.0:
        mixed = _at_best_need(pair, cell, phi, m, tau, nu, worse)
        one, other, part = mixed.left, mixed.right, mixed.part
        best = min(one.value, other.value)
        b = (1.0 - part) * one.b + part * other.b
        x = ((1.0 - part) * one.b * one.x + part * other.b * other.x) / b
        down = pair.a2 * ((1.0 - part) * one.r / one.b + part * other.r / other.b)
        sent = (1.0 - part) * one.sent + part * other.sent
    total = conj + nu + speed + best - phi * own - phi * pair.mu
    total += SLACK * (conj + nu + tau * span + (tau + abs(pair.ls)) + size_speed + phi * own + phi * abs(pair.mu))
    if not isfinite(total):
        total = inf
    s = b * (1.0 + x / pair.cd) + psi
    delay = phi * (trained + sent)
    if w > 0.0:
        delay += w * (pair.a3 / psi + down) if psi > 0.0 else inf
    return total, s - span, delay, b, x, psi


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def cell_value(pair: Pair, cell: Cell, m: float, tau0: float, tau1: float, nu0: float, nu1: float) -> float:
    """Return the proven bound of a cell at any m > 0, tau >= 0, nu >= 0: what a certificate claims."""
    first = face_value(pair, cell, cell.phi0, m, tau0, nu0)[0]
    second = face_value(pair, cell, cell.phi1, m, tau1, nu1)[0]
    return time_value(pair, m) + max(first, second)
