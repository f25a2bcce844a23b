"""The two steps of alternating optimisation, each from exchangeable parts.

A step holds its compiled model for one scenario; calling it solves the model at new parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from operator import methodcaller
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, Scenario, evaluate
from formulations.allocation import merit
from formulations.association.coefficients import AssociationCoefficients
from formulations.association.pair_resources import PairResources, where_allowed
from formulations.constraints import require_support
from formulations.formulation import Formulation, Language, Subproblem, formulations

from ..backends import BackendError, OutcomeStatus, capable_backends
from ..deadline import OutOfTimeError
from ..errors import described
from .rounding import ROUNDINGS, RoundingTask, offloaded
from .run import Run

__all__ = ["AssociationStep", "ResourceStep", "formulation_names", "middle_offload", "resources_of"]


def formulation_names(subproblem: Subproblem) -> list[str]:
    """Return the names of the registered formulations of a subproblem."""
    return [entry.name for entry in formulations.values() if entry.subproblem is subproblem]


#: The formulation of AO part 2 that polishes where another one frees the offloading too.
_POLISH = "nlp"


def resources_of(allocation: str) -> tuple[str, ...]:
    """Return the names of the formulations that `ResourceStep` solves for one of AO part 2."""
    frees = formulations[f"{Subproblem.RESOURCES}/{allocation}"].frees_offloading
    return (allocation, _POLISH) if frees else (allocation,)


def middle_offload(scenario: Scenario) -> NDArray[np.float64]:
    """Return half of the training for every user, or what may be next to that, shape (N,)."""
    return scenario.nearest_offload(np.full(scenario.n_users, 0.5))


#: What data that a model cannot hold, values that are no solution, and solvers that break down raise: for the run each
#: is one failure of this solver. Anything else is a mistake in a formulation or a backend, and is not caught.
_FAILURES = (ValueError, ArithmeticError, MemoryError, RuntimeError, OSError)


class _Step:
    """A model and the backends that may solve it."""

    def __init__(self, run: Run, formulation: Formulation, backend: str, **options: Any) -> None:
        label = f"formulation {formulation.subproblem}/{formulation.name}"
        require_support(label, formulation.supports, run.scenario.demands)
        self._run = run
        self._formulation = formulation
        self._options = options
        self._choices = capable_backends(formulation, backend)
        self._models: dict[Language, Any] = {}

    def _solve(self, update: Callable[[Any], None]) -> tuple[Any, dict[str, Any]]:
        """Solve with the first backend that manages; the others are there for its failures.

        Parameters
        ----------
        update
            Sets the parameters of a model.

        Returns
        -------
        solution, facts
            Solution that the model reads, and facts for the trace.

        Raises
        ------
        BackendError
            If all fail.
        OutOfTimeError
            If one reaches the time limit.
        """
        said: list[str] = []
        cause: Exception | None = None
        for language, backend in self._choices:
            self._run.used(backend.name, backend.availability().version)
            limits = self._run.backend_limits()
            if language not in self._models:
                self._models[language] = self._formulation.faces[language](self._run.scenario, **self._options)
            model = self._models[language]
            try:
                with np.errstate(all="ignore"):
                    update(model)
                outcome = backend.solve(model.problem, limits)
                if outcome.status is OutcomeStatus.TIME_LIMIT:
                    raise OutOfTimeError
                if outcome.status.has_solution and not _has_values(language, model.problem):
                    said.append(f"{backend.name}: {outcome.status}, but without values")
                elif outcome.status.has_solution:
                    with np.errstate(all="ignore"):
                        solution = model.solution()
                    facts: dict[str, Any] = {"backend": backend.name, "solver_time": outcome.solver_time}
                    if outcome.status is OutcomeStatus.INACCURATE:
                        facts["inaccurate"] = True
                    return solution, facts
                else:
                    said.append(outcome.message or f"{backend.name}: {outcome.status}")
            except _FAILURES as error:
                said.append(f"{backend.name}: {described(error)}")
                cause = error
        label = f"{self._formulation.subproblem} {self._formulation.name}"
        raise BackendError(f"{label} failed ({'; '.join(said)})") from cause


def _has_values(language: Language, problem: Any) -> bool:
    """Return whether a solver has left the values that it claims to have found."""
    if language is Language.CVXPY:
        return all(variable.value is not None for variable in problem.variables())
    return language is Language.PYOMO or problem.point is not None


class AssociationStep(_Step):
    """AO part 1: solve a formulation of (6), round, and set the offloading by its linear program.

    Parameters
    ----------
    run
        The run it is a step of.
    association, delay_rows, rounding, backend
        Names of the parts.
    seed
        Seed of roundings that draw.
    """

    def __init__(self, run: Run, association: str, delay_rows: str, rounding: str, backend: str, seed: int = 0) -> None:
        formulation = formulations[f"{Subproblem.ASSOCIATION}/{association}"]
        super().__init__(run, formulation, backend, delay_rows=delay_rows)
        self._round = ROUNDINGS[rounding]
        self._seed = seed

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
        coefficients = AssociationCoefficients.of(scenario, pairs, ratio)
        found, facts = self._solve(methodcaller("update", coefficients))
        server = where_allowed(scenario, self._round(RoundingTask(found, pairs, scenario, ratio, self._seed)))
        allocation = pairs.at(scenario, server, found.offload)
        return offloaded(scenario, allocation, ratio), {
            "association_value": found.value,
            **{f"association_{key}": value for key, value in facts.items()},
        }


class ResourceStep(_Step):
    """AO part 2: climb (10) by a formulation solved again around its own solution.

    Parameters
    ----------
    run
        The run it is a step of.
    allocation, backend
        Names of the parts.
    epsilon
        Stop when (10) grows by less, relative to the score, or to the cost where that is the objective.
    max_iterations
        Most solves of the formulation per start.
    two_starts
        Whether a formulation that frees the offloading starts from phi = 0.5 too.
    optional
        Whether the step may fail: then only the first backend is tried, and an allocation stays what it was.
    """

    def __init__(
        self,
        run: Run,
        allocation: str,
        backend: str,
        epsilon: float,
        max_iterations: int,
        two_starts: bool = True,
        optional: bool = False,
    ) -> None:
        formulation = formulations[f"{Subproblem.RESOURCES}/{allocation}"]
        super().__init__(run, formulation, backend)
        self._epsilon = epsilon
        self._max_iterations = max_iterations
        self._two_starts = two_starts
        self._optional = optional
        if optional:
            self._choices = self._choices[:1]
        # Where both offloading and resources move, a run may stop short; at fixed offloading it does not.
        self._polish: ResourceStep | None = None
        if formulation.frees_offloading:
            self._polish = ResourceStep(run, _POLISH, backend, epsilon, max_iterations, optional=optional)

    def __call__(self, allocation: Allocation, ratio: float) -> tuple[Allocation, dict[str, Any]]:
        """Return the allocation with better resources (never worse in (10)), and facts for the trace.

        Parameters
        ----------
        allocation
            Association and offloading to keep, and the resources to start from.
        ratio
            Dinkelbach's y.
        """
        scenario = self._run.scenario
        if not np.isfinite(evaluate(scenario, allocation).delay):
            return allocation, {"allocation_skipped": "infinite delay after AO part 1"}
        starts = [allocation]
        if self._formulation.frees_offloading and self._two_starts:
            # Offloading has many local optima: the middle is the other start.
            middle = replace(allocation, offload=middle_offload(scenario))
            if np.isfinite(evaluate(scenario, middle).delay):
                starts.append(middle)
        best, value = allocation, merit(scenario, allocation, ratio)
        facts: dict[str, Any] = {"solver_time": 0.0, "solves": 0}
        for start in starts:
            reached, climbed = self._climb(start, ratio, facts)
            if climbed > value:
                best, value = reached, climbed
        if self._polish is not None:
            best, _ = self._polish._climb(best, ratio, facts)
        return best, {f"allocation_{key}": value for key, value in facts.items()}

    def _climb(self, allocation: Allocation, ratio: float, facts: dict[str, Any]) -> tuple[Allocation, float]:
        """Solve again and again from one start while (10) grows; add to the facts."""
        scenario = self._run.scenario
        value = merit(scenario, allocation, ratio)
        for _ in range(self._max_iterations):
            try:
                candidate, found = self._solve(methodcaller("update", allocation, ratio))
            except BackendError:
                if not self._optional:
                    raise
                facts["failed"] = True
                break
            facts |= {**found, "solver_time": facts["solver_time"] + (found["solver_time"] or 0.0)}
            facts["solves"] += 1
            reached = merit(scenario, candidate, ratio)
            growth = reached - value
            if growth > 0:
                allocation, value = candidate, reached
            judged = evaluate(scenario, allocation)
            # A cost has no score; it is itself the size of (10).
            size = judged.value if scenario.objective.score_weight == 0.0 else judged.score
            if growth <= self._epsilon * abs(size):
                break
        return allocation, value
