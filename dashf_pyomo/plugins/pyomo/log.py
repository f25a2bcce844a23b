"""The log of a run: a line for every trace entry, shown where asked for, and kept for the results."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

from ...trace import TraceEntry

__all__ = ["SolverLog"]


class SolverLog:
    """Writes lines to streams and keeps them.

    Parameters
    ----------
    streams
        Another receiver of the lines.
    observer
        Called with every trace entry, or None.
    """

    def __init__(self, streams: Sequence[Any], observer: Callable[[TraceEntry], None] | None = None) -> None:
        self._kept = io.StringIO()
        self._streams = [self._kept, *streams]
        self._observer = observer
        self._headed = False

    @property
    def text(self) -> str:
        """The text written so far."""
        return self._kept.getvalue()

    def write(self, line: str) -> None:
        """Write a line."""
        for stream in self._streams:
            stream.write(f"{line}\n")
            stream.flush()

    def __call__(self, entry: TraceEntry) -> None:
        """Write a trace entry."""
        if not self._headed:
            self._headed = True
            self.write(f"{'entry':>6} {'time (s)':>9} {'SCR':>12} {'best':>12} {'bound':>12}")
        numbers = (_number(value) for value in (entry.scr, entry.best, entry.upper_bound))
        said = entry.note or entry.contradiction
        self.write(f"{entry.iteration:>6} {entry.time:>9.2f} {' '.join(numbers)} {said}".rstrip())
        if self._observer is not None:
            self._observer(entry)


def _number(value: float | None) -> str:
    return f"{'-':>12}" if value is None else f"{value:>12.6g}"
