"""Every number of a report, against a store filled by hand."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from pathlib import Path

import pytest
from report_cases import GAINS, VALUES, fill

from dashf_pyomo.study import Study
from dashf_pyomo.study.report import write_report
from dashf_pyomo.study.report.loading import climbs
from dashf_pyomo.study.report.study_data import StudyData
from dashf_pyomo.study.store import Store
from formulations import InputError

pytestmark = pytest.mark.slow

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    fill(folder)
    with Store(folder) as store:
        return write_report(store).parent


def table(report: Path, name: str) -> Rows:
    with open(report / "tables" / f"{name}.csv", newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def one(rows: Rows, **wanted: str) -> dict[str, str]:
    (row,) = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return row


SMALL, OTHER = "small, 3 x 2", "no bound, 4 x 2"


def test_gaps_are_to_the_least_bound_that_no_allocation_refutes(report: Path) -> None:
    rows = table(report, "gaps")
    for variant, (share, _) in VALUES.items():
        row = one(rows, scenarios=SMALL, method=variant)
        assert float(row["mean gap"]) == pytest.approx(1.0 - share)
        assert float(row["worst gap"]) == pytest.approx(1.0 - share)
        assert one(rows, scenarios=OTHER, method=variant)["mean gap"] == "none"
    nearest = one(rows, scenarios=SMALL, method="nearest")
    assert (nearest["runs"], nearest["failed"]) == ("4", "1")
    assert float(nearest["mean SCR"]) == pytest.approx(0.2 * 1100.0)  # of seeds 0 to 2


def test_bounds_are_counted_by_source(report: Path) -> None:
    row = one(table(report, "bounds"), scenarios=SMALL)
    assert (row["bound from"], row["source"], row["number"]) == ("prover", "prover by hand", "4")
    assert float(row["mean gap left"]) == pytest.approx(0.01)
    assert one(table(report, "bounds"), scenarios=OTHER)["bound from"] == "none"


def test_times_count_failures_with_their_limit(report: Path) -> None:
    rows = table(report, "times")
    prover = one(rows, scenarios=SMALL, method="prover")
    assert float(prover["time (s)"]) == pytest.approx(8.0) and float(prover["time to 0.01 (s)"]) == pytest.approx(8.0)
    # The first entry of the trace has half of the best SCR already, exactly the target.
    assert float(prover["within 0.5"]) == 1.0 and float(prover["time to 0.5 (s)"]) == pytest.approx(0.8)
    nearest = one(rows, scenarios=SMALL, method="nearest")
    assert float(nearest["time (s)"]) == pytest.approx((1.01**3 * 61.0) ** 0.25 - 1.0)
    assert float(nearest["within 0.5"]) == 0.0 and float(nearest["time to 0.5 (s)"]) == pytest.approx(60.0)


def test_duels_are_paired_and_failures_lose(report: Path) -> None:
    rows = table(report, "duels")
    nearest = one(rows, scenarios=SMALL, method="nearest")
    assert (nearest["pairs"], nearest["wins"], nearest["ties"], nearest["losses"]) == ("4", "0", "0", "4")
    assert float(nearest["mean difference"]) == pytest.approx(0.2 / 0.8 - 1.0)
    prover = one(rows, scenarios="all", method="prover")
    assert (prover["pairs"], prover["wins"]) == ("5", "5") and float(prover["share of wins"]) == 1.0
    assert float(prover["mean low"]) == pytest.approx(0.99 / 0.8 - 1.0) == float(prover["mean high"])


def test_the_gap_of_dashf_is_attributed_to_its_parts(report: Path) -> None:
    rows = table(report, "attribution")
    assert [row["swap"] for row in rows] == list(GAINS)
    for row in rows:
        assert float(row["mean gap"]) == pytest.approx(0.2) and row["pairs"] == "4"
        assert float(row["gain"]) == pytest.approx(GAINS[row["swap"]], abs=1e-12)
        assert float(row["share of the gap"]) == pytest.approx(GAINS[row["swap"]] / 0.2, abs=1e-12)


def test_contradictions_name_both_sides(report: Path) -> None:
    (row,) = table(report, "contradictions")
    assert "liar claims SCR <= 950 (liar by hand)" in row["what contradicts what"]
    assert "prover has a verified allocation with SCR 990" in row["what contradicts what"]


def test_failures_are_listed_with_what_happened(report: Path) -> None:
    (row,) = table(report, "failures")
    assert (row["method"], row["outcome"], row["number"]) == ("nearest", "crash", "1")


def test_every_row_leads_to_cells_that_it_is_made_of(report: Path) -> None:
    with open(report / "cells.csv", newline="", encoding="utf-8") as lines:
        cells = list(csv.DictReader(lines))
    for name in ("gaps", "times"):
        for row in table(report, name):
            positions: list[int] = []
            for part in row["cells"].split(","):
                first, _, last = part.partition("-")
                positions += range(int(first), int(last or first) + 1)
            mine = [cells[position] for position in positions]
            assert {cell["variant"] for cell in mine} == {row["method"]}
            assert {f"{c['group']}, {c['users']} x {c['servers']}" for c in mine} == {row["scenarios"]}


def test_latex_tables_have_as_many_columns_as_they_say(report: Path) -> None:
    for path in (report / "tables").glob("*.tex"):
        text = path.read_text(encoding="utf-8")
        columns = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)
        assert columns is not None
        body = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert body and {len(re.findall(r"(?<!\\)&", line)) + 1 for line in body} == {len(columns[1])}


def test_a_report_is_the_same_from_the_same_store(report: Path) -> None:
    first, old = (report / "index.html").read_bytes(), report / "figures" / "old.png"
    old.write_bytes(b"")
    with Store(report.parent) as store:
        assert write_report(store).read_bytes() == first
    assert not old.exists()


@pytest.mark.usefixtures("blank_pictures")
def test_a_report_on_part_of_the_cells_says_so(tmp_path: Path) -> None:
    fill(tmp_path)
    with Store(tmp_path, write=True) as store:
        store.forget([row["key"] for row in store.rows() if row["variant"] != "gucaa"])
    with Store(tmp_path) as store:
        text = write_report(store).read_text(encoding="utf-8")
    assert "cells: 50, 5 done, 0 failed, 45 missing" in text and "certified bound: 0 of 5" in text


def test_a_report_on_nothing_is_refused(tmp_path: Path) -> None:
    fill(tmp_path)
    with Store(tmp_path, write=True) as store:
        store.forget(store.outcomes())
    with Store(tmp_path) as store, pytest.raises(InputError, match="no cell has ended yet"):
        write_report(store)


@pytest.mark.usefixtures("blank_pictures")
def test_failures_of_every_kind_still_make_a_report(tmp_path: Path) -> None:
    study = Study([{"users": 3}], [{"method": "dashf", "limits": {"time": 1e-6}}], tmp_path / "out")
    study.run(workers=1)
    page = study.report()
    assert "Scenarios: 1;" in page.read_text(encoding="utf-8")


@pytest.mark.usefixtures("blank_pictures")
def test_a_method_that_always_fails_leaves_the_rest_of_the_report(tmp_path: Path) -> None:
    fill(tmp_path)
    database = sqlite3.connect(tmp_path / "study.sqlite")
    failed = "key IN (SELECT key FROM plan WHERE variant = 'nearest')"
    database.execute(f"UPDATE cells SET outcome = 'overdue', status = NULL, scr = NULL, result = NULL WHERE {failed}")
    database.commit()
    database.close()
    with Store(tmp_path) as store:
        report = write_report(store).parent
    row = one(table(report, "gaps"), scenarios=SMALL, method="nearest")
    assert (row["failed"], row["mean gap"], row["mean SCR"]) == ("4", "none", "none")
    assert one(table(report, "gaps"), scenarios=SMALL, method="dashf")["mean gap"] != "none"
    assert one(table(report, "duels"), scenarios=SMALL, method="nearest")["losses"] == "4"
    assert len(list((report / "figures").glob("*.pdf"))) == 8


def test_a_bound_within_the_tolerance_of_an_allocation_is_no_contradiction(tmp_path: Path) -> None:
    fill(tmp_path)
    with Store(tmp_path) as store:
        data = StudyData.of(store)
    known = next(iter(data.scenarios.values()))
    assert known.best is not None and known.best.value == pytest.approx(990.0)
    changed = {}
    for relative in (0.0, 1e-9, 1e-5):
        cells = [
            type(cell)(**{**vars(cell), "bound": 990.0 * (1 - relative)}) if cell.variant == "liar" else cell
            for cell in known.cells
        ]
        changed[relative] = StudyData(data.about, data.settings, tuple(cells)).contradictions
    assert changed[0.0] == changed[1e-9] == [] and len(changed[1e-5]) == 1


def test_what_a_literal_run_threw_away_does_not_count_as_reached() -> None:
    """With accept=always the SCR can fall; only what stays was reached."""
    trace = [{"time": t, "best": best} for t, best in ((0.1, 3.0), (0.2, 9.0), (0.3, 5.0))]
    assert climbs({"trace": trace, "scr": 5.0, "wall_time": 0.4}) == ((0.1, 3.0), (0.4, 5.0))
    assert climbs({"trace": trace[:2], "scr": 9.0, "wall_time": 0.4}) == ((0.1, 3.0), (0.2, 9.0))
    assert climbs({"trace": trace, "scr": None, "wall_time": 0.4}) == ()


def test_the_cells_on_the_page_are_those_of_the_store(report: Path) -> None:
    text = (report / "index.html").read_text(encoding="utf-8")
    found = re.search(r'id="cells-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    rows = json.loads(found[1])["rows"]
    assert [row[0] for row in rows] == list(range(50))
    assert sum(row[5] == "crash" for row in rows) == 1
