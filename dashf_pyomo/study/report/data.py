"""What a report is made of: the cells that have ended, and per scenario what is known of its optimum."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ...result import RESTRICTION, relaxation_of
from ..bounds import is_refuted
from ..store import Store, StoreError
from ..store_columns import About
from ..study_file import ReportSettings
from ..versions import OURS

__all__ = ["UNKNOWN", "CellRow", "Contradiction", "ScenarioRow", "StudyData", "climbs", "distinct"]

#: How a version is called that nobody has recorded.
UNKNOWN = "unknown version"


@dataclass(frozen=True)
class CellRow:
    """A cell of the plan.

    Parameters
    ----------
    position, key, variant, role, method, repeat
        As in the store.
    scenario, group, users, servers
        The scenario's digest, its group in the description, and its size.
    outcome, status, message
        As in the store; outcome ``missing`` where it has not ended.
    scr, upper_bound, bound_source, wall_time, time_limit
        What it found and proved (None without), seconds, and seconds that it was given.
    steps
        Seconds and SCR of every improvement, in order.
    environment
        Digest of machine and versions, empty where the process died.
    code
        Version of every distribution that the method consisted of, empty where nobody has recorded it.
    restriction
        What the method demanded of the allocation beyond the scenario, empty if nothing.
    """

    position: int
    key: str
    variant: str
    role: str
    method: str
    repeat: int
    scenario: str
    group: str
    users: int
    servers: int
    outcome: str
    status: str
    message: str
    scr: float | None
    upper_bound: float | None
    bound_source: str | None
    wall_time: float
    time_limit: float
    steps: tuple[tuple[float, float], ...] = ()
    environment: str = ""
    code: Mapping[str, str] = field(default_factory=dict)
    restriction: str = ""

    @property
    def ended(self) -> bool:
        """Whether it was run."""
        return self.outcome != "missing"

    @property
    def failed(self) -> bool:
        """Whether it ended without a result that counts: no allocation, an error, a dead process."""
        return self.ended and (self.outcome != "done" or self.status == "error" or self.scr is None)

    @property
    def value(self) -> float | None:
        """SCR, or None where the cell failed or is missing."""
        return None if self.failed or not self.ended else self.scr

    @property
    def where(self) -> str:
        """Group and size, as tables call them."""
        return f"{self.group}, {self.users} x {self.servers}"

    def time_to(self, target: float) -> float:
        """Return the seconds after which the SCR was at least `target`, infinite if it never was or the cell failed."""
        if self.failed:
            return float("inf")
        return next((seconds for seconds, scr in self.steps if scr >= target), float("inf"))


@dataclass(frozen=True)
class Contradiction:
    """A bound that a verified allocation refutes.

    Parameters
    ----------
    scenario
        Digest of the scenario.
    text
        What contradicts what.
    cells
        Positions of the cells.
    """

    scenario: str
    text: str
    cells: tuple[int, ...]


@dataclass(frozen=True)
class ScenarioRow:
    """What is known of a scenario.

    Parameters
    ----------
    sha256, name, where
        Digest, name, group and size.
    best
        The cell with the best SCR that counts, or None.
    bound
        The cell with the least upper bound that no allocation refutes, or None.
    cells
        All its cells, each once, in however many groups the scenario is.
    places
        All its groups, with the size.
    witness
        The cell whose allocation has the highest SCR, or None: what refutes bounds, even where the cell has failed.
    """

    sha256: str
    name: str
    where: str
    best: CellRow | None
    bound: CellRow | None
    cells: tuple[CellRow, ...]
    places: tuple[str, ...] = ()
    witness: CellRow | None = None

    @property
    def best_scr(self) -> float | None:
        """The best SCR known."""
        return None if self.best is None else self.best.scr

    @property
    def upper_bound(self) -> float | None:
        """The least bound that stands; where it lies within the tolerance below the best SCR, it counts as that."""
        if self.bound is None or self.bound.upper_bound is None:
            return None
        return max(self.bound.upper_bound, self.best_scr or 0.0)

    @property
    def bound_of(self) -> str:
        """The relaxation of the scenario that the bound was proven for, empty where it is the scenario itself."""
        return relaxation_of(None if self.bound is None else self.bound.bound_source)

    def certified(self, cell: CellRow) -> bool:
        """Whether a cell has proved its own SCR to be best, by a bound that stands."""
        highest = 0.0 if self.witness is None else self.witness.scr or 0.0
        return cell.status == "certified" and not is_refuted(cell.upper_bound, highest)

    def gap(self, cell: CellRow) -> float | None:
        """Return how far a cell is below the bound, relative, or None where one is missing."""
        bound, value = self.upper_bound, cell.value
        return None if bound is None or value is None or bound <= 0 else (bound - value) / bound


@dataclass(frozen=True)
class StudyData:
    """A study as its report sees it.

    Parameters
    ----------
    about
        Name, seed and source.
    settings
        What the description says of the report.
    cells
        All planned cells in order.
    names
        Names of scenarios by digest.
    environments
        Machines and versions.
    """

    about: About
    settings: ReportSettings
    cells: tuple[CellRow, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    environments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store) -> StudyData:
        """Read a store."""
        about = store.about()
        told = {}
        for key, document in store.results():
            try:
                told[key] = _Told.of(document)
            except (AttributeError, KeyError, TypeError, ValueError):
                raise StoreError(f"{store.path}: is damaged: result of cell {key}: expected a trace") from None
        rows = store.rows()
        return cls(
            about=about,
            settings=about.report,
            cells=tuple(_cell(row, told.get(row["key"])) for row in rows),
            names={row["scenario"]: row["name"] for row in rows},
            environments=store.environments(),
        )

    @cached_property
    def variants(self) -> list[str]:
        """Names of the variants that are compared, in order."""
        return list(dict.fromkeys(cell.variant for cell in self.cells if cell.role == "compared"))

    @cached_property
    def restrictions(self) -> dict[str, str]:
        """What variants demand of allocations beyond the scenario, by name, in order."""
        return {cell.variant: cell.restriction for cell in self.cells if cell.restriction}

    @cached_property
    def reference(self) -> str:
        """The variant that others are compared with."""
        asked = self.settings.reference
        return asked if asked in self.variants else next(iter(self.variants), "")

    @cached_property
    def scenarios(self) -> dict[str, ScenarioRow]:
        """What is known of every scenario, by digest."""
        grouped: dict[str, list[CellRow]] = {}
        for cell in self.cells:
            grouped.setdefault(cell.scenario, []).append(cell)
        return {digest: _known(digest, self.names.get(digest, ""), cells) for digest, cells in grouped.items()}

    @cached_property
    def places(self) -> list[str]:
        """Groups with sizes, in order."""
        return list(dict.fromkeys(cell.where for cell in self.cells))

    @cached_property
    def contradictions(self) -> list[Contradiction]:
        """Every bound that a verified allocation refutes, and what runs say of themselves."""
        found = []
        for known in self.scenarios.values():
            witness = known.witness
            for cell in known.cells:
                if (
                    witness is not None
                    and witness.scr is not None
                    and cell.upper_bound is not None
                    and is_refuted(cell.upper_bound, witness.scr)
                ):
                    bound, scr = cell.upper_bound, witness.scr
                    above = f", {scr / bound - 1.0:.2e} above" if bound > 0 else ""
                    text = (
                        f"{cell.variant} claims SCR <= {bound:.9g} ({cell.bound_source}), but {witness.variant} has a "
                        f"verified allocation with SCR {scr:.9g}{above}"
                    )
                    found.append(Contradiction(known.sha256, text, (cell.position, witness.position)))
                if cell.message.startswith("CONTRADICTION"):
                    found.append(Contradiction(known.sha256, f"{cell.variant}: {cell.message}", (cell.position,)))
        return found

    @cached_property
    def versions(self) -> dict[str, dict[str, list[CellRow]]]:
        """The cells that have ended by distribution and its version; those of which none is known count as ours."""
        found: dict[str, dict[str, list[CellRow]]] = {}
        for cell in self.distinct:
            for name, version in (cell.code or {OURS: UNKNOWN}).items() if cell.ended else ():
                found.setdefault(name, {}).setdefault(version, []).append(cell)
        return found

    @property
    def mixed_versions(self) -> dict[str, dict[str, list[CellRow]]]:
        """The distributions of which the cells were run by different versions."""
        return {name: known for name, known in self.versions.items() if len(known) > 1}

    def of_variant(self, variant: str, where: str | None = None) -> list[CellRow]:
        """Return the cells of a variant that have ended, of one group and size or of all.

        A scenario that is in several groups has its cells in each of them; among all they count once.
        """
        cells = self._by_variant.get(variant, [])
        return distinct(cells if where is None else [cell for cell in cells if cell.where == where])

    @cached_property
    def distinct(self) -> list[CellRow]:
        """The cells in order, those of a scenario that is in several groups once."""
        return distinct(self.cells)

    @cached_property
    def _by_variant(self) -> dict[str, list[CellRow]]:
        grouped: dict[str, list[CellRow]] = {}
        for cell in self.cells:
            if cell.ended:
                grouped.setdefault(cell.variant, []).append(cell)
        return grouped

    def gaps(self, cells: Iterable[CellRow]) -> list[float]:
        """Return the gaps that are known of some cells."""
        known = (self.scenarios[cell.scenario].gap(cell) for cell in cells)
        return [gap for gap in known if gap is not None]


def distinct(cells: Iterable[CellRow]) -> list[CellRow]:
    """Return the first of all cells that are the same run of the same variant."""
    found: dict[tuple[str, str], CellRow] = {}
    for cell in cells:
        found.setdefault((cell.variant, cell.key), cell)
    return list(found.values())


def climbs(document: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    """Return seconds and SCR of every improvement of the allocation that a result kept in the end."""
    steps: list[tuple[float, float]] = []
    for entry in document["trace"]:
        best = entry.get("best")
        if best is not None and (not steps or best > steps[-1][1]):
            steps.append((float(entry["time"]), float(best)))
    scr = document["scr"]
    if scr is None:
        return ()
    # With accept=always the last iterate is kept, however bad: what was better before is lost.
    steps = [step for step in steps if step[1] <= scr]
    if not steps or steps[-1][1] < scr:
        steps.append((float(document["wall_time"]), float(scr)))
    return tuple(steps)


@dataclass(frozen=True)
class _Told:
    """What the whole result of a cell says beside the columns of the store."""

    scenario: str
    steps: tuple[tuple[float, float], ...]
    restriction: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> _Told:
        readings = document.get("readings", {})
        return cls(document.get("scenario_sha256", ""), climbs(document), str(readings.get(RESTRICTION, "")))


def _cell(row: Mapping[str, Any], told: _Told | None) -> CellRow:
    limits = json.loads(row["limits"] or "{}")
    if told is not None and told.scenario != row["scenario"]:
        said = f"CONTRADICTION: its result is of another scenario, {told.scenario[:16]}..., and counts nowhere"
        row = {**row, "message": said, "status": "error", "scr": None, "upper_bound": None, "bound_source": None}
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
        scr=row["scr"],
        upper_bound=row["upper_bound"],
        bound_source=row["bound_source"],
        wall_time=row["wall_time"] or 0.0,
        time_limit=float(limits.get("time", 0.0)),
        steps=() if told is None else told.steps,
        environment=row["environment"] or "",
        code={name: str(version) for name, version in json.loads(row["code"] or "{}").items()},
        restriction="" if told is None else told.restriction,
    )


def _known(digest: str, name: str, cells: Sequence[CellRow]) -> ScenarioRow:
    places = tuple(dict.fromkeys(cell.where for cell in cells))
    cells = distinct(cells)
    best = max((cell for cell in cells if cell.value is not None), key=lambda cell: cell.value or 0.0, default=None)
    witness = max((cell for cell in cells if cell.scr is not None), key=lambda cell: cell.scr or 0.0, default=None)
    scr = 0.0 if witness is None or witness.scr is None else witness.scr
    standing = [cell for cell in cells if cell.upper_bound is not None and not is_refuted(cell.upper_bound, scr)]
    bound = min(standing, key=lambda cell: cell.upper_bound or 0.0, default=None)
    return ScenarioRow(digest, name, places[0], best, bound, tuple(cells), places, witness)
