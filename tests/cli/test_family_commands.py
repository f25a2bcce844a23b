"""``dashf families``, ``--family`` and ``--constraint``: listed, drawn, solved and checked, refused in one line."""

from __future__ import annotations

from pathlib import Path

from cli_helpers import Dashf, assert_refused

from formulations import Scenario
from formulations.families import draw, families


def test_every_family_is_listed_with_its_options(dashf: Dashf) -> None:
    listed = {row["family"]: row for row in dashf("families", "--json").json["families"]}
    assert set(listed) == set(families)
    assert {row["option"] for row in listed["hotspots"]["options"]} == {"spots", "spread"}
    said = dashf("families", "hotspots")
    assert said.code == 0 and "spread" in said.out and "correlation" not in said.out


def test_a_family_is_drawn_with_its_options(dashf: Dashf, tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    drawn = dashf("scenario", "--family", "hotspots", "--users", 4, "--set", "spots=1", "--set", "area=500", "-o", file)
    assert drawn.code == 0 and "hotspots" in drawn.out
    assert Scenario.read(file) == draw("hotspots", 4, 2, 0, spots=1, area=500)


def test_unknown_families_and_options_are_refused(dashf: Dashf, tmp_path: Path) -> None:
    assert_refused(dashf("scenario", "--family", "nope"), "nope", "hotspots")
    assert_refused(dashf("scenario", "--family", "shadowing", "--set", "spots=1"), "spots", "deviation")
    assert_refused(dashf("families", "nope"), "nope", "hotspots")
    file = tmp_path / "s.json"
    Scenario.random(2, 2).write(file)
    assert_refused(dashf("solve", file, "--family", "hotspots"), "--family", "s.json")


def test_constraints_are_declared_honoured_and_checked(dashf: Dashf, tmp_path: Path) -> None:
    s, r = tmp_path / "s.json", tmp_path / "r.json"
    declared = ("--constraint", "delay_limit=[60,null,null]", "--constraint", "forbidden=[[1,0]]")
    assert dashf("scenario", "--users", 3, *declared, "-o", s).code == 0
    assert Scenario.read(s) == Scenario.random(
        3, 2, 0, constraints={"delay_limit": [60.0, None, None], "forbidden": [[1, 0]]}
    )
    assert dashf("solve", s, "--method", "dashf-plus", "-o", r).code == 0
    assert dashf("check", s, r).code == 0
    assert_refused(dashf("solve", s, "--method", "nearest"), "nearest", "delay limit")


def test_constraints_are_added_to_a_scenario_file(dashf: Dashf, tmp_path: Path) -> None:
    file, s, r = tmp_path / "file.json", tmp_path / "s.json", tmp_path / "r.json"
    Scenario.random(3, 2, 0, constraints={"forbidden": [[1, 0]]}).write(file)
    limited = Scenario.random(3, 2, 0, constraints={"forbidden": [[1, 0]], "delay_limit": 60.0})
    assert dashf("scenario", file, "--constraint", "delay_limit=60", "-o", s).code == 0
    assert Scenario.read(s) == limited
    said = dashf("solve", file, "--constraint", "delay_limit=60", "--method", "dashf", "-o", r, "--json")
    assert said.code == 0 and said.json["scenario_sha256"] == limited.sha256
    assert dashf("check", s, r).code == 0
    assert dashf("check", file, r).code == 1
    twice = dashf("solve", file, "--constraint", "forbidden=[[2,0]]")
    assert_refused(twice, "--constraint", "file.json", "constraints.forbidden", "by the scenario itself", "expected")
    assert_refused(dashf("solve", file, "--constraint", "speed=1"), "--constraint", "file.json", "'speed'")
    assert_refused(dashf("scenario", file, "--constraint", "delay_limit=60", "-o", file), "is the scenario itself")
    assert_refused(dashf("scenario", file, "--users", 2), "--users", "file.json")


def test_bad_constraints_are_refused(dashf: Dashf, tmp_path: Path) -> None:
    assert_refused(dashf("scenario", "--constraint", "delay_limit=x"), "delay_limit", "'x'")
    assert_refused(dashf("scenario", "--constraint", "speed=1"), "speed", "delay_limit")
    assert_refused(dashf("scenario", "--constraint", "forced=[]", "--constraint", "forced=[]"), "forced", "twice")


def test_a_scenario_that_nobody_can_solve_is_infeasible(dashf: Dashf) -> None:
    said = dashf("solve", "--users", 2, "--constraint", "delay_limit=1e-3", "--method", "dashf-plus")
    assert said.code == 1 and "infeasible" in said.out
