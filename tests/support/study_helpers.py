"""Shared by the tests of studies: methods that misbehave, as an extension; studies as processes; what may differ."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fresh_process import environment as environment
from fresh_process import make_extension

from dashf_pyomo.study.store import Store

#: Methods of another distribution, found through its entry point; on two users (the warm-up) all behave.
EXTENSION = """
import ctypes, os, signal, stat, struct, sys, time
from dataclasses import dataclass
import numpy as np
from dashf_pyomo.algorithms import Method, methods
from dashf_pyomo.algorithms.method import option
from dashf_pyomo.backends import BackendError
from formulations.association.pair_resources import equal_split


class Behaved(Method):
    def search(self, run):
        n = run.scenario.n_users
        run.record(equal_split(run.scenario, np.zeros(n, dtype=np.int64), np.full(n, 0.5)))
        if n > 2:
            self.act(run)
        return "done"


def add(name, act, bases=(Behaved,), **fields):
    body = {"name": name, "summary": name, "act": act, "__annotations__": {}, **fields}
    methods.register(dataclass(frozen=True)(type(name, bases, body)))


def hold(self, run):
    blocks = []
    for _ in range(1000):
        blocks.append(np.ones(10_000_000))


def fail(self, run):
    raise BackendError("solver has no licence")


def stumble(self, run):
    raise ZeroDivisionError("by nothing at all")


def leave(self, run):
    raise SystemExit(3)


def log(self, run):
    time.sleep(float(os.environ.get("STUDY_TEST_SLEEP", "0.02")))
    with open(os.environ["STUDY_TEST_LOG"], "a") as lines:
        lines.write(run.scenario.name + chr(10))


def scribble(self, run):
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            if number > 2 and stat.S_ISFIFO(os.fstat(number).st_mode):
                os.write(number, struct.pack("<Q", 5) + b"words")
        except OSError:
            pass
    time.sleep(1000)


def unkept(self, scenario, limits=None, observer=None):
    found = Behaved.solve(self, scenario, limits, observer)
    return found if scenario.n_users == 2 else Strange(found)


class Strange:
    def __init__(self, found):
        self._found = found

    def __getattr__(self, name):
        return getattr(self._found, name)

    def to_dict(self):
        return {"what": object()}


add("crashing", lambda self, run: ctypes.string_at(0))
add("leaving", lambda self, run: os._exit(7))
add("hanging", lambda self, run: time.sleep(1000))
add("holding", hold)
add("failing", fail)
add("stumbling", stumble)
add("exiting", leave)
add("logging", log)
add("scribbling", scribble)
add("ended", lambda self, run: os.kill(os.getpid(), signal.SIGTERM))
add("unkept", lambda self, run: None, solve=unkept)
"""


#: A method whose bound is below what anybody finds.
LYING = """

@methods.register
@dataclass(frozen=True)
class Lying(Method):
    name = "lying"
    summary = "claims a bound"
    proves_bounds = True

    def search(self, run):
        run.record_bound(1e-3, "lying by hand")
        return "done"
"""


def extension(folder: Path, more: str = "") -> Path:
    """A folder to put on the path, with the methods above in it, and those that more code registers."""
    return make_extension(folder / "extension", "misbehaving", {"methods": {"methods": EXTENSION + more}})


def children(pid: int) -> list[int]:
    """Processes that a process has started, on Linux."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == pid:
            found.append(int(place.name))
    return found


def start(*arguments: object, env: Mapping[str, str], cwd: Path | None = None) -> subprocess.Popen[str]:
    """``dashf study`` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "dashf_pyomo", "study", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(env), cwd=cwd,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], timeout: float = 120.0) -> tuple[int, str, str]:
    """Exit code and both streams."""
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something has happened in a running process."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)


#: What differs from one run to the next.
TIMINGS = {"started", "wall_time", "cpu_time", "cell_time", "warm_time", "worker"}


def without_timings(value: Any) -> Any:
    """A document without times, and without the digest that covers them."""
    if isinstance(value, dict):
        dropped = {"time", "wall_time", "digest", "solver_time", "association_solver_time", "allocation_solver_time"}
        return {key: without_timings(item) for key, item in value.items() if key not in dropped}
    return [without_timings(item) for item in value] if isinstance(value, list) else value


def contents(folder: Path) -> Iterator[tuple[str, str]]:
    """Key and everything else but timings of every cell, in the order of the plan."""
    with Store(folder) as store:
        results = dict(store.results())
        for row in store.rows():
            kept = {name: value for name, value in row.items() if name not in TIMINGS}
            yield row["key"], json.dumps([kept, without_timings(results.get(row["key"]))], sort_keys=True)


def outcomes(folder: Path) -> dict[str, tuple[str, str]]:
    """Outcome and message of the cells, by variant."""
    with Store(folder) as store:
        return {row["variant"]: (row["outcome"], row["message"]) for row in store.rows()}


def write_study(path: Path, methods: list[str], *, seeds: int = 1, limits: str = "", more: str = "") -> Path:
    """A study of default scenarios with three users."""
    lines = [f'name = "{path.stem}"', "[limits]", limits, "[[scenarios]]", "users = 3", f'seeds = "0..{seeds - 1}"']
    for method in methods:
        lines += ["[[methods]]", f'method = "{method}"']
    if "[report]" not in more:
        lines += ["[report]", "scenario_pages = 0"]  # pictures take most of the time of a report
    path.write_text("\n".join([*lines, more]) + "\n")
    return path
