"""The part of an exact backend that runs in the child process: what it is told, and what it reports."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .backend import OutcomeStatus

if TYPE_CHECKING:
    import pyomo.environ as pyo

__all__ = [
    "Report",
    "Search",
    "SearchEnd",
    "SearchLimits",
    "SolverProgress",
    "finite",
    "only_objective",
    "outside",
    "run_search",
    "within",
]

#: Seconds that a solver leaves of its time for ending and handing over.
_RESERVE = 0.1
#: Seconds between reports of a bound alone.
_THROTTLE = 0.2


@dataclass(frozen=True)
class SearchLimits:
    """Limits of a search.

    Parameters
    ----------
    deadline
        When it ends, as in ``time.time()``; None for no limit.
    gap
        Relative gap at which it may stop, or None.
    threads
        Threads, or None.
    memory
        Bytes, or None.
    warm_start
        Whether the values of the variables are a start; they are cleared otherwise.
    """

    deadline: float | None = None
    gap: float | None = None
    threads: int | None = None
    memory: int | None = None
    warm_start: bool = True

    def seconds_left(self) -> float | None:
        """Return what is left for the solver, s, at least 10 ms; or None for no limit."""
        return None if self.deadline is None else max(self.deadline - time.time() - _RESERVE, 0.01)


@dataclass(frozen=True)
class SolverProgress:
    """Progress that a solver reports; None for what it does not report.

    Parameters
    ----------
    objective
        Objective of its incumbent, in the sense of the model.
    bound
        Bound on the optimal objective, in the sense of the model.
    nodes
        Nodes of the search tree so far.
    point
        Incumbent: values by the full name of the variable; one outside of the model has ``../`` before it.
    """

    objective: float | None = None
    bound: float | None = None
    nodes: int | None = None
    point: dict[str, float] | None = None


@dataclass(frozen=True)
class SearchEnd:
    """End of a search; objective, bound and nodes as in `SolverProgress`, and seconds inside the solver."""

    status: OutcomeStatus
    message: str = ""
    objective: float | None = None
    bound: float | None = None
    nodes: int | None = None
    solver_time: float | None = None


class Report:
    """Sends progress to the parent process."""

    def __init__(self, send: Callable[[Any], None], names: dict[int, str] | None = None) -> None:
        self._send = send
        self._names: dict[int, str] = names or {}
        self._last = -math.inf

    def incumbent(
        self,
        values: Iterable[tuple[Any, float]],
        objective: float | None,
        bound: float | None = None,
        nodes: int | None = None,
    ) -> None:
        """Report an incumbent: pairs of a variable of the model and its value."""
        point = {self._name(variable): float(value) for variable, value in values}
        self._send(SolverProgress(finite(objective), finite(bound), nodes, point))

    def bound(self, bound: float | None, objective: float | None = None, nodes: int | None = None) -> None:
        """Report a bound, unless one was just reported."""
        now = time.monotonic()
        if now - self._last >= _THROTTLE and finite(bound) is not None:
            self._last = now
            self._send(SolverProgress(finite(objective), finite(bound), nodes))

    def _name(self, variable: Any) -> str:
        # Full names are put together anew at every call, which takes longer than all the rest of a report.
        name = self._names.get(id(variable))
        if name is None:
            name = self._names[id(variable)] = variable.name
        return name


#: ``search(model, limits, report)``: what a backend consists of. It may change the model as it likes.
Search = Callable[[Any, SearchLimits, Report], SearchEnd]


def within(component: Any, model: pyo.ConcreteModel) -> bool:
    """Return whether a component is one of a model's own: a model may also refer to those outside of it."""
    block = component.parent_block()
    while block is not None and block is not model:
        block = block.parent_block()
    return block is not None


def outside(model: pyo.ConcreteModel) -> dict[str, Any]:
    """Return the variables outside of a block that its rows or its objective are about: ``../`` and the full name."""
    import pyomo.environ as pyo
    from pyomo.core.expr.visitor import identify_variables

    known = {id(variable) for variable in model.component_data_objects(pyo.Var) if within(variable, model)}
    found = {}
    for kind in (pyo.Constraint, pyo.Objective):
        for row in model.component_data_objects(kind, active=True):
            for variable in identify_variables(row.expr):
                if id(variable) not in known:
                    known.add(id(variable))
                    found[f"../{variable.name}"] = variable
    return found


def run_search(
    send: Callable[[Any], None],
    search: Search,
    model: pyo.ConcreteModel,
    limits: SearchLimits,
    others: Mapping[str, Any] = MappingProxyType({}),
) -> SearchEnd:
    """Run a search, in the child; other variables are those outside of the model, which lost their names on the way."""
    import pyomo.environ as pyo

    for variable in (*model.component_data_objects(pyo.Var), *others.values()):
        if not variable.fixed:
            variable.set_value(_start_value(variable) if limits.warm_start else None, skip_validation=True)
    return search(model, limits, Report(send, {id(variable): name for name, variable in others.items()}))


def _start_value(variable: Any) -> float | None:
    """Return the value within the bounds and whole where it must be: solvers refuse a start that is 1e-9 outside."""
    value = finite(variable.value)
    if value is None:
        return None
    lower, upper = variable.bounds
    value = value if lower is None else max(value, lower)
    value = value if upper is None else min(value, upper)
    return value if variable.is_continuous() else float(round(value))


def only_objective(model: pyo.ConcreteModel) -> Any:
    """Return the active objective of a model.

    Raises
    ------
    ValueError
        If there is not exactly one.
    """
    import pyomo.environ as pyo

    active = [*model.component_data_objects(pyo.Objective, active=True)]
    if len(active) != 1:
        raise ValueError(f"the model has {len(active)} active objectives; expected one")
    return active[0]


def finite(value: Any) -> float | None:
    """Return a number as it is, and None for anything that is no number or beyond what solvers call infinity."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if abs(number) < 1e20 else None
