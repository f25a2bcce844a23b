"""Refutation of bounds of a study by verified allocations with a higher SCR."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["TOLERANCE", "highest", "is_refuted"]

#: How far, relative, a bound may lie below a verified SCR: allocations may break budgets by as much.
TOLERANCE = 1e-6


def is_refuted(bound: float | None, scr: float) -> bool:
    """Return whether a verified SCR lies above a bound by more than the tolerance."""
    return bound is not None and bound < scr * (1.0 - TOLERANCE)


def highest(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the highest verified SCR of every scenario that has one, by digest, from rows of a store."""
    found: dict[str, float] = {}
    for row in rows:
        if row["scr"] is not None:
            found[row["scenario"]] = max(found.get(row["scenario"], -math.inf), row["scr"])
    return found
