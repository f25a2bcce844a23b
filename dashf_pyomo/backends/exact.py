"""Global solvers for Pyomo models, each run in a child process so that none can take us down.

A solver's word is passed on as its word: objective, bound and points are what it claims, and the evaluator judges.
What it had reported is kept, however it ends.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from formulations.formulation import Feature, Language

from ..errors import BackendError
from .backend import Availability, BackendLimits, Outcome, OutcomeStatus
from .child import GRACE, ChildEnd, Ending, run_in_child
from .model_search import Search, SearchEnd, SearchLimits, SolverProgress, only_objective, outside, run_search, within
from .parcel import UnsendableError
from .solver_record import SolverRecord

if TYPE_CHECKING:
    import pyomo.environ as pyo

__all__ = ["BOUND_TOLERANCE", "ExactBackend", "ExactOutcome", "InterruptedSolve"]

#: A bound may be below a verified value by this much, relative, before it is a contradiction: solvers' tolerances.
BOUND_TOLERANCE = 1e-5


@dataclass(frozen=True)
class ExactOutcome(Outcome):
    """Outcome of a run of a global solver, with its claims; any status may come with points and a bound.

    Parameters
    ----------
    objective
        Objective of the best incumbent, in the sense of the model; None without one.
    bound
        Bound on the optimal objective, in the sense of the model; None without one.
    nodes
        Nodes of the search tree, where the solver tells.
    log
        Output of the solver.
    trace
        Seconds since the call, objective and bound at every change that was told.
    points
        Incumbents, the best last: values by the full name of the variable; one outside of the model has ``../`` before
        it.
    """

    objective: float | None = None
    bound: float | None = None
    nodes: int | None = None
    log: str = ""
    trace: tuple[tuple[float, float | None, float | None], ...] = ()
    points: tuple[dict[str, float], ...] = ()


class InterruptedSolve(KeyboardInterrupt):
    """The user interrupted a solver; `outcome` has what it had found."""

    def __init__(self, outcome: ExactOutcome) -> None:
        super().__init__(outcome.message)
        self.outcome = outcome


class ExactBackend:
    """A global solver that takes Pyomo models.

    Parameters
    ----------
    name
        Name in options.
    summary
        One line for listings.
    search
        The function that runs in the child, at the top of a module.
    package, executable
        The distribution or the program that it needs.
    extra
        Extra of this distribution that brings the package.
    read
        For solvers without callbacks: what a line of the log tells, given 1 for a model that minimises, else -1.
    preferred
        Its place among the solvers of which one is chosen; the least comes first.
    """

    languages: tuple[Language, ...] = (Language.PYOMO,)
    features = frozenset({Feature.MINLP})

    def __init__(
        self,
        name: str,
        summary: str,
        search: Search,
        package: str | None = None,
        executable: str | None = None,
        extra: str | None = None,
        read: Callable[[str, int], SolverProgress | None] | None = None,
        preferred: int = 100,
    ) -> None:
        self.name = name
        self.preferred = preferred
        self.summary = summary
        self._search = search
        self._package = package
        self._executable = executable
        self._extra = extra
        self._read = read
        self._known: Availability | None = None

    def availability(self) -> Availability:
        """Solve a tiny model in a child, once per process; without the package or program, say so at once."""
        if self._known is None:
            self._known = self._probe()
        return self._known

    def _probe(self) -> Availability:
        import pyomo.environ as pyo

        from .probe import TINY_MINLP_VALUE, tiny_minlp

        found = ""
        if self._package is not None:
            try:
                found = version(self._package)
            except PackageNotFoundError:
                hint = f"; pip install 'dashf-pyomo[{self._extra}]'" if self._extra else ""
                return Availability(False, reason=f"package {self._package} is not installed{hint}")
        if self._executable is not None:
            path = shutil.which(self._executable)
            if path is None:
                return Availability(False, reason=f"program {self._executable} is not installed")
            found = found or path
        model = tiny_minlp()
        outcome = self.solve(model, BackendLimits(time_limit=10.0, gap=1e-6))
        if outcome.status is not OutcomeStatus.SOLVED:
            return Availability(False, found, f"fails on a tiny MINLP: {outcome.message}")
        for what, claimed in (("value", pyo.value(model.value)), ("bound", outcome.bound)):
            if claimed is None or not abs(claimed - TINY_MINLP_VALUE) <= 1e-3:
                return Availability(False, found, f"fails on a tiny MINLP: {what} {claimed}, not {TINY_MINLP_VALUE:g}")
        return Availability(True, found)

    def solve(
        self,
        model: pyo.ConcreteModel,
        limits: BackendLimits = BackendLimits(),  # noqa: B008 (frozen)
        *,
        warm_start: bool = True,
        watch: Callable[[SolverProgress], None] | None = None,
    ) -> ExactOutcome:
        """Solve a model in a child process; the best point is then in its variables, whatever the status.

        Parameters
        ----------
        model
            A model with one active objective.
        limits
            The time limit covers the whole call; a solver that overruns it is killed within about a second.
        warm_start
            Whether the values of the variables are given to the solver as a start.
        watch
            Sees what the solver reports as it is reported. What it raises ends the solver and is passed on.

        Raises
        ------
        BackendError
            If the model has not exactly one objective, or cannot be sent to another process.
        InterruptedSolve
            A `KeyboardInterrupt` that has the outcome so far.
        """
        try:
            sense = int(only_objective(model).sense)
        except ValueError as error:
            raise BackendError(f"backend {self.name}: {error}") from None
        record = SolverRecord(sense, self._read, watch)
        deadline = None if limits.time_limit is None else time.time() + limits.time_limit
        allowed = SearchLimits(deadline, limits.gap, limits.threads, limits.memory, warm_start)
        try:
            end = run_in_child(
                run_search,
                self._search,
                model,
                allowed,
                outside(model),
                time_limit=limits.time_limit,
                grace=GRACE + 0.01 * (limits.time_limit or 0.0),
                memory=limits.memory,
                on_message=record.hear,
                on_log=record.read,
            )
        except UnsendableError as error:
            raise BackendError(f"backend {self.name}: the model {error}") from error
        except KeyboardInterrupt:
            said = SearchEnd(OutcomeStatus.TIME_LIMIT, "interrupted")
            raise InterruptedSolve(self._outcome(said, record)) from None
        finally:
            _load(model, record.points)
        return self._outcome(_search_end(end), record)

    def _outcome(self, ended: SearchEnd, record: SolverRecord) -> ExactOutcome:
        status, message = ended.status, ended.message
        if status is OutcomeStatus.SOLVED and not record.points:
            status, message = OutcomeStatus.FAILED, "claims to have solved the model, but gives no point"
        record.conclude(ended)
        return ExactOutcome(
            status=status,
            backend=self.name,
            wall_time=time.monotonic() - record.start,
            solver_time=ended.solver_time,
            message=f"{self.name}: {message}" if message else "",
            objective=record.objective,
            bound=record.bound,
            nodes=record.nodes,
            log=record.log,
            trace=tuple(record.trace),
            points=tuple(record.points),
        )


def _search_end(end: ChildEnd) -> SearchEnd:
    if end.ending is Ending.RETURNED and isinstance(end.value, SearchEnd):
        return end.value
    status = OutcomeStatus.TIME_LIMIT if end.ending is Ending.OVERDUE else OutcomeStatus.FAILED
    return SearchEnd(status, end.reason or f"returned {type(end.value).__name__}, not a SearchEnd")


def _load(model: pyo.ConcreteModel, points: list[dict[str, float]]) -> None:
    import pyomo.environ as pyo

    if not points:
        return
    own = {found.name: found for found in model.component_data_objects(pyo.Var) if within(found, model)}
    for name, variable in {**own, **outside(model)}.items():
        value = points[-1].get(name)
        if value is not None and not variable.fixed:
            variable.set_value(value, skip_validation=True)
