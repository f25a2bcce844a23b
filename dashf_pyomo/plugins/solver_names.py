"""Names of our methods in other systems."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from formulations.registry import Registry

if TYPE_CHECKING:
    from ..algorithms import Method

__all__ = ["ON_EXTENSION", "solver_name", "solver_names"]

logger = logging.getLogger("dashf_pyomo.plugins")

#: What to do with a model that was extended by what a method cannot honour.
ON_EXTENSION = ("strict", "report")


def solver_name(method: str) -> str:
    """Return the name of a method elsewhere: ``dashf``, ``dashf_plus``, ``dashf_minlp``, ...

    Parameters
    ----------
    method
        Its name here; those of the DASHF family keep it, the others get it as a prefix.
    """
    name = method.replace("-", "_")
    return name if name == "dashf" or name.startswith("dashf_") else f"dashf_{name}"


def solver_names(methods: Registry[type[Method]]) -> dict[str, type[Method]]:
    """Return all methods by their names elsewhere; one whose name an earlier one has is noted as broken there.

    Parameters
    ----------
    methods
        The registry.
    """
    ours = __name__.partition(".")[0] + "."
    found: dict[str, type[Method]] = {}
    # Ours keep their names, also where a module of others was imported before ours were discovered.
    for method in sorted(methods.values(), key=lambda method: not method.__module__.startswith(ours)):
        name = solver_name(method.name)
        first = found.setdefault(name, method)
        if first is not method:
            said = f"method {method.name} would be {name}, as {first.name} is; it has to have another name"
            logger.warning("%s", said)
            methods.skip(f"{method.name} in Pyomo and CVXPY", ValueError(said))
    return found
