"""Child processes: whatever happens in one, we get what it said, and it is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import misbehaviour
import pytest

from dashf_pyomo.backends.child import ChildEnd, Ending, run_in_child
from dashf_pyomo.backends.parcel import UnsendableError

pytestmark = pytest.mark.slow

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="a service of the Linux kernel")


def run(function: Callable[..., Any], *arguments: Any, **limits: Any) -> tuple[ChildEnd, list[Any], str]:
    messages: list[Any] = []
    log: list[str] = []
    end = run_in_child(function, *arguments, on_message=messages.append, on_log=log.append, **limits)
    return end, messages, "".join(log)


def assert_gone(*pids: int) -> None:
    """Gone, or a zombie of somebody else's."""
    deadline = time.monotonic() + 5.0
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "still there"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    if sys.platform == "linux":
        try:
            with open(f"/proc/{pid}/stat") as stat:
                return stat.read().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False
    return subprocess.run(["ps", "-p", str(pid)], capture_output=True).returncode == 0


def test_the_value_and_all_messages_arrive_in_order() -> None:
    end, messages, log = run(misbehaviour.add, 300, 1)
    assert end == ChildEnd(Ending.RETURNED, 301)
    assert messages == [*range(300)]
    assert log == ""


@pytest.mark.parametrize(
    ("act", "ending", "reason"),
    [
        (misbehaviour.segfault, Ending.DIED, "child died from signal 11 (SIGSEGV)"),
        (os.abort, Ending.DIED, "child died from signal 6 (SIGABRT)"),
        (misbehaviour.exit_quietly, Ending.DIED, "child ended with exit code 3"),
        (misbehaviour.send_garbage, Ending.DIED, "child sent garbage"),
        (misbehaviour.fail, Ending.RAISED, "ZeroDivisionError: by nothing at all"),
        (sys.exit, Ending.RAISED, "SystemExit"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_it_said_is_kept_and_the_reason_told(act: Callable[[], None], ending: Ending, reason: str) -> None:
    end, messages, _ = run(misbehaviour.say_and, act)
    assert messages == ["kept"]
    assert end.ending is ending and end.reason.startswith(reason)


@pytest.mark.parametrize("function", [misbehaviour.hang, misbehaviour.hang_with_the_lock])
def test_the_time_limit_holds_when_it_hangs(function: Callable[[], None]) -> None:
    start = time.monotonic()
    end, messages, _ = run(misbehaviour.say_and, function, time_limit=1.0, grace=0.5)
    assert messages == ["kept"]
    assert end == ChildEnd(Ending.OVERDUE, None, "killed for being beyond its time limit of 1 s")
    assert 1.4 < time.monotonic() - start < 3.0


def test_a_child_that_ignores_signals_is_killed_too() -> None:
    end, messages, _ = run(misbehaviour.ignore_signals, time_limit=0.7, grace=0.0)
    assert end.ending is Ending.OVERDUE and messages == ["kept"]


@linux_only
def test_the_memory_limit_holds() -> None:
    end, messages, _ = run(misbehaviour.say_and, misbehaviour.exhaust_memory, memory=300_000_000)
    assert messages == ["kept"]
    assert end == ChildEnd(Ending.RAISED, None, "MemoryError (memory limit of 300 MB)")


def test_all_that_it_writes_goes_to_the_log_and_nothing_to_our_output(capfd: pytest.CaptureFixture[str]) -> None:
    end, _, log = run(misbehaviour.say_and, misbehaviour.write)
    assert end.ending is Ending.RETURNED
    assert {*log.splitlines()} == {
        "from Python", "from Python too", "from C", "from the C library", "from a program"
    }  # fmt: skip
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("then", [None, misbehaviour.hang, misbehaviour.segfault])
def test_neither_it_nor_what_it_started_outlives_the_call(then: Callable[[], None] | None) -> None:
    _, messages, _ = run(misbehaviour.start_a_program, then, time_limit=0.7, grace=0.0)
    child, program = messages[0]
    with pytest.raises(ProcessLookupError):  # waited for: not even a zombie
        os.kill(child, 0)
    assert_gone(program)


@linux_only
@pytest.mark.parametrize("then", ["hang", "hang_with_the_lock"])
def test_it_dies_with_us(then: str, tmp_path: Path) -> None:
    program = f"""
        import misbehaviour as bad
        from dashf_pyomo.backends.child import run_in_child
        run_in_child(bad.start_a_program, bad.{then}, on_message=lambda pids: print(*pids, flush=True))
    """
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    us = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], env=env, stdout=subprocess.PIPE)
    assert us.stdout is not None
    with us:
        pids = [int(pid) for pid in us.stdout.readline().split()]
        assert len(pids) == 2 and all(alive(pid) for pid in pids)
        us.kill()
    assert_gone(*pids)


def test_an_interruption_kills_it_at_once_and_keeps_what_it_said() -> None:
    messages: list[Any] = []
    main = threading.get_ident()

    def interrupt(message: Any) -> None:
        messages.append(message)
        threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_in_child(misbehaviour.start_a_program, misbehaviour.hang, on_message=interrupt)
    assert time.monotonic() - start < 5.0
    assert_gone(*messages[0])


def test_what_a_listener_raises_ends_the_child() -> None:
    pids: list[Any] = []

    def listen(message: Any) -> None:
        pids.extend(message)
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        run_in_child(misbehaviour.start_a_program, misbehaviour.hang, on_message=listen)
    assert_gone(*pids)


def test_functions_that_cannot_be_sent_are_left_behind() -> None:
    end, _, _ = run(misbehaviour.call, lambda: 1)
    assert end.ending is Ending.RAISED and "left behind in another process" in end.reason
    with pytest.raises(UnsendableError, match="cannot be imported by its name"):
        run(lambda send: 1)


def test_what_cannot_be_pickled_is_refused_on_both_ways() -> None:
    with pytest.raises(UnsendableError, match="cannot be sent to another process"):
        run(misbehaviour.call, threading.Lock())
    end, _, _ = run(misbehaviour.not_picklable)
    assert end.ending is Ending.RAISED and "cannot be sent" in end.reason


def test_a_script_needs_no_guard_and_its_directory_stays_clean(tmp_path: Any) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import misbehaviour\n"
        "from dashf_pyomo.backends.child import run_in_child\n"
        "print(run_in_child(misbehaviour.add, 1, 2).value)\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("3\n", "")
    assert [*tmp_path.iterdir()] == [script]
