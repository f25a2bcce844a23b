"""The score of a pair as a function g of the sum s of its shares, concave and non-decreasing on [0, 3].

What bounds and climbs take from g is here alone: its value and slope, where a line of given slope touches a g, and the
slope of the line that touches at a sum. A further function is one more branch in each::

    LOG      ln(1 + norm s)
    SQRT     sqrt(norm s)
    LINEAR   norm s
"""

import cython

if not cython.compiled:
    from math import log, log1p, sqrt

    from .link import Pair

__all__ = ["LINEAR", "LOG", "SQRT", "score_and_slope", "score_value", "touching_slope", "touching_sum"]

#: Which function; the names of `pricing.SCORES` in their order.
LOG = cython.declare(cython.int, 0)
SQRT = cython.declare(cython.int, 1)
LINEAR = cython.declare(cython.int, 2)

#: Sums below this count as this where a slope is infinite at zero.
LEAST_SUM = cython.declare(cython.double, 1e-280)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def score_value(pair: Pair, s: float) -> float:
    """Return g(s)."""
    if pair.kind == LOG:
        return log1p(pair.norm * s)
    return sqrt(pair.norm) * sqrt(s) if pair.kind == SQRT else pair.norm * s


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def score_and_slope(pair: Pair, s: float) -> tuple[float, float]:
    """Return a g(s) and its slope, for s > 0."""
    if pair.kind == LOG:
        total = 1.0 + pair.norm * s
        return pair.weight * log(total), pair.weight * pair.norm / total
    worth = pair.weight * score_value(pair, s)
    return worth, (0.5 * worth / max(s, LEAST_SUM) if pair.kind == SQRT else pair.weight * pair.norm)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def touching_sum(pair: Pair, tau: float) -> float:
    """Return the s, maybe outside [0, 3], at which a g(s) - tau s is largest; tau > 0."""
    if pair.kind == LOG:
        return pair.weight / tau - 1.0 / pair.norm
    if pair.kind == SQRT:
        half = 0.5 * pair.weight / tau
        return pair.norm * half * half
    return 3.0 if tau < pair.weight * pair.norm else 0.0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def touching_slope(pair: Pair, s: float) -> float:
    """Return the tau > 0 whose line touches a g at s in [0, 3]: the inverse of `touching_sum`."""
    if pair.kind == LOG:
        return pair.weight / (1.0 / pair.norm + s)
    return score_and_slope(pair, s)[1]
