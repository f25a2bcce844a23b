"""Choose the composition of `dashf-plus` on some seeds, and report on others what it brings over `dashf`.

Run: ``python benchmarks/composition.py [--choose 100 150] [--report 0 50] [--workers 2]``. The seeds of the choice and
of the report are disjoint, so the report is not flattered by the choice.
"""

from __future__ import annotations

import argparse
import statistics
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

from rich.console import Console
from rich.table import Table

COMPOSITIONS: tuple[dict[str, Any], ...] = tuple(
    {"association": association, "rounding": rounding, "allocation": allocation, "moves": moves}
    for association, rounding, allocation, moves in (
        ("sdr-chordal", "hungarian", "joint-nlp", 20),
        ("sdr-chordal", "hungarian", "joint-nlp", 0),
        ("sdr-chordal", "argmax", "joint-nlp", 20),
        ("sdr-rlt", "hungarian", "joint-nlp", 20),
        ("hull", "hungarian", "joint-nlp", 20),
        ("hull", "argmax", "joint-nlp", 20),
        ("hull", "argmax", "joint-nlp", 0),
        ("milp", "argmax", "joint-nlp", 20),
        ("hull", "argmax", "nlp", 20),
    )
)


def solve(task: tuple[int, int, int, str, dict[str, Any]]) -> tuple[float, float]:
    """Return SCR and seconds of one run."""
    import dashf_pyomo
    from formulations import Scenario

    users, servers, seed, method, options = task
    result = dashf_pyomo.solve(Scenario.random(users, servers, seed), method, threads=1, **options)
    return result.scr or 0.0, result.wall_time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--choose", type=int, nargs=2, default=(100, 150), metavar=("FIRST", "END"))
    parser.add_argument("--report", type=int, nargs=2, default=(0, 50), metavar=("FIRST", "END"))
    parser.add_argument("--workers", type=int, default=2)
    parsed = parser.parse_args()
    console, size = Console(width=110), (parsed.users, parsed.servers)

    with ProcessPoolExecutor(parsed.workers) as pool:
        if parsed.choose[0] < parsed.choose[1]:
            choose(pool, console, size, range(*parsed.choose))
        if parsed.report[0] < parsed.report[1]:
            report(pool, console, size, range(*parsed.report))


def choose(pool: Executor, console: Console, size: tuple[int, int], seeds: range) -> None:
    """Run every composition on the seeds and print the table."""
    table = Table(title=f"compositions at {size[0]} x {size[1]}, seeds {seeds}", title_justify="left")
    for column in (*COMPOSITIONS[0], "mean SCR", "mean share of best", "seeds best", "s a seed"):
        table.add_column(column, justify="left" if column in COMPOSITIONS[0] else "right")
    found: list[list[tuple[float, float]]] = []
    for options in COMPOSITIONS:
        found.append(list(pool.map(solve, [(*size, seed, "dashf-plus", options) for seed in seeds])))
        print(*options.values(), f"{statistics.mean(scr for scr, _ in found[-1]):.2f}", flush=True)
    best = [max(runs[i][0] for runs in found) for i in range(len(seeds))]
    for options, runs in zip(COMPOSITIONS, found, strict=True):
        scrs = [scr for scr, _ in runs]
        table.add_row(
            *map(str, options.values()),
            f"{statistics.mean(scrs):.2f}",
            f"{statistics.mean(scr / top for scr, top in zip(scrs, best, strict=True)):.4f}",
            str(sum(scr >= top * (1 - 1e-4) for scr, top in zip(scrs, best, strict=True))),
            f"{statistics.mean(seconds for _, seconds in runs):.1f}",
        )
    console.print(table)


def report(pool: Executor, console: Console, size: tuple[int, int], seeds: range) -> None:
    """Print what `dashf-plus` brings over `dashf` on the seeds."""
    plain, plus = (
        list(pool.map(solve, [(*size, seed, method, {}) for seed in seeds])) for method in ("dashf", "dashf-plus")
    )
    gains = sorted(b / a - 1.0 for (a, _), (b, _) in zip(plain, plus, strict=True))
    means = [statistics.mean(scr for scr, _ in runs) for runs in (plain, plus)]
    console.print(
        f"{seeds}: mean SCR dashf {means[0]:.1f}, dashf-plus {means[1]:.1f} ({means[1] / means[0] - 1:+.1%}); "
        f"gain a seed: least {gains[0]:+.1%}, median {statistics.median(gains):+.1%}, most {gains[-1]:+.1%}; "
        f"{statistics.mean(seconds for _, seconds in plus):.1f} s a seed"
    )


if __name__ == "__main__":
    main()
