"""``dashf families`` and ``--family``: listed with their options, drawn with them, refused in one line."""

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
