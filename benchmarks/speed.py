"""Measure how fast DASHF is, and how fast the package and its command line start; or compare two source trees.

Solver time is that of ``solve`` in a warm process (imports done, nothing else cached); the model is compiled within it.
Start-up is a whole process, median of five after one warm-up.

``--against DIR`` compares this tree with another checkout, whose kernels are compiled (``pip install -e DIR`` or
``python setup.py build_ext --inplace`` there). `dashf` and `bnp` at 10 x 2 and `dual` at 100 x 5 run in turn in both
trees, each in a process of its own on one thread. The ratio of CPU seconds is that of a pair of runs that follow each
other, so a machine that is busy slows down both. Below 1 this tree is faster.

Run: ``python benchmarks/speed.py [--against DIR] [--pairs 5]``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parents[1]

TARGETS = {(10, 2): 1.0, (20, 3): 3.0}
START_TARGET = 0.6

#: Method, users, servers and seed of what is compared.
COMPARED = (("dashf", 10, 2, 0), ("bnp", 10, 2, 0), ("dual", 100, 5, 0))

#: Solves one scenario, after a small one that loads what there is to load, and prints CPU seconds and the result.
PROGRAM = """
import sys, time
import dashf_pyomo
from formulations import Scenario
method, *numbers = sys.argv[1:]
users, servers, seed = map(int, numbers)
dashf_pyomo.solve(Scenario.random(2, 2, 0), method, threads=1, time_limit=60)
scenario, start = Scenario.random(users, servers, seed), time.process_time()
result = dashf_pyomo.solve(scenario, method, threads=1, time_limit=600)
print(time.process_time() - start, result.status, result.scr, result.upper_bound, dashf_pyomo.__file__, sep="\\n")
"""


def solve_times(users: int, servers: int) -> list[float]:
    import dashf_pyomo
    from formulations import Scenario

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


def measure() -> Table:
    """Return the table of this tree alone."""
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
    return table


def run_in(tree: Path, case: tuple[str, int, int, int]) -> tuple[float, list[str]]:
    """Return the CPU seconds of one run in a source tree, and status, SCR and bound of it."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM, *map(str, case)]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{tree}: {case[0]} failed: {done.stderr.strip().splitlines()[-1]}")
    spent, *found, used = done.stdout.splitlines()
    if not Path(used).resolve().is_relative_to(tree):
        sys.exit(f"{tree}: the package that ran is {used}; expected the one of this tree")
    return float(spent), found


def compare(other: Path, pairs: int, console: Console) -> Table:
    """Return the table of this tree against another, run in turn."""
    table = Table(title=f"CPU seconds of this tree over those of {other}, {pairs} pairs", title_justify="left")
    for column in ("what", "this (median)", "other (median)", "ratio (median)", "least", "largest", "same result"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for case in COMPARED:
        ours, theirs, same = [], [], True
        for k in range(pairs):
            # The first of a pair changes from pair to pair, so that neither tree has the better place.
            trees = (HERE, other) if k % 2 == 0 else (other, HERE)
            found = {tree: run_in(tree, case) for tree in trees}
            ours.append(found[HERE][0])
            theirs.append(found[other][0])
            same = same and found[HERE][1] == found[other][1]
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        label = "{} {} x {}, seed {}".format(*case)
        figures = (statistics.median(ours), statistics.median(theirs), statistics.median(ratios), *extremes(ratios))
        table.add_row(label, *(f"{value:.3f}" for value in figures), "yes" if same else "NO")
        console.print(f"{label}: {figures[2]:.3f} ({figures[3]:.3f} to {figures[4]:.3f})")
    return table


def extremes(values: list[float]) -> tuple[float, float]:
    return min(values), max(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout to compare with")
    parser.add_argument("--pairs", type=int, default=5, help="runs of each case in each tree (default 5)")
    parsed = parser.parse_args()
    if parsed.pairs < 1:
        parser.error(f"--pairs {parsed.pairs}; expected at least 1")
    if parsed.against is not None and not (parsed.against / "dashf_pyomo").is_dir():
        parser.error(f"--against {parsed.against}: holds no dashf_pyomo; expected a checkout of this project")
    console = Console(width=120)
    other = None if parsed.against is None else parsed.against.resolve()
    if other == HERE:
        parser.error(f"--against {parsed.against}: is this tree; expected another one")
    console.print(measure() if other is None else compare(other, parsed.pairs, console))


if __name__ == "__main__":
    main()
