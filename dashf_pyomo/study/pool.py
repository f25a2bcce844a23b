"""Warm worker processes on this machine, each with one cell at a time, killed when a cell is overdue.

A worker is started like the children of exact backends: a fresh interpreter that needs no guard in the script that
started it, dies with us, and whose output does not mix with ours.
"""

from __future__ import annotations

import os
import pickle
import re
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from formulations import InputError

from ..backends.child import Child, ChildEnd, Ending, last_words
from ..backends.parcel import UnsendableError
from ..deadline import Deadline
from ..errors import described
from .task import Begun, CellOutcome, CellRecord, CellTask, Loaded, Lost, PoolError
from .work import perform

__all__ = ["LocalPool", "serve_tasks"]

#: Seconds within which a worker has to be warm; compiling kernels for the first time takes a minute.
WARM_UP_LIMIT = 900.0
#: How many processes may end before they take a task, one after the other.
_TRIES = 3
#: Seconds between looks at the health of workers that say nothing.
_POLL = 0.2
#: Bytes of a worker's output that are kept.
_LOG = 1_000_000
#: How the names of folders of pools begin, and the file in them that is locked while the pool is there.
_PREFIX, _LOCK = "dashf-study-", "lock"
#: What a worker says first: that it is there at all.
_READY = "ready"
#: Signals that others end processes with: the sender wants the worker gone, and no method has failed.
_FROM_OUTSIDE = {-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP} if hasattr(signal, "SIGHUP") else set()
#: What native code says when an allocation fails, before it dies.
_NO_MEMORY = re.compile(r"MemoryError|bad_alloc|[Oo]ut of memory|[Cc]annot allocate memory|length_error")
#: Variables that say how many threads the libraries of a worker use.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def serve_tasks(send: Callable[[Any], None], descriptor: int) -> None:
    """Do tasks from a pipe until it closes; run in a worker."""
    os.set_inheritable(descriptor, False)  # what tasks start must not keep it open
    with Connection(descriptor, writable=False) as tasks:
        send(_READY)
        while True:
            try:
                content = tasks.recv_bytes()
            except EOFError:
                return
            try:
                task: CellTask = pickle.loads(content)
            except Exception as error:  # whatever unpickling raises
                send(Lost("", f"a worker cannot read the cell ({described(error)})"))
                continue
            record = perform(task, send)
            try:
                send(record)
            except UnsendableError as error:
                send(Lost(task.key, f"what came of the cell {error}"))
            if isinstance(record, CellRecord) and record.outcome is CellOutcome.MEMORY:
                return  # the state of this process is unknown


def _died(code: int | None) -> str:
    return last_words(code or 0).replace("child", "worker", 1)


class _Worker:
    """A child that does tasks, and the task that it has."""

    def __init__(self, folder: Path, threads: int, on_arrival: Callable[[], None]) -> None:
        folder.mkdir()
        theirs, self._tasks = Pipe(duplex=False)
        with theirs:
            variables = dict.fromkeys(_THREADS, str(threads))
            pipe = theirs.fileno()
            self.child = Child(
                folder, serve_tasks, (pipe,), descriptors=(pipe,), variables=variables, on_arrival=on_arrival
            )
        self.threads = threads
        self.task: CellTask | None = None
        self._began = 0.0
        self._ready = self._warm = False
        self._code = ""

    def give(self, task: CellTask) -> bool:
        """Start a task; return False if it cannot take one, because it has died.

        Raises
        ------
        ValueError
            If the task cannot be sent.
        """
        try:
            content = pickle.dumps(task)
        except Exception as error:  # whatever the options hold
            raise ValueError(f"the cell cannot be sent to a worker ({described(error)})") from error
        try:
            if self.child.code is not None:
                return False
            self._tasks.send_bytes(content)
        except OSError:
            return False
        self.task, self._code, self._warm = task, "", False
        self._expect(WARM_UP_LIMIT)
        return True

    def _expect(self, seconds: float) -> None:
        self._began = time.monotonic()
        self.child.deadline = Deadline.after(seconds)

    def look(self) -> CellRecord | Lost | None:
        """Return how the task ended, or None while it runs."""
        assert self.task is not None
        while (said := self.child.receive(0.0)) is not None:
            found = self._ended(said, self.task) if isinstance(said, ChildEnd) else self._follow(said.value, self.task)
            if found is not None:
                self.task, self.child.deadline = None, Deadline()
                return found
        return None

    def _follow(self, said: Any, task: CellTask) -> CellRecord | Lost | None:
        """Take note of what a worker says; return what came of the task, if it says so."""
        if isinstance(said, CellRecord):
            self._trim_log()
            if said.outcome is CellOutcome.MEMORY:
                self.dispose()  # it is ending, see `serve_tasks`
            return said
        if isinstance(said, Lost):
            return Lost(task.key, said.reason)
        if isinstance(said, Loaded):
            self._code = said.code
        elif isinstance(said, Begun):
            self._warm = True
            self._expect(task.limits.time + task.limits.grace)
        self._ready = True
        return None

    def _ended(self, end: ChildEnd, task: CellTask) -> CellRecord | Lost:
        """Return what the end of the process says about the task."""
        self.dispose()
        code, limits = self.child.code, task.limits
        if end.ending is Ending.OVERDUE:
            message = f"killed {limits.grace:g} s beyond its time limit of {limits.time:g} s"
            return self._failed(
                CellOutcome.OVERDUE, message if self._warm else f"killed: not warm after {WARM_UP_LIMIT:g} s"
            )
        words, log = _died(code), ""
        with suppress(OSError):
            log = self.child.log.read_bytes()[-4000:].decode(errors="replace").strip()
        if not self._ready:
            last = log.rpartition("\n")[2]
            return Lost(task.key, f"no worker can be started: {words}{last and f': {last}'}", final=True)
        if self.child.garbled:
            return Lost(task.key, f"what a worker sent cannot be read ({self.child.garbled})")
        if code in _FROM_OUTSIDE:
            return Lost(task.key, f"{words}, which somebody sent")
        if not self._code:
            return Lost(task.key, f"{words} before it had found the method")
        if _NO_MEMORY.search(log):
            return self._failed(CellOutcome.MEMORY, f"out of memory: {last_words(code or 0)}")
        return self._failed(CellOutcome.CRASH, words)

    def _failed(self, outcome: CellOutcome, message: str) -> CellRecord:
        assert self.task is not None
        return CellRecord(
            key=self.task.key,
            outcome=outcome,
            message=message,
            wall_time=time.monotonic() - self._began,
            worker=f"{socket.gethostname()}:{self.child.pid}",
            code=self._code,
        )

    def _trim_log(self) -> None:
        with suppress(OSError):
            if self.child.log.stat().st_size > _LOG:
                os.truncate(self.child.log, 0)

    def dispose(self) -> None:
        """Kill it with all that it started."""
        self.child.close()
        self._tasks.close()


class LocalPool:
    """Worker processes on this machine.

    Parameters
    ----------
    workers
        Number of workers.

    Raises
    ------
    InputError
        If the system has no processes that inherit sockets (Windows).
    """

    def __init__(self, workers: int) -> None:
        if not hasattr(os, "killpg"):
            raise InputError("local workers need Linux or macOS; expected --scheduler on this system")
        self.workers = self.capacity = workers
        _clear_away()
        self._folder = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
        self._lock = _locked(Path(self._folder.name))
        self._processes: list[_Worker] = []
        self._unsent: list[Lost] = []
        self._started = 0
        self._arrived = threading.Event()

    @property
    def running(self) -> int:
        """The number of tasks that run."""
        return sum(worker.task is not None for worker in self._processes)

    def submit(self, task: CellTask) -> None:
        """Start a task on a free worker; there has to be one.

        Raises
        ------
        PoolError
            If the system starts no more processes.
        """
        try:
            self._start(task)
        except ValueError as error:
            self._unsent.append(Lost(task.key, str(error)))
        except OSError as error:
            raise PoolError(f"no worker can be started ({error.strerror or error})") from None

    def _start(self, task: CellTask) -> None:
        threads = task.limits.threads
        for worker in [worker for worker in self._processes if worker.task is None]:
            if worker.threads == threads and worker.give(task):
                return
            if worker.threads != threads and len(self._processes) < self.capacity:
                continue  # there is room for another one beside it
            worker.dispose()
            self._processes.remove(worker)
        for _ in range(_TRIES):
            fresh = _Worker(Path(self._folder.name, str(self._started)), threads, self._arrived.set)
            self._started += 1
            if fresh.give(task):
                self._processes.append(fresh)
                return
            fresh.dispose()
        raise PoolError(f"no worker can be started: {_died(fresh.child.code)}")

    def collect(self, timeout: float) -> list[CellRecord | Lost]:
        """Return what has ended, after at most `timeout` seconds if nothing has."""
        busy = [worker for worker in self._processes if worker.task is not None]
        if self._unsent or not busy:
            unsent, self._unsent = self._unsent, []
            return [*unsent]
        end = time.monotonic() + timeout
        while True:
            self._arrived.wait(min(max(end - time.monotonic(), 0.0), _POLL))
            self._arrived.clear()
            records = [record for worker in busy if (record := worker.look()) is not None]
            if records or time.monotonic() >= end:
                return records

    def close(self) -> None:
        """Kill all workers; what they were doing is lost."""
        for worker in self._processes:
            worker.dispose()
        self._processes.clear()
        self._folder.cleanup()
        self._lock.close()


def _locked(folder: Path) -> IO[bytes]:
    """Lock a folder until we close the file or end in any way."""
    import fcntl

    # Under its name it is never without the lock: a process that finds it free there may remove the folder.
    lock = (folder / "taking").open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.rename(folder / "taking", folder / _LOCK)
    return lock


def _clear_away() -> None:
    """Remove the folders of pools whose process was killed; those of others, or without a lock, stay."""
    import fcntl

    for place in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError), place.open("rb") as lock:
            if os.fstat(lock.fileno()).st_uid == os.getuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(place.parent, ignore_errors=True)
