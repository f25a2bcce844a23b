"""Allocations: the repair of budgets, exact JSON, immutability, and bad data refused in one clear line."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import RESOURCES, assert_clear, equal_shares, limits
from hypothesis import given
from hypothesis import strategies as st
from strategies import allocations, cases, magnitudes, scenarios

from formulations import Allocation, AllocationError, Scenario, evaluate
from formulations.documents import read_document, write_document

VALID: dict[str, Any] = {"server": [0, 1], "offload": [0.5, 0.5], **{field: [1.0, 2.0] for field in RESOURCES}}


# -- within_budgets ---------------------------------------------------------------------------


def assert_same(left: Allocation, right: Allocation) -> None:
    for field in fields(left):
        np.testing.assert_array_equal(getattr(left, field.name), getattr(right, field.name), err_msg=field.name)


def test_within_budgets_by_hand() -> None:
    scenario = Scenario.random(3, 2, bandwidth_max=10e6, user_power_max=0.2)
    allocation = replace(
        equal_shares(scenario, [0, 0, 1]), bandwidth=[8e6, 12e6, 9e6], user_power=[0.1, 0.3, -0.1], offload=[-1, 2, 0.5]
    )
    repaired = allocation.within_budgets(scenario)
    assert repaired.bandwidth == pytest.approx([4e6, 6e6, 9e6], rel=1e-12, abs=0)  # 20 MHz on 10 MHz: halved
    assert repaired.user_power.tolist() == [0.1, 0.2, 0.0]
    assert repaired.offload.tolist() == [0.0, 1.0, 0.5]


@given(cases())
def test_within_budgets_leaves_what_fits_exactly_alone(case: tuple[Scenario, Allocation]) -> None:
    assert_same(case[1].within_budgets(case[0]), case[1])


@given(scenarios(), st.data())
def test_within_budgets_leaves_nothing_over(scenario: Scenario, data: st.DataObject) -> None:
    fitting = data.draw(allocations(scenario))
    wild = st.sampled_from([-1.0, 0.0, 1.0, 1.0 + 1e-15, 1.0 + 1e-9, 2.0]) | st.floats(-2.0, 10.0)
    factor = st.lists(wild, min_size=scenario.n_users, max_size=scenario.n_users).map(np.array)
    changes = {field: data.draw(factor) * limits(scenario, fitting, field) for field in RESOURCES}
    repaired = replace(fitting, offload=data.draw(factor), **changes).within_budgets(scenario)
    broken = evaluate(scenario, repaired).violations
    assert [str(v) for v in broken if not v.constraint.startswith("(3j)")] == []
    assert_same(repaired.within_budgets(scenario), repaired)


@given(magnitudes(1e-3, 1e16), st.integers(1, 6))
def test_within_budgets_agrees_with_the_evaluator_on_equal_shares(budget: float, users: int) -> None:
    scenario = Scenario.random(users, 1, bandwidth_max=budget, server_power_max=budget, server_speed_max=budget)
    check_agreement(scenario, equal_shares(scenario, [0] * users))


# fmt: off
AT_THE_EDGE = [
    # The shares sum up to 1, but the hertz to one unit in the last place above the budget; then the other way round.
    (215540.33021467229, [9492.650395570037, 50695.88274549637, 36914.38883808528, 21799.362331827615,
                          34137.561222856435, 62500.48468083658]),
    (41564.2819882917, [6927.380331381951] * 6),
]
# fmt: on


@pytest.mark.parametrize(("budget", "bandwidth"), AT_THE_EDGE)
def test_within_budgets_agrees_with_the_evaluator_to_the_last_bit(budget: float, bandwidth: list[float]) -> None:
    scenario = Scenario.random(6, 1, bandwidth_max=budget)
    check_agreement(scenario, replace(equal_shares(scenario, [0] * 6), bandwidth=bandwidth))


def check_agreement(scenario: Scenario, allocation: Allocation) -> None:
    repaired = allocation.within_budgets(scenario)
    assert evaluate(scenario, repaired).violations == ()
    if evaluate(scenario, allocation).violations == ():
        assert_same(repaired, allocation)


# -- the data ---------------------------------------------------------------------------------


@given(allocation=scenarios().flatmap(allocations))
def test_json_round_trip_is_exact(tmp_path_factory: pytest.TempPathFactory, allocation: Allocation) -> None:
    path: Path = tmp_path_factory.getbasetemp() / "allocation.json"
    write_document(path, {"format": "dashf-result", "version": 1, "allocation": allocation.to_dict()})
    again = Allocation.from_dict(read_document(path, "dashf-result")["allocation"])
    for field in fields(allocation):
        before, after = getattr(allocation, field.name), getattr(again, field.name)
        assert after.tobytes() == before.tobytes() and after.dtype == before.dtype


def test_an_allocation_is_immutable() -> None:
    mine = np.array([1.0, 2.0])
    allocation = Allocation(**{**VALID, "bandwidth": mine})
    mine[0] = 99.0
    assert allocation.bandwidth[0] == 1.0
    for field in fields(allocation):
        with pytest.raises(ValueError, match="read-only"):
            getattr(allocation, field.name)[0] = 0
    with pytest.raises(AttributeError):
        allocation.bandwidth = mine


# fmt: off
BAD_NUMBERS: list[Any] = [
    [math.nan, 1.0], [1.0, math.inf], [10**400, 1.0], ["1.0", 1.0], [True, 1.0], [None, 1.0], [[1.0], 1.0], [1.0],
    [1.0, 2.0, 3.0], [[1.0, 2.0]], 1.0, None, "12", {}, np.array([1.0, math.nan]), np.array(["1.0", "2.0"]),
    np.array([True, False]), np.array([1j, 1.0]), np.array([[1.0], [2.0]]), np.array([None, 1.0]),
]
BAD_SERVERS: list[Any] = [
    [-1, 0], [0.0, 1.0], [0, 10**400], [True, False], ["0", "1"], [None, 0], [[0], [1]], 0, None, "01", {},
    np.array([-1, 0]), np.array([0.0, 1.0]), np.array([True, False]), np.array(["0", "1"]),
]
# fmt: on


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=lambda value: repr(value)[:40])
def test_bad_numbers_are_one_clear_line(value: Any) -> None:
    with pytest.raises(AllocationError) as caught:
        Allocation(**{**VALID, "bandwidth": value})
    assert_clear(caught.value, "bandwidth", "expected")


@pytest.mark.parametrize("field", ["offload", *RESOURCES])
def test_every_field_is_checked(field: str) -> None:
    with pytest.raises(AllocationError) as caught:
        Allocation(**{**VALID, field: [1.0, math.nan]})
    assert_clear(caught.value, f"{field}[1] = nan", "expected a finite number")


@pytest.mark.parametrize("value", BAD_SERVERS, ids=lambda value: repr(value)[:40])
def test_bad_servers_are_one_clear_line(value: Any) -> None:
    with pytest.raises(AllocationError) as caught:
        Allocation(**{**VALID, "server": value})
    assert_clear(caught.value, "server", "expected")


@pytest.mark.parametrize(
    ("document", "parts"),
    [
        ({**VALID, "offload": [0.5, None]}, ["offload[1]", "None", "expected a number"]),
        ({key: value for key, value in VALID.items() if key != "user_speed"}, ["user_speed", "missing"]),
        ({**VALID, "speed": [1.0, 1.0]}, ["'speed'", "expected only"]),
        ([1, 2], ["expected an object"]),
        (None, ["expected an object"]),
    ],
)
def test_a_bad_document_names_the_place_and_the_field(document: Any, parts: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        Allocation.from_dict(document, "r.json: allocation")
    assert_clear(caught.value, "r.json: allocation", *parts)


@pytest.mark.parametrize("judge", [evaluate, lambda scenario, allocation: allocation.within_budgets(scenario)])
def test_an_allocation_for_another_scenario_is_refused(judge: Any) -> None:
    allocation = Allocation(**{**VALID, "server": [0, 2]})
    with pytest.raises(AllocationError) as caught:
        judge(Scenario.random(3, 3), allocation)
    assert_clear(caught.value, "2 users", "expected 3")
    with pytest.raises(AllocationError) as caught:
        judge(Scenario.random(2, 2), allocation)
    assert_clear(caught.value, "server[1] = 2", "expected 0 to 1")
