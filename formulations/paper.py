"""The paper's random scenarios (Section V-A): settings, what it leaves open as named readings, and the draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .arrays import read_numbers, require_finite, shaped, shown
from .documents import ScenarioError

__all__ = ["PRESETS", "READINGS", "draw_fields"]

#: Most pairs of users and servers that are drawn.
MOST_PAIRS = 10_000_000

#: What the paper leaves open about the data; the first value of each is the default.
READINGS: dict[str, dict[str, dict[str, Any]]] = {
    # sigma^2 is printed as -134 dBm "power" and used as a density: -134 dBm is -174 dBm/Hz over 10 kHz.
    "noise": {
        "-174 dBm/Hz": {"noise_psd": 10.0**-20.4},
        "-134 dBm/Hz": {"noise_psd": 10.0**-16.4},
    },
    # The printed F_max (19.58 = 4 x 8.9 x 0.55 and 1372.8 = 8 x 312 x 0.55 TFLOP/s) hold the GPU count already.
    "gpus": {
        "counted in the speeds": {"user_gpus": 1.0, "server_gpus": 1.0},
        "4 and 8": {"user_gpus": 4.0, "server_gpus": 8.0},
    },
    # t_n is "FLOPs of all tokens for each adapter parameter"; only the token bits are given.
    "tokens": {
        "1 FLOP per token bit": {"flops_per_bit": 1.0},
        "6 FLOP per token of 32 bits": {"flops_per_bit": 6.0 / 32.0},
    },
}

#: Fields that a reading decides; whoever gives one of them has decided otherwise.
READ_FROM = {"noise": ("noise_psd",), "gpus": ("user_gpus", "server_gpus"), "tokens": ("flops_per_param",)}

#: Named choices of readings. Readings that a preset does not name keep their defaults.
PRESETS: dict[str, dict[str, str]] = {
    "default": {},
    "paper-literal": {"noise": "-134 dBm/Hz", "gpus": "4 and 8"},
}

_DEFAULTS = {
    "bandwidth_max": 10e6,
    "user_power_max": 0.2,
    "server_power_max": 10.0,
    "user_speed_max": 19.58e12,
    "server_speed_max": 1372.8e12,
    "user_capacitance": 1e-38,
    "server_capacitance": 1e-38,
    "bits_per_param": 32.0,
    "user_epochs": 1.0,
    "server_epochs": 1.0,
    "weight_time": 0.5,
    "weight_energy": 0.005,
    "score_scale": 1e4 / np.log(2.0),
    "score_norm": 1.0 / 3.0,
}


def _read(preset: str, readings: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the readings in force and the field values that follow from them."""
    if not isinstance(preset, str) or preset not in PRESETS:
        raise ScenarioError(f"preset = {shown(preset)}; expected one of {', '.join(PRESETS)}")
    if not isinstance(readings, Mapping):
        raise ScenarioError(f"readings = {shown(readings)}; expected names and values")
    chosen = {reading: next(iter(choices)) for reading, choices in READINGS.items()}
    for key, value in {**PRESETS[preset], **readings}.items():
        if key not in READINGS:
            raise ScenarioError(f"unknown reading {key!r}; expected one of {', '.join(READINGS)}")
        if not isinstance(value, str) or value not in READINGS[key]:
            raise ScenarioError(
                f"reading {key} = {shown(value)}; expected one of {', '.join(map(repr, READINGS[key]))}"
            )
        chosen[key] = value
    values: dict[str, Any] = dict(_DEFAULTS)
    for key, value in chosen.items():
        values.update(READINGS[key][value])
    return chosen, values


def draw_fields(
    users: int,
    servers: int,
    seed: int,
    *,
    preset: str,
    readings: Mapping[str, str],
    area: float,
    min_distance: float,
    path_loss_at_km: float,
    path_loss_slope: float,
    adapter_range: tuple[float, float],
    token_bits_range: tuple[float, float],
    overrides: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the fields of a scenario as `Scenario.random` describes it, with the name that its arguments make.

    Raises
    ------
    ScenarioError
        If an argument is out of range, or a name is not known.
    """
    _whole("users", users, 1, MOST_PAIRS)
    _whole("servers", servers, 1, MOST_PAIRS)
    if users * servers > MOST_PAIRS:
        raise ScenarioError(f"users x servers = {users * servers}; expected at most {MOST_PAIRS} pairs")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 10**300:
        raise ScenarioError(f"seed = {shown(seed)}; expected a whole number of at least 0, below 1e300")
    _check_arguments(
        ranges={"adapter_range": adapter_range, "token_bits_range": token_bits_range},
        lengths={"area": area, "min_distance": min_distance},
        levels={"path_loss_at_km": path_loss_at_km, "path_loss_slope": path_loss_slope},
    )
    chosen, values = _read(preset, readings)
    for reading, fields_of_it in READ_FROM.items():
        if any(field in overrides for field in fields_of_it):
            chosen[reading] = "given"

    rng = np.random.default_rng(seed)
    user_position = rng.uniform(0.0, area, (users, 2))
    server_position = rng.uniform(0.0, area, (servers, 2))
    fading = rng.exponential(1.0, (users, servers))
    values["adapter_params"] = rng.uniform(*adapter_range, users)
    values["flops_per_param"] = rng.uniform(*token_bits_range, users) * values.pop("flops_per_bit")
    values["user_position"] = user_position
    values["server_position"] = server_position
    values.update(overrides)

    here = shaped("user_position", values["user_position"], (users, 2), scalar_for_all=False)
    there = shaped("server_position", values["server_position"], (servers, 2), scalar_for_all=False)
    distance = np.hypot(*np.moveaxis(here[:, None, :] - there[None, :, :], 2, 0))
    loss_db = path_loss_at_km + path_loss_slope * np.log10(np.maximum(distance, min_distance) / 1000.0)
    with np.errstate(over="ignore", under="ignore"):  # out of range is an error with its place, below
        drawn = 10.0 ** (-loss_db / 10.0) * fading
    values["channel_gain"] = shaped("channel_gain", overrides.get("channel_gain", drawn), (users, servers))
    suffix = "" if preset == "default" else f"-{preset}"
    return {**values, "name": f"random-{users}x{servers}-seed{seed}{suffix}", "readings": chosen}


def _check_arguments(ranges: Mapping[str, Any], lengths: Mapping[str, Any], levels: Mapping[str, Any]) -> None:
    """Check the arguments of the generator: (low, high) ranges, positive lengths and levels in dB."""
    for label, value in {**ranges, **lengths, **levels}.items():
        array = read_numbers(label, value, ScenarioError)
        shape = (2,) if label in ranges else ()
        if array.shape != shape:
            expected = "(low, high)" if shape else "a single number"
            raise ScenarioError(f"{label} = {shown(value)}; expected {expected}")
        require_finite(label, array, ScenarioError)
        if label in levels:
            if abs(float(array)) > 1e4:
                raise ScenarioError(f"{label} = {shown(value)}; expected between -10000 and 10000 dB")
        elif np.any(array <= 0) or np.any(array > 1e150):
            raise ScenarioError(f"{label} = {shown(value)}; expected numbers above 0, at most 1e150")
        elif array.shape == (2,) and array[0] > array[1]:
            raise ScenarioError(f"{label} = {shown(value)}; expected (low, high) with low <= high")


def _whole(label: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value <= most:
        raise ScenarioError(f"{label} = {shown(value)}; expected a whole number from {least} to {most}")
