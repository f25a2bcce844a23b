"""Bad input of every kind: exit 2, one clear line on standard error, nothing on standard output, no traceback."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import SCENARIO, Dashf, assert_refused, files

import dashf_pyomo
from dashf_pyomo.algorithms.method import Method

Document = dict[str, Any]


def result_document() -> Document:
    return dashf_pyomo.solve(SCENARIO, "gucaa").to_dict()


def replaced(key: str, value: Any) -> Callable[[Document], str]:
    return lambda document: json.dumps({**document, key: value})


def without(key: str) -> Callable[[Document], str]:
    return lambda document: json.dumps({k: v for k, v in document.items() if k != key})


#: What is wrong with any document, and what the message has to say besides the name of the file.
ANY: dict[str, tuple[Callable[[Document], str | bytes], str]] = {
    "empty": (lambda document: "", "empty"),
    "blank": (lambda document: " \n\t", "empty"),
    "truncated": (lambda document: json.dumps(document)[:-20], "not valid JSON at line 1"),
    "not JSON": (lambda document: "users: 3\nservers: 2\n", "not valid JSON"),
    "two documents": (lambda document: json.dumps(document) * 2, "not valid JSON"),
    "a list": (lambda document: json.dumps([document]), "holds a list"),
    "null": (lambda document: "null", "holds a null"),
    "a number": (lambda document: "3", "holds a number"),
    "not UTF-8": (lambda document: b'{"name": "\xff"}', "not UTF-8"),
    "a picture": (lambda document: b"\x89PNG\r\n\x1a\n\0\0", "UTF-8"),
    "nested": (lambda document: "[" * 100_000, "nested too deeply"),
    "unknown key": (replaced("colour", 1), "unknown key 'colour'"),
    "key twice": (lambda document: '{"format": 1, "format": 1}', "'format' stands twice"),
    "no format": (without("format"), "'format' is missing"),
    "no version": (without("version"), "'version' is missing"),
    "later version": (replaced("version", 3), "version = 3; expected 1"),
    "version as text": (replaced("version", "1"), "version = '1'; expected 1"),
}

SCENARIOS = ANY | {
    "missing key": (without("noise_psd"), "'noise_psd' is missing"),
    "wrong length": (replaced("bandwidth_max", [1e6, 1e6, 1e6]), "bandwidth_max has shape (3,); expected (2,)"),
    "wrong shape": (replaced("channel_gain", [1e-9, 1e-9]), "channel_gain has shape (2,); expected (N, M)"),
    "ragged": (replaced("channel_gain", [[1e-9, 1e-9], [1e-9]]), "channel_gain is a ragged list"),
    "no users": (replaced("channel_gain", []), "channel_gain has shape (0,)"),
    "NaN": (replaced("noise_psd", float("nan")), "noise_psd = NaN"),
    "infinity": (replaced("noise_psd", float("-inf")), "noise_psd = -Infinity"),
    "beyond floats": (lambda document: json.dumps(document).replace('": 0.5', '": 1e999'), "weight_time = Infinity"),
    "beyond integers": (replaced("weight_time", 10**400), "weight_time"),
    "too many digits": (lambda document: '{"noise_psd": ' + "9" * 5000 + "}", "noise_psd"),
    "negative": (replaced("user_power_max", [0.2, -0.2, 0.2]), "user_power_max[1] = -0.2; expected a number > 0"),
    "zero": (replaced("server_speed_max", 0), "server_speed_max[0] = 0.0; expected a number > 0"),
    "text": (replaced("adapter_params", ["1e6", 2e6, 3e6]), "adapter_params[0] = '1e6'; expected a number"),
    "truth value": (replaced("weight_energy", True), "weight_energy = True; expected a number"),
    "null inside": (replaced("weight_time", None), "weight_time = None; expected a number"),
    "seed is text": (replaced("seed", "zero"), "seed = 'zero'; expected a whole number"),
    "name that has no UTF-8 form": (replaced("name", "\ud800"), "surrogate"),
    "name is a number": (replaced("name", 5), "name = 5; expected text"),
    "constraints": (replaced("constraints", {"fair": 1}), "'fair'"),
    "a result": (lambda document: json.dumps(result_document()), "expected 'dashf-scenario'"),
}

RESULTS = ANY | {
    "missing key": (without("scr"), "'scr' is missing"),
    "NaN": (replaced("scr", float("nan")), "scr = NaN"),
    "text": (replaced("scr", "high"), "scr = 'high'; expected a finite number"),
    "unknown claim": (replaced("claim", "proven"), "claim = 'proven'; expected one of certified"),
    "unknown termination": (replaced("termination", "done"), "termination = 'done'; expected one of converged"),
    "unknown objective": (replaced("objective", "profit"), "objective = 'profit'; expected one of scr"),
    "unknown sense": (replaced("sense", 1), "sense = 1; expected text"),
    "other sense": (replaced("sense", "min"), "sense = 'min'; expected 'max' for scr"),
    "entry of the trace": (replaced("trace", [3]), "trace = [3]; expected a list of objects"),
    "entry without a time": (replaced("trace", [{"iteration": 0}]), "trace[0]: key 'time' is missing"),
    "entry with text": (
        replaced("trace", [{"iteration": 0, "time": 0, "scr": "high"}]),
        "trace[0].scr = 'high'; expected a finite number or null",
    ),
    "unknown status": (replaced("status", "perfect"), "status = 'perfect'; expected one of certified"),
    "status is a list": (replaced("status", ["feasible"]), "status = ['feasible']; expected text"),
    "allocation is a list": (replaced("allocation", [0, 1]), "allocation"),
    "allocation without a key": (replaced("allocation", {"server": [0, 1, 0]}), "allocation: key 'bandwidth'"),
    "trace is an object": (replaced("trace", {}), "trace = {}; expected a list"),
    "iterations negative": (replaced("iterations", -1), "iterations = -1; expected a whole number"),
    "beyond integers": (replaced("scr", 10**400), "scr"),
    "gap beyond integers": (lambda document: json.dumps({**document, "upper_bound": 1e9, "gap": 10**400}), "gap"),
    "a scenario": (lambda document: json.dumps(SCENARIO.to_dict()), "expected 'dashf-result'"),
}


def put(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("kind", SCENARIOS)
def test_a_bad_scenario_file_is_refused_by_solve_and_check(dashf: Dashf, tmp_path: Path, kind: str) -> None:
    spoil, message = SCENARIOS[kind]
    _, result = files(tmp_path)
    bad = put(tmp_path / "bad.json", spoil(SCENARIO.to_dict()))
    assert_refused(dashf("solve", bad, "--method", "gucaa"), bad, message)
    assert_refused(dashf("check", bad, result, "--json"), bad, message)


@pytest.mark.parametrize("kind", RESULTS)
def test_a_bad_result_file_is_refused_by_check(dashf: Dashf, tmp_path: Path, kind: str) -> None:
    spoil, message = RESULTS[kind]
    scenario, _ = files(tmp_path)
    bad = put(tmp_path / "bad.json", spoil(result_document()))
    assert_refused(dashf("check", scenario, bad), bad, message)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(dashf: Dashf, tmp_path: Path) -> None:
    scenario, result = files(tmp_path)
    for path, reason in ((tmp_path / "none.json", "No such file"), (tmp_path, "directory")):
        assert_refused(dashf("solve", path), path, reason)
        assert_refused(dashf("check", path, result), path, reason)
        assert_refused(dashf("check", scenario, path), path, reason)


# -- arguments --------------------------------------------------------------------------------

USAGE: dict[str, tuple[tuple[object, ...], str]] = {
    "no command": ((), "COMMAND"),
    "unknown command": (("sovle",), "'sovle'"),
    "unknown argument": (("solve", "--colour"), "--colour"),
    "check without a result": (("check", "s.json"), "RESULT.json"),
    "method": (("solve", "--method", "magic"), "unknown method 'magic'; expected one of "),
    "listed method": (("methods", "magic"), "unknown method 'magic'"),
    "option": (("solve", "--option", "colour=red"), "unknown option 'colour'"),
    "option of a method without any": (("solve", "--method", "gucaa", "--option", "seed=1"), "it has no options"),
    "option without value": (("solve", "--option", "accept"), "expected NAME=VALUE"),
    "option without name": (("solve", "--option", "=1"), "expected NAME=VALUE"),
    "option twice": (("solve", "--option", "accept=best", "--option", "accept=best"), "given twice"),
    "option value": (("solve", "--option", "accept=never"), "accept = 'never'; expected one of best, always"),
    "option type": (("solve", "--option", "epsilon=small"), "epsilon = 'small'; expected a number"),
    "option range": (("solve", "--option", "max_iterations=0"), "max_iterations = 0; expected at least 1"),
    "formulation": (("solve", "--option", "association=lp"), "association = 'lp'; expected one of hull"),
    "backend": (("solve", "--option", "association_backend=cplex"), "'cplex'; expected one of auto"),
    "users": (("scenario", "--users", "0"), "users = 0; expected a whole number"),
    "users not whole": (("scenario", "--users", "2.5"), "'2.5'"),
    "servers": (("solve", "--servers", "-1"), "servers = -1"),
    "seed": (("scenario", "--seed", "-1"), "seed = -1"),
    "preset": (("scenario", "--preset", "real"), "preset = 'real'; expected one of default, paper-literal"),
    "reading": (("scenario", "--reading", "noise=loud"), "reading noise = 'loud'"),
    "unknown reading": (("scenario", "--reading", "colour=red"), "unknown reading 'colour'"),
    "field": (("scenario", "--set", "colour=1"), "colour"),
    "field with an option": (("scenario", "--set", "users=3"), "users"),
    "field value": (("scenario", "--set", "noise_psd=loud"), "'loud' is not a number"),
    "field range": (("scenario", "--set", "noise_psd=-1"), "noise_psd = -1.0; expected a number > 0"),
    "field NaN": (("scenario", "--set", "area=NaN"), "area = nan"),
    "generator text": (("scenario", "--set", 'path_loss_at_km="high"'), "path_loss_at_km"),
    "generator range": (("scenario", "--set", "adapter_range=5"), "adapter_range"),
    "generator list": (("scenario", "--servers", 3, "--set", "min_distance=[1, 2]"), "min_distance"),
    "generator shape": (("scenario", "--servers", 3, "--set", "path_loss_slope=[1, 2]"), "path_loss_slope"),
    "generator area": (("scenario", "--set", "area=[10, 20]"), "area"),
    "generator null": (("scenario", "--set", "path_loss_slope=null"), "path_loss_slope"),
    "time limit": (("solve", "--time-limit", "0"), "time limit = 0.0"),
    "time limit without end": (("solve", "--time-limit", "inf"), "time limit = inf"),
    "time limit NaN": (("solve", "--time-limit", "nan"), "time limit = nan"),
    "gap": (("solve", "--gap", "1"), "gap = 1.0; expected a number of at least 0 and below 1"),
    "threads": (("solve", "--threads", "0"), "threads = 0; expected a whole number"),
    "workers": (("check", "s.json", "r.json", "--workers", "0"), "--workers"),
}


@pytest.mark.parametrize("kind", USAGE)
def test_bad_arguments_are_refused(dashf: Dashf, kind: str) -> None:
    arguments, message = USAGE[kind]
    assert_refused(dashf(*arguments), message)


@pytest.mark.parametrize("solver", ["clarabel", "highs"])
def test_more_threads_than_a_solver_can_count_is_an_error_without_traceback(dashf: Dashf, solver: str) -> None:
    options = ("--option", "association=hull", "--option", f"association_backend={solver}")
    said = dashf("solve", "--users", 2, *options, "--threads", 10**12)
    assert said.code in (2, 3)


def test_drawing_a_scenario_and_giving_one_is_refused(dashf: Dashf, tmp_path: Path) -> None:
    scenario, _ = files(tmp_path)
    for extra in (("--users", 3), ("--seed", 0), ("--preset", "default"), ("--set", "area=1"), ("--reading", "gpus=x")):
        assert_refused(dashf("solve", scenario, *extra), extra[0], scenario)


def test_extreme_generator_arguments_leave_one_line(dashf: Dashf) -> None:
    # Warnings are errors in these tests; on the command line they would be more lines.
    for argument in ("path_loss_slope=1e6", "path_loss_slope=-1e6", "area=1e308"):
        assert_refused(dashf("scenario", "--set", argument))


# -- places to write to -----------------------------------------------------------------------


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every method fail the test if it starts."""
    monkeypatch.setattr(Method, "solve", lambda *_: pytest.fail("the work has started"))


@pytest.mark.parametrize("argument", ["-o", "--plot"])
@pytest.mark.parametrize("place", ["missing/x.png", "file/x.png", "folder"])
def test_a_place_that_cannot_be_written_is_found_before_the_work(
    dashf: Dashf, tmp_path: Path, no_work: None, argument: str, place: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert_refused(dashf("solve", "--users", 2, argument, tmp_path / place), tmp_path / place)


def test_a_picture_format_that_does_not_exist_is_found_before_the_work(
    dashf: Dashf, tmp_path: Path, no_work: None
) -> None:
    assert_refused(dashf("solve", "--users", 2, "--plot", tmp_path / "p.xyz"), tmp_path / "p.xyz", ".png")


@pytest.mark.parametrize("place", ["missing/s.json", "file/s.json", "folder"])
def test_a_scenario_that_cannot_be_written_is_refused(dashf: Dashf, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    assert_refused(dashf("scenario", "-o", tmp_path / place), tmp_path / place, "cannot be written")


@pytest.mark.parametrize("command", [("scenario",), ("solve", "--method", "gucaa")])
def test_an_empty_output_name_is_refused(dashf: Dashf, command: tuple[str, ...]) -> None:
    assert_refused(dashf(*command, "-o", ""))
