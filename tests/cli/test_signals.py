"""Signals of batch systems and of terminals that close: the best so far is saved, once, whatever comes after."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_helpers import command, environment

from dashf_pyomo.result import Result

pytestmark = pytest.mark.slow

#: Sends itself signals when the first iteration is done: from outside they may come after the end.
AT_FIRST = """
import os, signal, sys
from dashf_pyomo.cli import main, progress
def send(self, entry):
    if entry.iteration == 1:
        for number in sys.argv[1].split(","):
            os.kill(os.getpid(), int(number))
progress.TraceView.__call__ = send
sys.exit(main(sys.argv[2:]))
"""
#: Sends itself signals while the result is being written.
WHILE_SAVING = """
import os, signal, sys
from dashf_pyomo.cli import main
from dashf_pyomo.result import Result
write = Result.write
def interrupted(self, path):
    for number in sys.argv[1].split(","):
        os.kill(os.getpid(), int(number))
    write(self, path)
Result.write = interrupted
sys.exit(main(sys.argv[2:]))
"""
SOLVE = ("solve", "--users", "10", "--servers", "2", "--method", "gucro", "-o")


def run(program: str, numbers: tuple[int, ...], place: Path) -> subprocess.CompletedProcess[str]:
    told = ",".join(str(int(number)) for number in numbers)
    return subprocess.run(
        [sys.executable, "-c", program, told, *SOLVE, str(place)],
        capture_output=True, text=True, env=environment(), timeout=120,
    )  # fmt: skip


@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGTERM,),
        (signal.SIGHUP,),
        (signal.SIGHUP, signal.SIGHUP),  # shell and kernel
        (signal.SIGTERM, signal.SIGHUP),  # systemd
        (signal.SIGTERM, signal.SIGTERM),  # a batch system to the job and to its step
    ],
    ids=lambda numbers: "+".join(signal.Signals(number).name for number in numbers),
)
def test_the_best_so_far_is_saved(numbers: tuple[int, ...], tmp_path: Path) -> None:
    done = run(AT_FIRST, numbers, tmp_path / "r.json")
    assert done.returncode == 130, done
    assert "Traceback" not in done.stderr
    result = Result.read(tmp_path / "r.json")
    assert result.status == "interrupted" and result.scr is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_being_saved_is_saved(number: int, tmp_path: Path) -> None:
    done = run(WHILE_SAVING, (number,), tmp_path / "r.json")
    assert (done.returncode, done.stderr) == (130, "dashf: interrupted\n")
    assert Result.read(tmp_path / "r.json").status == "feasible"


def test_a_hangup_that_is_ignored_stays_so(tmp_path: Path) -> None:
    program = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + AT_FIRST  # what nohup does
    done = run(program, (signal.SIGHUP,), tmp_path / "r.json")
    assert done.returncode == 0, done
    assert Result.read(tmp_path / "r.json").status == "feasible"


def test_a_terminal_that_closes_costs_nothing(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    arguments = ("solve", "--users", "30", "--servers", "4", "--method", "dashf-plus", "-o", tmp_path / "r.json")
    program = (
        "import fcntl, runpy, sys, termios\n"
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"  # whose hangup is sent to it
        "sys.argv[:] = sys.argv[1:]\n"
        "runpy.run_module('dashf_pyomo', run_name='__main__')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, *command(*arguments)[2:]],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=environment(),
    )  # fmt: skip
    os.close(theirs)
    try:
        seen, end = b"", time.monotonic() + 60
        while b"best SCR" not in seen:
            assert time.monotonic() < end and process.poll() is None, seen
            if select.select([ours], [], [], 0.2)[0]:
                seen += os.read(ours, 1 << 16)
    finally:
        os.close(ours)
    try:
        assert process.wait(60) == 130
    finally:
        process.kill()
    assert Result.read(tmp_path / "r.json").status == "interrupted"
