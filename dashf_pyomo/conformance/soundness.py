"""Soundness of methods that prove bounds: no bound may lie below an SCR that any method reaches.

Random small scenarios of wide magnitudes, and the best SCR that enumeration of the associations with many local starts,
and the methods, find on them. Everything is judged by `formulations.evaluate`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from formulations import Allocation, InputError, Scenario, evaluate
from formulations.association.pair_resources import equal_split

from ..algorithms import Limits, configure, run_method
from ..algorithms.run import Run
from ..algorithms.steps import ResourceStep
from ..backends import BackendError
from ..result import Result
from ..status import Claim

__all__ = ["JudgedBound", "best_known", "judge_bound", "wide_scenario"]

#: A bound may be below a reached SCR by this much, relative: the last bits of the evaluator and of unit conversion.
ROUNDING = 1e-9

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


def best_known(scenario: Scenario, methods: Iterable[str] = ("dashf-plus",), most_associations: int = 81) -> Allocation:
    """Return the best allocation that methods, and local starts at every association, find.

    Parameters
    ----------
    scenario
        The problem; with more than `most_associations` associations, only as many random ones are tried.
    methods
        Names of methods to run too; failures are ignored.
    most_associations
        See `scenario`.
    """
    s = scenario
    run = Run(s, Limits())
    run.record(equal_split(s, np.zeros(s.n_users, np.int64), np.full(s.n_users, 0.5)))
    for name in methods:
        try:
            found = configure(name, {}).solve(s).allocation
        except BackendError:
            continue
        if found is not None:
            run.record(found)
    allocate = ResourceStep(run, "joint-nlp", "auto", 1e-4, 3, optional=True)
    if s.n_servers**s.n_users <= most_associations:
        associations = [np.array(chosen) for chosen in itertools.product(range(s.n_servers), repeat=s.n_users)]
    else:
        rng = np.random.default_rng(0)
        associations = [rng.integers(s.n_servers, size=s.n_users) for _ in range(most_associations)]
    for server in associations:
        for offload in (0.01, 0.99):
            start = equal_split(s, server, np.full(s.n_users, offload))
            try:
                reached, _ = allocate(start, max(run.incumbent[1], evaluate(s, start).scr))
                run.record(reached)
            except BackendError:
                continue
    return run.incumbent[0]


@dataclass(frozen=True)
class JudgedBound:
    """Bound of a result, judged against the best SCR known.

    Parameters
    ----------
    sound
        Whether the bound is at least every SCR that was reached, and it claims no more than the gap allows.
    best
        Best SCR reached by any method.
    result
        The result.
    """

    sound: bool
    best: float
    result: Result


def judge_bound(
    scenario: Scenario, method: str, known: Allocation, time_limit: float = 60.0, **options: Any
) -> JudgedBound | None:
    """Run a method and judge its bound against a known allocation and its own; None where it declines the scenario."""
    try:
        result = run_method(configure(method, options), scenario, Limits(time_limit=time_limit))
    except InputError:
        return None
    reached = evaluate(scenario, known)
    best = max(reached.scr if reached.feasible else 0.0, result.scr or 0.0)
    bound = result.upper_bound
    sound = bound is None or bound >= best * (1.0 - ROUNDING)
    if result.claim is Claim.CERTIFIED:
        sound = sound and result.gap is not None and result.gap <= 1e-3
    return JudgedBound(sound, best, result)
