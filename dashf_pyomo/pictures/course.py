"""Panels that show how a result was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from formulations.objective import Sense

from ..objectives import name_of, sense_of, side_of
from ..result_data import ResultData
from .legends import legend_below, legend_name
from .sheet import COLOURS, axis_scale, column, say

__all__ = ["draw_convergence", "draw_race"]

#: Results that a legend inside a panel has room for.
_INSIDE = 8


def draw_convergence(axes: Axes, result: ResultData) -> None:
    """Draw the objective's value and the bound over the entries of the trace."""
    axes.set_title("Convergence")
    if len(result.trace) < 2:
        return say(axes, "one allocation, no iterations" if result.trace else "no iterations")
    value, best, bound = (column(result.trace, key) for key in ("value", "best", "bound"))
    known, name = result.bound, name_of(result.objective)
    if np.isnan(bound).all() and known is not None and abs(known) < 1e200:
        bound = np.full(len(value), known)
    x, kept = np.arange(len(value)), np.array([entry.accepted for entry in result.trace])
    axes.step(x, best, color=COLOURS[0], where="post", label="kept" if _worsens(result, best) else "best so far")
    axes.plot(x[kept], value[kept], "o", color=COLOURS[0], markersize=5, label="iterate")
    if not kept.all():
        axes.plot(x[~kept], value[~kept], "x", color=COLOURS[1], markersize=8, label="iterate, not accepted")
    if np.isfinite(bound).any():
        axes.step(x, bound, color=COLOURS[2], where="post", linestyle="--", label=side_of(result.objective))
    scale = axis_scale(value, best, bound)
    below = f"; {np.sum(value <= 0)} with {name} 0 not drawn" if scale == "log" and np.any(value <= 0) else ""
    axes.set(yscale=scale, ylabel=f"{name}, {scale} scale", xlabel=f"iteration{below}")
    axes.locator_params(axis="x", integer=True)
    axes.legend(loc="best" if len(x) <= 200 else "lower right")


def _worsens(result: ResultData, best: np.ndarray) -> bool:
    """Return whether what is kept becomes worse from one entry to the next."""
    steps = np.diff(best)
    return bool(np.any(steps > 0 if sense_of(result.objective) is Sense.MIN else steps < 0))


def draw_race(axes: Axes, results: Sequence[ResultData], names: Sequence[str]) -> None:
    """Draw the value of the objective, which is that of the first result, that each method keeps over time."""
    lines, value = [], name_of(results[0].objective)
    for i, (result, name) in enumerate(zip(results, names, strict=True)):
        time, best = column(result.trace, "time"), column(result.trace, "best")
        style: dict[str, Any] = {"color": COLOURS[i % 8], "marker": "osD^vP*X"[(i + i // 8) % 8], "markersize": 5}
        told = legend_name(name if len(time) > 1 else f"{name} (no iterations)")
        lines += axes.step(time, best, where="post", label=told, **style)
    xscale, yscale = (axis_scale(*(np.asarray(line.get_data()[i]) for line in axes.lines)) for i in (0, 1))
    axes.set(
        xscale=xscale, xlabel=f"wall time (s), {xscale} scale", yscale=yscale, ylabel=f"{value} kept, {yscale} scale"
    )
    axes.set_title(f"{value[0].upper()}{value[1:]} over time")
    if len(lines) <= _INSIDE:
        axes.legend(loc="best")
    else:
        figure: Any = axes.figure
        legend_below(figure, lines, [str(line.get_label()) for line in lines])
