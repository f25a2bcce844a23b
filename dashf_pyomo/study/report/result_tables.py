"""Tables of results: gaps, bounds, times, methods against each other and part by part."""

from __future__ import annotations

import math

import numpy as np

from ...objectives import worse_by
from .attribution import attributed
from .cell_rows import CellRow
from .pairing import TIE, Pairing, paired
from .statistics import shifted_geometric_mean
from .study_data import StudyData
from .table import Entry, Number, ReportTable

__all__ = [
    "TIME_SHIFT", "attribution_table", "bounds_table", "duels_table", "gaps_table", "restricted_text", "time_to_target",
    "times_table",
]  # fmt: skip

#: Shift of geometric means of times, s.
TIME_SHIFT = 1.0


def restricted_text(data: StudyData) -> str:
    """Return a sentence on variants that solve a stricter problem than the bounds are of, empty without any."""
    if not data.restrictions:
        return ""
    said = "; ".join(f"{variant}: {restriction}" for variant, restriction in data.restrictions.items())
    return (
        f" Some methods solve a stricter problem than the scenario ({said}): bounds and gaps are those of the "
        "scenario, so a part of their gap may be what the restriction costs."
    )


def gaps_table(data: StudyData) -> ReportTable:
    """Return a table of how far each method is from the bounds."""
    table = ReportTable(
        "gaps",
        "Gap to the best certified bound",
        f"How far the {data.value_name} is from the best bound that any method of this study proved for the same "
        "scenario and that no allocation refutes. Failed cells have no gap; they are counted. Certified: by the bound "
        f"of that cell itself, which stands.{restricted_text(data)}",
        (
            "scenarios", "method", "runs", "failed", f"mean {data.value_name}", "mean gap", "median gap",
            "worst gap", "certified",
            *(["keeps also"] if data.restrictions else []),
        ),
    )  # fmt: skip
    for where in data.places:
        for variant in data.variants:
            cells = data.of_variant(variant, where)
            if not cells:
                continue
            gaps = data.gaps(cells)
            values = [cell.value for cell in cells if cell.value is not None]
            entries: list[Entry] = [
                where, variant, len(cells), sum(cell.failed for cell in cells),
                Number.of(float(np.mean(values)) if values else None, ".5g"),
                Number.percent(float(np.mean(gaps)) if gaps else None),
                Number.percent(float(np.median(gaps)) if gaps else None),
                Number.percent(max(gaps, default=None)),
                sum(data.scenarios[cell.scenario].certified(cell) for cell in cells),
                *([data.restrictions.get(variant, "")] if data.restrictions else []),
            ]  # fmt: skip
            table.add(entries, [cell.position for cell in cells])
    return table


def bounds_table(data: StudyData) -> ReportTable:
    """Return a table of which methods proved the bounds."""
    table = ReportTable(
        "bounds",
        "Where the bounds come from",
        "The source of the bound that stands for each scenario, and how far the best allocation known is from it.",
        ("scenarios", "bound from", "source", "number", "mean gap left", "worst gap left"),
    )
    for where in data.places:
        known = [s for s in data.scenarios.values() if where in s.places and any(cell.ended for cell in s.cells)]
        for variant, source in dict.fromkeys(
            (scenario.bound.variant, scenario.bound.bound_source or "") for scenario in known if scenario.bound
        ):
            mine = [s for s in known if s.bound and (s.bound.variant, s.bound.bound_source or "") == (variant, source)]
            left = [gap for s in mine if s.best and (gap := s.gap(s.best)) is not None]
            table.add(
                (where, variant, source, len(mine), Number.percent(float(np.mean(left)) if left else None),
                 Number.percent(max(left, default=None))),
                [s.bound.position for s in mine if s.bound],
            )  # fmt: skip
        without = [scenario for scenario in known if scenario.bound is None]
        if without:
            cells = [cell.position for scenario in without for cell in scenario.cells if cell.ended]
            table.add((where, "none", "", len(without), Number.of(None), Number.of(None)), cells)
    return table


def time_to_target(data: StudyData, cell: CellRow, target: float) -> float:
    """Return the seconds until a cell came within a relative distance of the best value known; infinite if never."""
    best = data.scenarios[cell.scenario].best_value
    return math.inf if best is None else cell.time_to(worse_by(cell.objective, best, target))


def times_table(data: StudyData) -> ReportTable:
    """Return a table of times, and of times to targets."""
    targets = data.settings.targets
    heads = [head for target in targets for head in (f"within {target:.3g}", f"time to {target:.3g} (s)")]
    table = ReportTable(
        "times",
        "Time, and time to target",
        f"Geometric means shifted by {TIME_SHIFT:g} s. Time to target is the time until the {data.value_name} is "
        "within the given relative distance of the best that is known of the scenario; cells that fail or never come "
        "so near count with their time limit.",
        ("scenarios", "method", "runs", "failed", "time (s)", "longest (s)", *heads),
    )
    for where in data.places:
        for variant in data.variants:
            cells = data.of_variant(variant, where)
            if not cells:
                continue
            spent = [max(cell.wall_time, cell.time_limit) if cell.failed else cell.wall_time for cell in cells]
            entries: list[Entry] = [
                where, variant, len(cells), sum(cell.failed for cell in cells),
                Number.of(shifted_geometric_mean(spent, TIME_SHIFT), ".3g"), Number.of(max(spent), ".3g"),
            ]  # fmt: skip
            for target in targets:
                times = [time_to_target(data, cell, target) for cell in cells]
                reached = sum(math.isfinite(time) for time in times)
                counted = [
                    time if math.isfinite(time) else max(cell.time_limit, cell.wall_time)
                    for time, cell in zip(times, cells, strict=True)
                ]
                entries += [
                    Number.percent(reached / len(cells)),
                    Number.of(shifted_geometric_mean(counted, TIME_SHIFT), ".3g"),
                ]
            table.add(entries, [cell.position for cell in cells])
    return table


def duels_table(data: StudyData) -> ReportTable:
    """Return a table of each method against the reference."""
    table = ReportTable(
        "duels",
        f"Against {data.reference}",
        f"Paired over scenarios, repeats averaged; a failure loses against any result, a {data.value_name} within "
        f"{TIE:g} of the other, relative, is a tie. The share of wins among decided pairs has Wilson's 95 % interval; "
        f"the mean difference of the {data.value_name}, relative to the reference where both have a result, positive "
        "where it is better, a bootstrap interval over scenarios.",
        ("scenarios", "method", "pairs", "wins", "ties", "losses", "share of wins", "low", "high", "mean difference",
         "mean low", "mean high"),
    )  # fmt: skip
    for where in [*data.places, None] if len(data.places) > 1 and len(data.measures) == 1 else data.places:
        for variant in data.variants:
            if variant == data.reference:
                continue
            pairing = paired(data, variant, data.reference, where)
            if pairing.pairs:
                table.add((where or "all", variant, *_duel_entries(pairing)), pairing.cells)
    return table


def _duel_entries(pairing: Pairing) -> list[Entry]:
    share, mean = pairing.share, pairing.difference
    return [
        pairing.pairs, pairing.wins, pairing.ties, pairing.losses,
        *map(Number.percent, (share.estimate, share.low, share.high)),
        *map(Number.percent, (mean.estimate, mean.low, mean.high)),
    ]  # fmt: skip


def attribution_table(data: StudyData) -> ReportTable:
    """Return a table of what each part of a method costs."""
    base = data.settings.attribution
    table = ReportTable(
        "attribution",
        f"Where the gap of {base} comes from",
        "The method is run again with one part swapped: AO part 1 solved exactly, by a mixed-integer program; "
        "resources, or offloading and resources together, by a local nonlinear solver on the problem as it stands; no "
        "stop at the first falls of the objective. The gain is in points of the gap (what is gained over the bound), "
        "its mean over scenarios with a bootstrap 95 % interval. Parts interact: gains need not add up.",
        ("scenarios", "swap", "pairs", "mean gap", "gain", "low", "high", "share of the gap"),
    )
    for where in data.places:
        for row in attributed(data, base, where):
            table.add(
                (where, row.part, row.pairs, Number.percent(row.gap), Number.percent(row.gain.estimate),
                 Number.percent(row.gain.low), Number.percent(row.gain.high), Number.percent(row.share)),
                row.cells,
            )  # fmt: skip
    return table
