"""Runs on a relaxation: the scenario without some of its limits, everything found judged with all of them.

A heuristic that is told of a limit goes another way, even where its answer would have kept the limit unasked, and may
end at something worse. So `within_limits` tells it of none before it has broken one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from formulations import Allocation, Evaluation, Extra, InputError, Scenario, evaluate
from formulations.constraints import relaxation_text
from formulations.reach import require_bounded_delay

from ..backends import BackendError
from ..deadline import Deadline
from ..objectives import best_of
from ..result_data import source_text
from ..trace import EntryKind
from .run import Run

__all__ = ["RelaxedRun", "within_limits"]

#: Searches in a run, and says how that ended.
Search = Callable[[Run], str]

#: Share of the time, where that is limited, for the search without limits.
_FIRST_SHARE = 0.25

#: Most kinds of limits of which every set is tried: their number doubles with each kind.
_ALL_SETS = 4

#: With less time left, s, the search with all limits is the first: there may be time for one alone.
_LITTLE_TIME = 10.0


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
        self._said = {} if _limits(scenario) == _limits(whole.scenario) else {"relaxed": True}

    @property
    def elapsed(self) -> float:
        """Seconds since the start of the whole run."""
        return self.whole.elapsed

    @property
    def deadline(self) -> Deadline:
        """The time that is left of the whole run."""
        return self.whole.deadline

    @property
    def interrupted(self) -> bool:
        """Whether the user has interrupted."""
        return self.whole.interrupted

    @contextmanager
    def part(self, share: float) -> Iterator[None]:
        """Give what runs inside a share of the time that is left."""
        with self.whole.part(share):
            yield

    def record(self, allocation: Allocation, *, keep: str = "best", phase: str = "", **facts: Any) -> Evaluation:
        """Judge an allocation without the limits that are left out, and have the whole run judge it with all."""
        found = super().record(allocation, keep=keep, phase=phase, **facts)
        self.whole.record(allocation, keep=keep, phase=phase, **{**facts, **self._said})
        return found

    def record_bound(self, bound: float, source: str, *, tolerance: float = 1e-9, **facts: Any) -> bool:
        """Enter a bound on the value of the relaxation, which is one of the whole scenario too, as what it is."""
        if not super().record_bound(bound, source, tolerance=tolerance, **facts):
            return False
        return self.whole.record_bound(bound, self._named(source), tolerance=tolerance, **facts)

    @property
    def bound(self) -> float | None:
        """The bound that stands for the whole run, or else for this one."""
        return super().bound if self.whole.bound is None else self.whole.bound

    def withdraw(self, source: str, text: str, **facts: Any) -> None:
        """Enter what refutes a source, in the whole run too: it may be an allocation that breaks the limits."""
        super().withdraw(source, text, **facts)
        self.whole.withdraw(self._named(source), text, **facts)

    def _named(self, source: str) -> str:
        """Return a source with the name of the relaxation that its bounds are of."""
        return source_text(source, relaxation_text(self.whole.scenario.extra_kinds - self.scenario.extra_kinds))

    def note(self, text: str, kind: EntryKind = EntryKind.NOTE, **facts: Any) -> None:
        """Enter a remark in the trace of the whole run."""
        self.whole.note(text, kind, **facts)

    def used(self, solver: str, version: str) -> None:
        """Note the version of a solver that took part."""
        self.whole.used(solver, version)

    def _tell(self, kind: EntryKind, facts: Mapping[str, Any], **about: Any) -> None:
        """Leave the trace to the whole run."""


def _limits(scenario: Scenario) -> Mapping[str, Any]:
    return {} if scenario.constraints is None else scenario.constraints.to_dict()


def _has_best(scenario: Scenario) -> bool:
    """Return whether delays are bounded, by what they cost or by limits."""
    try:
        require_bounded_delay(scenario)
    except InputError:
        return False
    return True


def within_limits(run: Run, search: Search) -> str:
    """Search with every set of kinds of limits that can matter, and return a line on how it ended.

    The search first runs without extra constraints. If its answer keeps them all, nothing else is run. Else it runs
    with each kind, with each two and so on; a set is left out if the answer to a part of it keeps all of it. What a
    search does follows from the limits that it is told of alone. So whatever is the best for some kinds of limits is
    found also where there are more of them, and is kept if it keeps those too; of more than `_ALL_SETS` kinds only each
    alone and all together are tried. Where time is limited, all limits come before the sets between, and first of all
    where it is short.

    Parameters
    ----------
    run
        Takes what is found; the best that keeps all limits is its incumbent.
    search
        The heuristic, run on as many of the limits as it has to know.
    """
    if run.scenario.constraints is None:
        return search(run)
    kinds = sorted(run.scenario.constraints.kinds)
    sizes = range(len(kinds) + 1) if len(kinds) <= _ALL_SETS else (0, 1, len(kinds))
    nothing, *between, everything = (frozenset(told) for size in sizes for told in combinations(kinds, size))
    left = run.deadline.left()
    if left is None:
        sets = [nothing, *between, everything]
    elif left < _LITTLE_TIME:
        sets = [everything, nothing, *between]
    else:
        sets = [nothing, everything, *between]
    searches = _Searches(run, search)
    # Where delays cost nothing, without their limits there may be no best allocation to search for.
    sets = [told for told in sets if told is everything or _has_best(run.scenario.without(frozenset(kinds) - told))]
    for told in sets:
        first_of_more = told is nothing and sets[0] is nothing
        with run.part(_FIRST_SHARE if first_of_more else 1.0):
            searches.tell(told)
    return searches.conclusion()


@dataclass(frozen=True, eq=False)
class _Answer:
    """Outcome of a search: the kinds that it was told of, its allocation, and its message, empty if it did not end."""

    told: frozenset[Extra]
    allocation: Allocation
    said: str

    def keeps(self, scenario: Scenario) -> bool:
        return bool(self.said) and evaluate(scenario, self.allocation).feasible


class _Searches:
    """The searches of a run with more and more of its limits; what they are given is as in `within_limits`."""

    def __init__(self, run: Run, search: Search) -> None:
        assert run.scenario.constraints is not None
        self._run, self._search = run, search
        self._kinds = run.scenario.constraints.kinds
        self._answers: list[_Answer] = []
        self._last = ""

    def tell(self, told: frozenset[Extra]) -> None:
        """Search with the limits of these kinds, unless what fewer kinds led to keeps them.

        Raises
        ------
        BackendError
            If it is told of all limits, and a solver fails.
        """
        limited = self._run.scenario.without(self._kinds - told)
        known = [answer for answer in self._answers if answer.told < told]
        if any(answer.keeps(limited) for answer in known):
            return
        for scenario in self._stages(limited, known):
            part, said = RelaxedRun(self._run, scenario), ""
            try:
                said = self._last = self._search(part)
            except BackendError as error:
                if scenario is self._run.scenario:
                    raise
                self._run.note(f"a search with fewer limits failed: {error}")
            finally:
                if part.has_incumbent:
                    self._answers.append(_Answer(told, part.incumbent[0], said))
            if any(answer.keeps(limited) for answer in self._answers if answer.told == told):
                return

    def _stages(self, limited: Scenario, known: Sequence[_Answer]) -> Iterator[Scenario]:
        """Yield the scenarios to search, the last with all limits.

        Where limits of a kind differ, the first one has only those limits that the first answer breaks; with a time
        limit it is left out.
        """
        broken = evaluate(limited, known[0].allocation).broken_limits if known else frozenset()
        if broken and limited.constraints is not None and self._run.limits.time_limit is None:
            some = limited.limited_by(limited.constraints.only(broken))
            if _limits(some) != _limits(limited) and _has_best(some):
                yield some
        yield limited

    def conclusion(self) -> str:
        """Return a line on how the search ended whose answer is the best, and which limits it was not told of."""
        whole = self._run.scenario
        kept = [answer for answer in self._answers if answer.keeps(whole)]
        best = best_of(whole.objective.kind, kept, lambda answer: evaluate(whole, answer.allocation).value)
        if best is None:
            return self._last
        idle = sorted(self._kinds - best.told)
        return f"{best.said}; not binding: {', '.join(idle)}" if idle else best.said
