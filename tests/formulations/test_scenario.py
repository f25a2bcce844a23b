"""Scenarios: the data model, exact JSON, and bad values refused in one clear line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import assert_clear, nested, refusal, scenario_document, scenario_values, write
from hypothesis import given
from strategies import FIELDS, scenarios

from formulations import InputError, Scenario, ScenarioError

#: One field of each shape: a number, one for every user, for every server, and for every pair.
EACH_SHAPE = ("noise_psd", "user_gpus", "server_gpus", "channel_gain")
POSITIONS = ("user_position", "server_position")


def with_leaf(document: dict[str, Any], field: str, value: object) -> dict[str, Any]:
    """Replace the last number of a field."""
    numbers = document[field]
    if not isinstance(numbers, list):
        return {**document, field: value}
    changed = (
        [*numbers[:-1], value] if not isinstance(numbers[0], list) else [*numbers[:-1], [*numbers[-1][:-1], value]]
    )
    return {**document, field: changed}


def last_index(field: str) -> str:
    """Where `with_leaf` put the value; the document has two users and three servers."""
    return {"": "", "N": "[1]", "M": "[2]", "NM": "[1][2]"}[FIELDS[field][0]]


# -- the data model ---------------------------------------------------------------------------


def test_sizes_and_derived_data() -> None:
    values = {**scenario_values(), "adapter_params": [1e6, 2e6], "flops_per_param": [3e6, 5e6], "bits_per_param": 8}
    scenario = Scenario(**values)
    assert (scenario.n_users, scenario.n_servers) == (2, 3)
    assert scenario.flops.tolist() == [3e12, 1e13]
    assert scenario.bits.tolist() == [8e6, 16e6]


@pytest.mark.parametrize("field", ["user_gpus", "server_gpus"])
def test_a_scalar_means_the_same_for_all(field: str, tmp_path: Path) -> None:
    value = getattr(Scenario(**scenario_values()), field)[0]
    vector = Scenario(**{**scenario_values(), field: np.full(2 if FIELDS[field][0] == "N" else 3, value)})
    assert Scenario(**{**scenario_values(), field: float(value)}) == vector
    assert Scenario.read(write(tmp_path / "s.json", {**scenario_document(), field: float(value)})) == vector


def test_whole_numbers_are_numbers() -> None:
    whole, real = ({**scenario_values(), "user_gpus": [4, 2], "bits_per_param": bits} for bits in (32, 32.0))
    assert Scenario(**whole).sha256 == Scenario(**real).sha256


@given(scenarios())
def test_json_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, scenario: Scenario) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "scenario.json"
    scenario.write(path)
    again = Scenario.read(path)
    assert again == scenario and again.sha256 == scenario.sha256 and hash(again) == hash(scenario)
    for field in (*FIELDS, *POSITIONS):
        before, after = getattr(scenario, field), getattr(again, field)
        assert type(after) is type(before)
        assert before is None or np.asarray(after).tobytes() == np.asarray(before).tobytes()
    assert (again.name, again.seed, again.readings) == (scenario.name, scenario.seed, scenario.readings)


@pytest.mark.parametrize("field", [*FIELDS, *POSITIONS, "name", "seed", "readings"])
def test_every_field_counts_for_equality_and_digest(field: str) -> None:
    scenario = Scenario(**scenario_values())
    value = getattr(scenario, field)
    other = {"name": "other", "seed": 6, "readings": {"noise": "other"}}.get(field)
    changed = replace(scenario, **{field: np.nextafter(value, np.inf) if other is None else other})
    assert changed != scenario and changed.sha256 != scenario.sha256


def test_equal_scenarios_have_equal_hashes() -> None:
    plus, minus = (Scenario(**{**scenario_values(), "weight_energy": zero}) for zero in (0.0, -0.0))
    assert plus == minus
    assert hash(plus) == hash(minus) and plus.sha256 == minus.sha256


def test_a_scenario_is_immutable() -> None:
    values = {key: np.array(value) if isinstance(value, list) else value for key, value in scenario_values().items()}
    scenario = Scenario(**values)
    digest = scenario.sha256
    for value in values.values():
        if isinstance(value, np.ndarray):
            value *= 2  # the caller's own array
    values["readings"]["noise"] = "mine"
    assert scenario.sha256 == digest
    for field in (*FIELDS, *POSITIONS):
        with pytest.raises(AttributeError):
            setattr(scenario, field, 1.0)
        if isinstance(value := getattr(scenario, field), np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                value[0] = 1.0


def test_the_readings_of_a_scenario_are_immutable() -> None:
    scenario = Scenario(**scenario_values())
    with pytest.raises(TypeError):
        scenario.readings["noise"] = "mine"


def test_optional_keys_may_be_absent_or_null(tmp_path: Path) -> None:
    document = scenario_document()
    for key in ("seed", "user_position", "server_position", "readings", "constraints"):
        document[key] = None
    absent = {key: value for key, value in document.items() if value is not None and key != "name"}
    first = Scenario.read(write(tmp_path / "null.json", {**document, "name": "", "constraints": {}}))
    assert first == Scenario.read(write(tmp_path / "absent.json", absent))
    assert first.name == "" and first.seed is None and first.user_position is None


# -- bad values -------------------------------------------------------------------------------


@pytest.mark.parametrize("field", [*FIELDS, *POSITIONS])
def test_every_field_holds_finite_numbers_of_its_shape(field: str) -> None:
    values = scenario_values()
    for bad in (with_leaf(values, field, math.inf)[field], with_leaf(values, field, "1")[field], [[[1.0]]]):
        with pytest.raises(ScenarioError) as caught:
            Scenario(**{**values, field: bad})
        assert_clear(caught.value, field, "expected")


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_but_a_weight_is_above_zero(field: str) -> None:
    values = scenario_values()
    for bad in (-1.0,) if field in ("weight_energy", "weight_time") else (-1.0, 0.0):
        with pytest.raises(ScenarioError) as caught:
            Scenario(**with_leaf(values, field, bad))
        assert_clear(caught.value, f"{field}{last_index(field)} = {bad}; expected a number >")


def test_energy_or_time_may_be_free_but_not_both() -> None:
    assert Scenario(**{**scenario_values(), "weight_energy": 0}).weight_energy == 0.0
    assert Scenario(**{**scenario_values(), "weight_time": 0}).weight_time == 0.0
    with pytest.raises(ScenarioError) as caught:
        Scenario(**{**scenario_values(), "weight_energy": 0, "weight_time": 0})
    assert_clear(caught.value, "weight_time = weight_energy = 0", "expected one above 0")


BAD_LEAVES: list[tuple[object, str]] = [
    (-1.0, " = -1.0; expected a number >"),
    (0.0, " = 0.0; expected a number > 0"),
    (0, " = 0.0; expected a number > 0"),
    ("1.0", " = '1.0'; expected a number"),
    (True, " = True; expected a number"),
    (None, " = None; expected a number"),
    ({}, " = {}; expected a number"),
]


@pytest.mark.parametrize(("value", "expected"), BAD_LEAVES)
@pytest.mark.parametrize("field", EACH_SHAPE)
def test_a_bad_number_in_a_file(field: str, value: object, expected: str, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.json", with_leaf(scenario_document(), field, value))
    with pytest.raises(InputError) as caught:
        Scenario.read(path)
    assert_clear(caught.value, path, f"{field}{last_index(field)}{expected}")


@pytest.mark.parametrize("field", [*EACH_SHAPE, "user_position"])
def test_a_whole_number_beyond_the_floats(field: str, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.json", with_leaf(scenario_document(), field, 10**400))
    with pytest.raises(InputError) as caught:
        Scenario.read(path)
    assert_clear(caught.value, path, field, "expected finite numbers")


@pytest.mark.parametrize("field", [*EACH_SHAPE, "user_position"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("convert", [lambda value: value, lambda value: np.array(value, dtype=float)])
def test_a_number_that_is_not_finite(field: str, value: float, convert: Callable[[object], object]) -> None:
    values = with_leaf(scenario_values(), field, value)
    with pytest.raises(ScenarioError) as caught:
        Scenario(**{**values, field: convert(values[field])})
    assert_clear(caught.value, field, repr(value), "expected a finite number")


WRONG_SHAPES: dict[str, list[object]] = {
    "": [[1.0], [], [[1.0]]],
    "N": [[1.0], [1.0, 1.0, 1.0], [], [[1.0, 1.0]], [[1.0], [1.0]], [1.0, [1.0]]],
    "M": [[1.0], [1.0, 1.0], [], [[1.0, 1.0, 1.0]], [1.0, [1.0], 1.0]],
    # A ragged list, a vector, no users, no servers, a number, one level too deep.
    "NM": [[[1.0], [1.0, 2.0]], [1.0, 2.0], [], [[], []], 1.0, [[[1.0]]]],
}


@pytest.mark.parametrize(
    ("field", "value"), [(field, value) for field in EACH_SHAPE for value in WRONG_SHAPES[FIELDS[field][0]]]
)
def test_a_wrong_shape(field: str, value: object, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.json", {**scenario_document(), field: value})
    with pytest.raises(InputError) as caught:
        Scenario.read(path)
    assert_clear(caught.value, path, field, "expected")


def test_gains_of_another_size_than_the_rest_name_a_field() -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario(**{**scenario_values(), "channel_gain": np.ones((3, 2))})
    assert_clear(caught.value, "bandwidth_max has shape (3,)", "expected (2,)")


# fmt: off
OTHER_FIELDS: list[tuple[str, Any]] = [
    ("user_position", 1.0), ("user_position", [[1.0, 2.0]]), ("user_position", [[1.0], [2.0]]),
    ("user_position", [[1.0, "2"], [1.0, 2.0]]), ("server_position", [[1.0, 2.0], [1.0, 2.0]]),
    ("name", 1), ("name", ["x"]), ("seed", 1.0), ("seed", True), ("seed", "1"), ("seed", [1]),
    ("readings", "x"), ("readings", ["x"]), ("readings", {"noise": 1}), ("readings", {"noise": None}),
    ("constraints", {"deadline": 1.0}), ("constraints", ["x"]), ("constraints", "x"), ("constraints", 0),
]
DEEP_FIELDS = ["channel_gain", "noise_psd", "user_position", "name", "seed", "readings"]
# fmt: on


@pytest.mark.parametrize(("field", "value"), OTHER_FIELDS)
def test_a_bad_value_of_another_field(field: str, value: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.json", {**scenario_document(), field: value})
    with pytest.raises(InputError) as caught:
        Scenario.read(path)
    assert_clear(caught.value, path, field, "expected")


@pytest.mark.parametrize("field", DEEP_FIELDS)
def test_a_deeply_nested_value(field: str) -> None:
    """Python 3.13 reads files that are nested a few thousand deep."""
    deep = {**scenario_document(), field: nested(5000)}
    assert_clear(refusal(lambda: Scenario.from_dict(deep, "s.json")), "s.json", field, "expected")


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_key(field: str, tmp_path: Path) -> None:
    document = scenario_document()
    del document[field]
    path = write(tmp_path / "bad.json", document)
    with pytest.raises(InputError) as caught:
        Scenario.read(path)
    assert_clear(caught.value, path, f"{field!r} is missing")


@pytest.mark.parametrize("key", ["chanel_gain", "", "with\nnewline", "Name"])
def test_an_unknown_key(key: str, tmp_path: Path) -> None:
    path = write(tmp_path / "bad.json", {**scenario_document(), key: 1.0})
    with pytest.raises(InputError) as caught:
        Scenario.read(path)
    assert_clear(caught.value, path, repr(key), "expected only", "channel_gain")


@pytest.mark.parametrize(
    "array",
    [np.array(["1.0"] * 2), np.array([True] * 2), np.array([1j] * 2), np.array([None, 1.0]), [np.complex128(1)] * 2],
)
def test_arrays_of_other_things_than_real_numbers(array: Any) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario(**{**scenario_values(), "user_gpus": array})
    assert_clear(caught.value, "user_gpus", "expected")
