"""The same cells on a cluster, through dask.distributed (extra ``[cluster]``).

A task on the cluster runs its cell in a warm process of its own, as on this machine, so that limits, crashes and hangs
are handled in the same way. A machine of the cluster that goes away has its cells run elsewhere.
"""

from __future__ import annotations

import logging
import math
import queue
import re
import time
from typing import Any

from formulations import InputError
from formulations.arrays import shown

from ..backends import BackendError
from .pool import LocalPool
from .task import Outcome, Record, Task

__all__ = ["ClusterPool", "perform_apart"]

#: How often a cell may take its machine down before it is recorded as a crash.
RETRIES = 3
#: Seconds between looks at who is there.
_ASK = 5.0

_ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://[^\s:]+:[0-9]{1,5}")

_idle: queue.SimpleQueue[LocalPool] = queue.SimpleQueue()


def perform_apart(task: Task) -> Record:
    """Do a task in a warm process of its own; run on the cluster's workers, from any of their threads."""
    try:
        pool = _idle.get_nowait()
    except queue.Empty:
        pool = LocalPool(1)
    try:
        pool.submit(task)
        while not (records := pool.collect(1.0)):
            pass
    except BaseException:
        pool.close()
        raise
    _idle.put(pool)
    return records[0]


class ClusterPool:
    """The workers of a Dask scheduler.

    Parameters
    ----------
    address
        Of the scheduler, ``tcp://host:port``.

    Raises
    ------
    InputError
        If the address is none.
    BackendError
        If dask.distributed is not installed, or the scheduler cannot be reached.
    """

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError as error:
            message = f"dask.distributed is not installed ({error}); expected pip install 'dashf-pyomo[cluster]'"
            raise BackendError(message) from None
        if not _ADDRESS.fullmatch(address):
            raise InputError(f"--scheduler {shown(address)}: is no address; expected tcp://host:port")
        try:
            self._client: Any = distributed.Client(address, timeout=10, set_as_default=False, name="dashf-study")
        except (OSError, TimeoutError) as error:
            raise BackendError(f"scheduler {address} cannot be reached ({error})") from None
        # Machines that come and go are our business, and no warning to whoever watches.
        names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
        self._log_levels = {name: logging.getLogger(name).level for name in names}
        for name in names:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._lost: type[BaseException] = distributed.scheduler.KilledWorker
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._tasks: dict[Any, Task] = {}
        self._asked, self._threads = -math.inf, 1

    @property
    def workers(self) -> int:
        """How many cells run at a time; asked anew every few seconds, machines come and go."""
        if time.monotonic() > self._asked + _ASK:
            self._asked, self._threads = time.monotonic(), max(sum(self._client.nthreads().values()), 1)
        return self._threads

    @property
    def capacity(self) -> int:
        """How many cells are handed out at a time: those that run, and as many that wait beside them."""
        return 2 * self.workers

    @property
    def running(self) -> int:
        """How many cells are handed out."""
        return len(self._tasks)

    def submit(self, task: Task) -> None:
        """Hand out a task."""
        future = self._client.submit(perform_apart, task, key=f"dashf-cell-{task.key}", pure=False, retries=RETRIES)
        self._tasks[future.key] = task
        future.add_done_callback(self._ended.put)

    def collect(self, timeout: float) -> list[Record]:
        """Return what has ended, after at most `timeout` seconds if nothing has."""
        records = []
        try:
            records.append(self._take(self._ended.get(timeout=timeout)))
            while True:
                records.append(self._take(self._ended.get_nowait()))
        except queue.Empty:
            return records

    def _take(self, future: Any) -> Record:
        task = self._tasks.pop(future.key)
        try:
            return future.result()
        except self._lost as error:
            return Record(task.key, Outcome.CRASH, f"the machines that it ran on died ({error})")
        except Exception as error:
            return Record(task.key, Outcome.CRASH, f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
        finally:
            future.release()

    def close(self) -> None:
        """Take back what is handed out."""
        self._tasks.clear()
        self._client.close()
        for name, level in self._log_levels.items():
            logging.getLogger(name).setLevel(level)
