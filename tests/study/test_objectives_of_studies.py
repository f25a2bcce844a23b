"""Studies of other objectives: declared in entries and over grids, stored, paired and reported by their sense."""

from __future__ import annotations

import csv
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import pytest

import dashf_pyomo
from dashf_pyomo.study.description import read_description
from dashf_pyomo.study.environment import environment
from dashf_pyomo.study.export import table
from dashf_pyomo.study.plan import Cell, cells_of
from dashf_pyomo.study.report import write_report
from dashf_pyomo.study.report.pairing import paired
from dashf_pyomo.study.report.study_data import StudyData
from dashf_pyomo.study.store import FILE, Store
from dashf_pyomo.study.task import SUMMARY, CellOutcome, CellRecord
from formulations import InputError, Scenario
from formulations.documents import canonical

METHODS = [{"method": "gucaa"}, {"method": "nearest"}, {"method": "dual", "name": "prover"}]
COST = {"name": "costs", "users": 3, "seeds": [0, 1], "objective": {"kind": "cost", "delay": "mean"}}
RATIO = {"name": "ratios", "users": 3, "seeds": [0, 1]}
#: Value of each variant in parts of the bound of `prover`; a cost is as much above it.
PARTS = {"gucaa": 2.0, "nearest": 1.25, "prover": 1.01}


def described(*scenarios: dict[str, Any]) -> Any:
    return read_description({"scenarios": list(scenarios), "methods": METHODS, "report": {"reference": "nearest"}})


def record(cell: Cell) -> CellRecord:
    """A cell with values by hand."""
    scenario = cell.scenario.scenario()
    falls, bound = scenario.objective.sense == "min", 100.0 + 10.0 * (scenario.seed or 0)
    part = PARTS[cell.variant.name]
    value = bound * part if falls else bound / part
    document = dashf_pyomo.solve(scenario, "nearest").to_dict()
    proven = bound if cell.variant.name == "prover" else None
    printed = scenario.objective.kind == "scr"
    document |= {"value": value, "bound": proven, "scr": value if printed else 1.0, "wall_time": 1.0}
    document |= {"upper_bound": proven if printed else None, "bound_source": None if proven is None else "by hand"}
    worse = value * (1.5 if falls else 0.5)
    document["trace"] = [
        {"iteration": 0, "time": 0.1, "scr": worse, "value": worse, "best": worse, "accepted": True},
        {"iteration": 1, "time": 0.9, "scr": value, "value": value, "best": value, "accepted": True},
    ]
    return CellRecord(
        key=cell.key,
        outcome=CellOutcome.DONE,
        message="by hand",
        summary={name: document[name] for name in SUMMARY},
        result=zlib.compress(canonical(document).encode()),
        started="2025-01-01T00:00:00.000+00:00",
        wall_time=1.0,
        cell_time=1.0,
        environment=environment(),
        worker="hand:1",
    )


def fill(folder: Path, *scenarios: dict[str, Any]) -> Path:
    study = described(*scenarios)
    cells = list(cells_of(study))
    with Store(folder, write=True) as store:
        store.enter_plan(study, cells)
        store.add((cell, record(cell)) for cell in cells)
    return folder


def rows_of(report: Path, name: str) -> list[dict[str, str]]:
    with open(report / "tables" / f"{name}.csv", newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


# -- description ------------------------------------------------------------------------------


def test_entries_declare_objectives_and_grids_go_over_them() -> None:
    entry = {
        "users": 3,
        "objective": {"delay": "mean"},
        "grid": {"objective": {"kind": ["scr", "cost"]}, "constraints.users_per_server": [2, 3]},
    }
    found = described(entry).scenarios
    expected = [
        Scenario.random(3, 2, 0, objective={"kind": kind, "delay": "mean"}, constraints={"users_per_server": most})
        for kind in ("scr", "cost")
        for most in (2, 3)
    ]
    assert [one.sha256 for one in found] == [one.sha256 for one in expected]
    assert found[3].group == "paper, delay mean, kind cost, users_per_server 3"
    assert (found[3].objective, found[3].measure) == ("cost", "cost, mean delay")
    assert (found[0].objective, found[0].measure) == ("scr", "SCR, mean delay")


def test_a_file_that_declares_an_objective_itself_is_not_given_another(tmp_path: Path) -> None:
    Scenario.random(2, 2, 0, objective={"kind": "cost"}).write(tmp_path / "a.json")
    entry = {"files": [str(tmp_path / "a.json")], "objective": {"kind": "cost"}}
    with pytest.raises(InputError, match=r"\[scenarios\[0\]\] objective: .*by the scenario itself"):
        described(entry)
    (kept,) = described({"files": [str(tmp_path / "a.json")]}).scenarios
    assert kept.objective == "cost"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"objective": {"kind": "profit"}}, r"\[scenarios\[0\]\.objective\] kind.*'profit'"),
        ({"grid": {"objective.kind": ["scr", "profit"]}}, r"\[scenarios\[0\]\.grid\].*'profit'"),
        ({"grid": {"constraints.speed": [1, 2]}}, r"\[scenarios\[0\]\.grid\] .*constraints.speed.*unknown key 'speed'"),
        (
            {"constraints": {"delay_limit": 9.0}, "grid": {"constraints.delay_limit": [1.0]}},
            r"\[scenarios\[0\]\.grid\].*delay_limit: given under constraints too",
        ),
    ],
)
def test_what_cannot_be_declared_is_refused_at_its_key(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        described({"users": 2, **entry})


# -- store and report -------------------------------------------------------------------------


def test_the_least_cost_is_the_best_and_its_gap_is_to_the_bound_below(tmp_path: Path) -> None:
    with Store(fill(tmp_path, COST)) as store:
        data = StudyData.of(store)
        own = {(row["variant"], row["seed"]): row["own_gap"] for row in table(store)}
    assert own["prover", "1"] == pytest.approx(1.0 - 1.0 / 1.01) and own["gucaa", "0"] is None
    for known in data.scenarios.values():
        assert known.best is not None and known.best.variant == "prover"
        gaps = {cell.variant: known.gap(cell) for cell in known.cells}
        assert gaps == pytest.approx({name: 1.0 - 1.0 / part for name, part in PARTS.items()})
    pairing = paired(data, "gucaa", "nearest", None)
    assert (pairing.wins, pairing.losses) == (0, 2) and pairing.difference.estimate == pytest.approx(1.0 - 2.0 / 1.25)
    cell = next(cell for cell in data.cells if cell.variant == "nearest")
    assert cell.time_to(1.25 * 100.0) == 0.9 and cell.time_to(1.9 * 100.0) == 0.1 and cell.time_to(1.0) == float("inf")


def test_a_cost_below_its_bound_is_a_contradiction(tmp_path: Path) -> None:
    fill(tmp_path, COST)
    database = sqlite3.connect(tmp_path / FILE)
    database.execute("UPDATE cells SET bound = 1.02 * value WHERE bound IS NOT NULL")
    database.commit()
    database.close()
    with Store(tmp_path) as store:
        data = StudyData.of(store)
    assert len(data.contradictions) == 2 and all(known.bound is None for known in data.scenarios.values())
    assert "prover claims cost >= 103.02" in data.contradictions[0].text
    assert "allocation with cost 101, 1.96e-02 below" in data.contradictions[0].text


def test_a_report_names_the_objective(tmp_path: Path) -> None:
    with Store(fill(tmp_path, COST)) as store:
        page = write_report(store)
    text = page.read_text(encoding="utf-8")
    assert "mean cost" in text and "mean SCR" not in text and "best cost 101 (prover)" in text
    rows = {row["method"]: row for row in rows_of(page.parent, "gaps")}
    assert float(rows["nearest"]["mean cost"]) == pytest.approx(1.25 * 105.0)


@pytest.mark.usefixtures("blank_pictures")
def test_a_study_with_different_objectives_says_so_and_mixes_nothing(tmp_path: Path) -> None:
    with Store(fill(tmp_path, COST, RATIO)) as store:
        page = write_report(store)
        data = StudyData.of(store)
    text = page.read_text(encoding="utf-8")
    assert "Scenarios have different objectives (cost, mean delay; SCR)" in text
    assert data.places == ["costs, 3 x 2, cost, mean delay", "ratios, 3 x 2, SCR"]
    rows = {(row["scenarios"], row["method"]): float(row["mean value"]) for row in rows_of(page.parent, "gaps")}
    assert rows["costs, 3 x 2, cost, mean delay", "gucaa"] == pytest.approx(2.0 * 105.0)
    assert rows["ratios, 3 x 2, SCR", "gucaa"] == pytest.approx(105.0 / 2.0)
    assert {row["scenarios"] for row in rows_of(page.parent, "duels")} == set(data.places)  # none over all
    for part in data.by_measure():
        assert len(part.scenarios) == 2 and len(part.measures) == 1
    names = {path.stem for path in (page.parent / "figures").glob("*.png")}
    assert {"quality-1", "quality-2", "anytime-1", "anytime-2"} <= names and "quality" not in names


def test_a_store_of_before_there_were_objectives_is_read_and_continued(tmp_path: Path) -> None:
    fill(tmp_path, RATIO)
    database = sqlite3.connect(tmp_path / FILE)
    for name, column in (("cells", "value"), ("cells", "bound"), ("scenarios", "objective"), ("scenarios", "measure")):
        database.execute(f"ALTER TABLE {name} DROP COLUMN {column}")
    database.commit()
    database.close()
    with Store(tmp_path) as store:
        before = store.rows()
    study = described(RATIO)
    with Store(tmp_path, write=True) as store:
        store.enter_plan(study, list(cells_of(study)))
    with Store(tmp_path) as store:
        assert store.rows() == before
    assert {row["objective"] for row in before} == {"scr"}
    assert [row["value"] for row in before] == [row["scr"] for row in before]
