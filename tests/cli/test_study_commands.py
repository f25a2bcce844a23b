"""``dashf study`` on the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Dashf, assert_refused, python
from report_cases import fill
from study_helpers import write_study

from dashf_pyomo.errors import MissingPackageError
from dashf_pyomo.study import Study
from dashf_pyomo.study.store import Store
from formulations import InputError


def test_from_example_to_report(dashf: Dashf, tmp_path: Path) -> None:
    place = tmp_path / "study.toml"
    said = dashf("study", "init", "-o", place)
    assert said.code == 0 and "an example" in said.out
    assert place.read_text(encoding="utf-8") == dashf("study", "init").out
    document = {"format": "dashf-study-init", "version": 1, "file": None, "text": dashf("study", "init").out}
    assert dashf("study", "init", "--json").json == document
    said = dashf("study", "init", "-o", tmp_path / "other.toml", "--json")
    assert said.json == {**document, "file": str(tmp_path / "other.toml")} and (tmp_path / "other.toml").is_file()
    write_study(place, ["nearest", "gucaa"], seeds=2)
    plan = dashf("study", "plan", place, "--json").json
    assert (plan["cells"], plan["missing_cells"], plan["missing"]) == (4, 4, {"nearest": 2, "gucaa": 2})
    run = dashf("study", "run", place, "--workers", "1", "--json").json
    assert (run["ran"], run["total"], run["failed"]) == (4, 4, 0) and run["folder"] == str(tmp_path / "study")
    said = dashf("study", "run", place)
    assert said.code == 0 and "nothing to do; all 4 cells" in said.out
    plan = dashf("study", "plan", place, "--json").json
    assert plan["missing_cells"] == 0 and plan["seconds"] == 0.0
    said = dashf("study", "plan", place)
    assert "4 have ended, 0 are missing" in said.out and "no method proves bounds" in said.out
    report = dashf("study", "report", tmp_path / "study", "--json").json
    assert "index.html" in report["files"] and "tables/gaps.csv" in report["files"]
    said = dashf("study", "export", tmp_path / "study", "-o", tmp_path / "cells.csv")
    assert said.code == 0 and said.out.endswith("cells.csv: 4 cells\n")
    said = dashf("study", "export", tmp_path / "study", "-o", tmp_path / "cells.jsonl", "--json")
    assert said.json["cells"] == 4 == len((tmp_path / "cells.jsonl").read_text().splitlines())


def test_the_time_left_is_estimated_from_cells_of_the_same_kind(dashf: Dashf, tmp_path: Path) -> None:
    place = write_study(tmp_path / "s.toml", ["nearest"], seeds=2)
    assert "at most 2 min by the limits" in dashf("study", "plan", place, "--workers", "1").out
    assert dashf("study", "run", place, "--workers", "1").code == 0
    write_study(place, ["nearest"], seeds=100)
    said = dashf("study", "plan", place, "--workers", "1").out
    assert "98 are missing" in said and re.search(r"about \d+ s, at most 1\.9 h by the limits", said)


def test_more_workers_than_cells_do_not_shorten_the_time_that_the_limits_allow(tmp_path: Path) -> None:
    methods = ["nearest", {"method": "dual", "limits": {"time": 190.0}}]
    study = Study([{"users": 3}], methods, tmp_path / "out")
    assert study.outlook(workers=1).most_seconds == 70.0 + 200.0
    assert study.outlook(workers=2).most_seconds == study.outlook(workers=64).most_seconds == 200.0


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2", True])
def test_workers_that_cannot_be_are_refused_before_anything_is_made(workers: Any, tmp_path: Path) -> None:
    from dashf_pyomo.figures import FigureRequest, make_figures

    study = Study([{"users": 3}], ["nearest"], tmp_path / "out")
    with pytest.raises(InputError, match=r"^workers = .*; expected a whole number from 1 to 1024$"):
        study.run(workers=workers)
    with pytest.raises(InputError, match=r"^workers = "):
        make_figures(["2a"], FigureRequest(), tmp_path / "out", workers=workers)
    assert not (tmp_path / "out").exists()


def test_commands_with_no_workers_leave_no_folder(dashf: Dashf, tmp_path: Path) -> None:
    place = write_study(tmp_path / "s.toml", ["nearest"])
    for arguments in (("study", "run", place), ("figures", "2a")):
        assert_refused(dashf(*arguments, "--workers", "0", "--out", tmp_path / "new"), "workers = 0; expected a whole")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"scenarios": 3}, "scenarios = 3; expected a list"),
        ({"scenarios": {"users": 3}}, "expected a list of scenarios"),
        ({"methods": "nearest"}, "methods = 'nearest'; expected a list"),
        ({"folder": None}, "folder = None; expected the name of a folder"),
    ],
)
def test_arguments_of_a_study_that_cannot_be_are_refused(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"scenarios": [{"users": 3}], "methods": ["nearest"], "folder": tmp_path / "out"}
    with pytest.raises(InputError, match=re.escape(said)):
        Study(**{**arguments, **changed})


def test_what_is_wrong_is_said_in_one_line(dashf: Dashf, tmp_path: Path) -> None:
    place = write_study(tmp_path / "s.toml", ["nearest"])
    (tmp_path / "bad.toml").write_text("[[scenarios]]\nuser = 3\n")
    fill(tmp_path / "filled")
    cases: list[tuple[tuple[object, ...], str]] = [
        (("init", "-o", place), "exists; expected the name of a new file"),
        (("init", "-o", tmp_path / "no" / "x.toml"), "cannot be written"),
        (("plan", tmp_path / "nothing.toml"), "cannot be read"),
        (("run", tmp_path / "bad.toml"), "bad.toml: key 'methods' is missing"),
        (("run", place, "--workers", "0"), "workers = 0; expected a whole number"),
        (("run", place, "--out", ""), "--out: an empty name"),
        (("run", place, "--out", place), "cannot be written"),
        (("plan", place, "--out", place), "is no folder and cannot be written"),
        (("report", tmp_path), "there is no such file"),
        (("export", tmp_path / "filled", "-o", tmp_path / "x.xls"), "cannot tell the format"),
        (("export", tmp_path / "filled", "-o", tmp_path / "no" / "x.csv"), "cannot be written"),
    ]
    for arguments, said in cases:
        assert_refused(dashf("study", *arguments), said)


@pytest.mark.usefixtures("blank_pictures")
def test_a_report_with_contradictions_says_them_and_fails(dashf: Dashf, tmp_path: Path) -> None:
    fill(tmp_path)
    said = dashf("study", "report", tmp_path)
    assert said.code == 1 and said.out.count("CONTRADICTION: ") == 1 and "liar claims SCR <= 950" in said.out
    said = dashf("study", "report", tmp_path, "--json")
    assert said.code == 1 and ["liar claims" in found["text"] for found in said.json["contradictions"]] == [True]
    with Store(tmp_path, write=True) as store:
        store.forget(row["key"] for row in store.rows() if row["variant"] == "liar")
    said = dashf("study", "report", tmp_path, "--json")
    assert said.code == 0 and said.json["contradictions"] == []


@pytest.mark.parametrize(("package", "suffix"), [("pyarrow", ".parquet"), ("distributed", "")])
def test_a_missing_package_is_named_with_what_to_install(package: str, suffix: str, tmp_path: Path) -> None:
    fill(tmp_path / "filled")
    place = write_study(tmp_path / "s.toml", ["nearest"])
    arguments = (
        ["export", tmp_path / "filled", "-o", tmp_path / f"x{suffix}"]
        if suffix
        else ["run", place, "--scheduler", "tcp://127.0.0.1:9"]
    )
    program = (
        f"import sys; sys.modules[{package!r}] = None\nfrom dashf_pyomo.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    said = python(program, "study", *arguments)
    assert_refused(said, f"{package} is not installed", "pip install 'dashf-pyomo[", code=3)


@pytest.mark.usefixtures("blank_pictures")
def test_pandas_is_needed_for_frames_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study([{"users": 3}], ["nearest"], tmp_path / "out")
    study.run(workers=1)
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    assert study.report().is_file()
    with pytest.raises(MissingPackageError, match=r"dashf-pyomo\[study\]"):
        study.frame()


def test_a_study_in_python(tmp_path: Path) -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    from formulations import Scenario

    study = Study(
        scenarios=[{"users": 3, "servers": 2, "seeds": "0..1"}, Scenario.random(2, 2, seed=7, name="mine")],
        methods=["nearest", {"method": "dashf", "name": "dashf, hull", "options": {"association": "hull"}}],
        folder=tmp_path / "out",
        name="in python",
    )
    assert study.outlook(workers=1).cells == 6
    assert study.run(workers=1).ran == 6
    frame = study.frame()
    assert len(frame) == 6 and set(frame["variant"]) == {"nearest", "dashf, hull"}
    best = frame.groupby("name")["scr"].max()
    assert best["mine"] > 0 and (frame["outcome"] == "done").all()
    assert study.report().name == "index.html"
