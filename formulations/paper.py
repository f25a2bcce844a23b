"""The paper's default settings (Section V-A), and what it leaves open: readings by name, presets of readings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .arrays import shown
from .documents import ScenarioError

__all__ = ["PRESETS", "READINGS", "READ_FROM", "read_paper"]

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


def read_paper(preset: str, readings: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Any]]:
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
