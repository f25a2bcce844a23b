"""Contexts that threads share: they change what a process has only one of, standard output and filters of warnings.

Each of them saving and restoring it would leave behind what another one had made of it.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

__all__ = ["Shared", "without_warnings"]


class Shared:
    """A context that threads are in together: the first to come enters it, the last to go leaves it.

    Parameters
    ----------
    make
        Returns the context.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._inside = 0
        self._context: AbstractContextManager[Any] | None = None

    @contextmanager
    def entered(self, also: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Be in the context for a block.

        Parameters
        ----------
        also
            Called by each thread inside the context, before its block.
        """
        with self._lock:
            if self._context is None:
                context = self._make()
                context.__enter__()
                self._context = context
            self._inside += 1
        try:
            with self._lock:
                also()
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    context, self._context = self._context, None
                    context.__exit__(None, None, None)


_filters = Shared(warnings.catch_warnings)


def without_warnings(*messages: str) -> AbstractContextManager[None]:
    """Keep warnings whose beginning matches one of the expressions from being shown, all without any.

    Until every thread has left, what any of them ignores is ignored.
    """

    def ignore() -> None:
        for message in messages or ("",):
            warnings.filterwarnings("ignore", message=message)

    return _filters.entered(ignore)
