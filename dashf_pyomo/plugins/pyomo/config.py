"""Configuration of the solvers that Pyomo sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyomo.common.config import Bool, ConfigDict, ConfigValue, In
from pyomo.contrib.solver.common.config import BranchAndBoundConfig

from formulations import InputError

from ..solver_names import ON_EXTENSION

__all__ = ["DashfConfig", "promoted", "set_entries"]

#: Names that other solvers and the command line use for entries of the configuration.
_ALIASES = {"timelimit": "time_limit", "gap": "rel_gap"}


class DashfConfig(BranchAndBoundConfig):
    """Limits, and how to take an extended model; options of the method go to ``solver_options``."""

    def __init__(
        self,
        description: str | None = None,
        doc: str | None = None,
        implicit: bool = False,
        implicit_domain: Any = None,
        visibility: int = 0,
    ) -> None:
        super().__init__(
            description=description,
            doc=doc,
            implicit=implicit,
            implicit_domain=implicit_domain,
            visibility=visibility,
        )
        self.declare(
            "on_extension",
            ConfigValue(
                default="strict",
                domain=In(ON_EXTENSION),
                description="what to do with a model that was extended by what the method cannot honour: refuse it "
                "before solving (strict), or solve Problem (3) and report what the solution violates (report)",
            ),
        )
        self.declare(
            "warmstart",
            ConfigValue(
                default=False,
                domain=Bool,
                description="give the values of the variables as a start; only models solved as they are take one",
            ),
        )
        self.declare(
            "certificate",
            ConfigValue(
                default=None, domain=_text, description="file for the proof of the bound (methods that write one)"
            ),
        )
        self.declare(
            "observer",
            ConfigValue(default=None, description="called with every trace entry as it is made"),
        )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def set_entries(config: DashfConfig, entries: Mapping[str, Any]) -> None:
    """Set entries of a configuration.

    Raises
    ------
    InputError
        In one line, if an entry does not exist or cannot have its value.
    """
    for key, value in entries.items():
        try:
            if isinstance(config.get(key), ConfigDict):
                config[key].set_value(value)
            else:
                config[key] = value
        except (KeyError, ValueError) as error:
            raise InputError(f"{key} = {value!r} is not possible: {' '.join(str(error).split())}") from None


def promoted(config: DashfConfig) -> dict[str, Any]:
    """Move entries of the configuration that came as solver options to where they belong; return the method's options.

    ``options={"time_limit": 5, "association": "hull"}`` is how Pyomo's users pass everything.

    Raises
    ------
    InputError
        If an entry cannot have its value.
    """
    options: dict[str, Any] = {}
    entries: dict[str, Any] = {}
    for key, value in config.solver_options.items():
        entry = _ALIASES.get(key, key)
        if entry in config and entry != "solver_options":
            entries[entry] = value
        else:
            options[key] = value
    set_entries(config, entries)
    return options
