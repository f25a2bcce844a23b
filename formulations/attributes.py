"""Attributes of a user at a server, as declared data: parts, and attributes that are weighted sums of parts.

A *part* is a quantity of Section II that every formulation states in its language: one of the four times, one of the
four energies, a share of the server, a rate, or a share of the training. An *attribute* is a weighted sum of parts, and
what limits and rows are about. An attribute that is declared here is known to every formulation that states its
parts; a new part needs its line in each language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ATTRIBUTES", "PARTS", "STATED_PARTS", "TIMES", "WHOLE_DELAY", "Attribute", "Factor", "declare"]

Array = NDArray[np.float64]


class Factor(Enum):
    """Dependence of a part on association and offloading, at fixed resources."""

    SERVED = "x"  # there wherever the user is served
    OWN = "phi x"  # proportional to what the user trains
    USER = "phi"  # likewise, and the same at every server
    LEFT = "(1 - phi) x"  # proportional to what the server trains


#: Every part and how it depends on x and phi. Times in s, energies in J, shares of a server in its units, rates in
#: bit/s; `served`, `own` and `left` are the factors x, phi and 1 - phi themselves.
PARTS: dict[str, Factor] = {
    "served": Factor.SERVED,
    "own": Factor.USER,
    "left": Factor.LEFT,
    "bandwidth": Factor.SERVED,
    "server_power": Factor.SERVED,
    "server_speed": Factor.SERVED,
    "rate_up": Factor.SERVED,
    "rate_down": Factor.SERVED,
    "time_local": Factor.USER,
    "time_uplink": Factor.OWN,
    "time_server": Factor.LEFT,
    "time_downlink": Factor.LEFT,
    "energy_local": Factor.USER,
    "energy_uplink": Factor.OWN,
    "energy_server": Factor.LEFT,
    "energy_downlink": Factor.LEFT,
}

#: The parts that there were first, but the rates, which are not additive. It never grows, so that no formulation that
#: says it claims a part that is added later.
STATED_PARTS = frozenset(
    {
        *("served", "own", "left", "bandwidth", "server_power", "server_speed"),
        *("time_local", "time_uplink", "time_server", "time_downlink"),
        *("energy_local", "energy_uplink", "energy_server", "energy_downlink"),
    }
)

#: The four times of a user. An attribute that counts all alike demands no more than their sum.
TIMES = frozenset({"time_local", "time_uplink", "time_server", "time_downlink"})
WHOLE_DELAY = "the whole delay"

#: A weight of a part: a number, or from a scenario an array that broadcasts to shape (N, M).
Weight = float | Callable[[Any], Any]


@dataclass(frozen=True)
class Attribute:
    """A weighted sum of parts.

    Parameters
    ----------
    name
        How limits and rows call it.
    unit
        SI unit, for messages.
    parts
        Weight of every part.
    """

    name: str
    unit: str
    parts: Mapping[str, Weight]

    def __post_init__(self) -> None:
        for part in self.parts:
            if part not in PARTS:
                raise ValueError(f"attribute {self.name}: unknown part {part!r}; expected some of {', '.join(PARTS)}")

    @property
    def demands(self) -> frozenset[str]:
        """What a formulation has to state for it: its parts, or `WHOLE_DELAY` in place of its times."""
        weights = [self.parts.get(part, 0.0) for part in TIMES]
        parts = frozenset(self.parts)
        whole = parts >= TIMES and all(weight is weights[0] or weight == weights[0] for weight in weights)
        return parts - TIMES | {WHOLE_DELAY} if whole else parts

    def weights(self, scenario: Any) -> dict[str, Array]:
        """Return the weight of every part, shape (N, M) each, for a `Scenario`.

        Raises
        ------
        ValueError
            If a weight does not broadcast to that shape, is negative or not finite.
        """
        shape, found = scenario.channel_gain.shape, {}
        for part, weight in self.parts.items():
            values = np.asarray(weight(scenario) if callable(weight) else weight, dtype=np.float64)
            where = f"attribute {self.name}: weight of {part}"
            try:
                found[part] = np.broadcast_to(values, shape)
            except ValueError:
                raise ValueError(f"{where} has shape {values.shape}; expected one that broadcasts to {shape}") from None
            if not (np.isfinite(values).all() and (values >= 0.0).all()):
                raise ValueError(f"{where} is negative or not finite; expected numbers of at least 0")
        return found

    def same_as(self, other: Attribute) -> bool:
        """Return whether another declaration says the same; functions are told apart by their names."""
        return (self.name, self.unit, _named(self.parts)) == (other.name, other.unit, _named(other.parts))


#: Every attribute by name.
ATTRIBUTES: dict[str, Attribute] = {}


def _named(parts: Mapping[str, Weight]) -> dict[str, Any]:
    return {
        part: (weight.__module__, weight.__qualname__) if callable(weight) else weight for part, weight in parts.items()
    }


def declare(attribute: Attribute) -> Attribute:
    """Add an attribute; the same declaration again changes nothing.

    Raises
    ------
    ValueError
        If another one has its name.
    """
    known = ATTRIBUTES.get(attribute.name)
    if known is not None and not known.same_as(attribute):
        raise ValueError(f"attribute {attribute.name!r} is declared already, otherwise; expected another name")
    ATTRIBUTES[attribute.name] = attribute
    return attribute


def _sum(name: str, unit: str, *parts: str) -> None:
    declare(Attribute(name, unit, dict.fromkeys(parts, 1.0)))


_sum("served", "", "served")
_sum("offload", "", "own")
_sum("bandwidth", "Hz", "bandwidth")
_sum("server_power", "W", "server_power")
_sum("server_speed", "FLOP/s", "server_speed")
_sum("rate_up", "bit/s", "rate_up")
_sum("rate_down", "bit/s", "rate_down")
_sum("delay", "s", "time_local", "time_uplink", "time_server", "time_downlink")
_sum("energy", "J", "energy_local", "energy_uplink", "energy_server", "energy_downlink")
_sum("user_energy", "J", "energy_local", "energy_uplink")
_sum("server_energy", "J", "energy_server", "energy_downlink")


def _part_of_all(scenario: Any) -> float:
    return 1.0 / float(scenario.channel_gain.shape[0])


declare(
    Attribute(
        "mean_delay",
        "s",
        dict.fromkeys(("time_local", "time_uplink", "time_server", "time_downlink"), _part_of_all),
    )
)
