"""Families of scenarios: what one is, the registry of all, and the one way to draw from them.

A family is a deterministic function of the numbers of users and servers, a seed and options. Another package adds one
through the entry point group ``dashf_pyomo.scenarios``.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..arrays import shown
from ..documents import ScenarioError
from ..registry import Registry
from ..scenario import Scenario

__all__ = ["DEFAULT_FAMILY", "Family", "FamilyOption", "Request", "draw", "families"]

#: Family that is meant where none is named.
DEFAULT_FAMILY = "paper"


@dataclass(frozen=True)
class FamilyOption:
    """A number that a family takes.

    Parameters
    ----------
    default
        Its value where none is given; a whole number makes the option whole.
    help
        One line for listings, with the unit.
    least, most
        Range, ends included.
    """

    default: float
    help: str
    least: float = 0.0
    most: float = 1e12

    def read(self, where: str, value: Any) -> float:
        """Return a value in range.

        Raises
        ------
        InputError
            If it is none; `where` starts the message.
        """
        whole = isinstance(self.default, int)
        number = isinstance(value, (int, np.integer) if whole else (int, float, np.integer, np.floating))
        if not number or isinstance(value, bool) or not self.least <= value <= self.most:
            kind = "whole number" if whole else "number"
            raise ScenarioError(f"{where} = {shown(value)}; expected a {kind} from {self.least:g} to {self.most:g}")
        return int(value) if whole else float(value)


@dataclass(frozen=True, eq=False)
class Request:
    """Request to a family.

    Parameters
    ----------
    family
        Its name.
    users, servers, seed
        N, M and the seed of every draw.
    options
        A value for every option of the family.
    settings
        Arguments of `Scenario.random` that were given; they overrule what the family does.
    """

    family: str
    users: int
    servers: int
    seed: int
    options: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def paper(self, **changes: Any) -> Scenario:
        """Return the paper's scenario of this seed with fields changed, except those that were given."""
        return Scenario.random(self.users, self.servers, self.seed, **{**changes, **self.settings})

    def generator(self) -> np.random.Generator:
        """Return the family's own random numbers, which shift none of the paper's draws."""
        return np.random.default_rng([int(self.seed), zlib.crc32(self.family.encode())])


@dataclass(frozen=True)
class Family:
    """A family of random scenarios.

    Parameters
    ----------
    name
        How it is asked for.
    summary
        One line for listings: what is drawn.
    interest
        Why one should look at it: what methods get wrong there.
    build
        From a request, the scenario. The same request gives the same scenario.
    options
        The numbers that it takes besides the arguments of `Scenario.random`.
    """

    name: str
    summary: str
    interest: str
    build: Callable[[Request], Scenario]
    options: Mapping[str, FamilyOption] = field(default_factory=dict)


#: Every family by name.
families: Registry[Family] = Registry(
    "family",
    packages=("formulations.families",),
    group="dashf_pyomo.scenarios",
    name_of=lambda family: family.name,
    wrong_with=lambda family: "" if isinstance(family, Family) else "expected a Family",
)


def draw(family: str = DEFAULT_FAMILY, users: int = 10, servers: int = 2, seed: int = 0, **settings: Any) -> Scenario:
    """Draw a scenario of a family.

    Parameters
    ----------
    family
        Its name.
    users, servers
        N and M.
    seed
        Seed of every draw.
    **settings
        Options of the family, and arguments of `Scenario.random`, which overrule what the family does.

    Returns
    -------
    Scenario
        Its name says the family, its readings record family and options. `paper` is `Scenario.random` itself.

    Raises
    ------
    UnknownNameError
        If there is no such family.
    InputError
        If an argument is out of range or not known, or the family fails.
    """
    chosen = families[family]
    options = {
        name: option.read(f"family {family}: {name}", settings.pop(name, option.default))
        for name, option in chosen.options.items()
    }
    # The paper's draw first: it checks all arguments that are not the family's.
    plain = Scenario.random(users, servers, seed, **settings)
    if family == DEFAULT_FAMILY:
        return plain
    try:
        scenario = chosen.build(Request(family, users, servers, int(seed), options, settings))
    except ScenarioError as error:
        raise ScenarioError(f"family {family}: {error}") from None
    if not isinstance(scenario, Scenario) or (scenario.n_users, scenario.n_servers) != (users, servers):
        raise ScenarioError(f"family {family} returned {scenario!r}; expected a scenario of {users} x {servers}")
    said = ", ".join(f"{name}={value:g}" for name, value in options.items())
    readings = {**(scenario.readings or {}), "family": f"{family} ({said})" if said else family}
    name = plain.name if settings.get("name") is not None else plain.name.replace("random", family, 1)
    return replace(scenario, name=name, seed=int(seed), readings=readings)
