"""Whether rectangles cover a rectangle, exactly: only floats are compared."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["covers"]


def covers(cells: NDArray[np.float64], top: float, offload: tuple[float, float]) -> bool:
    """Return whether closed cells cover [0, top] x [offload].

    Parameters
    ----------
    cells
        Rows (x low, x high, phi low, phi high), shape (L, 4).
    top, offload
        What is to be covered.

    Between neighbouring ends of phi the cells that span the strip are the same at every phi of it, so that a chain of
    their ranges of x from 0 to `top` is needed and suffices. Closed cells cover the ends of strips, too.
    """
    x0, x1, phi0, phi1 = cells.T
    low, high = offload
    inner = np.concatenate([phi0, phi1])
    ends = np.unique(np.concatenate([[low, high], inner[(low < inner) & (inner < high)]]))
    strips = pairwise(ends.tolist()) if low < high else iter([(low, low)])
    for begin, end in strips:
        spanning = (phi0 <= begin) & (phi1 >= end)
        reached = 0.0
        for start, stop in sorted(zip(x0[spanning].tolist(), x1[spanning].tolist(), strict=True)):
            if start > reached:
                break
            reached = max(reached, stop)
        if reached < top or not np.any(spanning):
            return False
    return True
