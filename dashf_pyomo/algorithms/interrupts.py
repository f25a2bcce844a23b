"""Ctrl-C and compiled code: it may arrive as an error of a library, be lost, or do harm inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

__all__ = ["Interrupts", "held_back"]

Handler = Callable[[int, FrameType | None], Any]


class Interrupts:
    """Remembers that an interruption has arrived while it is entered, and lets it go on as before.

    Libraries that call back from compiled code turn the `KeyboardInterrupt` of a signal into errors of their own, or
    print and forget it. Who asks here knows better.

    Attributes
    ----------
    arrived
        Whether the user has interrupted.
    """

    def __init__(self) -> None:
        self.arrived = False
        self._before: dict[int, Handler] = {}

    def __enter__(self) -> Self:
        self._before = _take(self._arrive)
        return self

    def __exit__(self, *error: object) -> None:
        _restore(self._before)

    def _arrive(self, number: int, frame: FrameType | None) -> None:
        self.arrived = True
        self._before[number](number, frame)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold an interruption back until the block has ended, as it may do harm inside; a second one is let through."""
    held: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        held.append(number)
        if len(held) > 1:
            before[number](number, frame)

    before = _take(hold)
    try:
        yield
    finally:
        _restore(before)
    if held:
        before[held[0]](held[0], None)


def _take(handler: Handler) -> dict[int, Handler]:
    """Handle what interrupts in another way; return what did before. Only the main thread may, and only it is met."""
    before: dict[int, Handler] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            present = signal.getsignal(number)
            if callable(present):  # else it is ignored or ends the process, and shall
                before[number] = present
                signal.signal(number, handler)
    return before


def _restore(before: dict[int, Handler]) -> None:
    for number, handler in before.items():
        signal.signal(number, handler)
