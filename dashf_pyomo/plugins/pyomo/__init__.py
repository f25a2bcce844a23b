"""Our methods as solvers of Pyomo's, in both of its factories, and transformations of models of Problem (3).

Importing this package registers them. ``import dashf_pyomo`` does it too where Pyomo was imported before.
"""

from __future__ import annotations

import pyomo.environ  # noqa: F401  (has the factories filled)
from pyomo.contrib.solver.common.factory import SolverFactory
from pyomo.core.base.transformation import TransformationFactory

from formulations.registry import kind_of, when_discovered

from ...algorithms import methods
from ..solver_names import solver_names
from .legacy import DashfLegacySolver
from .solver import DashfSolver
from .transformations import transformations

__all__ = ["register"]


def register() -> None:
    """Register every method with both solver factories, and the transformations; what is there already stays.

    To be called again after a method was registered in `dashf_pyomo.algorithms.methods` by hand. A method whose name
    is taken is named in ``methods.broken``. While extensions are being discovered, this waits for the end of that.
    """
    when_discovered(_register)


def _register() -> None:
    for name, method in solver_names(methods).items():
        if name in SolverFactory:
            present = SolverFactory.get_class(name)
            known = getattr(present, "method", None)
            if present.__module__ == __name__ and known is not None and kind_of(known) == kind_of(method):
                present.method = method  # the same one, which may have been edited
            elif known is not method:
                methods.skip(
                    f"{method.name} in Pyomo", ValueError(f"{name} is registered as {present.__name__} already")
                )
            continue
        label = "".join(part.capitalize() for part in name.split("_"))
        solver = type(label, (DashfSolver,), {"method": method, "__doc__": method.summary, "__module__": __name__})
        legacy = type(f"Legacy{label}", (DashfLegacySolver, solver), {"__module__": __name__})
        SolverFactory.register(name, doc=f"{method.summary} (models of formulations.joint)")(solver, legacy)
    for name, transformation in transformations().items():
        if name not in TransformationFactory:
            summary = (transformation.__doc__ or "").splitlines()[0]
            TransformationFactory.register(name, doc=summary)(transformation)


register()
