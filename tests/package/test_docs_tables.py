"""Tables of measurements in the docs are those of benchmarks/results, and the benchmarks are studies that can run."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dashf_pyomo.algorithms import methods
from dashf_pyomo.study.description import read_description
from formulations import Scenario

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
CSV_FILES = sorted((BENCHMARKS / "results").glob("*.csv"))


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("benchmark_tables", BENCHMARKS / "tables.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_of_the_docs_agree_with_the_measurements(tables: ModuleType) -> None:
    for page in tables.pages():
        text = page.read_text(encoding="utf-8")
        assert tables.written(text) == text, f"{page.name} differs from what is measured or declared: make docs-tables"


def test_every_table_of_measurements_is_on_a_page(tables: ModuleType) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in tables.pages())
    assert {place[1] for place in tables.PLACE.finditer(text)} == {path.stem for path in CSV_FILES} | set(
        tables.DECLARED
    )


def test_a_changed_number_on_a_page_is_noticed_and_written_again(tables: ModuleType) -> None:
    page = "before\n<!-- table: ordering -->\n\n| method |\n| --- |\n| 1 |\n\n<!-- end of table -->\nafter\n"
    made = tables.written(page)
    assert made.startswith("before\n<!-- table: ordering -->\n\n| method |") and made.endswith("-->\nafter\n")
    assert "`dashf`" in made and tables.written(made) == made != page


def test_the_table_of_what_methods_honour_says_what_a_refusal_says(tables: ModuleType) -> None:
    head, *rows = tables.honoured()
    said = {row[0]: dict(zip(head[1:], row[1:], strict=True)) for row in rows}
    for words, declared in (
        ("objective cost", {"objective": {"kind": "cost"}}),
        ("users per server", {"constraints": {"users_per_server": 2}}),
        ("binary offloading", {"constraints": {"binary_offload": True}}),
    ):
        scenario = Scenario.random(2, 2, **declared)
        for name in methods:
            assert (said[words][f"`{name}`"] == "yes") == (not methods[name]().refusal(scenario)), (words, name)


@pytest.mark.parametrize("path", CSV_FILES, ids=lambda path: path.stem)
def test_measurements_say_where_they_come_from_and_every_row_is_whole(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["# command", "# commit", "# machine"]
    assert all(line.split(":", 1)[1].strip() for line in lines[:3])
    head, *rows = csv.reader(lines[3:])
    assert rows and {len(row) for row in rows} == {len(head)}


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.toml")), ids=lambda path: path.stem)
def test_a_benchmark_is_a_study_that_can_run(path: Path) -> None:
    description = read_description(path)
    assert description.scenarios and description.variants
    assert f"dashf study run benchmarks/{path.name} --out out/{path.stem}" in description.source


def test_a_comparison_with_no_other_tree_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("benchmark_speed", BENCHMARKS / "speed.py")
    assert spec is not None and spec.loader is not None
    speed = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(speed)
    for place in (tmp_path, BENCHMARKS.parent):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
            patch.setattr(sys, "argv", ["speed.py", "--against", str(place)])
            speed.main()
        assert f"--against {place}" in capsys.readouterr().err
