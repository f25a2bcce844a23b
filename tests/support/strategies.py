"""Hypothesis strategies: scenarios of wide magnitudes, and allocations on a scenario that fit its budgets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from formulations import Allocation, Scenario

#: Shape and range of every numeric field; drawn uniformly over the decades.
FIELDS: dict[str, tuple[str, float, float]] = {
    "channel_gain": ("NM", 1e-20, 1e-4),
    "noise_psd": ("", 1e-22, 1e-15),
    "bandwidth_max": ("M", 1e3, 1e10),
    "user_power_max": ("N", 1e-4, 1e2),
    "server_power_max": ("M", 1e-3, 1e4),
    "user_speed_max": ("N", 1e10, 1e16),
    "server_speed_max": ("M", 1e10, 1e16),
    "user_gpus": ("N", 1.0, 64.0),
    "server_gpus": ("M", 1.0, 64.0),
    "user_capacitance": ("N", 1e-40, 1e-36),
    "server_capacitance": ("M", 1e-40, 1e-36),
    "adapter_params": ("N", 1e3, 1e9),
    "flops_per_param": ("N", 1e3, 1e9),
    "bits_per_param": ("", 1.0, 64.0),
    "user_epochs": ("N", 1.0, 100.0),
    "server_epochs": ("M", 1.0, 100.0),
    "weight_time": ("", 1e-6, 1e3),
    "weight_energy": ("", 1e-6, 1e3),
    "score_scale": ("", 1e-3, 1e6),
    "score_norm": ("", 1e-3, 1e3),
}


def magnitudes(low: float, high: float) -> st.SearchStrategy[float]:
    """Positive numbers, uniform over the decades from `low` to `high`."""
    return st.floats(math.log10(low), math.log10(high)).map(lambda exponent: 10.0**exponent)


def _vectors(number: st.SearchStrategy[float], size: int) -> st.SearchStrategy[list[float]]:
    return st.lists(number, min_size=size, max_size=size)


@st.composite
def scenarios(draw: st.DrawFn, max_users: int = 6, max_servers: int = 4) -> Scenario:
    """One user, one server, more servers than users, identical users, free energy: all are among them."""
    sizes = {"N": draw(st.integers(1, max_users)), "M": draw(st.integers(1, max_servers))}
    identical_users = draw(st.booleans())
    values: dict[str, Any] = {}
    for field, (letters, low, high) in FIELDS.items():
        number = magnitudes(low, high)
        if letters == "":
            values[field] = draw(number)
        elif letters == "NM":
            row = _vectors(number, sizes["M"])
            values[field] = [draw(row)] * sizes["N"] if identical_users else [draw(row) for _ in range(sizes["N"])]
        elif letters == "N" and identical_users:
            values[field] = [draw(number)] * sizes["N"]
        else:
            values[field] = draw(_vectors(number, sizes[letters]))
    if draw(st.booleans()):
        values["weight_energy"] = draw(st.sampled_from([0.0, values["weight_energy"]]))
    if draw(st.booleans()):
        points = st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)).map(list)
        for field, letter in (("user_position", "N"), ("server_position", "M")):
            values[field] = draw(st.lists(points, min_size=sizes[letter], max_size=sizes[letter]))
    readings = st.dictionaries(st.sampled_from(["noise", "gpus", "tokens"]), st.text(max_size=5))
    # Text that has no UTF-8 form (lone surrogates) has its own test.
    return Scenario(
        **values,
        name=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=12)),
        seed=draw(st.none() | st.integers(0, 2**70)),
        readings=draw(st.none() | readings),
    )


@st.composite
def allocations(draw: st.DrawFn, scenario: Scenario, positive: bool = False) -> Allocation:
    """An allocation that fits: with zero shares and users exactly at their caps, unless `positive`.

    A user alone on its server may fill a budget exactly; several stay below it by a relative 1e-12, so that
    no order of summing them up goes over.
    """
    n, s = scenario.n_users, scenario
    server = np.array(draw(st.lists(st.integers(0, s.n_servers - 1), min_size=n, max_size=n)))
    one = st.floats(1e-3, 1.0) if positive else st.sampled_from([0.0, 1.0]) | st.floats(1e-200, 1.0)
    share = _vectors(one, n)
    resources = {}
    for field, budget in (
        ("bandwidth", s.bandwidth_max),
        ("server_power", s.server_power_max),
        ("server_speed", s.server_speed_max),
    ):
        weight = np.array(draw(share))
        load = np.bincount(server, weight, minlength=s.n_servers)[server]
        alone = np.bincount(server, minlength=s.n_servers)[server] == 1
        resources[field] = weight * np.where(alone, 1.0, (1.0 - 1e-12) / np.maximum(load, 1.0)) * budget[server]
    return Allocation(
        server=server,
        offload=draw(share),
        user_power=draw(share) * s.user_power_max,
        user_speed=draw(share) * s.user_speed_max,
        **resources,
    )


@st.composite
def cases(draw: st.DrawFn, positive: bool = False) -> tuple[Scenario, Allocation]:
    """A scenario and an allocation on it."""
    scenario = draw(scenarios())
    return scenario, draw(allocations(scenario, positive=positive))
