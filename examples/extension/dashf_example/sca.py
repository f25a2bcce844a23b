"""`sca`: AO part 2 by successive convex approximation, a tighter surrogate than the paper's.

A transmission energy is E0 (p/p0) (r0/r). With a = p/p0 and u >= r0/r the product a u = (a + u)^2/4 - (a - u)^2/4 is a
difference of convex functions; replacing the second by its tangent at the reference, where a = u = 1 and it is zero,
leaves E0 (a + u)^2/4. It touches where the paper's E0 (a^2 + u^2)/2 does and is never above it.
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np

from formulations import Allocation, Scenario
from formulations.formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from formulations.resources.fp import FractionalProgram
from formulations.resources.limit_families import RESOURCE_EXTRAS


class SuccessiveApproximation(FractionalProgram):
    """The surrogate as a parameterised CVXPY problem; all but the transmission energies is as in `fp`."""

    def __init__(self, scenario: Scenario) -> None:
        self._roots: dict[str, tuple[cp.Parameter, cp.Parameter]] = {}
        super().__init__(scenario)

    def transmission(self, link: str, power: cp.Variable, slow: cp.Variable) -> cp.Expression:
        """Return E0 (a + u)^2/4 of every user."""
        of_power = cp.Parameter(power.size, nonneg=True, name=f"{link}_root_power")
        of_time = cp.Parameter(power.size, nonneg=True, name=f"{link}_root_time")
        self._roots[link] = of_power, of_time
        return cp.square(cp.multiply(of_power, power) + cp.multiply(of_time, slow))

    def update(self, reference: Allocation, ratio: float) -> None:
        """Set the reference point and y; `fp` keeps E0/2 times squared units, here their roots over two are needed."""
        super().update(reference, ratio)
        for link, (of_power, of_time) in self._roots.items():
            of_power.value = np.sqrt(np.asarray(self.parameters[f"{link}_power"].value) / 2.0)
            of_time.value = np.sqrt(np.asarray(self.parameters[f"{link}_energy"].value) / 2.0)


formulations.register(
    Formulation(
        name="sca",
        subproblem=Subproblem.RESOURCES,
        kind=Kind.LOCAL,
        needs=frozenset({Feature.QP, Feature.SOC, Feature.EXP}),
        source="(10), products as differences of convex functions",
        summary="successive convex approximation, a tighter surrogate than that of fp",
        faces={Language.CVXPY: SuccessiveApproximation},
        supports=RESOURCE_EXTRAS,
    )
)
