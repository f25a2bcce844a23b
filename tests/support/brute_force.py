"""The best SCR of tiny scenarios, extra constraints included, by enumeration and many starts of SLSQP.

It uses the evaluator alone, none of the formulations or backends.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from scipy.optimize import minimize

from formulations import Allocation, Scenario, evaluate


def best_scr(scenario: Scenario, starts: int = 12) -> float:
    """Return the best SCR found over all associations; zero if nothing feasible was found."""
    associations = itertools.product(range(scenario.n_servers), repeat=scenario.n_users)
    return max(_best_at(scenario, np.array(server), starts) for server in associations)


def _best_at(s: Scenario, server: np.ndarray, starts: int) -> float:
    n, m, extra = s.n_users, server, s.constraints
    if extra is not None and not extra.allowed[np.arange(n), m].all():
        return 0.0
    rng = np.random.default_rng(0)
    members = np.equal.outer(np.arange(s.n_servers), m).astype(float)

    def allocation(x: np.ndarray) -> Allocation:
        beta, pi, psi, p, f = np.exp(x[: 5 * n]).reshape(5, n)
        return Allocation(
            server=m,
            offload=np.clip(x[5 * n : 6 * n], 0, 1),
            bandwidth=beta * s.bandwidth_max[m],
            server_power=pi * s.server_power_max[m],
            server_speed=psi * s.server_speed_max[m],
            user_power=p * s.user_power_max,
            user_speed=f * s.user_speed_max,
        )

    def loss(x: np.ndarray) -> float:
        e = evaluate(s, allocation(x[:-1]))
        return -np.log(e.score / (s.weight_time * np.exp(x[-1]) + s.weight_energy * e.energy))

    def room(x: np.ndarray) -> np.ndarray:
        a = allocation(x[:-1])
        e = evaluate(s, a)
        delay = np.log(np.maximum(e.user_delay, 1e-300))
        parts = [x[-1] - delay, 1 - (members @ np.exp(x[: 3 * n].reshape(3, n)).T).ravel()]
        if extra is not None:
            gain = s.channel_gain[np.arange(n), m] / s.noise_psd
            for power, least in ((a.user_power, extra.uplink_rate), (a.server_power, extra.downlink_rate)):
                rate = a.bandwidth * np.log2(1 + gain * power / a.bandwidth)
                parts.append(rate / np.where(least > 0, least, 1.0) - (least > 0))
            timed, budgeted = np.isfinite(extra.delay_limit), np.isfinite(extra.server_energy)
            parts.append((np.log(extra.delay_limit) - delay)[timed])
            spent = np.bincount(m, e.energy_server + e.energy_downlink, minlength=s.n_servers)
            parts.append((1 - spent / extra.server_energy)[budgeted])
        return np.concatenate(parts)

    best = 0.0
    bounds = [(np.log(1e-7), 0.0)] * (5 * n) + [(0.0, 1.0)] * n + [(None, None)]
    # Everybody at one side or the other first: 2^n starts are the least that see every local optimum of a tiny case.
    corners = itertools.cycle(sorted(itertools.product([0.0, 1.0, 0.5], repeat=n), key=lambda phi: phi.count(0.5)))
    rows: Any = {"type": "ineq", "fun": lambda x: room(x) - 1e-9}
    for _ in range(starts):
        shares = rng.dirichlet(np.ones(n), size=3) * rng.uniform(0.3, 1.0)
        x = np.concatenate([np.log(shares).ravel(), np.log(rng.uniform(0.05, 1.0, 2 * n)), next(corners)])
        x = np.append(x, np.log(evaluate(s, allocation(x)).delay))
        for _ in range(3):
            with np.errstate(all="ignore"):
                x = minimize(loss, x, method="SLSQP", bounds=bounds, constraints=rows, options={"maxiter": 300}).x
        e = evaluate(s, allocation(x[:-1]).within_budgets(s))
        if e.feasible:
            best = max(best, e.scr)
    return best
