"""Objectives and constraints on the command line: declared by options or a file, printed by name, compared by sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_helpers import Dashf, assert_refused

from dashf_pyomo import Result
from dashf_pyomo.algorithms import configure
from dashf_pyomo.cli.trace_rows import TraceRows
from dashf_pyomo.trace import TraceEntry
from formulations import Scenario, evaluate

DRAWN = ("--users", 3, "--servers", 2, "--seed", 4)


def test_options_declare_the_objective_of_a_drawn_scenario(dashf: Dashf, tmp_path: Path) -> None:
    weights = tmp_path / "w.json"
    weights.write_text("[1.0, 2.0, 0.5]")
    said = dashf("scenario", *DRAWN, "--objective", "utility", "--delay", "mean", "--price", "3e2", "--weights",
                 f"@{weights}", "--score", "sqrt")  # fmt: skip
    objective = {"kind": "utility", "delay": "mean", "price": 300.0, "user_weight": [1.0, 2.0, 0.5], "score": "sqrt"}
    assert said.json == Scenario.random(3, 2, 4, objective=objective).to_dict()
    short = dashf("scenario", *DRAWN, "--weights", "1,2,0.5").json
    assert short == Scenario.random(3, 2, 4, objective={"user_weight": [1.0, 2.0, 0.5]}).to_dict()
    same = dashf("scenario", *DRAWN, "--objective", "cost", "--weights", "2").json
    assert same == Scenario.random(3, 2, 4, objective={"kind": "cost", "user_weight": 2.0}).to_dict()
    written = dashf("scenario", *DRAWN, "--objective", "cost", "-o", tmp_path / "s.json")
    assert "objective least cost = weight of delay x delay + weight of energy x energy" in written.out
    assert "objective" not in dashf("scenario", *DRAWN, "-o", tmp_path / "p.json").out


def test_options_declare_the_objective_of_a_file_that_has_none(dashf: Dashf, tmp_path: Path) -> None:
    file, ours = tmp_path / "s.json", tmp_path / "ours.json"
    Scenario.random(3, 2, 4).write(file)
    added = dashf("scenario", file, "--objective", "cost", "--constraint", "users_per_server=2", "--json").json
    expected = Scenario.random(3, 2, 4, objective={"kind": "cost"}, constraints={"users_per_server": 2})
    assert added == expected.to_dict()
    expected.write(ours)
    assert_refused(
        dashf("solve", ours, "--objective", "scr"), "--objective", "ours.json", "declares one itself", "expected"
    )


def test_constraints_may_be_true_or_come_from_a_file(dashf: Dashf, tmp_path: Path) -> None:
    rows = [{"name": "r", "at_most": 1.0, "terms": [{"attribute": "served", "servers": [0]}]}]
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(rows))
    said = dashf("scenario", *DRAWN, "--constraint", "binary_offload=true", "--constraint", f"rows=@{file}",
                 "--constraint", "offload=[[0,1],null,[1,1]]")  # fmt: skip
    limits = {"binary_offload": True, "rows": rows, "offload": [[0, 1], None, [1, 1]]}
    assert said.json == Scenario.random(3, 2, 4, constraints=limits).to_dict()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--objective", "profit"], ("objective.kind", "'profit'", "cost")),
        (["--objective", "utility"], ("objective.price", "expected")),
        (["--price", "3"], ("objective.price", "only for utility")),
        (["--objective", "utility", "--price", "much"], ("--price", "'much'", "a number")),
        (["--weights", "1,2"], ("objective.user_weight", "(2,)", "(3,)")),
        (["--weights", "1,x,2"], ("--weights", "numbers")),
        (["--weights", "@nowhere.json"], ("--weights", "nowhere.json", "expected a file")),
        (["--delay", "longest"], ("objective.delay", "'longest'", "largest")),
        (["--score", "cube"], ("objective.score", "'cube'", "sqrt")),
        (["--constraint", "rows=@nowhere.json"], ("--constraint rows", "nowhere.json", "expected a file")),
        (["--constraint", "binary_offload=yes"], ("--constraint binary_offload", "'yes'", "true or @FILE")),
    ],
)
def test_what_cannot_be_declared_is_refused_in_one_line(dashf: Dashf, options: list[str], words: tuple[str]) -> None:
    assert_refused(dashf("scenario", *DRAWN, *options), *words)


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        (("--objective", "cost", "--delay", "mean"), "cost"),
        (("--objective", "utility", "--price", 200), "utility"),
        (("--objective", "max-min"), "least ratio"),
    ],
)
def test_a_result_says_its_value_by_name_and_passes_the_check(
    dashf: Dashf, tmp_path: Path, declared: tuple[object, ...], name: str
) -> None:
    s, r = tmp_path / "s.json", tmp_path / "r.json"
    assert dashf("scenario", *DRAWN, *declared, "-o", s).code == 0
    said = dashf("solve", s, "--method", "nearest", "-o", r, "--plot", tmp_path / "r.png")
    assert said.code == 0, said.err
    result, scenario = Result.read(r), Scenario.read(s)
    value = evaluate(scenario, result.allocation).value
    lines = {line.split("│")[1].strip(): line.split("│")[2].strip() for line in said.out.splitlines() if "│" in line}
    assert lines[name] == f"{value:.6g}" and lines["SCR"] == f"{result.scr:.6g}" and result.value == value
    # A narrow terminal breaks the line.
    assert len(lines["objective"]) > 20 and scenario.objective.said.startswith(lines["objective"])
    assert f"No {'lower' if name == 'cost' else 'upper'} bound" in said.out
    assert dashf("check", s, r).code == 0
    document = json.loads(r.read_text())
    assert document["upper_bound"] is None and document["sense"] == ("min" if name == "cost" else "max")


def test_the_gaps_of_a_cost_are_in_a_column_of_that_name(dashf: Dashf, tmp_path: Path) -> None:
    page = tmp_path / "gap.html"
    said = dashf("gap", *DRAWN, "--objective", "cost", "--methods", "gucaa,nearest", "--workers", 1, "--html", page)
    assert said.code == 0 and "SCR" not in said.out.split("report")[0] and "cost" in said.out
    found = dashf("gap", *DRAWN, "--objective", "cost", "--methods", "gucaa,nearest", "--workers", 1, "--json").json
    assert (found["objective"], found["sense"], found["upper_bound"]) == ("cost", "min", None)
    scenario = Scenario.random(3, 2, 4, objective={"kind": "cost"})
    for row in found["methods"]:
        result = configure(row["method"], {}).solve(scenario)
        assert row["value"] == result.value and f"{result.value:.6g}" in said.out
        assert row["scr"] == result.scr
    assert "mean cost" in page.read_text(encoding="utf-8")


def test_methods_say_what_they_honour(dashf: Dashf) -> None:
    found = {row["method"]: row for row in dashf("methods", "--json").json["methods"]}
    assert {"objective cost", "user weights", "range of offloading"} <= set(found["nearest"]["honours"])
    assert found["nearest"]["rows"] == [] and "users per server" not in found["nearest"]["honours"]
    assert {"users per server", "delay limit"} <= set(found["dashf"]["honours"])
    assert "users per server" not in dashf("methods").out


def test_the_log_has_a_column_for_the_value_by_its_name() -> None:
    rows = TraceRows()
    row = rows.row(TraceEntry(0, 0.1, value=12.5, scr=3.0, best=12.5, bound=11.0, objective="cost"))
    assert row["cost"] == "12.50000" and "SCR" not in row and row["bound"] == "11.00000" and row["gap"] == "12.000%"
    assert [column.head for column in rows.columns] == ["time (s)", "cost", "bound", "incumbent", "gap"]
