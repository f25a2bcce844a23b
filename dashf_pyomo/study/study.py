"""`Study`: many scenarios, many methods, from one description."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from formulations import InputError, Scenario
from formulations.arrays import shown

from ..cores import available_cores
from .description import Description, read_description
from .importable import refuse_what_workers_lack
from .plan import Cell, cells_of
from .run import StudyProgress, kind_of, remaining_time, run_cells
from .store import FILE, Store
from .versions import Codes

if TYPE_CHECKING:
    import pandas

__all__ = ["Outlook", "Study", "Summary"]


@dataclass(frozen=True)
class Summary:
    """Summary of a run.

    Parameters
    ----------
    total, ran, failed
        Cells of the study, cells that this run ran, and all cells of the study that have failed.
    stale
        Cells of the study that were run by other code than their methods consist of now, or by unknown code.
    """

    total: int
    ran: int
    failed: int
    stale: int = 0


@dataclass(frozen=True)
class Outlook:
    """Cells that a run would run, and the time that they would take.

    Parameters
    ----------
    scenarios, variants, cells
        Numbers.
    missing
        Number of cells that are not in the store, or are to be run again, by variant.
    failed, stale
        Numbers of cells in the store that have failed, and that were run by other code than their methods consist of
        now, or by unknown code; they are run again only when asked for.
    seconds
        Estimate of the time that is left on so many workers, from cells of the same kind; None where nothing is known.
    most_seconds
        Most seconds that the limits allow.
    workers
        Number of workers.
    """

    scenarios: int
    variants: int
    cells: int
    missing: Mapping[str, int]
    failed: int
    seconds: float | None
    most_seconds: float
    workers: int
    stale: int = 0


class Study:
    """Many scenarios solved by many methods, kept in a folder.

    >>> from formulations import Scenario
    >>> study = Study(
    ...     scenarios=[{"users": 4, "servers": 2, "seeds": "0..9"}, Scenario.random(3, 2, seed=7)],
    ...     methods=["nearest", {"method": "dashf", "name": "dashf, hull", "options": {"association": "hull"}}],
    ...     folder="out/study",
    ... )
    >>> study.outlook().cells
    22

    Parameters
    ----------
    scenarios
        Scenarios, or the tables ``[[scenarios]]`` of a description as mappings.
    methods
        Names of methods, or the tables ``[[methods]]`` as mappings.
    folder
        Folder of the store and the report; made if it is missing.
    **keys
        Other keys of a description: ``name``, ``seed``, ``repeats``, ``limits``, ``report``.

    Raises
    ------
    InputError
        If anything is wrong; the message says the key.
    """

    def __init__(
        self,
        scenarios: Iterable[Scenario | Mapping[str, Any]],
        methods: Iterable[str | Mapping[str, Any]],
        folder: str | os.PathLike[str],
        **keys: Any,
    ) -> None:
        entries = [
            {"given": entry} if isinstance(entry, Scenario) else entry for entry in _several("scenarios", scenarios)
        ]
        variants = [{"method": entry} if isinstance(entry, str) else entry for entry in _several("methods", methods)]
        self._fill(read_description({"scenarios": entries, "methods": variants, **keys}), folder)

    @classmethod
    def read(cls, path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> Study:
        """Read a study from a TOML file, see ``dashf study init``; the folder is where its store is, or is to be.

        Raises
        ------
        InputError
            If anything is wrong; the message says the file, the section and the key.
        """
        study = cls.__new__(cls)
        study._fill(read_description(path), folder)
        return study

    def _fill(self, description: Description, folder: str | os.PathLike[str]) -> None:
        self.description = description
        try:
            self.folder = Path(folder)
        except TypeError:
            raise InputError(f"folder = {shown(folder)}; expected the name of a folder") from None
        #: All cells in order; scenarios or variants that are the same share theirs.
        self.plan: tuple[Cell, ...] = tuple(cells_of(description))
        self._unique: dict[str, Cell] = {cell.key: cell for cell in self.plan}

    def outlook(self, workers: int | None = None) -> Outlook:
        """Return what a run would do."""
        workers = _workers(workers)
        ended: dict[str, str] = {}
        spent: dict[str, tuple[int, float]] = {}
        failed, stale = 0, 0
        if (self.folder / FILE).exists():
            with Store(self.folder) as store:
                again = store.again()
                ended = {key: outcome for key, outcome in store.outcomes().items() if key not in again}
                failed = len(store.failed() & self._unique.keys())
                stale = len(self._stale(store))
                for row in store.rows():
                    if row["outcome"] is not None:
                        kind = f"{row['variant']}/{row['users']}/{row['servers']}"
                        count, seconds = spent.get(kind, (0, 0.0))
                        spent[kind] = (count + 1, seconds + max(row["cell_time"], row["wall_time"]))
        missing: dict[str, int] = {variant.name: 0 for variant in self.description.variants}
        kinds: dict[str, int] = {}
        most = longest = 0.0
        for key, cell in self._unique.items():
            if key not in ended:
                missing[cell.variant.name] += 1
                kinds[kind_of(cell)] = kinds.get(kind_of(cell), 0) + 1
                most += cell.limits.time + cell.limits.grace
                longest = max(longest, cell.limits.time + cell.limits.grace)
        return Outlook(
            scenarios=len(self.description.scenarios),
            variants=len(self.description.variants),
            cells=len(self._unique),
            missing=missing,
            failed=failed,
            seconds=remaining_time(kinds, spent, min(workers, sum(kinds.values()))),
            most_seconds=max(most / max(min(workers, sum(kinds.values())), 1), longest),
            workers=workers,
            stale=stale,
        )

    def _stale(self, store: Store) -> set[str]:
        """Return the cells that were run by other code than their methods consist of now, or by unknown code."""
        now, recorded = Codes(), store.codes()
        today = {variant.name: now.of(variant.method) for variant in self.description.variants}
        return {
            key for key, cell in self._unique.items() if key in recorded and recorded[key] != today[cell.variant.name]
        }

    def _chosen(self, wanted: Iterable[str], store: Store) -> set[str]:
        """Return the cells that have ended and are to be run again: what failed, what is stale, what a method ran."""
        chosen: set[str] = set()
        for what in wanted:
            if what == "failed":
                chosen |= store.failed()
            elif what == "stale":
                chosen |= self._stale(store)
            else:
                chosen |= {
                    key for key, cell in self._unique.items() if what in (cell.variant.name, cell.variant.method.name)
                }
        return chosen & store.outcomes().keys() & self._unique.keys()

    def _wanted(self, rerun: str | Iterable[str], retry: bool) -> list[str]:
        """Return what is to be run again, checked."""
        wanted = ["failed"] if retry else []
        known = [name for variant in self.description.variants for name in (variant.name, variant.method.name)]
        for what in [rerun] if isinstance(rerun, str) else rerun:
            if what not in ("failed", "stale", *known):
                names = ", ".join(dict.fromkeys(known))
                raise InputError(f"rerun = {shown(what)}; expected failed, stale, or a method of this study: {names}")
            wanted.append(what)
        return wanted

    def run(
        self,
        *,
        workers: int | None = None,
        scheduler: str | None = None,
        retry: bool = False,
        rerun: str | Iterable[str] = (),
        watch: Callable[[StudyProgress], None] | None = None,
    ) -> Summary:
        """Run what is missing; a run that was stopped goes on where it was.

        Parameters
        ----------
        workers
            Worker processes on this machine; by default one for each core that this process may use.
        scheduler
            Address of a Dask scheduler whose workers are used instead.
        retry
            Whether cells that failed are run again, as with ``rerun="failed"``.
        rerun
            Ended cells that are run again: ``failed``, ``stale`` (run by other code than their methods
            consist of now, or by unknown code), names of methods or of variants. Each keeps its record until the
            new one takes its place. What an earlier call left of them goes first, and alone.
        watch
            Sees how far it is.

        Raises
        ------
        InputError
            If there cannot be so many workers, or workers cannot import a method; nothing is made then.
        StoreError
            If another run writes to the folder, or it cannot be written.
        BackendError
            If the scheduler cannot be reached, or it or cells were lost on the way; what had ended is in the store.
        KeyboardInterrupt
            If the user interrupts; what had ended by then is in the store.
        """
        workers, wanted = _workers(workers), self._wanted(rerun, retry)
        refuse_what_workers_lack(self.description.variants)
        with Store(self.folder, write=True) as store:
            store.enter_plan(self.description, self.plan)
            chosen = self._chosen(wanted, store)
            if not chosen & store.again():
                store.mark(chosen)
            ended = store.outcomes().keys() - store.again()
            failed = store.failed() & self._unique.keys() & ended
            missing = [cell for key, cell in self._unique.items() if key not in ended]
            failures = 0
            if missing:
                pool = _pool(workers, scheduler, len(missing))
                try:
                    failures = run_cells(
                        missing, len(self._unique), len(failed), store, pool, watch or (lambda progress: None)
                    )
                finally:
                    pool.close()
            return Summary(len(self._unique), len(missing), len(failed) + failures, len(self._stale(store)))

    def frame(self) -> pandas.DataFrame:
        """Return the cells as a pandas DataFrame, one row each, in the order of the plan.

        Raises
        ------
        MissingPackageError
            If pandas is not installed.
        StoreError
            If nothing was run yet.
        """
        from .export import frame

        with Store(self.folder) as store:
            return frame(store)

    def report(self, folder: str | os.PathLike[str] | None = None) -> Path:
        """Write the report on what has ended, and return the page.

        Parameters
        ----------
        folder
            Folder of the report; ``report`` in the folder of the study by default.

        Raises
        ------
        InputError
            If nothing was run yet, or the folder cannot be written.
        BackendError
            If a picture cannot be drawn; the rest of the report is written by then.
        """
        from .report import write_report

        with Store(self.folder) as store:
            return write_report(store, None if folder is None else Path(folder))


def _several(name: str, values: Any) -> list[Any]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise InputError(f"{name} = {shown(values)}; expected a list of {name}")
    return list(values)


def _workers(workers: int | None) -> int:
    if workers is None:
        return available_cores()
    if isinstance(workers, bool) or not isinstance(workers, int) or not 1 <= workers <= 1024:
        raise InputError(f"workers = {shown(workers)}; expected a whole number from 1 to 1024")
    return workers


def _pool(workers: int, scheduler: str | None, cells: int) -> Any:
    if scheduler is not None:
        from .cluster import ClusterPool

        return ClusterPool(scheduler)
    from .pool import LocalPool

    return LocalPool(min(workers, cells))
