"""Isolation of drawing from the user's settings and from other threads, and of results from pictures that fail."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib.style
import numpy as np

from formulations import InputError

from ..errors import BackendError, described
from ..shared import without_warnings

__all__ = ["Attempts", "drawing"]

#: Matplotlib's settings are the process's.
_turn = threading.RLock()


@contextmanager
def drawing(style: Mapping[str, Any]) -> Iterator[None]:
    """Draw with matplotlib's defaults and a style on top, whatever the user's settings are; they stay as they are.

    Texts may be in any script: a letter that the font lacks is drawn as a box, without a warning.
    """
    letters = without_warnings(r"(?s).*Glyph .* missing from", r"(?s).*Matplotlib currently does not support")
    with _turn, matplotlib.style.context(["default", dict(style)]), np.errstate(all="ignore"), letters:
        yield


class Attempts:
    """Pictures any of which may fail: the others are drawn, and the numbers that they show are not lost.

    Attributes
    ----------
    failures
        A line for each that failed.
    """

    def __init__(self) -> None:
        self.failures: list[str] = []

    @contextmanager
    def at(self, what: str) -> Iterator[None]:
        """Draw a picture in a block, and note it if that fails; what the user got wrong is passed on."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:  # whatever matplotlib raises of odd data: the other pictures are drawn
            self.failures.append(f"{what} cannot be drawn ({described(error, 300)})")

    def complain(self) -> None:
        """Raise `BackendError` if any has failed; to be called when all else is done."""
        if self.failures:
            raise BackendError("; ".join(self.failures))
