"""The functions of the score in ball arithmetic: g(s) of the sum s of a user's shares, concave on [0, 3].

Where g is touched by a line is found in floats and may be anywhere; the value and slope there are balls, and for a
concave g that is all that a line above it takes. The functions are those of `kernels.score`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .balls import ball

__all__ = ["SCORES", "conjugate"]

Ball = Any

#: Most of b + pi + psi.
MOST_SHARES = 3.0

#: Sums below this are not touched: a slope there may be infinite.
LEAST_SUM = 1e-300


@dataclass(frozen=True)
class ScoreFunction:
    """One g: where a line touches it, its value and its slope.

    Parameters
    ----------
    touched
        Of the norm and slope / weight, in floats: about the s at which g has that slope.
    value, slope
        Of the norm and s, as balls.
    """

    touched: Callable[[float, float], float]
    value: Callable[[Ball, Ball], Ball]
    slope: Callable[[Ball, Ball], Ball]


SCORES = {
    "log": ScoreFunction(
        lambda norm, slope: 1.0 / slope - 1.0 / norm,
        lambda norm, s: (1 + norm * s).log(),
        lambda norm, s: norm / (1 + norm * s),
    ),
    "sqrt": ScoreFunction(
        lambda norm, slope: max(LEAST_SUM, norm * (0.5 / slope) ** 2),
        lambda norm, s: (norm * s).sqrt(),
        lambda norm, s: (norm / s).sqrt() / 2,
    ),
    "linear": ScoreFunction(
        lambda norm, slope: MOST_SHARES if slope < norm else 0.0,
        lambda norm, s: norm * s,
        lambda norm, s: norm,
    ),
}


def conjugate(score: str, weight: Ball, norm: Ball, tau: Ball) -> Ball:
    """Bound a g(s) - tau s over s in [0, 3] by a tangent: it is concave, as a >= 0.

    Parameters
    ----------
    score
        Which g, a name of `SCORES`.
    weight, norm, tau
        a, the factor of s in g, and the slope of the line.
    """
    if weight == 0:
        return ball(0.0)
    g = SCORES[score]
    try:
        at = g.touched(float(norm), float(tau / weight)) if weight > 0 and tau > 0 else MOST_SHARES
    except ArithmeticError:
        at = MOST_SHARES
    at = ball(min(MOST_SHARES, max(0.0, at)) if not math.isnan(at) else MOST_SHARES)
    slope = weight * g.slope(norm, at) - tau
    return weight * g.value(norm, at) - tau * at + (slope * (MOST_SHARES - at)).max(-slope * at)
