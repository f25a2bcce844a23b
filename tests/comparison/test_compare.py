"""`dashf_pyomo.compare`: the gaps of ``dashf gap`` in Python, whatever becomes of single methods."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Dashf
from helpers import assert_clear
from study_helpers import LYING, environment, extension

import dashf_pyomo
from dashf_pyomo import Comparison, Result
from dashf_pyomo.algorithms import configure
from dashf_pyomo.errors import MissingPackageError
from dashf_pyomo.study.run import StudyProgress
from formulations import InputError, Scenario

SCENARIO = Scenario.random(3, 2, seed=0)
NASTY = '<script>alert("x")</script> [bold] & $'


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    """Two variants of one method under nasty names, a default one, and one that proves a bound."""
    methods = [("<b>hull</b>", "dashf", {"association": "hull"}), configure("dashf", {"association": "milp"}), "dual"]
    return dashf_pyomo.compare(replace(SCENARIO, name=NASTY), methods, time_limit=60)


def test_the_numbers_are_those_of_the_command(dashf: Dashf, tmp_path: Path) -> None:
    place = tmp_path / "s.json"
    SCENARIO.write(place)
    said = dashf("gap", place, "--methods", "nearest,dashf,dual", "--json").json
    found = dashf_pyomo.compare(SCENARIO, ["nearest", "dashf", "dual"])
    document = found.to_dict()
    for row in (*said["methods"], *document["methods"]):
        assert row.pop("wall_time") >= 0
    assert document == said
    assert found.bound == said["upper_bound"] and found.bound_source == said["bound_source"]
    assert [row.gap for row in found] == [row["gap"] for row in said["methods"]]


def test_the_text_is_what_the_command_prints(dashf: Dashf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")  # as wide as the text, so that no cell is broken into lines
    said = dashf("gap", "--users", 3, "--methods", "rucaa,nearest").out
    shown = str(dashf_pyomo.compare(SCENARIO, ["rucaa", "nearest"]))

    def cells(text: str) -> list[list[str]]:  # without the time, in which runs differ, and so the widths
        lines = [re.split("[│┃]", line) for line in text.splitlines() if not line.startswith(("┏", "┡", "└"))]
        return [[part.strip() for part in (*line[:4], *line[5:])] for line in lines]

    assert cells(shown) == cells(said) and len(cells(said)) > 3


def test_variants_of_one_method_keep_their_names_and_results(comparison: Comparison) -> None:
    names = ["<b>hull</b>", "dashf, association=milp", "dual"]
    assert [row.name for row in comparison] == list(comparison.results) == names
    assert [row.method for row in comparison.rows] == ["dashf", "dashf", "dual"]
    assert [result.options.get("association") for result in comparison.results.values()] == ["hull", "milp", None]
    for name, options in (
        ("<b>hull</b>", {"association": "hull"}),
        ("dashf, association=milp", {"association": "milp"}),
    ):
        direct = dashf_pyomo.solve(comparison.scenario, "dashf", **options)
        assert comparison.results[name].scr == pytest.approx(direct.scr, rel=1e-6)


class Tags(HTMLParser):
    """Collects the tags and the texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_names_in_html_are_text_and_nothing_else(comparison: Comparison) -> None:
    shown = Tags(comparison._repr_html_())
    assert shown.tags == {"table", "caption", "thead", "tbody", "tr", "th", "td", "p"}
    assert {f"{NASTY}: gaps", "<b>hull</b>"} <= set(shown.texts)
    page = comparison.html()
    assert "<script>alert" not in page and "<b>hull" not in page
    assert "Gap to the best certified bound" in page and page.count("data:image/png;base64,") > 1
    assert NASTY in str(comparison) and "<b>hull</b>" in str(comparison)


def test_the_frame_has_a_row_for_every_method(comparison: Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = comparison.frame()
    assert list(frame.index) == [row.name for row in comparison]
    assert list(frame["gap"]) == [row.gap for row in comparison]
    assert list(frame["delay"]) == [result.delay for result in comparison.results.values()]
    assert frame["upper_bound"].notna().tolist() == [False, False, True]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackageError, match=r"pandas is not installed.*dashf-pyomo\[study\]"):
        comparison.frame()


def test_it_is_pickled_and_written_as_it_is(comparison: Comparison, tmp_path: Path) -> None:
    copy = pickle.loads(pickle.dumps(comparison))
    assert copy.to_dict() == comparison.to_dict() and str(copy) == str(comparison) and copy.html()
    comparison.write(tmp_path / "out")
    assert Scenario.read(tmp_path / "out" / "scenario.json") == comparison.scenario
    assert {place.name for place in (tmp_path / "out").iterdir()} == {
        "scenario.json", "gaps.json", "dual.json", "-b-hull-b-.json", "dashf-association-milp.json",
    }  # fmt: skip
    assert Result.read(tmp_path / "out" / "dual.json").upper_bound == comparison.results["dual"].upper_bound
    (tmp_path / "file").write_text("")
    for fail in (comparison.write, comparison.write_html):
        with pytest.raises(InputError) as caught:
            fail(tmp_path / "file" / "inside")
        assert_clear(caught.value, tmp_path / "file" / "inside", "cannot be written")


def test_an_interrupted_comparison_keeps_what_has_ended() -> None:
    def interrupt(progress: StudyProgress) -> None:
        if progress.done:
            raise KeyboardInterrupt

    found = dashf_pyomo.compare(SCENARIO, ["nearest", "gucaa", "dual"], workers=1, watch=interrupt)
    assert found.interrupted and 1 <= found.ended < 3 and len(found) == 3
    assert found.rows[0].scr == dashf_pyomo.solve(SCENARIO, "nearest").scr
    assert (found.rows[2].outcome, found.rows[2].result) == ("missing", None) and "dual" not in found.results
    for shown in (str(found), found._repr_html_()):
        assert f"interrupted; {found.ended} of 3 methods have ended" in shown
    assert "nearest" in found.html()


def test_an_interrupted_comparison_of_which_nothing_has_ended_says_so() -> None:
    def interrupt(progress: StudyProgress) -> None:
        raise KeyboardInterrupt

    found = dashf_pyomo.compare(SCENARIO, ["dual"], watch=interrupt)
    assert found.interrupted and not found.ended and "interrupted; 0 of 1 methods have ended" in str(found)
    for fail in (found.html, found.plot):
        with pytest.raises(InputError, match="expected"):
            fail()


PROGRAM = """
import sys
import dashf_pyomo
from formulations import Scenario

if __name__ == "__main__":
    found = dashf_pyomo.compare(Scenario.random(3, 2, seed=0), sys.argv[2:], workers=1)
    print({"text": str, "html": lambda found: found._repr_html_()}[sys.argv[1]](found))
    print([(row.name, row.outcome, row.failed, row.gap) for row in found], found.bound, found.lost)
"""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Any]:
    place = tmp_path / "program.py"
    place.write_text(PROGRAM)
    env = environment(extension(tmp_path, LYING))

    def run(*arguments: str) -> str:
        command = [sys.executable, str(place), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    yield run


@pytest.mark.parametrize(
    ("kind", "start"), [("text", "CONTRADICTION: "), ("html", "<p><strong>CONTRADICTION: ")], ids=["text", "html"]
)
def test_a_bound_below_what_a_method_found_is_a_contradiction_and_no_bound(program: Any, kind: str, start: str) -> None:
    said = program(kind, "nearest", "lying")
    assert said.startswith(f"{start}lying claims SCR")
    assert "no method proved a bound" in said
    assert "[('nearest', 'done', False, None), ('lying', 'done', True, None)] None" in said


def test_a_method_that_fails_or_is_lost_is_one_row(program: Any) -> None:
    said = program("text", "nearest", "stumbling", "crashing", "ended")
    assert "('stumbling', 'error', True, None), ('crashing', 'crash', True, None)" in said
    assert "('nearest', 'done', False, None)" in said and "('ended', 'missing', False, None)" in said
    assert "ZeroDivisionError: by nothing at all" in said and "1 cell was lost, ended on random-3x2-seed0" in said


def test_pictures_are_drawn_without_a_display() -> None:
    program = """
import os, sys
os.environ.pop("DISPLAY", None)
os.environ["MPLBACKEND"] = "TkAgg"
import dashf_pyomo
from formulations import Scenario
if __name__ == "__main__":
    found = dashf_pyomo.compare(Scenario.random(2, 2, seed=0), ["nearest", "gucaa"])
    assert found.plot()._repr_png_().startswith(b"\\x89PNG")
    assert found.results["nearest"].plot(found.scenario, "allocation")._repr_png_().startswith(b"\\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("methods", "keys", "parts"),
    [
        (["best"], {}, ("methods: 'best'", "expected some of", "dashf")),
        (["dashf", "dashf"], {}, ("methods: 'dashf' is given twice",)),
        (["dashf", ("again", "dashf", {})], {}, ("methods: 'again' is 'dashf' with the same options",)),
        ([("x", "dashf", {"association": "none"})], {}, ("methods: 'x': method dashf: association = 'none'",)),
        ([("x", "best", {})], {}, ("methods: 'x': 'best'; expected one of",)),
        ([("", "dashf", {})], {}, ("methods: ", "expected a text that is not empty")),
        ([("x", "dashf")], {}, ("methods: ", "expected a name, a method, or")),
        ([3], {}, ("methods: 3; expected a name, a method, or",)),
        ([], {}, ("methods = []; expected at least one",)),
        ("dashf", {}, ("methods = 'dashf'; expected a list",)),
        (["nearest"], {"time_limit": 0.0}, ("time limit = 0",)),
        (["nearest"], {"time_limit": None}, ("time",)),
        (["nearest"], {"gap": 2.0}, ("gap = 2",)),
        (["nearest"], {"workers": 0}, ("workers = 0",)),
        (["nearest"], {"memory": 0}, ("memory = 0",)),
    ],
)
def test_what_is_wrong_is_said_in_one_line(methods: Any, keys: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        dashf_pyomo.compare(SCENARIO, methods, **keys)
    assert_clear(caught.value, *parts)
