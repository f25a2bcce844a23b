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
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO, Any

from formulations import InputError

from ..backends.child import kill_group, last_words, launch
from ..backends.parcel import pack
from .task import Begun, Loaded, Lost, Outcome, PoolError, Record, Task, perform

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
#: Signals that others end processes with: who sends them wants the worker gone, and no method is to blame.
_FROM_OUTSIDE = {-signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP} if hasattr(signal, "SIGHUP") else set()
#: What native code says when an allocation fails, before it dies.
_NO_MEMORY = re.compile(r"MemoryError|bad_alloc|[Oo]ut of memory|[Cc]annot allocate memory|length_error")


def serve_tasks(_: Callable[[Any], None], descriptor: int) -> None:
    """Be a worker: do tasks from a socket until it closes."""
    os.set_inheritable(descriptor, False)  # what tasks start must not keep it open
    with Connection(descriptor) as channel:
        channel.send(_READY)
        while True:
            try:
                content = channel.recv_bytes()
            except EOFError:
                return
            try:
                task: Task = pickle.loads(content)
            except Exception as error:  # whatever unpickling raises
                channel.send(Lost("", f"a worker cannot read the cell ({_said(error)})"))
                continue
            record = perform(task, channel.send)
            try:
                channel.send(record)
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                channel.send(Lost(task.key, f"what came of the cell cannot be sent ({_said(error)})"))
            if isinstance(record, Record) and record.outcome is Outcome.MEMORY:
                return  # who knows in what state this process is


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


class _Worker:
    """One process, and the task that it has."""

    def __init__(self, folder: Path, threads: int) -> None:
        folder.mkdir()
        (folder / "work").mkdir()
        (folder / "parcel").write_bytes(b"")
        ours, theirs = socket.socketpair()
        self.channel = Connection(ours.detach())
        with theirs:
            parcel = folder / "parcel"
            parcel.write_bytes(pack(serve_tasks, (theirs.fileno(),), None))
            self._log = folder / "log"
            names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
            with self._log.open("ab") as errors:
                self._process: subprocess.Popen[bytes] = launch(
                    parcel, folder / "work", errors, (theirs.fileno(),), dict.fromkeys(names, str(threads))
                )
        self.threads = threads
        self.task: Task | None = None
        self._deadline = float("inf")
        self._began = 0.0
        self._ready = False
        self._code = ""

    def give(self, task: Task) -> bool:
        """Start a task; return False if it cannot take one, because it has died.

        Raises
        ------
        ValueError
            If the task cannot be sent.
        """
        if self._process.poll() is not None:
            return False
        try:
            content = pickle.dumps(task)
        except Exception as error:  # whatever the options hold
            raise ValueError(f"the cell cannot be sent to a worker ({_said(error)})") from error
        try:
            self.channel.send_bytes(content)
        except OSError:
            return False
        self.task, self._code = task, ""
        self._began = time.monotonic()
        self._deadline = self._began + WARM_UP_LIMIT
        return True

    def look(self, readable: bool) -> Record | Lost | None:
        """Return how the task ended, or None while it runs."""
        assert self.task is not None
        try:
            while readable and self.channel.poll():
                try:
                    said = self.channel.recv()
                except (EOFError, OSError):
                    raise
                except Exception as error:  # whatever unpickling raises
                    self.bury()
                    return self._lost(f"what a worker sent cannot be read ({_said(error)})")
                if isinstance(said, Record):
                    self.task = None
                    self._trim_log()
                    if said.outcome is Outcome.MEMORY:
                        self.bury()  # it is ending, see `serve_tasks`
                    return said
                if isinstance(said, Lost):
                    return self._lost(said.reason)
                self._follow(said)
        except (EOFError, OSError):
            return self._death()
        if self._process.poll() is not None and not self.channel.poll():
            return self._death()
        if time.monotonic() >= self._deadline:
            self.bury()
            limits = self.task.limits
            if self._deadline - self._began >= WARM_UP_LIMIT:
                return self._failed(Outcome.OVERDUE, f"killed: not warm after {WARM_UP_LIMIT:g} s")
            message = f"killed {limits.grace:g} s beyond its time limit of {limits.time:g} s"
            return self._failed(Outcome.OVERDUE, message)
        return None

    def _follow(self, said: Loaded | Begun | str) -> None:
        """Take note of what a worker says before the end."""
        assert self.task is not None
        if said == _READY:
            self._ready = True
        elif isinstance(said, Loaded):
            self._code = said.code
        elif isinstance(said, Begun):
            self._began = time.monotonic()
            self._deadline = self._began + self.task.limits.time + self.task.limits.grace

    def _lost(self, reason: str, final: bool = False) -> Lost:
        assert self.task is not None
        lost, self.task = Lost(self.task.key, reason, final), None
        return lost

    def _failed(self, outcome: Outcome, message: str) -> Record:
        assert self.task is not None
        record = Record(
            key=self.task.key,
            outcome=outcome,
            message=message,
            wall_time=time.monotonic() - self._began,
            worker=f"{socket.gethostname()}:{self._process.pid}",
            code=self._code,
        )
        self.task = None
        return record

    def _death(self) -> Record | Lost:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(2.0)
        code = self.bury()
        words, log = last_words(code).replace("child", "worker", 1), ""
        with suppress(OSError):
            log = self._log.read_bytes()[-4000:].decode(errors="replace").strip()
        if not self._ready:
            last = log.rpartition("\n")[2]
            return self._lost(f"no worker can be started: {words}{last and f': {last}'}", final=True)
        if code in _FROM_OUTSIDE:
            return self._lost(f"{words}, which somebody sent")
        if not self._code:
            return self._lost(f"{words} before it had found the method")
        if _NO_MEMORY.search(log):
            return self._failed(Outcome.MEMORY, f"out of memory: {last_words(code)}")
        return self._failed(Outcome.CRASH, words)

    def _trim_log(self) -> None:
        with suppress(OSError):
            if self._log.stat().st_size > _LOG:
                os.truncate(self._log, 0)

    def bury(self) -> int:
        """Kill it with all that it started, and return its exit code."""
        if self.channel.closed:
            return self._process.returncode
        kill_group(self._process)
        code = self._process.wait()
        self.channel.close()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        return code


class LocalPool:
    """Worker processes on this machine.

    Parameters
    ----------
    workers
        How many.

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

    @property
    def running(self) -> int:
        """How many tasks are running."""
        return sum(worker.task is not None for worker in self._processes)

    def submit(self, task: Task) -> None:
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

    def _start(self, task: Task) -> None:
        threads = task.limits.threads
        for worker in [worker for worker in self._processes if worker.task is None]:
            if worker.threads == threads and worker.give(task):
                return
            if worker.threads != threads and len(self._processes) < self.capacity:
                continue  # there is room for another one beside it
            worker.bury()
            self._processes.remove(worker)
        for _ in range(_TRIES):
            fresh = _Worker(Path(self._folder.name, str(self._started)), threads)
            self._started += 1
            if fresh.give(task):
                self._processes.append(fresh)
                return
            code = fresh.bury()
        raise PoolError(f"no worker can be started: {last_words(code).replace('child', 'worker', 1)}")

    def collect(self, timeout: float) -> list[Record | Lost]:
        """Return what has ended, after at most `timeout` seconds if nothing has."""
        busy = [worker for worker in self._processes if worker.task is not None]
        if self._unsent or not busy:
            unsent, self._unsent = self._unsent, []
            return [*unsent]
        end = time.monotonic() + timeout
        while True:
            remaining = min(max(end - time.monotonic(), 0.0), _POLL)
            readable = set(wait([worker.channel for worker in busy], remaining))
            records = [record for worker in busy if (record := worker.look(worker.channel in readable)) is not None]
            if records or time.monotonic() >= end:
                return records

    def close(self) -> None:
        """Kill all workers; what they were doing is lost."""
        for worker in self._processes:
            worker.bury()
        self._processes.clear()
        self._folder.cleanup()
        self._lock.close()


def _locked(folder: Path) -> IO[bytes]:
    """Lock a folder until we close the file or die, however we die."""
    import fcntl

    # Under its name it is never without the lock: whoever finds it free there may take the folder away.
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
