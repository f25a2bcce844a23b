"""Parcels to a child process and frames from it, and the child's side of both."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import pickle
import signal
import struct
import sys
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, NoReturn

from ..errors import described

__all__ = ["UnsendableError", "lift_memory_limit", "limit_memory", "pack", "read_frames", "serve"]

#: Precedes the first frame, so that whatever the interpreter printed while it started is skipped.
_MAGIC = b"\0dashf\0"
_LENGTH = struct.Struct("<Q")


class UnsendableError(TypeError):
    """An object cannot be pickled for another process; the message says "cannot be sent" and why."""


# -- our side -----------------------------------------------------------------------------------


def pack(function: Callable[..., Any], arguments: tuple[Any, ...], memory: int | None) -> bytes:
    """Return a function, its arguments and a memory limit (bytes) as bytes.

    Functions inside the arguments that the child could not import become stubs: models keep the rules that they were
    made by, often lambdas, and do not need them any more.

    Raises
    ------
    UnsendableError
        If the function cannot be imported by its name, or the arguments cannot be pickled.
    """
    if not _importable(function):
        raise UnsendableError(f"{function.__qualname__} cannot be imported by its name in another process")
    # Inner bytes: the child reads them with its limits set.
    return pickle.dumps((memory, _dumps((function, arguments))))


def read_frames(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the frames of a stream until it ends, be it in the middle of one."""
    seen = b""
    while not seen.endswith(_MAGIC):
        byte = stream.read(1)
        if not byte:
            return
        seen = (seen + byte)[-len(_MAGIC) :]
    while len(head := stream.read(_LENGTH.size)) == _LENGTH.size:
        size = _LENGTH.unpack(head)[0]
        if len(body := stream.read(size)) < size:
            return
        yield body


def _importable(function: Any) -> bool:
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    if module is None or module.__name__ == "__main__":
        return False
    found: Any = module
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is function


def _lost(name: str) -> Callable[..., NoReturn]:
    def stub(*_: Any, **__: Any) -> NoReturn:
        raise RuntimeError(f"function {name} was left behind in another process")

    return stub


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, types.FunctionType) and not _importable(obj):
            return _lost, (obj.__qualname__,)
        return NotImplemented


def _dumps(thing: Any) -> bytes:
    buffer = io.BytesIO()
    try:
        _Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(thing)
    except Exception as error:  # whatever pickling of what others define raises
        raise UnsendableError(f"cannot be sent to another process ({described(error)})") from error
    return buffer.getvalue()


# -- the child's side ---------------------------------------------------------------------------


def serve() -> NoReturn:
    """Be the child: run the parcel named on the command line, send what comes, end without ceremony."""
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # from here on, standard output is the log, for native code too
    channel.write(_MAGIC)
    _die_with_parent()
    lock = threading.Lock()

    def frame(kind: str, value: Any) -> None:
        body = _dumps((kind, value))
        with lock:
            channel.write(_LENGTH.pack(len(body)) + body)
            channel.flush()

    memory: int | None = None
    try:
        with open(sys.argv[1], "rb") as parcel:
            memory, inner = pickle.load(parcel)
        limited = limit_memory(memory)
        function, arguments = pickle.loads(inner)
        value = function(lambda message: frame("message", message), *arguments)
        end = ("returned", value)
    except BaseException as error:  # the parent is told of everything, SystemExit and panics of Rust too
        end = ("raised", _describe(error, memory if memory is not None and limited else None))
        lift_memory_limit()  # the last message needs some
    _flush()
    try:
        frame(*end)
    except UnsendableError as error:
        frame("raised", f"what was to be returned {error}")
    # No interpreter shutdown: destructors of native libraries crash and hang as well.
    os._exit(0)


def _describe(error: BaseException, memory: int | None) -> str:
    what = described(error, 300).rstrip(": ")
    if isinstance(error, MemoryError) and memory is not None:
        what += f" (memory limit of {memory / 1e6:.0f} MB)"
    return what


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


def _die_with_parent() -> None:
    """Have the whole process group killed when standard input ends, which is when the parent is gone."""

    def watch() -> None:
        os.read(0, 1)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    if hasattr(os, "killpg"):
        threading.Thread(target=watch, daemon=True).start()
    if sys.platform == "linux":
        # The thread never runs while a solver holds the interpreter's lock; here the kernel can do it.
        fcntl: Any = importlib.import_module("fcntl")
        fcntl.fcntl(0, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(0, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


def limit_memory(memory: int | None) -> bool:
    """Limit the address space to what is taken now and `memory` bytes more; say whether the system does that."""
    if memory is None:
        return False
    try:
        resource: Any = importlib.import_module("resource")
        with open("/proc/self/statm") as statm:
            taken = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (taken + memory, hard))
    except (ImportError, OSError, ValueError):
        return False
    return True


def lift_memory_limit() -> None:
    """Undo `limit_memory`."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        resource: Any = importlib.import_module("resource")
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
