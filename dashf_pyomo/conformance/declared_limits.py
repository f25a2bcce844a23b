"""Every formulation x face x backend x declared limit that the formulation claims: what ignores a limit is found out.

No value is stored. A limit is declared so that it binds at the solution without it, and a formulation that honours it
has to answer: AO part 1 keeps its rows or pays for their excess, AO part 2 comes down to the limit, and a joint model
holds at an allocation exactly where the evaluator says that it keeps the limit. A limit that is declared later, by
whomever, is in the matrix at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, Scenario, evaluate
from formulations.association.coefficients import AssociationCoefficients
from formulations.association.pair_resources import PairResources, equal_split, start_allocation
from formulations.attributes import ATTRIBUTES
from formulations.constraints import EXCESS_PRICE, LIMITS, Limit, unsupported
from formulations.formulation import Formulation, Language, Subproblem, formulations
from formulations.joint.whole_point import set_point
from formulations.terms import Sites, rows_of

from ..backends import Backend, BackendLimits, backends
from .suite import TIGHT, TIME_LIMIT, ConformanceError

__all__ = ["LimitEntry", "limit_matrix"]

Array = NDArray[np.float64]

#: A limit is this much of what is there without it, or its inverse for a least value.
SHARE = 0.95
#: AO part 2 is solved locally: it comes at least this near to the limit, of the way that it has to go.
NEAR = 0.5
#: What rows and the evaluator may disagree on.
SLACK = 1e-4


@dataclass(frozen=True)
class LimitEntry:
    """Cell of the matrix; a joint formulation in Pyomo needs no backend, as it is judged at points."""

    formulation: Formulation
    face: Language
    backend: Backend | None
    limit: Limit

    def __str__(self) -> str:
        f, solver = self.formulation, "points" if self.backend is None else self.backend.name
        return f"{f.subproblem}-{f.name}-{self.face}-{solver}-{self.limit.key}"

    def skip_reason(self) -> str:
        """Return why the entry cannot run here, or an empty text."""
        known = None if self.backend is None else self.backend.availability()
        return "" if known is None or known.available else f"{known.reason}"

    def run(self) -> None:
        """Run the entry.

        Raises
        ------
        ConformanceError
            If the formulation does not honour the limit.
        """
        {
            Subproblem.ASSOCIATION: self._run_association,
            Subproblem.RESOURCES: self._run_resources,
            Subproblem.JOINT: self._run_joint,
        }[self.formulation.subproblem]()

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            raise ConformanceError(f"{self}: {what}")

    def _model(self, scenario: Scenario, **options: Any) -> Any:
        return self.formulation.faces[self.face](scenario, **options)

    def _solve(self, model: Any) -> None:
        assert self.backend is not None
        outcome = self.backend.solve(model.problem, BackendLimits(time_limit=TIME_LIMIT))
        self._require(outcome.status.has_solution, f"not solved: {outcome.status} {outcome.message}")

    # -- AO part 1 ----------------------------------------------------------------------------

    def _run_association(self) -> None:
        strong = Scenario.random(3, 2, seed=4)
        weak = Scenario.random(3, 2, seed=4, user_speed_max=1e12, weight_energy=1e-4)
        for free in (strong, weak):  # strong users train themselves, weak ones leave it to the server
            pairs, ratio = PairResources.equal(free), evaluate(free, start_allocation(free)).scr
            # What the limit counts in the solution without it: a limit that nothing breaks shows the coefficients.
            idle = self._limited(free, np.full(self.limit.rows(3, 2), 1e12))
            value, taken = self._associated(idle, pairs, ratio)
            row = int(np.argmax(taken))
            if taken[row] * 1e12 > 1e-3:
                break
        self._require(taken[row] > 0, "nothing is ever taken of what is limited")
        bounds = np.full(len(taken), np.inf)
        bounds[row] = SHARE * taken[row] * 1e12
        bound_value, reached = self._associated(self._limited(free, bounds), pairs, ratio)
        c = AssociationCoefficients.of(free, pairs, ratio)
        paid = (bound_value - value) / c.objective_unit
        due = EXCESS_PRICE * max(float(reached[row]) - 1.0 - SLACK, 0.0)
        said = f"a limit at {SHARE} of what is taken ends at {SHARE * reached[row]:.6g}, at a price of {paid:.6g}"
        self._require(paid >= due - TIGHT, said)

    def _associated(self, scenario: Scenario, pairs: PairResources, ratio: float) -> tuple[float, Array]:
        """Return the value, and the rows of the limit relative to their bounds."""
        coefficients = AssociationCoefficients.of(scenario, pairs, ratio)
        model = self._model(scenario)
        model.update(coefficients)
        self._solve(model)
        found = model.solution()
        rows = [limit for limit in coefficients.limits if limit.key == self.limit.key]
        assert found.product is not None
        return found.value, rows[0].values(found.association, found.offload, found.product)

    # -- AO part 2 ----------------------------------------------------------------------------

    def _run_resources(self) -> None:
        free = Scenario.random(3, 2, seed=4)
        start = equal_split(free, np.array([0, 1, 0]), np.array([0.4, 0.6, 0.5]))
        ratio = evaluate(free, start).scr
        without = self._climbed(free, start, ratio)
        values = self._values(free, without)
        row = int(np.argmin(values) if self.limit.at_least else np.argmax(values))
        limit = values[row] / SHARE if self.limit.at_least else values[row] * SHARE
        bounds = np.full(len(values), self.limit.none)
        bounds[row] = limit
        with_limit = self._climbed(self._limited(free, bounds), start, ratio)
        reached = self._values(free, with_limit)[row]
        gone = (values[row] - reached) / (values[row] - limit)
        said = (
            f"{self.limit.attribute} is {values[row]:.6g} without the limit, {reached:.6g} with a limit of {limit:.6g}"
        )
        self._require(gone >= NEAR, said)

    def _climbed(self, scenario: Scenario, start: Allocation, ratio: float) -> Allocation:
        model, allocation = self._model(scenario), start
        for _ in range(5):
            model.update(allocation, ratio)
            self._solve(model)
            allocation = model.solution()
        return allocation

    # -- joint models -------------------------------------------------------------------------

    def _run_joint(self) -> None:
        free = Scenario.random(2, 2, seed=1)
        rng = np.random.default_rng(0)
        known = equal_split(free, np.array([0, 1]), np.array([0.4, 0.6]))
        bounds = self._values(free, known) * (1 / 1.001 if self.limit.at_least else 1.001)
        model = self._model(self._limited(free, bounds), **({"known": known} if self._takes_known() else {}))
        # What counts users changes with their servers alone; half of everything leaves room for both at one.
        served = frozenset(ATTRIBUTES[self.limit.attribute].parts) <= {"served"}
        part = 0.5 if served else 1.0
        seen = set()
        for _ in range(12):
            changes: dict[str, Any] = {
                name: part * getattr(known, name) * rng.uniform(0.6, 1.0, 2)
                for name in ("bandwidth", "server_power", "server_speed", "user_power", "user_speed")
            }
            if served:
                changes["server"] = rng.integers(2, size=2)
            other = replace(known, offload=np.clip(known.offload + rng.uniform(-0.3, 0.3, 2), 0.1, 0.9), **changes)
            worst = float(np.max(self._excess(free, other, bounds)))
            if abs(worst) < 10 * SLACK:
                continue
            broken = self._broken_at(model, other)
            holds = worst < 0
            # What else a joint model leaves out, like long delays, is none of the limit.
            if broken is None or (holds and self._broken_at(self._model(free, **self._known(known)), other)):
                continue
            seen.add(holds)
            self._require(broken is not holds, f"its rows hold: {not broken}; the limit is kept: {holds} ({worst:.3g})")
        self._require(False in seen, "no point breaks the limit; expected some among twelve")

    def _takes_known(self) -> bool:
        return "known" in self.formulation.options

    def _known(self, known: Allocation) -> dict[str, Allocation]:
        return {"known": known} if self._takes_known() else {}

    def _broken_at(self, model: Any, allocation: Allocation) -> bool | None:
        """Return whether a constraint of a model is broken at an allocation; None where it has no way back."""
        if self.face is Language.PYOMO:
            import pyomo.environ as pyo

            if not set_point(model, allocation):
                return None
            rows = model.component_data_objects(pyo.Constraint, active=True)
            return any(pyo.value(row.slack()) < -SLACK * max(1.0, abs(_right(row))) for row in rows)
        from formulations.joint.literal_cvxpy import joint_problem

        info = joint_problem(model)
        for name, value in info.values(allocation).items():
            info.variables[name].value = value
        return any(float(np.max(row.violation())) > SLACK for row in model.constraints)

    # -- the limit ----------------------------------------------------------------------------

    def _limited(self, scenario: Scenario, bounds: Array) -> Scenario:
        given = [None if bound == self.limit.none else float(bound) for bound in bounds]
        return scenario.limited_by({self.limit.key: given})

    def _values(self, scenario: Scenario, a: Allocation) -> Array:
        """Return what the limit is about, row by row, without any bound."""
        count = self.limit.rows(scenario.n_users, scenario.n_servers)
        (rows,) = rows_of(self._limited(scenario, np.full(count, 1e-6 if self.limit.at_least else 1e12)))
        terms = Sites(scenario, a.server).terms(
            a.bandwidth, a.user_power, a.server_power, a.user_speed, a.server_speed, a.offload, 1.0 - a.offload
        )
        return rows.values(terms, a.server)

    def _excess(self, scenario: Scenario, allocation: Allocation, bounds: Array) -> Array:
        relative = self._values(scenario, allocation) / bounds - 1.0
        return -relative if self.limit.at_least else relative


def _right(row: Any) -> float:
    import pyomo.environ as pyo

    return float(pyo.value(row.upper if row.upper is not None else row.lower))


def limit_matrix(formulation: str | None = None, limit: str | None = None) -> list[LimitEntry]:
    """Return the entries, all or those of one formulation (``subproblem/name``) or one limit by its key."""
    return list(_entries(formulation, limit))


def _entries(wanted: str | None, key: str | None) -> Iterator[LimitEntry]:
    for name, entry in formulations.items():
        if wanted not in (None, name):
            continue
        for limit in LIMITS.values():
            if key not in (None, limit.key) or unsupported(entry.supports, [limit.kind]) or _fixed(entry, limit):
                continue
            for face in entry.faces:
                if entry.subproblem is Subproblem.JOINT:
                    yield LimitEntry(entry, Language(face), None, limit)
                    continue
                able = (b for b in backends.values() if face in b.languages and entry.needs <= b.features)
                solver = next((b for b in able if b.availability().available), None)
                if solver is not None:
                    yield LimitEntry(entry, Language(face), solver, limit)


def _fixed(entry: Formulation, limit: Limit) -> bool:
    """Return whether a formulation has no part in what is limited: rates in AO part 1, and phi where it is fixed."""
    parts = frozenset(ATTRIBUTES[limit.attribute].parts)
    if entry.subproblem is Subproblem.ASSOCIATION:
        return limit.at_least or parts <= {"served"}
    if entry.subproblem is Subproblem.RESOURCES:
        return parts <= ({"served"} if entry.frees_offloading else {"served", "own", "left"})
    return False
