"""A function in a process of its own, with limits that hold whatever it does.

Native solvers crash, hang beyond their time limits and exhaust the memory. What such a process has reported until
then is kept, its output does not mix with ours, and neither it nor what it started outlives the call.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from .parcel import pack, read_frames

__all__ = ["ChildEnd", "Ending", "kill_group", "last_words", "launch", "run_in_child"]

#: Seconds beyond its time limit after which a child is killed.
GRACE = 1.0
#: Seconds between looks at the log and at the health of the child.
_POLL = 0.05

_BOOT = "import sys; sys.path[:] = {path!r}; from dashf_pyomo.backends.parcel import serve; serve()"


class Ending(StrEnum):
    """How a child ended."""

    RETURNED = "returned"
    RAISED = "raised"  # the function raised an exception
    DIED = "died"  # the process ended without a word: a signal, an exit
    OVERDUE = "overdue"  # killed for being beyond its time limit


@dataclass(frozen=True)
class ChildEnd:
    """How a child ended.

    Parameters
    ----------
    ending
        See `Ending`.
    value
        What the function returned, if it did.
    reason
        What happened otherwise, in one line.
    """

    ending: Ending
    value: Any = None
    reason: str = ""


def run_in_child(
    function: Callable[..., Any],
    *arguments: Any,
    time_limit: float | None = None,
    grace: float = GRACE,
    memory: int | None = None,
    on_message: Callable[[Any], None] | None = None,
    on_log: Callable[[str], None] | None = None,
) -> ChildEnd:
    """Run ``function(send, *arguments)`` in a process of its own.

    The process is a fresh interpreter with our module search path and a temporary working directory. It does not run
    our ``__main__``, so scripts need no guard. If we die, it is killed; so is everything that it started.

    Parameters
    ----------
    function
        Importable by its name (not from ``__main__``). It is called with ``send``, which passes an object on to
        `on_message` while it runs, and with the arguments.
    *arguments
        Pickled; functions among their parts that cannot be imported arrive as stubs that raise when they are called.
    time_limit
        Wall time from now, s; the child is killed `grace` seconds after it.
    grace
        See `time_limit`, s.
    memory
        What the child may allocate on top of a bare interpreter, bytes of address space; where the system knows such
        a limit.
    on_message
        Gets what the child sends, in order. All of it arrives before this function returns or raises.
    on_log
        Gets what the child writes to standard output and standard error, as it is written.

    Returns
    -------
    ChildEnd
        The value, or the reason why there is none.

    Raises
    ------
    UnsendableError
        If the function or the arguments cannot be pickled.
    KeyboardInterrupt
        If the user interrupts; the child is killed at once.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dashf-", ignore_cleanup_errors=True) as folder:
        parcel = Path(folder, "parcel")
        parcel.write_bytes(pack(function, arguments, memory))
        child = _Child(Path(folder), on_message or _ignore, on_log or _ignore)
        try:
            return child.follow(None if time_limit is None else start + time_limit + grace, time_limit)
        finally:
            child.bury()


def launch(
    parcel: Path,
    work: Path,
    errors: BinaryIO,
    descriptors: tuple[int, ...] = (),
    variables: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process that serves a parcel; it and all that it starts are one group, and die with us.

    Parameters
    ----------
    parcel
        File made by `pack`.
    work
        Its working directory.
    errors
        Takes what it prints.
    descriptors
        File descriptors that it inherits.
    variables
        Environment variables on top of ours.
    """
    path = [os.path.abspath(entry) for entry in sys.path]
    # Standard input is a lifeline: nothing is written there, its end means that we are gone.
    return subprocess.Popen(
        [sys.executable, "-c", _BOOT.format(path=path), str(parcel)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        cwd=work,
        env=None if variables is None else {**os.environ, **variables},
        pass_fds=descriptors,
        start_new_session=True,  # the terminal's Ctrl-C is ours alone, and the group can be killed as one
    )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that `launch` started, with all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _ignore(_: Any) -> None:
    pass


class _Child:
    """The process, the thread that reads its messages, and its log."""

    def __init__(self, folder: Path, on_message: Callable[[Any], None], on_log: Callable[[str], None]) -> None:
        self._on_message, self._on_log = on_message, on_log
        log = folder / "log"
        work = folder / "work"
        work.mkdir()
        with log.open("wb") as errors:
            self._process = launch(folder / "parcel", work, errors)
        self._log = log.open("rb")
        self._inbox: queue.SimpleQueue[tuple[str, Any] | None] = queue.SimpleQueue()
        assert self._process.stdout is not None
        self._garbled = ""
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
        self._reader.start()

    def _read(self, stream: BinaryIO) -> None:
        # A thread, because a child that is stopped in the middle of a message would block whoever reads it.
        try:
            for frame in read_frames(stream):
                self._inbox.put(pickle.loads(frame))
        except Exception as error:  # whatever unpickling raises: nothing more can be understood
            self._garbled = f"child sent garbage ({type(error).__name__}: {error})"
        self._inbox.put(None)

    def follow(self, deadline: float | None, time_limit: float | None) -> ChildEnd:
        """Pass on what comes until the end, whatever it is."""
        while True:
            self._pass_log()
            if deadline is not None and time.monotonic() >= deadline:
                end = ChildEnd(Ending.OVERDUE, reason=f"killed for being beyond its time limit of {time_limit:g} s")
                break
            try:
                frame = self._inbox.get(timeout=_POLL)
            except queue.Empty:
                if self._process.poll() is None:
                    continue
                # Gone. Its last words may still be on their way, or a process that it started holds the pipe open.
                self._reader.join(1.0)
                frame = None if self._inbox.empty() else self._inbox.get()
            if frame is None:
                end = ChildEnd(Ending.DIED)
                break
            kind, value = frame
            if kind != "message":
                return ChildEnd(Ending(kind), value) if kind == Ending.RETURNED else ChildEnd(Ending(kind), None, value)
            self._on_message(value)
        code = self.bury()
        return end if end.ending is Ending.OVERDUE else ChildEnd(Ending.DIED, reason=self._garbled or last_words(code))

    def bury(self) -> int:
        """Kill the child with all that it started, wait for it, pass on what is left; return its exit code."""
        if self._log.closed:
            return self._process.returncode
        with contextlib.suppress(subprocess.TimeoutExpired):
            # One that has closed its messages by itself is ending; its exit code tells why.
            if not self._reader.is_alive():
                self._process.wait(0.5)
        kill_group(self._process)
        code = self._process.wait()
        self._reader.join(1.0)
        while not self._inbox.empty():
            frame = self._inbox.get()
            if frame is not None and frame[0] == "message":
                self._on_message(frame[1])
        self._pass_log()
        self._log.close()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not (stream is self._process.stdout and self._reader.is_alive()):
                stream.close()
        return code

    def _pass_log(self) -> None:
        while text := self._log.read(1 << 16):
            self._on_log(text.decode(errors="replace"))


def last_words(code: int) -> str:
    """Say how a process ended that did not say so itself, by its exit code."""
    if code >= 0:
        return f"child ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    hint = "; is the system out of memory?" if name == "SIGKILL" else ""
    return f"child died from signal {-code} ({name}){hint}"
