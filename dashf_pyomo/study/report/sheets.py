"""Pages of single scenarios: what each method made of it, and pictures of the allocations."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...objectives import bound_text, name_of, side_of
from ...pictures import draw_comparison, draw_result
from ...pictures.isolation import Attempts
from ...result import Result
from ..store import Store
from .cell_rows import CellRow, ScenarioRow
from .study_data import StudyData
from .table import Number, ReportTable

__all__ = ["Sheet", "sheets"]


@dataclass(frozen=True)
class Sheet:
    """A scenario.

    Parameters
    ----------
    title
        Its name and what is known of its optimum.
    table
        Result of each method.
    pictures
        PNG by name.
    """

    title: str
    table: ReportTable
    pictures: dict[str, bytes]


def sheets(data: StudyData, store: Store, attempts: Attempts) -> Iterator[Sheet]:
    """Yield the scenarios that are shown in full, as many as the description says."""
    for number, known in enumerate(_chosen(data)[: data.settings.scenario_pages]):
        shown = _pictured(data, known)
        scenario = store.scenario(known.sha256)
        results: dict[str, Result] = {}
        for cell in shown:
            result = store.result(cell.key)
            if result is not None:
                results[cell.variant] = result
        if not results:
            continue
        pictures: dict[str, bytes] = {}
        with tempfile.TemporaryDirectory(prefix="dashf-report-") as folder:
            place = Path(folder, "picture.png")
            with attempts.at(f"comparison on {known.name or known.sha256[:8]}"):
                draw_comparison(scenario, list(results.values()), place, list(results))
                pictures["comparison"] = place.read_bytes()
            # The reference, and the best known allocation where another method found it.
            for variant in dict.fromkeys([data.reference, known.best.variant if known.best else data.reference]):
                if variant in results:
                    with attempts.at(f"result of {variant} on {known.name or known.sha256[:8]}"):
                        draw_result(scenario, results[variant], place)
                        pictures[variant] = place.read_bytes()
        yield Sheet(_title(known), _table(data, known, number), pictures)


def _chosen(data: StudyData) -> list[ScenarioRow]:
    contradicted = {found.scenario for found in data.contradictions}

    def gap_of_reference(known: ScenarioRow) -> float:
        gaps = [gap for cell in known.cells if cell.variant == data.reference and (gap := known.gap(cell)) is not None]
        return max(gaps, default=-1.0)

    ended = [known for known in data.scenarios.values() if any(cell.ended for cell in known.cells)]
    return sorted(ended, key=lambda known: (known.sha256 not in contradicted, -gap_of_reference(known)))


def _pictured(data: StudyData, known: ScenarioRow) -> list[CellRow]:
    """Return one cell of every variant, the first that has a result; attribution only where it is the best known."""
    found: dict[str, CellRow] = {}
    for cell in known.cells:
        if cell.outcome == "done" and (cell.role == "compared" or cell is known.best):
            found.setdefault(cell.variant, cell)
    return list(found.values())


def _title(known: ScenarioRow) -> str:
    kind = known.objective
    reached = f"best {name_of(kind)} {known.best_value:.6g}"
    best = "no allocation known" if known.best is None else f"{reached} ({known.best.variant})"
    proven = f"bound {bound_text(known.bound_value, kind=kind)}"
    bound = "no bound" if known.bound is None else f"{proven} ({known.bound.variant})"
    bound += f" of {known.bound_of}" if known.bound_of else ""
    name = known.name or known.sha256[:8]
    where = known.where.removeprefix(f"{name}, ")  # a group may be called after its one scenario
    return f"{name}, {where}: {best}, {bound}"


def _table(data: StudyData, known: ScenarioRow, number: int) -> ReportTable:
    table = ReportTable(
        f"scenario-{number}",
        f"Methods on {known.name or known.sha256[:8]}",
        f"Scenario {known.sha256}.",
        (
            "method", "repeat", name_of(known.objective), side_of(known.objective), "gap", "time (s)", "outcome",
            "ended",
            *(["keeps also"] if data.restrictions else []),
        ),
    )  # fmt: skip
    for cell in known.cells:
        if cell.ended:
            outcome = cell.status if cell.outcome == "done" else cell.outcome
            table.add(
                (cell.variant, cell.repeat, Number.of(cell.verified, ".6g"), Number.bound(cell.bound, known.objective),
                 Number.percent(known.gap(cell)), Number.of(cell.wall_time, ".3g"), outcome, cell.message[:200],
                 *([cell.restriction] if data.restrictions else [])),
                [cell.position],
            )  # fmt: skip
    return table
