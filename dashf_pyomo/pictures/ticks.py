"""Ticks of axes, with labels that can be read whatever the axis spans."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator, NullFormatter, NullLocator
from matplotlib.transforms import Bbox

__all__ = ["label_axes", "log_ticks", "overlapping"]

#: Most labels of an axis; fewer where they would touch.
_MOST = 8


def label_axes(figure: Figure) -> None:
    """Label the axes of a figure as densely as there is room; to be called when all is drawn.

    On logarithmic axes matplotlib labels the tens, which a short one has none or one of, or else many numbers between,
    on top of each other. Labels of long numbers may touch on linear ones. Ticks with names are left alone.
    """
    every = [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    logarithmic = [axis for axis in every if axis.get_scale() == "log"]
    linear = [axis for axis in every if isinstance(axis.get_major_locator(), MaxNLocator)]
    for axis in logarithmic:
        _label_log(axis, _MOST)
    for most in range(_MOST - 1, 0, -1):
        figure.draw_without_rendering()  # from here on it is known how large the labels are
        crowded = [axis for axis in (*logarithmic, *linear) if _is_crowded(axis)]
        if not crowded:
            return
        for axis in crowded:
            if axis in linear:
                axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
            else:
                _label_log(axis, max(most, 2))


def _is_crowded(axis: Axis) -> bool:
    return overlapping([label.get_window_extent() for label in axis.get_ticklabels()])


def _label_log(axis: Axis, most: int) -> None:
    low, high = sorted(axis.get_view_interval())
    ticks = log_ticks(low, high, most)
    step = min(np.diff(ticks))
    digits = max(6, math.ceil(math.log10(high / step)) + 1)
    axis.set_major_locator(FixedLocator(ticks))
    plain = ticks[0] >= 1e-3 and ticks[-1] < 1e5  # all in one way
    axis.set_major_formatter(lambda value, _: f"{value:.{digits}g}" if plain else _power(value, digits))
    axis.set_minor_formatter(NullFormatter())
    if high < 10.0 * low:  # where ticks are not at tens, those between would mislead
        axis.set_minor_locator(NullLocator())


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Return numbers within a positive range to label on a logarithmic axis: round ones, two at least, `most` at most.

    Parameters
    ----------
    low, high
        The range.
    most
        At least 2.
    """
    tens = [10.0**k for k in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
    if len(tens) > 3:
        step = math.ceil(len(tens) / most)
        return tens[::step]
    if high >= 10.0 * low:
        for digits in ((1, 2, 5), (1, 3), (1,)):
            found = [d * ten for ten in (tens[0] / 10.0, *tens) for d in digits if low <= d * ten <= high]
            if 2 <= len(found) <= most:
                return found
    for bins in range(most, 0, -1):
        values = MaxNLocator(bins, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        found = [float(value) for value in values if low <= value <= high]
        if 2 <= len(found) <= most:
            return found
    return [low, high]


def _power(value: float, digits: int) -> str:
    factor, power = f"{value:.{digits - 1}e}".split("e")
    factor = f"{float(factor):.{digits}g}"
    return f"$10^{{{int(power)}}}$" if factor == "1" else rf"${factor}\times10^{{{int(power)}}}$"


def overlapping(boxes: Sequence[Bbox]) -> bool:
    """Return whether any two boxes, in pixels, overlap; empty ones do not."""
    ends = np.array([box.extents for box in boxes if box.width > 0.0 and box.height > 0.0]).reshape(-1, 4)
    low, high = ends[:, None, :2], ends[:, None, 2:]
    common = np.minimum(high, ends[None, :, 2:]) - np.maximum(low, ends[None, :, :2])
    meets = (common > 0.0).all(axis=2)
    return bool(np.any(meets & ~np.eye(len(ends), dtype=bool)))
