"""``dashf gap``: one scenario, the methods, the best certified bound."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from air_time import USER_AIR_TIME, air_time_extension
from cli_helpers import SCENARIO, Dashf, assert_refused
from fresh_process import run_python
from study_helpers import LYING, extension

import dashf_pyomo
from dashf_pyomo.comparison.variants import METHODS, read_variants
from formulations import Scenario

pytestmark = pytest.mark.slow


def test_gaps_are_to_the_bound_of_the_method_that_proves_one(dashf: Dashf, tmp_path: Path) -> None:
    place = tmp_path / "s.json"
    SCENARIO.write(place)
    arguments = ("gap", place, "--methods", "nearest,dashf,dual", "--html", tmp_path / "gap.html", "--json")
    said = dashf(*arguments)
    assert said.code == 0 and said.err == ""
    document = said.json
    direct = dashf_pyomo.solve(SCENARIO, "dual", time_limit=120)
    assert document["scenario_sha256"] == SCENARIO.sha256 and document["contradictions"] == []
    assert document["upper_bound"] == pytest.approx(direct.upper_bound) and document["bound_source"].startswith("dual")
    rows = {row["method"]: row for row in document["methods"]}
    assert list(rows) == ["nearest", "dashf", "dual"]
    for row in rows.values():
        assert row["gap"] == pytest.approx(1.0 - row["scr"] / document["upper_bound"])
    assert rows["dual"]["gap"] < rows["dashf"]["gap"] < rows["nearest"]["gap"]
    page = (tmp_path / "gap.html").read_text(encoding="utf-8")
    assert "Gap to the best certified bound" in page and 'id="scenarios"' in page


def test_without_a_bound_it_says_that_nobody_can_say(dashf: Dashf) -> None:
    said = dashf("gap", "--users", "3", "--methods", "rucaa,gucaa", "--workers", "1")
    assert f"{dashf_pyomo.solve(SCENARIO, 'rucaa').scr:.6g}" in said.out  # with the seed of `dashf solve`
    assert said.code == 0 and "no method proved a bound" in said.out and "none" in said.out


def test_with_limits_it_runs_what_takes_the_scenario(dashf: Dashf) -> None:
    declared = ("--users", 2, "--constraint", "delay_limit=60")
    said = dashf("gap", *declared, "--methods", "dashf,dual", "--json")
    assert said.code == 0 and said.json["bound_of"] is None and said.json["bound_source"].endswith("pricing")
    assert all(0 <= row["gap"] < 1 and row["outcome"] == "done" for row in said.json["methods"])
    variants = read_variants(None, Scenario.random(2, 2, 0, constraints={"delay_limit": 60.0}))
    assert list(variants.methods) == ["dashf", "dashf-plus", "dual", "bnp"]
    assert dataclasses.asdict(variants.methods["dual"])["relax"] is False
    assert variants.left_out == ("rucaa", "gucaa", "gucro", "aauco")
    variants = read_variants(None, SCENARIO)
    assert list(variants.methods) == [*METHODS, "bnp"] and not variants.left_out
    assert dataclasses.asdict(variants.methods["dual"])["relax"] is False
    said = dashf("gap", *declared, "--workers", 1, "--time-limit", 2)
    assert said.out.endswith("left out, as they cannot honour this scenario: rucaa, gucaa, gucro, aauco\n")


@pytest.mark.usefixtures("air_time")
def test_with_limits_without_prices_it_names_the_relaxation(tmp_path: Path) -> None:
    limits = ("--constraint", f"{USER_AIR_TIME}=60", "--constraint", "delay_limit=60")
    arguments = ("-m", "dashf_pyomo", "gap", "--users", "2", *limits, "--methods", "dashf,dual", "--json")
    done = run_python(*arguments, places=air_time_extension(tmp_path))  # methods run in processes of their own
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["bound_of"] == "the scenario without its user air time"
    assert document["bound_source"].endswith("pricing, of the scenario without its user air time")
    assert all(0 <= row["gap"] < 1 and row["outcome"] == "done" for row in document["methods"])
    variants = read_variants(None, Scenario.random(2, 2, 0, constraints={USER_AIR_TIME: 60.0}))
    assert list(variants.methods) == ["dashf", "dashf-plus", "dual", "bnp"]
    for name in ("dual", "bnp"):
        assert dataclasses.asdict(variants.methods[name])["relax"] is True
    assert "relax" not in dataclasses.asdict(variants.methods["dashf"])
    assert variants.left_out == ("rucaa", "gucaa", "gucro", "aauco")


@pytest.mark.usefixtures("air_time")
def test_it_advises_what_would_not_refuse(dashf: Dashf, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    for limit, advised in (
        ("delay_limit", "dual proves one"),
        (USER_AIR_TIME, "dual with relax=true proves one of the scenario without its user air time"),
    ):
        said = dashf("gap", "--users", 2, "--constraint", f"{limit}=60", "--methods", "dashf", "--workers", 1)
        assert advised in said.out
        study.write_text(f'[[scenarios]]\nusers = 2\nconstraints = {{{limit} = 60.0}}\n[[methods]]\nmethod = "dashf"\n')
        planned = dashf("study", "plan", study)
        assert planned.code == 0 and advised in planned.out


def gap(place: Path, *arguments: str) -> CompletedProcess[str]:
    """``dashf gap`` on three users, as a process that finds an extension."""
    return run_python("-m", "dashf_pyomo", "gap", "--users", "3", *arguments, places=(place,), timeout=120)


def test_a_bound_that_an_allocation_refutes_is_exit_1_and_said_first(tmp_path: Path) -> None:
    done = gap(extension(tmp_path, LYING), "--methods", "nearest,lying")
    assert done.returncode == 1 and done.stderr == ""
    assert done.stdout.startswith("CONTRADICTION: lying claims SCR <= 0.001 (lying by hand)")
    assert "no method proved a bound" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--methods", "best"), "--methods: 'best'; expected some of"),
        (("--methods", "dashf,dashf"), "--methods: 'dashf' is given twice"),
        (("--methods", ""), "--methods: ''; expected some of"),
        (("--time-limit", "0"), "time limit = 0"),
        (("--gap", "2"), "gap = 2"),
        (("--workers", "0"), "workers = 0; expected"),
        (("--html", "no/such/folder.html"), "cannot be written"),
        (("nothing.json",), "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(dashf: Dashf, arguments: tuple[str, ...], said: str) -> None:
    assert_refused(dashf("gap", *arguments), said)


def test_a_method_that_is_lost_on_the_way_costs_nothing_that_others_found(tmp_path: Path) -> None:
    place = extension(tmp_path)
    done = gap(place, "--workers", "1", "--methods", "nearest,ended")
    assert done.returncode == 3 and "nearest" in done.stdout and done.stderr.count("\n") == 1
    assert "1 cell was lost, ended on random-3x2-seed0: worker died from signal 15" in done.stderr
    assert "kept" not in done.stderr
    done = gap(place, "--workers", "1", "--methods", "ended")
    assert (done.returncode, done.stdout) == (3, "") and "1 cell was lost" in done.stderr
