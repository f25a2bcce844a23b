"""One pair at given prices: its data, and the cheapest link that a price of delay asks for.

A user that trains everything itself, at the share `b` of bandwidth and at the price `m` of delay, pays::

    A(m) + U(m, b)      A(m) = min over f of  E1 f^2 + m a1 / f
                        U(m, b) = min over p of  (E2 p + m a2) / R(b, p)       R(b, p) = b ln(1 + cu p / b)

over the fractions f, p in (0, 1] of its caps. With u = cu p / b, l = ln(1 + u) and a = E2 / cu the link costs
(a u + m a2 / b) / l, least where k(l) = e^l (l - 1) + 1 equals m a2 / (a b), unless p = 1 comes first. In l
all is well scaled: k grows like l^2 / 2 at low and l e^l at high SNR.

U is convex and non-increasing in b: in logarithms -ln R is jointly convex (ln ln(1 + e^t) is concave) and
E2 p + m a2 is a posynomial, so ln U is convex in ln b; a convex non-increasing function of ln b is convex in b.

A least rate `need_up` of the uplink keeps R(b, p) >= need_up, that is l >= need_up / b. In logarithms of b and p that
is a convex set, as ln R is concave, and it grows with b: U stays convex and non-increasing. The cost falls in l up to
its least and rises then, so l is the larger of both. Where the rate is held by its need U = (a b (e^l - 1) + m a2) /
need_up with l = need_up / b, and b dU/db = -a k(l) / l: the slope of a free link of the same l. Below the b that
carries the need at p = 1 nothing is possible. There U is taken without the need where the cap binds without it, else
without the cap: a tangent of either lies below U, as both are convex and lie below it.
"""

import cython

if not cython.compiled:
    from math import exp, expm1, log, log1p, sqrt

__all__ = [
    "Pair",
    "bandwidth_for",
    "carrying_bandwidth",
    "enough_bandwidth",
    "excess",
    "held_by_need",
    "idle_link",
    "is_free_to_choose",
    "least_power",
    "link",
    "log_snr",
    "make_pair",
    "own_cost",
    "shortest_delay",
    "sloping_cost",
]


#: Ratios this near 1 are not told from it.
RIM = cython.declare(cython.double, 1e-13)

#: Quotients below this are next to the end of the range of numbers, where they have few digits.
LEAST_QUOTIENT = cython.declare(cython.double, 1e-290)


#: Intervals whose ends have a larger ratio leave a user free to choose its deadline.
WIDE_INTERVAL = cython.declare(cython.double, 1e6)


#: One user at one server, energies multiplied by their prices, so that all terms are of one unit, that of the value.
Pair = cython.struct(
    # Times of training at the user, of the link at R = 1, of training at the server.
    a1=cython.double,
    a2=cython.double,
    a3=cython.double,
    # Energies of training at the user, the uplink at R = 1, training at the server, the downlink at R = 1.
    E1=cython.double,
    E2=cython.double,
    E3=cython.double,
    E4=cython.double,
    # SNR up and down, over all bandwidth at full power.
    cu=cython.double,
    cd=cython.double,
    # The score is one of `score.py`, a function of norm (b + pi + psi), worth so much a unit.
    kind=cython.int,
    norm=cython.double,
    weight=cython.double,
    # Prices of a share of bandwidth, power and speed.
    lb=cython.double,
    lp=cython.double,
    ls=cython.double,
    # Interval of the deadline, and its price.
    t0=cython.double,
    t1=cython.double,
    rho=cython.double,
    # Price of phi, and what is charged whatever is chosen, both of any sign.
    mu=cython.double,
    constant=cython.double,
    # Range of phi.
    f0=cython.double,
    f1=cython.double,
    # Least R of the uplink and the downlink, whatever phi is, and the b that carries both with all power.
    need_up=cython.double,
    need_down=cython.double,
    carrying=cython.double,
)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def make_pair(
    c: cython.const[cython.double][:, ::1],
    k: cython.Py_ssize_t,
    norm: float,
    kind: cython.int,
    terms: cython.const[cython.double][:, ::1],
) -> Pair:
    """Return the pair of row k of the coefficients and of the terms of its value.

    Coefficients stand in the order of `Pair` up to `cd`, energies without prices, and terms in that of `pricing.TERM`.

    An energy of transmission whose quotient by the SNR is next to the end of the range of numbers would be a wrong one
    there. It counts as nothing: bounds only rise, and columns have their true energy.
    """
    up, down = terms[k, 5] * c[k, 4], terms[k, 7] * c[k, 6]
    if up < LEAST_QUOTIENT * max(c[k, 7], 1.0):
        up = 0.0
    if down < LEAST_QUOTIENT * max(c[k, 8], 1.0):
        down = 0.0
    carrying = 0.0
    if terms[k, 15] > 0.0 or terms[k, 16] > 0.0:
        carrying = max(carrying_bandwidth(c[k, 7], terms[k, 15]), carrying_bandwidth(c[k, 8], terms[k, 16]))
    return Pair(
        a1=c[k, 0],
        a2=c[k, 1],
        a3=c[k, 2],
        E1=terms[k, 4] * c[k, 3],
        E2=up,
        E3=terms[k, 6] * c[k, 5],
        E4=down,
        cu=c[k, 7],
        cd=c[k, 8],
        kind=kind,
        norm=norm,
        weight=terms[k, 0],
        lb=terms[k, 1],
        lp=terms[k, 2],
        ls=terms[k, 3],
        t0=terms[k, 11],
        t1=terms[k, 12],
        rho=terms[k, 8],
        mu=terms[k, 9],
        constant=terms[k, 10],
        f0=terms[k, 13],
        f1=terms[k, 14],
        need_up=terms[k, 15],
        need_down=terms[k, 16],
        carrying=carrying,
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_free_to_choose(pair: Pair) -> cython.bint:
    """Return whether the interval says next to nothing of the deadline: then m is rho, and T the delay."""
    return pair.t1 > WIDE_INTERVAL * pair.t0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def shortest_delay(pair: Pair) -> float:
    """Return about the least delay of a pair, with everything at its largest and any phi."""
    return min(pair.a1 + pair.a2 / log1p(pair.cu), pair.a3 + pair.a2 / log1p(pair.cd))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def excess(l: float) -> float:  # noqa: E741
    """Return k(l) = e^l (l - 1) + 1 = (1 + u) ln(1 + u) - u for l >= 0, to full precision."""
    if l > 0.35:
        return exp(l) * (l - 1.0) + 1.0
    # Sum over n >= 2 of l^n (n - 1) / n!: the direct form cancels.
    term, total = 0.5 * l * l, 0.0
    for n in range(2, 16):
        total += term * (n - 1)
        term *= l / (n + 1)
    return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def log_snr(kappa: float) -> float:
    """Return l >= 0 with k(l) = kappa, by Newton's method on ln k."""
    if kappa <= 0.0:
        return 0.0
    if kappa < 1e-30:
        return sqrt(2.0 * kappa)
    target = log(kappa)
    level = log1p(sqrt(2.0 * kappa))
    for _ in range(40):
        k = excess(level)
        step = (log(k) - target) * k / (level * level * exp(level))  # in ln l
        # In l itself where k grows exponentially.
        level = max(0.2 * level, level * (1.0 - step)) if level > 1.0 else level * exp(-max(-2.0, min(2.0, step)))
        if abs(step) < 1e-9:  # the next error is its square
            break
    return level


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def link(pair: Pair, m: float, b: float) -> tuple[float, float, float, float]:
    """Return U(m, b), the time on the link, the fraction p of power, and l = ln(1 + cu p / b); m > 0, b > 0."""
    widest = log1p(pair.cu / b)
    a = pair.E2 / pair.cu
    price = m * pair.a2 / b
    if a * excess(widest) <= price:
        rate = b * widest
        return (pair.E2 + m * pair.a2) / rate, pair.a2 / rate, 1.0, widest
    level = min(log_snr(price / a), widest)
    if pair.need_up > 0.0:
        level = max(level, pair.need_up / b)
    u = expm1(level)
    # Stationary in u: an error in u enters squared.
    return (a * u + price) / level, pair.a2 / (b * level), min(1.0, b * u / pair.cu), level


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def held_by_need(pair: Pair, m: float, b: float, level: float) -> cython.bint:
    """Return whether a link of this level, as `link` returns it, is as fast as it needs to be and would be slower else.

    At the cap of power it would not, whatever b carries.
    """
    if pair.need_up <= 0.0 or level > pair.need_up / b:
        return False
    return pair.E2 / pair.cu * excess(level) > m * pair.a2 / b


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def sloping_cost(pair: Pair, m: float, b: float, cost: float, level: float) -> float:
    """Return the C for which -dU/db = C e^-l k(l) / (b l), from U and l of `link`.

    It is U where the power is free (there it is a e^l) or at its cap, and a e^l where the need holds the rate.
    """
    return pair.E2 / pair.cu * exp(level) if held_by_need(pair, m, b, level) else cost


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def idle_link(pair: Pair, b: float) -> tuple[float, float]:
    """Return the least energy of the link, at any delay, and the fraction p of power; without a need p goes to 0."""
    a = pair.E2 / pair.cu
    if pair.need_up <= 0.0 or a <= 0.0:
        return a, 1.0
    level = pair.need_up / b
    u = expm1(level)
    return a * u / level, min(1.0, b * u / pair.cu)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def own_cost(pair: Pair, m: float) -> tuple[float, float, float]:
    """Return A(m), the time of training at the user, and the fraction f of speed; m > 0."""
    f = 1.0
    if m * pair.a1 < 2.0 * pair.E1:
        cube = 0.5 * m * pair.a1 / pair.E1
        f = cube ** (1.0 / 3.0)
        if cube <= LEAST_QUOTIENT:  # near the end of the range of numbers a quotient has few digits
            f = exp((log(0.5 * m) + log(pair.a1) - log(pair.E1)) / 3.0)
    return pair.E1 * f * f + m * pair.a1 / f, pair.a1 / f, f


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def bandwidth_for(c: float, rate: float) -> float:
    """Return the least b with b ln(1 + c / b) >= rate, or a hair less; above 1 if there is none up to 1.

    With g = ln(1 + c / b) it solves g = ln(1 + g c / rate). The difference of both sides is concave in g, so Newton's
    method from the right of the root stays there, and b, from a g above, lies below.
    """
    if rate <= 0.0:
        return 0.0
    ratio = c / rate
    if not ratio > 1.0 - RIM:
        return 2.0
    if ratio < 1.0 + RIM:  # b is about c / 2 over ratio - 1, which rounding hides: this lies below
        return min(1.0, 0.4 * c / max(ratio - 1.0 + 2.0 * RIM, RIM))
    g = 2.0 * log1p(ratio)
    for _ in range(30):
        step = (log1p(g * ratio) - g) / (1.0 - ratio / (1.0 + g * ratio))
        if not step < -1e-13 * g:
            break
        g += step
    return c / expm1(g)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def enough_bandwidth(c: float, rate: float) -> float:
    """Return about the least b with b ln(1 + c / b) >= rate, all of it where rounding hides which."""
    b = bandwidth_for(c, rate)
    return 1.0 if b < 1.0 and b * log1p(c / b) < rate * (1.0 - 1e-9) else b


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def carrying_bandwidth(c: float, rate: float) -> float:
    """Return a b with b ln(1 + c / b) >= rate, next to the least one; above 1 if there is none up to 1."""
    b, growth = bandwidth_for(c, rate), 1e-16
    while 0.0 < b < 1.0 and b * log1p(c / b) < rate:
        b = min(1.0, b * (1.0 + growth))
        growth *= 4.0
    return 2.0 if b > 0.0 and b * log1p(c / b) < rate else b


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def least_power(pair: Pair, b: float) -> float:
    """Return the share of power that carries the downlink's need; above 1 if b carries one of both needs with none."""
    if b < pair.carrying:
        return 2.0
    return b * expm1(pair.need_down / b) / pair.cd
