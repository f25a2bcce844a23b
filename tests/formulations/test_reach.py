"""What the data alone tell: users and rows that no allocation can serve, and delays without an end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers import assert_clear

from formulations import InputError, Scenario
from formulations.reach import require_bounded_delay, unreachable
from formulations.terms import Sites

PLAIN = Scenario.random(3, 2, seed=0)


def least_delays(scenario: Scenario, phi: float | None = None) -> np.ndarray:
    """The delay of every user alone with everything, at its better end or at phi."""
    s, sites = scenario, Sites(scenario)
    own = sites.local_time(1.0, sites.user("user_speed_max"))
    up = sites.link_time(1.0, sites.rate(s.bandwidth_max, sites.user("user_power_max")))
    down = sites.link_time(1.0, sites.rate(s.bandwidth_max, s.server_power_max))
    served = sites.server_time(1.0, s.server_speed_max) + down
    delay = np.minimum(own + up, served) if phi is None else phi * (own + up) + (1.0 - phi) * served
    return np.asarray(delay).min(axis=1)


def row(at_most: float, **term: Any) -> dict[str, Any]:
    return {"rows": [{"name": "one", "at_most": at_most, "terms": [term]}]}


LEAST, MEAN, AT_HALF = least_delays(PLAIN).tolist(), least_delays(PLAIN).mean(), least_delays(PLAIN, 0.5).tolist()
BANDWIDTH = PLAIN.bandwidth_max[0]

#: What is declared, short of what is possible and just possible, and what is said of it.
EDGES: dict[str, tuple[Any, Any, str]] = {
    "delay_limit": (
        {"delay_limit": [0.99 * LEAST[0]] + 2 * [None]},
        {"delay_limit": [1.01 * LEAST[0]] + 2 * [None]},
        "user 0",
    ),
    "offload": (
        {"delay_limit": [None, 0.99 * AT_HALF[1], None], "offload": [None, [0.5, 0.5], None]},
        {"delay_limit": [None, 1.01 * AT_HALF[1], None], "offload": [None, [0.5, 0.5], None]},
        "user 1",
    ),
    "mean_delay": ({"mean_delay": 0.99 * MEAN}, {"mean_delay": 1.01 * MEAN}, "mean delay"),
    "users_per_server": ({"users_per_server": [1, 1.5]}, {"users_per_server": [1, 2]}, "2 places"),
    "served": (
        {**row(0.5, attribute="served", servers=[0]), "forced": [[1, 0]]},
        {**row(1.0, attribute="served", servers=[0]), "forced": [[1, 0]]},
        "row 'one'",
    ),
    "floor": (
        row(-3.01 * BANDWIDTH, attribute="bandwidth", coefficient=-1.0),
        row(-2.99 * BANDWIDTH, attribute="bandwidth", coefficient=-1.0),
        "row 'one'",
    ),
    "floor of offload": (
        {**row(-2.5, attribute="offload", coefficient=-1.0), "offload": [[0.0, 0.4], None, None]},
        {**row(-2.4, attribute="offload", coefficient=-1.0), "offload": [[0.0, 0.4], None, None]},
        "row 'one'",
    ),
    "server": (
        {"users_per_server": [1, None], "forced": [[0, 0], [2, 0]]},
        {"users_per_server": [2, None], "forced": [[0, 0], [2, 0]]},
        "server 0",
    ),
}


@pytest.mark.parametrize(("short", "possible", "said"), EDGES.values(), ids=EDGES)
def test_what_no_allocation_can_keep_is_said_and_what_one_can_is_not(short: Any, possible: Any, said: str) -> None:
    assert said in unreachable(PLAIN.limited_by(short))
    assert not unreachable(PLAIN.limited_by(possible))


def test_energies_and_shares_may_be_next_to_nothing() -> None:
    for limit in ({"total_energy": 1e-9}, {"user_energy": 1e-9}, row(1e-9, attribute="bandwidth")):
        assert not unreachable(PLAIN.limited_by(limit))


@pytest.mark.parametrize(
    ("declared", "free"),
    [
        (None, 0),
        ({"delay_limit": [1.0, None, 1.0]}, 1),
        ({"total_energy": 1.0}, 0),
        (row(1.0, attribute="delay", users=[0, 1]), 2),
        (row(1.0, attribute="delay", servers=[1]), 0),
        ({**row(1.0, attribute="delay", servers=[1]), "forced": [[0, 1], [1, 1]]}, 2),
        ({**row(1.0, attribute="delay", servers=[1]), "forced": [[0, 1], [1, 1], [2, 1]]}, None),
        ({"mean_delay": 1.0}, None),
        ({"delay_limit": 1.0}, None),
    ],
)
def test_a_delay_without_weight_needs_a_limit_of_every_user(declared: Any, free: int | None) -> None:
    require_bounded_delay(PLAIN.limited_by(declared))
    scenario = PLAIN.replace(weight_time=0.0).limited_by(declared)
    if free is None:
        require_bounded_delay(scenario)
        return
    with pytest.raises(InputError) as caught:
        require_bounded_delay(scenario)
    assert_clear(caught.value, "weight_time = 0", f"user {free}", "expected one for every user")
