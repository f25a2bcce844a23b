"""Two variants against each other, paired over scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...objectives import improvement, is_better
from .cell_rows import CellRow
from .statistics import Interval, bootstrap_mean, wilson
from .study_data import StudyData

__all__ = ["TIE", "Pairing", "mean_value", "paired"]

#: Values that differ by less, relative, are the same.
TIE = 1e-6


@dataclass(frozen=True)
class Pairing:
    """Comparison of a variant with a reference.

    Parameters
    ----------
    wins, ties, losses
        Numbers of scenarios.
    share
        Wins among decided pairs, with an interval.
    difference
        Mean improvement on the reference, relative, where both have a value, with an interval.
    cells
        Positions of all cells that went in.
    """

    wins: int
    ties: int
    losses: int
    share: Interval
    difference: Interval
    cells: tuple[int, ...]

    @property
    def pairs(self) -> int:
        """The number of scenarios that both were run on."""
        return self.wins + self.ties + self.losses


def mean_value(cells: Sequence[CellRow]) -> float | None:
    """Return the mean value of repeats, or None if one of them failed."""
    values = [cell.value for cell in cells]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def by_scenario(data: StudyData, variant: str, where: str | None) -> dict[str, list[CellRow]]:
    """Return the cells of a variant that have ended, by scenario."""
    grouped: dict[str, list[CellRow]] = {}
    for cell in data.of_variant(variant, where):
        grouped.setdefault(cell.scenario, []).append(cell)
    return grouped


def paired(data: StudyData, variant: str, reference: str, where: str | None) -> Pairing:
    """Compare two variants on the scenarios of one group and size, or on all, that both were run on."""
    mine, other = by_scenario(data, variant, where), by_scenario(data, reference, where)
    wins = ties = losses = 0
    differences: list[float] = []
    cells: list[int] = []
    for scenario in mine:
        if scenario not in other:
            continue
        cells += [cell.position for cell in (*mine[scenario], *other[scenario])]
        a, b = mean_value(mine[scenario]), mean_value(other[scenario])
        kind = data.scenarios[scenario].objective
        if a is not None and b is not None and b != 0.0:
            differences.append(improvement(kind, b, a))
        if a == b or (a is not None and b is not None and abs(a - b) <= TIE * max(abs(a), abs(b))):
            ties += 1
        elif b is None or (a is not None and is_better(kind, a, b)):
            wins += 1
        else:
            losses += 1
    return Pairing(wins, ties, losses, wilson(wins, wins + losses), bootstrap_mean(differences), tuple(cells))
