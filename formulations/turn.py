"""Lock for one thread at a time, where threads may wait for each other's imports too.

Discovering is importing, and Python holds a lock for each module that is being imported. With a lock of its own, a
thread that discovers could wait for a module that another one imports, and that one for the end of the discovery, for
ever. Python's locks notice such a circle, so this is one of them.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["ImportCircleError", "Turn"]

#: Private to Python, but the only lock that knows of imports.
_bootstrap: Any = importlib.import_module("importlib._bootstrap")

#: What an import raises that would wait for a thread that waits for this one.
ImportCircleError: type[RuntimeError] = _bootstrap._DeadlockError


class Turn:
    """Turn that one thread has at a time, as often as it likes, while the others wait.

    Parameters
    ----------
    name
        What it is the turn of, for messages.
    """

    def __init__(self, name: str) -> None:
        self._lock: Any = _bootstrap._ModuleLock(name)

    @property
    def mine(self) -> bool:
        """Whether this thread has it."""
        return bool(self._lock.owner == threading.get_ident())

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Have the turn for a block; False, at once, if the thread that has it waits for an import of this one."""
        try:
            self._lock.acquire()
        except ImportCircleError:
            yield False
            return
        try:
            yield True
        finally:
            self._lock.release()
