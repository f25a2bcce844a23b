"""Test of the range of data within which pricing can be proven."""

from __future__ import annotations

import numpy as np

from formulations import Scenario

__all__ = ["out_of_range"]


def out_of_range(scenario: Scenario) -> str:
    """Return which number of a scenario no bound can be proven for, or an empty text.

    No SNR exceeds the range of numbers, and no product of data is next to zero, where numbers have few digits: no bound
    is safe there.
    """
    s, tiny = scenario, 16.0 * np.finfo(float).tiny
    power = np.maximum(s.user_power_max[:, np.newaxis], s.server_power_max)
    weakest = np.minimum(s.user_power_max[:, np.newaxis], s.server_power_max)
    with np.errstate(over="ignore", under="ignore"):
        loud = ~np.isfinite(s.channel_gain * power / s.noise_psd)
        faint = s.noise_psd * s.bandwidth_max < tiny
        unheard = (s.channel_gain > 0.0) & (s.channel_gain * weakest < tiny)
    if loud.any():
        n, m = np.argwhere(loud)[0].tolist()
        return f"channel_gain[{n}][{m}]: gain times power over noise exceeds 1e308; expected less"
    if faint.any():
        m = int(np.argmax(faint))
        return f"bandwidth_max[{m}] times noise_psd is below {tiny:.0e}; expected more"
    if unheard.any():
        n, m = np.argwhere(unheard)[0].tolist()
        return f"channel_gain[{n}][{m}] times a power is below {tiny:.0e}; expected more, or zero"
    return ""
