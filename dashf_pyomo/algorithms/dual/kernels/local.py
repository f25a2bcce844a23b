"""Local maxima of the pricing problem of a pair: good columns quickly, no proof.

With E* from `energy.fulfil` the problem is one in (b, pi, psi, T) alone::

    J = a g(b + pi + psi) - lb b - lp pi - ls psi - E*(z; T) - rho T - k

Its gradient comes from the price m of delay and the envelope theorem. In (ln b, ln pi, ln psi, ln T) all but the
score is concave; a projected BFGS climbs from a few structured starts: all training at the user, all at the server,
and between.

E* has two ridges, where the price of delay jumps, and each is climbed with one unknown less:

- `SERVED`: the server alone takes exactly T (phi = 0). Below T the user helps to save energy, above it to save time.
  There psi = a3 / (T - a2 / R). Where phi may not be 0, its least value with the user at its caps, likewise.
- `UPPER`: the same at the largest phi, where that is below 1.
- `OWN`: the user alone takes exactly T at its caps (phi = p = f = 1). With less bandwidth it must offload, however
  dear that is. There R(cu, b, 1) = a2 / (T - a1).

The least rate of the uplink bounds b from below. Where the downlink is only as fast as it needs to be, pi follows b,
free or on a ridge: such a climb is *tied*.
"""

import cython

if not cython.compiled:
    from math import exp, expm1, fabs, inf, log, log1p, sqrt

    from .energy import fulfil
    from .link import (
        Pair,
        enough_bandwidth,
        excess,
        is_free_to_choose,
        least_power,
        link,
        shortest_delay,
        sloping_cost,
    )
    from .score import score_and_slope, score_value, touching_sum

__all__ = [
    "FREE",
    "LEAST_SHARE",
    "OWN",
    "SERVED",
    "UPPER",
    "climb",
    "feasible_start",
    "search",
    "value",
    "value_and_gradient",
]

#: Smallest share that the search looks at; below it a share is as good as zero.
LEAST_SHARE = cython.declare(cython.double, 1e-13)

#: Where a climb stays: anywhere, or on a ridge.
FREE = cython.declare(cython.int, 0)
SERVED = cython.declare(cython.int, 1)
OWN = cython.declare(cython.int, 2)
UPPER = cython.declare(cython.int, 3)

#: What a climb reaches: J, shares and deadline.
Point = cython.struct(
    value=cython.double, b=cython.double, power=cython.double, speed=cython.double, deadline=cython.double
)

#: Shares grown until they meet a deadline, and whether they do.
Start = cython.struct(ready=cython.bint, b=cython.double, power=cython.double, speed=cython.double)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def value(pair: Pair, b: float, power: float, speed: float, deadline: float) -> float:
    """Return J, minus infinity where the deadline cannot be met."""
    energy = fulfil(pair, b, power, speed, deadline).energy
    score = pair.weight * score_value(pair, b + power + speed)
    return score - pair.lb * b - pair.lp * power - pair.ls * speed - energy - pair.rho * deadline - pair.constant


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def value_and_gradient(
    pair: Pair, theta: cython.p_double, gradient: cython.p_double, ridge: cython.int, tied: cython.bint
) -> float:
    """Return J at exp(theta) and write its gradient in theta; entries of theta that follow others are written."""
    power, speed = exp(theta[1]), exp(theta[2])
    deadline = min(pair.t1, max(pair.t0, exp(theta[3])))
    if ridge == OWN:
        return _on_own_ridge(pair, theta, gradient, power, speed, deadline, tied)
    b = exp(theta[0])
    if tied:
        power = _tied_power(pair, b)
        if power > 1.0:
            return -inf
        theta[1] = log(power)
    level = log1p(pair.cd * power / b)
    rate = b * level
    along_b = rate - b * (1.0 - exp(-level))  # b dR/db
    along_power = power * pair.cd * exp(-level)
    up_rate, up_along_b, left = 1.0, 0.0, 1.0
    if ridge != FREE:
        phi, m = (pair.f0 if ridge == SERVED else pair.f1), 0.0
        left = deadline
        if phi > 0.0:
            up = log1p(pair.cu / b)
            up_rate = b * up
            up_along_b = b * exp(-up) * excess(up)
            left -= phi * (pair.a1 + pair.a2 / up_rate)
        left = left / (1.0 - phi) - pair.a2 / rate
        if left < pair.a3 or (pair.carrying > 0.0 and (b < pair.carrying or rate < pair.need_down)):
            return -inf
        speed = pair.a3 / left
        theta[2] = log(speed)
        energy = (1.0 - phi) * (pair.E3 * speed * speed + pair.E4 * power / rate)
        energy += phi * (pair.E1 + pair.E2 / up_rate + pair.mu) if phi > 0.0 else 0.0
    else:
        free = fulfil(pair, b, power, speed, deadline)
        energy, phi, m = free.energy, free.phi, free.m
    if not energy < inf:
        return -inf
    score, tau = score_and_slope(pair, b + power + speed)
    gradient[0], gradient[1] = (tau - pair.lb) * b, (tau - pair.lp) * power
    gradient[2], gradient[3] = (tau - pair.ls) * speed, (m - pair.rho) * deadline
    if phi > 0.0 and (m > 0.0 or (ridge == FREE and pair.need_up > 0.0)):
        cost, _, _, up = link(pair, m, b)
        gradient[0] += phi * sloping_cost(pair, m, b, cost, up) * exp(-up) * excess(up) / up
    if phi < 1.0:
        w = 1.0 - phi
        cost = (pair.E4 * power + m * pair.a2) / rate
        gradient[0] += w * cost * along_b / rate
        gradient[1] += w * (cost * along_power - pair.E4 * power) / rate
        gradient[2] += w * (m * pair.a3 / speed - 2.0 * pair.E3 * speed * speed)
    if ridge != FREE:
        # With w = 1 - phi, d ln psi = (d(a2 / R) + phi / w d(a2 / R up) - dT / w) / left.
        follows = gradient[2] / left
        up_shrinks = phi * pair.a2 * up_along_b / (up_rate * up_rate)
        gradient[0] -= follows * (pair.a2 * along_b / (rate * rate) + up_shrinks / (1.0 - phi))
        gradient[0] += phi * pair.E2 * up_along_b / (up_rate * up_rate)
        gradient[1] -= follows * pair.a2 * along_power / (rate * rate)
        gradient[3] -= follows * deadline / (1.0 - phi)
        gradient[2] = 0.0
    if tied:
        gradient[0] += gradient[1] * _tied_slope(pair, b)
        gradient[1] = 0.0
    return score - pair.lb * b - pair.lp * power - pair.ls * speed - energy - pair.rho * deadline - pair.constant


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _on_own_ridge(
    pair: Pair,
    theta: cython.p_double,
    gradient: cython.p_double,
    power: float,
    speed: float,
    deadline: float,
    tied: cython.bint,
) -> float:
    """Return J where the user alone takes exactly the deadline at its caps; write b and the gradient."""
    left = deadline - pair.a1
    if left <= 0.0:
        return -inf
    rate = pair.a2 / left
    b = enough_bandwidth(pair.cu, rate)
    if not 0.0 < b <= 1.0:
        return -inf
    theta[0] = log(b)
    if tied:
        power = _tied_power(pair, b)
        theta[1] = log(power)
    if pair.carrying > 0.0 and (b < pair.carrying or power > 1.0 or power < least_power(pair, b)):
        return -inf
    score, tau = score_and_slope(pair, b + power + speed)
    level = log1p(pair.cu / b)
    # dR = R_b db = -R dT / (T - a1)
    shrinks = -rate / left / (exp(-level) * excess(level))
    gradient[0], gradient[1], gradient[2] = 0.0, (tau - pair.lp) * power, (tau - pair.ls) * speed
    gradient[3] = deadline * ((tau - pair.lb) * shrinks - pair.rho - pair.E2 / pair.a2)
    if tied:
        gradient[3] += deadline * shrinks / b * gradient[1] * _tied_slope(pair, b)
        gradient[1] = 0.0
    energy = pair.E1 + pair.E2 / rate + pair.mu
    return score - pair.lb * b - pair.lp * power - pair.ls * speed - energy - pair.rho * deadline - pair.constant


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _tied_power(pair: Pair, b: float) -> float:
    """Return the least share of power that carries the downlink's need, a hair more for rounding."""
    power = least_power(pair, b) * (1.0 + 1e-14)
    return min(1.0, power) if power < 1.0 + 1e-12 else power


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _tied_slope(pair: Pair, b: float) -> float:
    """Return d ln pi / d ln b where pi = b (e^l - 1) / cd with l = need / b."""
    level = pair.need_down / b
    return 1.0 - (level / -expm1(-level) if level > 0.0 else 1.0)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def carrying_shares(pair: Pair, b: float, power: float) -> tuple[float, float]:
    """Return shares of bandwidth and power, raised where the least rates need it, up to 1."""
    if pair.carrying > 0.0:
        b = max(b, pair.carrying)
        if pair.need_down > 0.0:
            power = max(power, _tied_power(pair, b))
    return min(1.0, b), min(1.0, power)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def feasible_start(pair: Pair, b: float, power: float, speed: float, deadline: float) -> Start:
    """Return shares grown until they meet the deadline and the least rates, and whether they do."""
    b, power = carrying_shares(pair, b, power)
    speed = min(1.0, speed)
    for _ in range(60):
        if fulfil(pair, b, power, speed, deadline).energy < inf:
            return Start(True, b, power, speed)
        if b >= 1.0 and power >= 1.0 and speed >= 1.0:
            break
        b, power, speed = min(1.0, 2.0 * b), min(1.0, 2.0 * power), min(1.0, 2.0 * speed)
    return Start(False, b, power, speed)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def climb(
    pair: Pair,
    b: float,
    power: float,
    speed: float,
    deadline: float,
    ridge: cython.int,
    accuracy: float,
    most: cython.Py_ssize_t,
) -> Point:
    """Return J, shares and deadline of a local maximum near a start that meets the deadline, maybe on the ridge.

    With a least rate of the downlink it climbs as it pleases, then tied, and from there once more.
    """
    reached = _climb(pair, b, power, speed, deadline, ridge, False, accuracy, most)
    if pair.need_down > 0.0:
        if reached.value > -inf:
            b, power, speed, deadline = reached.b, reached.power, reached.speed, reached.deadline
        tied = _climb(pair, b, power, speed, deadline, ridge, True, accuracy, most)
        if tied.value > reached.value:
            reached = _climb(pair, tied.b, tied.power, tied.speed, tied.deadline, ridge, False, accuracy, most)
            if not reached.value > tied.value:
                return tied
    return reached


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _climb(
    pair: Pair,
    b: float,
    power: float,
    speed: float,
    deadline: float,
    ridge: cython.int,
    tied: cython.bint,
    accuracy: float,
    most: cython.Py_ssize_t,
) -> Point:
    """Return what one climb reaches."""
    low = cython.declare(cython.double[4])
    high = cython.declare(cython.double[4])
    theta = cython.declare(cython.double[4])
    gradient = cython.declare(cython.double[4])
    following = cython.declare(cython.double[4])
    ahead = cython.declare(cython.double[4])
    direction = cython.declare(cython.double[4])
    step = cython.declare(cython.double[4])
    change = cython.declare(cython.double[4])
    inverse = cython.declare(cython.double[16])
    for i in range(3):
        low[i], high[i] = log(LEAST_SHARE), 0.0
    if pair.carrying > 0.0:
        low[0] = min(0.0, max(low[0], log(pair.carrying)))
    low[3], high[3] = log(max(pair.t0, 1e-12 * pair.t1)), log(pair.t1)
    if is_free_to_choose(pair):
        low[3] = log(max(pair.t0, min(0.9 * shortest_delay(pair), pair.t1)))
    theta[0], theta[1], theta[2] = log(b), log(power), log(speed)
    theta[3] = log(deadline)
    for i in range(4):
        theta[i] = min(high[i], max(low[i], theta[i]))
    _identity(inverse, 1.0)
    current = value_and_gradient(pair, theta, gradient, ridge, tied)
    fresh: cython.bint = True
    for _ in range(most):
        if not current > -inf:
            break
        gain, size = 0.0, 0.0
        for i in range(4):
            direction[i] = 0.0
            if _held(theta[i], low[i], high[i], gradient[i]):
                continue
            for j in range(4):
                if not _held(theta[j], low[j], high[j], gradient[j]):
                    direction[i] += inverse[4 * i + j] * gradient[j]
        for i in range(4):
            gain += direction[i] * gradient[i]
            size = max(size, fabs(direction[i]))
        if gain < accuracy:
            if fresh:
                break
            _identity(inverse, 1.0)
            fresh = True
            continue
        length = min(1.0, 2.0 / size)
        found: cython.bint = False
        for _ in range(25):
            rise = 0.0
            for i in range(4):
                following[i] = min(high[i], max(low[i], theta[i] + length * direction[i]))
                rise += gradient[i] * (following[i] - theta[i])
            reached = value_and_gradient(pair, following, ahead, ridge, tied)
            if reached >= current + 1e-4 * rise and reached > -inf:
                found = True
                break
            length *= 0.4
        if not found or reached - current <= 0.0:
            if fresh:
                break
            _identity(inverse, 1.0)
            fresh = True
            continue
        curvature, scale = 0.0, 0.0
        for i in range(4):
            step[i] = following[i] - theta[i]
            change[i] = gradient[i] - ahead[i]
            curvature += step[i] * change[i]
            scale += change[i] * change[i]
            theta[i], gradient[i] = following[i], ahead[i]
        current = reached
        if curvature > 1e-12 * scale:
            _update(inverse, step, change, curvature, curvature / scale if fresh else 1.0)
            fresh = False
    b, power, speed = exp(theta[0]), exp(theta[1]), exp(theta[2])
    deadline = min(pair.t1, max(pair.t0, exp(theta[3])))
    if not current > -inf:
        return Point(current, b, power, speed, deadline)
    # The value that counts is that of E*: rounding can push a ridge off the deadline by a hair.
    if ridge in (SERVED, UPPER):
        speed = min(1.0, speed * (1.0 + 1e-13))
    elif ridge == OWN:
        b = min(1.0, b * (1.0 + 1e-12))
    b, power = carrying_shares(pair, b, power)
    current = value(pair, b, power, speed, deadline)
    filled_power, filled_speed = _filled(pair, b)
    b, filled_power = carrying_shares(pair, b, filled_power)
    filled = value(pair, b, filled_power, filled_speed, deadline)
    if filled > current:
        return Point(filled, b, filled_power, filled_speed, deadline)
    return Point(current, b, power, speed, deadline)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _filled(pair: Pair, b: float) -> tuple[float, float]:
    """Return the power and speed that are best for the score alone: the cheaper share first."""
    if pair.lp <= pair.ls:
        power = _wanted(pair, pair.lp, b)
        return power, _wanted(pair, pair.ls, b + power)
    speed = _wanted(pair, pair.ls, b)
    return _wanted(pair, pair.lp, b + speed), speed


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _wanted(pair: Pair, price: float, held: float) -> float:
    """Return how much of a share its price is worth to the score, beyond what is held of others."""
    return max(LEAST_SHARE, min(1.0, (3.0 if price <= 0.0 else touching_sum(pair, price)) - held))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _held(at: float, low: float, high: float, slope: float) -> cython.bint:
    """Return whether a bound holds a variable that wants to climb beyond it."""
    return (at >= high and slope >= 0.0) or (at <= low and slope <= 0.0)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _identity(matrix: cython.p_double, scale: float) -> cython.void:
    """Write a multiple of the identity."""
    for i in range(4):
        for j in range(4):
            matrix[4 * i + j] = scale if i == j else 0.0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _update(
    inverse: cython.p_double, step: cython.p_double, change: cython.p_double, curvature: float, scale: float
) -> cython.void:
    """Write the BFGS update of the inverse of minus the Hessian."""
    if scale != 1.0:
        _identity(inverse, scale)
    product = cython.declare(cython.double[4])
    for i in range(4):
        product[i] = 0.0
        for j in range(4):
            product[i] += inverse[4 * i + j] * change[j]
    inner = 0.0
    for i in range(4):
        inner += change[i] * product[i]
    factor = (1.0 + inner / curvature) / curvature
    for i in range(4):
        for j in range(4):
            inverse[4 * i + j] += factor * step[i] * step[j] - (product[i] * step[j] + step[i] * product[j]) / curvature


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def search(
    pair: Pair,
    hints: cython.const[cython.double][:, :, ::1],
    k: cython.Py_ssize_t,
    accuracy: float,
    most: cython.Py_ssize_t,
    best: cython.p_double,
    quick: cython.bint,
) -> float:
    """Climb from the hints of pair `k` and structured starts; write b, pi, psi, T of the best and return its J.

    A quick search climbs from hints alone if one of them meets the deadline.

    Returns minus infinity if no start meets the deadline: then nothing does, as one start is all shares whole.
    """
    found = -inf
    deadline = min(pair.t1, max(pair.t0, sqrt(max(pair.t0, 1e-6 * pair.t1) * pair.t1)))
    if is_free_to_choose(pair):
        deadline = min(pair.t1, max(pair.t0, shortest_delay(pair) * sqrt(min(pair.t1 / shortest_delay(pair), 1e3))))
    # Without a price of its own a share is taken whole: half of what its price pays for, but at least a little.
    afford = cython.declare(cython.double[3])
    for i in range(3):
        price = pair.lb if i == 0 else (pair.lp if i == 1 else pair.ls)
        afford[i] = 1.0 if price <= 0.0 else min(1.0, max(1e-3, 0.5 * touching_sum(pair, price)))
    served = min(1.0, 3.0 * pair.a3 / deadline)
    sent_up = min(1.0, 2.0 * _share_to_send(pair, pair.cu, deadline))
    sent_down = min(1.0, 3.0 * _share_to_send(pair, pair.cd, deadline))
    number = hints.shape[1]
    b: cython.double
    power: cython.double
    speed: cython.double
    at: cython.double
    ridge: cython.int
    for i in range(-number, 5):  # below 0 stand the hints
        at, ridge = deadline, FREE
        if i == 0 and quick and found > -inf:
            break
        if (i == 1 and pair.f0 >= 1.0) or (i == 3 and pair.f1 < 1.0):
            continue  # phi may not be there
        if i < 0:
            h = i + number
            b, power, speed, at = hints[k, h, 0], hints[k, h, 1], hints[k, h, 2], hints[k, h, 3]
            if not b > 0.0:
                continue
            at = min(pair.t1, max(pair.t0, at))
            power, speed = max(power, LEAST_SHARE), max(speed, LEAST_SHARE)
        elif i == 0:  # the user trains: bandwidth for the uplink, the rest for the score
            b = max(sent_up, afford[0])
            power, speed = _filled(pair, b)
        elif i == 1:  # the server trains
            b, power, speed, ridge = sent_down, sent_down, served, SERVED
        elif i == 2:  # both
            b, power, speed = max(sent_up, sent_down), sqrt(sent_down * afford[1]), sqrt(served * afford[2])
        elif i == 3:  # the user is at its caps
            at = 0.5 * (deadline + pair.t1)
            b = _share_at_caps(pair, at)
            if b > 1.0:
                at = pair.t1
                b = _share_at_caps(pair, at)
            if b > 1.0:
                continue
            power, speed = _filled(pair, b)
            ridge = OWN
        else:
            b, power, speed, at = 1.0, 1.0, 1.0, pair.t1
            if found > -inf and pair.lb + pair.lp + pair.ls > 0.0:
                continue  # the whole server is worth a try only if it is free
        start = feasible_start(pair, b, power, speed, at)
        if not start.ready and at < pair.t1:
            at = pair.t1
            start = feasible_start(pair, start.b, start.power, start.speed, at)
        if not start.ready:
            continue
        reached = climb(pair, start.b, start.power, start.speed, at, ridge, accuracy, most)
        if not reached.value > -inf:  # the start itself is feasible
            worth = value(pair, start.b, start.power, start.speed, at)
            reached = Point(worth, start.b, start.power, start.speed, at)
        if i < 0:  # a hint on a ridge holds a free climb there: prices that change want it to move along
            phi = fulfil(pair, reached.b, reached.power, reached.speed, reached.deadline).phi
            ridge = SERVED if phi <= pair.f0 else (FREE if phi < pair.f1 else (OWN if phi >= 1.0 else UPPER))
            if ridge != FREE:
                climbed = climb(pair, reached.b, reached.power, reached.speed, reached.deadline, ridge, accuracy, most)
                if climbed.value > reached.value:
                    reached = climbed
        if reached.value > found:
            found = reached.value
            best[0], best[1], best[2], best[3] = reached.b, reached.power, reached.speed, reached.deadline
    return found


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _share_at_caps(pair: Pair, time: float) -> float:
    """Return the share of bandwidth at which a user at its caps takes exactly `time`; above 1 if there is none."""
    return enough_bandwidth(pair.cu, pair.a2 / (time - pair.a1)) * (1.0 + 1e-12) if time > pair.a1 else 2.0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _share_to_send(pair: Pair, c: float, time: float) -> float:
    """Return a share of bandwidth that sends everything in `time` with as large a share of power."""
    return pair.a2 / (time * log1p(c))
