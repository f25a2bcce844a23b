"""Slow references for the parametric form of any objective under any rows, from what the evaluator says alone.

At fixed association and resources, scores, costs, delays and rows are affine in phi but for the largest delay. So the
evaluations at phi = 0 and with one user at phi = 1 say all, and SciPy solves the rest.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp, minimize

from formulations import Allocation, Evaluation, Scenario, evaluate
from formulations.association.pair_resources import PairResources
from formulations.objective import DelayKind
from formulations.terms import Sites, upper_rows


def parametric(scenario: Scenario, allocation: Allocation, ratio: float) -> float:
    """What is maximised at a ratio y, by the evaluator."""
    e = evaluate(scenario, allocation)
    cost = scenario.cost(e.user_delay, e.energy_by_user)
    return float(scenario.objective.parametric(e.score, cost, ratio))


def row_values(scenario: Scenario, a: Allocation) -> np.ndarray:
    """Every row of largest values, relative to its unit, less its bound: at most zero where it is kept."""
    terms = Sites(scenario, a.server).terms(
        a.bandwidth, a.user_power, a.server_power, a.user_speed, a.server_speed, a.offload, 1.0 - a.offload
    )
    found = [rows.excess(rows.values(terms, a.server))[rows.active] for rows in upper_rows(scenario)]
    return np.concatenate([np.zeros(0), *found])


def best_offload(scenario: Scenario, allocation: Allocation, ratio: float) -> tuple[np.ndarray, float] | None:
    """The best phi and its value by a linear program, mixed-integer where offloading is binary; None where none is."""
    s, n = scenario, scenario.n_users
    zero = np.zeros(n)
    at_zero = replace(allocation, offload=zero)
    at_one = [replace(allocation, offload=np.eye(n)[user]) for user in range(n)]
    delay = evaluate(s, at_zero).user_delay
    slope = np.diag([evaluate(s, a).user_delay[user] - delay[user] for user, a in enumerate(at_one)])
    deadline = s.objective.delay is DelayKind.LARGEST
    # Without a price of time the value is affine; a deadline comes as a variable of its own.
    free = s.replace(weight_time=0.0) if deadline else s
    start = parametric(free, at_zero, ratio)
    gain = np.array([parametric(free, a, ratio) for a in at_one]) - start
    price = ratio * s.weight_time if deadline else 0.0
    unit = max(float(delay.max()), float((delay + slope.sum(axis=1)).max()))
    scale = abs(start) + np.abs(gain).sum()
    rows = row_values(s, at_zero)
    row_slopes = np.array([row_values(s, a) - rows for a in at_one]).T.reshape(len(rows), n)
    bounds = [LinearConstraint(np.column_stack([slope / unit, -np.ones(n)]), -np.inf, -delay / unit)]
    if len(rows):
        bounds.append(LinearConstraint(np.column_stack([row_slopes, np.zeros(len(rows))]), -np.inf, -rows))
    low, high = (zero, zero + 1.0) if s.constraints is None else s.constraints.offload.T
    binary = s.constraints is not None and s.constraints.binary_offload
    found = milp(
        np.append(-gain / scale, price * unit / scale),
        constraints=bounds,
        bounds=Bounds(np.append(low, 0.0), np.append(high, np.inf)),
        integrality=np.append(np.full(n, float(binary)), 0.0),
        options={"mip_rel_gap": 1e-9},
    )
    if found.x is None:
        return None
    phi = np.clip(np.round(found.x[:n]) if binary else found.x[:n], low, high)
    return phi, parametric(s, replace(allocation, offload=phi), ratio)


def best_pairs(scenario: Scenario, pairs: PairResources, ratio: float) -> tuple[Allocation, float]:
    """The best association and offloading at fixed resources that keeps the rows, by trying every association."""
    s, best, most = scenario, None, -np.inf
    for choice in itertools.product(range(s.n_servers), repeat=s.n_users):
        server = np.array(choice)
        if not s.allowed[np.arange(s.n_users), server].all():
            continue
        allocation = pairs.at(s, server, np.full(s.n_users, 0.5))
        found = best_offload(s, allocation, ratio)
        if found is not None and found[1] > most:
            best, most = replace(allocation, offload=found[0]), found[1]
    assert best is not None
    return best, most


FIELDS = ("bandwidth", "server_power", "server_speed", "user_power", "user_speed")


def climbed_by_slsqp(scenario: Scenario, start: Allocation, ratio: float, free: bool = False) -> Allocation:
    """What SciPy's general solver makes of an allocation at its association, phi free or fixed, under all rows.

    It may be a hair out of budgets and rows.
    """
    s, n, m = scenario, scenario.n_users, start.server
    budgets = (s.bandwidth_max[m], s.server_power_max[m], s.server_speed_max[m], s.user_power_max, s.user_speed_max)
    limit = dict(zip(FIELDS, budgets, strict=True))
    e = evaluate(s, start)
    unit, scale = e.delay, abs(parametric(s, start, ratio)) + ratio * s.cost(e.user_delay, e.energy_by_user)
    deadline = s.objective.delay is DelayKind.LARGEST
    timeless, second = (s.replace(weight_time=0.0), ratio * s.weight_time * unit) if deadline else (s, 0.0)

    def read(z: np.ndarray) -> Allocation:
        offload = z[5 * n : 6 * n] if free else start.offload
        held = {field: np.exp(z[i * n : i * n + n]) * limit[field] for i, field in enumerate(FIELDS)}
        return replace(start, offload=offload, **held)

    @lru_cache(maxsize=4)
    def judged(z: bytes) -> Evaluation:
        return evaluate(s, read(np.frombuffer(z)))

    def loss(z: np.ndarray) -> float:
        e = judged(z.tobytes())
        value = s.objective.parametric(e.score, timeless.cost(e.user_delay, e.energy_by_user), ratio)
        return float(second * z[-1] - value) / scale

    def room(z: np.ndarray) -> np.ndarray:
        a = read(z)
        loads = [np.bincount(m, getattr(a, f) / limit[f], minlength=s.n_servers) for f in FIELDS[:3]]
        late = [z[-1] - judged(z.tobytes()).user_delay / unit] if deadline else []
        return np.concatenate([*late, *(1.0 - load for load in loads), -row_values(s, a)])

    held = [np.log(np.maximum(getattr(start, f) / limit[f], 1e-6)) for f in FIELDS]
    low, high = s.offload_range
    bounds = [(np.log(1e-6), 0.0)] * (5 * n)
    if free:
        bounds += [*zip(low, high, strict=True)]
        held.append(start.offload)
    solved = minimize(
        loss, np.concatenate([*held, [1.0]]), method="SLSQP", bounds=[*bounds, (0.0, None)],
        constraints={"type": "ineq", "fun": room}, options={"maxiter": 150, "ftol": 1e-9},
    )  # fmt: skip
    z = np.clip(solved.x, [b[0] for b in bounds] + [0.0], [b[1] for b in bounds] + [np.inf])
    return read(z).within_budgets(s)
