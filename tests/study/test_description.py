"""Descriptions of studies: what they expand to, and what is wrong with them, by section and key."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
from helpers import assert_clear

from dashf_pyomo.study.description import Description, derived_seed, read_description
from dashf_pyomo.study.plan import cells_of
from formulations import InputError, Scenario
from formulations.families import draw

METHOD = '[[methods]]\nmethod = "nearest"\n'
SCENARIO = "[[scenarios]]\nusers = 3\n"


def described(text: str, folder: Path) -> Description:
    place = folder / "study.toml"
    place.write_text(text, encoding="utf-8")
    return read_description(place)


def refusal(text: str, folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        described(text, folder)
    assert_clear(caught.value)
    return str(caught.value)


# -- errors -------------------------------------------------------------------------------------

WRONG = {
    "unknown key": ('colour = "red"\n' + SCENARIO + METHOD, ": colour: unknown key; expected one of name"),
    "no scenarios": (METHOD, "key 'scenarios' is missing"),
    "no methods": (SCENARIO, "key 'methods' is missing"),
    "scenarios is no list": ("scenarios = 3\n" + METHOD, ": scenarios = 3; expected at least one table [[scenarios]]"),
    "scenarios is one table": ("[scenarios]\nusers = 3\n" + METHOD, ": scenarios = {'users': 3}; expected at"),
    "scenarios is empty": ("scenarios = []\n" + METHOD, ": scenarios = []; expected at least one table [["),
    "methods holds no tables": ("methods = [3]\n" + SCENARIO, "methods[0] = 3; expected a table"),
    "seed is text": ('seed = "x"\n' + SCENARIO + METHOD, ": seed = 'x'; expected a whole number"),
    "negative seed": ("seed = -1\n" + SCENARIO + METHOD, ": seed = -1; expected a number of at least 0"),
    "no repeats": ("repeats = 0\n" + SCENARIO + METHOD, ": repeats = 0"),
    "no time": (SCENARIO + METHOD + "[limits]\ntime = 0\n", ": [limits] time = 0; expected a number above 0"),
    "time is true": (SCENARIO + METHOD + "[limits]\ntime = true\n", ": [limits] time = True"),
    "time is not a number": (SCENARIO + METHOD + "[limits]\ntime = nan\n", ": [limits] time = nan"),
    "gap of one": (SCENARIO + METHOD + "[limits]\ngap = 1\n", ": [limits] gap = 1"),
    "unknown limit": (SCENARIO + METHOD + "[limits]\nnodes = 5\n", ": [limits] nodes: unknown key"),
    "unknown method": (SCENARIO + '[[methods]]\nmethod = "best"\n', ": [methods[0]] method = 'best'; expected one of"),
    "no method": (SCENARIO + '[[methods]]\nname = "x"\n', ": methods[0]: key 'method' is missing"),
    "unknown option": (
        SCENARIO + METHOD + "[methods.options]\nspeed = 3\n",
        ": [methods[0]] options: method nearest: unknown option 'speed'",
    ),
    "wrong option": (
        SCENARIO + '[[methods]]\nmethod = "dashf"\noptions = {epsilon = "x"}\n',
        ": [methods[0]] options: method dashf: epsilon = 'x'; expected a number",
    ),
    "name twice": (SCENARIO + METHOD + METHOD, ": [methods[1]] name: name 'nearest' is taken"),
    "unknown constraint": (SCENARIO + "constraints = {speed = 3}\n" + METHOD, "unknown key 'speed'; expected only"),
    "constraint out of range": (
        SCENARIO + "[scenarios.constraints]\ndelay_limit = -1\n" + METHOD,
        ": [scenarios[0].constraints] delay_limit: constraints.delay_limit = -1.0; expected a number > 0",
    ),
    "two ways of sizes": ("[[scenarios]]\nusers = 3\nsizes = [[3, 2]]\n" + METHOD, "[0]] users: given beside"),
    "sizes that are none": ("[[scenarios]]\nsizes = [[3]]\n" + METHOD, "sizes = [[3]]; expected a list of"),
    "seeds and draws": ("[[scenarios]]\nseeds = 1\ndraws = 3\n" + METHOD, ": [scenarios[0]] draws: given beside seeds"),
    "seed twice": ("[[scenarios]]\nseeds = [1, 1]\n" + METHOD, "seeds = [1, 1]; expected each number once"),
    "range backwards": ('[[scenarios]]\nseeds = "9..0"\n' + METHOD, ": [scenarios[0]] seeds = '9..0'"),
    "no users": ("[[scenarios]]\nusers = 0\n" + METHOD, ": [scenarios[0]] users = 0; expected a whole number"),
    "unknown family": ('[[scenarios]]\nfamily = "x"\n' + METHOD, ": [scenarios[0]] family = 'x'; expected some of"),
    "unknown field": ("[[scenarios]]\nset = {speed = 3}\n" + METHOD, "[scenarios[0].set] speed: unknown key"),
    "field out of range": (
        "[[scenarios]]\nusers = 3\n[scenarios.set]\nbandwidth_max = -1\n" + METHOD,
        ": [scenarios[0].set] bandwidth_max: bandwidth_max[0] = -1.0; expected a number > 0",
    ),
    "grid is no list": ("[[scenarios]]\n[scenarios.grid]\narea = 3\n" + METHOD, ": [scenarios[0].grid] area = 3"),
    "set and grid": (
        "[[scenarios]]\nset = {area = 1}\n[scenarios.grid]\narea = [3]\n" + METHOD,
        ": [scenarios[0].grid] area: given under set too",
    ),
    "unknown preset": ('[[scenarios]]\npreset = "x"\n' + METHOD, ": [scenarios[0]] preset: preset = 'x'; expected"),
    "grid out of range": (
        "[[scenarios]]\nusers = 3\n[scenarios.grid]\nbandwidth_max = [1e6, -1]\narea = [500]\n" + METHOD,
        ": [scenarios[0].grid] bandwidth_max: bandwidth_max[0] = -1.0; expected a number > 0",
    ),
    "option of a family out of range": (
        '[[scenarios]]\nfamily = "hotspots"\nset = {area = 500, spots = 0}\n' + METHOD,
        ": [scenarios[0].set] spots: family hotspots: spots = 0; expected a whole number",
    ),
    "unknown reading": (
        '[[scenarios]]\n[scenarios.readings]\nsound = "x"\n' + METHOD, ": [scenarios[0].readings] sound: unknown"
    ),
    "wrong reading": (
        '[[scenarios]]\nreadings = {noise = "x"}\n' + METHOD, ": [scenarios[0].readings] noise: reading noise = 'x'"
    ),
    "size of no users": ("[[scenarios]]\nsizes = [[0, 2]]\n" + METHOD, "sizes = [[0, 2]]; expected a list of pairs"),
    "size twice": ("[[scenarios]]\nsizes = [[3, 2], [3, 2]]\n" + METHOD, ": [scenarios[0]] sizes: [3, 2] is given"),
    "users twice": ("[[scenarios]]\nusers = [3, 3]\n" + METHOD, ": [scenarios[0]] users = [3, 3]; expected each"),
    "family twice": (
        '[[scenarios]]\nfamily = ["paper", "paper"]\n' + METHOD, ": [scenarios[0]] family: 'paper' is given twice"
    ),
    "value of a grid twice": (
        "[[scenarios]]\n[scenarios.grid]\narea = [500, 500.0]\n" + METHOD,
        ": [scenarios[0].grid] area: 500.0 is given twice; expected each once",
    ),
    "variant twice": (
        SCENARIO + METHOD + 'name = "a"\n' + METHOD,
        ": [methods[1]] method: the same method, options and limits as 'a'; expected others, or repeats",
    ),
    "variant twice, default written out": (
        SCENARIO + '[[methods]]\nmethod = "dashf"\n[[methods]]\nname = "b"\nmethod = "dashf"\noptions = {falls = 0}\n',
        ": [methods[1]] method: the same method, options and limits as 'dashf'",
    ),
    "gap below zero": (SCENARIO + METHOD + "[limits]\ngap = -0.5\n", ": [limits] gap = -0.5; expected a number of at"),
    "no such files": ('[[scenarios]]\nfiles = ["x*.json"]\n' + METHOD, ": [scenarios[0]] files: no file fits 'x*"),
    "reference": (SCENARIO + METHOD + '[report]\nreference = "x"\n', ": [report] reference = 'x'; expected the name"),
    "attribution of another": (
        SCENARIO + METHOD + '[report]\nattribution = "nearest"\n', ": [report] attribution = 'nearest'; expected a"
    ),
    "targets": (SCENARIO + METHOD + "[report]\ntargets = [2]\n", ": [report] targets = [2]; expected one to four"),
    "not TOML": ("[[scenarios]\n", "not valid TOML"),
    "empty": ("", "key 'methods' is missing"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_errors_name_the_file_the_section_and_the_key(case: str, tmp_path: Path) -> None:
    text, said = WRONG[case]
    message = refusal(text, tmp_path)
    assert message.startswith(str(tmp_path / "study.toml")) and said in message


def test_a_scenario_file_that_is_broken_is_named_with_the_key(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    message = refusal('[[scenarios]]\nfiles = ["*.json"]\n' + METHOD, tmp_path)
    assert "study.toml: [scenarios[0]] files:" in message and "a.json" in message and "'format' is missing" in message


@pytest.mark.parametrize("name", ["nothing.toml", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_an_error_in_one_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_description(f"{tmp_path}/{name}")
    assert "\n" not in str(caught.value) and "cannot be read" in str(caught.value)


def test_errors_of_python_values_name_the_key(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^study: \[scenarios\[0\]\] users = 0; expected"):
        read_description({"scenarios": [{"users": 0}], "methods": [{"method": "nearest"}]})


def test_variants_may_differ_in_a_seed_or_a_limit_alone(tmp_path: Path) -> None:
    rucaa = '[[methods]]\nmethod = "rucaa"\n'
    text = SCENARIO + rucaa + rucaa + 'name = "b"\noptions = {seed = 7}\n' + rucaa + 'name = "c"\nlimits = {time = 7}\n'
    assert [variant.name for variant in described(text, tmp_path).variants] == ["rucaa", "b", "c"]


# -- what it expands to -------------------------------------------------------------------------


def test_grids_go_through_all_combinations_and_groups_say_which(tmp_path: Path) -> None:
    text = """
[[scenarios]]
name = "grid"
users = [2, 3]
servers = [1, 2]
seeds = "4..6"
set = {weight_energy = 0.01}
[scenarios.grid]
bandwidth_max = [1e6, 2e6]
"""
    found = described(text + METHOD, tmp_path).scenarios
    assert len(found) == 2 * 2 * 3 * 2 == len({scenario.sha256 for scenario in found})
    assert {scenario.group for scenario in found} == {"grid, bandwidth_max 1e+06", "grid, bandwidth_max 2e+06"}
    expected = Scenario.random(3, 1, 5, weight_energy=0.01, bandwidth_max=2e6)
    assert expected.sha256 in {scenario.sha256 for scenario in found}
    for scenario in found[:3]:
        document = json.loads(zlib.decompress(scenario.document))
        assert Scenario.from_dict(document).sha256 == scenario.sha256


def test_families_are_those_of_the_generators(tmp_path: Path) -> None:
    text = '[[scenarios]]\nfamily = ["hotspots", "shadowing"]\nusers = 3\nseeds = 7\n'
    found = described(text + METHOD, tmp_path).scenarios
    assert [scenario.sha256 for scenario in found] == [draw(name, 3, 2, 7).sha256 for name in ("hotspots", "shadowing")]
    assert [scenario.group for scenario in found] == ["hotspots", "shadowing"]


def test_files_are_found_from_the_folder_of_the_description(tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    for seed in (2, 1):
        Scenario.random(2, 2, seed).write(tmp_path / "cases" / f"{seed}.json")
    found = described('[[scenarios]]\nfiles = ["cases/*.json"]\n' + METHOD, tmp_path).scenarios
    assert [scenario.seed for scenario in found] == [1, 2]


def test_constraints_are_added_to_every_scenario_of_a_group(tmp_path: Path) -> None:
    (tmp_path / "cases").mkdir()
    Scenario.random(users=2, servers=3, seed=5, constraints={"forced": [[0, 2]]}).write(tmp_path / "cases" / "a.json")
    text = (
        '[[scenarios]]\nusers = 2\nseeds = "0..1"\nconstraints = {delay_limit = [60.0, "none"], forbidden = [[1, 0]]}\n'
        '[[scenarios]]\nfiles = ["cases/a.json"]\nconstraints = {server_energy = 5e3}\n'
    )
    found = described(text + METHOD, tmp_path).scenarios
    first = {"delay_limit": [60.0, None], "forbidden": [[1, 0]]}
    expected = [Scenario.random(2, 2, seed, constraints=first) for seed in (0, 1)]
    expected.append(Scenario.random(2, 3, 5, constraints={"forced": [[0, 2]], "server_energy": 5e3}))
    assert [scenario.sha256 for scenario in found] == [scenario.sha256 for scenario in expected]
    assert found[0].group == "paper, delay_limit [60.0, 'none'], forbidden [[1, 0]]"
    given = {"given": expected[0], "constraints": {"uplink_rate": 1e6}}
    (one,) = read_description({"scenarios": [given], "methods": [{"method": "dashf"}]}).scenarios
    assert one.sha256 == expected[0].with_constraints({"uplink_rate": 1e6}).sha256
    again = '[[scenarios]]\nfiles = ["cases/a.json"]\n[scenarios.constraints]\ndelay_limit = 60.0\nforced = [[0, 1]]\n'
    assert "study.toml: [scenarios[0].constraints] forced: constraints.forced is declared by the scenario" in refusal(
        again + METHOD, tmp_path
    )


def test_every_seed_that_is_not_given_follows_from_the_master_seed(tmp_path: Path) -> None:
    text = '[[scenarios]]\nusers = 3\ndraws = 3\n[[methods]]\nmethod = "rucaa"\nrepeats = 2\n'

    def seeds(master: int) -> tuple[list[int | None], list[int]]:
        study = described(f"seed = {master}\n{text}", tmp_path)
        return [s.seed for s in study.scenarios], [cell.options["seed"] for cell in cells_of(study)]

    scenarios, methods = seeds(5)
    assert (scenarios, methods) == seeds(5)
    assert len(set(scenarios)) == 3 and len(set(methods)) == 6
    assert not set(scenarios) & set(seeds(6)[0]) and not set(methods) & set(seeds(6)[1])
    assert scenarios[0] == derived_seed(5, "scenario", 0)


def test_a_seed_that_is_given_stays(tmp_path: Path) -> None:
    study = described(SCENARIO + '[[methods]]\nmethod = "rucaa"\nrepeats = 2\noptions = {seed = 9}\n', tmp_path)
    assert [cell.options["seed"] for cell in cells_of(study)] == [9, 9]


def test_limits_of_a_method_go_before_those_of_the_study(tmp_path: Path) -> None:
    text = "[limits]\ntime = 5.0\nmemory = 100\n" + SCENARIO + METHOD + "limits = {time = 7}\n"
    (variant,) = described(text, tmp_path).variants
    assert (variant.limits.time, variant.limits.memory, variant.limits.gap) == (7.0, 100, 1e-3)


def test_attribution_adds_variants_with_one_part_swapped_and_one_with_all(tmp_path: Path) -> None:
    text = SCENARIO + '[[methods]]\nmethod = "dashf"\nname = "d"\n[report]\nattribution = "d"\n'
    variants = described(text, tmp_path).variants
    assert [variant.name for variant in variants] == [
        "d", "d: exact association", "d: resources by nlp", "d: offloading with resources", "d: no early stop",
        "d: all of these",
    ]  # fmt: skip
    assert [variant.role for variant in variants] == ["compared"] + ["attribution"] * 5
    options = [cell.options for cell in cells_of(described(text, tmp_path))]
    assert [o["association"] for o in options] == ["sdr-chordal", "milp", *["sdr-chordal"] * 3, "milp"]
    assert [o["allocation"] for o in options] == ["fp", "fp", "nlp", "joint-nlp", "fp", "joint-nlp"]
    assert [o["falls"] for o in options] == [0, 0, 0, 0, 5, 5]


def keys(text: str, folder: Path) -> list[str]:
    return [cell.key for cell in cells_of(described(text, folder))]


def test_keys_of_cells_are_made_of_content_alone(tmp_path: Path) -> None:
    base = SCENARIO + '[[methods]]\nmethod = "dashf"\n'
    key = keys(base, tmp_path)
    assert keys('name = "other"\n' + SCENARIO + '[[methods]]\nname = "other"\nmethod = "dashf"\n', tmp_path) == key
    assert keys(SCENARIO + 'name = "group"\n[[methods]]\nmethod = "dashf"\n', tmp_path) == key
    assert keys(base + 'options = {association = "sdr-chordal", rounding_seed = 0}\n', tmp_path) != key
    assert keys(base + 'options = {association = "hull"}\n', tmp_path) != key
    assert keys(base + "limits = {time = 1}\n", tmp_path) != key
    assert keys(base.replace("users = 3", "users = 4"), tmp_path) != key
    assert keys(base + "repeats = 2\n", tmp_path)[0] == key[0]
    assert len(set(keys(base + "repeats = 2\n", tmp_path))) == 2
