"""SCS: first-order conic solver; less accurate, needs little memory, steps in where Clarabel fails."""

from formulations.formulation import Feature

from .backend import CvxpyBackend, backends

SCS = backends.register(
    CvxpyBackend(
        name="scs",
        features=frozenset({Feature.LP, Feature.QP, Feature.SOC, Feature.SDP, Feature.EXP}),
        summary="first order, conic; little memory, moderate accuracy",
        package="scs",
        time_option="time_limit_secs",
        options={"enforce_dpp": True, "eps_abs": 1e-7, "eps_rel": 1e-7, "max_iters": 20_000},
    )
)
