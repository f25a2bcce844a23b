"""Run of a method: its clock, its incumbent, its trace and its observer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from formulations import Allocation, Evaluation, InputError, Scenario, evaluate
from formulations.objective import Sense

from ..backends import BackendError, BackendLimits
from ..cores import default_threads
from ..deadline import Deadline, OutOfTimeError
from ..objectives import bound_claim, is_refuted, name_of, standing, tightest
from ..result import Result
from ..result_data import relative_gap
from ..status import Claim, Termination
from ..trace import EntryKind, TraceEntry
from .interrupts import Interrupts

__all__ = ["Limits", "Observer", "Run"]

#: Sees every trace entry as it is made.
Observer = Callable[[TraceEntry], None]


@dataclass(frozen=True)
class Limits:
    """Limits of a run.

    Parameters
    ----------
    time_limit
        Wall time, s; None for no limit.
    gap
        Relative gap at which a method that proves bounds may stop.
    threads
        Threads for solvers; None leaves their defaults, where those are no more than the cores that may be used.
    certificate
        File for the certificate of the bound, or None.

    Raises
    ------
    InputError
        If a limit is out of range.
    """

    time_limit: float | None = None
    gap: float = 1e-3
    threads: int | None = None
    certificate: str | None = None

    def __post_init__(self) -> None:
        if self.time_limit is not None and not 0 < self.time_limit < 1e9:
            raise InputError(f"time limit = {self.time_limit!r}; expected a number of seconds above 0, below 1e9")
        if not 0 <= self.gap < 1:
            raise InputError(f"gap = {self.gap!r}; expected a number of at least 0 and below 1")
        if self.threads is not None and not 1 <= self.threads <= 1024:
            raise InputError(f"threads = {self.threads!r}; expected a whole number from 1 to 1024")

    @property
    def solver_threads(self) -> int | None:
        """The number of threads for solvers; left alone, they count the cores of the host, not of a container."""
        return default_threads() if self.threads is None else self.threads


class Run:
    """The state of one run.

    Parameters
    ----------
    scenario
        The problem.
    limits
        Limits of the run.
    observer
        Called with every trace entry.
    no_bounds
        Why what the method calls a bound is none on the objective of this scenario; empty where it is one.
    """

    def __init__(
        self, scenario: Scenario, limits: Limits, observer: Observer | None = None, no_bounds: str = ""
    ) -> None:
        self.scenario = scenario
        self.limits = limits
        self._observer = observer
        self._no_bounds = no_bounds
        self._start = time.perf_counter()
        self._trace: list[TraceEntry] = []
        self._solvers: dict[str, str] = {}
        self._incumbent: tuple[Allocation, Evaluation] | None = None
        #: The bound that says most and its tolerance, by source.
        self._bounds: dict[str, tuple[float, float]] = {}
        self._refuted: set[str] = set()
        self._infeasible = False
        self._interrupts = Interrupts()
        self._deadline = Deadline.after(limits.time_limit, lambda: self.interrupted)
        #: Claims of solvers that a verified allocation refutes.
        self.contradictions: list[str] = []

    # -- the clock ----------------------------------------------------------------------------

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    @property
    def deadline(self) -> Deadline:
        """The time that is left, of the part that runs now."""
        return self._deadline

    def backend_limits(self) -> BackendLimits:
        """Return what is left for a solver that starts now.

        Raises
        ------
        OutOfTimeError, KeyboardInterrupt
            As `Deadline.check`.
        """
        self.deadline.check()
        return BackendLimits(self.deadline.left(), self.limits.solver_threads)

    @property
    def interrupted(self) -> bool:
        """Whether the user has interrupted, in whatever guise that reached the method."""
        return self._interrupts.arrived

    @contextmanager
    def part(self, share: float) -> Iterator[None]:
        """Give what runs inside a share of the time that is left; it ends with the block, not with an error."""
        outer = self._deadline
        self._deadline = outer.share(share)
        try:
            yield
        except OutOfTimeError:
            if outer.passed:
                raise
        finally:
            self._deadline = outer

    # -- what is found ------------------------------------------------------------------------

    def record(self, allocation: Allocation, *, keep: str = "best", phase: str = "", **facts: Any) -> Evaluation:
        """Judge an allocation, enter it in the trace, and make it the incumbent if it is to be.

        Parameters
        ----------
        allocation
            The allocation.
        keep
            ``best``: it becomes the incumbent if it is feasible and its value better; ``always``: if it is feasible.
        phase
            The part of the method that found it.
        **facts
            Other facts of the trace entry.
        """
        evaluation, best = evaluate(self.scenario, allocation), self._best
        value = evaluation.value if math.isfinite(evaluation.value) else None  # a cost may be beyond all numbers
        accepted = (
            evaluation.feasible
            and value is not None
            and (best is None or keep == "always" or self.scenario.objective.better(value, best))
        )
        if accepted:
            self._judge_bounds(evaluation)
            self._incumbent = (allocation, evaluation)
        self._tell(
            EntryKind.ALLOCATION,
            facts,
            scr=evaluation.scr,
            value=value,
            accepted=accepted,
            delay=evaluation.delay if evaluation.feasible else None,  # may be infinite otherwise
            energy=evaluation.energy if evaluation.feasible else None,
            phase=phase,
        )
        return evaluation

    def record_bound(self, bound: float, source: str, *, tolerance: float = 1e-9, **facts: Any) -> bool:
        """Enter a bound on the value of every allocation in the trace; the best one that is not refuted stands.

        Parameters
        ----------
        bound
            The bound, an upper one where the objective is maximised, a lower one where it is minimised.
        source
            The method, and what its proof rests on.
        tolerance
            Distance beyond the bound, relative, of a verified value that the source's tolerances explain, see
            `standing`.
        **facts
            Other facts of the trace entry.

        Returns
        -------
        bool
            False if the source is refuted: by this bound, which the incumbent that the evaluator verified is beyond, or
            before. None of its bounds is used then.
        """
        objective = self.scenario.objective
        if self._no_bounds:
            self.note(f"{bound_claim(objective.kind, bound)} of {source} is not entered: {self._no_bounds}")
            return True
        if source in self._refuted:
            return False
        if not (bound < math.inf if objective.sense is Sense.MAX else bound > -math.inf):
            return True  # infinite or no number: it says nothing
        before, (known, _) = self.bound, self._bounds.get(source, (bound, tolerance))
        self._bounds[source] = (bound if objective.better(known, bound) else known, tolerance)
        if self._incumbent is not None and not self._judge_bounds(self._incumbent[1], **facts):
            return source not in self._refuted
        if before is None or (self.bound is not None and objective.better(before, self.bound)):
            self._tell(EntryKind.BOUND, facts, bound_source=source)
        return True

    def _judge_bounds(self, verified: Evaluation, **facts: Any) -> bool:
        """Drop every source with a bound that an incumbent refutes; return whether there was none."""
        kind, good = self.scenario.objective.kind, True
        for source, (bound, tolerance) in list(self._bounds.items()):
            if is_refuted(kind, bound, verified.value, tolerance, verified.score):
                good = False
                self._refute(source, bound_claim(kind, bound), verified.value, **facts)
        return good

    def _standing(self) -> dict[str, float]:
        """Return the bounds as they stand beside the incumbent, by source."""
        kind, known = self.scenario.objective.kind, None if self._incumbent is None else self._incumbent[1]
        value, score = (None, None) if known is None else (known.value, known.score)
        return {
            source: standing(kind, bound, value, tolerance, score)
            for source, (bound, tolerance) in self._bounds.items()
        }

    def refute(self, source: str, claim: str, **facts: Any) -> None:
        """Enter that the verified incumbent refutes what a source says; none of its bounds is used any more."""
        self._refute(source, claim, self.incumbent[1], **facts)

    def _refute(self, source: str, claim: str, value: float, **facts: Any) -> None:
        reached = f"{name_of(self.scenario.objective.kind)} {value:.9g}"
        self.withdraw(source, f"{source} says {claim}, but an allocation with {reached} is verified", **facts)

    def withdraw(self, source: str, text: str, **facts: Any) -> None:
        """Enter what refutes a source; none of its bounds is used any more."""
        self._bounds.pop(source, None)
        self._refuted.add(source)
        self.contradictions.append(text)
        self._tell(EntryKind.CONTRADICTION, facts, contradiction=text, refuted=source)

    def conclude_infeasible(self, reason: str) -> str:
        """Enter that no allocation is feasible, by proof, and return the reason."""
        self._infeasible = True
        return reason

    def note(self, text: str, kind: EntryKind = EntryKind.NOTE, **facts: Any) -> None:
        """Enter a remark in the trace, with what else the entry says."""
        self._tell(kind, facts, note=text)

    def _tell(self, kind: EntryKind, facts: Mapping[str, Any], **about: Any) -> None:
        """Make a trace entry of a kind, with facts of the method and the fields of `TraceEntry` that it is about."""
        entry = TraceEntry(
            len(self._trace),
            self.elapsed,
            kind,
            best=self._best,
            bound=self.bound,
            facts=dict(facts),
            objective=str(self.scenario.objective.kind),
            **about,
        )
        self._trace.append(entry)
        if self._observer is not None:
            self._observer(entry)

    @property
    def incumbent(self) -> tuple[Allocation, float]:
        """The allocation that is kept, and its value.

        Raises
        ------
        LookupError
            If there is none yet.
        """
        if self._incumbent is None:
            raise LookupError("no feasible allocation was recorded yet")
        return self._incumbent[0], self._incumbent[1].value

    @property
    def _best(self) -> float | None:
        """The value of the incumbent, or None."""
        return None if self._incumbent is None else self._incumbent[1].value

    @property
    def has_incumbent(self) -> bool:
        """Whether an allocation is kept."""
        return self._incumbent is not None

    @property
    def bound(self) -> float | None:
        """The bound on the value that says most of those that stand, or None."""
        return tightest(self.scenario.objective.kind, self._standing().values())

    @property
    def upper_bound(self) -> float | None:
        """The bound where the objective is maximised, else None."""
        return self.bound if self.scenario.objective.sense is Sense.MAX else None

    @property
    def closed(self) -> bool:
        """Whether incumbent and bound agree within the asked gap."""
        gap = relative_gap(self._best, self.bound)
        return gap is not None and gap <= self.limits.gap

    def used(self, solver: str, version: str) -> None:
        """Note the version of a solver that took part."""
        self._solvers[solver] = version

    # -- the end ------------------------------------------------------------------------------

    def conclude(
        self, search: Callable[[], str], method: str, options: Mapping[str, Any], readings: Mapping[str, str]
    ) -> Result:
        """Run a search to its end, whatever that is, and sign the result.

        Raises
        ------
        BackendError
            If a backend fails before any allocation was found.
        """
        termination = Termination.CONVERGED
        try:
            with self._interrupts:
                message = search()
        except (KeyboardInterrupt, Exception) as error:  # an unforeseen one is raised again
            termination, message = self._ended(error)
        if self.contradictions:
            message = f"CONTRADICTION: {'; '.join(self.contradictions)}; {message}"
        allocation, evaluation = self._incumbent or (None, None)
        bound, objective = self.bound, self.scenario.objective
        source = next((name for name, value in self._standing().items() if value == bound), None)
        return Result(
            method=method,
            options=dict(options),
            readings=dict(readings),
            scenario_sha256=self.scenario.sha256,
            termination=termination,
            claim=self._claim(termination),
            message=message,
            allocation=allocation,
            objective=str(objective.kind),
            sense=str(objective.sense),
            **Result.claims(evaluation),
            bound=bound,
            bound_source=source,
            iterations=max(len(self._trace) - 1, 0),
            wall_time=self.elapsed,
            trace=tuple(self._trace),
            solvers=self._solvers,
        )

    def _claim(self, termination: Termination) -> Claim:
        """Return what is claimed of the incumbent; where a step failed, no more than that it is feasible."""
        if self.closed and termination is not Termination.ERROR:
            return Claim.CERTIFIED
        if self.has_incumbent:
            return Claim.FEASIBLE
        return Claim.INFEASIBLE if self._infeasible else Claim.UNKNOWN

    def _ended(self, error: BaseException) -> tuple[Termination, str]:
        """Return what an error that ended the search stands for; an unforeseen one is raised again."""
        if isinstance(error, KeyboardInterrupt) or self.interrupted:
            return Termination.INTERRUPTED, "interrupted; best allocation so far"
        if isinstance(error, OutOfTimeError):
            said = f"; {error}" if str(error) else ""
            return Termination.TIME_LIMIT, f"time limit of {self.limits.time_limit} s; best so far{said}"
        if isinstance(error, BackendError) and self._incumbent is not None:
            return Termination.ERROR, f"{error}; best allocation so far"
        raise error
