"""Run of several methods on one scenario, as a study in a temporary folder."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from formulations import Scenario

from .comparison import Comparison, MethodRow
from .variants import MethodEntry, Variants, read_variants

if TYPE_CHECKING:
    from ..study.run import StudyProgress
    from ..study.store import Store

__all__ = ["compare", "run_variants"]


def compare(
    scenario: Scenario,
    methods: Iterable[MethodEntry] | None = None,
    *,
    time_limit: float = 120.0,
    gap: float = 1e-3,
    threads: int = 1,
    memory: int = 4000,
    workers: int | None = None,
    watch: Callable[[StudyProgress], None] | None = None,
) -> Comparison:
    """Run methods on one scenario, and say how far each is from the best bound that any of them proves.

    Methods run in worker processes; one that fails, crashes or hangs is a row that says so, and the others go on.

    Parameters
    ----------
    scenario
        The problem.
    methods
        Names of methods, configured methods of a class that is registered in a module, or (name in tables, name,
        options) for variants of one method; by default the paper's five and better ones that take the scenario.
    time_limit
        Wall time of each method, s.
    gap
        Relative gap at which a method that proves bounds may stop.
    threads, memory
        Threads for the solvers of each method, and what it may allocate, MB.
    workers
        Number of methods that run at a time; by default as many as there are cores.
    watch
        Sees how far it is.

    Returns
    -------
    Comparison
        Of what has ended, where the user interrupts: see `Comparison.interrupted`.

    Raises
    ------
    InputError
        If a method, an option or a limit does not exist or cannot have its value, or workers cannot import a method.
    BackendError
        If no method has ended because what runs them was lost.
    """
    variants = read_variants(methods, scenario)
    limits = {"time": time_limit, "gap": gap, "threads": threads, "memory": memory}
    return run_variants(scenario, variants, limits, workers, watch)


def run_variants(
    scenario: Scenario,
    variants: Variants,
    limits: dict[str, float],
    workers: int | None = None,
    watch: Callable[[StudyProgress], None] | None = None,
) -> Comparison:
    """Run methods on one scenario, see `compare`; limits are those of a study."""
    from ..algorithms import Limits
    from ..backends import BackendError
    from ..study import Study
    from ..study.run import LostError
    from ..study.store import FILE, Store

    Limits(limits["time"], limits["gap"])  # says what is out of range in fewer words than a study
    names = list(variants.methods)
    with tempfile.TemporaryDirectory(prefix="dashf-gap-", ignore_cleanup_errors=True) as folder:
        study = Study(
            [{"given": scenario, "name": scenario.name or "scenario"}],
            [
                {"name": name, "method": method.name, "options": dataclasses.asdict(method)}
                for name, method in variants.methods.items()
            ],
            folder,
            name=scenario.name or "scenario",
            limits=limits,
            report={"reference": "dashf" if "dashf" in names else names[0], "scenario_pages": 1},
        )
        interrupted, lost = False, ""
        try:
            study.run(workers=workers, watch=watch)
        except KeyboardInterrupt:
            interrupted = True  # what has ended by now is worth showing
        except LostError as error:
            lost = error.reason  # likewise
        with Store(folder) as store:
            found = _read(store, scenario)
        if interrupted and found is None:
            raise KeyboardInterrupt
        if found is None or (lost and not any(row.ended for row in found.rows)):
            raise BackendError(lost)
        content = Path(folder, FILE).read_bytes()
    return dataclasses.replace(found, left_out=variants.left_out, interrupted=interrupted, lost=lost, study=content)


def _read(store: Store, scenario: Scenario) -> Comparison | None:
    """Return what a store says of its one scenario, or None where nothing was planned."""
    from ..study.report.study_data import StudyData

    data = StudyData.of(store)
    if not data.scenarios:
        return None
    (known,) = data.scenarios.values()
    rows = [
        MethodRow(
            name=cell.variant,
            method=cell.method,
            outcome=cell.outcome,
            status=cell.status,
            message=cell.message,
            value=cell.verified,
            bound=cell.bound,
            gap=known.gap(cell),
            restriction=cell.restriction,
            wall_time=cell.wall_time,
            failed=cell.failed,
            result=store.result(cell.key) if cell.outcome == "done" else None,
        )
        for cell in known.cells
    ]
    return Comparison(
        scenario=scenario,
        rows=tuple(rows),
        bound=known.bound_value,
        bound_source=None if known.bound is None else known.bound.bound_source,
        contradictions=tuple(found.text for found in data.contradictions),
    )
