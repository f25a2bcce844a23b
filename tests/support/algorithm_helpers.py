"""Shared by the tests of the algorithms: random cases, and slow reference solutions that share no code with ours.

The references take times, energies and scores from `formulations.evaluate` alone: both are affine in phi, so
the evaluations at phi = 0 and phi = 1 say all about the offloading program.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from scipy.optimize import linprog

from dashf_pyomo.backends import BackendLimits, capable_backends
from formulations import Allocation, Scenario, evaluate
from formulations.association.coefficients import AssociationCoefficients
from formulations.association.model import AssociationSolution
from formulations.association.pair_resources import PairResources, start_allocation
from formulations.formulation import Formulation, Subproblem, formulations

RESOURCES = ("bandwidth", "server_power", "server_speed")


def random_allocation(scenario: Scenario, seed: int) -> Allocation:
    """A random association with random shares that fill most of every budget, and random offloading."""
    rng = np.random.default_rng(seed)
    n, m = scenario.n_users, scenario.n_servers
    server = rng.integers(m, size=n)
    held = {}
    for name in RESOURCES:
        weight = rng.uniform(0.2, 1.0, n)
        load = np.bincount(server, weight, minlength=m)[server]
        held[name] = 0.95 * weight / load * getattr(scenario, _budget(name))[server]
    return Allocation(
        server=server,
        offload=rng.uniform(size=n),
        user_power=rng.uniform(0.3, 1.0, n) * scenario.user_power_max,
        user_speed=rng.uniform(0.3, 1.0, n) * scenario.user_speed_max,
        **held,
    )


def random_pairs(scenario: Scenario, seed: int, size: float = 2.0) -> PairResources:
    """Random resources on all pairs; for `size` above 1 not every association fits, but one always does."""
    rng = np.random.default_rng(seed)
    known = random_allocation(scenario, seed)
    users = np.arange(scenario.n_users)
    held = {}
    for name in RESOURCES:
        share = rng.uniform(0.1, size, scenario.channel_gain.shape) / scenario.n_users
        pairs = share * getattr(scenario, _budget(name))
        pairs[users, known.server] = getattr(known, name)
        held[name] = pairs
    return PairResources(**held, user_power=known.user_power, user_speed=known.user_speed)


def some_ratio(scenario: Scenario, seed: int) -> float:
    """A ratio y around the SCR of the start point, from a hundredth of it to a hundred times."""
    return evaluate(scenario, start_allocation(scenario)).scr * 10.0 ** np.random.default_rng(seed).uniform(-2, 2)


def cost(scenario: Scenario, allocation: Allocation, ratio: float) -> float:
    """The objective of (6) and minus that of (10): y times the cost minus the score."""
    e = evaluate(scenario, allocation)
    energy = scenario.weight_energy * e.energy if scenario.weight_energy else 0.0
    return ratio * (scenario.weight_time * e.delay + energy) - e.score


def offloading_by_linprog(scenario: Scenario, allocation: Allocation, ratio: float) -> np.ndarray:
    """The offloading that SciPy's linear programming finds best; an end that takes forever is shut."""
    one = evaluate(scenario, replace(allocation, offload=np.ones(scenario.n_users)))
    zero = evaluate(scenario, replace(allocation, offload=np.zeros(scenario.n_users)))
    closed_one, closed_zero = ~np.isfinite(one.user_delay), ~np.isfinite(zero.user_delay)
    low = np.where(closed_zero & ~closed_one, 1.0, 0.0)
    high = np.where(closed_one, 0.0, 1.0)
    t1, t0 = (np.where(np.isfinite(e.user_delay), e.user_delay, 0.0) for e in (one, zero))
    e1, e0 = (np.where(np.isfinite(e.energy_by_user), e.energy_by_user, 0.0) for e in (one, zero))
    unit = max(np.max(np.minimum(t0, t1)), np.finfo(float).tiny)
    slope = scenario.weight_energy * (e1 - e0)
    scale = max(scenario.weight_time * unit, np.max(np.abs(slope)) if slope.size else 0.0)
    solved = linprog(
        np.append(slope / scale, scenario.weight_time * unit / scale),
        A_ub=np.column_stack([np.diag((t1 - t0) / unit), -np.ones(scenario.n_users)]),
        b_ub=-t0 / unit,
        bounds=[*zip(low, np.maximum(high, low), strict=True), (0, None)],
    )
    assert solved.status == 0, solved.message
    return np.clip(solved.x[:-1], low, np.maximum(high, low))


def budgets_allow(scenario: Scenario, pairs: PairResources, server: np.ndarray) -> bool:
    """Whether an association fits the budgets of all servers."""
    users = np.arange(scenario.n_users)
    for name in RESOURCES:
        budget = getattr(scenario, _budget(name))
        load = np.bincount(server, getattr(pairs, name)[users, server], minlength=scenario.n_servers)
        if np.any(load > budget * (1 + 1e-9)):
            return False
    return True


def best_association(scenario: Scenario, pairs: PairResources, ratio: float) -> tuple[float, int]:
    """The optimum of AO part 1 by trying every association, and how many the budgets allow."""
    values = []
    for choice in itertools.product(range(scenario.n_servers), repeat=scenario.n_users):
        server = np.array(choice)
        if budgets_allow(scenario, pairs, server):
            allocation = pairs.at(scenario, server, np.full(scenario.n_users, 0.5))
            offload = offloading_by_linprog(scenario, allocation, ratio)
            values.append(cost(scenario, replace(allocation, offload=offload), ratio))
    return min(values), len(values)


def entries(subproblem: Subproblem) -> dict[str, Formulation]:
    """Every registered formulation of a subproblem."""
    return {entry.name: entry for entry in formulations.values() if entry.subproblem is subproblem}


def solve_association(
    name: str,
    scenario: Scenario,
    coefficients: AssociationCoefficients,
    delay_rows: str = "aggregated",
    face: str = "auto",
) -> AssociationSolution:
    """Solve a formulation of AO part 1 by the first backend that manages, as the methods do."""
    entry = entries(Subproblem.ASSOCIATION)[name]
    outcomes = []
    for language, backend in capable_backends(entry, face=face):
        model = entry.faces[language](scenario, delay_rows=delay_rows)
        model.update(coefficients)
        outcomes.append(backend.solve(model.problem, BackendLimits()))
        if outcomes[-1].status.has_solution:
            return model.solution()
    raise AssertionError(outcomes)


def _budget(resource: str) -> str:
    return f"{resource}_max"
