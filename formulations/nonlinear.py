"""Smooth nonlinear programs with exact sparse first and second derivatives, as interior-point codes want them."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["NonlinearProgram"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]


class NonlinearProgram(Protocol):
    """min f(x) subject to row_lower <= g(x) <= row_upper, lower <= x <= upper.

    Attributes
    ----------
    lower, upper
        Bounds of the variables, shape (n,).
    row_lower, row_upper
        Bounds of the constraints, shape (m,).
    start
        Where to start, shape (n,).
    point, value
        The solution, set by the backend, which keeps the best iterate; None before.
    multipliers
        Multipliers of constraints, lower and upper bounds of the last solution for a warm start, or None.
    """

    lower: Array
    upper: Array
    row_lower: Array
    row_upper: Array
    start: Array
    point: Array | None
    value: float | None
    multipliers: tuple[Array, Array, Array] | None

    def objective(self, x: Array) -> float:
        """Return f(x)."""

    def gradient(self, x: Array) -> Array:
        """Return the gradient of f, shape (n,)."""

    def constraints(self, x: Array) -> Array:
        """Return g(x), shape (m,)."""

    def jacobianstructure(self) -> tuple[Index, Index]:
        """Return rows and columns of the entries of `jacobian`."""

    def jacobian(self, x: Array) -> Array:
        """Return the entries of the Jacobian of g."""

    def hessianstructure(self) -> tuple[Index, Index]:
        """Return rows and columns of the entries of `hessian`, lower triangle."""

    def hessian(self, x: Array, multipliers: Array, objective_factor: float) -> Array:
        """Return the entries of the Hessian of objective_factor f + multipliers'g, lower triangle.

        A program may have no Hessian, neither this nor its structure; a backend then does with first derivatives.
        """
