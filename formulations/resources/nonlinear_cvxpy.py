"""AO part 2 as a smooth CVXPY program, the readable face of `nonlinear`.

Source: (10), the same mathematics as `formulations.resources.nonlinear` with the shares themselves as variables.
CVXPY differentiates it. It is compiled for every association and reference point: CVXPY's nonlinear path does not keep
a compiled program with parameters.
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation
from ..constraints import EXCESS_PRICE
from ..prices import Prices
from ..scenario import Scenario
from .limit_families import LIMIT_MARGIN
from .nonlinear import LEAST_SHARE, ResourceProgram
from .shares import PARTS_IN_SHARES, WeightedParts

__all__ = ["ResourceProblem"]

Array = NDArray[np.float64]


class ResourceProblem:
    """(10) for an association as a `cvxpy.Problem` to be solved with ``nlp=True``.

    Parameters
    ----------
    scenario
        The data.
    free_offloading
        Whether phi is a variable.

    Attributes
    ----------
    problem
        The problem; set by `update`.
    """

    problem: cp.Problem

    def __init__(self, scenario: Scenario, free_offloading: bool) -> None:
        self._scenario = scenario
        self._free = free_offloading and not scenario.binary_offload
        self._data = ResourceProgram(scenario, free_offloading)
        self._reference: Allocation | None = None

    def update(self, reference: Allocation, ratio: float) -> None:
        """Set association, offloading (start, or fixed), the start of the resources, and y."""
        s, data, n = self._scenario, self._data, self._scenario.n_users
        data.update(reference, ratio)
        self._reference = reference
        start = np.exp(data.start[: 5 * n].reshape(5, n))
        names = ("bandwidth", "power", "speed", "user_power", "user_speed")
        self._share = {name: cp.Variable(n, name=name, bounds=[LEAST_SHARE, 1.0]) for name in names}
        for variable, value in zip(self._share.values(), start, strict=True):
            variable.value = np.clip(value, LEAST_SHARE, 1.0)
        self._phi = (
            cp.Variable(n, name="offload", bounds=[data.lower[5 * n : 6 * n], data.upper[5 * n : 6 * n]])
            if self._free
            else None
        )
        if self._phi is not None:
            self._phi.value = data.offload

        beta, pi, psi, p, f = self._share.values()
        own = data.offload if self._phi is None else self._phi

        def inverse(x: cp.Expression) -> cp.Expression:
            return cp.power(x, -1)

        def inverse_rate(power: cp.Variable, snr: Array) -> cp.Expression:
            return inverse(cp.multiply(beta, cp.log(1 + cp.multiply(snr, cp.multiply(power, inverse(beta))))))

        up, down = inverse_rate(p, data.snr_up), inverse_rate(pi, data.snr_down)
        functions = {
            "one": np.ones(n),
            "beta": beta,
            "pi": pi,
            "psi": psi,
            "1/f": inverse(f),
            "f^2": cp.square(f),
            "1/psi": inverse(psi),
            "psi^2": cp.square(psi),
            "U_up": up,
            "p U_up": cp.multiply(p, up),
            "U_down": down,
            "pi U_down": cp.multiply(pi, down),
        }

        def total(parts: WeightedParts) -> cp.Expression:
            """Return a weighted sum of parts; one product for each factor of phi, or solvers lose their way."""
            factors: dict[tuple[float, float], cp.Expression] = {}
            for part, weight in parts.weights.items():
                shape = PARTS_IN_SHARES[part]
                factor = (shape.constant, shape.slope)
                function = cp.multiply(weight, functions[shape.function])
                factors[factor] = factors[factor] + function if factor in factors else function
            found = [
                cp.multiply(constant + slope * own, function) if slope else function
                for (constant, slope), function in factors.items()
            ]
            return sum(found[1:], start=found[0])

        def members(row_of: NDArray[np.int64], count: int) -> Array:
            return np.equal.outer(np.arange(count), row_of).astype(np.float64)

        at_server = members(reference.server, s.n_servers)
        objective, constraints = cp.sum(total(data.cost)), []
        if Prices.have_deadline(s):
            deadline = cp.Variable(name="delay", nonneg=True)
            deadline.value = 1.0
            objective = data.time_price * deadline + objective
            constraints.append(total(data.delay) <= deadline)
        if np.any(data.score_weight > 0.0):
            score = s.score.in_smooth_cvxpy(beta + pi + psi)
            plain = np.all(data.score_weight == 1.0)
            objective -= cp.sum(score if plain else cp.multiply(data.score_weight, score))
        constraints += [at_server @ share <= 1 for share in (beta, pi, psi)]
        if data.limits:
            excess = cp.Variable(name="excess", nonneg=True)
            excess.value = float(data.start[-1])
            for family in data.limits:
                taken = members(family.row_of, family.count) @ total(family.taken)
                one = bool(np.all(family.most == 1.0))
                constraints.append(taken <= (1.0 if one else family.most) - LIMIT_MARGIN + excess)
            objective += EXCESS_PRICE * excess
        self.problem = cp.Problem(cp.Minimize(objective), constraints)

    def solution(self) -> Allocation:
        """Read the allocation after the problem was solved, cut back into budgets and caps."""
        if self._reference is None:
            raise RuntimeError("update() was never called")
        shares = np.array([variable.value for variable in self._share.values()], dtype=np.float64)
        phi = self._data.offload if self._phi is None else np.asarray(self._phi.value)
        return self._reference.with_shares(self._scenario, shares, phi)
