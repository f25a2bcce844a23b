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
from ..scenario import Scenario
from .limits import LIMIT_MARGIN
from .nonlinear import LEAST_SHARE, ResourceProgram

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
        self._free = free_offloading
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
        self._phi = cp.Variable(n, name="offload", bounds=[0.0, 1.0]) if self._free else None
        if self._phi is not None:
            self._phi.value = reference.offload
        deadline = cp.Variable(name="delay", nonneg=True)
        deadline.value = 1.0

        beta, pi, psi, p, f = self._share.values()
        own = reference.offload if self._phi is None else self._phi
        rest = 1 - own
        (a1, a2, a3, a4), (e1, e2, e3, e4) = data.time_coefficients, data.energy_coefficients

        def inverse(x: cp.Expression) -> cp.Expression:
            return cp.power(x, -1)

        def inverse_rate(power: cp.Variable, snr: Array) -> cp.Expression:
            return inverse(cp.multiply(beta, cp.log(1 + cp.multiply(snr, cp.multiply(power, inverse(beta))))))

        up, down = inverse_rate(p, data.snr_up), inverse_rate(pi, data.snr_down)
        energy = cp.multiply(own, cp.multiply(e1, cp.square(f)) + cp.multiply(e2, cp.multiply(p, up)))
        energy += cp.multiply(rest, cp.multiply(e3, cp.square(psi)) + cp.multiply(e4, cp.multiply(pi, down)))
        delay = cp.multiply(own, cp.multiply(a1, inverse(f)) + cp.multiply(a2, up))
        delay += cp.multiply(rest, cp.multiply(a3, inverse(psi)) + cp.multiply(a4, down))
        value = cp.sum(cp.log(1 + s.score_norm * (beta + pi + psi)))
        members = np.equal.outer(np.arange(s.n_servers), reference.server).astype(np.float64)
        objective = data.time_price * deadline + cp.sum(energy) - value
        constraints = [delay <= deadline, *(members @ share <= 1 for share in (beta, pi, psi))]
        if data.limits is not None:
            c, excess = data.limits.limits, cp.Variable(name="excess", nonneg=True)
            excess.value = float(data.start[-1])
            most = 1.0 - LIMIT_MARGIN + excess
            spent = cp.multiply(c.train, cp.square(psi)) + cp.multiply(c.send, cp.multiply(pi, down))
            constraints += [
                cp.multiply(c.hurry, delay) <= most,
                cp.multiply(c.need_up, up) <= most,
                cp.multiply(c.need_down, down) <= most,
                members @ cp.multiply(rest, spent) <= most,
            ]
            objective += EXCESS_PRICE * excess
        self.problem = cp.Problem(cp.Minimize(objective), constraints)

    def solution(self) -> Allocation:
        """Read the allocation after the problem was solved, cut back into budgets and caps."""
        if self._reference is None:
            raise RuntimeError("update() was never called")
        shares = np.array([variable.value for variable in self._share.values()], dtype=np.float64)
        phi = self._reference.offload if self._phi is None else np.asarray(self._phi.value)
        return self._reference.with_shares(self._scenario, shares, phi)
