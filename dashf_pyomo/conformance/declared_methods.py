"""Every method x every declared case: whoever claims to honour what is declared must, and no claim may be false.

A third party's method is in the matrix as soon as it is registered; a case that a method does not honour is skipped
by the names of what it does not honour, and becomes active when its `supports` grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from formulations import InputError, evaluate
from formulations.constraints import ASPECTS, unsupported

from ..algorithms import configure, methods, run_method
from ..algorithms.run import Limits
from ..result import Result
from .claims import EXTERNAL, excludes, faults
from .declared import DeclaredCase, declared_cases, relative_loss
from .suite import LOOSE, ConformanceError

__all__ = ["MethodEntry", "method_matrix", "require_agreement"]


@dataclass(frozen=True)
class MethodEntry:
    """Cell of the matrix.

    Parameters
    ----------
    method
        Name of the method, with its default options.
    case
        The case.
    """

    method: str
    case: DeclaredCase

    def __str__(self) -> str:
        return f"{self.method}-{self.case}"

    @property
    def not_honoured(self) -> frozenset[str]:
        """What the case demands and the method does not honour; known without any search."""
        return frozenset(unsupported(configure(self.method, {}).honours(), self.case.demands))

    def skip_reason(self) -> str:
        """Return why the entry cannot run here, or an empty text."""
        method = configure(self.method, {})
        if self.not_honoured:
            return f"{self.method} does not honour {', '.join(sorted(self.not_honoured))}"
        return method.missing() or method.refusal(self.case.scenario)

    def run(self, time_limit: float = 10.0, gap: float = 1e-3) -> Result:
        """Run the entry and return the result.

        Raises
        ------
        ConformanceError
            If a claim of the result does not hold, or it is better than the best known, which is then wrong.
        """
        scenario, best = self.case.scenario, self.case.reference
        limits = Limits(time_limit=time_limit, gap=gap, threads=1)
        result = run_method(configure(self.method, {}), scenario, limits)
        wrong = faults(scenario, result, None if best.allocation is None else best.value, gap)
        if result.allocation is not None and best.allocation is not None:
            value = evaluate(scenario, result.allocation).value
            if relative_loss(scenario, best.value, value) < -LOOSE:
                wrong.append(f"{value!r} is better than the best known {best.value!r}")
        if wrong:
            raise ConformanceError(f"{self}: {'; '.join(wrong)}")
        return result

    def require_refusal(self) -> None:
        """See that a case that is not honoured is refused by the names of what is not, limits before the objective.

        Raises
        ------
        ConformanceError
            If it is not refused, or the refusal does not name it.
        """
        limits = self.not_honoured - ASPECTS
        try:
            run_method(configure(self.method, {}), self.case.scenario, Limits(time_limit=1.0))
        except InputError as error:
            unnamed = [name for name in sorted(limits or self.not_honoured) if name not in str(error)]
            if unnamed:
                raise ConformanceError(f"{self}: the refusal does not name {', '.join(unnamed)}: {error}") from error
        else:
            raise ConformanceError(f"{self}: not refused, although it does not honour {sorted(self.not_honoured)}")


def require_agreement(case: DeclaredCase, results: Iterable[Result]) -> None:
    """See that no result of a case is better than the bound of another.

    Raises
    ------
    ConformanceError
        If one is.
    """
    known = list(results)
    reached = [(r.method, evaluate(case.scenario, r.allocation)) for r in known if r.allocation is not None]
    for result in known:
        for method, e in reached:
            if result.bound is not None and e.feasible and excludes(case.scenario, result.bound, e.value, EXTERNAL):
                said = f"{method} reaches {e.value!r}, {result.method} says {result.bound!r} bounds it"
                raise ConformanceError(f"{case}: {said}")


def method_matrix(
    cases: Iterable[DeclaredCase] | None = None, names: Iterable[str] | None = None
) -> Iterator[MethodEntry]:
    """Yield the entries of cases (by default `declared_cases`) and methods (by default all)."""
    chosen = list(methods if names is None else names)
    for case in declared_cases() if cases is None else cases:
        for method in chosen:
            yield MethodEntry(method, case)
