"""Interface of backends: a solver with its features, a test of its availability, and one way to call it.

A backend knows no formulation. Formulations say which features they need, backends which they have.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from formulations.formulation import Feature, Formulation, Language
from formulations.registry import Registry

from ..errors import BackendError, described
from ..shared import without_warnings

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = [
    "Availability",
    "Backend",
    "BackendLimits",
    "CvxpyBackend",
    "Outcome",
    "OutcomeStatus",
    "backends",
    "capable_backends",
]


class OutcomeStatus(StrEnum):
    """Status of a solver run that has ended."""

    SOLVED = "solved"
    INACCURATE = "inaccurate"  # a solution beyond the solver's own tolerances
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    TIME_LIMIT = "time_limit"
    FAILED = "failed"

    @property
    def has_solution(self) -> bool:
        """Whether values can be read; they are judged by the evaluator in any case."""
        return self in (OutcomeStatus.SOLVED, OutcomeStatus.INACCURATE)


@dataclass(frozen=True)
class Outcome:
    """Outcome of a solver run: its status, its cost and the solver's own words.

    Parameters
    ----------
    status
        See `OutcomeStatus`.
    backend
        Name of the backend.
    wall_time
        Seconds of the whole call, compilation included.
    solver_time
        Seconds inside the solver as it reports them, or None.
    message
        The solver's own words, for failures.
    """

    status: OutcomeStatus
    backend: str
    wall_time: float
    solver_time: float | None = None
    message: str = ""


@dataclass(frozen=True)
class BackendLimits:
    """Limits of a solver run; None leaves the solver's default.

    Seconds of wall time and threads; for exact backends also the relative gap at which they may stop, and
    bytes of memory.
    """

    time_limit: float | None = None
    threads: int | None = None
    gap: float | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Availability:
    """Availability of a solver: its version if it works here, else the reason why not."""

    available: bool
    version: str = ""
    reason: str = ""


class Backend(Protocol):
    """A solver."""

    @property
    def name(self) -> str:
        """The name that options give."""

    @property
    def languages(self) -> tuple[Language, ...]:
        """Languages that it takes, the fastest first."""

    @property
    def features(self) -> frozenset[Feature]:
        """The features of models that it can handle."""

    @property
    def summary(self) -> str:
        """The line in listings."""

    def availability(self) -> Availability:
        """Return whether it works here, found out by solving a tiny model."""

    def solve(self, model: Any, limits: BackendLimits = ...) -> Outcome:
        """Solve a model in place."""


class CvxpyBackend:
    """A solver that is reached through CVXPY.

    Parameters
    ----------
    name
        Name in options; its upper case is CVXPY's name.
    features
        Features of models that it can handle.
    summary
        One line for listings.
    package
        Distribution whose version is reported.
    time_option, thread_option
        The solver's names for the time limit (s) and the number of threads; None if it has none.
    options
        Options of every run.
    """

    languages: tuple[Language, ...] = (Language.CVXPY,)

    def __init__(
        self,
        name: str,
        features: frozenset[Feature],
        summary: str,
        package: str,
        time_option: str,
        thread_option: str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.features = features
        self.summary = summary
        self._package = package
        self._time_option = time_option
        self._thread_option = thread_option
        self._options = {"enforce_dpp": True} if options is None else options
        self._known: Availability | None = None

    def availability(self) -> Availability:
        """Solve a tiny model of every kind claimed, once per process, and compare with its known value."""
        if self._known is None:
            self._known = self._probe()
        return self._known

    def _probe(self) -> Availability:
        from importlib.metadata import PackageNotFoundError, version

        from .probe import tiny_models

        try:
            found = version(self._package)
        except PackageNotFoundError:
            return Availability(False, reason=f"package {self._package} is not installed")
        for label, problem, expected in tiny_models(self.features):
            try:
                outcome = self.solve(problem, BackendLimits(time_limit=10.0))
            except BackendError as error:
                return Availability(False, found, f"fails on a tiny {label}: {error}")
            if not outcome.status.has_solution or not abs(problem.value - expected) <= 1e-3:
                return Availability(False, found, f"fails on a tiny {label}: {outcome.message or problem.value}")
        return Availability(True, found)

    def _limit_options(self, limits: BackendLimits) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if limits.time_limit is not None:
            options[self._time_option] = max(float(limits.time_limit), 1e-3)
        if limits.threads is not None and self._thread_option is not None:
            options[self._thread_option] = limits.threads
        return options

    def solve(self, model: cp.Problem, limits: BackendLimits = BackendLimits()) -> Outcome:
        """Solve a CVXPY problem in place; the values are then in its variables.

        Raises
        ------
        BackendError
            If CVXPY does not find the solver.
        """
        import cvxpy as cp

        options = self._options | self._limit_options(limits)
        start = time.perf_counter()
        message = ""
        try:
            # Inaccurate solutions are a status here; n-d expressions are fine with the SciPy backend.
            with without_warnings():
                model.solve(solver=self.name.upper(), warm_start=True, **options)
            status = model.status
        except cp.error.SolverError as error:
            message = str(error).splitlines()[0] if str(error) else type(error).__name__
            if "not installed" in message:
                raise BackendError(f"backend {self.name}: {message}") from None
            status = cp.SOLVER_ERROR
        except (cp.error.DCPError, cp.error.ParameterError, KeyboardInterrupt):
            raise  # ours, or the user's
        except BaseException as error:
            # Solvers fail in their own ways on extreme data: Rust panics are not even Exceptions, others raise
            # ValueError from inside. For a run of many methods that is one failure, not the end.
            if isinstance(error, (SystemExit, GeneratorExit)):
                raise
            message = f"{self.name}: {described(error)}"
            status = cp.SOLVER_ERROR
        wall_time = time.perf_counter() - start
        outcome = {
            cp.OPTIMAL: OutcomeStatus.SOLVED,
            cp.OPTIMAL_INACCURATE: OutcomeStatus.INACCURATE,
            cp.INFEASIBLE: OutcomeStatus.INFEASIBLE,
            cp.INFEASIBLE_INACCURATE: OutcomeStatus.INFEASIBLE,
            cp.UNBOUNDED: OutcomeStatus.UNBOUNDED,
            cp.UNBOUNDED_INACCURATE: OutcomeStatus.UNBOUNDED,
            cp.USER_LIMIT: OutcomeStatus.TIME_LIMIT,
        }.get(status, OutcomeStatus.FAILED)
        if outcome is OutcomeStatus.TIME_LIMIT and (limits.time_limit is None or wall_time < 0.9 * limits.time_limit):
            outcome = OutcomeStatus.FAILED  # CVXPY says so of an iteration limit too
        if outcome is OutcomeStatus.FAILED and limits.time_limit is not None and wall_time >= limits.time_limit:
            outcome = OutcomeStatus.TIME_LIMIT
        stats = model.solver_stats
        return Outcome(
            status=outcome,
            backend=self.name,
            wall_time=wall_time,
            solver_time=None if stats is None else stats.solve_time,
            message=message or ("" if outcome is OutcomeStatus.SOLVED else f"{self.name}: {status}"),
        )


def _wrong_with(backend: Any) -> str:
    parts = ("name", "summary", "features", "languages", "availability", "solve")
    missing = [part for part in parts if not hasattr(backend, part)]
    return f"it has no {', '.join(missing)}" if missing else ""


#: Every backend by name.
backends: Registry[Backend] = Registry(
    "backend",
    packages=("dashf_pyomo.backends",),
    group="dashf_pyomo.backends",
    name_of=lambda backend: backend.name,
    wrong_with=_wrong_with,
)


def capable_backends(
    formulation: Formulation, name: str = "auto", face: str = "auto"
) -> tuple[tuple[Language, Backend], ...]:
    """Return the faces of a formulation with the backends that solve them, the preferred pair first.

    Parameters
    ----------
    formulation
        The problem.
    name
        A backend by name, or ``auto`` for all that are able: those with the fewest features to spare
        first, so that a linear program goes to a linear solver.
    face
        A language by name, or ``auto`` for all in the formulation's order.

    Raises
    ------
    BackendError
        If the named backend is not able or does not work here, or none is.
    """
    if face != "auto" and face not in formulation.faces:
        raise BackendError(f"{formulation.name} has no face {face}; it has {', '.join(formulation.faces)}")
    asked = [language for language in formulation.faces if face in ("auto", language)]
    needed = f"{', '.join(sorted(formulation.needs))} in {' or '.join(asked)}"
    candidates = list(backends.values()) if name == "auto" else [backends[name]]
    able = [
        (Language(language), backend)
        for language in asked
        for backend in sorted(candidates, key=lambda backend: len(backend.features))
        if language in backend.languages and formulation.needs <= backend.features
    ]
    if name != "auto" and not able:
        has = f"{', '.join(sorted(candidates[0].features))} in {' or '.join(candidates[0].languages)}"
        raise BackendError(f"backend {name} solves {has}; {formulation.name} needs {needed}")
    working = tuple((language, backend) for language, backend in able if backend.availability().available)
    if not working:
        reasons = "; ".join(f"{backend.name}: {backend.availability().reason}" for _, backend in able) or "none exists"
        raise BackendError(f"no working backend for {needed} ({reasons})")
    return working
