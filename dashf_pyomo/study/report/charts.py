"""The figures of a report."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...pictures import COLOURS
from ...pictures.isolation import Attempts, drawing
from ...pictures.legends import legend_below, legend_name
from ...pictures.sheet import clean
from ...pictures.ticks import label_axes
from .attribution import attributed
from .cell_rows import CellRow
from .names import labels
from .pairing import paired
from .result_tables import restricted_text, time_to_target
from .statistics import profile_ratios, share_within
from .study_data import StudyData

__all__ = ["Chart", "all_charts"]

_STYLE = {
    "font.size": 9, "axes.titlesize": 10, "legend.fontsize": 8, "figure.dpi": 150, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25, "svg.fonttype": "path", "legend.frameon": False,
    "svg.hashsalt": "dashf",
}  # fmt: skip
#: For each round of the colours: lines and marks that can be told apart.
_LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (9, 3)), (0, (1, 3)), (0, (6, 2, 2, 2)))
_MARKS = ("o", "s", "D", "^", "v", "P", "X", "*")
#: Places that get a panel of their own; tables have all.
_PANELS = 6
#: What no time is below, s: differences of less are the clock's.
_LEAST_TIME = 1e-3


@dataclass(frozen=True)
class Chart:
    """A drawn figure.

    Parameters
    ----------
    name, caption
        Name of its files, and what it shows.
    svg, png, pdf
        The figure.
    wide
        Whether it has panels side by side.
    """

    name: str
    caption: str
    svg: bytes
    png: bytes
    pdf: bytes
    wide: bool = False


def all_charts(data: StudyData, attempts: Attempts) -> list[Chart]:
    """Draw what there is to draw, in the order of the page."""
    pictures = []
    kinds: list[Callable[[StudyData, Figure], str]] = [_gap_boxes, _anytime, _trade, _attribution]
    if len(data.scenarios) > 1:  # what is said of shares of scenarios, or with intervals over them, needs several
        kinds = [_gap_boxes, _quality, _performance, _data_profiles, _anytime, _trade, _duels, _attribution]
    marked = restricted_text(data).replace("Some methods", "Methods with an asterisk")
    parts = data.by_measure()  # values of different objectives have no axis in common
    with drawing(_STYLE):
        for draw, (number, part) in product(kinds, enumerate(parts, 1)):
            name = draw.__name__.lstrip("_").replace("_", "-") + (f"-{number}" if len(parts) > 1 else "")
            with attempts.at(f"figure {name}"):
                figure = Figure(figsize=(5.0, 3.4), layout="constrained")
                caption = draw(part, figure)
                if caption and len(parts) > 1:
                    caption = f"Scenarios with the objective {part.measures[0]}. {caption}"
                if caption:
                    pictures.append(_finished(name, caption + marked, figure))
    return pictures


def _finished(name: str, caption: str, figure: Figure) -> Chart:
    label_axes(figure)
    drawn = {}
    for kind in ("svg", "png", "pdf"):
        buffer = io.BytesIO()
        # No date, so that the same cells give the same file.
        metadata: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
        figure.savefig(buffer, format=kind, metadata=metadata)
        drawn[kind] = buffer.getvalue()
    return Chart(name, caption, **drawn, wide=figure.get_figwidth() > 6)


def _look(data: StudyData, variant: str) -> dict[str, Any]:
    position = data.variants.index(variant)
    cycle = position // len(COLOURS)
    return {
        "color": COLOURS[position % len(COLOURS)],
        "linestyle": _LINES[cycle % len(_LINES)],
        "label": legend_name(labels(data)[variant]),
    }


def _mark(data: StudyData, variant: str) -> str:
    return _MARKS[data.variants.index(variant) // len(COLOURS) % len(_MARKS)]


def _legend(figure: Figure) -> None:
    """Draw one legend below all panels."""
    legend_below(figure, *figure.axes[0].get_legend_handles_labels())


def _panels(figure: Figure, places: list[str], rows_of_names: int = 0) -> list[Axes]:
    """Return a panel for each place, two side by side, high enough for so many names one above the other."""
    rows = math.ceil(len(places) / 2)
    columns = min(len(places), 2)
    figure.set_size_inches(5.0 * columns, max(3.2, 1.0 + 0.19 * rows_of_names) * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels[len(places) :]:
        axes.set_axis_off()
    return panels


def _gap_boxes(data: StudyData, figure: Figure) -> str:
    places = [place for place in data.places if any(data.gaps(data.of_variant(v, place)) for v in data.variants)]
    if not places:
        return ""
    shown = places[:_PANELS]
    panels = _panels(figure, shown, len(data.variants))
    names = labels(data)
    for axes, place in zip(panels, shown, strict=False):
        gaps = [100.0 * np.array(data.gaps(data.of_variant(variant, place))) for variant in data.variants]
        drawn = [np.clip(gap, 1e-3, None) for gap in gaps]
        boxes = axes.boxplot(drawn, orientation="horizontal", widths=0.6, patch_artist=True, whis=(0, 100))
        for position, box in enumerate(boxes["boxes"]):
            box.set(facecolor=COLOURS[position % len(COLOURS)], alpha=0.6)
        for line in boxes["medians"]:
            line.set_color("black")
        for y, values in enumerate(drawn, 1):
            jitter = np.random.default_rng(y).uniform(-0.2, 0.2, len(values))
            axes.plot(values, y + jitter, ".", color="black", markersize=2, alpha=0.5, rasterized=True)
        axes.set_yticks(range(1, len(gaps) + 1), names.values())
        axes.set(xscale="log", xlabel="gap to the certified bound (%), log scale", title=clean(place, 50))
        axes.invert_yaxis()
    more = f" The first {_PANELS} of {len(places)} groups; the table has all." if len(places) > _PANELS else ""
    return (
        "Gap of every cell to the best certified bound of its scenario: box from quartile to quartile with the median, "
        f"whiskers to the ends. Gaps below 0.001 % are drawn there.{more}"
    )


def _measures(data: StudyData, measure: Callable[[CellRow], float]) -> dict[str, np.ndarray]:
    """Return a measure of every scenario that all variants were run on, the median over repeats; by variant."""
    found: dict[str, dict[str, float]] = {}
    for variant in data.variants:
        scenarios: dict[str, list[float]] = {}
        for cell in data.of_variant(variant):
            scenarios.setdefault(cell.scenario, []).append(measure(cell))
        found[variant] = {scenario: float(np.median(values)) for scenario, values in scenarios.items()}
    common = [s for s in data.scenarios if all(s in scenarios for scenarios in found.values())] if found else []
    return {variant: np.array([scenarios[s] for s in common]) for variant, scenarios in found.items()}


def _draw_profile(axes: Axes, data: StudyData, measures: dict[str, np.ndarray], most: float) -> int:
    ratios = profile_ratios(measures)
    finite = np.concatenate([ratio[np.isfinite(ratio)] for ratio in ratios.values()])
    end = min(float(finite.max(initial=1.0)) * 1.1, most)
    grid = np.geomspace(1.0, max(end, 1.1), 400)
    for variant, ratio in ratios.items():
        axes.step(grid, share_within(ratio, grid), where="post", **_look(data, variant))
    axes.set(xscale="log", ylim=(-0.02, 1.02), xlim=(1.0, grid[-1]), ylabel="share of scenarios")
    return len(next(iter(measures.values())))


def _counted_time(data: StudyData, target: float, cell: CellRow) -> float:
    return max(time_to_target(data, cell, target), _LEAST_TIME)


def _quality(data: StudyData, figure: Figure) -> str:
    if not data.has_ratios:
        return ""
    falling = data.falls
    measures = _measures(data, lambda cell: (cell.value if falling else 1.0 / cell.value) if cell.value else math.inf)
    if len(measures) < 2 or not len(next(iter(measures.values()))):
        return ""
    axes = figure.subplots()
    count = _draw_profile(axes, data, measures, 1e4)
    name = data.value_name
    best = f"best {name} of all methods"
    axes.set_xlabel(f"{name} / {best}, log scale" if falling else f"{best} / {name}, log scale")
    _legend(figure)
    return (
        f"Performance profile (Dolan and Moré) of quality over {count} scenarios: the share on which a method's {name} "
        "is within a factor of the best one. Failures never are."
    )


def _performance(data: StudyData, figure: Figure) -> str:
    targets = data.settings.targets
    found = []
    for target in targets:
        times = _measures(data, partial(_counted_time, data, target))
        if len(times) > 1 and any(np.isfinite(values).any() for values in times.values()):
            found.append((target, times))
    if not found:
        return ""
    count = 0
    for axes, (target, times) in zip(_panels(figure, [str(target) for target, _ in found]), found, strict=False):
        count = _draw_profile(axes, data, times, 1e6)
        axes.set(xlabel="time to target / least of all methods, log scale", title=f"target: within {target:.3g}")
    _legend(figure)
    return (
        f"Performance profiles (Dolan and Moré) of the time to target over {count} scenarios; the target is a relative "
        "distance to the best value known. A method that never reaches it, or fails, has no share there."
    )


def _data_profiles(data: StudyData, figure: Figure) -> str:
    targets = data.settings.targets
    shown = [variant for variant in data.variants if data.of_variant(variant)]
    if not shown or not targets:
        return ""
    ends = [cell.wall_time for variant in shown for cell in data.of_variant(variant)]
    grid = np.geomspace(_LEAST_TIME, max(max(ends), 2 * _LEAST_TIME), 400)
    for axes, target in zip(_panels(figure, [str(target) for target in targets]), targets, strict=False):
        for variant in shown:
            times = np.array([time_to_target(data, cell, target) for cell in data.of_variant(variant)])
            axes.step(grid, share_within(times, grid), where="post", **_look(data, variant))
        axes.set(xscale="log", ylim=(-0.02, 1.02), xlabel="seconds, log scale", ylabel="share of cells")
        axes.set_title(f"target: within {target:.3g}")
    _legend(figure)
    return (
        "Data profiles (Moré and Wild): the share of cells that have reached the target after a time. Failures count "
        "as never."
    )


def _anytime(data: StudyData, figure: Figure) -> str:
    shown = [variant for variant in data.variants if any(cell.steps for cell in data.of_variant(variant))]
    if not shown or not data.has_ratios:
        return ""
    ends = [cell.wall_time for variant in shown for cell in data.of_variant(variant)]
    grid = np.geomspace(_LEAST_TIME, max(max(ends), 2 * _LEAST_TIME), 300)
    bounded = all(scenario.bound_value is not None for scenario in data.scenarios.values())
    axes = figure.subplots()
    for variant in shown:
        total = np.zeros(len(grid))
        cells = data.of_variant(variant)
        for cell in cells:
            known = data.scenarios[cell.scenario]
            scale = known.bound_value if bounded else known.best_value
            if cell.failed or not cell.steps or not scale:
                continue
            times, values = np.array(cell.steps).T
            reached = np.searchsorted(times, grid, side="right")
            shares = scale / values if data.falls else values / scale
            total += np.concatenate([[0.0], shares])[reached]
        axes.plot(grid, total / len(cells), **_look(data, variant))
    name = data.value_name
    against = "the certified bound" if bounded else f"the best {name} known"
    share = f"{against} / {name}" if data.falls else f"{name} / {against}"
    axes.set(xscale="log", ylim=(0.0, 1.03), xlabel="seconds, log scale", ylabel=f"{share}, mean")
    axes.axhline(1.0, color="black", linewidth=0.8)
    _legend(figure)
    return (
        f"{name[0].upper()}{name[1:]} against time: {share} for what is kept so far, mean over all cells; nothing yet "
        "and failures count 0."
    )


def _trade(data: StudyData, figure: Figure) -> str:
    axes = figure.subplots()
    drawn = 0
    for variant in data.variants:
        cells = [cell for cell in data.of_variant(variant) if cell.value is not None]
        points = [
            (max(cell.wall_time, _LEAST_TIME), 100.0 * gap)
            for cell in cells
            if (gap := data.scenarios[cell.scenario].gap(cell)) is not None
        ]
        if not points:
            continue
        drawn += len(points)
        x, y = np.array(points).T
        colour = _look(data, variant)["color"]
        axes.plot(x, np.clip(y, 1e-3, None), ".", color=colour, markersize=3, alpha=0.5, rasterized=True)
        axes.plot(
            np.exp(np.mean(np.log(x))), max(y.mean(), 1e-3), _mark(data, variant), color=colour, markersize=8,
            markeredgecolor="black", linestyle="none", label=_look(data, variant)["label"],
        )  # fmt: skip
    if not drawn:
        return ""
    axes.set(xscale="log", yscale="log", xlabel="time (s), log scale", ylabel="gap (%), log scale")
    _legend(figure)
    return "What quality costs: time and gap of every cell, and the mean of each method as a large mark."


def _duels(data: StudyData, figure: Figure) -> str:
    others = [variant for variant in data.variants if variant != data.reference]
    found = [(variant, paired(data, variant, data.reference, None)) for variant in others]
    found = [(variant, pairing) for variant, pairing in found if not math.isnan(pairing.difference.estimate)]
    if not found:
        return ""
    figure.set_size_inches(5.0, 1.2 + 0.35 * len(found))
    axes = figure.subplots()
    for y, (variant, pairing) in enumerate(found):
        mean = pairing.difference
        axes.plot([100 * mean.low, 100 * mean.high], [y, y], color=_look(data, variant)["color"], linewidth=3)
        axes.plot(100 * mean.estimate, y, "o", color="black", markersize=5)
    axes.axvline(0.0, color="black", linewidth=0.8)
    names = labels(data)
    axes.set_yticks(range(len(found)), [names[variant] for variant, _ in found])
    axes.set(ylim=(len(found) - 0.5, -0.5), xlabel=f"mean gain in {data.value_name} on {names[data.reference]} (%)")
    return (
        f"Mean relative difference of the {data.value_name} from {data.reference}, positive where it is better, paired "
        "over scenarios, with 95 % intervals."
    )


def _attribution(data: StudyData, figure: Figure) -> str:
    base = data.settings.attribution
    found = [(place, row) for place in data.places for row in attributed(data, base, place)]
    if not found:
        return ""
    places = list(dict.fromkeys(place for place, _ in found))[:_PANELS]
    for axes, place in zip(_panels(figure, places), places, strict=False):
        rows = [row for where, row in found if where == place]
        names = ["gap as it is", *(row.part for row in rows)]
        widths = [100 * rows[0].gap, *(100 * row.gain.estimate for row in rows)]
        axes.barh(range(len(names)), widths, 0.6, color=["#999999", *([COLOURS[0]] * len(rows))])
        for y, row in enumerate(rows, 1):
            axes.plot([100 * row.gain.low, 100 * row.gain.high], [y, y], color="black", linewidth=1.5)
        axes.set_yticks(range(len(names)), names)
        axes.axvline(0.0, color="black", linewidth=0.8)
        axes.set(title=clean(place, 50), xlabel="points of the gap (%)")
        axes.invert_yaxis()
    return (
        f"Where the gap of {base} comes from: how much of it goes with one part swapped, with 95 % intervals. A "
        "negative gain: the better part leads the iteration elsewhere, and worse."
    )
