"""MOSEK: commercial interior-point conic solver, used when it is installed and licensed."""

from __future__ import annotations

from typing import Any

from formulations.formulation import Feature

from .backend import BackendLimits, CvxpyBackend, backends

__all__ = ["MOSEK"]


class _Mosek(CvxpyBackend):
    def _limit_options(self, limits: BackendLimits) -> dict[str, Any]:
        parameters: dict[str, Any] = {}
        if limits.time_limit is not None:
            parameters["MSK_DPAR_OPTIMIZER_MAX_TIME"] = max(float(limits.time_limit), 1e-3)
        if limits.threads is not None:
            parameters["MSK_IPAR_NUM_THREADS"] = limits.threads
        return {"mosek_params": parameters}


MOSEK = backends.register(
    _Mosek(
        name="mosek",
        features=frozenset({Feature.LP, Feature.MILP, Feature.QP, Feature.SOC, Feature.SDP, Feature.EXP}),
        summary="interior point, conic; needs a licence",
        package="mosek",
        time_option="",
    ),
    origin=__name__,
)
