"""Running what is missing: cells go to workers, records come back to the one writer."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from ..backends import BackendError
from ..status import Termination
from .plan import Cell
from .store import Store
from .task import CellRecord, CellTask, Lost, PoolError, ending_of

__all__ = ["LostError", "Pool", "StudyProgress", "remaining_time", "run_cells"]

#: Seconds between reports of progress where nothing ends.
_TICK = 0.5
#: Seconds between reports of progress where much ends.
_BLINK = 0.1


class Pool(Protocol):
    """Pool of workers that run cells: `LocalPool`, `ClusterPool`."""

    @property
    def workers(self) -> int:
        """The number of tasks that can run at a time."""

    @property
    def capacity(self) -> int:
        """The number of tasks that may be handed out at a time."""

    @property
    def running(self) -> int:
        """The number of tasks that are handed out."""

    def submit(self, task: CellTask) -> None:
        """Hand out a task; `running` has to be below `capacity`."""

    def collect(self, timeout: float) -> list[CellRecord | Lost]:
        """Return what has ended or is lost, after at most `timeout` seconds if nothing has."""

    def close(self) -> None:
        """Stop all work."""


@dataclass(frozen=True)
class StudyProgress:
    """Progress of a run.

    Parameters
    ----------
    total, done, failed, running
        Cells of the study, cells that have ended (failed ones among them), cells without a usable result, cells that
        run now.
    seconds_left
        Estimate, or None before there is one.
    """

    total: int
    done: int
    failed: int
    running: int
    seconds_left: float | None


def remaining_time(waiting: dict[str, int], spent: dict[str, tuple[int, float]], workers: int) -> float | None:
    """Return seconds that cells will take, from what cells of the same kind took; None where that is not known.

    Parameters
    ----------
    waiting
        Number of cells by kind.
    spent
        Number of cells that have ended and their total seconds, by kind.
    workers
        Number of workers that run at a time.
    """
    total = 0.0
    for kind, count in waiting.items():
        ended, seconds = spent.get(kind, (0, 0.0))
        if count and not ended:
            return None
        if count:
            total += count * seconds / ended
    return total / max(workers, 1)


def kind_of(cell: Cell) -> str:
    """Return what decides how long a cell takes: the variant and the size."""
    return f"{cell.variant.name}/{cell.scenario.n_users}/{cell.scenario.n_servers}"


def is_failure(record: CellRecord) -> bool:
    """Return whether a record holds no result that counts: see `Store.failed`."""
    scr = record.summary.get("scr")
    termination, _ = ending_of(record.outcome, record.summary.get("status"), scr)
    return termination is Termination.ERROR or scr is None


class LostError(BackendError):
    """Cells were lost, or what runs them; see `Lost`.

    Parameters
    ----------
    reason
        The loss and its cause.
    kept
        A line on what is kept.
    """

    def __init__(self, reason: str, kept: str) -> None:
        super().__init__(f"{reason}; {kept}")
        self.reason = reason


def run_cells(
    cells: Sequence[Cell],
    total: int,
    failed: int,
    store: Store,
    pool: Pool,
    watch: Callable[[StudyProgress], None],
) -> int:
    """Run cells and enter each in the store as it ends; return how many failed.

    Parameters
    ----------
    cells
        Cells to run, each key once.
    total, failed
        Number of cells of the study, and of those among the others that have failed.
    store, pool
        Store of the records, and pool that runs the cells.
    watch
        Sees how far it is.

    Raises
    ------
    LostError
        If cells were lost, or what runs them: they are not in the store, all that has ended is.
    KeyboardInterrupt
        If the user interrupts; what had ended by then is in the store.
    """
    waiting: dict[str, int] = defaultdict(int)
    for cell in cells:
        waiting[kind_of(cell)] += 1
    spent: dict[str, tuple[int, float]] = {}
    out: dict[str, Cell] = {}
    queue = iter(cells)
    done, failures, shown = total - len(cells), 0, 0.0
    upcoming = next(queue, None)

    def tell() -> None:
        left = remaining_time(waiting, spent, pool.workers)
        watch(StudyProgress(total, done, failed + failures, min(len(out), pool.workers), left))

    lost: list[str] = []

    def give_up(reason: str) -> NoReturn:
        tell()
        kept = f"{done} of {total} cells have ended and are kept"
        raise LostError(reason, f"{kept}, the same command runs the others")

    try:
        while True:
            while upcoming is not None and pool.running < pool.capacity:
                out[upcoming.key] = upcoming
                pool.submit(CellTask.of(upcoming))
                upcoming = next(queue, None)
            if time.monotonic() - shown > _BLINK or not out:
                shown = time.monotonic()
                tell()
            if not out and lost:
                number = "1 cell was" if len(lost) == 1 else f"{len(lost)} cells were"
                give_up(f"{number} lost, {lost[0]}")
            if not out:
                return failures
            found = pool.collect(_TICK)
            records = [item for item in found if isinstance(item, CellRecord)]
            if records:
                store.add((out[record.key], record) for record in records)
            for record in records:
                cell = out.pop(record.key)
                kind = kind_of(cell)
                waiting[kind] -= 1
                ended, seconds = spent.get(kind, (0, 0.0))
                spent[kind] = (ended + 1, seconds + max(record.cell_time, record.wall_time))
                done += 1
                failures += is_failure(record)
            for item in found:
                if isinstance(item, Lost):
                    cell = out.pop(item.key)
                    waiting[kind_of(cell)] -= 1
                    scenario = cell.scenario.name or cell.scenario.sha256[:8]
                    lost.append(f"{cell.variant.name} on {scenario}: {item.reason}")
                    if item.final:
                        give_up(item.reason)
    except PoolError as error:
        give_up(str(error))
    except KeyboardInterrupt:
        tell()  # the last progress is shown after an interrupt too
        raise
