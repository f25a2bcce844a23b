"""Ctrl-C while compiled code runs: it may arrive as an error of a library, or be lost, but it was meant."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupts"]


class Interrupts:
    """Remembers that an interruption has arrived while it is entered, and lets it go on as before.

    Libraries that call back from compiled code turn the `KeyboardInterrupt` of a signal into errors of their own, or
    print and forget it. Who asks here knows better. It watches from the main thread alone, as only there Python may.

    Attributes
    ----------
    arrived
        Whether the user has interrupted.
    """

    def __init__(self) -> None:
        self.arrived = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.getsignal(number)
                if callable(before):  # else it is ignored or ends the process, and shall
                    self._before[number] = before
                    signal.signal(number, self._arrive)
        return self

    def __exit__(self, *error: object) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _arrive(self, number: int, frame: FrameType | None) -> None:
        self.arrived = True
        self._before[number](number, frame)
