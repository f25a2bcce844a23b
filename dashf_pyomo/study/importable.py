"""Check that worker processes can import the methods of a study: a notebook's own classes are in the notebook alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from formulations import InputError
from formulations.formulation import formulations
from formulations.registry import kind_of

from ..algorithms import methods
from ..backends import backends
from ..backends.child import Ending, run_in_child
from ..errors import one_line
from .description import Variant
from .versions import discovered_packages, foreign_modules
from .work import load

__all__ = ["refuse_what_workers_lack"]

#: Seconds for a process to start and to import what it is asked for.
_LIMIT = 120.0


def refuse_what_workers_lack(variants: Iterable[Variant]) -> None:
    """Ask a fresh process for the methods of a study, where any of them was registered by hand.

    Raises
    ------
    InputError
        If a worker process cannot import a method, or something that its options name.
    """
    variants = list(variants)
    for name in dict.fromkeys(variant.method.name for variant in variants):
        if methods.origins.get(name) == "__main__":
            raise InputError(
                f"method {name!r} is defined in the script or notebook that runs (__main__), which worker processes "
                f"cannot import; expected it in a file of its own, say {_file_name(name)}, that is imported here"
            )
    if not _by_hand():
        return
    asked = [(variant.method.name, variant.options(0, "", 0), kind_of(type(variant.method))) for variant in variants]
    end = run_in_child(_first_lacking, foreign_modules(), asked, time_limit=_LIMIT)
    lacking = end.value if end.ending is Ending.RETURNED else f"worker processes cannot be asked ({end.reason})"
    if lacking:
        here = [f"{registry.kind} {name}" for registry, name in _in_main()]
        said = f" (in __main__, which they cannot import: {', '.join(here)})" if here else ""
        raise InputError(f"{lacking}{said}; expected what worker processes can import, from a file on the path")


def _by_hand() -> bool:
    """Return whether anything is registered that another process would not find by itself."""
    known = discovered_packages()
    origins = (origin for registry in (methods, formulations, backends) for origin in registry.origins.values())
    return any(origin.partition(".")[0] not in known for origin in origins)


def _in_main() -> Iterable[tuple[Any, str]]:
    for registry in (methods, formulations, backends):
        yield from ((registry, name) for name, origin in registry.origins.items() if origin == "__main__")


def _file_name(method: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in method) + ".py"


def _first_lacking(
    _: Callable[[Any], None], modules: Iterable[str], asked: Iterable[tuple[str, Mapping[str, Any], str]]
) -> str:
    """Return what is wrong with the first method that this process cannot configure, empty where it can all."""
    for name, options, kind in asked:
        try:
            method = load(modules, name, options)
        except Exception as error:  # whatever it raises, it would for each cell
            return f"a worker process cannot run method {name!r}: {one_line(error, 500)}"
        if kind_of(type(method)) != kind:
            return f"a worker process has another method {name!r}, {kind_of(type(method))}; here it is {kind}"
    return ""
