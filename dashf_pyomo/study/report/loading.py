"""From a store to the cells of a report: what their rows say, and what only their results do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...objectives import SCR, is_better
from ...result_data import RESTRICTION
from ..store import Store, StoreError
from .cell_rows import CellRow

__all__ = ["cell_rows", "climbs"]


def climbs(document: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    """Return seconds and value of every improvement of the allocation that a result kept in the end."""
    steps: list[tuple[float, float]] = []
    kind = document.get("objective", SCR)
    for entry in document["trace"]:
        best = entry.get("best")
        if best is not None and (not steps or is_better(kind, best, steps[-1][1])):
            steps.append((float(entry["time"]), float(best)))
    value = document["scr"] if kind == SCR else document["value"]
    if value is None:
        return ()
    # With accept=always the last iterate is kept, however bad: what was better before is lost.
    steps = [step for step in steps if not is_better(kind, step[1], value)]
    if not steps or is_better(kind, value, steps[-1][1]):
        steps.append((float(document["wall_time"]), float(value)))
    return tuple(steps)


@dataclass(frozen=True)
class _Told:
    """Facts from the whole result of a cell, beside the columns of the store."""

    scenario: str
    steps: tuple[tuple[float, float], ...]
    restriction: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> _Told:
        readings = document.get("readings", {})
        return cls(document.get("scenario_sha256", ""), climbs(document), str(readings.get(RESTRICTION, "")))


def cell_rows(store: Store, rows: Iterable[Mapping[str, Any]]) -> tuple[CellRow, ...]:
    """Return the planned cells of a store, from its rows and from the results that it holds."""
    told = {}
    for key, document in store.results():
        try:
            told[key] = _Told.of(document)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise StoreError(f"{store.path}: is damaged: result of cell {key}: expected a trace") from None
    rows = list(rows)
    mixed = len({row["measure"] for row in rows}) > 1
    return tuple(_cell(row, told.get(row["key"]), mixed) for row in rows)


def _cell(row: Mapping[str, Any], told: _Told | None, mixed: bool) -> CellRow:
    limits = json.loads(row["limits"] or "{}")
    if told is not None and told.scenario != row["scenario"]:
        said = f"CONTRADICTION: its result is of another scenario, {told.scenario[:16]}..., and counts nowhere"
        row = {**row, "message": said, "status": "error", "value": None, "bound": None, "bound_source": None}
    return CellRow(
        position=row["position"],
        key=row["key"],
        variant=row["variant"],
        role=row["role"],
        method=row["method"],
        repeat=row["repeat"],
        scenario=row["scenario"],
        group=row["group"],
        users=row["users"],
        servers=row["servers"],
        outcome=row["outcome"] or "missing",
        status=row["status"] or "",
        message=row["message"] or "",
        verified=row["value"],
        bound=row["bound"],
        bound_source=row["bound_source"],
        wall_time=row["wall_time"] or 0.0,
        time_limit=float(limits.get("time", 0.0)),
        steps=() if told is None else told.steps,
        environment=row["environment"] or "",
        code={name: str(version) for name, version in json.loads(row["code"] or "{}").items()},
        restriction="" if told is None else told.restriction,
        objective=row["objective"],
        score=row["score"],
        measure=row["measure"],
        mixed=mixed,
    )
