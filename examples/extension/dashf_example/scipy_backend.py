"""`scipy`: linear programs through CVXPY's interface to SciPy, whose time limit has a place of its own."""

from __future__ import annotations

from typing import Any

from dashf_pyomo.backends.backend import BackendLimits, CvxpyBackend, backends
from formulations.formulation import Feature


class SciPy(CvxpyBackend):
    """SciPy's linear programming."""

    def _limit_options(self, limits: BackendLimits) -> dict[str, Any]:
        options: dict[str, Any] = {"method": "highs"}
        if limits.time_limit is not None:
            options["time_limit"] = max(float(limits.time_limit), 1e-3)
        return {"scipy_options": options}


backends.register(
    SciPy(
        name="scipy",
        features=frozenset({Feature.LP}),
        summary="linear programming of SciPy (example of an extension)",
        package="scipy",
        time_option="",
    )
)
