"""Methods that are compared, and their names in tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from formulations import InputError, Scenario
from formulations.arrays import shown

if TYPE_CHECKING:
    from ..algorithms import Method

__all__ = ["FEW", "METHODS", "MethodEntry", "Variants", "read_variants"]

#: Methods that are compared by default; the last one proves the bound.
METHODS = ("rucaa", "gucaa", "gucro", "aauco", "dashf", "dashf-plus", "dual")

#: Up to so many users branch and price closes the gap in reasonable time, and is compared too.
FEW = 10

#: A method to compare: its name, a configured method, or how it is called, its name and its options.
MethodEntry: TypeAlias = "str | Method | tuple[str, str, Mapping[str, Any]]"


@dataclasses.dataclass(frozen=True)
class Variants:
    """The methods to compare.

    Parameters
    ----------
    methods
        Configured methods by the names that tables call them.
    left_out
        Names of default methods that refuse the scenario.
    """

    methods: Mapping[str, Method]
    left_out: tuple[str, ...] = ()


def read_variants(entries: Iterable[MethodEntry] | None, scenario: Scenario, where: str = "methods") -> Variants:
    """Return the methods to compare.

    A name stands for the method with all options at their defaults, seeds too, which is what ``dashf solve`` runs; but
    a method which can only bound a relaxation of the scenario does that. Options that are given are taken as they are.

    Parameters
    ----------
    entries
        The methods; None for the default ones that take the scenario.
    scenario
        The scenario.
    where
        Begin of error messages.

    Raises
    ------
    InputError
        If a method does not exist, an option cannot have its value, or two entries are the same.
    """
    from ..algorithms.willing import willing

    if entries is None:
        names = (*METHODS, "bnp") if scenario.n_users <= FEW else METHODS
        found = {name: willing(name, scenario) for name in names}
        refusing = tuple(name for name, (_, refusal) in found.items() if refusal)
        return Variants({name: method for name, (method, _) in found.items() if name not in refusing}, refusing)
    if isinstance(entries, str | Mapping) or not isinstance(entries, Iterable):
        raise InputError(f"{where} = {shown(entries)}; expected a list of methods")
    chosen: dict[str, Method] = {}
    for entry in entries:
        label, method = _read(entry, scenario, where)
        if label in chosen:
            raise InputError(f"{where}: {label!r} is given twice; expected once")
        for other, known in chosen.items():
            if known == method:
                raise InputError(f"{where}: {label!r} is {other!r} with the same options; expected others")
        chosen[label] = method
    if not chosen:
        raise InputError(f"{where} = []; expected at least one method")
    return Variants(chosen)


def _read(entry: Any, scenario: Scenario, where: str) -> tuple[str, Method]:
    from ..algorithms import Method, configure, methods
    from ..algorithms.willing import willing

    if isinstance(entry, str):
        if entry not in methods:
            raise InputError(f"{where}: {entry!r}; expected some of {', '.join(methods)}")
        return entry, willing(entry, scenario)[0]
    if isinstance(entry, Method):
        if entry.name not in methods or methods[entry.name] is not type(entry):
            raise InputError(f"{where}: {shown(entry)}; expected a method of a class that is registered now")
        return _label(entry), entry
    if not isinstance(entry, tuple) or len(entry) != 3:
        raise InputError(f"{where}: {shown(entry)}; expected a name, a method, or (name in tables, name, options)")
    label, name, options = entry
    if not isinstance(label, str) or not label or not isinstance(options, Mapping):
        raise InputError(f"{where}: {shown(entry)}; expected a text that is not empty, a name, and options by name")
    if not isinstance(name, str) or name not in methods:
        raise InputError(f"{where}: {label!r}: {shown(name)}; expected one of {', '.join(methods)}")
    try:
        return label, configure(name, options)
    except InputError as error:
        raise InputError(f"{where}: {label!r}: {error}") from None


def _label(method: Method) -> str:
    """Return the name of a method with the options that are not at their defaults."""
    options = [(item.name, getattr(method, item.name), item.default) for item in dataclasses.fields(method)]
    return ", ".join([method.name, *(f"{name}={value}" for name, value, default in options if value != default)])
