"""Clarabel: interior-point conic solver; the default for semidefinite and exponential-cone programs."""

from formulations.formulation import Feature

from .backend import CvxpyBackend, backends

CLARABEL = backends.register(
    CvxpyBackend(
        name="clarabel",
        features=frozenset({Feature.LP, Feature.QP, Feature.SOC, Feature.SDP, Feature.EXP}),
        summary="interior point, conic; default for SDP and FP",
        package="clarabel",
        time_option="time_limit",
        thread_option="max_threads",
    )
)
