"""Panels that show how a bound was proven: bound and incumbent over time, and the bound over the deadline T."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from formulations import Evaluation
from formulations.objective import Sense

from ..objectives import bound_text, name_of, sense_of, worst_of
from ..result_data import ResultData, relative_gap
from ..trace import TraceEntry
from .sheet import COLOURS, axis_scale, column, say

__all__ = ["draw_bound_over_deadlines", "draw_bound_over_time", "profile_of", "proves"]

Array = NDArray[np.float64]

_ROOM = 0.08  # above and below what is drawn, part of its height
_LOG_RATIO = 5.0  # farther above the incumbent, a first bound would hide the gap on a linear axis


def proves(result: ResultData) -> bool:
    """Return whether the trace of a result has a bound."""
    return bool(np.isfinite(column(result.trace, "bound")).any())


def profile_of(trace: Sequence[TraceEntry]) -> tuple[Array, Array] | None:
    """Return the last bound over deadlines in a trace, or None if there is none that makes sense.

    Returns
    -------
    tuple of Array
        Edges, s, shape (K + 1,), and the bounds between them, shape (K,).
    """
    for entry in reversed(trace):
        try:
            edges = np.asarray(entry.facts["profile_deadlines"], dtype=float)
            bounds = np.asarray(entry.facts["profile_bounds"], dtype=float)
        except (KeyError, TypeError, ValueError):
            continue
        sound = edges.ndim == bounds.ndim == 1 and len(edges) == len(bounds) + 1 > 1
        if sound and np.isfinite(edges).all() and np.isfinite(bounds).all() and np.all(np.diff(edges) > 0):
            return edges, bounds
    return None


def draw_bound_over_time(axes: Axes, result: ResultData) -> None:
    """Draw how bound and incumbent approach each other, from the first bound on; earlier values may be worse."""
    axes.set_title("Bound and incumbent over time")
    time, best, bound = (column(result.trace, key) for key in ("time", "best", "bound"))
    if not np.isfinite(bound).any():
        return say(axes, "no bound")
    first = int(np.flatnonzero(np.isfinite(bound))[0])
    time, best, bound = (np.append(values, values[-1]) for values in (time, best, bound))
    time[-1] = max(time[-1], result.wall_time)
    axes.step(
        time, bound, color=COLOURS[1], where="post", label=f"bound {bound_text(bound[-1], kind=result.objective)}"
    )
    axes.step(time, best, color=COLOURS[0], where="post", label=f"incumbent {best[-1]:.6g}")
    gap = relative_gap(*(float(values[-1]) if np.isfinite(values[-1]) else None for values in (best, bound)))
    told = None if gap is None else f"gap {gap:.3%}"
    axes.fill_between(time, best, bound, step="post", color="#888888", alpha=0.15, linewidth=0, label=told)
    scale, below = _fit(axes, bound, best[first:]), ""
    low, high = axes.get_ylim()
    earlier, falling = best[:first], sense_of(result.objective) is Sense.MIN
    hidden = np.unique(earlier[earlier > high if falling else earlier < low]).size
    if hidden:
        where = "above" if falling else "below"
        below = f"; {hidden} earlier incumbents lie {where}" if hidden > 1 else f"; one earlier incumbent lies {where}"
    axes.set(
        xlabel=f"wall time (s){below}",
        ylabel=f"{name_of(result.objective)}, {scale} scale",
        xlim=(0, 1.02 * time[-1] or 1),
    )
    axes.legend(loc="best")


def draw_bound_over_deadlines(axes: Axes, result: ResultData, evaluation: Evaluation | None) -> None:
    """Draw the bound on the value of allocations by their delay, and the allocations found.

    Parameters
    ----------
    axes
        The panel.
    result
        Has the trace.
    evaluation
        Of its allocation, or None.
    """
    axes.set_title("Bound over the deadline T")
    profile = profile_of(result.trace)
    if profile is None:
        return say(axes, "no bound over deadlines")
    edges, bounds = profile
    # Of ratios a bound of zero says that there is no allocation.
    shown = np.where(bounds > 0.0, bounds, np.nan) if worst_of(result.objective) == 0.0 else bounds
    axes.stairs(shown, edges, baseline=None, color=COLOURS[1], linewidth=1.8, label="bound, by interval of T")
    empty = [(edges[k], edges[k + 1] - edges[k]) for k in np.flatnonzero(np.isnan(shown))]
    if empty:
        whole: Any = axes.get_xaxis_transform()
        axes.broken_barh(empty, (0, 1), transform=whole, facecolor="#DDDDDD", label="no allocation here", zorder=0)
    marks, scale = [shown], axis_scale(edges)
    if evaluation is not None:
        value = evaluation.value
        axes.axhline(value, color=COLOURS[0], linewidth=1, linestyle="--")
        told = f"incumbent: {name_of(result.objective)} {value:.6g}, T = {evaluation.delay:.4g} s"
        axes.plot([evaluation.delay], [value], "*", color=COLOURS[0], markersize=13, zorder=4, label=told)
        marks.append(np.array([value]))
    height = _fit(axes, *marks)
    delay, found = (column(result.trace, key) for key in ("delay", "value"))
    low, high = axes.get_ylim()
    within = found <= high if sense_of(result.objective) is Sense.MIN else found >= low
    inside = (edges[0] <= delay) & (delay <= edges[-1]) & within
    if inside.any():
        axes.plot(delay[inside], found[inside], ".", color="#555555", markersize=5, label="allocations found")
    axes.set(xscale=scale, xlim=(edges[0], edges[-1]), ylabel=f"{name_of(result.objective)}, {height} scale")
    axes.set_xlabel("delay T (s); shorter ones nobody can meet, longer ones are no better than the start")
    axes.legend(loc="best")


def _fit(axes: Axes, *values: Array) -> str:
    """Make the vertical axis show all values and not much else; return its scale."""
    seen = np.concatenate(values)
    seen = seen[np.isfinite(seen)]
    if not seen.size:
        return "linear"
    low, high = float(seen.min()), float(seen.max())
    if low > 0.0 and _LOG_RATIO * low < high:
        axes.set_yscale("log")
        room = (high / low) ** _ROOM
        axes.set_ylim(low / room, high * room)
        return "log"
    room = _ROOM * (high - low) or 1e-3 * abs(high) or 1.0
    axes.set_ylim(low - room, high + room)
    return "linear"
