"""Local maxima of the pricing problem of a pair: good columns quickly, no proof.

With E* from `energy.fulfil` the problem is one in (b, pi, psi, T) alone::

    J = ln(1 + norm (b + pi + psi)) - lb b - lp pi - ls psi - E*(z; T) - rho T

Its gradient comes from the price m of delay and the envelope theorem. In (ln b, ln pi, ln psi, ln T) all but the
score is concave; a projected BFGS climbs from a few structured starts: all training at the user, all at the server,
and between.

E* has two ridges, where the price of delay jumps, and each is climbed with one unknown less:

- `SERVED`: the server alone takes exactly T (phi = 0). Below T the user helps to save energy, above it to save time.
  There psi = a3 / (T - a2 / R). Where phi may not be 0, its least value with the user at its caps, likewise.
- `UPPER`: the same at the largest phi, where that is below 1.
- `OWN`: the user alone takes exactly T at its caps (phi = p = f = 1). With less bandwidth it must offload, however
  dear that is. There R(cu, b, 1) = a2 / (T - a1).
"""

from __future__ import annotations

import math

import numpy as np

from .compiling import compiled
from .energy import fulfil
from .link import enough_bandwidth, excess, link

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
LEAST_SHARE = 1e-13

#: Where a climb stays: anywhere, or on a ridge.
FREE, SERVED, OWN, UPPER = 0, 1, 2, 3


@compiled
def value(pair, b, power, speed, deadline):
    """Return J, minus infinity where the deadline cannot be met."""
    energy = fulfil(pair, b, power, speed, deadline)[0]
    score = math.log1p(pair.norm * (b + power + speed))
    return score - pair.lb * b - pair.lp * power - pair.ls * speed - energy - pair.rho * deadline


@compiled
def value_and_gradient(pair, theta, gradient, ridge):
    """Return J at exp(theta) and write its gradient in theta; on a ridge one entry of theta follows."""
    power, speed = math.exp(theta[1]), math.exp(theta[2])
    deadline = min(pair.t1, max(pair.t0, math.exp(theta[3])))
    if ridge == OWN:
        return _on_own_ridge(pair, theta, gradient, power, speed, deadline)
    b = math.exp(theta[0])
    level = math.log1p(pair.cd * power / b)
    rate = b * level
    along_b = rate - b * (1.0 - math.exp(-level))  # b dR/db
    along_power = power * pair.cd * math.exp(-level)
    bound, up_rate, up_along_b, left = ridge != FREE, 1.0, 0.0, 1.0
    if bound:
        phi, m = (pair.f0 if ridge == SERVED else pair.f1), 0.0
        left = deadline
        if phi > 0.0:
            up = math.log1p(pair.cu / b)
            up_rate = b * up
            up_along_b = b * math.exp(-up) * excess(up)
            left -= phi * (pair.a1 + pair.a2 / up_rate)
        left = left / (1.0 - phi) - pair.a2 / rate
        if left < pair.a3:
            return -math.inf
        speed = pair.a3 / left
        theta[2] = math.log(speed)
        energy = (1.0 - phi) * (pair.E3 * speed * speed + pair.E4 * power / rate)
        energy += phi * (pair.E1 + pair.E2 / up_rate) if phi > 0.0 else 0.0
    else:
        energy, phi, _, _, m = fulfil(pair, b, power, speed, deadline)
    if not energy < math.inf:
        return -math.inf
    total = 1.0 + pair.norm * (b + power + speed)
    tau = pair.norm / total
    gradient[0], gradient[1] = (tau - pair.lb) * b, (tau - pair.lp) * power
    gradient[2], gradient[3] = (tau - pair.ls) * speed, (m - pair.rho) * deadline
    if phi > 0.0 and m > 0.0:
        cost, _, _, up = link(pair, m, b)
        gradient[0] += phi * cost * math.exp(-up) * excess(up) / up
    if phi < 1.0:
        w = 1.0 - phi
        cost = (pair.E4 * power + m * pair.a2) / rate
        gradient[0] += w * cost * along_b / rate
        gradient[1] += w * (cost * along_power - pair.E4 * power) / rate
        gradient[2] += w * (m * pair.a3 / speed - 2.0 * pair.E3 * speed * speed)
    if bound:
        # With w = 1 - phi, d ln psi = (d(a2 / R) + phi / w d(a2 / R up) - dT / w) / left.
        follows = gradient[2] / left
        up_shrinks = phi * pair.a2 * up_along_b / (up_rate * up_rate)
        gradient[0] -= follows * (pair.a2 * along_b / (rate * rate) + up_shrinks / (1.0 - phi))
        gradient[0] += phi * pair.E2 * up_along_b / (up_rate * up_rate)
        gradient[1] -= follows * pair.a2 * along_power / (rate * rate)
        gradient[3] -= follows * deadline / (1.0 - phi)
        gradient[2] = 0.0
    return math.log(total) - pair.lb * b - pair.lp * power - pair.ls * speed - energy - pair.rho * deadline


@compiled
def _on_own_ridge(pair, theta, gradient, power, speed, deadline):
    """Return J where the user alone takes exactly the deadline at its caps; write b and the gradient."""
    left = deadline - pair.a1
    if left <= 0.0:
        return -math.inf
    rate = pair.a2 / left
    b = enough_bandwidth(pair.cu, rate)
    if not 0.0 < b <= 1.0:
        return -math.inf
    theta[0] = math.log(b)
    total = 1.0 + pair.norm * (b + power + speed)
    tau = pair.norm / total
    level = math.log1p(pair.cu / b)
    # dR = R_b db = -R dT / (T - a1)
    shrinks = -rate / left / (math.exp(-level) * excess(level))
    gradient[0], gradient[1], gradient[2] = 0.0, (tau - pair.lp) * power, (tau - pair.ls) * speed
    gradient[3] = deadline * ((tau - pair.lb) * shrinks - pair.rho - pair.E2 / pair.a2)
    energy = pair.E1 + pair.E2 / rate
    return math.log(total) - pair.lb * b - pair.lp * power - pair.ls * speed - energy - pair.rho * deadline


@compiled
def feasible_start(pair, b, power, speed, deadline):
    """Return shares grown until they meet the deadline, and whether they do."""
    b, power, speed = min(1.0, b), min(1.0, power), min(1.0, speed)
    for _ in range(60):
        if fulfil(pair, b, power, speed, deadline)[0] < math.inf:
            return True, b, power, speed
        if b >= 1.0 and power >= 1.0 and speed >= 1.0:
            break
        b, power, speed = min(1.0, 2.0 * b), min(1.0, 2.0 * power), min(1.0, 2.0 * speed)
    return False, b, power, speed


@compiled
def climb(pair, b, power, speed, deadline, ridge, accuracy, most):
    """Return J, shares and deadline of a local maximum near a start that meets the deadline, maybe on the ridge."""
    low, high, theta = np.empty(4), np.zeros(4), np.empty(4)
    low[:3] = math.log(LEAST_SHARE)
    low[3], high[3] = math.log(max(pair.t0, 1e-12 * pair.t1)), math.log(pair.t1)
    theta[0], theta[1], theta[2] = math.log(b), math.log(power), math.log(speed)
    theta[3] = math.log(deadline)
    for i in range(4):
        theta[i] = min(high[i], max(low[i], theta[i]))
    gradient, following, ahead = np.empty(4), np.empty(4), np.empty(4)
    direction, step, change = np.empty(4), np.empty(4), np.empty(4)
    inverse = np.eye(4)
    current = value_and_gradient(pair, theta, gradient, ridge)
    fresh = True
    for _ in range(most):
        if not current > -math.inf:
            break
        gain, size = 0.0, 0.0
        for i in range(4):
            direction[i] = 0.0
            if _held(theta[i], low[i], high[i], gradient[i]):
                continue
            for j in range(4):
                if not _held(theta[j], low[j], high[j], gradient[j]):
                    direction[i] += inverse[i, j] * gradient[j]
        for i in range(4):
            gain += direction[i] * gradient[i]
            size = max(size, abs(direction[i]))
        if gain < accuracy:
            if fresh:
                break
            inverse[:] = np.eye(4)
            fresh = True
            continue
        length = min(1.0, 2.0 / size)
        found = False
        for _ in range(25):
            rise = 0.0
            for i in range(4):
                following[i] = min(high[i], max(low[i], theta[i] + length * direction[i]))
                rise += gradient[i] * (following[i] - theta[i])
            reached = value_and_gradient(pair, following, ahead, ridge)
            if reached >= current + 1e-4 * rise and reached > -math.inf:
                found = True
                break
            length *= 0.4
        if not found or reached - current <= 0.0:
            if fresh:
                break
            inverse[:] = np.eye(4)
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
    b, power, speed = math.exp(theta[0]), math.exp(theta[1]), math.exp(theta[2])
    deadline = min(pair.t1, max(pair.t0, math.exp(theta[3])))
    if not current > -math.inf:
        return current, b, power, speed, deadline
    # The value that counts is that of E*: rounding can push a ridge off the deadline by a hair.
    if ridge in (SERVED, UPPER):
        speed = min(1.0, speed * (1.0 + 1e-13))
    elif ridge == OWN:
        b = min(1.0, b * (1.0 + 1e-12))
    current = value(pair, b, power, speed, deadline)
    filled_power, filled_speed = _filled(pair, b)
    filled = value(pair, b, filled_power, filled_speed, deadline)
    if filled > current:
        return filled, b, filled_power, filled_speed, deadline
    return current, b, power, speed, deadline


@compiled
def _filled(pair, b):
    """Return the power and speed that are best for the score alone: the cheaper share first."""
    shares = np.zeros(2)
    prices = (pair.lp, pair.ls)
    first = 0 if pair.lp <= pair.ls else 1
    held = b
    for i in (first, 1 - first):
        wanted = 3.0 if prices[i] <= 0.0 else 1.0 / prices[i] - 1.0 / pair.norm
        shares[i] = max(LEAST_SHARE, min(1.0, wanted - held))
        held += shares[i]
    return shares[0], shares[1]


@compiled
def _held(at, low, high, slope):
    """Return whether a bound holds a variable that wants to climb beyond it."""
    return (at >= high and slope >= 0.0) or (at <= low and slope <= 0.0)


@compiled
def _update(inverse, step, change, curvature, scale):
    """Write the BFGS update of the inverse of minus the Hessian."""
    if scale != 1.0:
        inverse[:] = scale * np.eye(4)
    product = np.zeros(4)
    for i in range(4):
        for j in range(4):
            product[i] += inverse[i, j] * change[j]
    inner = 0.0
    for i in range(4):
        inner += change[i] * product[i]
    factor = (1.0 + inner / curvature) / curvature
    for i in range(4):
        for j in range(4):
            inverse[i, j] += factor * step[i] * step[j] - (product[i] * step[j] + step[i] * product[j]) / curvature


@compiled
def _inverse_rate(pair, c, time):
    """Return the share of bandwidth, at as large a share of power, that sends everything in `time`."""
    return min(1.0, pair.a2 / (time * math.log1p(c)))


@compiled
def search(pair, hints, accuracy, most, best, quick):
    """Climb from hints and structured starts; write b, pi, psi, T of the best into `best` and return its J.

    A quick search climbs from hints alone if one of them meets the deadline.

    Returns minus infinity if no start meets the deadline: then nothing does, as one start is all shares whole.
    """
    found = -math.inf
    deadline = min(pair.t1, max(pair.t0, math.sqrt(max(pair.t0, 1e-6 * pair.t1) * pair.t1)))
    # Without a price of its own a share is taken whole: half of what its price pays for, but at least a little.
    afford = np.empty(3)
    for i in range(3):
        price = pair.lb if i == 0 else (pair.lp if i == 1 else pair.ls)
        afford[i] = 1.0 if price <= 0.0 else min(1.0, max(1e-3, 0.5 * (1.0 / price - 1.0 / pair.norm)))
    served = min(1.0, 3.0 * pair.a3 / deadline)
    sent_up = min(1.0, 2.0 * _share_to_send(pair, pair.cu, deadline))
    sent_down = min(1.0, 3.0 * _share_to_send(pair, pair.cd, deadline))
    for k in range(hints.shape[0] + 5):
        at, ridge = deadline, FREE
        i = k - hints.shape[0]
        if i == 0 and quick and found > -math.inf:
            break
        if (i == 1 and pair.f0 >= 1.0) or (i == 3 and pair.f1 < 1.0):
            continue  # phi may not be there
        if i < 0:
            b, power, speed, at = hints[k, 0], hints[k, 1], hints[k, 2], hints[k, 3]
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
            b, power, speed = max(sent_up, sent_down), math.sqrt(sent_down * afford[1]), math.sqrt(served * afford[2])
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
            if found > -math.inf and pair.lb + pair.lp + pair.ls > 0.0:
                continue  # the whole server is worth a try only if it is free
        ready, b, power, speed = feasible_start(pair, b, power, speed, at)
        if not ready and at < pair.t1:
            at = pair.t1
            ready, b, power, speed = feasible_start(pair, b, power, speed, at)
        if not ready:
            continue
        climbed = climb(pair, b, power, speed, at, ridge, accuracy, most)
        if climbed[0] > -math.inf:
            reached, b, power, speed, at = climbed
        else:  # the start itself is feasible
            reached = value(pair, b, power, speed, at)
        if i < 0:  # a hint on a ridge holds a free climb there: prices that change want it to move along
            phi = fulfil(pair, b, power, speed, at)[1]
            ridge = SERVED if phi <= pair.f0 else (FREE if phi < pair.f1 else (OWN if phi >= 1.0 else UPPER))
            if ridge != FREE:
                climbed = climb(pair, b, power, speed, at, ridge, accuracy, most)
                if climbed[0] > reached:
                    reached, b, power, speed, at = climbed
        if reached > found:
            found = reached
            best[0], best[1], best[2], best[3] = b, power, speed, at
    return found


@compiled
def _share_at_caps(pair, time):
    """Return the share of bandwidth at which a user at its caps takes exactly `time`; above 1 if there is none."""
    return enough_bandwidth(pair.cu, pair.a2 / (time - pair.a1)) * (1.0 + 1e-12) if time > pair.a1 else 2.0


@compiled
def _share_to_send(pair, c, time):
    """Return a share of bandwidth that sends everything in `time` with as large a share of power."""
    return pair.a2 / (time * math.log1p(c))
