"""Derivatives of a nonlinear program against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def dense(structure: tuple[Any, Any], entries: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The matrix of entries by rows and columns; those of the same place add up."""
    matrix = np.zeros(shape)
    np.add.at(matrix, structure, entries)
    return matrix


def assert_exact_derivatives(program: Any, x: np.ndarray) -> None:
    """Gradient, Jacobian and Hessian of the Lagrangian at a point are what differences say."""
    rows, size = len(program.row_upper), len(x)
    prices = np.random.default_rng(1).uniform(0.1, 1.0, rows)

    def lagrangian_gradient(at: np.ndarray) -> np.ndarray:
        jacobian = dense(program.jacobianstructure(), program.jacobian(at), (rows, size))
        return 0.7 * program.gradient(at) + prices @ jacobian

    step = 1e-6
    lower = dense(program.hessianstructure(), program.hessian(x, prices, 0.7), (size, size))
    hessian = lower + np.tril(lower, -1).T
    jacobian = dense(program.jacobianstructure(), program.jacobian(x), (rows, size))
    for i in range(size):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        slope = (program.objective(up) - program.objective(down)) / (2 * step)
        assert slope == pytest.approx(program.gradient(x)[i], rel=1e-5, abs=1e-6)
        np.testing.assert_allclose(
            (program.constraints(up) - program.constraints(down)) / (2 * step), jacobian[:, i], rtol=1e-5, atol=1e-5
        )
        np.testing.assert_allclose(
            (lagrangian_gradient(up) - lagrangian_gradient(down)) / (2 * step), hessian[:, i], rtol=1e-4, atol=1e-4
        )
