"""Ipopt: interior-point method for smooth nonlinear programs, to local optimality.

Takes programs with exact sparse derivatives through cyipopt (the second ones may be left out), and CVXPY problems with
``nlp=True``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from formulations.formulation import Feature, Language
from formulations.nonlinear import NonlinearProgram

from ..errors import BackendError
from .backend import Availability, BackendLimits, CvxpyBackend, Outcome, OutcomeStatus, backends

__all__ = ["IPOPT"]

# Chosen on the joint program at (10, 2), seeds 0..9: starting well inside the bounds with a large barrier finds better
# local optima than Ipopt's defaults, and the acceptable level ends the long tail at degenerate corners (phi = 1).
_OPTIONS: dict[str, Any] = {
    "print_level": 0,
    "sb": "yes",
    "tol": 1e-8,
    "max_iter": 300,
    "mu_strategy": "monotone",
    "mu_init": 0.1,
    "bound_push": 0.1,
    "bound_frac": 0.1,
    "acceptable_tol": 1e-3,
    "acceptable_iter": 5,
    "acceptable_obj_change_tol": 1e-6,
}
# A warm start stays where it is.
_WARM_OPTIONS: dict[str, Any] = {
    "warm_start_init_point": "yes",
    "warm_start_bound_push": 1e-6,
    "warm_start_bound_frac": 1e-6,
    "warm_start_mult_bound_push": 1e-6,
    "warm_start_slack_bound_push": 1e-6,
    "mu_init": 1e-5,
}

# Without second derivatives: the acceptable level would end long before the rows hold.
_FIRST_ORDER_OPTIONS: dict[str, Any] = {
    "hessian_approximation": "limited-memory",
    "limited_memory_max_history": 40,
    "acceptable_iter": 0,
    "tol": 1e-7,
    "mu_strategy": "adaptive",
    "mu_init": 1e-3,
    "bound_push": 1e-3,
    "bound_frac": 1e-3,
}

_SOLVED, _ACCEPTABLE, _INFEASIBLE, _MAX_ITERATIONS, _CPU_TIME, _WALL_TIME = 0, 1, 2, -1, -4, -5
_STATUS = {
    _SOLVED: OutcomeStatus.SOLVED,
    _ACCEPTABLE: OutcomeStatus.SOLVED,
    _INFEASIBLE: OutcomeStatus.INFEASIBLE,
    _MAX_ITERATIONS: OutcomeStatus.INACCURATE,
    _CPU_TIME: OutcomeStatus.TIME_LIMIT,
    _WALL_TIME: OutcomeStatus.TIME_LIMIT,
}


class _Ipopt(CvxpyBackend):
    languages = (Language.NONLINEAR, Language.CVXPY)

    def _probe(self) -> Availability:
        try:
            import cyipopt  # noqa: F401
        except ImportError as error:
            return Availability(False, reason=f"cyipopt cannot be imported ({error}); pip install cyipopt-wheels")
        return super()._probe()

    def solve(self, model: Any, limits: BackendLimits = BackendLimits()) -> Outcome:  # noqa: B008 (frozen)
        """Solve a program in place: a `NonlinearProgram`, or a CVXPY problem as a smooth nonlinear one.

        Raises
        ------
        BackendError
            If a CVXPY problem has integer variables, which CVXPY would silently relax.
        """
        if not hasattr(model, "jacobianstructure"):
            if model.is_mixed_integer():
                raise BackendError("backend ipopt: the problem has integer variables")
            return super().solve(model, limits)
        return _solve_nonlinear(model, limits)


class _Finite:
    """A program whose derivatives are refused where they are no numbers: the linear solver inside dies of them.

    Parameters
    ----------
    program
        The program.
    """

    def __init__(self, program: NonlinearProgram) -> None:
        self._program = program
        self.gradient = self._refusing(program.gradient)
        self.jacobian = self._refusing(program.jacobian)
        if hasattr(program, "hessian"):
            self.hessian = self._refusing(program.hessian)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)

    @staticmethod
    def _refusing(derivative: Callable[..., Any]) -> Callable[..., Any]:
        import cyipopt

        def checked(*args: Any) -> Any:
            values = derivative(*args)
            if not np.isfinite(values).all():
                raise cyipopt.CyIpoptEvaluationError
            return values

        return checked


def _solve_nonlinear(program: NonlinearProgram, limits: BackendLimits) -> Outcome:
    import cyipopt

    start = time.perf_counter()
    problem = cyipopt.Problem(
        n=len(program.lower),
        m=len(program.row_lower),
        problem_obj=_Finite(program),
        lb=program.lower,
        ub=program.upper,
        cl=program.row_lower,
        cu=program.row_upper,
    )
    first_order = {} if hasattr(program, "hessian") else _FIRST_ORDER_OPTIONS
    for name, value in (_OPTIONS | first_order).items():
        problem.add_option(name, value)
    if limits.time_limit is not None:
        problem.add_option("max_wall_time", max(float(limits.time_limit), 1e-3))
    warm: dict[str, Any] = {}
    if program.multipliers is not None:
        for name, value in _WARM_OPTIONS.items():
            problem.add_option(name, value)
        warm = dict(zip(("lagrange", "zl", "zu"), program.multipliers, strict=True))
    with np.errstate(all="ignore"):  # Ipopt steps back from points where a function is not finite
        point, info = problem.solve(program.start, **warm)
    wall_time = time.perf_counter() - start
    status = _STATUS.get(info["status"], OutcomeStatus.FAILED)
    if np.all(np.isfinite(point)):
        program.point, program.value = point, float(info["obj_val"])
        if status is OutcomeStatus.FAILED:
            status = OutcomeStatus.INACCURATE  # a point there is; the evaluator judges it
    else:
        status = OutcomeStatus.FAILED
    usable = status is OutcomeStatus.SOLVED
    program.multipliers = (info["mult_g"], info["mult_x_L"], info["mult_x_U"]) if usable else None
    message = "" if usable else f"ipopt: {info['status_msg'].decode(errors='replace')}"
    return Outcome(status, "ipopt", wall_time, wall_time, message)


IPOPT = backends.register(
    _Ipopt(
        name="ipopt",
        features=frozenset({Feature.NLP}),
        summary="interior point for smooth nonlinear programs, local",
        package="cyipopt-wheels",
        time_option="max_wall_time",
        options={"nlp": True, "print_level": 0, "sb": "yes", "tol": 1e-8},
    ),
    origin=__name__,
)
