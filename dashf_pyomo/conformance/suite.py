"""Every formulation x every face x every backend that claims it x every known case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from formulations import evaluate
from formulations.association.coefficients import AssociationCoefficients
from formulations.formulation import Formulation, Kind, Language, Subproblem, formulations
from formulations.joint import info, read

from ..backends import Backend, BackendLimits, OutcomeStatus, backends
from .cases import Case, known_cases

__all__ = ["ConformanceError", "Entry", "matrix", "missing"]

#: Values agree within this, relative to the objective unit of the case; solvers that stop short of their own
#: tolerance (outcome ``inaccurate``) get `LOOSE`.
TIGHT, LOOSE = 1e-5, 1e-3
#: A local method reaches this share of the best known improvement over the start.
LOCAL_SHARE = 0.9
TIME_LIMIT = 60.0
#: Global solvers need not finish: what they say by then must be right.
JOINT_TIME_LIMIT = 4.0


class ConformanceError(AssertionError):
    """An entry of the matrix does not do what it claims."""


@dataclass(frozen=True)
class Entry:
    """Cell of the matrix."""

    formulation: Formulation
    face: Language
    backend: Backend
    case: Case

    def __str__(self) -> str:
        f = self.formulation
        return f"{f.subproblem}-{f.name}-{self.face}-{self.backend.name}-{self.case.name}"

    def skip_reason(self) -> str:
        """Return why the entry cannot run here, or an empty text."""
        known = self.backend.availability()
        return "" if known.available else f"{self.backend.name}: {known.reason}"

    def run(self) -> None:
        """Run the entry.

        Raises
        ------
        ConformanceError
            If a claim does not hold; the message says which.
        """
        if self.formulation.subproblem is Subproblem.JOINT:
            self._run_joint()
        elif self.formulation.subproblem is Subproblem.ASSOCIATION:
            self._run_association()
        else:
            self._run_resources()

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            raise ConformanceError(f"{self}: {what}")

    def _run_association(self) -> None:
        case, kind = self.case, self.formulation.kind
        coefficients = AssociationCoefficients.of(case.scenario, case.pairs, case.ratio)
        model = self.formulation.faces[self.face](case.scenario)
        # Other coefficients first: an update must leave nothing behind.
        for data in (AssociationCoefficients.of(case.scenario, case.pairs, 0.1 * case.ratio), coefficients):
            model.update(data)
            outcome = self.backend.solve(model.problem, BackendLimits(time_limit=TIME_LIMIT))
            self._require(outcome.status.has_solution, f"not solved: {outcome.status} {outcome.message}")
        found = model.solution()
        slack = LOOSE if outcome.status is OutcomeStatus.INACCURATE else TIGHT
        excess = (found.value - case.association_value) / coefficients.objective_unit
        said = f"value {found.value:.9g}, enumeration {case.association_value:.9g}"
        if kind in (Kind.RELAXATION, Kind.EXACT):
            self._require(excess <= slack, f"above the optimum that it should not exceed: {said}")
        if kind in (Kind.RESTRICTION, Kind.EXACT):
            self._require(excess >= -slack, f"below the optimum: {said}")
        x, phi = found.association, found.offload
        self._require(x.shape == case.scenario.channel_gain.shape, f"association has shape {x.shape}")
        self._require(bool(np.all(x >= 0) and np.allclose(x.sum(axis=1), 1)), "association rows do not sum to one")
        self._require(bool(np.all((phi >= 0) & (phi <= 1))), "offloading ratio outside [0, 1]")
        if kind in (Kind.RESTRICTION, Kind.EXACT):
            self._require(bool(np.allclose(x, np.round(x), atol=1e-5)), "association is not binary")

    def _run_resources(self) -> None:
        case, joint = self.case, self.formulation.frees_offloading
        model = self.formulation.faces[self.face](case.scenario)
        best = case.joint_value if joint else case.resource_value
        allocation, value = case.start, case.objective(case.start)
        first = value
        for _ in range(20):
            model.update(allocation, case.ratio)
            outcome = self.backend.solve(model.problem, BackendLimits(time_limit=TIME_LIMIT))
            self._require(outcome.status.has_solution, f"not solved: {outcome.status} {outcome.message}")
            candidate = model.solution()
            reached = case.objective(candidate)
            self._require(bool(np.array_equal(candidate.server, case.start.server)), "it changed the association")
            self._require(joint or bool(np.array_equal(candidate.offload, case.start.offload)), "it changed phi")
            if reached <= value + 1e-6 * abs(value):
                break
            allocation, value = candidate, reached
        said = f"from {first:.9g} to {value:.9g}, best known {best:.9g}"
        self._require(value >= first, f"it made (10) worse: {said}")
        self._require(value <= best + LOOSE * abs(best), f"better than the best known, which is then wrong: {said}")
        if self.formulation.kind is Kind.LOCAL and not joint:
            self._require(value - first >= LOCAL_SHARE * (best - first), f"it stops far short: {said}")

    def _run_joint(self) -> None:
        case, best = self.case, self.case.best_ratio
        model = self.formulation.faces[self.face](case.scenario)
        outcome = self.backend.solve(model, BackendLimits(time_limit=JOINT_TIME_LIMIT, gap=TIGHT))
        joint = info(model)
        bound = getattr(outcome, "bound", None)
        reached = [evaluate(case.scenario, read(model, point)).scr for point in getattr(outcome, "points", ())]
        said = f"{outcome.status} {outcome.message}"
        self._require(outcome.status is not OutcomeStatus.INFEASIBLE, "infeasible, but it is not")
        # Every solver can do one pair; with more, a slow one may have nothing by the limit.
        excused = case.scenario.channel_gain.size > 1 and outcome.status is OutcomeStatus.TIME_LIMIT
        self._require(bool(reached) or bound is not None or excused, f"neither a point nor a bound: {said}")
        self._require(max(reached, default=0.0) <= best * (1 + LOOSE), f"better than the best known: {reached}")
        if bound is not None and self.formulation.kind in (Kind.RELAXATION, Kind.EXACT):
            upper = joint.value_bound(bound)
            self._require(upper >= best * (1 - TIGHT), f"bound {upper:.9g} below the best known {best:.9g}")
        if outcome.status is OutcomeStatus.SOLVED and self.formulation.kind is Kind.EXACT:
            found = max(reached, default=0.0)
            self._require(found >= best * (1 - LOOSE), f"stops at {found:.9g}, best known {best:.9g}")


def matrix(formulation: str | None = None, backend: str | None = None) -> list[Entry]:
    """Return the entries, all or those of one formulation (``subproblem/name``) or one backend."""
    return list(_entries(formulation, backend))


def _entries(formulation: str | None, backend: str | None) -> Iterator[Entry]:
    for key, entry in formulations.items():
        if formulation not in (None, key):
            continue
        for face in entry.faces:
            for name, solver in backends.items():
                if backend not in (None, name) or face not in solver.languages or not entry.needs <= solver.features:
                    continue
                for case in known_cases():
                    if entry.subproblem is Subproblem.JOINT and not np.isfinite(case.best_ratio):
                        continue
                    yield Entry(entry, Language(face), solver, case)


def missing() -> list[str]:
    """Return what is registered and has no entry in the matrix, although it could have one.

    A backend of a language that no formulation in the matrix is written in cannot have one.
    """
    entries = matrix()
    covered = {f"{entry.formulation.subproblem}/{entry.formulation.name}" for entry in entries}
    solvers = {entry.backend.name for entry in entries}
    spoken = {face for entry in entries for face in entry.formulation.faces}
    return [f"formulation {key}" for key in formulations if key not in covered] + [
        f"backend {name}"
        for name, backend in backends.items()
        if name not in solvers and spoken.intersection(backend.languages)
    ]
