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
    print and forget it. This object remembers it.

    Attributes
    ----------
    arrived
        Whether the user has interrupted.
    """

    def __init__(self) -> None:
        self.arrived = False
        self._before: dict[int, Handler] = {}

    def __enter__(self) -> Self:
        self._before = _present()
        try:
            for number in self._before:
                signal.signal(number, self._arrive)
        except BaseException:  # one has arrived already
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        _restore(self._before)

    def _arrive(self, number: int, frame: FrameType | None) -> None:
        self.arrived = True
        self._before[number](number, frame)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold an interruption back until the block has ended, as it may do harm inside.

    A second one is let through, to Python at least: compiled code always runs to its end.
    """
    before = _present()
    held: list[int] = []
    holds = True

    def hold(number: int, frame: FrameType | None) -> None:
        # Should something keep this handler from being replaced, it passes on what comes.
        if holds and not held:
            held.append(number)
        else:
            before[number](number, frame)

    try:
        for number in before:
            signal.signal(number, hold)
        yield
    finally:
        holds = False
        _restore(before)
        if held:
            before[held[0]](held[0], None)


def _present() -> dict[int, Handler]:
    """Return what handles interruptions; only the main thread may change that, and only it is met by them."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    numbers = (getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
    found = {number: signal.getsignal(number) for number in numbers}
    # Others are ignored or end the process, and shall.
    return {number: handler for number, handler in found.items() if callable(handler)}


def _restore(before: dict[int, Handler]) -> None:
    """Let others handle interruptions again, all of them even if one arrives meanwhile."""
    arrived: BaseException | None = None
    for number, handler in before.items():
        try:
            signal.signal(number, handler)
        except KeyboardInterrupt as error:
            arrived = error
            signal.signal(number, handler)
    if arrived is not None:
        raise arrived
