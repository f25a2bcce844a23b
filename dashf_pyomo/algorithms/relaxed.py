"""Runs on a relaxation: the scenario without some of its limits, everything found judged with all of them.

A heuristic that is told of a limit goes another way, even where its answer would have kept the limit unasked, and may
end at something worse. So `within_limits` tells it of none before it has broken one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from formulations import Allocation, Evaluation, Extra, Scenario, evaluate

from ..backends import BackendError, BackendLimits
from .run import Run

__all__ = ["RelaxedRun", "within_limits"]

#: Searches in a run, and says how that ended.
Search = Callable[[Run], str]

#: Returns what keeps the limits of a run and comes near to an allocation that does not.
Repair = Callable[[Run, Allocation], Allocation]


class RelaxedRun(Run):
    """The part of a run that works on a relaxation of its scenario; it has an incumbent of its own.

    Clock, trace and solvers are those of the whole run, which judges every allocation too.

    Parameters
    ----------
    whole
        The run on the scenario as it is.
    scenario
        The same, as a rule without some extra constraints.
    """

    def __init__(self, whole: Run, scenario: Scenario) -> None:
        super().__init__(scenario, whole.limits)
        self.whole = whole
        self._said = {} if scenario == whole.scenario else {"relaxed": True}

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the whole run."""
        return self.whole.elapsed

    def backend_limits(self) -> BackendLimits:
        """Return what is left of the whole run."""
        return self.whole.backend_limits()

    @property
    def interrupted(self) -> bool:
        """Whether the user has interrupted."""
        return self.whole.interrupted

    @contextmanager
    def off_the_clock(self) -> Iterator[None]:
        """Do not count the time of a block."""
        with self.whole.off_the_clock():
            yield

    @contextmanager
    def part(self, share: float) -> Iterator[None]:
        """Give what runs inside a share of the time that is left."""
        with self.whole.part(share):
            yield

    def record(self, allocation: Allocation, *, keep: str = "best", **facts: Any) -> Evaluation:
        """Judge an allocation without the limits that are left out, and have the whole run judge it with all."""
        found = super().record(allocation, keep=keep, **facts)
        self.whole.record(allocation, keep=keep, **facts, **self._said)
        return found

    def note(self, text: str, **facts: Any) -> None:
        """Enter a remark in the trace of the whole run."""
        self.whole.note(text, **facts)

    def used(self, solver: str, version: str) -> None:
        """Note the version of a solver that took part."""
        self.whole.used(solver, version)

    def _tell(self, **facts: Any) -> None:
        """Leave the trace to the whole run."""


def within_limits(run: Run, search: Search, repair: Repair | None = None) -> str:
    """Search with every set of kinds of limits that can matter, and return a line on how it ended.

    The search first runs without extra constraints. If its answer keeps them all, nothing else is run. Else it runs
    with each kind, with each two and so on; a set is left out if the answer to a part of it keeps all of it. What a
    search does follows from the limits that it is told of alone. So whatever is the best for some kinds of limits is
    found also where there are more of them, and is kept if it keeps those too.

    Parameters
    ----------
    run
        Takes what is found; the best that keeps all limits is its incumbent.
    search
        The heuristic, run on as many of the limits as it has to know.
    repair
        Returns what comes near to an allocation that breaks limits and keeps those of the run it is given.
    """
    if run.scenario.constraints is None:
        return search(run)
    kinds = sorted(run.scenario.constraints.kinds)
    sets = [frozenset(told) for size in range(len(kinds) + 1) for told in combinations(kinds, size)]
    searches = _Searches(run, search, repair)
    for position, told in enumerate(sets[:-1]):
        # The last search, which is told of all, has half of the time at least.
        with run.part(1.0 / (2 * len(sets) - 2 - position)):
            searches.tell(told)
    return searches.tell(sets[-1])


@dataclass(frozen=True, eq=False)
class _Answer:
    """What a search came to, the kinds that it was told of, and how it ended; without a word if it did not."""

    told: frozenset[Extra]
    allocation: Allocation
    said: str

    def keeps(self, scenario: Scenario) -> bool:
        return bool(self.said) and evaluate(scenario, self.allocation).feasible


class _Searches:
    """The searches of a run with more and more of its limits; what they are given is as in `within_limits`."""

    def __init__(self, run: Run, search: Search, repair: Repair | None) -> None:
        self._run, self._search, self._repair = run, search, repair
        self._answers: list[_Answer] = []

    def tell(self, told: frozenset[Extra]) -> str:
        """Search with the limits of these kinds, if what fewer kinds led to breaks one; return how the best ended.

        Raises
        ------
        BackendError
            If it is told of all limits, and a solver fails.
        """
        assert self._run.scenario.constraints is not None
        kinds = self._run.scenario.constraints.kinds
        limited = self._run.scenario.without(kinds - told)
        known = [answer for answer in self._answers if answer.told < told]
        said = ""
        for scenario in () if any(answer.keeps(limited) for answer in known) else self._stages(limited, known):
            try:
                said = self._one(scenario, told, known)
            except BackendError as error:
                if told == kinds and scenario is limited:
                    raise
                self._run.note(f"a search with fewer limits failed: {error}")
            if any(answer.keeps(limited) for answer in self._answers if answer.told == told):
                break
        kept = [answer for answer in self._answers if answer.keeps(limited)]
        if not kept:
            return said
        best = max(kept, key=lambda answer: evaluate(limited, answer.allocation).scr)
        idle = sorted(told - best.told)
        return f"{best.said}; not binding: {', '.join(idle)}" if idle else best.said

    def _stages(self, limited: Scenario, known: Sequence[_Answer]) -> Iterator[Scenario]:
        """Yield what to search: where limits of a kind differ, first with those alone that the first answer breaks."""
        broken = evaluate(limited, known[0].allocation).broken_limits if known else frozenset()
        if broken and limited.constraints is not None:
            some = limited.limited_by(limited.constraints.only(broken))
            names = ("delay_limit", "uplink_rate", "downlink_rate", "server_energy", "allowed")
            pairs = [[getattr(s.constraints, name) for s in (some, limited)] for name in names]
            if not all(np.array_equal(*pair) for pair in pairs):
                yield some
        yield limited

    def _one(self, scenario: Scenario, told: frozenset[Extra], known: Sequence[_Answer]) -> str:
        """Search on a relaxation, with the answers to fewer limits repaired as first allocations."""
        part, said = RelaxedRun(self._run, scenario), ""
        try:
            if self._repair is not None:
                for answer in known:
                    part.record(self._repair(part, answer.allocation), phase="repair")
            said = self._search(part)
        finally:
            if part.has_incumbent:
                self._answers.append(_Answer(told, part.incumbent[0], said))
        return said
