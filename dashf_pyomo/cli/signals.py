"""Signals that end a command early, without losing what it has."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["stopped_by_batch_systems"]


@contextmanager
def stopped_by_batch_systems() -> Iterator[None]:
    """Take SIGTERM, which batch systems send before they kill, and SIGHUP of a terminal that closes, like Ctrl-C.

    They come in twos and threes, also while what was found is being saved: only the first counts. What is ignored from
    the start, as SIGHUP under nohup, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are not ours to handle
        return
    terminals = [number for number in range(3) if os.isatty(number)]
    arrived = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal arrived
        if arrived:
            return
        arrived = True
        _leave_what_is_gone(terminals)
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_what_is_gone(terminals: list[int]) -> None:
    """Let streams end nowhere whose terminal has closed: what is written there would be an error."""
    for number in terminals:
        if not os.isatty(number):
            with suppress(OSError):
                nowhere = os.open(os.devnull, os.O_RDWR)
                os.dup2(nowhere, number)
                os.close(nowhere)
