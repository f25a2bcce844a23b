"""Objectives, declared as data: the service-cost ratio (2), its parametric form, and the bound from a dual value.

``scr`` is the only kind yet: sum of scores over omega_t T + omega_e E, with T the largest delay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import shown
from .documents import ScenarioError

__all__ = ["SCR", "Objective", "ObjectiveKind", "Sense", "service_cost"]

Array = NDArray[np.float64]
Values = float | Array


class ObjectiveKind(StrEnum):
    """The kinds of objectives."""

    SCR = "scr"  # sum of scores over the cost, (2)


class Sense(StrEnum):
    """Sense of an objective."""

    MAX = "max"
    MIN = "min"


#: Keys of the declaration and the values that are known, the default first.
_KNOWN: dict[str, tuple[Any, ...]] = {
    "kind": tuple(str(kind) for kind in ObjectiveKind),
    "delay": ("largest",),
    "price": (None,),
    "user_weight": (None,),
    "score": ("log",),
}


@dataclass(frozen=True)
class Objective:
    """The objective of a scenario.

    Parameters
    ----------
    kind
        What is optimised.
    """

    kind: ObjectiveKind = ObjectiveKind.SCR

    @classmethod
    def read(cls, document: Any) -> Objective:
        """Return what a scenario declares; null is the printed problem.

        Raises
        ------
        ScenarioError
            If a key or a value is not known.
        """
        if document is None or isinstance(document, cls):
            return document or SCR
        if not isinstance(document, Mapping):
            raise ScenarioError(f"objective = {shown(document)}; expected an object or null")
        for key, value in document.items():
            if key not in _KNOWN:
                raise ScenarioError(f"objective: unknown key {shown(key)}; expected only {', '.join(_KNOWN)}")
            if value not in _KNOWN[key]:
                known = ", ".join("null" if one is None else repr(one) for one in _KNOWN[key])
                raise ScenarioError(f"objective.{key} = {shown(value)}; expected {known}")
        return cls(ObjectiveKind(document.get("kind", ObjectiveKind.SCR)))

    @property
    def said(self) -> str:
        """The objective in words."""
        return "largest SCR = score / (weight of delay x delay + weight of energy x energy)"

    @property
    def sense(self) -> Sense:
        """Whether more is better."""
        return Sense.MAX

    @staticmethod
    def value(score: float, cost: float) -> float:
        """Return the SCR, (2): total score over cost; zero when that is not a finite number."""
        if not (np.isfinite(score) and np.isfinite(cost)) or cost <= 0.0:
            return 0.0
        with np.errstate(over="ignore"):
            ratio = float(np.float64(score) / cost)
        return ratio if np.isfinite(ratio) else 0.0

    @staticmethod
    def parametric(score: Any, cost: Any, price: Any) -> Any:
        """Return score - y cost, (4) and (10), whose optimum over the allocations is zero at the best ratio y."""
        return score - price * cost

    @staticmethod
    def bound(dual_value: float, price: float, least_cost: float, most_cost: float = np.inf) -> float:
        """Return the bound on the ratio that an upper bound D of `parametric` at price y implies.

        Every allocation has the ratio y + (score - y cost) / cost, so it is at most y + D / cost: over the least cost
        where D >= 0, and over the most where D < 0.
        """
        return price + dual_value / (least_cost if dual_value >= 0.0 else most_cost)


#: The printed objective.
SCR = Objective()


def service_cost(delay: Values, energy: Values, weight_time: float, weight_energy: float) -> Array:
    """Return the cost omega_t T + omega_e E, (1), the denominator of (2)."""
    delay, energy = np.asarray(delay, dtype=np.float64), np.asarray(energy, dtype=np.float64)
    with np.errstate(over="ignore", under="ignore"):
        # 0 x infinity is no cost here.
        return weight_time * delay + (weight_energy * energy if weight_energy > 0.0 else 0.0)
