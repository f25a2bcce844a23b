"""What a run says while it goes on: a live table on a terminal, a log where one is asked for, else nothing."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from cli_helpers import Dashf, command, environment, process, python

from dashf_pyomo.cli.progress import LogView, TraceView
from dashf_pyomo.cli.trace_rows import TraceRows, fitting, heading, line
from dashf_pyomo.trace import TraceEntry

SMALL = ("solve", "--users", 3, "--method", "dual", "--option", "moves=0", "--gap", 0.05)


def entry(time: float, best: float | None = None, bound: float | None = None, **facts: Any) -> TraceEntry:
    return TraceEntry.from_dict({"iteration": 0, "time": time, "best": best, "upper_bound": bound, **facts}, "trace")


def proof(time: float, bound: float, cells: int, **facts: Any) -> TraceEntry:
    more = {"boxes": 4, "depth": 2, "deadlines": [21.18, 37.585], "columns": 471, "rounds": 7, **facts}
    return entry(time, 90.0, bound, cells=cells, bound_source="dual", **more)


# -- rows -------------------------------------------------------------------------------------


def test_a_bound_is_shown_with_all_that_the_trace_says_of_it() -> None:
    row = TraceRows().row(proof(2.5, 100.0, 50))
    expected = {
        "time (s)": "2.5", "T (s)": "21.18 to 37.59", "boxes": "4", "depth": "2", "columns": "471", "rounds": "7",
        "cells/s": "20", "nodes": "", "SCR": "", "bound": "100.0000", "incumbent": "90.00000", "gap": "10.000%",
        "event": "bound",
    }  # fmt: skip
    assert row == expected


def test_cells_are_counted_per_second_since_the_entry_before_that_counts_them() -> None:
    rows = TraceRows()
    assert rows.row(proof(2.0, 100.0, 100))["cells/s"] == "50"
    assert rows.row(entry(3.0, 91.0, 100.0, phase="polish"))["cells/s"] == ""
    assert rows.row(proof(4.0, 99.0, 500))["cells/s"] == "200"
    assert rows.row(proof(4.0, 98.0, 600))["cells/s"] == ""  # no time has passed


def test_columns_appear_with_their_first_fact_and_stay() -> None:
    rows = TraceRows()
    rows.row(entry(0.1, phase="start"))
    assert [column.head for column in rows.columns] == ["time (s)", "event"] and not rows.bounded
    rows.row(entry(0.2, 90.0, 99.0, nodes=0))
    rows.row(entry(0.3))
    heads = [column.head for column in rows.columns]
    assert heads == ["time (s)", "nodes", "bound", "incumbent", "gap", "event"] and rows.bounded


def test_time_bound_incumbent_and_gap_stay_on_a_narrow_terminal() -> None:
    rows = TraceRows()
    row = rows.row(proof(2.5, 100.0, 50, scr=80.0))
    assert fitting(rows.columns, 200) == list(rows.columns)
    for width in (80, 40, 1):
        kept = fitting(rows.columns, width)
        assert {"time (s)", "bound", "incumbent", "gap"} <= {column.head for column in kept}
        assert len(line(kept, row)) <= max(width, 40)


def test_lines_stand_under_their_heads() -> None:
    rows = TraceRows()
    row = rows.row(proof(2.5, 100.0, 50))
    above, below = heading(rows.columns), line(rows.columns, row)
    for column in rows.columns[:-1]:
        end = above.index(column.head) + len(column.head)
        assert below[:end].endswith(row[column.head]) and (len(below) == end or below[end] == " ")


def test_a_remark_of_several_lines_stays_on_one() -> None:
    rows = TraceRows()
    row = rows.row(entry(1.0, note="a solver\nsays [red]this[/]"))
    assert line(rows.columns, row).endswith("a solver says [red]this[/]")


# -- the log ----------------------------------------------------------------------------------


def numbers(text: str, head: str) -> Iterator[float]:
    """The numbers below a head of the last part of a log, which ends its columns where the head ends."""
    lines = text.splitlines()
    last = max(i for i, said in enumerate(lines) if "time (s)" in said)
    end = lines[last].index(head) + len(head)
    for said in lines[last + 1 :]:
        yield float(said[:end].split()[-1].rstrip("%"))


def test_the_log_tells_bound_incumbent_and_gap_of_every_entry(dashf: Dashf) -> None:
    said = dashf(*SMALL, "--log", "--json")
    assert said.code == 0
    result = said.json
    entries = [line for line in said.err.splitlines() if "time (s)" not in line]
    assert len(entries) == len(result["trace"])
    assert {"T (s)", "boxes", "columns", "rounds", "cells/s", "event"} <= set(re.split(r"  +|\n", said.err))
    assert list(numbers(said.err, "bound"))[-1] == pytest.approx(result["upper_bound"], rel=1e-6)
    assert list(numbers(said.err, "incumbent"))[-1] == pytest.approx(result["scr"], rel=1e-6)
    assert list(numbers(said.err, "gap"))[-1] == pytest.approx(100 * result["gap"], abs=1e-3)


def test_the_log_of_a_heuristic_has_no_bound(dashf: Dashf) -> None:
    said = dashf("solve", "--users", 3, "--log")
    assert said.code == 0 and "incumbent" in said.err and "iterate" in said.err
    assert "bound" not in said.err and "gap" not in said.err


def test_without_a_terminal_nothing_is_said_unless_asked(dashf: Dashf) -> None:
    assert dashf("solve", "--users", 3).err == ""
    said = process("solve", "--users", 3, "--log")
    assert said.code == 0 and said.err.startswith("time (s)") and "\x1b" not in said.err


class Gone(io.StringIO):
    """A stream whose reader has gone."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = 0

    def write(self, text: str) -> int:
        self.tried += 1
        raise BrokenPipeError


def test_a_reader_of_the_log_that_has_gone_is_not_written_to_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Gone()
    monkeypatch.setattr(sys, "stderr", stream)
    log = LogView()
    log(entry(0.1, 1.0))
    log(entry(0.2, 2.0))
    assert stream.tried == 1


@pytest.mark.parametrize("observer", ["LogView()", "TraceView('dual')", "Steps('check')"])
def test_no_standard_error_at_all_is_no_error(observer: str) -> None:
    program = f"""
import contextlib, sys
from dashf_pyomo.cli.progress import LogView, Steps, TraceView
from dashf_pyomo.trace import TraceEntry
sys.stderr = None
observer = {observer}
with contextlib.nullcontext(observer) if isinstance(observer, LogView) else observer:
    observer(1, 2) if isinstance(observer, Steps) else observer(TraceEntry(0, 0.1, best=1.0))
print("done")
"""
    said = python(program)
    assert said.code == 0 and said.out == "done\n"


# -- the live table ---------------------------------------------------------------------------


def on_a_terminal(*arguments: object, columns: int = 150, lines: int = 40) -> tuple[int, str, str]:
    """Run ``dashf`` with a terminal for standard error; return exit code, standard output and the screen."""
    above, below = pty.openpty()
    env = environment(COLUMNS=str(columns), LINES=str(lines), TERM="xterm-256color")
    with subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=below, env=env, text=True) as running:
        os.close(below)
        seen = b""
        while True:
            try:
                part = os.read(above, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
        out = running.stdout.read() if running.stdout is not None else ""
    os.close(above)
    return running.returncode, out, seen.decode()


def plain(screen: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen).replace("\r", "")


def test_a_terminal_shows_a_table_and_keeps_it_at_the_end() -> None:
    code, out, screen = on_a_terminal(*SMALL)
    assert code == 0 and "upper bound" in out and "\x1b" not in out
    end = plain(screen.rsplit("\x1b[2K", 1)[-1])
    assert "cells/s" in end and "incumbent" in end and "bound over deadlines" in end
    assert "dual  iteration" not in end  # the clock has stopped
    assert "dual starts" in plain(screen)


def test_a_terminal_shows_a_line_for_a_method_without_bounds_and_clears_it() -> None:
    code, _, screen = on_a_terminal("solve", "--users", 3)
    assert code == 0 and "dashf" in plain(screen) and "bound" not in plain(screen)
    assert plain(screen.rsplit("\x1b[2K", 1)[-1]).strip() == ""


def test_many_entries_cost_few_redraws(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    with TraceView("dual") as progress:
        for i in range(2000):
            progress(proof(0.001 * (i + 1), 200.0 - 0.01 * i, 10 * i))
    shown = plain(screen.getvalue())
    assert "180.0100" in shown  # the last bound
    assert shown.count("cells/s") < 20
