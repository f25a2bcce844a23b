"""The commands at work: files in, files out, what is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import SCENARIO, Dashf, assert_refused, files

import dashf_pyomo
from dashf_pyomo import Result, __version__
from dashf_pyomo.algorithms import methods, steps
from dashf_pyomo.backends import Availability, Outcome, OutcomeStatus, backends
from formulations import PRESETS, Scenario, evaluate
from formulations.documents import digest
from formulations.formulation import Language, formulations

# -- scenario, solve, check -------------------------------------------------------------------


@pytest.mark.parametrize("method", [*methods])
def test_scenario_then_solve_then_check(dashf: Dashf, tmp_path: Path, method: str) -> None:
    s, r = tmp_path / "s.json", tmp_path / "r.json"
    assert dashf("scenario", "--users", 3, "--servers", 2, "--seed", 4, "-o", s).code == 0
    scenario = Scenario.read(s)
    assert scenario == Scenario.random(users=3, servers=2, seed=4)

    said = dashf("solve", s, "--method", method, "--time-limit", 5, "-o", r)
    assert said.code == 0 and said.err == ""
    result = Result.read(r)
    assert result.method == method and result.matches(scenario)
    assert f"{result.scr:.6g}" in said.out and str(r) in said.out.replace("\n", "")

    said = dashf("check", s, r)
    if result.upper_bound is None:  # a bound needs its certificate
        assert said.code == 0 and "NO" not in said.out and "holds" in said.out


def test_a_drawn_scenario_is_solved_as_the_same_one_from_a_file(dashf: Dashf, tmp_path: Path) -> None:
    SCENARIO.write(tmp_path / "s.json")
    drawn = dashf("solve", "--users", 3, "--servers", 2, "--method", "aauco", "--json").json
    read = dashf("solve", tmp_path / "s.json", "--method", "aauco", "--json").json
    assert drawn["scr"] == read["scr"] and drawn["scenario_sha256"] == read["scenario_sha256"] == SCENARIO.sha256


def test_the_default_is_dashf_on_the_papers_ten_users_and_two_servers(dashf: Dashf) -> None:
    found = dashf("solve", "--json").json
    assert found["method"] == "dashf"
    assert found["scenario_sha256"] == Scenario.random(users=10, servers=2, seed=0).sha256
    assert dashf("scenario", "--json").json == Scenario.random(users=10, servers=2, seed=0).to_dict()


def test_the_seed_of_the_scenario_is_not_the_seed_of_the_method(dashf: Dashf) -> None:
    draws = [dashf("solve", "--method", "rucaa", "--option", f"seed={k}", "--json").json for k in (0, 1)]
    assert draws[0]["scenario_sha256"] == draws[1]["scenario_sha256"]
    assert draws[0]["allocation"]["server"] != draws[1]["allocation"]["server"]


def test_presets_readings_and_fields_reach_the_generator(dashf: Dashf) -> None:
    said = dashf("scenario", "--users", 2, "--preset", "paper-literal", "--reading", "gpus=counted in the speeds",
                 "--set", "bandwidth_max=2e7", "--set", "server_gpus=[1, 2]", "--set", "area=50")  # fmt: skip
    expected = Scenario.random(users=2, servers=2, preset="paper-literal", readings={"gpus": "counted in the speeds"},
                               bandwidth_max=2e7, server_gpus=[1, 2], area=50)  # fmt: skip
    assert said.json == expected.to_dict()
    assert "paper-literal" in PRESETS and expected.noise_psd != SCENARIO.noise_psd


def test_options_reach_the_method_and_the_result(dashf: Dashf) -> None:
    arguments = [f"--option={pair}" for pair in ("association=hull", "epsilon=1e-2", "max_iterations=1")]
    options = dashf("solve", "--users", 3, *arguments, "--json").json["options"]
    assert (options["association"], options["epsilon"], options["max_iterations"]) == ("hull", 0.01, 1)


@pytest.mark.parametrize("association", ["hull", "milp", "sdr-chordal"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_number_of_threads_is_accepted_by_every_solver(dashf: Dashf, association: str, threads: int) -> None:
    # By name, so that no other solver steps in.
    solver = "clarabel" if association == "sdr-chordal" else "highs"
    said = dashf("solve", "--users", 3, "--option", f"association={association}", "--threads", threads,
                 "--option", f"association_backend={solver}", "--json")  # fmt: skip
    assert said.code == 0 and said.json["status"] == "feasible", said.json["message"]


# -- machine form -----------------------------------------------------------------------------


def test_json_output_is_one_document_and_nothing_else(dashf: Dashf, tmp_path: Path) -> None:
    s, r = files(tmp_path)
    for arguments in (
        ("scenario",), ("scenario", "--json", "-o", tmp_path / "t.json"), ("solve", s, "--json"),
        ("solve", s, "--json", "--method", "gucaa", "-o", tmp_path / "u.json"),
        ("solve", s, "--json", "--time-limit", "1e-9"), ("check", s, r, "--json"), ("methods", "--json"),
        ("methods", "dashf", "--json"), ("formulations", "--json"), ("backends", "--json"),
    ):  # fmt: skip
        said = dashf(*arguments)
        assert said.code == 0 and said.err == "", arguments
        version = 2 if said.json["format"] == "dashf-result" else 1
        assert said.json["version"] == version and said.json["format"].startswith("dashf-")


def test_printed_and_written_documents_are_the_same(dashf: Dashf, tmp_path: Path) -> None:
    said = dashf("solve", "--users", 2, "--json", "-o", tmp_path / "r.json")
    assert said.json == json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert said.json["digest"] == digest(said.json)


# -- listings ---------------------------------------------------------------------------------

LISTS = {
    "methods": ("method", methods),
    "formulations": ("formulation", formulations),
    "backends": ("backend", backends),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_listing_names_every_registered_entry(dashf: Dashf, name: str) -> None:
    key, registry = LISTS[name]
    said = dashf(name, "--json")
    assert [row[key] for row in said.json[name]] == [*registry] and said.json["broken"] == []
    printed = dashf(name)
    assert printed.code == 0 and printed.err == ""
    assert all(entry in printed.out for entry in registry)


def test_a_method_lists_its_options_with_defaults_and_choices(dashf: Dashf) -> None:
    said = dashf("methods", "dashf")
    for text in ("association", "sdr-chordal", "idle_pairs", "hold", "equal-share", "epsilon", "0.0001"):
        assert text in said.out
    [row] = dashf("methods", "dashf", "--json").json["methods"]
    assert {option["option"] for option in row["options"]} == set(dashf_pyomo.solve(SCENARIO, "dashf").options)


def test_version_and_help_say_what_they_should(dashf: Dashf) -> None:
    assert dashf("--version").out == f"dashf-pyomo {__version__}\n"
    said = dashf("--help")
    assert said.code == 0 and all(name in said.out for name in ("scenario", "solve", "check", *LISTS))


# -- exit codes -------------------------------------------------------------------------------


def test_a_claim_that_does_not_hold_is_exit_1_and_named(dashf: Dashf, tmp_path: Path) -> None:
    s, r = files(tmp_path)
    document = json.loads(r.read_text())
    r.write_text(json.dumps({**document, "scr": 2 * document["scr"]}))
    said = dashf("check", s, r)
    assert said.code == 1 and said.err == "" and "does not hold" in said.out
    rows = {row["claim"]: row["holds"] for row in dashf("check", s, r, "--json").json["findings"]}
    assert not rows["digest"] and not rows["scr"] and rows["score"]


def test_another_scenario_is_exit_1(dashf: Dashf, tmp_path: Path) -> None:
    _, r = files(tmp_path)
    Scenario.random(users=3, servers=2, seed=1).write(tmp_path / "other.json")
    assert dashf("check", tmp_path / "other.json", r).code == 1


def test_no_allocation_is_exit_1(dashf: Dashf) -> None:
    said = dashf("solve", "--users", 2, "--set", "channel_gain=5e-324", "--method", "gucaa", "--json")
    assert said.code == 1
    assert said.json["status"] == "unknown" and said.json["allocation"] is None and said.json["scr"] is None


def test_a_time_limit_with_an_allocation_is_exit_0(dashf: Dashf) -> None:
    said = dashf("solve", "--users", 3, "--servers", 2, "--time-limit", "1e-9", "--json")
    assert said.code == 0 and said.json["status"] == "time_limit" and said.json["scr"] > 0


def test_a_backend_that_is_not_able_is_exit_3(dashf: Dashf) -> None:
    said = dashf("solve", "--option", "association=milp", "--option", "association_backend=clarabel")
    assert_refused(said, "clarabel", "MILP", code=3)


def test_a_failing_backend_is_exit_3_and_the_incumbent_is_saved(
    dashf: Dashf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing:
        name = "failing"

        def availability(self) -> Availability:
            return Availability(True, "1")

        def solve(self, model: Any, limits: Any) -> Outcome:
            return Outcome(OutcomeStatus.FAILED, "failing", 0.0, None, "broke down")

    monkeypatch.setattr(steps, "capable_backends", lambda *_: ((Language.CVXPY, Failing()),))
    said = dashf("solve", "--users", 3, "-o", tmp_path / "r.json")
    assert said.code == 3 and "broke down" in said.out.replace("\n", " ")
    result = Result.read(tmp_path / "r.json")
    assert result.status == "error" and result.scr > 0
    assert evaluate(Scenario.random(users=3, servers=2, seed=0), result.allocation).scr == result.scr


# -- pictures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "start"), [("p.png", b"\x89PNG\r\n"), ("p.pdf", b"%PDF"), ("p.svg", b"<?xml")])
def test_a_picture_is_written_in_the_format_of_its_name(dashf: Dashf, tmp_path: Path, name: str, start: bytes) -> None:
    said = dashf("solve", "--users", 3, "--method", "gucaa", "--plot", tmp_path / name)
    assert said.code == 0 and said.err == "" and "picture: " in said.out
    assert (tmp_path / name).read_bytes().startswith(start)


def test_a_picture_leaves_the_machine_form_alone(dashf: Dashf, tmp_path: Path) -> None:
    said = dashf("solve", "--users", 2, "--method", "gucaa", "--plot", tmp_path / "p.png", "--json")
    assert said.json["status"] == "feasible" and (tmp_path / "p.png").exists()
