"""The sheet that pictures are drawn on, and what all panels share."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from formulations import Evaluation, InputError, Scenario, evaluate

from ..files import writing
from ..result_data import ResultData
from ..trace import TraceEntry
from .isolation import drawing

__all__ = ["COLOURS", "Picture", "axis_scale", "check_suffix", "clean", "column", "judge", "say", "sheet", "write"]

#: Okabe and Ito's colours, which colour-blind readers tell apart too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
_STYLE = {"font.size": 9, "axes.titleweight": "bold", "legend.fontsize": 8, "figure.dpi": 150, "axes.spines.top": False}
_STYLE |= {"axes.spines.right": False, "figure.constrained_layout.h_pad": 0.1, "figure.constrained_layout.w_pad": 0.1}
_LOG_RATIO = 30.0  # values farther apart are not readable on a linear axis


def check_suffix(path: str | os.PathLike[str]) -> str:
    """Return the picture format that a name asks for.

    Raises
    ------
    InputError
        If the suffix is not .png, .pdf or .svg.
    """
    kind = Path(path).suffix[1:].lower()
    if kind not in ("png", "pdf", "svg"):
        raise InputError(f"{path}: cannot tell the format; expected a name that ends in .png, .pdf or .svg")
    return kind


class Picture(Figure):
    """A figure that is saved with the settings it was drawn with, whatever the user's are, and that notebooks show."""

    def savefig(self, fname: Any, **settings: Any) -> None:
        """Write the picture, see `matplotlib.figure.Figure.savefig`."""
        with drawing(_STYLE):
            super().savefig(fname, **settings)

    def _repr_png_(self) -> bytes:
        return self.content("png")

    def content(self, kind: str) -> bytes:
        """Return the picture as a file of a format: png, pdf or svg."""
        buffer = io.BytesIO()
        self.savefig(buffer, format=kind)
        return buffer.getvalue()


@contextmanager
def sheet(title: str, height: float) -> Iterator[Picture]:
    """Give an empty picture to draw on."""
    with drawing(_STYLE):
        figure = Picture(figsize=(14, height), layout="constrained")
        figure.suptitle(title, fontsize=13)
        yield figure


def write(path: str | os.PathLike[str], draw: Callable[[], Picture]) -> None:
    """Draw a picture and write it to a file, whose suffix says the format and is checked first.

    Raises
    ------
    InputError
        If the suffix is not known, or the place cannot be written.
    """
    kind = check_suffix(path)
    content = draw().content(kind)
    with writing(path):
        Path(path).write_bytes(content)


def judge(scenario: Scenario, result: ResultData) -> Evaluation | None:
    """Return what the evaluator says of a result's allocation, None without one.

    Raises
    ------
    InputError
        If the result is not of this scenario.
    """
    if not result.matches(scenario):
        raise InputError(f"the result of {result.method} is for another scenario; expected one for {scenario.name!r}")
    return None if result.allocation is None else evaluate(scenario, result.allocation)


def clean(text: str, width: int = 60) -> str:
    """Return a text from a file as one short line that the font has and that is no formula."""
    text = "".join(c if c.isprintable() and c < "\u0500" else "?" for c in text) or "unnamed"
    return (text if len(text) <= width else text[: width - 3] + "...").replace("$", r"\$")


def say(axes: Axes, text: str) -> None:
    """Leave a panel empty but for a few words."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=13, color="#555555")


def column(trace: Sequence[TraceEntry], name: str) -> np.ndarray:
    """Return one field of every trace entry, NaN where it is no number that can be drawn."""
    values = (getattr(entry, name) for entry in trace)
    return np.array([value if value is not None and abs(value) < 1e200 else np.nan for value in values])


def axis_scale(*values: Sequence[float] | np.ndarray) -> str:
    """Return whether positive values are so far apart that they need a logarithmic axis."""
    seen = np.concatenate(values)
    seen = np.log10(seen[np.isfinite(seen) & (seen > 0)])
    return "log" if seen.size and np.ptp(seen) > np.log10(_LOG_RATIO) else "linear"
