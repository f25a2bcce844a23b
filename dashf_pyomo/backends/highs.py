"""HiGHS: simplex, interior point and branch and bound for linear and mixed-integer linear programs.

Takes programs in arrays directly, and CVXPY problems.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from formulations.formulation import Feature, Language
from formulations.matrix import MatrixProgram

from ..errors import BackendError
from .backend import Availability, BackendLimits, CvxpyBackend, Outcome, OutcomeStatus, backends
from .quiet import muted_stdout

__all__ = ["HIGHS"]

#: Relative gap at which a mixed-integer program counts as solved.
MIP_GAP = 1e-6
#: How near to a whole number counts as whole.
INTEGRALITY = 1e-6


class _Highs(CvxpyBackend):
    languages = (Language.MATRIX, Language.CVXPY)

    def _probe(self) -> Availability:
        _swallow_banner()
        return super()._probe()

    def solve(self, model: Any, limits: BackendLimits = BackendLimits()) -> Outcome:  # noqa: B008 (frozen)
        """Solve a `MatrixProgram` or a CVXPY problem in place."""
        if limits.threads is not None:
            import highspy

            # The number of threads is the process's; HiGHS refuses another one until its scheduler is gone.
            highspy.Highs.resetGlobalScheduler(True)
        if isinstance(model, MatrixProgram):
            return _solve_matrix(model, limits)
        return super().solve(model, limits)


def _swallow_banner() -> None:
    """Make the first HiGHS object with standard output closed: some releases print a banner, whatever the options."""
    try:
        import highspy
    except ImportError:
        return
    with muted_stdout():
        highspy.Highs()


def _solve_matrix(program: MatrixProgram, limits: BackendLimits) -> Outcome:
    """Solve the linear relaxation first: where it is integral, which is often, it is the answer."""
    start = time.perf_counter()
    status, message = _run(program, limits, np.zeros_like(program.integer))
    if status is OutcomeStatus.SOLVED and np.any(program.integer):
        assert program.point is not None
        whole = program.point[program.integer]
        if np.max(np.abs(whole - np.round(whole))) > INTEGRALITY:
            left = limits
            if limits.time_limit is not None:
                left = BackendLimits(max(limits.time_limit - (time.perf_counter() - start), 1e-3), limits.threads)
            status, message = _run(program, left, program.integer)
    seconds = time.perf_counter() - start
    return Outcome(status, "highs", seconds, seconds, message)


def _run(program: MatrixProgram, limits: BackendLimits, integer: Any) -> tuple[OutcomeStatus, str]:
    import highspy

    lp = highspy.HighsLp()
    lp.num_row_, lp.num_col_ = program.matrix.shape
    lp.col_cost_, lp.col_lower_, lp.col_upper_ = program.cost, program.lower, program.upper
    lp.row_lower_, lp.row_upper_ = program.row_lower, program.row_upper
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_, lp.a_matrix_.index_ = program.matrix.indptr, program.matrix.indices
    lp.a_matrix_.value_ = program.matrix.data
    if np.any(integer):
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        lp.integrality_ = [kinds[int(whole)] for whole in integer]

    solver = highspy.Highs()
    options: dict[str, Any] = {"output_flag": False, "mip_rel_gap": MIP_GAP}
    if limits.time_limit is not None:
        options["time_limit"] = float(limits.time_limit)
    if limits.threads is not None:
        options["threads"] = limits.threads
    for name, value in options.items():
        if solver.setOptionValue(name, value) == highspy.HighsStatus.kError:
            raise BackendError(f"backend highs: option {name} = {value!r} is not accepted")
    solver.passModel(lp)
    solver.run()
    found = solver.getModelStatus()
    status = {
        highspy.HighsModelStatus.kOptimal: OutcomeStatus.SOLVED,
        highspy.HighsModelStatus.kInfeasible: OutcomeStatus.INFEASIBLE,
        highspy.HighsModelStatus.kUnbounded: OutcomeStatus.UNBOUNDED,
        highspy.HighsModelStatus.kTimeLimit: OutcomeStatus.TIME_LIMIT,
    }.get(found, OutcomeStatus.FAILED)
    if status is OutcomeStatus.SOLVED:
        program.point = np.array(solver.getSolution().col_value)
        program.value = float(solver.getInfo().objective_function_value)
    return status, "" if status is OutcomeStatus.SOLVED else f"highs: {solver.modelStatusToString(found)}"


HIGHS = backends.register(
    _Highs(
        name="highs",
        features=frozenset({Feature.LP, Feature.MILP}),
        summary="simplex and branch and bound; default for LP and MILP",
        package="highspy",
        time_option="time_limit",
        thread_option="threads",
        options={"enforce_dpp": True, "mip_rel_gap": MIP_GAP},
    ),
    origin=__name__,
)
