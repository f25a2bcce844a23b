"""The two steps of alternating optimisation, each from exchangeable parts.

A step holds its compiled model for one scenario; calling it solves the model at new parameters.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from formulations import Allocation, evaluate
from formulations.association.coefficients import AssociationCoefficients, optimal_offloading
from formulations.association.pairs import PairResources
from formulations.formulation import Formulation, Subproblem, formulations

from ..backends import Backend, BackendError, OutcomeStatus, capable_backends
from .rounding import ROUNDINGS
from .run import OutOfTimeError, Run

__all__ = ["AssociationStep", "ResourceStep", "formulation_names"]


class _Model(Protocol):
    problem: Any


def formulation_names(subproblem: Subproblem) -> list[str]:
    """Return the names of the registered formulations of a subproblem."""
    return [entry.name for entry in formulations.values() if entry.subproblem is subproblem]


class _Step:
    """A model and the backends that may solve it."""

    def __init__(self, run: Run, formulation: Formulation, backend: str) -> None:
        self._run = run
        self._label = f"{formulation.subproblem} {formulation.name}"
        self._backends: tuple[Backend, ...] = capable_backends(formulation.language, formulation.needs, backend)

    def _solve(self, model: _Model) -> dict[str, Any]:
        """Solve with the first backend that manages; the others are there for its failures."""
        said = []
        for backend in self._backends:
            self._run.used(backend.name, backend.availability().version)
            outcome = backend.solve(model.problem, self._run.backend_limits())
            if outcome.status is OutcomeStatus.TIME_LIMIT:
                raise OutOfTimeError
            if outcome.status.has_solution:
                facts: dict[str, Any] = {"backend": backend.name, "solver_time": outcome.solver_time}
                if outcome.status is OutcomeStatus.INACCURATE:
                    facts["inaccurate"] = True
                return facts
            said.append(outcome.message or f"{backend.name}: {outcome.status}")
        raise BackendError(f"{self._label} failed ({'; '.join(said)})")


class AssociationStep(_Step):
    """AO part 1: solve a formulation of (6), round, and set the offloading by its linear program.

    Parameters
    ----------
    run
        The run it is a step of.
    association, delay_rows, rounding, backend
        Names of the parts.
    """

    def __init__(self, run: Run, association: str, delay_rows: str, rounding: str, backend: str) -> None:
        formulation = formulations[f"{Subproblem.ASSOCIATION}/{association}"]
        super().__init__(run, formulation, backend)
        self._round = ROUNDINGS[rounding]
        self._model = formulation.build(run.scenario, delay_rows=delay_rows)

    def __call__(self, pairs: PairResources, ratio: float) -> tuple[Allocation, dict[str, Any]]:
        """Return the allocation at these resources, and facts for the trace.

        Parameters
        ----------
        pairs
            Resources on all pairs.
        ratio
            Dinkelbach's y.
        """
        scenario = self._run.scenario
        self._model.update(AssociationCoefficients.of(scenario, pairs, ratio))
        facts = self._solve(self._model)
        found = self._model.solution()
        server = self._round(found.association, pairs, scenario)
        allocation = pairs.at(scenario, server, found.offload)
        return with_optimal_offloading(self._run, allocation, ratio), {
            "association_value": found.value,
            **{f"association_{key}": value for key, value in facts.items()},
        }


def with_optimal_offloading(run: Run, allocation: Allocation, ratio: float) -> Allocation:
    """Return the allocation with the offloading that (6) prefers at its association and resources."""
    return replace(allocation, offload=optimal_offloading(run.scenario, allocation, ratio))


class ResourceStep(_Step):
    """AO part 2: climb (10) by a formulation solved again around its own solution.

    Parameters
    ----------
    run
        The run it is a step of.
    allocation, backend
        Names of the parts.
    epsilon
        Stop when (10) grows by less, relative to the score.
    max_iterations
        Most solves of the formulation.
    """

    def __init__(self, run: Run, allocation: str, backend: str, epsilon: float, max_iterations: int) -> None:
        formulation = formulations[f"{Subproblem.RESOURCES}/{allocation}"]
        super().__init__(run, formulation, backend)
        self._model = formulation.build(run.scenario)
        self._epsilon = epsilon
        self._max_iterations = max_iterations

    def __call__(self, allocation: Allocation, ratio: float) -> tuple[Allocation, dict[str, Any]]:
        """Return the allocation with better resources (never worse in (10)), and facts for the trace.

        Parameters
        ----------
        allocation
            Association and offloading to keep, and the resources to start from.
        ratio
            Dinkelbach's y.
        """
        if not np.isfinite(evaluate(self._run.scenario, allocation).delay):
            return allocation, {"allocation_skipped": "infinite delay after AO part 1"}
        value = self._objective(allocation, ratio)
        solver_time = 0.0
        facts: dict[str, Any] = {}
        solves = 0
        while solves < self._max_iterations:
            solves += 1
            self._model.update(allocation, ratio)
            facts |= self._solve(self._model)
            solver_time += facts["solver_time"] or 0.0
            candidate = self._model.solution()
            reached = self._objective(candidate, ratio)
            growth = reached - value
            if growth > 0:
                allocation, value = candidate, reached
            if growth <= self._epsilon * abs(evaluate(self._run.scenario, allocation).score):
                break
        facts |= {"solver_time": solver_time, "solves": solves}
        return allocation, {f"allocation_{key}": value for key, value in facts.items()}

    def _objective(self, allocation: Allocation, ratio: float) -> float:
        """(10): score minus y times cost."""
        s = self._run.scenario
        e = evaluate(s, allocation)
        return e.score - ratio * (s.weight_time * e.delay + s.weight_energy * e.energy)
