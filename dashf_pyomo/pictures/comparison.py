"""The picture of several results of one scenario."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from formulations import InputError, Scenario

from ..result_data import ResultData, bound_text
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
    """Return a picture of several results of one scenario: SCR, delay and energy, SCR over time, the best association.

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
    scr, delay, energy = np.array([(e.scr, e.delay, e.energy) if e else (np.nan,) * 3 for e in judged]).T
    best = max(range(len(results)), key=lambda i: (e.feasible, e.scr) if (e := judged[i]) else (False, -1.0))
    bound = min((result.upper_bound for result in results if result.upper_bound is not None), default=np.nan)
    upper = max(4.4, 0.32 * len(results) + 1.2)
    with sheet(f"{len(results)} results on {clean(scenario.name)}", upper + 5.4) as figure:
        grid = figure.add_gridspec(2, 4, height_ratios=(upper, 5.4))
        _draw_bars(figure.add_subplot(grid[0, :2]), scr, "SCR", names, bound)
        _draw_bars(figure.add_subplot(grid[0, 2]), delay, "Delay (s)", names)
        _draw_bars(figure.add_subplot(grid[0, 3]), energy, "Energy (J)", [""] * len(names))
        draw_race(figure.add_subplot(grid[1, :2]), results, names)
        label_axes(figure)
        draw_association(figure.add_subplot(grid[1, 2:]), scenario, results[best].allocation, f" by {names[best]}")
    return figure


def _numbered(methods: Sequence[str]) -> list[str]:
    """Return names of methods, with a number where there are several of one."""
    return [m if methods.count(m) == 1 else f"{m} #{methods[: i + 1].count(m)}" for i, m in enumerate(methods)]


def _draw_bars(axes: Axes, values: np.ndarray, title: str, names: Sequence[str], bound: float = np.nan) -> None:
    drawn = np.where(values > 0, np.clip(values, 1e-99, 1e99), 0) * np.isfinite(values)
    axes.barh(range(len(values)), drawn, 0.7, color=np.resize(COLOURS, len(values)).tolist())
    for y, value in enumerate(values):
        text = f"{value:.4g}" if np.isfinite(value) else "no allocation" if np.isnan(value) else "infinite"
        where: Any = ("data" if drawn[y] else "axes fraction", "data")
        axes.annotate(text, (drawn[y], y), (6, 0), where, "offset points", va="center", backgroundcolor="white")
    scale, note = axis_scale(values, [bound]), "" if np.isnan(bound) else f"; dashed: upper bound {bound_text(bound)}"
    axes.axvline(float(np.clip(bound, 1e-99, 1e99)), color="black", linestyle="--", zorder=0)
    axes.set(title=title, xscale=scale, xlabel=f"{title}, {scale} scale{note}", ylim=(max(len(names), 4) - 0.4, -0.6))
    axes.margins(x=0.3)
    axes.set_yticks(range(len(names)), names)
