"""Cells and scenarios as a report sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...result_data import relaxation_of
from ...status import Claim, Termination
from ..refutation import is_refuted
from ..task import ending_of

__all__ = ["CellRow", "ScenarioRow", "distinct"]


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
        SCR found and bound proved (None without), seconds, and seconds that it was given.
    steps
        Seconds and SCR of every improvement, in order.
    environment
        Digest of machine and versions, empty where the process died.
    code
        Version of every distribution that the method consisted of, empty where it was not recorded.
    restriction
        Demand of the method on the allocation beyond the scenario, empty if there is none.
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
        return self.ended and (self.scr is None or self._ending[0] is Termination.ERROR)

    @property
    def claim(self) -> Claim:
        """The claim on its allocation."""
        return self._ending[1]

    @property
    def _ending(self) -> tuple[Termination, Claim]:
        return ending_of(self.outcome, self.status, self.scr)

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
class ScenarioRow:
    """Scenario of a report, with its best SCR and its bound.

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

    @classmethod
    def of(cls, digest: str, name: str, cells: Sequence[CellRow]) -> ScenarioRow:
        """Return what cells, in order, say of their scenario."""
        places = tuple(dict.fromkeys(cell.where for cell in cells))
        cells = distinct(cells)
        best = max((cell for cell in cells if cell.value is not None), key=lambda cell: cell.value or 0.0, default=None)
        witness = max((cell for cell in cells if cell.scr is not None), key=lambda cell: cell.scr or 0.0, default=None)
        scr = 0.0 if witness is None or witness.scr is None else witness.scr
        standing = [cell for cell in cells if cell.upper_bound is not None and not is_refuted(cell.upper_bound, scr)]
        bound = min(standing, key=lambda cell: cell.upper_bound or 0.0, default=None)
        return cls(digest, name, places[0], best, bound, tuple(cells), places, witness)

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
        """Return whether a cell has proved its own SCR to be best, by a bound that stands."""
        highest = 0.0 if self.witness is None else self.witness.scr or 0.0
        return cell.claim is Claim.CERTIFIED and not is_refuted(cell.upper_bound, highest)

    def gap(self, cell: CellRow) -> float | None:
        """Return how far a cell is below the bound, relative, or None where one is missing."""
        bound, value = self.upper_bound, cell.value
        return None if bound is None or value is None or bound <= 0 else (bound - value) / bound


def distinct(cells: Iterable[CellRow]) -> list[CellRow]:
    """Return the first of all cells that are the same run of the same variant."""
    found: dict[tuple[str, str], CellRow] = {}
    for cell in cells:
        found.setdefault((cell.variant, cell.key), cell)
    return list(found.values())
