"""Shared by the tests of the command line: run it in this process or in its own, and read what it says."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fresh_process import environment, run_python

import dashf_pyomo
from dashf_pyomo.cli.main import main
from formulations import Scenario

SCENARIO = Scenario.random(users=3, servers=2, seed=0)


@dataclass(frozen=True)
class Said:
    """Exit code and both streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one strict JSON document, and nothing else."""
        return json.loads(self.out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


class Dashf:
    """``dashf`` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Said:
        self._capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:  # argparse ends the process itself
            code = int(stop.code or 0)
        captured = self._capsys.readouterr()
        return Said(code, captured.out, captured.err)


def command(*arguments: object) -> list[str]:
    """``dashf`` as a process of its own."""
    return [sys.executable, "-m", "dashf_pyomo", *map(str, arguments)]


def process(*arguments: object, cwd: Path | None = None, **more: str) -> Said:
    """Run ``dashf`` as a process of its own."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=60, cwd=cwd, env=environment(**more)
    )
    return Said(done.returncode, done.stdout, done.stderr)


def python(program: str, *arguments: object) -> Said:
    """Run a Python program that uses our packages."""
    done = run_python("-c", program, *arguments, timeout=60)
    return Said(done.returncode, done.stdout, done.stderr)


def files(folder: Path, method: str = "gucaa") -> tuple[Path, Path]:
    """A scenario and a result of it."""
    scenario, result = folder / "s.json", folder / "r.json"
    SCENARIO.write(scenario)
    dashf_pyomo.solve(SCENARIO, method).write(result)
    return scenario, result


def assert_refused(said: Said, *parts: object, code: int = 2) -> None:
    """One clear line on standard error that holds every part, nothing on standard output."""
    assert said.code == code, said
    assert said.out == ""
    assert said.err.startswith("dashf") and said.err.endswith("\n") and said.err.count("\n") == 1, said.err
    assert "Traceback" not in said.err
    for part in parts:
        assert str(part) in said.err, f"{part!s} is not in: {said.err}"
