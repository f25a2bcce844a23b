"""Cells and scenarios as a report sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ...objectives import SCR, best_of, is_better, name_of, standing, tightest
from ...result_data import relative_gap, relaxation_of
from ...status import Claim, Termination
from ..refutation import TOLERANCE, Witness, is_refuted
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
    objective, verified, score, bound, bound_source, wall_time, time_limit
        The kind of the objective, its value and the score of what was found, the bound proved (None without), seconds,
        and seconds that it was given.
    steps
        Seconds and value of every improvement, in order.
    environment
        Digest of machine and versions, empty where the process died.
    code
        Version of every distribution that the method consisted of, empty where it was not recorded.
    restriction
        Demand of the method on the allocation beyond the scenario, empty if there is none.
    measure, mixed
        What its values are, see `measure_of`, and whether the study has others too.
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
    verified: float | None
    bound: float | None
    bound_source: str | None
    wall_time: float
    time_limit: float
    steps: tuple[tuple[float, float], ...] = ()
    environment: str = ""
    code: Mapping[str, str] = field(default_factory=dict)
    restriction: str = ""
    objective: str = SCR
    score: float | None = None
    measure: str = name_of(SCR)
    mixed: bool = False

    @property
    def ended(self) -> bool:
        """Whether it was run."""
        return self.outcome != "missing"

    @property
    def failed(self) -> bool:
        """Whether it ended without a result that counts: no allocation, an error, a dead process."""
        return self.ended and (self.verified is None or self._ending[0] is Termination.ERROR)

    @property
    def claim(self) -> Claim:
        """The claim on its allocation."""
        return self._ending[1]

    @property
    def _ending(self) -> tuple[Termination, Claim]:
        return ending_of(self.outcome, self.status, self.verified)

    @property
    def value(self) -> float | None:
        """Value of the objective, or None where the cell failed or is missing."""
        return None if self.failed or not self.ended else self.verified

    @property
    def where(self) -> str:
        """Group and size, as tables call them, and what values are where the study has different ones."""
        return f"{self.group}, {self.users} x {self.servers}" + (f", {self.measure}" if self.mixed else "")

    def time_to(self, target: float) -> float:
        """Return the seconds until the value was as good as `target`, infinite if it never was or the cell failed."""
        if self.failed:
            return float("inf")
        reached = (seconds for seconds, value in self.steps if not is_better(self.objective, target, value))
        return next(reached, float("inf"))


@dataclass(frozen=True)
class ScenarioRow:
    """Scenario of a report, with its best value and its bound.

    Parameters
    ----------
    sha256, name, where
        Digest, name, group and size.
    best
        The cell with the best value that counts, or None.
    bound
        The cell with the best bound that no allocation refutes, or None.
    cells
        All its cells, each once, in however many groups the scenario is.
    places
        All its groups, with the size.
    witness
        The cell whose allocation has the best value, or None: what refutes bounds, even where the cell has failed.
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
        kind = cells[0].objective
        best = best_of(kind, (cell for cell in cells if cell.value is not None), lambda cell: cell.value)
        witness = best_of(kind, (cell for cell in cells if cell.verified is not None), lambda cell: cell.verified)
        known = _witness(witness)
        proved = [cell for cell in cells if cell.bound is not None and not is_refuted(kind, cell.bound, known)]
        bound = tightest(kind, proved, lambda cell: cell.bound)
        return cls(digest, name, places[0], best, bound, tuple(cells), places, witness)

    @property
    def objective(self) -> str:
        """The kind of its objective."""
        return self.cells[0].objective

    @property
    def best_value(self) -> float | None:
        """The best value known."""
        return None if self.best is None else self.best.verified

    @property
    def bound_value(self) -> float | None:
        """The bound that stands; where the best value is within the tolerance beyond it, see `standing`."""
        if self.bound is None or self.bound.bound is None:
            return None
        score = None if self.best is None else self.best.score
        return standing(self.objective, self.bound.bound, self.best_value, TOLERANCE, score)

    def refutes(self, cell: CellRow) -> bool:
        """Return whether an allocation refutes the bound of a cell."""
        return is_refuted(self.objective, cell.bound, _witness(self.witness))

    @property
    def bound_of(self) -> str:
        """The relaxation of the scenario that the bound was proven for, empty where it is the scenario itself."""
        return relaxation_of(None if self.bound is None else self.bound.bound_source)

    def certified(self, cell: CellRow) -> bool:
        """Return whether a cell has proved its own value to be best, by a bound that stands."""
        return cell.claim is Claim.CERTIFIED and not self.refutes(cell)

    def gap(self, cell: CellRow) -> float | None:
        """Return how far a cell is from the bound, relative, or None where one is missing."""
        return relative_gap(cell.value, self.bound_value)


def _witness(cell: CellRow | None) -> Witness | None:
    return None if cell is None or cell.verified is None else Witness(cell.verified, cell.score)


def distinct(cells: Iterable[CellRow]) -> list[CellRow]:
    """Return the first of all cells that are the same run of the same variant."""
    found: dict[tuple[str, str], CellRow] = {}
    for cell in cells:
        found.setdefault((cell.variant, cell.key), cell)
    return list(found.values())
