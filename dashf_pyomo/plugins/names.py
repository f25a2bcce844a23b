"""How other systems call our methods."""

from __future__ import annotations

__all__ = ["ON_EXTENSION", "solver_name"]

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
