"""A study as its report sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from formulations.objective import ObjectiveKind, Sense

from ...objectives import bound_claim, name_of, sense_of
from ..store import Store
from ..store_columns import About
from ..study_file import ReportSettings
from ..versions import OURS
from .cell_rows import CellRow, ScenarioRow, distinct
from .loading import cell_rows

__all__ = ["UNKNOWN", "Contradiction", "StudyData"]

#: Name of a version that was not recorded.
UNKNOWN = "unknown version"


@dataclass(frozen=True)
class Contradiction:
    """A bound that a verified allocation refutes.

    Parameters
    ----------
    scenario
        Digest of the scenario.
    text
        The contradiction in words.
    cells
        Positions of the cells.
    """

    scenario: str
    text: str
    cells: tuple[int, ...]


@dataclass(frozen=True)
class StudyData:
    """A study as its report sees it.

    Parameters
    ----------
    about
        Name, seed and source.
    settings
        Settings of the report.
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
        about, rows = store.about(), store.rows()
        return cls(
            about=about,
            settings=about.report,
            cells=cell_rows(store, rows),
            names={row["scenario"]: row["name"] for row in rows},
            environments=store.environments(),
        )

    @cached_property
    def variants(self) -> list[str]:
        """Names of the variants that are compared, in order."""
        return list(dict.fromkeys(cell.variant for cell in self.cells if cell.role == "compared"))

    @cached_property
    def restrictions(self) -> dict[str, str]:
        """The demands of variants on allocations beyond the scenario, by name, in order."""
        return {cell.variant: cell.restriction for cell in self.cells if cell.restriction}

    @cached_property
    def reference(self) -> str:
        """The variant that others are compared with."""
        asked = self.settings.reference
        return asked if asked in self.variants else next(iter(self.variants), "")

    @cached_property
    def scenarios(self) -> dict[str, ScenarioRow]:
        """The scenarios with what is known of them, by digest."""
        grouped: dict[str, list[CellRow]] = {}
        for cell in self.cells:
            grouped.setdefault(cell.scenario, []).append(cell)
        return {digest: ScenarioRow.of(digest, self.names.get(digest, ""), cells) for digest, cells in grouped.items()}

    @cached_property
    def places(self) -> list[str]:
        """Groups with sizes, in order."""
        return list(dict.fromkeys(cell.where for cell in self.cells))

    @cached_property
    def measures(self) -> list[str]:
        """What values of objectives are, in order; there are several where scenarios have different objectives."""
        return list(dict.fromkeys(cell.measure for cell in self.cells))

    @property
    def value_name(self) -> str:
        """What the value is called in heads and captions: by the objective, if all scenarios have the same."""
        kinds = {cell.objective for cell in self.cells}
        return name_of(kinds.pop()) if len(kinds) == 1 else "value"

    @property
    def falls(self) -> bool:
        """Whether all objectives are minimised."""
        return all(sense_of(cell.objective) is Sense.MIN for cell in self.cells)

    @property
    def has_ratios(self) -> bool:
        """Whether values are positive, so that ratios of them say something; utilities may have any sign."""
        return all(cell.objective != ObjectiveKind.UTILITY for cell in self.cells)

    def by_measure(self) -> list[StudyData]:
        """Return the study in parts whose values may be compared and averaged, see `measure_of`."""
        if len(self.measures) < 2:
            return [self]
        return [
            replace(self, cells=tuple(cell for cell in self.cells if cell.measure == measure))
            for measure in self.measures
        ]

    @cached_property
    def contradictions(self) -> list[Contradiction]:
        """Every bound that a verified allocation refutes, and what runs say of themselves."""
        found = []
        for known in self.scenarios.values():
            witness, kind = known.witness, known.objective
            value = None if witness is None else witness.verified
            for cell in known.cells:
                if witness is not None and value is not None and cell.bound is not None and known.refutes(cell):
                    beyond = "below" if sense_of(kind) is Sense.MIN else "above"
                    far = f", {abs(value / cell.bound - 1.0):.2e} {beyond}" if cell.bound > 0 else ""
                    text = (
                        f"{cell.variant} claims {bound_claim(kind, cell.bound)} ({cell.bound_source}), but "
                        f"{witness.variant} has a verified allocation with {name_of(kind)} {value:.9g}{far}"
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
