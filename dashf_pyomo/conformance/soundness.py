"""Soundness of methods that prove bounds: no bound may exclude a value that anybody reaches.

Random small scenarios of wide magnitudes, and the best value that local starts at the associations, and the methods,
find on them. Everything is judged by `formulations.evaluate`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations import Allocation, InputError, Scenario, evaluate

from ..algorithms import Limits, configure, run_method
from ..backends import BackendError
from ..result import Result
from .claims import faults
from .reference import climb, combinations

__all__ = ["JudgedBound", "best_known", "judge_bound", "wide_scenario"]

#: Fields that are drawn anew; the others are the paper's.
_SPREAD = (
    "bandwidth_max",
    "user_power_max",
    "server_power_max",
    "user_speed_max",
    "server_speed_max",
    "user_capacitance",
    "server_capacitance",
    "adapter_params",
    "flops_per_param",
    "channel_gain",
    "weight_time",
    "weight_energy",
    "score_norm",
)


def wide_scenario(seed: int, most_users: int = 4, most_servers: int = 3) -> Scenario:
    """Return a small scenario around the paper's values, each up to a factor of 2, 10 or 100 away.

    Among them are single users and servers, more servers than users, identical users, and free energy.

    Parameters
    ----------
    seed
        Of every draw.
    most_users, most_servers
        Largest N and M.
    """
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, most_users + 1)), int(rng.integers(1, most_servers + 1))
    base = Scenario.random(n, m, seed)
    decades = float(rng.choice([0.3, 1.0, 2.0]))
    identical = bool(rng.uniform() < 0.15)
    values: dict[str, Any] = {}
    for field in _SPREAD:
        value = np.asarray(getattr(base, field))
        factor = 10.0 ** rng.uniform(-decades, decades, value.shape)
        if identical and value.ndim and value.shape[0] == n and field not in ("bandwidth_max", "server_power_max"):
            value, factor = np.broadcast_to(value[:1], value.shape), np.broadcast_to(factor[:1], factor.shape)
        drawn = value * factor
        values[field] = drawn.tolist() if drawn.ndim else float(drawn)
    if rng.uniform() < 0.1:
        values["weight_energy"] = 0.0
    return Scenario.from_dict({**base.to_dict(), **values, "name": f"wide-{seed}"})


def best_known(
    scenario: Scenario, methods: Iterable[str] = ("dashf-plus",), most_associations: int = 81, starts: int = 16
) -> Allocation | None:
    """Return the best allocation that methods, and local starts at every association, find; None if they find none.

    Parameters
    ----------
    scenario
        The problem; with more than `most_associations` associations, only as many random ones are tried.
    methods
        Names of methods to run too; failures are ignored, and refusals.
    most_associations
        See `scenario`; patterns of binary phi count as associations of their own.
    starts
        Starts of each, see `reference_optimum`.
    """
    candidates = list(combinations(scenario))
    if len(candidates) > most_associations:
        chosen = np.random.default_rng(0).choice(len(candidates), most_associations, replace=False)
        candidates = [candidates[index] for index in chosen]
    found = [climb(scenario, iter(candidates), starts).allocation]
    for name in methods:
        try:
            found.append(configure(name, {}).solve(scenario).allocation)
        except (BackendError, InputError):
            continue
    best: tuple[Allocation, float] | None = None
    for allocation in found:
        e = None if allocation is None else evaluate(scenario, allocation)
        if allocation is None or e is None or not e.feasible:
            continue
        if best is None or scenario.objective.better(e.value, best[1]):
            best = allocation, e.value
    return None if best is None else best[0]


@dataclass(frozen=True)
class JudgedBound:
    """Bound of a result, judged against the best value known.

    Parameters
    ----------
    faults
        What is false in the claims of the result, in words.
    best
        Best value reached, by the known allocation or the result's own; None where there is none.
    result
        The result.
    """

    faults: tuple[str, ...]
    best: float | None
    result: Result

    @property
    def sound(self) -> bool:
        """Whether no claim is false."""
        return not self.faults


def judge_bound(
    scenario: Scenario, method: str, known: Allocation | None, time_limit: float = 60.0, **options: Any
) -> JudgedBound | None:
    """Run a method and judge its claims against a known allocation and its own; None where it declines the scenario."""
    configured = configure(method, options)
    if configured.refusal(scenario):
        return None
    result = run_method(configured, scenario, Limits(time_limit=time_limit))
    best: float | None = None
    for allocation in (known, result.allocation):
        e = None if allocation is None else evaluate(scenario, allocation)
        if e is not None and e.feasible and (best is None or scenario.objective.better(e.value, best)):
            best = e.value
    return JudgedBound(tuple(faults(scenario, result, best)), best, result)
