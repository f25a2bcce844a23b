"""What a value and a bound on it mean by the kind of objective: name, sense, order, refutation, and words for people.

Kinds are the texts of `ObjectiveKind`, as results and stores keep them. Where an objective is maximised a bound is an
upper one, the least says most, and a value above it refutes it; where it is minimised all of that is turned around.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from typing import Any, TypeVar

from formulations.objective import DelayKind, Objective, ObjectiveKind, Sense

__all__ = [
    "SCR",
    "SENSES",
    "best_of",
    "bound_claim",
    "bound_sentence",
    "bound_text",
    "improvement",
    "is_better",
    "is_refuted",
    "measure_of",
    "name_of",
    "sense_of",
    "side_of",
    "size_of",
    "standing",
    "tightest",
    "worse_by",
    "worst_of",
]

_Item = TypeVar("_Item")

#: The kind of the printed problem.
SCR = str(ObjectiveKind.SCR)

#: Kinds of objectives, and whether each is to be large ("max") or small ("min").
SENSES = {
    str(kind): str(Objective(kind, 1.0 if kind is ObjectiveKind.UTILITY else None).sense) for kind in ObjectiveKind
}

_NAMES = {
    ObjectiveKind.SCR: "SCR",
    ObjectiveKind.UTILITY: "utility",
    ObjectiveKind.COST: "cost",
    ObjectiveKind.SUM_OF_RATIOS: "sum of ratios",
    ObjectiveKind.MAX_MIN: "least ratio",
}


def name_of(kind: str) -> str:
    """Return what the value of an objective is called in tables, texts and pictures."""
    return _NAMES[ObjectiveKind(kind)]


def sense_of(kind: str) -> Sense:
    """Return whether an objective is maximised or minimised."""
    return Sense(SENSES[kind])


def _sign(kind: str) -> float:
    return -1.0 if sense_of(kind) is Sense.MIN else 1.0


def worst_of(kind: str) -> float:
    """Return the value of what is no allocation: zero for ratios, else infinitely bad."""
    return Objective(ObjectiveKind(kind), 1.0 if kind == ObjectiveKind.UTILITY else None).worst


def is_better(kind: str, value: float, other: float) -> bool:
    """Return whether a value is better than another."""
    return _sign(kind) * value > _sign(kind) * other


def improvement(kind: str, before: float, after: float) -> float:
    """Return by how much a value is better than one before, relative to that one; negative where it is worse.

    From what is no allocation (an infinite value, or a ratio of zero) to one it is infinite.
    """
    if before == after:
        return 0.0
    gain = _sign(kind) * (after - before)
    return math.copysign(math.inf, gain) if before == 0.0 or not math.isfinite(before) else gain / abs(before)


def worse_by(kind: str, value: float, part: float) -> float:
    """Return what is worse than a value by a part of it."""
    return value - _sign(kind) * part * abs(value)


def side_of(kind: str) -> str:
    """Return what a bound on an objective is: an upper bound, or a lower bound."""
    return "lower bound" if sense_of(kind) is Sense.MIN else "upper bound"


def bound_claim(kind: str, bound: float, digits: int = 9) -> str:
    """Return what a bound says in words, for instance "SCR <= 5.1"."""
    relation = ">=" if sense_of(kind) is Sense.MIN else "<="
    return f"{name_of(kind)} {relation} {bound:.{digits}g}"


def best_of(kind: str, values: Iterable[_Item], key: Callable[[_Item], Any] = lambda value: value) -> _Item | None:
    """Return the first of the best values, or None where there is none; `key` returns the number of an item."""
    return max(values, key=lambda item: _sign(kind) * key(item), default=None)


def bound_sentence(kind: str, bound: float) -> str:
    """Return what a bound says of every allocation, rounded so that it stays true."""
    name, beyond = name_of(kind), "below" if sense_of(kind) is Sense.MIN else "above"
    article = "an" if name == name_of(SCR) else "a"
    return f"no allocation has {article} {name} {beyond} {bound_text(bound, kind=kind)}"


def measure_of(objective: Objective) -> str:
    """Return in short what values of an objective are, which may be compared and averaged where this is the same."""
    said = [name_of(objective.kind)]
    if objective.price is not None:
        said[0] += f" at price {objective.price:g}"
    if objective.delay is not DelayKind.LARGEST:
        said.append({DelayKind.MEAN: "mean delay", DelayKind.SUM: "sum of delays"}[objective.delay])
    said += ["user weights"] if objective.user_weight is not None else []
    said += [f"{objective.score} score"] if objective.score != "log" else []
    return ", ".join(said)


def tightest(kind: str, bounds: Iterable[_Item], key: Callable[[_Item], Any] = lambda bound: bound) -> _Item | None:
    """Return the first of the bounds that say most, or None where there is none; `key` is as in `best_of`."""
    return min(bounds, key=lambda item: _sign(kind) * key(item), default=None)


def size_of(kind: str, value: float, score: float | None = None) -> float:
    """Return the size of the numbers that a value is made of, which its errors are relative to.

    Parameters
    ----------
    kind, value
        The objective and its value.
    score
        Total score, of which a utility takes the cost: the difference may be much smaller than either.
    """
    if kind != ObjectiveKind.UTILITY or score is None:
        return abs(value)
    return max(abs(value), abs(score), abs(score - value))


def is_refuted(
    kind: str, bound: float | None, value: float | None, tolerance: float, score: float | None = None
) -> bool:
    """Return whether a verified value is beyond a bound by more than a tolerance, relative to `size_of` it."""
    if bound is None or value is None:
        return False
    return _sign(kind) * bound < _sign(kind) * value - tolerance * size_of(kind, value, score)


def standing(kind: str, bound: float, value: float | None, tolerance: float = 0.0, score: float | None = None) -> float:
    """Return a bound as it stands beside a verified value that does not refute it by more than a tolerance.

    One that the value is within the tolerance beyond counts as the value. A utility may be beyond it by more than that
    of itself, since its parts are larger than their difference: then the bound is moved by the tolerance of these.
    """
    if value is None or _sign(kind) * bound >= _sign(kind) * value:
        return bound
    if not is_refuted(kind, bound, value, tolerance):
        return value
    moved = bound + _sign(kind) * tolerance * size_of(kind, value, score)
    return moved if _sign(kind) * moved >= _sign(kind) * value else value


def bound_text(bound: float | None, digits: int = 6, kind: str = SCR) -> str:
    """Return a bound as people see it: to so many digits, an upper one upwards, a lower one downwards.

    Parameters
    ----------
    bound
        The bound, or None.
    digits
        Significant digits.
    kind
        The objective.
    """
    if bound is None or not math.isfinite(bound):
        return "none" if bound is None else str(bound)
    rounding = ROUND_FLOOR if sense_of(kind) is Sense.MIN else ROUND_CEILING
    moved = float(Context(prec=digits, rounding=rounding).create_decimal(repr(float(bound))))
    return f"{moved:#.{digits}g}".rstrip(".")
