"""Pictures: drawn whatever backend a notebook asks for, and never at the cost of what they show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from cli_helpers import Dashf, assert_refused, process, python
from fresh_process import ROOT, environment

from dashf_pyomo.pictures import result as picture_of_result
from dashf_pyomo.result import Result
from dashf_pyomo.study.report import charts

pytestmark = pytest.mark.slow

NOTEBOOK = {"MPLBACKEND": "no-such-backend"}
FIGURE = ("figures", "2b", "--seeds", 1, "--sizes", "3x2", "--readings", "default", "--bound", "none", "--workers", 1)
STUDY = """
methods = [{method = "nearest"}, {method = "gucaa"}]
scenarios = [{users = 3, seeds = "0..1"}]
report = {scenario_pages = 1}
"""


def fail(*_: Any, **__: Any) -> NoReturn:
    raise RuntimeError("no\nink")


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", *NOTEBOOK.values()])
def test_a_picture_of_a_result_needs_no_backend(backend: str, tmp_path: Path) -> None:
    arguments = ("solve", "--users", 3, "--method", "nearest", "--plot", "p.png", "-o", "r.json")
    said = process(*arguments, cwd=tmp_path, MPLBACKEND=backend)
    assert (said.code, said.err) == (0, "")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert Result.read(tmp_path / "r.json").scr is not None


def test_pages_and_figures_need_no_backend(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(STUDY)
    for arguments, place in (
        (("gap", "--users", 3, "--methods", "nearest,gucaa", "--workers", 1, "--html", "gap.html"), "gap.html"),
        (("study", "run", "s.toml", "--workers", 1), "s/study.sqlite"),
        (("study", "report", "s"), "s/report/index.html"),
        ((*FIGURE, "-o", "f"), "f/2b.png"),
    ):
        said = process(*arguments, cwd=tmp_path, **NOTEBOOK)
        assert (said.code, said.err) == (0, ""), said
        assert (tmp_path / place).exists()


def test_the_demonstration_needs_no_backend(tmp_path: Path) -> None:
    program = (
        "import runpy, sys, dashf_pyomo\n"
        "solve = dashf_pyomo.solve\n"
        "dashf_pyomo.solve = lambda scenario, method, **limits: solve(scenario, 'nearest')\n"  # quick
        "runpy.run_path(sys.argv[1], run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "examples" / "demo.py")],
        capture_output=True, text=True, env=environment(**NOTEBOOK), cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "comparison.png").exists()


@pytest.mark.parametrize("command", ["solve --plot p.png", "gap", "study report s", "figures 2b -o f"])
def test_a_library_that_does_not_work_is_one_line_before_the_work(command: str) -> None:
    program = "import sys; sys.modules['matplotlib'] = None; from dashf_pyomo.cli import main; exit(main(sys.argv[1:]))"
    said = python(program, *command.split())
    assert_refused(said, "matplotlib, which draws, does not work here", code=3)


def test_a_picture_that_fails_is_one_line_and_the_result_is_written(
    dashf: Dashf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_of_result, "draw_association", fail)
    place, picture = tmp_path / "r.json", tmp_path / "p.png"
    said = dashf("solve", "--users", 3, "--method", "nearest", "--plot", picture, "-o", place, "--json")
    assert (said.code, said.err) == (3, f"dashf: {picture} cannot be drawn (RuntimeError: no ink)\n")
    assert said.json["scr"] == Result.read(place).scr and not picture.exists()


def test_a_figure_of_a_page_that_fails_leaves_the_rest(
    dashf: Dashf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "_legend", fail)
    arguments = ("gap", "--users", 3, "--methods", "nearest,gucaa", "--workers", 1)
    said = dashf(*arguments, "--html", tmp_path / "gap.html", "--json")
    assert said.code == 3 and said.err.count("\n") == 1, said
    assert "figure anytime cannot be drawn (RuntimeError: no ink)" in said.err
    assert [row["method"] for row in said.json["methods"]] == ["nearest", "gucaa"]
    page = (tmp_path / "gap.html").read_text(encoding="utf-8")
    assert "figure anytime cannot be drawn" in page and 'id="scenarios"' in page


def test_a_report_without_one_of_its_figures_says_so(
    dashf: Dashf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.toml").write_text(STUDY)
    assert dashf("study", "run", tmp_path / "s.toml", "--workers", 1).code == 0
    monkeypatch.setattr(picture_of_result, "draw_shares", fail)
    said = dashf("study", "report", tmp_path / "s")
    assert said.code == 3 and said.err.count("\n") == 1 and "result of nearest on " in said.err, said
    assert "report: " in said.out
    assert (tmp_path / "s" / "report" / "figures" / "quality.png").exists()
    assert "result of nearest on " in (tmp_path / "s" / "report" / "index.html").read_text(encoding="utf-8")


def test_a_figure_of_the_paper_that_fails_leaves_its_numbers_and_the_others(
    dashf: Dashf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_first(figure: Any, *rest: Any) -> list[str]:
        return fail() if figure.name == "2b" else ["drawn"]

    monkeypatch.setattr("dashf_pyomo.figures.draw.draw", fail_first)
    said = dashf("figures", "2b", "2a", *FIGURE[2:], "-o", tmp_path, "--json")
    assert (said.code, said.err) == (3, "dashf: figure 2b cannot be drawn (RuntimeError: no ink)\n")
    assert [row["files"] for row in said.json["figures"]] == [
        ["2b.csv", "2b-claims.csv"],
        ["2a.csv", "2a-claims.csv", "drawn"],
    ]
