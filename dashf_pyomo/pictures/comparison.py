"""The picture of several results of one scenario."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from formulations import InputError, Scenario

from ..objectives import best_of, bound_text, name_of, side_of, tightest, worst_of
from ..result_data import ResultData
from .allocation import draw_association
from .course import draw_race
from .legends import short_names
from .sheet import COLOURS, Picture, axis_scale, clean, judge, sheet, write
from .ticks import label_axes

__all__ = ["draw_comparison", "picture_of_comparison"]


def draw_comparison(
    scenario: Scenario,
    results: Sequence[ResultData],
    path: str | os.PathLike[str],
    names: Sequence[str] | None = None,
) -> None:
    """Draw several results of one scenario to a file, see `picture_of_comparison`.

    Parameters
    ----------
    scenario, results, path
        The scenario, its results, and the file; the suffix .png, .pdf or .svg says the format.
    names
        Names of the results, by default those of their methods.

    Raises
    ------
    InputError
        As `draw_result`, and if there is no result.
    """
    write(path, lambda: picture_of_comparison(scenario, results, names))


def picture_of_comparison(
    scenario: Scenario, results: Sequence[ResultData], names: Sequence[str] | None = None
) -> Picture:
    """Return a picture of several results of one scenario: value, delay, energy, value over time, the best association.

    Parameters
    ----------
    scenario, results
        The scenario and its results.
    names
        Names of the results, by default those of their methods.

    Raises
    ------
    InputError
        If a result is not of this scenario, or there is none.
    """
    if not results:
        raise InputError("no results to compare; expected at least one")
    judged = [judge(scenario, result) for result in results]
    names = _numbered([result.method for result in results]) if names is None else names
    names = [clean(name) for name in short_names(names, 24)]
    names = [f"{n}, stricter problem" if r.restriction else n for n, r in zip(names, results, strict=True)]
    names = [f"{n}, infeasible" if e and not e.feasible else n for n, e in zip(names, judged, strict=True)]
    kind = str(scenario.objective.kind)
    value, delay, energy = np.array([(e.value, e.delay, e.energy) if e else (np.nan,) * 3 for e in judged]).T
    order = [i for i in range(len(results)) if (e := judged[i]) is not None and e.feasible] or range(len(results))
    best = best_of(kind, order, lambda i: worst_of(kind) if (e := judged[i]) is None else e.value) or 0
    bound = tightest(kind, (result.bound for result in results if result.bound is not None))
    upper = max(4.4, 0.32 * len(results) + 1.2)
    with sheet(f"{len(results)} results on {clean(scenario.name)}", upper + 5.4) as figure:
        grid = figure.add_gridspec(2, 4, height_ratios=(upper, 5.4))
        name = name_of(kind)
        dashed = "" if bound is None else f"; dashed: {side_of(kind)} {bound_text(bound, kind=kind)}"
        title = f"{name[0].upper()}{name[1:]}"
        _draw_bars(figure.add_subplot(grid[0, :2]), value, title, names, np.nan if bound is None else bound, dashed)
        _draw_bars(figure.add_subplot(grid[0, 2]), delay, "Delay (s)", names)
        _draw_bars(figure.add_subplot(grid[0, 3]), energy, "Energy (J)", [""] * len(names))
        draw_race(figure.add_subplot(grid[1, :2]), results, names)
        label_axes(figure)
        draw_association(figure.add_subplot(grid[1, 2:]), scenario, results[best].allocation, f" by {names[best]}")
    return figure


def _numbered(methods: Sequence[str]) -> list[str]:
    """Return names of methods, with a number where there are several of one."""
    return [m if methods.count(m) == 1 else f"{m} #{methods[: i + 1].count(m)}" for i, m in enumerate(methods)]


def _draw_bars(
    axes: Axes, values: np.ndarray, title: str, names: Sequence[str], bound: float = np.nan, note: str = ""
) -> None:
    """Draw a bar for every value; a utility may be below zero."""
    finite = np.where(np.isfinite(values), values, 0.0)
    drawn = np.sign(finite) * np.clip(np.abs(finite), 1e-99, 1e99)
    axes.barh(range(len(values)), drawn, 0.7, color=np.resize(COLOURS, len(values)).tolist())
    for y, value in enumerate(values):
        text = f"{value:.4g}" if np.isfinite(value) else "no allocation" if np.isnan(value) else "infinite"
        where: Any = ("data" if drawn[y] else "axes fraction", "data")
        axes.annotate(text, (drawn[y], y), (6, 0), where, "offset points", va="center", backgroundcolor="white")
    scale = "linear" if np.any(drawn < 0) or bound < 0 else axis_scale(values, [bound])
    axes.axvline(float(np.sign(bound) * np.clip(abs(bound), 1e-99, 1e99)), color="black", linestyle="--", zorder=0)
    axes.set(title=title, xscale=scale, xlabel=f"{title}, {scale} scale{note}", ylim=(max(len(names), 4) - 0.4, -0.6))
    axes.margins(x=0.3)
    axes.set_yticks(range(len(names)), names)
