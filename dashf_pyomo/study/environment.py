"""The machine that cells run on, and the versions of what solves."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from formulations.documents import canonical

from ..cores import available_cores

__all__ = ["environment"]

#: Distributions whose versions are recorded with every cell.
PACKAGES = (
    "dashf-pyomo", "numpy", "scipy", "cvxpy", "clarabel", "scs", "highspy", "cyipopt-wheels", "pyomo", "numba",
    "python-flint", "PySCIPOpt", "maingopy", "gurobipy", "mosek",
)  # fmt: skip


@cache
def environment() -> str:
    """Return machine, Python and versions of all solvers as canonical JSON."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    if "dashf-pyomo" not in versions:  # run from its sources
        from ..version import __version__

        versions["dashf-pyomo"] = __version__
    document = {
        "machine": platform.node(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": available_cores(),
        "python": platform.python_version(),
        "packages": versions,
    }
    return canonical(document)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
