"""What counts in reports and exports: bounds that stand, results without errors, every run once."""

from __future__ import annotations

import csv
import sqlite3
from pathlib import Path

import pytest
from report_cases import description, fill, record

from dashf_pyomo.study.description import read_description
from dashf_pyomo.study.export import export, table
from dashf_pyomo.study.plan import cells_of
from dashf_pyomo.study.report import write_report
from dashf_pyomo.study.report.study_data import StudyData
from dashf_pyomo.study.store import FILE, Store

pytestmark = pytest.mark.usefixtures("blank_pictures")


def changed(folder: Path, *statements: str) -> Path:
    """The study filled by hand, with its store changed."""
    fill(folder)
    database = sqlite3.connect(folder / FILE)
    for statement in statements:
        database.execute(statement)
    database.commit()
    database.close()
    return folder


def of(variant: str) -> str:
    return f"key IN (SELECT key FROM plan WHERE variant = '{variant}')"


def test_a_cell_whose_bound_is_refuted_is_certified_nowhere(tmp_path: Path) -> None:
    changed(tmp_path, "UPDATE cells SET status = 'certified' WHERE upper_bound IS NOT NULL")
    with Store(tmp_path) as store:
        report = write_report(store).parent
        own = {(row["variant"], row["seed"]): row["own_gap"] for row in table(store) if row["users"] == 3}
        export(store, tmp_path / "x.trc")
    with open(report / "tables" / "gaps.csv", newline="", encoding="utf-8") as lines:
        counts = {(row["scenarios"], row["method"]): row["certified"] for row in csv.DictReader(lines)}
    assert counts["small, 3 x 2", "prover"] == "4" and counts["small, 3 x 2", "liar"] == "0"
    assert own["liar", "0"] is None and own["prover", "0"] == pytest.approx(0.01)
    records = [line.split(",") for line in (tmp_path / "x.trc").read_text().splitlines() if "liar" in line]
    assert {(fields[8], fields[11]) for fields in records} == {("8", "NA")}


def test_an_allocation_of_a_cell_with_an_error_is_not_the_best_but_refutes_bounds(tmp_path: Path) -> None:
    changed(tmp_path, f"UPDATE cells SET status = 'error' WHERE {of('prover')}")
    with Store(tmp_path) as store:
        data = StudyData.of(store)
        export(store, tmp_path / "x.solu")
    known = next(iter(data.scenarios.values()))
    assert known.best is not None and known.best.variant != "prover"
    assert "prover has a verified allocation with SCR 990" in data.contradictions[0].text
    assert "=best= " in (tmp_path / "x.solu").read_text() and " 990\n" not in (tmp_path / "x.solu").read_text()


def test_known_values_take_bounds_within_the_tolerance_of_the_report(tmp_path: Path) -> None:
    changed(tmp_path, f"UPDATE cells SET bound = 990 * (1 - 1e-9) WHERE {of('prover')} AND bound = 1000")
    with Store(tmp_path) as store:
        export(store, tmp_path / "x.solu")
    assert (tmp_path / "x.solu").read_text().splitlines()[1].endswith(" 990")


def in_two_groups(folder: Path, methods: list[dict[str, object]]) -> None:
    """One scenario in two groups, another in one, solved by hand."""
    groups = [{"name": "a", "users": 3, "seeds": [0, 1]}, {"name": "b", "users": 3, "seeds": [0]}]
    study = read_description({"scenarios": groups, "methods": methods})
    cells = list(cells_of(study))
    with Store(folder, write=True) as store:
        store.enter_plan(study, cells)
        store.add((cell, record(cell)) for cell in cells)


def test_a_scenario_in_two_groups_counts_once_among_all_and_in_each(tmp_path: Path) -> None:
    in_two_groups(tmp_path, [{"method": "gucaa"}, {"method": "nearest"}])
    with Store(tmp_path) as store:
        data = StudyData.of(store)
        page = write_report(store)
        assert export(store, tmp_path / "x.trc") == 4
    assert len(data.of_variant("gucaa")) == 2
    assert [len(data.of_variant("gucaa", where)) for where in data.places] == [2, 1]
    assert "cells: 4, 4 done" in page.read_text(encoding="utf-8")
    with open(page.parent / "tables" / "duels.csv", newline="", encoding="utf-8") as lines:
        pairs = {row["scenarios"]: row["pairs"] for row in csv.DictReader(lines)}
    assert pairs == {"a, 3 x 2": "2", "b, 3 x 2": "1", "all": "2"}
    with open(page.parent / "tables" / "bounds.csv", newline="", encoding="utf-8") as lines:
        assert {row["scenarios"]: row["number"] for row in csv.DictReader(lines)} == {"a, 3 x 2": "2", "b, 3 x 2": "1"}
    records = [line for line in (tmp_path / "x.trc").read_text().splitlines() if not line.startswith("*")]
    assert len(records) == len(set(records)) == 4


def test_names_that_paver_takes_stay_different(tmp_path: Path) -> None:
    changed(
        tmp_path,
        "UPDATE plan SET variant = 'nearest!' WHERE variant = 'nearest'",
        "UPDATE plan SET variant = 'nearest?' WHERE variant = 'gucaa'",
    )
    with Store(tmp_path) as store:
        export(store, tmp_path / "x.trc")
    lines = [line.split(",") for line in (tmp_path / "x.trc").read_text().splitlines() if not line.startswith("*")]
    assert {"nearest_", "nearest__2"} <= {fields[2] for fields in lines}
    assert len({(fields[0], fields[2]) for fields in lines}) == len(lines) == len(list(cells_of(description())))


def test_every_picture_of_a_scenario_has_a_file_of_its_own(tmp_path: Path) -> None:
    changed(
        tmp_path,
        "UPDATE plan SET variant = 'same?' WHERE variant = 'dashf'",
        "UPDATE plan SET variant = 'same!' WHERE variant = 'prover'",
        "UPDATE about SET value = replace(value, '\"dashf\"', '\"same?\"') WHERE key = 'report'",
    )
    with Store(tmp_path) as store:
        report = write_report(store).parent
    names = {path.name for path in (report / "figures").glob("scenario-0-*.png")}
    assert names == {"scenario-0-comparison.png", "scenario-0-same-.png", "scenario-0-same--2.png"}
