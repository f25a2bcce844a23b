"""Tasks of workers, and their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..backends import BackendError
from ..status import Claim, Status, Termination, in_two_words
from .plan import Cell
from .study_file import CellLimits
from .versions import foreign_modules

__all__ = ["SUMMARY", "Begun", "CellOutcome", "CellRecord", "CellTask", "Loaded", "Lost", "PoolError", "ending_of"]


class CellOutcome(StrEnum):
    """Outcome of a cell."""

    DONE = "done"  # the method returned a result; its status says more
    ERROR = "error"  # the method raised an error
    CRASH = "crash"  # the process died
    OVERDUE = "overdue"  # killed for being beyond its time limit
    MEMORY = "memory"  # out of memory


@dataclass(frozen=True)
class CellTask:
    """A cell as a worker sees it.

    Parameters
    ----------
    key, method, options, limits
        As in `Cell`.
    scenario
        SHA-256 of the scenario.
    document
        The scenario as compressed canonical JSON.
    modules
        Modules that have registered something by hand, to be imported first.
    """

    key: str
    method: str
    options: Mapping[str, Any]
    limits: CellLimits
    scenario: str
    document: bytes
    modules: tuple[str, ...] = ()

    @classmethod
    def of(cls, cell: Cell) -> CellTask:
        """Return the task of a cell."""
        return cls(
            key=cell.key,
            method=cell.variant.method.name,
            options=dict(cell.options),
            limits=cell.limits,
            scenario=cell.scenario.sha256,
            document=cell.scenario.document,
            modules=foreign_modules(),
        )


@dataclass(frozen=True)
class Loaded:
    """Message of a worker that has found the method of a task, with the code that it consists of, see `Codes`."""

    code: str


@dataclass(frozen=True)
class Begun:
    """Message of a worker that is warm: the clock of the cell starts."""


@dataclass(frozen=True)
class Lost:
    """A cell of which nothing is known: it was not run, or what came of it did not arrive. It is entered nowhere.

    Parameters
    ----------
    key, reason
        The cell, and what is known of the cause.
    final
        Whether others will not fare better, so that the run had better end.
    """

    key: str
    reason: str
    final: bool = False


class PoolError(BackendError):
    """The pool that runs cells is gone, or can run none."""


@dataclass(frozen=True)
class CellRecord:
    """Record of a cell that has ended; see `Result` for the fields of the same name.

    Parameters
    ----------
    key, outcome
        The cell, and its end.
    message
        The line that the method said, or what went wrong.
    summary
        Status and numbers of the result, empty without one.
    result
        The whole result with its trace as compressed JSON, or None.
    started
        Date and time, UTC.
    wall_time, cpu_time, cell_time, warm_time
        Seconds: of the method, of the processor meanwhile, of the cell in its worker, and of warming up before it.
    environment
        Machine and versions, as JSON.
    worker
        Process number.
    code
        Distributions and versions that the method consists of, as JSON, see `Codes`.
    """

    key: str
    outcome: CellOutcome
    message: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    result: bytes | None = None
    started: str = ""
    wall_time: float = 0.0
    cpu_time: float = 0.0
    cell_time: float = 0.0
    warm_time: float = 0.0
    environment: str = ""
    worker: str = ""
    code: str = ""


#: Numbers and texts of a result that the store keeps as columns.
SUMMARY = (
    "status", "scr", "score", "delay", "energy", "max_violation", "upper_bound", "bound_source", "iterations",
    "value", "bound",
)  # fmt: skip


def ending_of(outcome: str, status: str | None, scr: float | None) -> tuple[Termination, Claim]:
    """Return termination and claim of a cell that has ended, from columns of the store; an error without a result."""
    if outcome != CellOutcome.DONE or not status:
        return Termination.ERROR, Claim.UNKNOWN
    return in_two_words(Status(status), scr is not None)
