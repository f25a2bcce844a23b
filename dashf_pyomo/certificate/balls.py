"""Ball arithmetic: python-flint, asked for only when something is to be verified."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from ..errors import MissingPackageError

__all__ = ["PRECISION", "above", "ball", "flint"]

#: Bits of the mid points.
PRECISION = 128


@cache
def flint() -> Any:
    """Return python-flint.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    try:
        import flint
    except ImportError:
        raise MissingPackageError(
            "python-flint is not installed; certificates are verified with it: pip install python-flint"
        ) from None
    return flint


def ball(value: float) -> Any:
    """Return a float as a ball of radius zero."""
    return flint().arb(float(value))


def above(value: Any) -> float:
    """Return a float that no number of the ball exceeds; infinity where the ball is not finite."""
    if not value.is_finite():
        return math.inf
    result = float(value.upper())
    while not ball(result) >= value:
        result = math.nextafter(result, math.inf)
        if result == math.inf:
            return result
    return result
