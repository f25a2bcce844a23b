"""Measure how fast DASHF is, and how fast the package and its command line start.

Solver time is that of ``solve`` in a warm process (imports done, nothing else cached); the model is compiled
within it. Start-up is a whole process, median of five after one warm-up. Run: ``python benchmarks/speed.py``.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

import dashf_pyomo
from formulations import Scenario

TARGETS = {(10, 2): 1.0, (20, 3): 3.0}
START_TARGET = 0.6


def solve_times(users: int, servers: int) -> list[float]:
    scenarios = [Scenario.random(users, servers, seed) for seed in range(5)]
    dashf_pyomo.solve(scenarios[0], "dashf")
    times = []
    for scenario in scenarios:
        start = time.perf_counter()
        dashf_pyomo.solve(scenario, "dashf")
        times.append(time.perf_counter() - start)
    return times


def start_times(arguments: list[str]) -> list[float]:
    times = []
    for _ in range(6):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return times[1:]


def main() -> None:
    table = Table(title="seconds (5 seeds, or 5 starts)", title_justify="left")
    for column in ("what", "min", "median", "max", "target", "met"):
        table.add_column(column, justify="left" if column == "what" else "right")
    rows = [(f"dashf {n} x {m}", solve_times(n, m), target) for (n, m), target in TARGETS.items()]
    rows += [
        (label, start_times(arguments), START_TARGET)
        for label, arguments in (
            ("import dashf_pyomo", ["-c", "import dashf_pyomo"]),
            ("dashf --help", ["-m", "dashf_pyomo", "--help"]),
        )
    ]
    for label, times, target in rows:
        figures = (min(times), statistics.median(times), max(times))
        met = "yes" if max(times) <= target else "NO"
        table.add_row(label, *(f"{value:.3f}" for value in figures), f"{target:.1f}", met)
    Console().print(table)


if __name__ == "__main__":
    main()
