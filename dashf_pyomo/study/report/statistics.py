"""The statistics of reports: profiles, shifted geometric means, intervals. Infinite times are failures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["Interval", "bootstrap_mean", "profile_ratios", "share_within", "shifted_geometric_mean", "wilson"]

Array = NDArray[np.float64]

#: Draws of a bootstrap, and numbers drawn at a time.
_DRAWS, _CHUNK = 2000, 4_000_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval."""

    estimate: float
    low: float
    high: float


def shifted_geometric_mean(values: Sequence[float], shift: float) -> float:
    """Return exp(mean(log(value + shift))) - shift.

    Parameters
    ----------
    values
        Numbers of at least 0; not a number without any.
    shift
        Shift that keeps tiny numbers from deciding.
    """
    if not len(values):
        return math.nan
    return float(stats.gmean(np.asarray(values) + shift) - shift)


def profile_ratios(measures: Mapping[str, Array]) -> dict[str, Array]:
    """Return what performance profiles are drawn from: each measure over the least of all solvers on the same problem.

    Source: Dolan and More (2002).

    Parameters
    ----------
    measures
        Positive measure of every problem by solver, less is better, infinite where the solver failed; shape (P,).

    Returns
    -------
    dict
        Ratios of at least 1, infinite where the solver failed, shape (P,). Problems that no solver solved stay, so that
        a profile ends below 1 for all.
    """
    table = np.array(list(measures.values()))
    if not table.size:
        return {name: np.empty(0) for name in measures}
    least = table.min(axis=0)
    with np.errstate(invalid="ignore"):
        ratios = np.where(np.isfinite(table), table / np.where(np.isfinite(least), least, 1.0), np.inf)
    return dict(zip(measures, ratios, strict=True))


def share_within(values: Array, limits: Array) -> Array:
    """Return the share of values of at most each limit: the height of a profile there."""
    if not values.size:
        return np.zeros(len(limits))
    return np.searchsorted(np.sort(values), limits, side="right") / values.size


def wilson(successes: int, trials: int) -> Interval:
    """Return a share with Wilson's interval, from 0 to 1 without any trial.

    Source: Wilson (1927).
    """
    if not trials:
        return Interval(math.nan, 0.0, 1.0)
    interval = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    return Interval(successes / trials, float(interval.low), float(interval.high))


def bootstrap_mean(values: Sequence[float], seed: int = 0) -> Interval:
    """Return a mean with its percentile bootstrap interval, not a number without any value.

    Parameters
    ----------
    values
        Independent numbers; the interval of a single one is the number itself.
    seed
        Of the resampling.
    """
    mean = float(np.mean(values)) if len(values) else math.nan
    if len(values) < 2:
        return Interval(mean, mean, mean)
    found = stats.bootstrap(
        (values,), np.mean, n_resamples=_DRAWS, batch=max(_CHUNK // len(values), 1), method="percentile", rng=seed
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))
