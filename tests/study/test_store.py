"""The store: what comes in comes out, broken or foreign files are refused, exports hold what the store holds."""

from __future__ import annotations

import csv
import importlib.util
import json
import sqlite3
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from cli_helpers import Dashf, assert_refused
from fresh_process import ROOT
from report_cases import VALUES, description, fill, record
from study_helpers import environment, write_study

from dashf_pyomo import Result
from dashf_pyomo.study import Study
from dashf_pyomo.study.export import COLUMNS, export, frame, table
from dashf_pyomo.study.plan import cells_of
from dashf_pyomo.study.store import FILE, Store, StoreError
from formulations import InputError, Scenario, evaluate


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture
def solved(tmp_path: Path) -> Study:
    scenarios = [Scenario.random(3, 2, 0), Scenario.random(3, 2, 1)]
    study = Study(scenarios, ["nearest", {"method": "rucaa", "repeats": 2}], tmp_path / "solved", name="solved")
    study.run(workers=1)
    return study


def test_a_record_holds_the_whole_result_and_where_it_comes_from(solved: Study) -> None:
    with Store(solved.folder) as store:
        rows, environments = store.rows(), store.environments()
        assert len(rows) == 6
        for row, cell in zip(rows, solved.plan, strict=True):
            result = store.result(row["key"])
            assert isinstance(result, Result) and result.allocation is not None and result.trace
            scenario = store.scenario(row["scenario"])
            assert result.matches(scenario) and row["scr"] == evaluate(scenario, result.allocation).scr
            assert json.loads(row["options"]) == cell.options == dict(result.options)
            assert json.loads(row["limits"])["time"] == 60.0 and result.readings["noise"] == "-174 dBm/Hz"
            assert row["started"].startswith("20") and row["wall_time"] > 0
            machine = environments[row["environment"]]
            assert machine["machine"] and {"numpy", "cvxpy", "pyomo", "dashf-pyomo"} <= set(machine["packages"])


def test_a_changed_description_runs_only_what_is_new(tmp_path: Path) -> None:
    def ran(methods: list[str], seeds: str) -> int:
        return Study([{"users": 3, "seeds": seeds}], methods, tmp_path / "out").run(workers=1).ran

    assert ran(["nearest"], "0..2") == 3
    assert ran(["nearest", "gucaa"], "0..2") == 3
    assert ran(["nearest", "gucaa"], "0..3") == 2
    assert ran(["nearest"], "0..1") == 0
    with Store(tmp_path / "out") as store:
        assert len(store.rows()) == 2 and len(store.outcomes()) == 8  # what is not planned any more is kept
    assert ran(["nearest", "gucaa"], "0..3") == 0


def test_the_same_scenario_in_two_groups_is_solved_once(tmp_path: Path) -> None:
    study = Study([{"name": "a", "users": 3}, {"name": "b", "users": 3}], ["nearest"], tmp_path / "out")
    assert study.run(workers=1).ran == 1
    with Store(tmp_path / "out") as store:
        assert [(row["group"], row["outcome"]) for row in store.rows()] == [("a", "done"), ("b", "done")]


def test_one_writes_many_read(folder: Path) -> None:
    with Store(folder, write=True) as writer:
        with pytest.raises(StoreError, match="another run is writing"):
            Store(folder, write=True)
        with Store(folder) as reader:
            key = reader.rows()[0]["key"]
            writer.forget([key])
            assert reader.rows()[0]["outcome"] is None
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader.forget([key])
    with Store(folder, write=True):
        pass  # the lock goes with the writer


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"no database at all, just text" * 99, "is no store"), (b"", "is empty")],
    ids=["text", "empty"],
)
def test_a_file_that_is_no_store_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(StoreError, match=said):
        Store(tmp_path)


def test_a_store_of_another_version_is_refused(folder: Path) -> None:
    database = sqlite3.connect(folder / FILE)
    database.execute("PRAGMA user_version = 99")
    database.close()
    for write in (False, True):
        with pytest.raises(StoreError, match="version 99 of the tables; expected version 1"):
            Store(folder, write=write)


def test_a_store_that_is_damaged_is_said_in_one_line(folder: Path, dashf: Dashf) -> None:
    content = bytearray((folder / FILE).read_bytes())
    content[8192:-4096] = b"\x07" * (len(content) - 12288)
    (folder / FILE).write_bytes(content)
    assert_refused(dashf("study", "report", folder), FILE)


DAMAGE = {
    "settings": ("UPDATE about SET value = '{' WHERE key = 'report'", "about: report = '{'; expected JSON"),
    "targets": ("UPDATE about SET value = '{\"targets\": [\"x\"]}' WHERE key = 'report'", "about: [report] targets = "),
    "limits": ("UPDATE cells SET limits = '[1'", "limits = '[1'; expected JSON"),
    "options": ("UPDATE cells SET options = '3'", "options = 3; expected a table"),
    "environment": ("UPDATE environments SET document = '{\"a\": 1}'", "key 'machine' is missing"),
    "text for a number": ("UPDATE cells SET scr = 'much'", "scr = 'much'; expected a finite number"),
    "infinite bound": ("UPDATE cells SET upper_bound = 9e999", "upper_bound = inf; expected a finite number"),
    "no time": ("UPDATE cells SET wall_time = 'x'", "wall_time = 'x'"),
    "number for a text": ("UPDATE plan SET variant = x'00'", "variant = b'"),
    "outcome": ("UPDATE cells SET outcome = 'fine'", "outcome = 'fine'; expected one of 'done'"),
    "status": ("UPDATE cells SET status = 'good' WHERE outcome = 'done'", "status = 'good'; expected one of"),
    "date": ("UPDATE cells SET started = 'today'", "started = 'today'; expected date and time"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_contents_are_said_in_one_line_that_names_the_store(
    case: str, folder: Path, tmp_path: Path, dashf: Dashf
) -> None:
    statement, said = DAMAGE[case]
    database = sqlite3.connect(folder / FILE)
    database.execute(statement)
    database.commit()
    database.close()
    assert_refused(dashf("study", "report", folder), f"{FILE}: is damaged: ", said)
    # What a format does not take from the store does not stop it.
    read = {"settings": (), "targets": (), "environment": ("csv", "parquet", "jsonl", "trc", "solu")}
    for suffix in read.get(case, ("csv", "jsonl", "trc", "solu")):
        if suffix != "parquet" or importlib.util.find_spec("pyarrow"):
            assert_refused(dashf("study", "export", folder, "-o", tmp_path / f"x.{suffix}"), FILE, said)


@pytest.mark.parametrize("blob", [b"", zlib.compress(b"{"), zlib.compress(b"[]"), zlib.compress(b'{"trace": [3]}')])
def test_damaged_results_are_said_in_one_line_that_names_the_store(
    blob: bytes, folder: Path, tmp_path: Path, dashf: Dashf
) -> None:
    database = sqlite3.connect(folder / FILE)
    database.execute("UPDATE cells SET result = ?", (blob,))
    database.commit()
    database.close()
    assert_refused(dashf("study", "report", folder), f"{FILE}: is damaged: result of cell")
    assert_refused(dashf("study", "export", folder, "-o", tmp_path / "x.jsonl"), f"{FILE}: is damaged: result of cell")


def test_an_infinite_bound_is_not_taken(folder: Path) -> None:
    cell = next(iter(cells_of(description())))
    entry = record(cell)
    with Store(folder, write=True) as store:
        before = store.rows()
        with pytest.raises(StoreError, match="upper_bound = inf; expected a finite number"):
            store.add([(cell, replace(entry, summary={**entry.summary, "upper_bound": float("inf")}))])
        assert store.rows() == before


@pytest.mark.skipif(sys.platform != "linux", reason="limits of file sizes are set by the shell")
def test_a_full_disk_is_said_in_one_line_and_what_was_written_stays(tmp_path: Path) -> None:
    place = write_study(tmp_path / "s.toml", ["nearest"], seeds=300)
    program = f"ulimit -f 400; exec '{sys.executable}' -m dashf_pyomo study run '{place}' --workers 1"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1 and "cannot be used any more" in done.stderr
    with Store(tmp_path / "s") as store:
        kept = len(store.outcomes())
    assert 0 < kept < 300
    assert Study.read(place, tmp_path / "s").run(workers=1).ran == 300 - kept


def test_a_folder_without_a_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no such file"):
        Store(tmp_path)


# -- exports ------------------------------------------------------------------------------------


def test_csv_parquet_and_the_frame_hold_the_same_rows(folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    pytest.importorskip("pandas", reason="pandas is not installed")
    with Store(folder) as store:
        rows = store.rows()
        assert export(store, tmp_path / "x.csv") == export(store, tmp_path / "x.parquet") == len(rows)
        pandas_frame = frame(store)
    with open(tmp_path / "x.csv", newline="") as lines:
        from_csv = list(csv.DictReader(lines))
    from_parquet = parquet.read_table(tmp_path / "x.parquet").to_pylist()
    for row, text, typed, (position, series) in zip(rows, from_csv, from_parquet, pandas_frame.iterrows(), strict=True):
        assert text["key"] == typed["key"] == series["key"] == row["key"] and position == row["position"]
        assert text["variant"] == typed["variant"] == row["variant"]
        assert typed["scr"] == row["scr"] == (float(text["scr"]) if text["scr"] else None)
    assert set(pandas_frame["outcome"]) == {"done", "crash"}


def test_types_of_columns_do_not_depend_on_what_cells_hold(folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    pytest.importorskip("pandas", reason="pandas is not installed")
    found = []
    for number in range(2):
        with Store(folder) as store:
            assert list(table(store)[0]) == list(COLUMNS)
            export(store, tmp_path / f"{number}.parquet")
            found.append((parquet.read_schema(tmp_path / f"{number}.parquet"), frame(store).dtypes.to_dict()))
        with Store(folder, write=True) as store:
            store.forget(store.outcomes())
    assert found[0][0].equals(found[1][0]) and found[0][1] == found[1][1]
    assert {str(item.type) for item in found[0][0]} == {"int64", "double", "string"}


def test_json_lines_hold_whole_results(solved: Study, tmp_path: Path) -> None:
    with Store(solved.folder) as store:
        assert export(store, tmp_path / "x.jsonl") == 6
    documents = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    for document, cell in zip(documents, solved.plan, strict=True):
        assert document["key"] == cell.key and document["options"] == cell.options
        assert Result.from_dict(document["result"]).scr == document["scr"]
        assert document["environment"]["packages"]["numpy"]


def read_trace(path: Path) -> list[dict[str, str]]:
    """As PAVER reads it: the comment after the heading names the columns."""
    lines = path.read_text().splitlines()
    assert lines[0] == "* Trace Record Definition"
    columns = lines[2].removeprefix("* ").split(",")
    return [dict(zip(columns, line.split(","), strict=True)) for line in lines if not line.startswith("*")]


def test_trace_records_are_what_paver_reads(folder: Path, tmp_path: Path) -> None:
    with Store(folder) as store:
        export(store, tmp_path / "x.trc")
        export(store, tmp_path / "x.solu")
    records = read_trace(tmp_path / "x.trc")
    assert len(records) == 50
    crash = [record for record in records if record["SolverStatus"] == "13"]
    assert [(r["SolverName"], r["ModelStatus"], r["ObjectiveValue"]) for r in crash] == [("nearest", "13", "NA")]
    prover = [record for record in records if record["SolverName"] == "prover"]
    assert [float(r["ObjectiveValue"]) for r in prover[:2]] == [990.0, 1089.0]
    assert [r["ObjectiveValueEstimate"] for r in prover] == ["1000", "1100", "1200", "1300", "NA"]
    assert {r["Direction"] for r in records} == {"1"} and {r["SolverTime"] for r in prover} == {
        f"{VALUES['prover'][1]:.6f}"
    }
    known = [line.split() for line in (tmp_path / "x.solu").read_text().splitlines()]
    names = {record["InputFileName"] for record in records}
    assert {name for _, name, *_ in known} == names
    assert [value for kind, _, value in known if kind == "=best="] == ["990", "1089", "1188", "1287", "990"]
    # The least bound of seed 0 is contradicted by an allocation; the other one stands.
    assert [value for kind, _, value in known if kind == "=bestdual="] == ["1000", "1100", "1200", "1300"]


def test_an_unknown_suffix_is_refused(folder: Path, tmp_path: Path) -> None:
    with Store(folder) as store, pytest.raises(InputError, match=r"expected a name that ends in \.csv"):
        export(store, tmp_path / "x.xlsx")


def test_the_example_runs_as_it_is_written(tmp_path: Path) -> None:
    text = (ROOT / "dashf_pyomo" / "study" / "example.toml").read_text(encoding="utf-8")
    (tmp_path / "study.toml").write_text(text)
    study = Study.read(tmp_path / "study.toml", tmp_path / "study")
    outlook = study.outlook(workers=2)
    assert outlook.cells == sum(outlook.missing.values()) == 20 * (1 + 1 + 5 + 1) and outlook.seconds is None
    assert outlook.most_seconds == (20 * 7 * 70.0 + 20 * 130.0) / 2
