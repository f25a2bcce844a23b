"""The work of a cell: what a worker does with a task."""

from __future__ import annotations

import json
import math
import os
import platform
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from formulations import InputError, Scenario
from formulations.documents import canonical
from formulations.registry import import_extension

from ..algorithms import Limits, Method, configure, run_method
from ..backends.parcel import lift_memory_limit, limit_memory
from ..errors import described, one_line
from ..result import Result
from .environment import environment
from .task import SUMMARY, Begun, CellOutcome, CellRecord, CellTask, Loaded, Lost
from .versions import Codes

__all__ = ["load", "perform"]

#: What a method gets to warm up: imports and compilation are no part of any cell's time.
_WARM_UP = Limits(time_limit=2.0, gap=0.5)

_warm: set[str] = set()
_scenarios: dict[str, Scenario] = {}
#: A process runs the code that it has imported, whatever becomes of the files.
_codes = Codes()


def _scenario(task: CellTask) -> Scenario:
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
            import_extension(module)
        except (Exception, SystemExit) as error:  # it may not be needed
            reasons.append(f"; {module}: {described(error)}")
    try:
        return configure(name, options)
    except InputError as error:
        raise InputError(f"{error}{''.join(reasons)}") from None


def _warm_up(task: CellTask, method: Method) -> float:
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


def perform(task: CellTask, say: Callable[[Loaded | Begun], None]) -> CellRecord | Lost:
    """Do a task in this process.

    Parameters
    ----------
    task
        The task.
    say
        Told what code runs, and when the process is warm and the clock of the cell starts.
    """
    begin = time.perf_counter()
    try:
        method = load(task.modules, task.method, task.options)
    except Exception as error:  # where the study was planned it is there and takes these options
        return Lost(task.key, f"worker on {platform.node()}: {_said(error)}")
    code = _codes.of(method)
    say(Loaded(code))
    warm_time = _warm_up(task, method)
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    say(Begun())
    limited = limit_memory(task.limits.memory * 10**6)
    start, cpu = time.perf_counter(), time.process_time()
    result: Result | None = None
    outcome, message = CellOutcome.DONE, ""
    try:
        method = configure(task.method, task.options)
        result = run_method(method, _scenario(task), task.limits.of_method())
        _check_numbers(result)
    except SystemExit as error:  # it must not end the worker
        outcome, message = CellOutcome.ERROR, f"SystemExit: {one_line(error.code, 500)}"
    except MemoryError:
        outcome, message = CellOutcome.MEMORY, f"out of memory, limit of {task.limits.memory} MB"
    except Exception as error:  # that a method fails is what the study finds out
        message = _said(error)
        # Methods report a solver that ran out of memory as a failing backend.
        outcome = CellOutcome.MEMORY if "MemoryError" in one_line(error, 500) else CellOutcome.ERROR
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    if limited:
        lift_memory_limit()
    document = None
    if outcome is not CellOutcome.DONE:
        result = None
    if result is not None:
        wall = result.wall_time
        try:
            document = zlib.compress(canonical(result.to_dict()).encode())
        except Exception as error:  # methods of others may return anything
            result, outcome = None, CellOutcome.ERROR
            message = f"what method {task.method} returned cannot be kept ({described(error, 500)})"
    return CellRecord(
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


def _said(error: Exception) -> str:
    """Return the words of an error, with its type unless it is the user's input."""
    return one_line(error, 500) if isinstance(error, InputError) else described(error, 500)


def _check_numbers(result: Result) -> None:
    """Raise `InputError` if a method has returned a number that none is: an infinite bound says nothing."""
    for name in SUMMARY:
        value = getattr(result, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"method {result.method}: {name} = {value}; expected a finite number")


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, StrEnum) else value
