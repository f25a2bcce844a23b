"""Measure what it takes to prove the pricing of a pair: cells and microseconds, and how much a search alone misses.

Prices are drawn around those at which equal shares are optimal, and at random. Times are wall time over pairs, on two
threads. Run: ``python benchmarks/pricing.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

import dashf_pyomo
from dashf_pyomo.algorithms.dual.kernels.pricing import PricingResult, price_pairs, search_pairs
from formulations import Scenario, evaluate
from formulations.scaled import ScaledPairs

SIZES = ((10, 2), (20, 3), (100, 5))
FAMILIES = {"default": {}, "bandwidth x 10": {"bandwidth_max": 1e8}, "slow users": {"user_speed_max": 1.958e12}}
TOLERANCES = (1e-3, 1e-4)


def problem(users: int, servers: int, family: str, kind: str) -> tuple:
    scenario = Scenario.random(users, servers, 0, **FAMILIES[family])
    e = evaluate(scenario, dashf_pyomo.solve(scenario, "gucro").allocation)
    cost = scenario.weight_time * e.delay + scenario.weight_energy * e.energy
    pairs = ScaledPairs.of(scenario, e.delay, cost)
    c = pairs.stacked().reshape(-1, 9)
    rng = np.random.default_rng(0)
    norm = scenario.score_norm
    if kind == "equal":
        prices = norm / (1.0 + norm * 3.0 * servers / users) * rng.uniform(0.8, 1.3, (servers, 3))
    else:
        prices = 10.0 ** rng.uniform(-1.0, 0.2, (servers, 3))
    ratio = 1.5 * e.scr / scenario.score_scale * cost
    rho = np.full(len(c), ratio * pairs.time_weight / users)
    return c, norm, np.tile(prices, (users, 1)), ratio, (0.6, 0.7), rho


def timed(run: Callable[[], PricingResult], pairs: int) -> tuple[PricingResult, float]:
    best = np.inf
    for _ in range(3):
        start = time.perf_counter()
        result = run()
        best = min(best, time.perf_counter() - start)
    return result, 1e6 * best / pairs


def main() -> None:
    table = Table(title="proving the pricing of a pair (us a pair, best of 3)", title_justify="left")
    names = ["users x servers", "family", "prices", "search us", "missed"]
    names += [f"{what} {tolerance:g}" for tolerance in TOLERANCES for what in ("cells", "most", "us", "open")]
    for name in names:
        table.add_column(name, justify="left" if name in names[:3] else "right")
    for users, servers in SIZES:
        for family in FAMILIES:
            for kind in ("equal", "random"):
                case = problem(users, servers, family, kind)
                count = users * servers
                found, spent = timed(lambda case=case: search_pairs(*case), count)
                row, missed = [], 0.0
                for tolerance in TOLERANCES:
                    run = lambda case=case, t=tolerance: price_pairs(*case, tolerance=t, max_cells=4000)  # noqa: E731
                    proven, us = timed(run, count)
                    open_ = int(np.sum(proven.upper - proven.lower > 1.001 * tolerance))
                    row += [f"{proven.cells.mean():.1f}", f"{proven.cells.max()}", f"{us:.0f}", f"{open_}"]
                    missed = max(missed, float(np.max(proven.lower - found.lower, initial=0.0)))
                table.add_row(f"{users} x {servers}", family, kind, f"{spent:.0f}", f"{missed:.1e}", *row)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
