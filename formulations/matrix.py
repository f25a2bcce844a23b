"""Mixed-integer linear programs as plain arrays, for formulations that are assembled without a loop."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

__all__ = ["MatrixProgram"]

Array = NDArray[np.float64]


@dataclass(eq=False)
class MatrixProgram:
    """min c'x subject to row_lower <= A x <= row_upper, lower <= x <= upper, some x whole.

    Parameters
    ----------
    cost
        c, shape (n,).
    matrix
        A, sparse by rows, shape (m, n).
    row_lower, row_upper
        Shape (m,), infinite where there is no bound.
    lower, upper
        Shape (n,).
    integer
        Which variables are whole, shape (n,), bool.
    point, value
        The solution, set by the backend; None before.
    """

    cost: Array
    matrix: csr_array
    row_lower: Array
    row_upper: Array
    lower: Array
    upper: Array
    integer: NDArray[np.bool_]
    point: Array | None = field(default=None)
    value: float | None = field(default=None)
