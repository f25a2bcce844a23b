"""Clarabel: interior-point conic solver; the default for semidefinite and exponential-cone programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations.formulation import Feature

from .backend import BackendLimits, CvxpyBackend, Outcome, OutcomeStatus, backends

if TYPE_CHECKING:
    import cvxpy as cp

__all__ = ["CLARABEL"]

#: Memory that the Hessian blocks of the semidefinite cones may take, bytes. A cone of order k has a dense block
#: of k(k+1)/2 rows, so order 200 takes 1.6 GB and order 300 takes 8 GB, before it is factorised.
MEMORY_LIMIT = 2e9


class _Clarabel(CvxpyBackend):
    def solve(self, model: cp.Problem, limits: BackendLimits = BackendLimits()) -> Outcome:  # noqa: B008 (frozen)
        """Solve a CVXPY problem in place, unless its semidefinite cones would exhaust the memory."""
        needed = _hessian_bytes(model)
        if needed > MEMORY_LIMIT:
            message = f"clarabel: semidefinite cones of {needed / 1e9:.1f} GB, more than {MEMORY_LIMIT / 1e9:g} GB"
            return Outcome(OutcomeStatus.FAILED, self.name, 0.0, None, message)
        return super().solve(model, limits)


def _hessian_bytes(model: cp.Problem) -> float:
    """Return the bytes of the upper triangles of all semidefinite Hessian blocks."""
    import cvxpy as cp

    shapes = [variable.shape for variable in model.variables() if variable.attributes["PSD"]]
    shapes += [constraint.shape for constraint in model.constraints if isinstance(constraint, cp.constraints.PSD)]
    total = 0.0
    for *batch, order, _ in shapes:
        count = 1
        for size in batch:
            count *= size
        rows = order * (order + 1) / 2
        total += count * rows * (rows + 1) / 2 * 8
    return total


CLARABEL = backends.register(
    _Clarabel(
        name="clarabel",
        features=frozenset({Feature.LP, Feature.QP, Feature.SOC, Feature.SDP, Feature.EXP}),
        summary="interior point, conic; default for SDP and FP",
        package="clarabel",
        time_option="time_limit",
        thread_option="max_threads",
    ),
    origin=__name__,
)
