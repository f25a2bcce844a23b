"""Objectives, declared as data: value, parametric form, and the bound from a dual value.

With v_n the score of a user, D_n its delay, E_n the energy that is spent for it, user weights w_n (one by default)::

    scr            max  sum w_n v_n / C                    the service-cost ratio (2)
    utility        max  sum w_n v_n - price C
    cost           min  C, in which user n counts w_n times
    sum-of-ratios  max  sum w_n v_n / (omega_t D_n + omega_e E_n)
    max-min        max  min w_n v_n / (omega_t D_n + omega_e E_n)

where C = omega_t T + omega_e sum E_n is the cost, and T the largest delay, or the mean, or the sum of all. `Aspect`
names what differs from the printed problem; who cannot honour it refuses it by that name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import read_numbers, shown
from .documents import ScenarioError
from .score import SCORES, ScoreFunction

__all__ = ["SCR", "Aspect", "DelayKind", "Objective", "ObjectiveKind", "Sense", "service_cost"]

Array = NDArray[np.float64]
Values = float | Array


class ObjectiveKind(StrEnum):
    """The kinds of objectives."""

    SCR = "scr"  # sum of scores over the cost, (2)
    UTILITY = "utility"  # sum of scores less a price of the cost
    COST = "cost"  # the cost, to be minimised
    SUM_OF_RATIOS = "sum-of-ratios"  # sum of the users' ratios of score over cost
    MAX_MIN = "max-min"  # the least of these ratios

    @property
    def by_user(self) -> bool:
        """Whether users have ratios of their own."""
        return self in (ObjectiveKind.SUM_OF_RATIOS, ObjectiveKind.MAX_MIN)


class DelayKind(StrEnum):
    """What the delay T of the cost is of the users' delays."""

    LARGEST = "largest"
    MEAN = "mean"
    SUM = "sum"


class Sense(StrEnum):
    """Sense of an objective."""

    MAX = "max"
    MIN = "min"


class Aspect(StrEnum):
    """What an objective has that the printed one has not, as `supports` names it."""

    UTILITY = "objective utility"
    COST = "objective cost"
    SUM_OF_RATIOS = "objective sum-of-ratios"
    MAX_MIN = "objective max-min"
    MEAN = "mean delay in the cost"  # the mean of the users' delays, or their sum
    WEIGHTS = "user weights"
    SCORE = "other score function"
    NO_TIME = "no weight of delay"  # of the scenario: then the best delay may be unbounded


_OF_KIND = {
    ObjectiveKind.UTILITY: Aspect.UTILITY,
    ObjectiveKind.COST: Aspect.COST,
    ObjectiveKind.SUM_OF_RATIOS: Aspect.SUM_OF_RATIOS,
    ObjectiveKind.MAX_MIN: Aspect.MAX_MIN,
}

_KEYS = ("kind", "delay", "price", "user_weight", "score")


@dataclass(frozen=True)
class Objective:
    """An objective.

    Parameters
    ----------
    kind
        What is optimised.
    price
        Score that a unit of cost is worth, for ``utility`` alone, positive; else None.
    delay
        What T is; without meaning, and `LARGEST`, where users have ratios of their own.
    user_weight
        w_n, positive, N of them; None for one each.
    score
        Name of the score function g, see `formulations.score`.
    cost_weight
        How often user n counts in the cost of a ``utility``, at least zero, N of them; None for once each. Scenario
        files do not declare it: it is for linear forms of other objectives.

    Raises
    ------
    ScenarioError
        If something is not one for the kind.
    """

    kind: ObjectiveKind = ObjectiveKind.SCR
    price: float | None = None
    delay: DelayKind = DelayKind.LARGEST
    user_weight: tuple[float, ...] | None = None
    score: str = "log"
    cost_weight: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.kind is not ObjectiveKind.UTILITY:
            if self.price is not None:
                raise ScenarioError(
                    f"objective.price = {shown(self.price)}; expected none for kind {self.kind}, only for utility"
                )
            if self.cost_weight is not None:
                raise ScenarioError(f"objective.cost_weight is given; expected none for kind {self.kind}")
        elif self.price is None or not 0.0 < self.price < np.inf:
            raise ScenarioError(f"objective.price = {shown(self.price)}; expected a number > 0 for kind {self.kind}")
        if self.kind.by_user and self.delay is not DelayKind.LARGEST:
            raise ScenarioError(
                f"objective.delay = {str(self.delay)!r}; expected none for kind {self.kind}, whose users have their own"
            )

    @classmethod
    def read(cls, document: Any, n_users: int | None = None) -> Objective:
        """Return what a scenario declares; null is the printed problem.

        Parameters
        ----------
        document
            An object with any of the keys ``kind``, ``delay``, ``price``, ``user_weight`` (a number for all, or a
            list) and ``score``; or None, or an objective.
        n_users
            N, if user weights are to be checked against it.

        Raises
        ------
        ScenarioError
            If a key or a value is not known.
        """
        if document is None:
            return SCR
        if isinstance(document, cls):
            for weights in (document.user_weight, document.cost_weight):
                if weights is not None and n_users is not None and len(weights) != n_users:
                    raise ScenarioError(f"objective: {len(weights)} weights of users; expected {n_users}")
            return document
        if not isinstance(document, Mapping):
            raise ScenarioError(f"objective = {shown(document)}; expected an object or null")
        for key in document:
            if key not in _KEYS:
                raise ScenarioError(f"objective: unknown key {shown(key)}; expected only {', '.join(_KEYS)}")
        words = {
            key: _word(key, document.get(key), [str(one) for one in known])
            for key, known in (("kind", ObjectiveKind), ("delay", DelayKind), ("score", SCORES))
        }
        return cls(
            kind=ObjectiveKind(words["kind"] or ObjectiveKind.SCR),
            price=_price(document.get("price")),
            delay=DelayKind(words["delay"] or DelayKind.LARGEST),
            user_weight=_weights(document.get("user_weight"), n_users),
            score=words["score"] or "log",
        )

    def to_dict(self) -> dict[str, Any] | None:
        """Return the declaration for JSON, only what differs from the printed problem; None where nothing does.

        Raises
        ------
        ScenarioError
            If it cannot be declared.
        """
        if self.cost_weight is not None:
            raise ScenarioError("objective.cost_weight cannot be declared in a file; expected None")
        found: dict[str, Any] = {"kind": str(self.kind)}
        if self.delay is not DelayKind.LARGEST:
            found["delay"] = str(self.delay)
        if self.price is not None:
            found["price"] = self.price
        if self.user_weight is not None:
            found["user_weight"] = list(self.user_weight)
        if self.score != "log":
            found["score"] = self.score
        return None if found == {"kind": str(ObjectiveKind.SCR)} else found

    # -- what it is ----------------------------------------------------------------------------

    @property
    def aspects(self) -> frozenset[str]:
        """What differs from the printed objective, as `supports` names it."""
        found = {_OF_KIND[self.kind]} if self.kind in _OF_KIND else set()
        if self.delay is not DelayKind.LARGEST:
            found.add(Aspect.MEAN)
        if self.user_weight is not None or self.cost_weight is not None:
            found.add(Aspect.WEIGHTS)
        if self.score != "log":
            found.add(Aspect.SCORE)
        return frozenset(str(aspect) for aspect in found)

    @property
    def said(self) -> str:
        """The objective in words."""
        delay = {DelayKind.LARGEST: "delay", DelayKind.MEAN: "mean delay", DelayKind.SUM: "sum of delays"}[self.delay]
        cost = f"weight of delay x {delay} + weight of energy x energy"
        weighted = "weighted " if self.user_weight is not None else ""
        score = "score" if self.score == "log" else f"{self.score} score"
        return {
            ObjectiveKind.SCR: f"largest SCR = {weighted}{score} / ({cost})",
            ObjectiveKind.UTILITY: f"largest utility = {weighted}{score} - {self.price or 0.0:g} x ({cost})",
            ObjectiveKind.COST: f"least {weighted}cost = {cost}",
            ObjectiveKind.SUM_OF_RATIOS: f"largest sum of the users' ratios {weighted}{score} / ({cost})",
            ObjectiveKind.MAX_MIN: f"largest least of the users' ratios {weighted}{score} / ({cost})",
        }[self.kind]

    @property
    def sense(self) -> Sense:
        """Whether more is better."""
        return Sense.MIN if self.kind is ObjectiveKind.COST else Sense.MAX

    @property
    def worst(self) -> float:
        """The value of what is no allocation: zero for ratios, else infinitely bad."""
        if self.kind is ObjectiveKind.COST:
            return math.inf
        return -math.inf if self.kind is ObjectiveKind.UTILITY else 0.0

    def better(self, value: float, other: float) -> bool:
        """Return whether a value is better than another."""
        return value < other if self.sense is Sense.MIN else value > other

    @property
    def function(self) -> ScoreFunction:
        """The score function g."""
        return SCORES[self.score]

    def score_weights(self, n_users: int) -> Array:
        """Return what a unit of each user's score counts, shape (N,); nothing in a cost."""
        if self.kind is ObjectiveKind.COST:
            return np.zeros(n_users)
        return np.ones(n_users) if self.user_weight is None else np.array(self.user_weight)

    def cost_weights(self, n_users: int) -> Array:
        """Return how often each user counts in the cost, shape (N,)."""
        weights = self.user_weight if self.kind is ObjectiveKind.COST else self.cost_weight
        return np.ones(n_users) if weights is None else np.array(weights)

    def delay_weights(self, n_users: int) -> Array:
        """Return what each user's delay counts in T, shape (N,); zeros where T is the largest."""
        if self.delay is DelayKind.LARGEST:
            return np.zeros(n_users)
        weights = self.cost_weights(n_users)
        return weights / n_users if self.delay is DelayKind.MEAN else weights

    def total_delay(self, user_delay: Array) -> float:
        """Return T of the users' delays, s, shape (N,)."""
        if self.delay is DelayKind.LARGEST:
            return float(np.max(user_delay))
        return float(np.sum(self.delay_weights(len(user_delay)) * user_delay))

    @property
    def score_weight(self) -> float:
        """What a unit of the score counts in the parametric form."""
        return 0.0 if self.kind is ObjectiveKind.COST else 1.0

    @property
    def cost_price(self) -> float | None:
        """What a unit of cost counts in the parametric form; None where that is the ratio sought."""
        return 1.0 if self.kind is ObjectiveKind.COST else self.price

    # -- its value -----------------------------------------------------------------------------

    def value(self, score: float, cost: float) -> float:
        """Return the value at a total weighted score and a cost; the worst there is when that is no finite number.

        Raises
        ------
        ValueError
            If users have ratios of their own: see `value_by_user`.
        """
        if self.kind.by_user:
            raise ValueError(f"objective {self.kind} is a function of the users' ratios; expected value_by_user")
        if self.kind is not ObjectiveKind.SCR:
            found = cost if self.price is None else score - self.price * cost
            return float(found) if np.isfinite(found) else self.worst
        return float(_ratios(np.array([score]), np.array([cost]))[0])

    def value_by_user(self, user_score: Array, user_cost: Array) -> float:
        """Return the value at the users' scores and costs, shape (N,) each, where users have ratios of their own."""
        ratios = self.score_weights(len(user_score)) * _ratios(user_score, user_cost)
        found = float(ratios.min() if self.kind is ObjectiveKind.MAX_MIN else ratios.sum())
        return found if np.isfinite(found) else self.worst

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
        timed = weight_time * delay if weight_time > 0.0 else 0.0
        return np.asarray(timed + (weight_energy * energy if weight_energy > 0.0 else 0.0))


def _ratios(score: Array, cost: Array) -> Array:
    """Return score over cost, zero where one of them is no finite number or there is no cost."""
    good = np.isfinite(score) & np.isfinite(cost) & (cost > 0.0)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        found = np.where(good, score / np.where(good, cost, 1.0), 0.0)
    return np.where(np.isfinite(found), found, 0.0)


def _word(key: str, value: Any, known: list[str]) -> str | None:
    if value is None or (isinstance(value, str) and value in known):
        return value
    raise ScenarioError(f"objective.{key} = {shown(value)}; expected one of {', '.join(known)}")


def _price(value: Any) -> float | None:
    if value is None:
        return None
    number = read_numbers("objective.price", value, ScenarioError)
    if number.shape != () or not 0.0 < float(number) < np.inf:
        raise ScenarioError(f"objective.price = {shown(value)}; expected a number > 0")
    return float(number)


def _weights(value: Any, n_users: int | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    weights = read_numbers("objective.user_weight", value, ScenarioError)
    if weights.ndim > 1 or (weights.ndim == 0 and n_users is None):
        raise ScenarioError(f"objective.user_weight has shape {weights.shape}; expected (N,)")
    if n_users is not None and weights.shape not in ((), (n_users,)):
        raise ScenarioError(f"objective.user_weight has shape {weights.shape}; expected ({n_users},)")
    if not (np.isfinite(weights).all() and (weights > 0.0).all()):
        raise ScenarioError(f"objective.user_weight = {shown(value)}; expected numbers > 0")
    size = weights.size if n_users is None else n_users
    return tuple(np.broadcast_to(weights, (size,)).tolist())
