"""``dashf figures``: the numbers drawn are those of the runs, averaged honestly; a stopped command goes on."""

from __future__ import annotations

import csv
import json
import sqlite3
import statistics
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import Dashf, assert_refused, python

import dashf_pyomo
from dashf_pyomo.algorithms import Method
from dashf_pyomo.figures import FIGURES, FigureRequest, make_figures
from dashf_pyomo.figures.numbers import Spread, iterates, kept
from dashf_pyomo.study.store import FILE, Store
from formulations import Scenario

pytestmark = pytest.mark.slow

SMALL = ("--seeds", 2, "--sizes", "3x2", "--readings", "default", "--workers", 1)


def numbers(place: Path) -> list[dict[str, str]]:
    with place.open(encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def wanted(rows: list[dict[str, str]], **keys: str) -> dict[str, str]:
    (row,) = (row for row in rows if all(row[key] == value for key, value in keys.items()))
    return row


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Figures 2c and 3a of two small scenarios, under the bound."""
    folder = tmp_path_factory.mktemp("figures")
    request = FigureRequest(seeds=2, readings=("default",), sizes=((3, 2),))
    return folder, make_figures(["2c", "3a"], request, folder, workers=1)


def test_numbers_are_means_of_what_solve_finds(made: tuple[Path, Any]) -> None:
    folder, figures = made
    scenarios = [Scenario.random(users=3, servers=2, seed=seed) for seed in range(2)]
    rows = numbers(folder / "3a.csv")
    for method in ("gucaa", "gucro", "aauco", "dashf"):
        results = [dashf_pyomo.solve(scenario, method, threads=1) for scenario in scenarios]
        for quantity in ("scr", "delay", "energy"):
            row = wanted(rows, method=method, quantity=quantity)
            mean = statistics.mean(getattr(result, quantity) for result in results)
            assert float(row["mean"]) == pytest.approx(mean, rel=1e-6), (method, quantity)
            assert (row["count"], row["left_out"]) == ("2", "0")
    assert not any(figure.failed or figure.contradictions for figure in figures)


def test_no_mean_lies_above_the_mean_bound(made: tuple[Path, Any]) -> None:
    folder, _ = made
    rows = numbers(folder / "3a.csv")
    bound = float(wanted(rows, quantity="upper_bound")["mean"])
    means = [float(row["mean"]) for row in rows if row["quantity"] == "scr"]
    assert len(means) == 5 and max(means) <= bound
    gaps = [float(row["least"]) for row in rows if row["quantity"] == "gap"]
    assert len(gaps) == 5 and min(gaps) >= -1e-9


def test_random_association_counts_by_the_mean_of_its_draws(made: tuple[Path, Any]) -> None:
    folder, _ = made
    with Store(folder) as store:
        rows = [row for row in store.rows() if row["variant"] == "rucaa"]
    by_seed = {seed: [row["scr"] for row in rows if row["seed"] == seed] for seed in ("0", "1")}
    assert all(len(set(draws)) > 1 for draws in by_seed.values())
    mean = statistics.mean(statistics.mean(draws) for draws in by_seed.values())
    row = wanted(numbers(folder / "3a.csv"), method="rucaa", quantity="scr")
    assert float(row["mean"]) == pytest.approx(mean) and row["count"] == "2"


def test_convergence_follows_the_iterates_and_what_is_kept(made: tuple[Path, Any]) -> None:
    folder, _ = made
    rows = numbers(folder / "2c.csv")
    steps = {
        quantity: [float(row["mean"]) for row in rows if row["quantity"] == quantity]
        for quantity in ("iterate", "kept")
    }
    results = [dashf_pyomo.solve(Scenario.random(3, 2, seed), "dashf", threads=1).to_dict() for seed in range(2)]
    assert len(steps["iterate"]) == max(len(iterates(result)) for result in results)
    assert steps["iterate"][0] == pytest.approx(statistics.mean(iterates(result)[0] for result in results))
    assert steps["kept"] == sorted(steps["kept"])
    assert steps["kept"][-1] == pytest.approx(float(wanted(rows, quantity="scr")["mean"]))


def test_an_iterate_that_falls_is_shown_and_not_kept() -> None:
    trace = [{"phase": "start", "scr": 1.0}, {"phase": "iterate", "scr": 3.0}, {"note": "a remark", "scr": None}]
    document = {"trace": [*trace, {"phase": "iterate", "scr": 2.0}]}
    assert iterates(document) == [1.0, 3.0, 2.0] and kept(document) == [1.0, 3.0, 3.0]


def test_claims_say_how_often_they_hold(made: tuple[Path, Any]) -> None:
    folder, (_, compared) = made
    rows = numbers(folder / "3a.csv")
    first, second = (wanted(rows, method=name, quantity="scr") for name in ("dashf", "aauco"))
    (claim,) = (claim for claim in compared.claims if claim.text == "SCR: dashf > aauco")
    assert claim.mean is (float(first["mean"]) > float(second["mean"])) and claim.seeds == 2
    assert claim.ratio == pytest.approx(float(first["mean"]) / float(second["mean"]))
    written = wanted(numbers(folder / "3a-claims.csv"), claim=claim.text)
    assert (written["holds"], written["in_the_mean"]) == (str(claim.holds), "yes" if claim.mean else "no")


def test_files_are_pictures(made: tuple[Path, Any]) -> None:
    folder, figures = made
    assert [figure.files for figure in figures] == [
        (f"{name}.csv", f"{name}-claims.csv", f"{name}.png", f"{name}.pdf") for name in ("2c", "3a")
    ]
    for name in ("2c", "3a"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_a_second_command_repeats_nothing_and_more_seeds_run_only_what_is_new(dashf: Dashf, tmp_path: Path) -> None:
    arguments = ("figures", "3a", "-o", tmp_path, "--bound", "none", "--json", *SMALL)
    first = dashf(*arguments).json["figures"][0]
    assert (first["ran"], first["cells"]) == (48, 48)
    before = {name: (tmp_path / name).read_bytes() for name in first["files"]}
    again = dashf(*arguments).json["figures"][0]
    assert again["ran"] == 0 and again["claims"] == first["claims"]
    assert {name: (tmp_path / name).read_bytes() for name in first["files"]} == before
    more = dashf(*arguments, "--seeds", 3).json["figures"][0]
    assert (more["ran"], more["cells"]) == (24, 72)
    assert "all 48 cells were there" in dashf(*(part for part in arguments if part != "--json")).out


def test_runs_of_other_code_are_said_and_repeated_when_asked_for(dashf: Dashf, tmp_path: Path) -> None:
    arguments = ("figures", "3a", "-o", tmp_path, "--bound", "none", *SMALL)
    assert dashf(*arguments, "--json").json["figures"][0]["stale"] == 0
    database = sqlite3.connect(tmp_path / "study.sqlite")
    database.execute("UPDATE cells SET code = '{}' WHERE rowid <= 3")
    database.commit()
    database.close()
    assert "3 were run by another or an unknown version of the code, --rerun stale" in dashf(*arguments).out
    figure = dashf(*arguments, "--rerun", "stale", "--json").json["figures"][0]
    assert (figure["ran"], figure["stale"]) == (3, 0)


def test_sweeps_have_all_points_of_both_readings_and_no_bound_where_none_is_asked(dashf: Dashf, tmp_path: Path) -> None:
    arguments = ("--seeds", 1, "--sizes", "2x2", "--bound", "none", "--workers", 1)
    said = dashf("figures", "3b", "3c", "-o", tmp_path, *arguments, "--json")
    assert said.code == 0 and said.err == ""
    for name in ("3b", "3c"):
        rows = numbers(tmp_path / f"{name}.csv")
        points = [label for label, _ in FIGURES[name].settings]
        for reading in ("default", "paper-literal"):
            here = [row for row in rows if row["reading"] == reading and row["quantity"] == "scr"]
            assert [row["point"] for row in here if row["method"] == "dashf"] == points
        assert not any(row["quantity"] in ("upper_bound", "gap") for row in rows)
    claims = said.json["figures"][1]["claims"]
    assert [claim["text"] for claim in claims[:3]] == [
        "energy of dashf falls", "delay of dashf rises", "SCR of dashf falls"
    ]  # fmt: skip


def test_a_seed_where_a_method_fails_is_left_out_for_all_and_counted(dashf: Dashf, tmp_path: Path) -> None:
    arguments = ("figures", "3a", "-o", tmp_path, "--bound", "none", "--json", *SMALL)
    assert dashf(*arguments).code == 0
    with closing(sqlite3.connect(tmp_path / FILE)) as store, store:
        changed = store.execute(
            "UPDATE cells SET outcome = 'crash', status = NULL, scr = NULL, result = NULL WHERE key = "
            "(SELECT key FROM plan JOIN scenarios ON sha256 = scenario WHERE variant = 'dashf' AND seed = '1')"
        )
        assert changed.rowcount == 1
    figure = dashf(*arguments).json["figures"][0]
    assert (figure["ran"], figure["failed"]) == (0, 1)
    rows = numbers(tmp_path / "3a.csv")
    assert rows and all((row["count"], row["left_out"]) == ("1", "1") for row in rows)
    only = dashf_pyomo.solve(Scenario.random(3, 2, seed=0), "gucaa").scr
    assert float(wanted(rows, method="gucaa", quantity="scr")["mean"]) == pytest.approx(only)
    figure = dashf(*arguments, "--retry").json["figures"][0]
    assert (figure["ran"], figure["failed"]) == (1, 0)
    assert all(row["count"] == "2" for row in numbers(tmp_path / "3a.csv"))


def test_spread_of_one_seed_is_none() -> None:
    assert Spread.of([2.0]) == Spread(2.0, 0.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("4a",), "figures: '4a'; expected some of 2a"),
        (("2a", "2a"), "figures: '2a' is given twice"),
        (("2a", "--seeds", "0"), "seeds = 0; expected a whole number"),
        (("2a", "--seeds", "few"), "'few'"),
        (("2a", "--readings", "mine"), "readings: 'mine'; expected some of default, paper-literal"),
        (("2a", "--readings", "default", "default"), "readings: 'default' is given twice"),
        (("2a", "--sizes", "10"), "--sizes: '10'; expected users and servers such as 10x2"),
        (("2a", "--sizes", "0x2"), "each at least 1"),
        (("2a", "--sizes", "3x2", "3x2"), "given twice"),
        (("2a", "--bound", "dashf"), "bound = 'dashf'; expected one of"),
        (("2a", "--limit", "0"), "limit = 0; expected a number of seconds"),
        (("2a", "--limit", "nan"), "limit = nan; expected a number of seconds"),
        (("2a", "--workers", "0"), "workers = 0; expected"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_before_anything_runs(
    dashf: Dashf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr(Method, "solve", lambda *_: pytest.fail("the work has started"))
    assert_refused(dashf("figures", *arguments, "-o", tmp_path / "out"), said)


def test_a_folder_that_cannot_be_is_refused(dashf: Dashf, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_refused(dashf("figures", "2a", "-o", tmp_path / "file", *SMALL), "file", "cannot be written")
    assert_refused(dashf("figures", "2a", "-o", "", *SMALL), "--out: an empty name")
    assert_refused(dashf("figures", "2a", *SMALL), "-o")


def test_the_command_line_starts_without_the_study_and_without_matplotlib() -> None:
    program = """
import json, sys
from dashf_pyomo.cli.main import main
try:
    main(["figures", "--help"])
except SystemExit:
    pass
names = [name for name in ("matplotlib", "cvxpy", "dashf_pyomo.study", "dashf_pyomo.figures") if name in sys.modules]
print(json.dumps(names))
"""
    said = python(program)
    assert said.code == 0 and json.loads(said.out.splitlines()[-1]) == []
