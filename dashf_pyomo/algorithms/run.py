"""One run of a method: the clock, the incumbent, the trace and the one observer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from formulations import Allocation, Evaluation, InputError, Scenario, evaluate

from ..backends import BackendError, BackendLimits
from ..result import Result, Status, relative_gap

__all__ = ["Limits", "Observer", "OutOfTimeError", "Run"]

#: Sees every trace entry as it is made.
Observer = Callable[[Mapping[str, Any]], None]


class OutOfTimeError(Exception):
    """The time limit is reached; the incumbent stands. The message, if any, says more."""


@dataclass(frozen=True)
class Limits:
    """What a run may use.

    Parameters
    ----------
    time_limit
        Wall time, s; None for no limit.
    gap
        Relative gap at which a method that proves bounds may stop.
    threads
        Threads for solvers; None leaves their defaults.
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


class Run:
    """The state of one run.

    Parameters
    ----------
    scenario
        The problem.
    limits
        What the run may use.
    observer
        Called with every trace entry.
    """

    def __init__(self, scenario: Scenario, limits: Limits, observer: Observer | None = None) -> None:
        self.scenario = scenario
        self.limits = limits
        self._observer = observer
        self._start = time.perf_counter()
        self._trace: list[dict[str, Any]] = []
        self._solvers: dict[str, str] = {}
        self._incumbent: tuple[Allocation, Evaluation] | None = None
        self._bound: tuple[float, str] | None = None
        #: Claims of solvers that a verified allocation refutes.
        self.contradictions: list[str] = []

    # -- the clock ----------------------------------------------------------------------------

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._start

    def backend_limits(self) -> BackendLimits:
        """Return what is left for a solver that starts now.

        Raises
        ------
        OutOfTimeError
            If nothing is left.
        """
        if self.limits.time_limit is None:
            return BackendLimits(None, self.limits.threads)
        remaining = self.limits.time_limit - self.elapsed
        if remaining <= 0:
            raise OutOfTimeError
        return BackendLimits(remaining, self.limits.threads)

    # -- what is found ------------------------------------------------------------------------

    def record(self, allocation: Allocation, *, keep: str = "best", **facts: Any) -> Evaluation:
        """Judge an allocation, enter it in the trace, and make it the incumbent if it is to be.

        Parameters
        ----------
        allocation
            What was found.
        keep
            ``best``: it becomes the incumbent if it is feasible and better; ``always``: if it is feasible.
        **facts
            What else the trace entry says.
        """
        evaluation = evaluate(self.scenario, allocation)
        best = None if self._incumbent is None else self._incumbent[1].scr
        accepted = evaluation.feasible and (best is None or keep == "always" or evaluation.scr > best)
        if accepted:
            self._incumbent = (allocation, evaluation)
            if self._bound is not None and self._bound[0] < evaluation.scr:
                (bound, source), self._bound = self._bound, None
                self.contradiction(f"{source} says SCR <= {bound:.9g}")
        self._tell(
            scr=evaluation.scr,
            accepted=accepted,
            delay=evaluation.delay if evaluation.feasible else None,  # may be infinite otherwise
            energy=evaluation.energy if evaluation.feasible else None,
            **facts,
        )
        return evaluation

    def record_bound(self, bound: float, source: str, **facts: Any) -> bool:
        """Enter an upper bound on the SCR of every allocation in the trace; the least one stands.

        Parameters
        ----------
        bound
            The bound.
        source
            Who says so, and on what grounds.
        **facts
            What else the trace entry says.

        Returns
        -------
        bool
            False if the bound is refuted: it lies below the SCR of the incumbent, which the evaluator verified. It is
            then not used, and the trace says ``contradiction``.
        """
        if self._incumbent is not None and bound < self._incumbent[1].scr:
            self.contradiction(f"{source} says SCR <= {bound:.9g}", **facts)
            return False
        if self._bound is None or bound < self._bound[0]:
            self._bound = (bound, source)
            self._tell(scr=None, accepted=False, delay=None, energy=None, bound_source=source, **facts)
        return True

    def contradiction(self, claim: str, **facts: Any) -> None:
        """Enter a claim that the verified incumbent refutes."""
        _, scr = self.incumbent
        text = f"{claim}, but an allocation with SCR {scr:.9g} is verified"
        self.contradictions.append(text)
        self._tell(scr=None, accepted=False, delay=None, energy=None, contradiction=text, **facts)

    def note(self, text: str) -> None:
        """Enter a remark in the trace."""
        self._tell(scr=None, accepted=False, delay=None, energy=None, note=text)

    def _tell(self, **facts: Any) -> None:
        entry = {
            "iteration": len(self._trace),
            "time": self.elapsed,
            "scr": facts.pop("scr"),
            "upper_bound": None if self._bound is None else self._bound[0],
            "best": None if self._incumbent is None else self._incumbent[1].scr,
            **facts,
        }
        self._trace.append(entry)
        if self._observer is not None:
            self._observer(entry)

    @property
    def incumbent(self) -> tuple[Allocation, float]:
        """The allocation that is kept, and its SCR.

        Raises
        ------
        LookupError
            If there is none yet.
        """
        if self._incumbent is None:
            raise LookupError("no feasible allocation was recorded yet")
        return self._incumbent[0], self._incumbent[1].scr

    @property
    def has_incumbent(self) -> bool:
        """Whether an allocation is kept."""
        return self._incumbent is not None

    @property
    def upper_bound(self) -> float | None:
        """The least bound on the SCR that stands, or None."""
        return None if self._bound is None else self._bound[0]

    @property
    def closed(self) -> bool:
        """Whether incumbent and bound agree within the asked gap."""
        gap = None if self._incumbent is None else relative_gap(self._incumbent[1].scr, self.upper_bound)
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
        status = Status.FEASIBLE
        try:
            message = search()
        except KeyboardInterrupt:
            status, message = Status.INTERRUPTED, "interrupted; best allocation so far"
        except OutOfTimeError as error:
            said = f"; {error}" if str(error) else ""
            status, message = Status.TIME_LIMIT, f"time limit of {self.limits.time_limit} s; best so far{said}"
        except BackendError as error:
            if self._incumbent is None:
                raise
            status, message = Status.ERROR, f"{error}; best allocation so far"
        if self.closed and status is not Status.ERROR:
            status = Status.CERTIFIED
        if self.contradictions:
            message = f"CONTRADICTION: {'; '.join(self.contradictions)}; {message}"
        allocation, evaluation = self._incumbent or (None, None)
        bound, source = self._bound or (None, None)
        if allocation is None and status is Status.FEASIBLE:
            status = Status.UNKNOWN
        return Result(
            method=method,
            options=dict(options),
            readings=dict(readings),
            scenario_sha256=self.scenario.sha256,
            status=status,
            message=message,
            allocation=allocation,
            **Result.claims(evaluation),
            upper_bound=bound,
            bound_source=source,
            iterations=max(len(self._trace) - 1, 0),
            wall_time=self.elapsed,
            trace=tuple(self._trace),
            solvers=self._solvers,
        )
