"""Cells know the code that ran them: what is stale is said, runs again when asked for, and a report says mixtures."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest
from cli_helpers import Dashf, assert_refused
from fresh_process import make_distribution
from report_cases import fill
from study_helpers import environment, extension, finish, start, wait_for, write_study

import dashf_pyomo
from dashf_pyomo.algorithms import configure, methods
from dashf_pyomo.algorithms.baselines import Gucaa
from dashf_pyomo.study import Study
from dashf_pyomo.study.store import FILE, Store
from dashf_pyomo.study.versions import Codes

pytestmark = pytest.mark.slow

SOURCES = re.compile(r"[0-9.]+ \(sources [0-9a-f]{12}\)")


class Runs:
    """Studies of a method of an extension, whose code can be edited; reports on them are made in this process."""

    def __init__(self, folder: Path, dashf: Dashf) -> None:
        self.folder, self.out, self._dashf = folder, folder / "out", dashf
        self.place = extension(folder)
        self.log = folder / "log"
        self.env = environment(self.place, STUDY_TEST_LOG=str(self.log), STUDY_TEST_SLEEP="0")

    def edit(self) -> None:
        with (self.place / "misbehaving_methods.py").open("a") as code:
            code.write("\n# edited\n")

    def run(self, *more: object, seeds: int = 2) -> str:
        study = write_study(self.folder / "s.toml", ["logging", "nearest"], seeds=seeds)
        code, out, err = finish(start("run", study, "--out", self.out, "--workers", 1, *more, env=self.env))
        assert (code, err) == (0, ""), err
        return out

    def report(self, *more: object) -> str:
        said = self._dashf("study", "report", self.out, *more)
        assert (said.code, said.err) == (0, ""), said.err
        return said.out

    def codes(self) -> list[dict[str, str]]:
        with Store(self.out) as store:
            return [json.loads(row["code"]) for row in store.rows()]


@pytest.fixture
def runs(tmp_path: Path, dashf: Dashf, blank_pictures: None) -> Runs:
    return Runs(tmp_path, dashf)


def test_a_cell_records_what_owns_its_method(runs: Runs) -> None:
    runs.run()
    ours = Codes().of(configure("nearest", {}))
    for position, code in enumerate(runs.codes()):
        assert code["dashf-pyomo"] == json.loads(ours)["dashf-pyomo"] and SOURCES.fullmatch(code["dashf-pyomo"])
        assert set(code) == ({"dashf-pyomo"} if position % 2 else {"dashf-pyomo", "misbehaving"})
    assert SOURCES.fullmatch(runs.codes()[0]["misbehaving"])


def test_edited_code_makes_cells_stale_and_a_mixture_is_said_everywhere(runs: Runs) -> None:
    assert "stale" not in runs.run() and "nothing to do; all 4 cells are in" in (again := runs.run())
    assert "stale" not in again and "VERSIONS" not in runs.report()
    runs.edit()
    stale = "2 were run by another or an unknown version of the code, --rerun stale runs them again"
    said = runs.run()
    assert "nothing to do" in said and stale in said
    assert stale in finish(start("plan", runs.folder / "s.toml", "--out", runs.out, env=runs.env))[1]
    said = runs.run(seeds=3)  # new seeds beside cells of the old code
    assert "ran 2 of 6 cells" in said and stale in said
    said = runs.report()
    assert said.startswith("DIFFERENT VERSIONS: the cells were run by different versions of misbehaving: 1.0 (sources ")
    assert " in 2 cells" in said and " in 1 cells" in said
    versions = json.loads(runs.report("--json"))["versions"]
    assert list(versions["dashf-pyomo"].values()) == [6] and sorted(versions["misbehaving"].values()) == [1, 2]
    page = (runs.out / "report" / "index.html").read_text()
    assert page.index('<section id="versions">') < page.index("<h1>") and "see above" in page

    log = runs.log.read_text().count("\n")
    said = runs.run("--rerun", "stale", seeds=3)
    assert "ran 2 of 6 cells" in said and "stale" not in said and runs.log.read_text().count("\n") == log + 2
    assert "VERSIONS" not in runs.report()
    assert '<section id="versions">' not in (runs.out / "report" / "index.html").read_text()


def test_a_method_runs_again_when_asked_for(runs: Runs, dashf: Dashf) -> None:
    runs.run()
    with Store(runs.out) as store:
        before = {row["key"]: row["started"] for row in store.rows()}
    assert "ran 2 of 4 cells" in runs.run("--rerun", "logging")
    with Store(runs.out) as store:
        changed = {row["method"] for row in store.rows() if row["started"] != before[row["key"]]}
    assert changed == {"logging"}
    assert "ran 4 of 4 cells" in runs.run("--rerun", "logging", "--rerun", "nearest")
    assert "nothing to do" in runs.run("--rerun", "failed")
    plain = write_study(runs.folder / "plain.toml", ["nearest"])
    said = "rerun = 'gucaa'; expected failed, stale, or a method of this study: nearest"
    assert_refused(dashf("study", "run", plain, "--rerun", "gucaa"), said)
    assert not (runs.folder / "plain").exists()


def test_a_rerun_that_is_stopped_loses_no_old_record_and_goes_on(runs: Runs) -> None:
    cells = 40
    runs.run(seeds=cells)
    runs.env["STUDY_TEST_SLEEP"] = "0.1"
    again = ("run", runs.folder / "s.toml", "--out", runs.out, "--workers", 1, "--rerun", "logging")
    ran = runs.log.read_text().count("\n")
    process = start(*again, env=runs.env)
    wait_for(lambda: runs.log.read_text().count("\n") >= ran + 6, process)
    process.kill()
    process.communicate()
    with Store(runs.out) as store:
        assert len(store.outcomes()) == 2 * cells
        left = len(store.again())
    assert 0 < left < cells
    runs.env["STUDY_TEST_SLEEP"] = "0"
    code, out, _ = finish(start("plan", runs.folder / "s.toml", "--out", runs.out, env=runs.env))
    assert code == 0 and f"{left} are missing" in out
    code, out, _ = finish(start(*again, env=runs.env))
    assert code == 0 and f"ran {left} of {2 * cells} cells" in out
    code, out, _ = finish(start(*again, env=runs.env))
    assert code == 0 and f"ran {cells} of {2 * cells} cells" in out


def test_a_crash_records_the_code_too(runs: Runs) -> None:
    study = write_study(runs.folder / "s.toml", ["crashing"])
    assert finish(start("run", study, "--out", runs.out, "--workers", 1, env=runs.env))[0] == 0
    assert set(runs.codes()[0]) == {"dashf-pyomo", "misbehaving"}


def test_what_an_installer_put_in_place_is_known_by_its_version_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "owned_methods"
    place.mkdir()
    (place / "__init__.py").write_text("from dashf_pyomo.algorithms.baselines import Gucaa\nclass Mine(Gucaa): pass\n")
    about = make_distribution(tmp_path, "owner", {}, "2.5") / "owner-2.5.dist-info"
    (about / "top_level.txt").write_text("owned_methods\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import owned_methods  # type: ignore[import-not-found]

    method = owned_methods.Mine()
    monkeypatch.setitem(methods._origins, "gucaa", "owned_methods")
    assert SOURCES.fullmatch(json.loads(Codes().of(method))["owner"])
    (about / "RECORD").write_text("owned_methods/__init__.py,,\n")
    assert json.loads(Codes().of(method))["owner"] == "2.5"
    (place / "more.py").write_text("")  # nothing that the installer knows
    assert SOURCES.fullmatch(json.loads(Codes().of(method))["owner"])


def test_sources_are_read_when_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lonely_method.py").write_text("from dashf_pyomo.algorithms.baselines import Gucaa as Mine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("lonely_method")
    monkeypatch.setitem(methods._origins, "gucaa", "lonely_method")
    codes = Codes()
    before = codes.of(Gucaa())
    assert re.fullmatch(r"\(sources [0-9a-f]{12}\)", json.loads(before)["lonely_method"])
    (tmp_path / "lonely_method.py").write_text("# edited\n")
    assert codes.of(Gucaa()) == before != Codes().of(Gucaa())


@pytest.mark.usefixtures("blank_pictures")
def test_cells_from_before_versions_were_recorded_are_of_an_unknown_one(tmp_path: Path, dashf: Dashf) -> None:
    fill(tmp_path / "old")
    said = dashf("study", "report", tmp_path / "old", "--json")
    assert said.json["versions"] == {"dashf-pyomo": {"unknown version": 50}}
    assert "VERSIONS" not in dashf("study", "report", tmp_path / "old").out

    place = write_study(tmp_path / "s.toml", ["nearest"], seeds=2)
    assert dashf("study", "run", place, "--workers", "1").code == 0
    database = sqlite3.connect(tmp_path / "s" / FILE)
    database.executescript("ALTER TABLE cells DROP COLUMN code; DROP TABLE again;")
    database.close()
    write_study(place, ["nearest"], seeds=3)
    said = dashf("study", "run", place, "--workers", "1")
    assert "ran 1 of 3 cells" in said.out and "2 were run by another or an unknown version" in said.out
    said = dashf("study", "report", tmp_path / "s")
    assert "different versions of dashf-pyomo: unknown version in 2 cells" in said.out
    dashf("study", "export", tmp_path / "s", "-o", tmp_path / "x.jsonl")
    found = [json.loads(line)["code"] for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert found[:2] == [None, None] and set(found[2]) == {"dashf-pyomo"}
    assert Study.read(place, tmp_path / "s").run(workers=1, rerun="stale").ran == 2
    assert dashf_pyomo.__version__ in dashf("study", "report", tmp_path / "s", "--json").out
