"""``Scenario.random``: the draws of Section V-A, recomputed here, and the readings of the paper."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from helpers import assert_clear
from hypothesis import given
from hypothesis import strategies as st
from strategies import FIELDS

from formulations import Scenario, ScenarioError

DEFAULTS = {
    "noise_psd": 3.9810717055349695e-21,  # -174 dBm/Hz = 10^(-17.4) mW/Hz
    "bandwidth_max": 10e6,
    "user_power_max": 0.2,
    "server_power_max": 10.0,
    "user_speed_max": 19.58e12,
    "server_speed_max": 1372.8e12,
    "user_gpus": 1.0,
    "server_gpus": 1.0,
    "user_capacitance": 1e-38,
    "server_capacitance": 1e-38,
    "bits_per_param": 32.0,
    "user_epochs": 1.0,
    "server_epochs": 1.0,
    "weight_time": 0.5,
    "weight_energy": 0.005,
    "score_scale": 14426.950408889634,  # 1e4 / ln 2
    "score_norm": 0.3333333333333333,
}
DEFAULT_READINGS = {"noise": "-174 dBm/Hz", "gpus": "counted in the speeds", "tokens": "1 FLOP per token bit"}


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 2**64))
def test_draws_are_those_of_the_paper_in_the_documented_order(users: int, servers: int, seed: int) -> None:
    scenario = Scenario.random(users, servers, seed)
    rng = np.random.default_rng(seed)
    here = rng.uniform(0, 1000, (users, 2))
    there = rng.uniform(0, 1000, (servers, 2))
    fading = rng.exponential(1, (users, servers))
    np.testing.assert_array_equal(scenario.user_position, here)
    np.testing.assert_array_equal(scenario.server_position, there)
    np.testing.assert_array_equal(scenario.adapter_params, rng.uniform(1.2e6, 14e6, users))
    np.testing.assert_array_equal(scenario.flops_per_param, rng.uniform(10e6, 50e6, users))
    for n in range(users):
        for m in range(servers):
            km = max(math.dist(here[n], there[m]), 1.0) / 1000
            path_loss = 128.1 + 37.6 * math.log10(km)
            gain = 10 ** (-path_loss / 10) * fading[n, m]
            assert scenario.channel_gain[n, m] == pytest.approx(gain, rel=1e-12, abs=0)


def test_the_rest_is_what_the_paper_prints() -> None:
    scenario = Scenario.random(3, 2, seed=4)
    for field, value in DEFAULTS.items():
        assert getattr(scenario, field) == pytest.approx(value, rel=1e-14, abs=0), field
    assert scenario.seed == 4 and scenario.readings == DEFAULT_READINGS and scenario.constraints is None
    assert (Scenario.random().n_users, Scenario.random().n_servers) == (10, 2)


def test_the_seed_decides() -> None:
    assert Scenario.random(3, 2, seed=7) == Scenario.random(3, 2, seed=7)
    assert Scenario.random(3, 2, seed=7) == Scenario.random(3, 2, seed=np.int64(7))
    assert not np.any(Scenario.random(3, 2, seed=7).channel_gain == Scenario.random(3, 2, seed=8).channel_gain)


@pytest.mark.parametrize("field", [*FIELDS, "user_position", "server_position"])
def test_every_field_can_be_overridden_without_shifting_another_draw(field: str) -> None:
    base = Scenario.random(3, 2, seed=7)
    value = getattr(base, field) * 0.75
    scenario = Scenario.random(3, 2, seed=7, **{field: value})
    np.testing.assert_array_equal(getattr(scenario, field), value)
    follows = {"channel_gain"} if field.endswith("position") else set()
    for other in {*FIELDS, "user_position", "server_position"} - {field} - follows:
        np.testing.assert_array_equal(getattr(scenario, other), getattr(base, other), err_msg=other)


def test_a_scalar_gain_means_the_same_for_all_pairs() -> None:
    assert Scenario.random(3, 2, channel_gain=1e-9).channel_gain.tolist() == [[1e-9, 1e-9]] * 3


def test_gains_follow_given_positions() -> None:
    # 1000 m: 128.1 dB; 100 m: 128.1 - 37.6 = 90.5 dB; below 1 m it counts as 1 m: 128.1 - 3 * 37.6 = 15.3 dB
    fading = np.random.default_rng(7)
    fading.uniform(size=8)  # three users and one server
    loss = np.array([[10**-12.81], [10**-9.05], [10**-1.53]])
    scenario = Scenario.random(3, 1, seed=7, user_position=[[1000, 0], [0, 100], [0, 0.5]], server_position=[[0, 0]])
    np.testing.assert_allclose(scenario.channel_gain, loss * fading.exponential(size=(3, 1)), rtol=1e-12)


def test_the_square_the_losses_and_the_ranges_can_be_chosen() -> None:
    plain = Scenario.random(3, 2, seed=7)
    scenario = Scenario.random(
        3,
        2,
        seed=7,
        area=500.0,
        path_loss_at_km=118.1,
        adapter_range=(1.0, 2.0),
        token_bits_range=(5.0, 5.0),
        name="mine",
    )
    np.testing.assert_allclose(scenario.user_position, plain.user_position / 2, rtol=1e-14)
    # 10 dB less, and half the distance is 37.6 * log10(2) = 11.3187 dB less
    np.testing.assert_allclose(scenario.channel_gain / plain.channel_gain, 10**2.13187279, rtol=1e-7)
    np.testing.assert_allclose(scenario.adapter_params, 1 + (plain.adapter_params - 1.2e6) / 12.8e6, rtol=1e-9)
    assert scenario.flops_per_param.tolist() == [5.0] * 3 and scenario.name == "mine"
    far, farther = (Scenario.random(3, 2, seed=7, min_distance=2000.0, path_loss_slope=slope) for slope in (10.0, 37.6))
    # All pairs count as 2 km apart: (37.6 - 10) * log10(2) = 8.30842788 dB
    np.testing.assert_allclose(far.channel_gain / farther.channel_gain, 10**0.830842788, rtol=1e-7)


# -- readings ---------------------------------------------------------------------------------


def test_the_preset_paper_literal() -> None:
    scenario, plain = Scenario.random(3, 2, seed=7, preset="paper-literal"), Scenario.random(3, 2, seed=7)
    assert scenario.noise_psd == pytest.approx(3.981071705534969e-17, rel=1e-14, abs=0)  # -134 dBm/Hz
    assert scenario.user_gpus.tolist() == [4.0] * 3 and scenario.server_gpus.tolist() == [8.0] * 2
    assert scenario.readings == {**DEFAULT_READINGS, "noise": "-134 dBm/Hz", "gpus": "4 and 8"}
    for field in FIELDS.keys() - {"noise_psd", "user_gpus", "server_gpus"}:
        np.testing.assert_array_equal(getattr(scenario, field), getattr(plain, field), err_msg=field)
    assert scenario.name != plain.name


def test_single_readings_go_on_top_of_the_preset() -> None:
    plain = Scenario.random(3, 2, seed=7)
    mine = {"gpus": "counted in the speeds", "tokens": "6 FLOP per token of 32 bits"}
    scenario = Scenario.random(3, 2, seed=7, preset="paper-literal", readings=mine)
    assert scenario.user_gpus.tolist() == [1.0] * 3
    assert scenario.noise_psd == pytest.approx(3.981071705534969e-17, rel=1e-14, abs=0)
    np.testing.assert_allclose(scenario.flops_per_param, plain.flops_per_param * 0.1875, rtol=1e-14)  # 6 / 32
    assert scenario.readings == {"noise": "-134 dBm/Hz", **mine}


# -- bad arguments ----------------------------------------------------------------------------

# fmt: off
BAD: list[tuple[dict[str, Any], list[str]]] = [
    ({"preset": "papr"}, ["'papr'", "default", "paper-literal"]),
    ({"readings": {"nois": "x"}}, ["'nois'", "noise, gpus, tokens"]),
    ({"readings": {"noise": "loud"}}, ["noise", "'loud'", "-174 dBm/Hz", "-134 dBm/Hz"]),
    ({"readings": {"noise": ["loud"]}}, ["noise", "loud"]),
    ({"readings": ["noise"]}, ["readings"]),
    ({"bandwith_max": 1.0}, ["'bandwith_max'", "bandwidth_max"]),
    ({"seed_": 1}, ["'seed_'"]),
    ({"users": 0}, ["users = 0"]), ({"users": -1}, ["users = -1"]), ({"users": 1.5}, ["users = 1.5"]),
    ({"users": True}, ["users = True"]), ({"servers": 0}, ["servers = 0"]), ({"servers": "2"}, ["servers = '2'"]),
    ({"seed": -1}, ["seed = -1"]), ({"seed": 1.5}, ["seed = 1.5"]), ({"seed": None}, ["seed = None"]),
    ({"area": 0.0}, ["area = 0.0"]), ({"area": math.nan}, ["area = nan"]), ({"area": "1"}, ["area = '1'"]),
    ({"area": (1.0, 2.0)}, ["area = (1.0, 2.0)"]), ({"min_distance": -1.0}, ["min_distance = -1.0"]),
    ({"min_distance": math.inf}, ["min_distance = inf"]), ({"min_distance": (1.0, 2.0)}, ["min_distance"]),
    ({"path_loss_at_km": "128"}, ["path_loss_at_km = '128'"]), ({"path_loss_slope": None}, ["path_loss_slope = None"]),
    ({"path_loss_at_km": math.nan}, ["path_loss_at_km = nan"]), ({"path_loss_at_km": -1e5}, ["expected"]),
    ({"adapter_range": (2.0, 1.0)}, ["adapter_range = (2.0, 1.0)"]), ({"adapter_range": 5.0}, ["adapter_range = 5.0"]),
    ({"adapter_range": (0.0, 1.0)}, ["adapter_range"]), ({"adapter_range": (1.0, 2.0, 3.0)}, ["adapter_range"]),
    ({"token_bits_range": (1.0, math.inf)}, ["token_bits_range"]), ({"token_bits_range": None}, ["token_bits_range"]),
    ({"channel_gain": [[1.0]]}, ["channel_gain", "(1, 1)", "(3, 2)"]), ({"user_gpus": [1.0]}, ["user_gpus", "(3,)"]),
    ({"user_position": 1.0}, ["user_position", "(3, 2)"]), ({"noise_psd": -1.0}, ["noise_psd = -1.0"]),
    ({"name": 3}, ["name = 3"]), ({"preset": ["default"]}, ["preset"]),
]
# fmt: on


@pytest.mark.parametrize(("arguments", "parts"), BAD, ids=lambda value: str(value)[:40])
def test_bad_arguments_are_one_clear_line(arguments: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(ScenarioError) as caught:
        Scenario.random(**{"users": 3, "servers": 2, **arguments})
    assert_clear(caught.value, *parts, "expected")
