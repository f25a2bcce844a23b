"""Refutation of bounds of a study by verified allocations with a better value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import objectives

__all__ = ["TOLERANCE", "Witness", "is_refuted", "witnesses"]

#: How far, relative, a verified value may be beyond a bound: allocations may break budgets by as much.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Witness:
    """The best verified value of a scenario, with the score of its allocation."""

    value: float
    score: float | None


def is_refuted(kind: str, bound: float | None, witness: Witness | None) -> bool:
    """Return whether a verified value is beyond a bound on an objective by more than the tolerance."""
    if witness is None:  # no value is worse than this one
        return objectives.is_refuted(kind, bound, objectives.worst_of(kind), TOLERANCE)
    return objectives.is_refuted(kind, bound, witness.value, TOLERANCE, witness.score)


def witnesses(rows: Iterable[Mapping[str, Any]]) -> dict[str, Witness]:
    """Return the best verified value of every scenario that has one, by digest, from rows of a store."""
    found: dict[str, Witness] = {}
    for row in rows:
        known = found.get(row["scenario"])
        if row["value"] is not None and (
            known is None or objectives.is_better(row["objective"], row["value"], known.value)
        ):
            found[row["scenario"]] = Witness(row["value"], row["score"])
    return found
