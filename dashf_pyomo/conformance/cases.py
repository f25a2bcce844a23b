"""Small instances with known values, and how the values were found.

``python -c "from dashf_pyomo.conformance import cases; cases.main()"`` finds them again and writes ``cases.json``. AO
part 1 is enumerated: every association that keeps the budgets, each with its offloading program solved by SciPy's
linear programming. AO part 2 is not convex; its best known value is the best of many starts of SciPy's SLSQP on the
evaluator itself. Of the whole problem, for a few cases, every association is tried that way. None of it uses a
formulation or backend of ours.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, Scenario, evaluate
from formulations.association.coefficients import AssociationCoefficients
from formulations.association.pair_resources import PairResources, equal_split, start_allocation

__all__ = ["Case", "known_cases"]

_FILE = Path(__file__).with_name("cases.json")

#: (users, servers, seed, resources on the pairs): sizes with one user, one server, more servers than users,
#: and budgets that bind (``hold`` around an equal split).
_INSTANCES = (
    (1, 1, 0, "equal"),
    (1, 3, 1, "equal"),
    (2, 4, 2, "equal"),
    (3, 1, 3, "equal"),
    (3, 2, 4, "hold"),
    (4, 2, 5, "equal"),
    (4, 3, 7, "hold"),
    (5, 2, 8, "hold"),
)


#: Cases whose best known SCR is found too.
_JOINT = ("1x1-seed0-equal", "1x3-seed1-equal", "3x1-seed3-equal")


@dataclass(frozen=True)
class Case:
    """An instance of both subproblems, and of the whole.

    Parameters
    ----------
    name
        Name of the case.
    scenario
        The data.
    pairs
        Resources on all pairs for AO part 1.
    start
        Association, offloading and start of the resources for AO part 2.
    ratio
        Dinkelbach's y.
    association_value
        Optimal value of (6), score units (enumeration).
    resource_value
        Best known value of (10), score minus y times cost (multistart).
    joint_value
        The same with the offloading free.
    best_ratio
        Best known SCR of the whole problem (enumeration of associations, multistart for each), or NaN.
    """

    name: str
    scenario: Scenario
    pairs: PairResources
    start: Allocation
    ratio: float
    association_value: float = np.nan
    resource_value: float = np.nan
    joint_value: float = np.nan
    best_ratio: float = np.nan

    def objective(self, allocation: Allocation) -> float:
        """Return score minus y times cost."""
        s = self.scenario
        e = evaluate(s, allocation)
        return e.score - self.ratio * (s.weight_time * e.delay + s.weight_energy * e.energy)


@cache
def known_cases() -> tuple[Case, ...]:
    """Return all cases with their stored values."""
    stored = json.loads(_FILE.read_text(encoding="utf-8"))["values"]
    return tuple(replace(case, **stored[case.name]) for case in _instances())


def _instances() -> list[Case]:
    cases = []
    for users, servers, seed, resources in _INSTANCES:
        scenario = Scenario.random(users, servers, seed)
        start = start_allocation(scenario)
        if resources == "equal":
            pairs = PairResources.equal(scenario)
        else:
            split = equal_split(scenario, start.server, start.offload)
            pairs = PairResources.around(scenario, split, resources)
        # Mixed offloading with both ends, at a ratio where score and cost matter alike.
        mixed = np.resize([0.5, 1.0, 0.0], users)
        name = f"{users}x{servers}-seed{seed}-{resources}"
        ratio = 10.0 * evaluate(scenario, start).scr
        cases.append(Case(name, scenario, pairs, replace(start, offload=mixed), ratio))
    return cases


def _enumerate(case: Case) -> float:
    """Return the optimal value of (6) by enumeration and linear programming."""
    from scipy.optimize import linprog

    c = AssociationCoefficients.of(case.scenario, case.pairs, case.ratio)
    n, m = case.scenario.n_users, case.scenario.n_servers
    users = np.arange(n)
    best = np.inf
    for chosen in itertools.product(range(m), repeat=n):
        server = np.array(chosen)
        shares = (c.bandwidth_share, c.power_share, c.speed_share)
        if any(np.any(np.bincount(server, share[users, server], minlength=m) > 1 + 1e-9) for share in shares):
            continue
        at_zero = c.server_time[users, server]
        slope = c.local_time + c.uplink_time[users, server] - at_zero
        rows = np.hstack([np.diag(slope), -np.ones((n, 1))])
        cost = np.append(c.local_cost + c.product_cost[users, server], c.time_price)
        found = linprog(cost, A_ub=rows, b_ub=-at_zero, bounds=[(0, 1)] * n + [(0, None)])
        best = min(best, float(found.fun + c.pair_cost[users, server].sum()))
    return best * c.objective_unit


def _multistart(case: Case, free_offloading: bool) -> float:
    """Return the best value of (10) over many starts of SLSQP, judged by the evaluator."""
    return case.objective(_climb(case, free_offloading, 60 if case.scenario.n_users <= 3 else 20))


def _best_ratio(case: Case) -> float:
    """Return the best SCR over all associations: for each a multistart at y, then again at the SCR it found."""
    s, best = case.scenario, 0.0
    for chosen in itertools.product(range(s.n_servers), repeat=s.n_users):
        start = equal_split(s, np.array(chosen), np.full(s.n_users, 0.5))
        here = evaluate(s, start).scr
        corners = 3**s.n_users
        for starts in (2 * corners, corners, corners):
            found = _climb(replace(case, start=start, ratio=max(here, best)), True, starts, corners=True)
            here = max(here, evaluate(s, found).scr)
        best = max(best, here)
    return best


def _climb(case: Case, free_offloading: bool, starts: int, corners: bool = False) -> Allocation:
    """Return the allocation with the best value of (10) over many starts of SLSQP.

    The offloading, where it is free, starts at random from {0, 0.5, 1}, or in turn from all corners of that grid.
    """
    from scipy.optimize import minimize

    s, start = case.scenario, case.start
    n, m = s.n_users, start.server
    rng = np.random.default_rng(0)
    members = np.equal.outer(np.arange(s.n_servers), m).astype(np.float64)
    width = 6 if free_offloading else 5

    def allocation(x: NDArray[np.float64]) -> Allocation:
        beta, pi, psi, p, f = np.exp(x[: 5 * n]).reshape(5, n)
        return replace(
            start,
            offload=np.clip(x[5 * n : 6 * n], 0, 1) if free_offloading else start.offload,
            bandwidth=beta * s.bandwidth_max[m],
            server_power=pi * s.server_power_max[m],
            server_speed=psi * s.server_speed_max[m],
            user_power=p * s.user_power_max,
            user_speed=f * s.user_speed_max,
        )

    def cost(x: NDArray[np.float64]) -> float:
        # The deadline is a variable, so that the objective is smooth.
        e = evaluate(s, allocation(x[:-1]))
        return float(
            -(e.score - case.ratio * (s.weight_time * np.exp(x[-1]) + s.weight_energy * e.energy)) / s.score_scale
        )

    def room(x: NDArray[np.float64]) -> NDArray[np.float64]:
        delays = evaluate(s, allocation(x[:-1])).user_delay
        loads = (members @ np.exp(x[: 3 * n].reshape(3, n)).T).ravel()
        return np.concatenate([x[-1] - np.log(np.maximum(delays, 1e-300)), 1 - loads])

    best = start
    bounds = [(np.log(1e-7), 0.0)] * (5 * n) + [(0.0, 1.0)] * ((width - 5) * n) + [(None, None)]
    grid = itertools.cycle(itertools.product([0.0, 0.5, 1.0], repeat=n))
    for _ in range(starts):
        shares = rng.dirichlet(np.ones(n), size=3) * rng.uniform(0.3, 1.0)
        x = np.concatenate([np.log(shares).ravel(), np.log(rng.uniform(0.05, 1.0, 2 * n))])
        if free_offloading:
            x = np.concatenate([x, next(grid) if corners else rng.choice([0.0, 0.5, 1.0], n)])
        x = np.append(x, np.log(evaluate(s, allocation(x)).delay))
        found = minimize(
            cost, x, method="SLSQP", bounds=bounds, constraints={"type": "ineq", "fun": room}, options={"maxiter": 200}
        )
        if np.all(np.isfinite(found.x)):
            best = max(best, allocation(found.x[:-1]).within_budgets(s), key=case.objective)
    return best


def main() -> None:
    """Find all values again and store them."""
    values: dict[str, Any] = {}
    for case in _instances():
        values[case.name] = {
            "association_value": _enumerate(case),
            "resource_value": _multistart(case, free_offloading=False),
            "joint_value": _multistart(case, free_offloading=True),
        }
        if case.name in _JOINT:
            values[case.name]["best_ratio"] = _best_ratio(case)
        print(case.name, values[case.name], flush=True)
    document = {
        "found_by": "dashf_pyomo.conformance.cases.main(): (6) by enumeration of all associations with "
        "scipy.optimize.linprog for the offloading; (10) and its joint form by the best of 60 starts of SLSQP "
        "(20 beyond three users); best_ratio by all associations, each with 4 starts of SLSQP from every corner of "
        "{0, 0.5, 1}^N",
        "values": values,
    }
    _FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
