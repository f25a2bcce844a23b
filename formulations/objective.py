"""Objectives, declared as data: value, parametric form, and the bound from a dual value.

``scr`` is the service-cost ratio (2): sum of scores over the cost omega_t T + omega_e E, with T the largest delay.
``utility`` is sum of scores less price x cost, and ``cost`` is the cost, minimised. Scenarios declare ``scr`` alone:
evaluator and methods do not know the others yet.
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
    UTILITY = "utility"  # sum of scores less a price of the cost
    COST = "cost"  # the cost, to be minimised


class Sense(StrEnum):
    """Sense of an objective."""

    MAX = "max"
    MIN = "min"


#: Keys of the declaration and the values that are known, the default first.
_KNOWN: dict[str, tuple[Any, ...]] = {
    "kind": (str(ObjectiveKind.SCR),),
    "delay": ("largest",),
    "price": (None,),
    "user_weight": (None,),
    "score": ("log",),
}


@dataclass(frozen=True)
class Objective:
    """An objective.

    Parameters
    ----------
    kind
        What is optimised.
    price
        Score that a unit of cost is worth, for ``utility`` alone, positive; else None.

    Raises
    ------
    ValueError
        If the price is not one for the kind.
    """

    kind: ObjectiveKind = ObjectiveKind.SCR
    price: float | None = None

    def __post_init__(self) -> None:
        if self.kind is not ObjectiveKind.UTILITY:
            if self.price is not None:
                raise ValueError(f"price = {self.price!r}; expected None for objective {self.kind}")
        elif self.price is None or not 0.0 < self.price < np.inf:
            raise ValueError(f"price = {self.price!r}; expected a number > 0 for objective {self.kind}")

    @classmethod
    def read(cls, document: Any) -> Objective:
        """Return what a scenario declares; null is the printed problem.

        Raises
        ------
        ScenarioError
            If a key or a value is not known.
        """
        if isinstance(document, cls):
            document = {"kind": str(document.kind), "price": document.price}
        if document is None:
            return SCR
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
        cost = "weight of delay x delay + weight of energy x energy"
        if self.kind is ObjectiveKind.COST:
            return f"least cost = {cost}"
        if self.kind is ObjectiveKind.UTILITY:
            return f"largest utility = score - {self.price:g} x ({cost})"
        return f"largest SCR = score / ({cost})"

    @property
    def sense(self) -> Sense:
        """Whether more is better."""
        return Sense.MIN if self.kind is ObjectiveKind.COST else Sense.MAX

    @property
    def score_weight(self) -> float:
        """What a unit of the score counts in the parametric form."""
        return 0.0 if self.kind is ObjectiveKind.COST else 1.0

    @property
    def cost_price(self) -> float | None:
        """What a unit of cost counts in the parametric form; None where that is the ratio sought."""
        return 1.0 if self.kind is ObjectiveKind.COST else self.price

    def value(self, score: float, cost: float) -> float:
        """Return the value at a total score and a cost; the worst there is when that is not a finite number."""
        if self.kind is not ObjectiveKind.SCR:
            found = cost if self.price is None else score - self.price * cost
            worst = np.inf if self.sense is Sense.MIN else -np.inf
            return float(found) if np.isfinite(found) else worst
        if not (np.isfinite(score) and np.isfinite(cost)) or cost <= 0.0:
            return 0.0
        with np.errstate(over="ignore"):
            ratio = float(np.float64(score) / cost)
        return ratio if np.isfinite(ratio) else 0.0

    def parametric(self, score: Any, cost: Any, price: Any) -> Any:
        """Return score - y cost, (4) and (10), whose optimum over the allocations is zero at the best ratio y.

        For ``utility`` it is the value at the price y = `cost_price`, and for ``cost`` it is minus the value.
        """
        return -price * cost if self.kind is ObjectiveKind.COST else score - price * cost

    def bound(self, dual_value: float, price: float, least_cost: float, most_cost: float = np.inf) -> float:
        """Return the bound on the value that an upper bound D of `parametric` at price y implies.

        Every allocation has the ratio y + (score - y cost) / cost, so it is at most y + D / cost: over the least cost
        where D >= 0, and over the most where D < 0. A utility is at most D, a cost at least -D.
        """
        if self.kind is not ObjectiveKind.SCR:
            return -dual_value if self.kind is ObjectiveKind.COST else dual_value
        return price + dual_value / (least_cost if dual_value >= 0.0 else most_cost)


#: The printed objective.
SCR = Objective()


def service_cost(delay: Values, energy: Values, weight_time: float, weight_energy: float) -> Array:
    """Return the cost omega_t T + omega_e E, (1), the denominator of (2)."""
    delay, energy = np.asarray(delay, dtype=np.float64), np.asarray(energy, dtype=np.float64)
    with np.errstate(over="ignore", under="ignore"):
        # 0 x infinity is no cost here.
        return weight_time * delay + (weight_energy * energy if weight_energy > 0.0 else 0.0)
