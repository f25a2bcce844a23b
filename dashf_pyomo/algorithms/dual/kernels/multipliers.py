"""Good multipliers for a cell: the bound of `cells` is jointly convex in (m, tau0, tau1, nu0, nu1).

For a fixed m each face of phi is minimised over its own tau, for each tau over nu, then m over the worse face, all by
intersecting the two tangents of a bracket: exact at the kinks that phi = 1 brings, and with a lower estimate that says
when to stop. At a kink the slopes in the other multipliers are those of the mixture of both sides. Nothing here needs
to be right for a bound to be valid: whatever is returned was evaluated by `cells.face_value`.
"""

import cython

if not cython.compiled:
    from math import inf, log1p, sqrt

    from .cells import Cell, face_value, time_value
    from .link import Pair, is_free_to_choose, link, own_cost
    from .score import LEAST_SUM, LOG, score_and_slope, touching_slope, touching_sum

__all__ = ["Face", "Tightened", "exchange", "tighten"]

#: One face of phi at its multipliers.
Face = cython.struct(
    # Proven bound, without the term of T.
    value=cython.double,
    # Prices of the score and of a full share of power.
    tau=cython.double,
    nu=cython.double,
    # Delay of the relaxed maximiser, minus the slope of the bound in m.
    delay=cython.double,
    # The relaxed maximiser.
    b=cython.double,
    x=cython.double,
    psi=cython.double,
)

#: The best bound found for a cell, its price of delay and its two faces.
Tightened = cython.struct(bound=cython.double, m=cython.double, first=Face, second=Face)

#: A face at the value `at` of one multiplier: the bound, its slopes in nu and tau, and the relaxed maximiser.
Cut = cython.struct(
    at=cython.double,
    value=cython.double,
    by_nu=cython.double,
    by_tau=cython.double,
    delay=cython.double,
    b=cython.double,
    x=cython.double,
    psi=cython.double,
)

#: A face minimised over nu, and where.
AtBestNu = cython.struct(nu=cython.double, cut=Cut)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _cut(pair: Pair, cell: Cell, phi: float, m: float, tau: float, nu: float, at: float) -> Cut:
    """Return the cut of a face at its multipliers; `at` is the one that is searched."""
    value, slope, delay, b, x, psi = face_value(pair, cell, phi, m, tau, nu)
    return Cut(at, value, 1.0 - b * x / pair.cd, slope, delay, b, x, psi)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _mixed_cut(left: Cut, right: Cut, part: float, at: float) -> Cut:
    """Return the cut that the two sides of a kink make together, `part` of the right one."""
    rest = 1.0 - part
    b = rest * left.b + part * right.b
    return Cut(
        at,
        min(left.value, right.value),
        rest * left.by_nu + part * right.by_nu,
        rest * left.by_tau + part * right.by_tau,
        rest * left.delay + part * right.delay,
        b,
        (rest * left.b * left.x + part * right.b * right.x) / b,
        rest * left.psi + part * right.psi,
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _best_nu(pair: Pair, cell: Cell, phi: float, m: float, tau: float, accuracy: float) -> AtBestNu:
    """Minimise one face over nu between 0 and tau - lp; return nu and the cut, with the slope in tau of the minimum."""
    left = _cut(pair, cell, phi, m, tau, 0.0, 0.0)
    if left.by_nu >= -1e-12 or tau <= pair.lp:
        return AtBestNu(0.0, left)
    right = _cut(pair, cell, phi, m, tau, tau - pair.lp, tau - pair.lp)
    if right.by_nu <= 0.0:
        # Beyond tau - lp nobody wants power: the minimum is the kink there, it moves with tau, and pi = 1.
        slope = right.by_tau + right.by_nu
        x = pair.cd / right.b
        return AtBestNu(right.at, Cut(tau, right.value, 0.0, slope, right.delay, right.b, x, right.psi))
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
    return AtBestNu(nu, _mixed_cut(left, right, -left.by_nu / (right.by_nu - left.by_nu), tau))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _tighten_face(pair: Pair, cell: Cell, phi: float, m: float, tau: float, limit: float, accuracy: float) -> Face:
    """Minimise one face over tau; stop at a value below `limit`, or when it cannot be reached."""
    # Between the slopes of the score at the largest and the smallest sum of shares.
    most = pair.weight * pair.norm
    least = most / (1.0 + 3.0 * pair.norm)
    if pair.kind != LOG:
        most, least = score_and_slope(pair, max(cell.b0, LEAST_SUM))[1], score_and_slope(pair, 3.0)[1]
    tau = max(least, min(most, tau))
    value, best_tau, best_nu = inf, tau, 0.0
    found = _best_nu(pair, cell, phi, m, tau, 0.3 * accuracy)
    nu, cut = found.nu, found.cut
    left, right, has_left, has_right = cut, cut, False, False
    for _ in range(14):
        if cut.value < value:
            value, best_tau, best_nu = cut.value, tau, nu
        if value <= limit:
            break
        span = max(0.0, touching_sum(pair, tau)) if tau > 0.0 else 0.0
        cut = Cut(tau, cut.value, cut.by_nu, cut.by_tau, cut.delay, cut.b, cut.x, cut.psi)
        if cut.by_tau > 0.0:
            right, has_right = cut, True
        else:
            left, has_left = cut, True
        if not (has_left and has_right):
            # As if the shares stood still: they answer the other way, so this crosses the minimum.
            following = max(least, min(most, touching_slope(pair, max(0.0, min(3.0, span + cut.by_tau)))))
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
        found = _best_nu(pair, cell, phi, m, tau, 0.3 * accuracy)
        nu, cut = found.nu, found.cut
    if has_left and has_right:
        cut = _mixed_cut(left, right, -left.by_tau / (right.by_tau - left.by_tau), tau)
    return Face(value, best_tau, best_nu, cut.delay, cut.b, cut.x, cut.psi)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def tighten(
    pair: Pair, cell: Cell, m: float, tau0: float, tau1: float, target: float, accuracy: float, most: cython.Py_ssize_t
) -> Tightened:
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
    nothing = Face(inf, tau0, 0.0, 0.0, 1.0, 0.0, 1.0)
    best = Tightened(inf, m, nothing, nothing)
    for _ in range(most):
        time = time_value(pair, m)
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
            if (m - pair.rho) * (following - pair.rho) < 0.0 or (
                m < pair.rho and slope < 0.0 and is_free_to_choose(pair)
            ):
                following = pair.rho
            if not 1e-200 < following < 1e200:
                break
            m = following
            continue
        if not right_slope > left_slope or not left_slope > -inf:
            m = sqrt(left * right)
            continue
        crossing = (left_value - right_value + right_slope * right - left_slope * left) / (right_slope - left_slope)
        lowest = left_value + left_slope * (crossing - left)
        if not left < crossing < right or lowest > best.bound - accuracy:
            break
        if lowest > target + 5.0 * (best.bound - lowest):
            break
        m = pair.rho if left < pair.rho < right and right < 3.0 * left else crossing
    return best


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def exchange(pair: Pair, m: float, face: Face) -> float:
    """Return what an own training costs more than an offloaded one at the maximiser of a face, at the price m."""
    own = own_cost(pair, m)[0] + link(pair, m, face.b)[0]
    x = max(face.x, 1e-12)
    level = log1p(x)
    psi = max(face.psi, min(1.0, pair.a3 / pair.t1))
    served = pair.E3 * psi * psi + m * pair.a3 / psi + (pair.E4 / pair.cd * x + m * pair.a2 / face.b) / level
    return own + pair.mu - served
