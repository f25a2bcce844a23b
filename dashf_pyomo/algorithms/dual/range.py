"""Test of the range of data within which pricing can be proven."""

from __future__ import annotations

import numpy as np

from formulations import Scenario
from formulations.objective import ObjectiveKind
from formulations.terms import rows_of

from .kernels.pricing import SCORES

__all__ = ["out_of_range"]


def out_of_range(scenario: Scenario) -> str:
    """Return which number of a scenario no bound can be proven for, or an empty text.

    No SNR exceeds the range of numbers, and no product of data is next to zero, where numbers have few digits: no bound
    is safe there.
    """
    s, tiny = scenario, 16.0 * np.finfo(float).tiny
    if s.objective.score not in SCORES:
        return f"objective.score = {s.objective.score!r} has no kernel; expected one of {', '.join(SCORES)}"
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
    return _unbounded_ratios(s)


def _unbounded_ratios(scenario: Scenario) -> str:
    """Return why the users' own ratios cannot be bounded, or an empty text."""
    kind = scenario.objective.kind
    if not kind.by_user:
        return ""
    if scenario.weight_time <= 0.0:
        return f"weight_time = 0 with objective {kind}, whose bounds need the least costs of users; expected more"
    if kind is ObjectiveKind.SUM_OF_RATIOS and any(rows.signed for rows in rows_of(scenario)):
        extra = scenario.constraints
        assert extra is not None
        if not np.isfinite(np.minimum(extra.delay_limit, extra.limits["mean_delay"][0])).all():
            return (
                f"rows with negative numbers and objective {kind} without delay limits: "
                "a user without end of its delay may be wanted; expected a delay limit of every user"
            )
    return ""
