"""Standard output is for results; native code that writes there regardless is muted."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from ..shared import Shared

__all__ = ["muted_stdout"]


def muted_stdout() -> AbstractContextManager[None]:
    """Send the process's file descriptor 1 to nowhere, the buffer of the C library included, until all have left."""
    return _muted.entered()


@contextmanager
def _mute() -> Iterator[None]:
    libc = ctypes.CDLL(None)
    libc.fflush(None)
    try:
        saved = os.dup(1)
    except OSError:  # closed already
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        libc.fflush(None)
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nowhere)


_muted = Shared(_mute)
