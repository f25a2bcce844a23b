"""Measure whether the paper's order of methods holds on its defaults, seed by seed and in the mean.

Run: ``python benchmarks/ordering.py [--seeds 10]``. The paper says DASHF > AAUCO > {GUCAA, RUCAA}, and AAUCO > GUCRO.
"""

from __future__ import annotations

import argparse
import statistics

from rich.console import Console
from rich.table import Table

import dashf_pyomo
from formulations import PRESETS, Scenario

METHODS = ("rucaa", "gucaa", "nearest", "gucro", "aauco", "dashf")
CLAIMS = (("dashf", "aauco"), ("aauco", "gucaa"), ("aauco", "rucaa"), ("dashf", "gucro"), ("aauco", "gucro"))


def main() -> None:
    parser = argparse.ArgumentParser(description="SCR of all methods over seeds")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--preset", choices=PRESETS, default="default")
    parsed = parser.parse_args()

    console = Console()
    table = Table(title=f"SCR, {parsed.users} x {parsed.servers}, {parsed.preset}", title_justify="left")
    table.add_column("seed")
    for method in METHODS:
        table.add_column(method, justify="right")
    found: dict[str, list[float]] = {method: [] for method in METHODS}
    for seed in range(parsed.seeds):
        scenario = Scenario.random(parsed.users, parsed.servers, seed, preset=parsed.preset)
        for method in METHODS:
            found[method].append(dashf_pyomo.solve(scenario, method).scr or 0.0)
        table.add_row(str(seed), *(f"{found[method][-1]:.4g}" for method in METHODS))
    table.add_section()
    table.add_row("mean", *(f"{statistics.mean(values):.4g}" for values in found.values()))
    console.print(table)

    claims = Table(title="claims of order", title_justify="left")
    for column in ("claim", "in the mean", "seeds that hold", "seeds that break it"):
        claims.add_column(column)
    for better, worse in CLAIMS:
        broken = [seed for seed, (a, b) in enumerate(zip(found[better], found[worse], strict=True)) if not a > b]
        mean = "holds" if statistics.mean(found[better]) > statistics.mean(found[worse]) else "BREAKS"
        holds = f"{parsed.seeds - len(broken)} of {parsed.seeds}"
        claims.add_row(f"{better} > {worse}", mean, holds, " ".join(map(str, broken)) or "none")
    console.print(claims)


if __name__ == "__main__":
    main()
