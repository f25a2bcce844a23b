"""SCS: first-order conic solver; less accurate, needs little memory, steps in where Clarabel fails."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from formulations.formulation import Feature

from .backend import BackendLimits, CvxpyBackend, Outcome, OutcomeStatus, backends
from .quiet import muted_stdout

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["SCS"]


class _Scs(CvxpyBackend):
    def solve(self, model: cp.Problem, limits: BackendLimits = BackendLimits()) -> Outcome:  # noqa: B008 (frozen)
        """Solve a CVXPY problem in place; SCS reports failures on standard output even when it is told not to."""
        with muted_stdout():
            outcome = super().solve(model, limits)
        stats = getattr(model.solver_stats, "extra_stats", None)
        said = stats.get("info", {}).get("status", "") if isinstance(stats, dict) else ""
        if outcome.status is OutcomeStatus.INACCURATE and "time_limit" in said:
            return replace(outcome, status=OutcomeStatus.TIME_LIMIT, message=f"scs: {said}")
        return outcome


SCS = backends.register(
    _Scs(
        name="scs",
        features=frozenset({Feature.LP, Feature.QP, Feature.SOC, Feature.SDP, Feature.EXP}),
        summary="first order, conic; little memory, moderate accuracy",
        package="scs",
        time_option="time_limit_secs",
        options={"enforce_dpp": True, "eps_abs": 1e-7, "eps_rel": 1e-7, "max_iters": 20_000},
    ),
    origin=__name__,
)
