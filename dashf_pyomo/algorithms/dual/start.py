"""What a search needs before its first bound: data that can be computed with, and an allocation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from formulations import InputError, Scenario

from ...backends import BackendError
from ..dashf import Dashf
from ..run import Run

__all__ = ["first_allocation", "require_computable"]


def require_computable(scenario: Scenario, method: str) -> None:
    """Refuse data of which no safe bound can be computed.

    Raises
    ------
    InputError
        If the scenario has no weight on time, or if a product of data leaves the range of numbers, or is next to zero,
        where numbers have few digits.
    """
    s, tiny = scenario, 16.0 * np.finfo(float).tiny
    if s.weight_time <= 0.0:
        raise InputError(f"weight_time = 0: the best delay is unbounded; method {method} needs a positive weight")
    with np.errstate(over="ignore", under="ignore"):
        strongest = np.maximum(s.user_power_max[:, np.newaxis], s.server_power_max)
        weakest = np.minimum(s.user_power_max[:, np.newaxis], s.server_power_max)
        loud = ~np.isfinite(s.channel_gain * strongest / s.noise_psd)
        faint = s.noise_psd * s.bandwidth_max < tiny
        unheard = (s.channel_gain > 0.0) & (s.channel_gain * weakest < tiny)
    if loud.any():
        n, m = np.argwhere(loud)[0].tolist()
        raise InputError(f"channel_gain[{n}][{m}]: gain times power over noise exceeds 1e308; expected less")
    if faint.any():
        m = int(np.argmax(faint))
        raise InputError(f"bandwidth_max[{m}] times noise_psd is below {tiny:.0e}; expected more")
    if unheard.any():
        n, m = np.argwhere(unheard)[0].tolist()
        raise InputError(f"channel_gain[{n}][{m}] times a power is below {tiny:.0e}; expected more, or zero")


def first_allocation(run: Run, few: bool) -> None:
    """Have DASHF find an incumbent, in more than one iteration where users are few.

    Raises
    ------
    BackendError
        If a backend fails before any allocation was found.
    """
    start = Dashf(association="hull", rounding="argmax", allocation="joint-nlp", inner_iterations=2)
    if not few:
        start = replace(start, allocation="nlp", inner_iterations=1, max_iterations=1)
    try:
        start.search(run)
    except BackendError as error:
        if not run.has_incumbent:
            raise
        run.note(f"the start goes without: {error}")
