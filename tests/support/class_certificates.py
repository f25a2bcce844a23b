"""Certificates of the whole class: boxes bounded as `bnp` does, cut a few times, without its search for allocations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from dashf_pyomo.algorithms.dual.bounding import ByInterval
from dashf_pyomo.algorithms.dual.branching import TreeBranching
from dashf_pyomo.algorithms.dual.certify import certificate_of, certificate_of_infeasibility
from dashf_pyomo.algorithms.dual.columns import ColumnPool
from dashf_pyomo.algorithms.dual.infeasible import prove_infeasible
from dashf_pyomo.algorithms.dual.problem import SeparableProblem
from dashf_pyomo.algorithms.dual.settings import Cutoff, Settings
from dashf_pyomo.algorithms.dual.tree import Tree
from dashf_pyomo.certificate import Certificate
from dashf_pyomo.deadline import Deadline
from formulations import Allocation, Scenario, evaluate
from formulations.joint.data import JointData


@dataclass(frozen=True, eq=False)
class ClassCase:
    """A scenario, allocations, the value of the best of them, a certificate, and whether that reaches its bound.

    `bound` is what the kernels claim.
    """

    scenario: Scenario
    allocations: list[Allocation]
    known: float
    certificate: Certificate
    reaches: bool
    bound: float

    @property
    def sign(self) -> float:
        """Minus one where the objective is a cost."""
        return -1.0 if self.scenario.objective.sense == "min" else 1.0


def certified(scenario: Scenario, allocations: list[Allocation], cuts: int = 2, accuracy: float = 1e-3) -> ClassCase:
    """Bound a scenario from its best allocation, which is feasible, and write the certificate of the bound."""
    values = [evaluate(scenario, allocation).value for allocation in allocations]
    best = int(np.argmin(values) if scenario.objective.sense == "min" else np.argmax(values))
    problem = SeparableProblem(JointData.of(scenario, allocations[best]))
    pool, unit = ColumnPool(), problem.data.value_unit
    run: Any = SimpleNamespace(incumbent=(allocations[best], values[best]), limits=SimpleNamespace(gap=1e-6))
    cutoff = Cutoff(run, unit)
    settings = Settings("", accuracy, 2000, True, True, 0, 0, 30, Deadline(None))
    pool.add(*problem.columns_of(allocations[best]))
    bounding = ByInterval(problem, pool, settings, cutoff)
    branching = TreeBranching(bounding, pool, cutoff, accuracy)
    box, ratio = problem.whole(), cutoff.value if problem.cost_price is None else problem.cost_price
    tree = Tree(box, bounding.root(box, problem.shadow(allocations[best], ratio)))
    for _ in range(cuts):
        cut = branching.cut(tree.worst())
        if cut is None:
            break
        tree.divide(cut, bounding.parts(tree, cut))
    bound = tree.bound * unit
    bound += 1e-12 * abs(bound) * np.sign(unit)
    certificate, reaches = certificate_of(problem, tree, bound, 0.3 * accuracy)
    return ClassCase(scenario, allocations, values[best], certificate, reaches, bound)


def some_allocations(scenario: Scenario, count: int = 100, steps: int = 300, seed: int = 0) -> list[Allocation]:
    """Allocations that break nothing, of very different delays, and those of a random climb from the best of them."""
    rng, n, extra = np.random.default_rng(seed), scenario.n_users, scenario.constraints
    low, high = (np.zeros(n), np.ones(n)) if extra is None else extra.offload.T
    better, best, most = scenario.objective.better, None, scenario.objective.worst
    found = []

    def tried(server: np.ndarray, shares: np.ndarray, offload: np.ndarray) -> bool:
        nonlocal best, most
        offload = np.clip(np.round(offload) if extra is not None and extra.binary_offload else offload, low, high)
        budgets = scenario.bandwidth_max, scenario.server_power_max, scenario.server_speed_max
        bandwidth, power, speed = (share * budget[server] for share, budget in zip(shares[:3], budgets, strict=True))
        caps = scenario.user_power_max, scenario.user_speed_max
        user_power, user_speed = (share * cap for share, cap in zip(shares[3:], caps, strict=True))
        one = Allocation(server, offload, bandwidth, user_power, power, user_speed, speed).within_budgets(scenario)
        e = evaluate(scenario, one)
        if e.max_violation > 0.0 or not np.isfinite(e.value):
            return False
        if best is None or better(e.value, most):
            best, most = (server, shares, offload), e.value
            found.append(one)
            return True
        return False

    for _ in range(count):
        server = np.array([rng.choice(np.flatnonzero(allowed)) for allowed in scenario.allowed])
        tried(server, 10.0 ** rng.uniform(-1.0, 0.0, (5, n)), rng.choice([0.0, 0.5, 1.0], n))
    for step in range(steps):
        assert best is not None, "no allocation was found"
        server, shares, offload = best
        size = 10.0 ** rng.uniform(-3.0, 0.0)
        moved = np.minimum(
            shares * np.exp(size * rng.normal(size=shares.shape) * (rng.random(shares.shape) < 0.3)), 1.0
        )
        turned = np.where(rng.random(n) < 0.2, rng.choice([0.0, 1.0], n), offload + size * rng.normal(size=n))
        other = server
        if step % 5 == 0:
            other = server.copy()
            user = rng.integers(n)
            other[user] = rng.choice(np.flatnonzero(scenario.allowed[user]))
        tried(other, moved, turned if step % 2 else offload)
    return found


@cache
def case_of(name: str) -> ClassCase:
    """One of `CASES`."""
    made = CASES[name]
    scenario = Scenario.random(**{"users": 2, "servers": 2, "seed": 0, **made})
    return certified(scenario, some_allocations(scenario))


CASES: dict[str, dict[str, Any]] = {
    "scr": {},
    "weights": {"objective": {"user_weight": [1.0, 3.0]}},
    "cost": {"objective": {"kind": "cost"}},
    "cost of the mean": {"objective": {"kind": "cost", "delay": "mean"}},
    "weighted cost of the sum": {"objective": {"kind": "cost", "delay": "sum", "user_weight": [1.0, 3.0]}},
    "scr of the mean": {"objective": {"delay": "mean"}},
    "utility": {"objective": {"kind": "utility", "price": 500.0}},
    "utility of the sum": {"objective": {"kind": "utility", "price": 100.0, "delay": "sum"}},
    "users per server": {"users": 3, "constraints": {"users_per_server": 2}},
    "energies": {"constraints": {"user_energy": 500.0, "server_energy": [500.0, None], "total_energy": 400.0}},
    "mean delay": {"constraints": {"mean_delay": 12.0}},
    "cost, mean delay": {"objective": {"kind": "cost"}, "constraints": {"mean_delay": 12.0}},
    "cost of the mean, delay row": {
        "objective": {"kind": "cost", "delay": "mean"},
        "constraints": {"rows": [{"name": "two", "at_most": 20.0, "terms": [{"attribute": "delay", "users": [0, 1]}]}]},
    },
    "floor": {
        "constraints": {
            "rows": [
                {
                    "name": "band",
                    "at_most": -6e6,
                    "terms": [
                        {"attribute": "bandwidth", "users": [0], "coefficient": -1.0},
                    ],
                },
                {
                    "name": "mixed",
                    "at_most": 0.0,
                    "terms": [
                        {"attribute": "offload", "users": [0]},
                        {"attribute": "offload", "users": [1], "coefficient": -1.0},
                        {"attribute": "served", "users": [1], "servers": [1], "coefficient": -0.5},
                    ],
                },
            ]
        }
    },
    "ranges": {"constraints": {"offload": [[0.2, 0.6], [0.5, 0.5]]}},
    "binary": {"constraints": {"binary_offload": True}},
    "binary, mean delay": {"constraints": {"binary_offload": True, "mean_delay": 12.0}},
    "delay limits": {"constraints": {"delay_limit": [20.0, None]}},
    "cost, delay limits": {
        "objective": {"kind": "cost", "delay": "sum"},
        "constraints": {"delay_limit": [20.0, None]},
    },
    "rates": {"constraints": {"uplink_rate": 5e6, "downlink_rate": [1e7, None]}},
    "sqrt score": {"objective": {"score": "sqrt"}},
    "linear score": {"objective": {"kind": "utility", "price": 1.0, "score": "linear"}},
    "no weight of delay": {
        "weight_time": 0.0,
        "objective": {"kind": "cost"},
        "constraints": {"delay_limit": [60.0, None], "mean_delay": 50.0},
    },
    "scr, no weight of delay": {"weight_time": 0.0, "constraints": {"delay_limit": 60.0}},
}


def refuted(scenario: Scenario) -> Certificate | None:
    """Return the certificate that a scenario has no allocation, if prices of its rows and budgets prove it."""
    settings = Settings("", 1e-3, 500, True, True, 0, 0, 30, Deadline(None))
    run: Any = SimpleNamespace(scenario=scenario)
    proof = prove_infeasible(run, settings)
    return None if proof is None else certificate_of_infeasibility(*proof)[0]
