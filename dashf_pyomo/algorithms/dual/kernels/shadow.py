"""Shadow prices of a user at its shares and deadline: what a little more of each would be worth to it."""

from __future__ import annotations

import math

import numpy as np
from numba import prange
from numpy.typing import NDArray

from .compiling import compiled_parallel
from .link import make_pair
from .local import FREE, LEAST_SHARE, value_and_gradient

__all__ = ["shadow_prices"]

Array = NDArray[np.float64]


@compiled_parallel
def _slopes(c, norm, ratio, shares, deadline):
    count = c.shape[0]
    out = np.full((count, 4), np.nan)
    nothing = np.zeros(3)
    for k in prange(count):
        pair = make_pair(c[k], norm, nothing, ratio, 0.0, deadline, 0.0, 0.0, 1.0)
        theta, gradient = np.empty(4), np.empty(4)
        for i in range(3):
            theta[i] = math.log(max(shares[k, i], LEAST_SHARE))
        theta[3] = math.log(deadline)
        if value_and_gradient(pair, theta, gradient, FREE) > -math.inf:
            for i in range(4):
                out[k, i] = gradient[i] * math.exp(-theta[i])
    return out


def shadow_prices(coefficients: Array, norm: float, ratio: float, shares: Array, deadline: float) -> Array:
    """Return the derivatives of ln(1 + norm (b + pi + psi)) - ratio E*(z; T) by the shares and the deadline.

    Parameters
    ----------
    coefficients
        Coefficients of the pairs without units, in the order of `link.Pair` up to `cd`, shape (K, 9).
    norm, ratio
        varpi_2 of the score, and the score that a cost unit is worth.
    shares
        Shares b, pi, psi of the server, shape (K, 3).
    deadline
        T, in time units.

    Returns
    -------
    array, shape (K, 4)
        By b, pi, psi and T; NaN where the deadline cannot be met.
    """
    result: Array = _slopes(
        np.ascontiguousarray(coefficients, dtype=np.float64),
        float(norm),
        float(ratio),
        np.ascontiguousarray(shares, dtype=np.float64),
        float(deadline),
    )
    return result
