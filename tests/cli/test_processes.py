"""The command line as a process of its own: what it imports, signals, pipes, encodings, strange names."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_helpers import SCENARIO, Dashf, command, environment, files, process, python

from dashf_pyomo import Result
from dashf_pyomo.check import check
from dashf_pyomo.result_data import read_result_document
from formulations import Scenario

pytestmark = pytest.mark.slow

# -- what is imported -------------------------------------------------------------------------

HEAVY = ("cvxpy", "matplotlib", "pyomo", "clarabel", "highspy", "scs", "cyipopt")

REPORT = f"""
import sys
{{program}}
print(*(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)
"""

RUN_MAIN = """
from dashf_pyomo.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
"""


@pytest.mark.parametrize("program", ["import dashf_pyomo", "import formulations", "import dashf_pyomo.check"])
def test_importing_loads_no_solver_and_no_plotting(program: str) -> None:
    said = python(REPORT.format(program=program))
    assert said.code == 0 and said.err.split() == []


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("solve", "--help"), ("scenario", "--users", "3"), ("check", "s", "r")]
)
def test_commands_that_solve_nothing_load_no_solver(arguments: tuple[str, ...], tmp_path: Path) -> None:
    scenario, result = map(str, files(tmp_path))
    filled = [{"s": scenario, "r": result}.get(argument, argument) for argument in arguments]
    said = python(REPORT.format(program=RUN_MAIN), *filled)
    assert said.code == 0 and said.err.split() == [] and said.out


def test_help_comes_at_once() -> None:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        assert process("--help").code == 0
        times.append(time.perf_counter() - start)
    assert sorted(times)[1] < 2.0  # lenient: the benchmark measures it


# -- one round through real processes ---------------------------------------------------------


def test_scenario_solve_check_as_processes(tmp_path: Path) -> None:
    assert process("scenario", "--users", 3, "-o", "s.json", cwd=tmp_path).code == 0
    said = process("solve", "s.json", "--option", "association=hull", "--json", "-o", "r.json", cwd=tmp_path)
    assert said.code == 0 and said.err == "" and said.json["status"] == "feasible"  # HiGHS prints no banner
    assert process("check", "s.json", "r.json", cwd=tmp_path).code == 0
    (tmp_path / "r.json").write_text((tmp_path / "r.json").read_text().replace('"feasible"', '"certified"'))
    assert process("check", "s.json", "r.json", cwd=tmp_path).code == 1
    said = process("check", "s.json", "nothing.json", cwd=tmp_path)
    assert said.code == 2 and said.err.count("\n") == 1 and "Traceback" not in said.err


def test_a_tampered_result_leaves_standard_error_empty(tmp_path: Path) -> None:
    scenario, result = files(tmp_path)
    document = json.loads(result.read_text())
    document["allocation"]["server_power"][0] = -40.0
    result.write_text(json.dumps(document))
    said = process("check", scenario, result)
    assert said.code == 1 and said.err == ""


# -- interruption -----------------------------------------------------------------------------

#: Sends itself the signal of Ctrl-C when an iteration is done: from outside it may come after the end.
INTERRUPTED = """
import os, signal, sys
from dashf_pyomo.cli import main, progress
def interrupt(self, entry):
    if entry.iteration == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGINT)
progress.TraceView.__call__ = interrupt
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("at", "arguments"),
    [
        (0, ("--users", "16", "--servers", "4", "--option", "association=sdr")),
        (1, ("--users", "60", "--servers", "6", "--option", "accept=always")),
        (2, ("--users", "40", "--servers", "4", "--method", "gucro", "--option", "epsilon=0")),
    ],
)
def test_an_interruption_saves_the_best_so_far_and_is_exit_130(
    tmp_path: Path, at: int, arguments: tuple[str, ...]
) -> None:
    place = tmp_path / "r.json"
    running = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(at), "solve", *arguments, "-o", str(place)],
        capture_output=True, text=True, env=environment(), timeout=120,
    )  # fmt: skip
    assert running.returncode == 130
    assert "Traceback" not in running.stderr and "interrupted" in running.stdout
    result = Result.read(place)
    assert result.status == "interrupted" and result.iterations >= at
    assert result.scr == max(entry.scr for entry in result.trace) or result.options.get("accept") == "always"
    scenario = Scenario.random(users=int(arguments[1]), servers=int(arguments[3]), seed=0)
    assert all(finding.holds for finding in check(scenario, read_result_document(place)))


# -- pipes and encodings ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",), ("methods",), ("formulations", "--json"), ("scenario",), ("solve", "--method", "gucaa"),
        ("check", "s", "r"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_reader_that_has_gone_is_no_error(arguments: tuple[str, ...], tmp_path: Path) -> None:
    scenario, result = map(str, files(tmp_path))
    filled = [{"s": scenario, "r": result}.get(argument, argument) for argument in arguments]
    with subprocess.Popen(
        command(*filled), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as running:
        assert running.stdout is not None and running.stderr is not None
        running.stdout.close()
        err = running.stderr.read()
    assert err == ""
    assert running.returncode == 0


@pytest.mark.parametrize("name", ["Zürich 你好", "[/x]", "[bold]five[/bold]", "a\nb", ""], ids=ascii)
def test_any_name_of_a_scenario_can_be_printed(name: str, dashf: Dashf, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps(SCENARIO.to_dict() | {"name": name}))
    said = dashf("solve", tmp_path / "s.json", "--method", "gucaa")
    assert said.code == 0 and said.err == ""
    if name.isprintable():
        assert name in said.out
    machine = dashf("solve", tmp_path / "s.json", "--method", "gucaa", "--json")
    assert machine.code == 0 and machine.json["status"] == "feasible"


@pytest.mark.parametrize("command", ["solve", "scenario"])
def test_a_terminal_without_unicode_gets_readable_output(command: str, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps(SCENARIO.to_dict() | {"name": "Zürich"}))
    arguments = ("s.json", "--method", "gucaa") if command == "solve" else ("--users", "2", "-o", "ü.json")
    said = process(command, *arguments, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert said.code == 0 and said.err == ""


def test_file_names_and_texts_that_look_like_markup_are_printed_as_they_are(tmp_path: Path) -> None:
    scenario, result = files(tmp_path)
    claimed = {"upper_bound": 1e9, "bound": 1e9, "bound_source": "[/x]"}
    document = json.loads(result.read_text()) | claimed
    (tmp_path / "[red]r.json").write_text(json.dumps(document))
    said = process("check", scenario.name, "[red]r.json", cwd=tmp_path)
    assert said.code == 1 and "Traceback" not in said.err
    assert "[red]r.json" in said.out and "[/x]" in said.out.replace("\n", "")
    said = process("solve", scenario.name, "--method", "gucaa", "-o", "[red]t.json", cwd=tmp_path)
    assert said.code == 0 and "[red]t.json" in said.out
