"""Cells of a study on a cluster, through dask.distributed (extra ``[cluster]``).

A task on the cluster runs its cell in a warm process of its own, as on this machine, so that limits, crashes and hangs
are handled in the same way. A machine of the cluster that goes away has its cells run elsewhere. What the cluster loses
for good says nothing about a method, and is entered nowhere.
"""

from __future__ import annotations

import logging
import math
import pickle
import queue
import re
import time
from contextlib import suppress
from typing import Any

from formulations import InputError
from formulations.arrays import shown

from ..errors import BackendError, described, optional_package
from .pool import LocalPool
from .task import CellRecord, CellTask, Lost, PoolError

__all__ = ["ClusterPool", "perform_apart"]

#: How often a cell that is lost, with its machine or without, is tried elsewhere.
RETRIES = 3
#: Seconds within which an answer has to arrive that is there.
_ANSWER = 60.0
#: Seconds to take leave of a scheduler.
_LEAVE = 5.0
#: Seconds between looks at the workers that are there.
_ASK = 5.0

_ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://[^\s:]+:[0-9]{1,5}")

_idle: queue.SimpleQueue[LocalPool] = queue.SimpleQueue()


def perform_apart(content: bytes) -> CellRecord:
    """Do a pickled task in a warm process of its own; run on the cluster's workers, from any of their threads.

    Raises
    ------
    BackendError
        If the task is lost here; it may be done elsewhere.
    """
    task: CellTask = pickle.loads(content)
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
    (record,) = records
    if isinstance(record, Lost):
        raise BackendError(record.reason)
    return record


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
    MissingPackageError
        If dask.distributed is not installed.
    BackendError
        If the scheduler cannot be reached.
    """

    def __init__(self, address: str) -> None:
        distributed = optional_package("distributed", "cluster", "dask.distributed")
        if not _ADDRESS.fullmatch(address):
            raise InputError(f"--scheduler {shown(address)}: is no address; expected tcp://host:port")
        try:
            self._client: Any = distributed.Client(address, timeout=10, set_as_default=False, name="dashf-study")
        except (OSError, TimeoutError) as error:
            raise BackendError(f"scheduler {address} cannot be reached ({error})") from None
        # Machines that come and go are expected; no warning is shown for them.
        names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "distributed"]
        self._log_levels = {name: logging.getLogger(name).level for name in names}
        for name in names:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._address = address
        self._killed: type[BaseException] = distributed.scheduler.KilledWorker
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._tasks: dict[Any, CellTask] = {}
        self._unsent: list[Lost] = []
        self._asked, self._threads = -math.inf, 1

    @property
    def workers(self) -> int:
        """The number of cells that run at a time; asked anew every few seconds, as machines come and go."""
        if time.monotonic() > self._asked + _ASK and self._connected:
            self._asked = time.monotonic()
            with suppress(Exception):  # a scheduler that is gone: handing out and collecting say so
                self._threads = max(sum(self._client.nthreads().values()), 1)
        return self._threads

    @property
    def capacity(self) -> int:
        """The number of cells handed out at a time: those that run, and as many that wait beside them."""
        return 2 * self.workers

    @property
    def running(self) -> int:
        """The number of cells that are handed out."""
        return len(self._tasks)

    @property
    def _connected(self) -> bool:
        return str(self._client.status) == "running"

    def _require_connection(self) -> None:
        if not self._connected:
            raise PoolError(f"scheduler {self._address} is lost: it ended, or the connection to it did")

    def submit(self, task: CellTask) -> None:
        """Hand out a task.

        Raises
        ------
        PoolError
            If the scheduler is lost.
        """
        self._require_connection()
        name = f"dashf-cell-{task.key}"
        try:
            content = pickle.dumps(task)
            future = self._client.submit(perform_apart, content, key=name, pure=False, retries=RETRIES)
        except Exception as error:  # whatever the options hold, or a connection that has just gone
            self._require_connection()
            self._unsent.append(Lost(task.key, f"the cell cannot be sent ({described(error, 300)})"))
            return
        self._tasks[future.key] = task
        future.add_done_callback(self._ended.put)

    def collect(self, timeout: float) -> list[CellRecord | Lost]:
        """Return what has ended, after at most `timeout` seconds if nothing has.

        Raises
        ------
        PoolError
            If the scheduler is lost, and all that came from it before has been returned.
        """
        found: list[CellRecord | Lost] = [*self._unsent]
        self._unsent = []
        try:
            found.append(self._take(self._ended.get(timeout=0.0 if found else timeout)))
            while True:
                found.append(self._take(self._ended.get_nowait()))
        except queue.Empty:
            pass
        if not found:
            self._require_connection()
        return found

    def _take(self, future: Any) -> CellRecord | Lost:
        task = self._tasks.pop(future.key)
        try:
            record = future.result(timeout=_ANSWER)
        except self._killed as error:
            return Lost(task.key, f"the machines that it ran on died ({described(error, 300)})")
        except BackendError as error:  # see `perform_apart`
            return Lost(task.key, str(error))
        except Exception as error:  # whatever dask or the network raise: it says nothing about the method
            return Lost(task.key, f"the cluster lost it, or its answer ({described(error, 300)})")
        finally:
            future.release()
        if not isinstance(record, CellRecord):
            return Lost(task.key, f"what the cluster returned is no record of a cell, but {shown(record)}")
        return record

    def close(self) -> None:
        """Take back what is handed out."""
        self._tasks.clear()
        self._client.close(timeout=_LEAVE)
        for name, level in self._log_levels.items():
            logging.getLogger(name).setLevel(level)
