"""Common part of all formulations of AO part 1: parameters, objective, delay rows, budgets.

A formulation differs only in how it ties the product w_nm = phi_n x_nm to phi and x (its *lifting*).
Everything that changes between iterations is a CVXPY parameter, so a problem is compiled once per
scenario and solved again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from ..constraints import EXCESS_PRICE, Over
from ..scenario import Scenario
from ..terms import upper_rows
from .coefficients import DELAY_ROWS, AssociationCoefficients

__all__ = ["AssociationModel", "AssociationSolution", "Lifting", "clean"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Lifting:
    """The variables of a formulation, and the constraints that tie them together.

    Parameters
    ----------
    association
        x, shape (N, M).
    offload
        phi, shape (N,).
    product
        w, standing for phi_n x_nm, shape (N, M).
    constraints
        What relates the three.
    second_moment
        The blocks that stand for x_n x_n', shape (N, M, M), in the semidefinite liftings; else None.
    """

    association: cp.Expression
    offload: cp.Expression
    product: cp.Expression
    constraints: list[cp.Constraint]
    second_moment: cp.Expression | None = None


@dataclass(frozen=True, eq=False)
class AssociationSolution:
    """A solution of AO part 1, fractional if the formulation is a relaxation.

    Parameters
    ----------
    association
        x, shape (N, M), rows sum to one.
    offload
        phi, shape (N,).
    value
        Optimal value of the formulation, score units: sum_nm (cost - score). For a relaxation a lower
        bound of (6) at this y and these resources, up to the solver's tolerance; never a bound on SCR.
    covariance
        S_xx - x x' of every user's block, shape (N, M, M), where the formulation is semidefinite; else None.
    product
        w, standing for phi_n x_nm, shape (N, M), where the model has it.
    """

    association: Array
    offload: Array
    value: float
    covariance: Array | None = None
    product: Array | None = None


class AssociationModel:
    """AO part 1, (6), as one parameterised CVXPY problem.

    Parameters
    ----------
    scenario
        The data; only its sizes enter the structure of the problem.
    lift
        Makes the lifting for N users and M servers.
    delay_rows
        One of `coefficients.DELAY_ROWS`.

    Attributes
    ----------
    problem
        The `cvxpy.Problem`, with named parameters and variables. Its objective and times are scaled as in
        `AssociationCoefficients`.
    """

    def __init__(self, scenario: Scenario, lift: Callable[[int, int], Lifting], delay_rows: str = "aggregated") -> None:
        if delay_rows not in DELAY_ROWS:
            raise ValueError(f"delay_rows = {delay_rows!r}; expected one of {', '.join(DELAY_ROWS)}")
        n, m = scenario.n_users, scenario.n_servers
        self._unit = 1.0
        self._parameters = {
            "time_price": cp.Parameter(nonneg=True, name="time_price"),
            "local_cost": cp.Parameter(n, nonneg=True, name="local_cost"),
            "pair_cost": cp.Parameter((n, m), name="pair_cost"),
            "product_cost": cp.Parameter((n, m), name="product_cost"),
            "local_time": cp.Parameter(n, nonneg=True, name="local_time"),
            "server_time": cp.Parameter((n, m), nonneg=True, name="server_time"),
            "extra_time": cp.Parameter((n, m), name="extra_time"),  # uplink instead of server
            "user_end": cp.Parameter((n, m), nonneg=True, name="user_end"),
            "server_end": cp.Parameter((n, m), nonneg=True, name="server_end"),
            "bandwidth_share": cp.Parameter((n, m), nonneg=True, name="bandwidth_share"),
            "power_share": cp.Parameter((n, m), nonneg=True, name="power_share"),
            "speed_share": cp.Parameter((n, m), nonneg=True, name="speed_share"),
        }
        p = self._parameters
        self._lifting = lifting = lift(n, m)
        x, phi, w = lifting.association, lifting.offload, lifting.product
        self.delay = delay = cp.Variable(nonneg=True, name="delay")

        objective = (
            p["time_price"] * delay
            + p["local_cost"] @ phi
            + cp.sum(cp.multiply(p["pair_cost"], x))
            + cp.sum(cp.multiply(p["product_cost"], w))
        )
        times = cp.multiply(p["server_time"], x) + cp.multiply(p["extra_time"], w)
        local = cp.multiply(p["local_time"], phi)
        constraints = [*lifting.constraints, cp.sum(x, axis=1) == 1, w <= p["user_end"], x - w <= p["server_end"]]
        if delay_rows == "aggregated":
            constraints.append(local + cp.sum(times, axis=1) <= delay)
        else:
            constraints += [local + times[:, j] <= delay for j in range(m)]
        constraints += [
            cp.sum(cp.multiply(p[f"{resource}_share"], x), axis=0) <= 1 for resource in ("bandwidth", "power", "speed")
        ]
        if scenario.constraints is not None and scenario.constraints.has_ranges:
            low, high = scenario.offload_range
            constraints += [low <= phi, phi <= high]
            constraints += [cp.multiply(low[:, None], x) <= w, w <= cp.multiply(high[:, None], x)]
        for rows in upper_rows(scenario):
            name, over, signed = rows.name, rows.limit.over, rows.signed
            p |= {
                f"{name}_user": cp.Parameter(n, nonneg=not signed, name=f"{name}_user"),
                f"{name}_pair": cp.Parameter((n, m), nonneg=not signed, name=f"{name}_pair"),
                f"{name}_product": cp.Parameter((n, m), name=f"{name}_product"),
            }
            own = cp.multiply(p[f"{name}_user"], phi)
            taken = cp.multiply(p[f"{name}_pair"], x) + cp.multiply(p[f"{name}_product"], w)
            excess = cp.Variable(len(rows.bound), nonneg=True, name=f"{name}_excess")
            if over is Over.USER:
                total = own + cp.sum(taken, axis=1)
            else:
                total = cp.sum(taken, axis=0) if over is Over.SERVER else cp.sum(taken)
            if signed:
                p |= {
                    f"{name}_most": cp.Parameter(len(rows.bound), name=f"{name}_most"),
                    f"{name}_unit": cp.Parameter(nonneg=True, name=f"{name}_unit"),
                }
                constraints.append(total <= p[f"{name}_most"] + p[f"{name}_unit"] * excess)
            else:
                constraints.append(total <= 1 + excess)
            objective += EXCESS_PRICE * cp.sum(excess)
        self.problem = cp.Problem(cp.Minimize(objective), constraints)

    def update(self, coefficients: AssociationCoefficients) -> None:
        """Set the parameters; nothing is compiled again."""
        c = coefficients
        self._unit = c.objective_unit
        extra = c.uplink_time - c.server_time
        values = {"extra_time": extra}
        for rows in c.limits:
            taken = {"user": rows.of_user, "pair": rows.of_pair, "product": rows.of_product}
            taken |= {"most": rows.most, "unit": np.asarray(rows.excess)}
            values |= {f"{rows.key}_{name}": value for name, value in taken.items()}
        for name, parameter in self._parameters.items():
            parameter.value = values[name] if name in values else getattr(c, name)

    def solution(self) -> AssociationSolution:
        """Read the solution after the problem was solved, cleaned of the solver's tolerance."""
        lifting = self._lifting
        x, phi = clean(lifting.association.value, lifting.offload.value)
        covariance = None
        if lifting.second_moment is not None:
            covariance = np.asarray(lifting.second_moment.value) - x[:, :, None] * x[:, None, :]
        product = np.asarray(lifting.product.value)
        return AssociationSolution(x, phi, float(self.problem.value) * self._unit, covariance, product)


def clean(association: Array, offload: Array) -> tuple[Array, Array]:
    """Return x with rows that sum to one and phi in [0, 1], free of the solver's tolerance.

    Raises
    ------
    ValueError
        If a value is not a finite number.
    """
    if not (np.all(np.isfinite(association)) and np.all(np.isfinite(offload))):
        raise ValueError("the solver's values are not finite")
    x = np.clip(np.asarray(association, dtype=np.float64), 0.0, 1.0)
    total = x.sum(axis=1, keepdims=True)
    x = np.divide(x, total, out=np.full_like(x, 1.0 / x.shape[1]), where=total > 0)
    return x, np.clip(np.asarray(offload, dtype=np.float64), 0.0, 1.0)
