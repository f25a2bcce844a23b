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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from ..deadline import Deadline
from .parcel import pack, read_frames

__all__ = ["Child", "ChildEnd", "Ending", "Message", "last_words", "run_in_child"]

#: Seconds beyond its time limit after which a child is killed.
GRACE = 1.0
#: Seconds between looks at the log and at the health of the child.
_POLL = 0.05

_BOOT = "import sys; sys.path[:] = {path!r}; from dashf_pyomo.backends.parcel import serve; serve()"


class Ending(StrEnum):
    """Kind of end of a child."""

    RETURNED = "returned"
    RAISED = "raised"  # the function raised an exception
    DIED = "died"  # the process ended without a word: a signal, an exit
    OVERDUE = "overdue"  # killed for being beyond its time limit


@dataclass(frozen=True)
class ChildEnd:
    """End of a child.

    Parameters
    ----------
    ending
        See `Ending`.
    value
        Value that the function returned, if it did.
    reason
        The reason otherwise, in one line.
    """

    ending: Ending
    value: Any = None
    reason: str = ""


@dataclass(frozen=True)
class Message:
    """Message of a child that runs."""

    value: Any


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
        Most memory of the child on top of a bare interpreter, bytes of address space; where the system knows such
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
    on_message, on_log = on_message or _ignore, on_log or _ignore
    with tempfile.TemporaryDirectory(prefix="dashf-", ignore_cleanup_errors=True) as folder:
        deadline = Deadline.after(None if time_limit is None else time_limit + grace)
        child = Child(Path(folder), function, arguments, memory=memory)
        child.deadline = deadline
        with child, child.log.open("rb") as log:
            try:
                while not isinstance(said := child.receive(_POLL), ChildEnd):
                    _pass_log(log, on_log)
                    if said is not None:
                        on_message(said.value)
            finally:
                child.kill()
                while isinstance(rest := child.receive(0.0), Message):
                    on_message(rest.value)
                _pass_log(log, on_log)
    if said.ending is Ending.OVERDUE:
        return ChildEnd(Ending.OVERDUE, reason=f"killed for being beyond its time limit of {time_limit:g} s")
    return said


def _ignore(_: Any) -> None:
    pass


def _pass_log(log: BinaryIO, on_log: Callable[[str], None]) -> None:
    while text := log.read(1 << 16):
        on_log(text.decode(errors="replace"))


class Child:
    """A process that runs a function: with a deadline, messages as they come, a log, and a clean end.

    It and all that it starts are one group, which is killed as one, and dies with us.

    Parameters
    ----------
    folder
        An empty folder of its own: for the parcel, the log and its working directory.
    function, arguments, memory
        As for `run_in_child`.
    descriptors
        File descriptors that it inherits.
    variables
        Environment variables on top of ours.
    on_arrival
        Called from another thread whenever something has come, or nothing more will.

    Attributes
    ----------
    deadline
        The time at which it is killed.
    log
        The file with what it writes to standard output and standard error.
    garbled
        Why what it sent cannot be read, empty if all can.

    Raises
    ------
    UnsendableError
        If the function or the arguments cannot be pickled.
    OSError
        If the system starts no process.
    """

    def __init__(
        self,
        folder: Path,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        *,
        memory: int | None = None,
        descriptors: tuple[int, ...] = (),
        variables: Mapping[str, str] | None = None,
        on_arrival: Callable[[], None] = lambda: None,
    ) -> None:
        parcel, work, self.log = (folder / name for name in ("parcel", "work", "log"))
        parcel.write_bytes(pack(function, arguments, memory))
        work.mkdir()
        path = [os.path.abspath(entry) for entry in sys.path]
        with self.log.open("ab") as errors:
            # Standard input is a lifeline: nothing is written there, its end means that we are gone.
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT.format(path=path), str(parcel)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=work,
                env=None if variables is None else {**os.environ, **variables},
                pass_fds=descriptors,
                start_new_session=True,  # the terminal's Ctrl-C is ours alone, and the group can be killed as one
            )
        self.deadline = Deadline()
        self._end: ChildEnd | None = None
        self._killed = False
        self.garbled = ""
        self._on_arrival = on_arrival
        self._inbox: queue.SimpleQueue[tuple[str, Any] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # A thread, because a child that is stopped in the middle of a message would block whoever reads it.
        try:
            for frame in read_frames(cast(BinaryIO, self._process.stdout)):
                self._inbox.put(pickle.loads(frame))
                self._on_arrival()
        except Exception as error:  # whatever unpickling raises: nothing more can be understood
            self.garbled = f"{type(error).__name__}: {error}"
        self._inbox.put(None)
        self._on_arrival()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, None while it lives."""
        return self._process.poll()

    def receive(self, timeout: float) -> Message | ChildEnd | None:
        """Return the next message, or how it ended, or None if there is neither within `timeout` seconds.

        One that is beyond its deadline is killed; what it has sent by then still comes before the end.
        """
        if self._end is None and self.deadline.passed:
            self.kill()
            self._end = ChildEnd(Ending.OVERDUE)
        try:
            frame = self._inbox.get(timeout > 0, timeout)
        except queue.Empty:
            if self._end is not None:
                return self._end
            if self.code is None:
                return None
            # Gone. Its last words may still be on their way, or a process that it started holds the pipe open.
            self._reader.join(1.0)
            frame = None if self._inbox.empty() else self._inbox.get()
        if frame is not None and frame[0] == "message":
            return Message(frame[1])
        if self._end is None:
            self._end = self._died() if frame is None else _said(*frame)
        return self._end

    def _died(self) -> ChildEnd:
        if not self.garbled:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(2.0)  # it has closed its messages, so it is ending; its exit code tells why
        self.kill()
        garbage = f"child sent garbage ({self.garbled})" if self.garbled else ""
        return ChildEnd(Ending.DIED, reason=garbage or last_words(self._process.wait()))

    def kill(self) -> None:
        """Kill it with all that it started, and wait for it."""
        if self._killed:
            return
        self._killed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._process.wait()
        self._reader.join(1.0)

    def close(self) -> None:
        """Kill it, and close the channels."""
        self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not (stream is self._process.stdout and self._reader.is_alive()):
                stream.close()


def _said(kind: str, value: Any) -> ChildEnd:
    """Return the end that a child has told of itself."""
    ending = Ending(kind)
    return ChildEnd(ending, value) if ending is Ending.RETURNED else ChildEnd(ending, reason=value)


def last_words(code: int) -> str:
    """Return how a process ended that did not say so itself, from its exit code."""
    if code >= 0:
        return f"child ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    hint = "; is the system out of memory?" if name == "SIGKILL" else ""
    return f"child died from signal {-code} ({name}){hint}"
