"""Functions and searches that misbehave, for child processes to import."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from dashf_pyomo.backends.backend import OutcomeStatus
from dashf_pyomo.backends.model_search import Report, SearchEnd, SearchLimits

Send = Callable[[Any], None]


def die_by(number: int) -> None:
    os.kill(os.getpid(), number)


def segfault() -> None:
    ctypes.string_at(0)


def hang() -> None:
    while True:
        time.sleep(60)


def hang_with_the_lock() -> None:
    """Hang as native code does that never lets another thread of the interpreter run."""
    ctypes.PyDLL(None).sleep(600)


def exhaust_memory() -> None:
    kept = []
    for _ in range(400):
        kept.append(bytearray(10_000_000))


def exit_quietly() -> None:
    os._exit(3)


def send_garbage() -> None:
    for descriptor in range(3, 10):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\xff" * 64)
    time.sleep(60)


def fail() -> None:
    raise ZeroDivisionError("by  nothing\nat all")


def write() -> None:
    print("from Python")
    sys.stderr.write("from Python too\n")
    os.write(1, b"from C\n")
    ctypes.CDLL(None).puts(b"from the C library")
    ctypes.CDLL(None).fflush(None)
    subprocess.run(["echo", "from a program"], check=True)


# -- for run_in_child ---------------------------------------------------------------------------


def add(send: Send, a: int, b: int) -> int:
    for number in range(a):
        send(number)
    return a + b


def say_and(send: Send, act: Callable[[], None]) -> None:
    send("kept")
    act()


def start_a_program(send: Send, then: Callable[[], None] | None = None) -> None:
    program = subprocess.Popen(["sleep", "600"])
    send((os.getpid(), program.pid))
    if then is not None:
        then()


def call(send: Send, function: Callable[[], Any]) -> Any:
    return function()


def ignore_signals(send: Send) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    send("kept")
    hang()


def not_picklable(send: Send) -> Any:
    return sys


# -- searches -----------------------------------------------------------------------------------

#: What every search below reports before it misbehaves.
POINTS = ({"x": 1.0, "y": 1.0}, {"x": 2.0, "y": 1.0})


def _report(model: Any, report: Report) -> None:
    for value, bound in ((1.0, 9.0), (2.0, 8.0)):
        report.incumbent([(model.x, value), (model.y, 1.0)], value, bound, nodes=int(value))


def search_and(act: Callable[[], None], model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    _report(model, report)
    act()
    return SearchEnd(OutcomeStatus.SOLVED, "", 2.0, 8.0, 3)


def lie(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    report.incumbent([(model.x, 100.0), (model.y, -7.0)], 1e6, 1e6)
    return SearchEnd(OutcomeStatus.SOLVED, "", 1e6, 1e6)


def claim_without_a_point(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    return SearchEnd(OutcomeStatus.SOLVED, "", 5.0, 5.0)


def absurd(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    report.incumbent([(model.x, 1.0), (model.y, 1.0)], 1.0, float("nan"))
    report.incumbent([(model.x, float("nan")), (model.y, 1.0)], 3.0)
    return SearchEnd(OutcomeStatus.TIME_LIMIT, "limit", float("inf"), float("inf"))


def worse_last(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    for value in (1.0, 3.0, 2.0):
        report.incumbent([(model.x, value), (model.y, 1.0)], value)
    return SearchEnd(OutcomeStatus.TIME_LIMIT)


def no_verdict(model: Any, limits: SearchLimits, report: Report) -> Any:
    return "optimal"


def tell_the_task(model: Any, limits: SearchLimits, report: Report) -> SearchEnd:
    left = limits.seconds_left()
    start = (model.x.value, model.y.value)
    return SearchEnd(OutcomeStatus.FAILED, f"{limits.gap} {limits.threads} {limits.memory} {left is not None} {start}")
