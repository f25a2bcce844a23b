"""Declared rows, ranges of phi and binary offloading: read, judged and refused."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from helpers import assert_clear

from formulations import ALL_EXTRAS, InputError, Scenario, evaluate
from formulations.association.pair_resources import equal_split
from formulations.constraints import require_support
from formulations.linear_rows import SIGNED

FLOOR = {
    "name": "floor",
    "at_most": -2e6,
    "terms": [{"attribute": "bandwidth", "users": [0], "coefficient": -1.0}],
}
MIXED = {
    "name": "two servers",
    "at_most": 3.0,
    "terms": [
        {"attribute": "server_energy", "servers": [1], "coefficient": 2.0},
        {"attribute": "user_energy", "users": [0, 2], "coefficient": [1.0, 0.5]},
    ],
}


def _judged(**constraints: Any) -> dict[str, tuple[float, float, float]]:
    scenario = Scenario.random(3, 2, 0, constraints=constraints)
    allocation = equal_split(scenario, np.array([0, 1, 1]), np.array([0.2, 0.5, 1.0]))
    broken = evaluate(scenario, allocation).violations
    return {f"{v.constraint}, {v.where}": (v.value, v.limit, v.relative) for v in broken if v.extra}


def test_a_row_is_judged_by_its_formula() -> None:
    plain = Scenario.random(3, 2, 0)
    e = evaluate(plain, equal_split(plain, np.array([0, 1, 1]), np.array([0.2, 0.5, 1.0])))
    expected = 2.0 * (e.energy_server + e.energy_downlink)[1:].sum()
    expected += (e.energy_local + e.energy_uplink)[[0, 2]] @ [1.0, 0.5]
    value, limit, relative = _judged(rows=[MIXED])["(X8) row 'two servers', all users"]
    assert value == pytest.approx(expected, rel=1e-12) and limit == 3.0
    assert relative == pytest.approx(expected / 3.0 - 1.0)
    assert not _judged(rows=[MIXED | {"at_most": 1.01 * expected}])


def test_a_floor_is_broken_by_having_too_little() -> None:
    whole = Scenario.random(3, 2, 0).bandwidth_max[0]  # user 0 has all of server 0
    assert not _judged(rows=[FLOOR | {"at_most": -0.99 * whole}])
    value, limit, relative = _judged(rows=[FLOOR | {"at_most": -2.0 * whole}])["(X8) row 'floor', all users"]
    assert (value, limit, relative) == (-whole, -2.0 * whole, 0.5)


def test_a_row_against_zero_is_measured_by_what_a_whole_server_comes_to() -> None:
    less = {
        "name": "less",
        "at_most": 0.0,
        "terms": [
            {"attribute": "bandwidth", "users": [0], "coefficient": 1.0},
            {"attribute": "bandwidth", "users": [1], "coefficient": -1.0},
        ],
    }
    whole = Scenario.random(3, 2, 0).bandwidth_max[0]
    value, limit, relative = _judged(rows=[less])["(X8) row 'less', all users"]
    assert (value, limit) == (0.5 * whole, 0.0) and relative == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("constraints", "where"),
    [
        ({"users_per_server": [1, 1]}, "(X5) users per server, server 1"),
        ({"user_energy": [None, 1e-3, None]}, "(X4) user energy, user 1"),
        ({"total_energy": 1e-3}, "(X4) total energy, all users"),
        ({"mean_delay": 1e-3}, "(X6) mean delay, all users"),
        ({"offload": [None, [0.6, 1.0], None]}, "(X7) offloading range, user 1"),
        ({"binary_offload": True}, "(X7) binary offloading, user 1"),
    ],
)
def test_every_shorthand_is_judged(constraints: dict[str, Any], where: str) -> None:
    assert where in _judged(**constraints)


def test_a_mean_delay_is_the_mean_of_the_delays() -> None:
    plain = Scenario.random(3, 2, 0)
    mean = evaluate(plain, equal_split(plain, np.array([0, 1, 1]), np.array([0.2, 0.5, 1.0]))).user_delay.mean()
    assert _judged(mean_delay=0.5 * mean)["(X6) mean delay, all users"][0] == pytest.approx(mean)
    assert not _judged(mean_delay=1.001 * mean)


def test_declarations_survive_files_other_processes_and_relaxations() -> None:
    declared = {
        "rows": [FLOOR, MIXED],
        "users_per_server": 2,
        "offload": [None, [0.25, 0.5], None],
        "binary_offload": False,
        "mean_delay": 7.0,
    }
    scenario = Scenario.random(3, 2, 0, constraints=declared)
    assert scenario.to_dict()["version"] == 2
    assert Scenario.from_dict(scenario.to_dict()) == scenario == pickle.loads(pickle.dumps(scenario))
    assert sorted(scenario.demands) == [
        *("mean delay", "range of offloading", "row 'floor'", "row 'two servers'", "users per server"),
    ]
    without = scenario.without([kind for kind in scenario.demands if kind == "row 'floor'"]).constraints
    assert without is not None and [row.name for row in without.rows] == ["two servers"]
    assert scenario.constraints is not None
    assert scenario.constraints.only([("rows", 1), ("offload", 1)]) == {
        "rows": [scenario.constraints.rows[1].to_dict()],
        "offload": [None, [0.25, 0.5], None],
    }


def test_refusals_name_the_row_and_what_it_demands() -> None:
    scenario = Scenario.random(3, 2, 0, constraints={"rows": [FLOOR, MIXED]})
    with pytest.raises(InputError) as caught:
        require_support("method nobody", ALL_EXTRAS, scenario.demands)
    assert_clear(caught.value, "method nobody", "(row 'floor')")
    require_support("method somebody", ALL_EXTRAS | {SIGNED}, scenario.demands)


@pytest.mark.parametrize(
    ("row", "parts"),
    [
        ([], ("constraints.rows[0]", "expected an object")),
        (FLOOR | {"name": ""}, ("constraints.rows[0].name", "expected a name")),
        (FLOOR | {"at_most": None}, ("constraints.rows[0].at_most", "None")),
        (FLOOR | {"at_least": 1.0}, ("constraints.rows[0]", "'at_least'", "expected only name")),
        (FLOOR | {"terms": []}, ("constraints.rows[0].terms", "at least one term")),
        (FLOOR | {"terms": [{"attribute": "rate_up"}]}, ("terms[0].attribute", "rate")),
        (FLOOR | {"terms": [{"attribute": "what"}]}, ("terms[0].attribute", "'what'", "expected one of served")),
        (FLOOR | {"terms": [{"attribute": "energy", "coefficient": -1}]}, ("terms[0].coefficient", "-1", "at least 0")),
        (FLOOR | {"terms": [{"attribute": "served", "users": [3]}]}, ("terms[0].users", "0 to 2")),
        (FLOOR | {"terms": [{"attribute": "served", "users": [1, 1]}]}, ("terms[0].users", "different numbers")),
        (FLOOR | {"terms": [{"attribute": "served", "coefficient": [1, 2]}]}, ("terms[0].coefficient", "(2,)", "(3,)")),
    ],
)
def test_what_is_no_row_is_refused_in_one_line(row: Any, parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        Scenario.random(3, 2, 0, constraints={"rows": [row]})
    assert_clear(caught.value, *parts)


@pytest.mark.parametrize(
    ("constraints", "parts"),
    [
        ({"offload": [[0, 1]]}, ("constraints.offload", "list of 3 ranges")),
        ({"offload": [[0.5, 0.2], None, None]}, ("constraints.offload[0]", "low <= high")),
        ({"offload": [[0.2, 0.5], None, None], "binary_offload": True}, ("constraints.offload[0]", "0 or 1")),
        ({"binary_offload": 1}, ("constraints.binary_offload", "true or false")),
        ({"rows": [FLOOR, FLOOR]}, ("constraints.rows[1].name", "another name")),
    ],
)
def test_what_is_no_constraint_is_refused_in_one_line(constraints: Any, parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        Scenario.random(3, 2, 0, constraints=constraints)
    assert_clear(caught.value, *parts)
