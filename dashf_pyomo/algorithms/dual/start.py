"""The first allocation of a search: scales, prices and deadlines to begin with follow from it.

Where limits are tight, heuristics that know no prices may not find any that keeps them. Column generation then prices
the rows, and its LP solutions are rounded, with the units of the problem without these limits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from formulations import Extra, Scenario
from formulations.joint.data import JointData, known_allocation

from ...backends import BackendError
from ..dashf import Dashf
from ..run import Run
from .kinds import separable_problem
from .settings import Cutoff, Settings, above

__all__ = ["first_allocation", "reference_data", "seek_by_prices"]

#: What is looked for is worse than the known one of fewer limits by less than this part of it, ten times that in costs.
_FAR = 0.99

#: Draws of an LP solution that are rounded.
_DRAWS = 4


def first_allocation(run: Run, few: bool) -> None:
    """Have DASHF find an incumbent, in more than one iteration where users are few.

    Raises
    ------
    BackendError
        If a backend fails before any allocation was found.
    """
    start = Dashf(association="hull", rounding="argmax", allocation="joint-nlp", inner_iterations=2)
    if not few:
        start = replace(start, allocation="nlp", inner_iterations=1, max_iterations=1)
    try:
        start.improve(run)
    except BackendError as error:
        if not run.has_incumbent:
            raise
        run.note(f"the start goes without: {error}")


@dataclass(frozen=True)
class _Reference(Cutoff):
    """A cutoff below whatever is looked for, until there is an incumbent.

    Parameters
    ----------
    known
        A value, scaled, of an allocation of the problem without its limits.
    """

    known: float = 0.0

    @property
    def value(self) -> float:
        """The scaled value of the incumbent, or far below the known one."""
        return (
            super().value if self.run.has_incumbent else above(self.known, -_FAR * (1.0 if self.known > 0.0 else 10.0))
        )


def seek_by_prices(run: Run, settings: Settings) -> None:
    """Look for an allocation that keeps all limits by rounding LP solutions of column generation; nothing is proven.

    Parameters
    ----------
    run
        Takes what is found; it has no incumbent.
    settings
        Options of the search.
    """
    from .bounding import ByInterval
    from .columns import ColumnPool
    from .primal import Means, Polish, Primal

    free = _free(run.scenario)
    known = known_allocation(free)
    problem, pool = separable_problem(run.scenario, known, free), ColumnPool()
    data = problem.data
    cutoff = _Reference(run, data.value_unit, known=data.value / data.value_unit)
    unproven = replace(settings, proven=False)
    bounding = ByInterval(problem, pool, unproven, cutoff)
    many = run.scenario.n_users > settings.joint_users
    primal: Primal = (Means if many else Polish)(run, problem, pool, unproven, cutoff)
    price = data.least_ratio if problem.cost_price is None else problem.cost_price
    found = bounding.root(problem.whole(), problem.shadow(known, price))
    primal.improve(found, draws=0 if many else _DRAWS)


def reference_data(scenario: Scenario) -> JointData:
    """Return data in the units of the problem without its limits.

    Its bounds on delays are those of allocations that are better than a known one of that problem: what is beyond them
    is not better than that.
    """
    free = _free(scenario)
    return separable_problem(scenario, known_allocation(free), free).data


def _free(scenario: Scenario) -> Scenario:
    return scenario.without(scenario.extra_kinds - {Extra.ASSOCIATION})
