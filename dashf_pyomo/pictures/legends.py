"""Names in pictures: short enough, all different, and in a legend that has room for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

__all__ = ["legend_below", "legend_name", "short_names"]

#: Between the parts of a name that was shortened.
_GAP = "..."
#: Most columns of a legend.
_MOST_COLUMNS = 8


def short_names(names: Sequence[str], width: int) -> list[str]:
    """Return names as single lines of limited length, all different if the names are.

    A name that is too long loses its middle: names often begin alike, and often end alike. Where that makes them the
    same they are numbered.

    Parameters
    ----------
    names
        The names; letters that cannot be printed become question marks.
    width
        Most letters of each, at least 12.
    """
    plain = ["".join(letter if letter.isprintable() else "?" for letter in name) for name in names]
    found: list[str] = []
    for name in plain:
        number = 1
        while (short := _short(name, width, number)) in found or (short != name and short in plain):
            number += 1
        found.append(short)
    return found


def _short(name: str, width: int, number: int) -> str:
    mark = f" #{number}" if number > 1 else ""
    if len(name) + len(mark) <= width:
        return name + mark
    room = width - len(mark) - len(_GAP)
    return f"{name[: room - room // 2].rstrip()}{_GAP}{name[len(name) - room // 2 :].lstrip()}{mark}"


def legend_name(name: str) -> str:
    """Return a name as a label of what is drawn: matplotlib leaves out those that begin with an underscore."""
    return f"\u200a{name}" if name.startswith("_") else name


def legend_below(figure: Figure, handles: Sequence[Any], names: Sequence[str]) -> None:
    """Add one legend for all panels below them, in as many columns as fit; the figure grows by its height.

    Parameters
    ----------
    figure
        With a constrained layout.
    handles, names
        Handles of the legend and their names.
    """
    if not names:
        return
    for columns in range(min(len(names), _MOST_COLUMNS), 0, -1):
        legend = figure.legend(handles, list(map(legend_name, names)), loc="outside lower center", ncols=columns)
        extent = legend.get_window_extent()
        if extent.width <= 0.98 * figure.bbox.width or columns == 1:
            break
        legend.remove()
    figure.set_figheight(figure.get_figheight() + extent.height / figure.dpi)
