"""Drawing: a row of panels for every reading."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet
from matplotlib.ticker import MaxNLocator

from formulations import InputError

from ..pictures import COLOURS
from ..pictures.isolation import drawing
from ..pictures.ticks import label_axes
from .catalogue import BOUND, METHODS, Figure, FigureKind
from .numbers import PlottedPoint, Value

__all__ = ["draw"]

_STYLE: dict[str, Any] = {
    "font.size": 9, "axes.titlesize": 10, "legend.fontsize": 8, "figure.dpi": 80, "savefig.dpi": 80,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.25,
    "legend.frameon": False,
}  # fmt: skip
_MARKS = ("v", "^", "s", "D", "o")
_LABELS = {"scr": "SCR", "delay": "delay (s)", "energy": "energy (J)", "gap": "gap to the bound (%)"}
_BOUND_LABEL = "certified upper bound"
_PANEL = (4.3, 3.0)


def draw(
    figure: Figure, places: Sequence[PlottedPoint], values: Sequence[Value], folder: str | os.PathLike[str]
) -> list[str]:
    """Draw a figure as PNG and PDF, and return the names of the files.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    readings = list(dict.fromkeys(place.reading for place in places))
    with drawing(_STYLE):
        sheet = Sheet(layout="constrained")
        if figure.kind is FigureKind.CONVERGENCE:
            points = list(dict.fromkeys(place.point.label for place in places))
            panels = _panels(sheet, len(readings), len(points))
            for place in places:
                axes = panels[readings.index(place.reading)][points.index(place.point.label)]
                _convergence(axes, figure, [value for value in values if value.place is place])
                axes.set_title(f"{place.point.label}, {place.reading}{_count([place])}")
        else:
            quantities = list(figure.quantities)
            if quantities == ["scr"] and any(value.quantity == "gap" for value in values):
                quantities.append("gap")  # what a log scale over all methods hides
            panels = _panels(sheet, len(readings), len(quantities))
            for row, reading in zip(panels, readings, strict=True):
                here = [place for place in places if place.reading == reading]
                for axes, quantity in zip(row, quantities, strict=True):
                    if figure.kind is FigureKind.COMPARISON:
                        _bars(axes, figure, here, values, quantity)
                    else:
                        _curves(axes, figure, here, values, quantity)
                    axes.set_title(f"{reading}{_count(here)}")
        _legend(sheet, figure)
        sheet.suptitle(figure.title)
        label_axes(sheet)
        return [_save(sheet, Path(folder, f"{figure.name}.{kind}")) for kind in ("png", "pdf")]


def _save(sheet: Sheet, path: Path) -> str:
    # No date, so that the same cells give the same file.
    metadata: dict[str, Any] = {"CreationDate": None} if path.suffix == ".pdf" else {}
    try:
        sheet.savefig(path, metadata=metadata)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    return path.name


def _panels(sheet: Sheet, rows: int, columns: int) -> list[list[Axes]]:
    sheet.set_size_inches(max(_PANEL[0] * columns, 7.5), _PANEL[1] * rows + 0.6)
    return [list(row) for row in sheet.subplots(rows, columns, squeeze=False)]


def _count(places: Sequence[PlottedPoint]) -> str:
    """Return a note on how many seeds a panel is averaged over."""
    counts = sorted({len(place.samples) for place in places})
    if counts == [0]:
        return ": no seed where every method found an allocation"
    shown = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f", {shown} seed{'' if shown == '1' else 's'}"


def _legend(sheet: Sheet, figure: Figure) -> None:
    """Draw one legend below all panels, of whatever any panel shows."""
    found: dict[str, Any] = {}
    for axes in sheet.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        columns = 3 if figure.kind is FigureKind.CONVERGENCE else 6
        sheet.legend(list(found.values()), list(found), loc="outside lower center", ncols=min(len(found), columns))


def _look(method: str) -> dict[str, Any]:
    position = METHODS.index(method)
    return {"color": COLOURS[position], "marker": _MARKS[position], "markersize": 4}


def _convergence(axes: Axes, figure: Figure, values: Sequence[Value]) -> None:
    axes.set(xlabel="iteration", ylabel="SCR, log scale", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for method in figure.methods:
        for quantity, line, label in (("iterate", "-", "SCR of the iterate"), ("kept", "--", "best so far, kept")):
            steps = [value for value in values if value.quantity == quantity and value.method == method]
            if not steps:
                continue
            x = [value.iteration or 0 for value in steps]
            look = _look(method) if quantity == "iterate" else {"color": "#666666", "marker": "x", "markersize": 4}
            axes.plot(x, [value.spread.mean for value in steps], line, label=label, **look)
            if quantity == "iterate":
                _band(axes, x, steps, str(look["color"]))
    for value in values:
        if value.method == BOUND:
            axes.axhline(value.spread.mean, color="black", linestyle=":", label=_BOUND_LABEL)


def _band(axes: Axes, x: Sequence[float], values: Sequence[Value], colour: str, unit: float = 1.0) -> None:
    """Shade from quartile to quartile over seeds."""
    lower, upper = (np.array([getattr(value.spread, end) for value in values]) for end in ("lower", "upper"))
    axes.fill_between(x, unit * lower, unit * upper, color=colour, alpha=0.15, linewidth=0)


def _curves(axes: Axes, figure: Figure, places: Sequence[PlottedPoint], values: Sequence[Value], quantity: str) -> None:
    labels = [place.point.label for place in places]
    narrow = max(map(len, labels)) > 4
    axes.set_xticks(range(len(labels)), [label.replace(" / ", "\n") for label in labels] if narrow else labels)
    axes.set(xlabel=figure.axis, ylabel=_LABELS[quantity])
    unit = 100.0 if quantity == "gap" else 1.0
    if quantity == "gap":
        axes.set_ylim(0.0, 103.0)
    else:
        axes.set(ylabel=f"{_LABELS[quantity]}, log scale", yscale="log")
    for method in (*figure.methods, BOUND):
        wanted = "upper_bound" if method == BOUND and quantity == "scr" else quantity
        found = {
            v.place.point.label: v for v in values if v.method == method and v.quantity == wanted and v.place in places
        }
        x = [position for position, label in enumerate(labels) if label in found]
        if not x:
            continue
        shown = [found[labels[position]] for position in x]
        means = [unit * value.spread.mean for value in shown]
        if method == BOUND:
            axes.plot(x, means, color="black", linestyle=":", marker=".", label=_BOUND_LABEL)
        else:
            axes.plot(x, means, label=method, **_look(method))
            _band(axes, x, shown, _look(method)["color"], unit)


def _bars(axes: Axes, figure: Figure, places: Sequence[PlottedPoint], values: Sequence[Value], quantity: str) -> None:
    axes.set(xlabel=f"{_LABELS[quantity]}, log scale", xscale="log")
    axes.set_yticks(range(len(figure.methods)), figure.methods)
    axes.set_ylim(len(figure.methods) - 0.4, -0.6)
    for place in places:
        if not place.samples:
            continue
        for y, method in enumerate(figure.methods):
            (value,) = (v for v in values if v.place is place and v.method == method and v.quantity == quantity)
            numbers = [sample.measured(method, quantity) for sample in place.samples]
            jitter = np.random.default_rng(y).uniform(-0.25, 0.25, len(numbers))
            dots: dict[str, Any] = {"markersize": 3, "alpha": 0.5, "zorder": 3}
            axes.plot(numbers, y + jitter, ".", color="black", label="one seed" if y == 0 else None, **dots)
            bar = {"color": _look(method)["color"], "alpha": 0.7}
            axes.barh(y, value.spread.mean, 0.6, label="mean over seeds" if y == 0 else None, **bar)
        for value in values:
            if value.place is place and value.method == BOUND and quantity == "scr":
                axes.axvline(value.spread.mean, color="black", linestyle=":", label=_BOUND_LABEL)
