"""Gaps are to bounds of the problem that was solved: stricter problems and other scenarios are said, not mixed in."""

from __future__ import annotations

import csv
import json
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fresh_process import run_python
from report_cases import description, record
from study_helpers import environment, extension, finish, outcomes, start, write_study

import dashf_pyomo
from dashf_pyomo.algorithms import Limits, Method, methods, run_method
from dashf_pyomo.backends import BackendError
from dashf_pyomo.check import check
from dashf_pyomo.pictures import draw_comparison
from dashf_pyomo.study.plan import cells_of
from dashf_pyomo.study.report import write_report
from dashf_pyomo.study.report.study_data import StudyData
from dashf_pyomo.study.store import Store
from formulations import Scenario
from formulations.association.pair_resources import equal_split
from formulations.documents import canonical

pytestmark = pytest.mark.slow

SCENARIO = Scenario.random(3, 2, 0)

#: A method that keeps a stricter problem and says so, one that proves a (poor) bound, one that solves something else.
OWN = """

@methods.register
@dataclass(frozen=True)
class Capped(Method):
    name = "capped"
    summary = "at most two users per server"
    restricts = "at most 2 users per server"

    def search(self, run):
        n = run.scenario.n_users
        run.record(equal_split(run.scenario, np.arange(n) % run.scenario.n_servers, np.full(n, 0.5)))
        run.record_bound(1.0, "capped: exact")
        return "done"


@methods.register
@dataclass(frozen=True)
class Bounding(Method):
    name = "bounding"
    summary = "a bound"
    proves_bounds = True

    def search(self, run):
        Behaved.search(self, run)
        run.record_bound(1e4, "bounding by hand")
        return "done"

    act = lambda self, run: None


@methods.register
@dataclass(frozen=True)
class Elsewhere(Method):
    name = "elsewhere"
    summary = "solves another scenario"

    def search(self, run):
        return "done"

    def solve(self, scenario, limits=None, observer=None):
        stricter = scenario.with_constraints({"forbidden": [[0, 0]]})
        return methods["nearest"]().solve(stricter, limits, observer)
"""


def test_gap_says_which_method_solves_a_stricter_problem(tmp_path: Path) -> None:
    command = ("-m", "dashf_pyomo", "gap", "--users", 3, "--methods", "nearest,capped,bounding")
    place = extension(tmp_path, OWN)
    shown = run_python(*command, places=(place,), timeout=120)
    assert shown.returncode == 0 and shown.stderr == ""
    assert "* capped solves a stricter problem (at most 2 users per server)" in shown.stdout
    assert "no allocation has an SCR above 10000.0 (bounding by hand)" in shown.stdout
    told = json.loads(run_python(*command, "--json", places=(place,), timeout=120).stdout)
    rows = {row["method"]: row for row in told["methods"]}
    assert rows["capped"]["restriction"] == "at most 2 users per server" and rows["nearest"]["restriction"] is None
    # Its own bound, far below what others reach, is one of its own problem and refutes nothing.
    assert told["upper_bound"] == 1e4 and told["contradictions"] == [] and rows["capped"]["upper_bound"] is None


def test_a_study_labels_such_gaps_and_refuses_results_on_other_scenarios(tmp_path: Path) -> None:
    env = environment(extension(tmp_path, OWN))
    study = write_study(tmp_path / "own.toml", ["nearest", "capped", "bounding", "elsewhere"])
    code, _, err = finish(start("run", study, "--workers", "1", env=env))
    assert code == 0, err
    folder = tmp_path / "own"
    outcome, message = outcomes(folder)["elsewhere"]
    assert outcome == "error" and "elsewhere returned a result on scenario" in message
    code, out, err = finish(start("report", folder, env=env))
    assert code == 0 and "CONTRADICTION" not in out, err
    with open(folder / "report" / "tables" / "gaps.csv", newline="", encoding="utf-8") as lines:
        kept = {row["method"]: row["keeps also"] for row in csv.DictReader(lines)}
    assert kept["capped"] == "at most 2 users per server" and kept["nearest"] == kept["bounding"] == ""
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    lead = page.partition('<p class="lead">')[2].partition("</p>")[0]
    assert "capped: at most 2 users per server" in lead and "those of the scenario" in lead
    assert page.partition("<figcaption>")[2].partition("</figcaption>")[0].count("asterisk") == 1


@pytest.mark.usefixtures("blank_pictures")
def test_a_report_without_such_methods_says_nothing_of_them(tmp_path: Path) -> None:
    study = description()
    cells = list(cells_of(study))
    with Store(tmp_path, write=True) as store:
        store.enter_plan(study, cells)
        store.add((cell, record(cell)) for cell in cells)
        page = write_report(store).read_text(encoding="utf-8")
    assert "keeps also" not in page and "stricter problem" not in page


def test_a_stored_result_on_another_scenario_counts_nowhere_and_is_said(tmp_path: Path) -> None:
    study = description()
    cells = list(cells_of(study))

    def moved(cell: Any) -> Any:
        found = record(cell)
        if cell.variant.name != "prover" or int(cell.scenario.seed) != 1 or found.result is None:
            return found
        document = json.loads(zlib.decompress(found.result)) | {"scenario_sha256": SCENARIO.sha256}
        return replace(found, result=zlib.compress(canonical(document).encode()))

    with Store(tmp_path, write=True) as store:
        store.enter_plan(study, cells)
        store.add((cell, moved(cell)) for cell in cells)
        data = StudyData.of(store)
    said = [found.text for found in data.contradictions if found.text.startswith("prover")]
    assert len(said) == 1 and SCENARIO.sha256[:16] in said[0]
    other = next(
        known for known in data.scenarios.values() if "seed1" in known.name and known.where.startswith("small")
    )
    assert other.bound is None and other.best is not None and other.best.variant != "prover"
    cell = next(cell for cell in other.cells if cell.variant == "prover")
    assert cell.failed and cell.value is None and other.gap(cell) is None


# -- in one process ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Capped(Method):
    name = "capped"
    summary = "at most so many users per server, if any"

    most: int = 2

    def restriction(self) -> str:
        return f"at most {self.most} users per server" if self.most else ""

    def search(self, run: Any) -> str:
        n = run.scenario.n_users
        run.record(equal_split(run.scenario, np.arange(n) % run.scenario.n_servers, np.full(n, 0.5)))
        run.record_bound(1.0, "capped: exact")
        return "done"


def test_a_bound_of_a_stricter_problem_is_no_bound_of_the_scenario(monkeypatch: pytest.MonkeyPatch) -> None:
    methods["dashf"]
    monkeypatch.setitem(methods._entries, "capped", Capped)
    result = run_method(Capped(), SCENARIO)
    assert result.upper_bound is None and result.status == "feasible" and "CONTRADICTION" not in result.message
    assert result.restriction == "at most 2 users per server"
    assert any("stricter problem, at most 2 users per server" in entry.note for entry in result.trace)
    assert all(finding.holds for finding in check(SCENARIO, result.to_dict(), "r.json"))
    hidden = {key: value for key, value in result.readings.items() if key != "restriction"}
    wrong = [f.claim for f in check(SCENARIO, replace(result, readings=hidden).to_dict(), "r.json") if not f.holds]
    assert wrong == ["readings"]
    # Without proves_bounds, too, whatever it calls a bound is none.
    free = run_method(Capped(most=0), SCENARIO)
    assert free.restriction == "" and free.upper_bound is None


def test_a_method_that_restricts_the_problem_and_claims_bounds_of_it_is_refused() -> None:
    wrong = type("Both", (Capped,), {"name": "both", "restricts": "half of it", "proves_bounds": True})
    with pytest.raises(TypeError, match="restricts the problem"):
        methods.register(wrong)


def test_a_comparison_names_what_solves_a_stricter_problem(tmp_path: Path) -> None:
    results = [run_method(Capped(), SCENARIO), dashf_pyomo.solve(SCENARIO, "nearest")]
    draw_comparison(SCENARIO, results, tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size > 0


def test_a_result_on_another_scenario_is_no_answer() -> None:
    class Elsewhere(Capped):
        def solve(self, scenario: Scenario, limits: Any = None, observer: Any = None) -> Any:
            return Capped().solve(Scenario.random(3, 2, 1), limits, observer)

    with pytest.raises(BackendError, match=r"capped returned a result on scenario .*expected one on"):
        run_method(Elsewhere(), SCENARIO, Limits())
