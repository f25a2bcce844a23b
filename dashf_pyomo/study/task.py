"""What goes to a worker, what comes back, and the work itself."""

from __future__ import annotations

import importlib
import json
import math
import os
import platform
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from formulations import InputError, Scenario
from formulations.documents import canonical

from ..algorithms import Limits, Method, configure, run_method
from ..backends import BackendError
from ..backends.parcel import lift_memory_limit, limit_memory
from ..cores import available_cores
from ..result import Result
from .plan import Cell
from .study_file import CellLimits
from .versions import Codes, foreign_modules

__all__ = ["Begun", "Loaded", "Lost", "Outcome", "PoolError", "Record", "Task", "environment", "load", "perform"]

#: Distributions whose versions are recorded with every cell.
PACKAGES = (
    "dashf-pyomo", "numpy", "scipy", "cvxpy", "clarabel", "scs", "highspy", "cyipopt-wheels", "pyomo", "numba",
    "python-flint", "PySCIPOpt", "maingopy", "gurobipy", "mosek",
)  # fmt: skip

#: What a method gets to warm up: imports and compilation are no part of any cell's time.
_WARM_UP = Limits(time_limit=2.0, gap=0.5)


class Outcome(StrEnum):
    """How a cell ended."""

    DONE = "done"  # the method returned a result; its status says more
    ERROR = "error"  # the method raised an error
    CRASH = "crash"  # the process died
    OVERDUE = "overdue"  # killed for being beyond its time limit
    MEMORY = "memory"  # out of memory


@dataclass(frozen=True)
class Task:
    """A cell as a worker sees it.

    Parameters
    ----------
    key, method, options, limits
        As in `Cell`.
    scenario
        SHA-256 of the scenario.
    document
        The scenario as compressed canonical JSON.
    modules
        Modules that have registered something by hand, to be imported first.
    """

    key: str
    method: str
    options: Mapping[str, Any]
    limits: CellLimits
    scenario: str
    document: bytes
    modules: tuple[str, ...] = ()

    @classmethod
    def of(cls, cell: Cell) -> Task:
        """Return the task of a cell."""
        return cls(
            key=cell.key,
            method=cell.variant.method.name,
            options=dict(cell.options),
            limits=cell.limits,
            scenario=cell.scenario.sha256,
            document=cell.scenario.document,
            modules=foreign_modules(),
        )


@dataclass(frozen=True)
class Loaded:
    """What a worker says when it has found the method of a task: the code that it consists of, see `Codes`."""

    code: str


@dataclass(frozen=True)
class Begun:
    """What a worker says when it is warm and the clock of the cell starts."""


@dataclass(frozen=True)
class Lost:
    """A cell of which nothing is known: it was not run, or what came of it did not arrive. It is entered nowhere.

    Parameters
    ----------
    key, reason
        Which cell, and what is known of why.
    final
        Whether others will not fare better, so that the run had better end.
    """

    key: str
    reason: str
    final: bool = False


class PoolError(BackendError):
    """What runs cells is gone, or can run none."""


@dataclass(frozen=True)
class Record:
    """What is known of a cell that has ended; see `Result` for the fields of the same name.

    Parameters
    ----------
    key, outcome
        Which cell, and how it ended.
    message
        The line that the method said, or what went wrong.
    summary
        Status and numbers of the result, empty without one.
    result
        The whole result with its trace as compressed JSON, or None.
    started
        Date and time, UTC.
    wall_time, cpu_time, cell_time, warm_time
        Seconds: of the method, of the processor meanwhile, of the cell in its worker, and of warming up before it.
    environment
        Machine and versions, as JSON.
    worker
        Process number.
    code
        Distributions and versions that the method consists of, as JSON, see `Codes`.
    """

    key: str
    outcome: Outcome
    message: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    result: bytes | None = None
    started: str = ""
    wall_time: float = 0.0
    cpu_time: float = 0.0
    cell_time: float = 0.0
    warm_time: float = 0.0
    environment: str = ""
    worker: str = ""
    code: str = ""


#: Numbers and texts of a result that the store keeps as columns.
SUMMARY = (
    "status", "scr", "score", "delay", "energy", "max_violation", "upper_bound", "bound_source", "iterations",
)  # fmt: skip


@cache
def environment() -> str:
    """Return machine, Python and versions of all solvers as canonical JSON."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    if "dashf-pyomo" not in versions:  # run from its sources
        from .. import __version__

        versions["dashf-pyomo"] = __version__
    document = {
        "machine": platform.node(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": available_cores(),
        "python": platform.python_version(),
        "packages": versions,
    }
    return canonical(document)


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


_warm: set[str] = set()
_scenarios: dict[str, Scenario] = {}
#: A process runs the code that it has imported, whatever becomes of the files.
_codes = Codes()


def _scenario(task: Task) -> Scenario:
    if task.scenario not in _scenarios:
        _scenarios.clear()  # cells come scenario by scenario
        _scenarios[task.scenario] = Scenario.from_dict(json.loads(zlib.decompress(task.document)))
    return _scenarios[task.scenario]


def load(modules: Iterable[str], name: str, options: Mapping[str, Any]) -> Method:
    """Return a configured method in a process that may not have imported all that registered it.

    Raises
    ------
    InputError
        If this process has no such method, or it takes no such options.
    """
    reasons = []
    for module in modules:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit) as error:  # it may not be needed
            reasons.append(f"; {module}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
    try:
        return configure(name, options)
    except InputError as error:
        raise InputError(f"{error}{''.join(reasons)}") from None


def _warm_up(task: Task, method: Method) -> float:
    """Run the method once on a tiny scenario if this process has not yet; return the seconds."""
    name = canonical({"method": task.method, "options": {k: v for k, v in task.options.items() if "seed" not in k}})
    if name in _warm:
        return 0.0
    start = time.perf_counter()
    _warm.add(name)
    try:
        method.prepare()
        method.solve(Scenario.random(2, 2, seed=0), _WARM_UP)
    except (Exception, SystemExit) as error:
        # It will show in the cell itself, where it is recorded.
        print(f"warming up {task.method}: {type(error).__name__}: {error}")
    return time.perf_counter() - start


def perform(task: Task, say: Callable[[Loaded | Begun], None]) -> Record | Lost:
    """Do a task in this process.

    Parameters
    ----------
    task
        What to do.
    say
        Told what code runs, and when the process is warm and the clock of the cell starts.
    """
    begin = time.perf_counter()
    try:
        method = load(task.modules, task.method, task.options)
    except Exception as error:  # where the study was planned it is there and takes these options
        said = " ".join(str(error).split())[:500]
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        return Lost(task.key, f"worker on {platform.node()}: {kind}{said}")
    code = _codes.of(method)
    say(Loaded(code))
    warm_time = _warm_up(task, method)
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    say(Begun())
    limited = limit_memory(task.limits.memory * 10**6)
    start, cpu = time.perf_counter(), time.process_time()
    result: Result | None = None
    outcome, message = Outcome.DONE, ""
    try:
        method = configure(task.method, task.options)
        result = run_method(method, _scenario(task), task.limits.of_method())
        _check_numbers(result)
    except SystemExit as error:  # it must not end the worker
        outcome, message = Outcome.ERROR, f"SystemExit: {' '.join(str(error.code).split())[:500]}"
    except MemoryError:
        outcome, message = Outcome.MEMORY, f"out of memory, limit of {task.limits.memory} MB"
    except Exception as error:
        said = " ".join(str(error).split())[:500]
        # Methods report a solver that ran out of memory as a failing backend.
        outcome = Outcome.MEMORY if "MemoryError" in said else Outcome.ERROR
        message = said if isinstance(error, InputError) else f"{type(error).__name__}: {said}"
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    if limited:
        lift_memory_limit()
    document = None
    if outcome is not Outcome.DONE:
        result = None
    if result is not None:
        wall = result.wall_time
        try:
            document = zlib.compress(canonical(result.to_dict()).encode())
        except Exception as error:  # methods of others may return anything
            said = " ".join(str(error).split())[:500]
            result, outcome = None, Outcome.ERROR
            message = f"what method {task.method} returned cannot be kept ({type(error).__name__}: {said})"
    return Record(
        key=task.key,
        outcome=outcome,
        message=message if result is None else str(result.message),
        summary={} if result is None else {name: _plain(getattr(result, name)) for name in SUMMARY},
        result=document,
        started=started,
        wall_time=wall,
        cpu_time=cpu,
        cell_time=time.perf_counter() - begin - warm_time,
        warm_time=warm_time,
        environment=environment(),
        worker=f"{platform.node()}:{os.getpid()}",
        code=code,
    )


def _check_numbers(result: Result) -> None:
    """Raise `InputError` if a method has returned a number that none is: an infinite bound says nothing."""
    for name in SUMMARY:
        value = getattr(result, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"method {result.method}: {name} = {value}; expected a finite number")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, StrEnum) else value
