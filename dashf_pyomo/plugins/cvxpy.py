"""Our methods as solve methods of CVXPY: ``problem.solve(method="dashf")``.

Importing this module registers every method, under the names that they have in Pyomo (``dashf``, ``dashf_plus``,
``dashf_dual``, ...) and under their own (``dual``, ...) where those are free. They solve problems that
`formulations.joint.literal_cvxpy.build` made. CVXPY has no status for a point that is feasible and no more: such a
point is ``user_limit``, which CVXPY reads as "a solution is present".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cvxpy as cp
import cvxpy.settings as s
import numpy as np
from cvxpy.problems.problem import SolverStats
from cvxpy.reductions.solution import Solution

from formulations import FEASIBILITY_TOLERANCE, InputError
from formulations.joint.literal_cvxpy import JointProblem, domain, fingerprint, joint_problem
from formulations.objective import ObjectiveKind, Sense
from formulations.registry import when_discovered

from ..algorithms import Limits, configure, methods, run_method
from ..result import Result
from ..status import Claim
from ..trace import TraceEntry
from .solver_names import ON_EXTENSION, solver_name, solver_names

__all__ = ["register"]


def register() -> None:
    """Register every method; to be called again after one was registered by hand.

    A method whose name is taken is named in ``methods.broken``. While extensions are being discovered, this waits for
    the end of that.
    """
    when_discovered(_register)


def _register() -> None:
    for name, method in solver_names(methods).items():
        solve = partial(_solve, method.name)
        cp.Problem.register_solve(name, solve)
        # CVXPY says no more than KeyError of a name that it does not know, so ours go by both of theirs.
        if method.name not in cp.Problem.REGISTERED_SOLVE_METHODS:
            cp.Problem.register_solve(method.name, solve)


@dataclass(frozen=True, eq=False)
class _Extension:
    """In what a problem differs from the one that was built."""

    added: tuple[cp.Constraint, ...]
    removed: int
    objective: bool
    changed: tuple[str, ...]  # in place, for people

    @classmethod
    def of(cls, problem: cp.Problem, joint: JointProblem) -> _Extension:
        built = {key for key in joint.built if isinstance(key, int)}
        present = {constraint.id: constraint for constraint in problem.constraints}
        added = tuple(constraint for key, constraint in present.items() if key not in built)
        changed = [
            f"constraint {constraint} was changed in place"
            for key, constraint in present.items()
            if key in built and fingerprint(constraint) != joint.built[key]
        ]
        changed += [
            f"variable {name} has other bounds or attributes than it was built with"
            for name, variable in joint.variables.items()
            if fingerprint(domain(variable)) != joint.built[name]
        ]
        same = fingerprint(problem.objective) == joint.built["objective"]
        return cls(added, len(built - present.keys()), not same, tuple(changed))

    @property
    def differences(self) -> tuple[str, ...]:
        """The differences, in words."""
        said = [*(f"constraint {constraint} was added" for constraint in self.added), *self.changed]
        if self.removed:
            said.append(f"{self.removed} constraints were removed")
        if self.objective:
            said.append("the objective is another")
        return tuple(said)

    @property
    def restricts(self) -> bool:
        """Whether a bound on Problem (3) bounds the extended one."""
        return not (self.removed or self.objective or self.changed)


def _solve(
    name: str,
    problem: cp.Problem,
    *,
    time_limit: float | None = None,
    gap: float = 1e-3,
    threads: int | None = None,
    certificate: str | None = None,
    observer: Callable[[TraceEntry], None] | None = None,
    on_extension: str = "strict",
    verbose: bool = False,
    **options: Any,
) -> float:
    """Solve a CVXPY form of Problem (3) by a method; the keywords are those of `dashf_pyomo.solve`.

    Returns
    -------
    float
        The objective at the solution, as CVXPY evaluates it.

    Raises
    ------
    InputError
        If the problem is not a Problem (3), was extended by what the method cannot honour, or an option is wrong.
    cvxpy.error.SolverError
        If nothing was found and nothing proven.
    """
    if on_extension not in ON_EXTENSION:
        raise InputError(f"on_extension = {on_extension!r}; expected one of {', '.join(ON_EXTENSION)}")
    joint = joint_problem(problem)
    extension = _Extension.of(problem, joint)
    if extension.differences and on_extension == "strict":
        shown = " ".join("; ".join(extension.differences).split())[:300]
        raise InputError(
            f"method {name} cannot honour what was changed in the problem: {shown}; on_extension='report' solves "
            "Problem (3) and reports what the solution violates"
        )

    def tell(entry: TraceEntry) -> None:
        if verbose:
            numbers = (entry.value, entry.best, entry.bound)
            shown = " ".join("-".rjust(12) if value is None else f"{value:12.6g}" for value in numbers)
            print(f"{entry.iteration:>6} {entry.time:>9.2f} {shown}")
        if observer is not None:
            observer(entry)

    limits = Limits(time_limit, gap, threads, certificate)
    result = run_method(configure(name, options), joint.scenario, limits, tell)
    return _unpack(problem, joint, extension, result)


def _unpack(problem: cp.Problem, joint: JointProblem, extension: _Extension, result: Result) -> float:
    """Give the problem its values, status and statistics."""
    worst = math.inf if result.sense == Sense.MAX else -math.inf
    bound = result.bound if extension.restricts and result.bound is not None else worst
    extra: dict[str, Any] = {
        "result": result,
        "status": str(result.status),
        "message": result.message,
        "value": result.value,
        "scr": result.scr,
        "bound": bound,
        "upper_bound": bound if result.objective == ObjectiveKind.SCR else math.inf,
        "bound_source": result.bound_source if math.isfinite(bound) else None,
        "gap": result.gap if math.isfinite(bound) else None,
        "trace": result.trace,
        "differences": extension.differences,
        "violated": (),
        "unchecked": (),
    }
    attributes = {s.SOLVE_TIME: result.wall_time, s.NUM_ITERS: result.iterations, s.EXTRA_STATS: extra}
    problem._solver_stats = SolverStats.from_dict(attributes, solver_name(result.method))
    if result.allocation is None:
        if result.claim is not Claim.INFEASIBLE or not extension.restricts:
            raise cp.error.SolverError(f"method {result.method} found nothing: {result.message}")
        problem.unpack(Solution(s.INFEASIBLE, -worst, {}, {}, attributes))
        return float(problem.value)
    values = joint.values(result.allocation)
    ours = {variable.id: values[name] for name, variable in joint.variables.items()}
    point = {variable.id: ours.get(variable.id, variable.value) for variable in problem.variables()}
    problem.unpack(Solution(s.USER_LIMIT, result.value, point, {}, attributes))
    for constraint in problem.constraints:
        _judge(constraint, extra)
    for variable in problem.variables():
        _judge_domain(variable, extra)
    proven = result.claim is Claim.CERTIFIED and extension.restricts
    if proven and not extra["violated"] and not extra["unchecked"]:
        problem._status = s.OPTIMAL
        problem._solution.status = s.OPTIMAL
    return math.nan if problem.value is None else float(problem.value)


def _judge(constraint: cp.Constraint, extra: dict[str, Any]) -> None:
    """Note a constraint that the values break, or that has a variable or parameter without a value."""
    if any(leaf.value is None for leaf in (*constraint.variables(), *constraint.parameters())):
        extra["unchecked"] += (str(constraint),)
        return
    constraint = constraint.copy(constraint.args)  # CVXPY evaluates what they were at first
    size = max((float(np.max(np.abs(argument.value), initial=0.0)) for argument in constraint.args), default=0.0)
    excess = float(np.max(constraint.violation())) / max(1.0, size)
    if not excess <= FEASIBILITY_TOLERANCE:
        extra["violated"] += ((str(constraint), excess),)


def _judge_domain(variable: cp.Variable, extra: dict[str, Any]) -> None:
    """Note a variable whose value is outside of its bounds, or not of its kind."""
    value, asked = variable.value, domain(variable)
    if value is None:
        return
    if asked["diag"] or asked["sparsity"]:  # of others' variables; neither value nor projection is an array
        extra["unchecked"] += (f"bounds or attributes of {variable.name()}",)
        return
    nearest = [variable.project(value)]  # which looks at one attribute only
    for bounds in (asked["bounds"], asked["kept bounds"]):
        if bounds is not None:
            dense = [
                bound.toarray() if hasattr(bound, "toarray") else getattr(bound, "value", bound) for bound in bounds
            ]
            nearest.append(np.clip(value, *dense))
    if asked["nonneg"] or asked["pos"]:
        nearest.append(np.maximum(value, 0.0))
    if asked["nonpos"] or asked["neg"]:
        nearest.append(np.minimum(value, 0.0))
    size = np.maximum(1.0, np.abs(value))
    excess = max(float(np.max(np.abs(value - other) / size, initial=0.0)) for other in nearest)
    if not excess <= FEASIBILITY_TOLERANCE:
        extra["violated"] += ((f"bounds or attributes of {variable.name()}", excess),)


register()
