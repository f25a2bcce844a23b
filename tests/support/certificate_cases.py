"""Small real certificates: prices by a descent in floats, leaves from the kernels, a tree over all deadlines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

import dashf_pyomo
from dashf_pyomo.algorithms.dual.kernels.pricing import prove_pair, search_pairs
from dashf_pyomo.certificate import (
    ByDeadline,
    ByOffload,
    ByServers,
    Certificate,
    Empty,
    Late,
    LeafClaim,
    Node,
    by_deadlines,
)
from formulations import Allocation, Scenario, evaluate
from formulations.joint.data import JointData
from formulations.scaled import ScaledPairs

SCENARIOS: dict[str, dict[str, Any]] = {
    "2x2": {"users": 2, "servers": 2, "seed": 0},
    "3x2": {"users": 3, "servers": 2, "seed": 1},
    "3x1": {"users": 3, "servers": 1, "seed": 2},
    "slow users": {"users": 2, "servers": 2, "seed": 3, "user_speed_max": 1.958e12},
    "wide": {
        "users": 2, "servers": 2, "seed": 4, "user_gpus": [1, 64], "server_gpus": [8, 1], "noise_psd": 1e-22,
        "bandwidth_max": [1e4, 1e9], "server_power_max": [1e3, 1e-2], "user_power_max": [1e-3, 10.0],
        "user_epochs": [50, 1], "score_norm": 30.0, "weight_energy": 1e-4, "bits_per_param": 1.0,
    },
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Case:
    """A scenario, its best known allocation, a certificate, and the bound that the kernels claim for it."""

    scenario: Scenario
    allocation: Allocation
    known: float
    certificate: Certificate
    claimed: float


class Solver:
    """What a method would do, crudely; `claim` is the hand-over to the certificate."""

    def __init__(self, scenario: Scenario, known: Allocation) -> None:
        e = evaluate(scenario, known)
        cost = e.score / e.scr
        self.scenario, self.time_unit, self.cost_unit = scenario, e.delay, cost
        self.pairs = ScaledPairs.of(scenario, e.delay, cost)
        self.c = self.pairs.stacked()
        self.unit = scenario.score_scale / cost
        self.ratio = e.scr / self.unit
        self.omega = self.pairs.time_weight

    def prices(self, interval: tuple[float, float], allowed: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        s, (n, m) = self.scenario, allowed.shape
        y = 1.01 * self.ratio
        rho = np.full(n, y * self.omega / n)

        def dual(x: np.ndarray) -> tuple[float, np.ndarray]:
            lam = np.maximum(x, 0.0).reshape(m, 3)
            found = search_pairs(
                self.c.reshape(-1, 9), s.score_norm, np.tile(lam, (n, 1)), y, interval, np.repeat(rho, m)
            )
            h = np.where(allowed, found.lower.reshape(n, m), -np.inf)
            if np.any(h.max(axis=1) == -np.inf):
                return 0.0, np.zeros_like(x)
            best = h.argmax(axis=1)
            slope = np.ones((m, 3))
            for user, server in enumerate(best):
                slope[server] -= found.columns.reshape(n, m, 9)[user, server, :3]
            return float(lam.sum() + h.max(axis=1).sum()), slope.ravel()

        x = lam = np.full(3 * m, s.score_norm / (1 + 3 * s.score_norm * m / n))
        value, step = np.inf, 0.1
        for _ in range(30):  # steps of the subgradient
            value_here, slope = dual(x)
            if value_here < value:
                lam, value = x, value_here
            size = float(slope @ slope)
            if size < 1e-12:
                break
            x = np.maximum(x - step * slope / np.sqrt(size), 0.0)
            step *= 0.85
        return y, lam.reshape(m, 3), rho

    def claim(
        self, interval: tuple[float, float], allowed: np.ndarray | None = None, tolerance: float = 1e-3
    ) -> tuple[Node, float]:
        """The claim of a box, and its bound on the SCR by the kernels."""
        s = self.scenario
        allowed = np.full(self.c.shape[:2], True) if allowed is None else allowed
        y, lam, rho = self.prices(interval, allowed)
        leaves, h = {}, np.full(allowed.shape, -np.inf)
        for n, m in np.argwhere(allowed):
            h[n, m], _, rows = prove_pair(
                self.c[n, m], s.score_norm, lam[m], y, interval, float(rho[n]), tolerance=tolerance, max_cells=200
            )
            if h[n, m] > -np.inf:
                leaves[int(n), int(m)] = rows
        total = lam.sum() + h.max(axis=1).sum()
        if total == -np.inf:
            return Empty(), -np.inf
        return LeafClaim.of(y, lam, rho, leaves), (y + max(total, 0.0) / (self.omega * interval[0])) * self.unit

    def certificate(self, root: Node, bound: float) -> Certificate:
        return Certificate(self.scenario.sha256, bound, self.time_unit, self.cost_unit, root)

    def over_deadlines(self, known: Allocation, parts: int) -> tuple[Node, float]:
        """A tree split by deadlines alone, and its bound."""
        data = replace(JointData.of(self.scenario, known), pairs=self.pairs)
        last = data.most_score / (self.omega * self.ratio * 1.05)
        first = data.least_delay * (1.0 - 1e-9)
        middle = min(max(1.0, 1.001 * first), last)
        edges = np.unique(np.concatenate([np.geomspace(first, middle, parts)[:-1], np.geomspace(middle, last, parts)]))
        claims = [self.claim((low, high)) for low, high in pairwise(edges)]
        late = data.most_score / (self.omega * edges[-1]) * self.unit
        bound = max(late, *(value for _, value in claims))
        return by_deadlines(edges.tolist(), [Empty(), *(node for node, _ in claims), Late()]), bound


@cache
def case(name: str, parts: int = 3) -> Case:
    scenario = Scenario.random(**SCENARIOS[name])
    allocation = dashf_pyomo.solve(scenario, "dashf-plus").allocation
    allocation = allocation.within_budgets(scenario)
    solver = Solver(scenario, allocation)
    root, bound = solver.over_deadlines(allocation, parts)
    stated = bound * (1 + 1e-6)
    return Case(scenario, allocation, evaluate(scenario, allocation).scr, solver.certificate(root, stated), bound)


def branched(name: str) -> tuple[Case, Certificate]:
    """A certificate that uses every kind of split, in boxes around the known allocation."""
    base = case(name)
    solver = Solver(base.scenario, base.allocation)
    n, m = base.scenario.channel_gain.shape
    inside = np.arange(m) == base.allocation.server[0]
    everything = np.full((n, m), True)
    first, second = everything.copy(), everything.copy()
    first[0], second[0] = inside, ~inside
    root, bound = solver.over_deadlines(base.allocation, 3)
    interval = (0.999, 1.001)
    values = []

    def claim(allowed: np.ndarray) -> Node:
        node, value = solver.claim(interval, allowed)
        values.append(value)
        return node

    near = ByServers(0, inside, ByOffload(1, 0.5, claim(first), claim(first)), claim(second))
    # Splits of `root` that lie beyond a part are not in its box: cut them away.
    low, high = prune(root, -np.inf, interval[0]), prune(root, interval[1], np.inf)
    tree = by_deadlines(list(interval), [low, near, high])
    bound = max(bound, *values)
    return base, solver.certificate(tree, bound * (1 + 1e-6))


def prune(node: Node, low: float, high: float) -> Node:
    """A tree over deadlines without the splits that do not lie strictly between two deadlines."""
    if not isinstance(node, ByDeadline):
        return node
    if node.at <= low:
        return prune(node.above, low, high)
    if node.at >= high:
        return prune(node.below, low, high)
    return ByDeadline(node.at, prune(node.below, low, high), prune(node.above, low, high))
