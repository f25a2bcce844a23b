"""Signals that end a command early, without losing what it has."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["stopped_by_batch_systems"]


@contextmanager
def stopped_by_batch_systems() -> Iterator[None]:
    """Take SIGTERM, which batch systems send before they kill, like Ctrl-C."""

    def interrupt(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
