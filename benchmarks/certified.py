"""How close, and how fast, are certified bounds: `dual` and `bnp` by size and family, `minlp` beside them.

Every run is a process of its own and is written to a file as it ends, so that an interrupted benchmark goes on where
it stopped. ``share`` is the part of the time in pricing (local search), the master program, proofs and allocations;
the last contains some of the first two.

Run: ``python benchmarks/certified.py [--sizes 3x2 10x2] [--methods dual bnp minlp] [--families paper hotspots]
[--seeds 5] [--limit 60] [--store out/certified.jsonl]``; with ``--report`` it shows what the file holds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import multiprocessing
import resource
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

SIZES = ("3x2", "5x2", "10x2", "20x3", "50x5", "100x5", "200x10", "1000x20")

#: Time limits, s, for sizes that are larger than the others.
LONGER = {"100x5": 120.0, "200x10": 240.0, "1000x20": 600.0}

#: minlp is run where general solvers have a chance to say something.
MINLP_USERS = 5

Task = tuple[str, str, int, str, float, float]


def solve(task: Task) -> dict[str, Any]:
    """Return what one run found."""
    import dashf_pyomo
    from formulations import families

    family, size, seed, method, limit, gap = task
    users, servers = map(int, size.split("x"))
    scenario = families.draw(family, users, servers, seed)
    if method in ("dual", "bnp"):
        dashf_pyomo.solve(families.draw("paper", 1, 1, 0), "dual", time_limit=120)  # loads the kernels
    result = dashf_pyomo.solve(scenario, method, time_limit=limit, gap=gap)
    times: dict[str, float] = {}
    for entry in result.trace:
        times.update({key: value for key, value in entry.facts.items() if key.endswith("_time")})
    phi = None if result.allocation is None else result.allocation.offload
    return {
        "status": str(result.status),
        "message": result.message,
        "scr": result.scr,
        "bound": result.upper_bound,
        "gap": result.gap,
        "time": result.wall_time,
        "times": times,
        "alone": None if phi is None else float(np.mean(phi > 0.99)),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def runs(parsed: argparse.Namespace) -> Iterator[Task]:
    """Yield all runs that are asked for."""
    for size, family, seed, method in itertools.product(
        parsed.sizes, parsed.families, range(parsed.first, parsed.first + parsed.seeds), parsed.methods
    ):
        if method == "minlp" and int(size.split("x")[0]) > MINLP_USERS:
            continue
        yield family, size, seed, method, LONGER.get(size, parsed.limit) if parsed.longer else parsed.limit, parsed.gap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), metavar="NxM")
    parser.add_argument("--families", nargs="+", default=["paper"])
    parser.add_argument("--methods", nargs="+", default=["dual", "bnp", "minlp"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds a run")
    parser.add_argument("--longer", action="store_true", help=f"longer limits for large sizes: {LONGER}")
    parser.add_argument("--gap", type=float, default=1e-3, help="relative gap to prove")
    parser.add_argument("--store", type=Path, default=Path("out/certified.jsonl"))
    parser.add_argument("--report", action="store_true", help="only show what the store holds")
    parsed = parser.parse_args()
    parsed.store.parent.mkdir(parents=True, exist_ok=True)
    done: dict[Task, dict[str, Any]] = {}
    if parsed.store.exists():
        for line in parsed.store.read_text().splitlines():
            record = json.loads(line)
            done[tuple(record["task"])] = record
    if not parsed.report:
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            for task in runs(parsed):
                if task in done:
                    continue
                done[task] = {"task": task, **pool.apply(solve, (task,))}
                with parsed.store.open("a") as file:
                    file.write(json.dumps(done[task]) + "\n")
                record = done[task]
                gap = "no gap" if record["gap"] is None else f"gap {record['gap']:.3%}"
                print(*task[:4], record["status"], gap, f"{record['time']:.1f} s", flush=True)
    console = Console(width=140)
    chosen = list(done.values())
    for family in dict.fromkeys(record["task"][0] for record in chosen):
        console.print(summary(family, [record for record in chosen if record["task"][0] == family]))
    for method in ("dual", "bnp"):
        growth(console, [r for r in chosen if r["task"][3] == method and r["task"][0] == "paper"], method)
    for line in contradictions(chosen):
        console.print(f"[bold red]CONTRADICTION[/]: {line}")


def summary(family: str, records: list[dict[str, Any]]) -> Table:
    """Return the table of one family, a row for each size and method."""
    table = Table(title=f"family {family}", title_justify="left")
    columns = ("size", "method", "seeds", "within gap", "median gap", "worst gap (seed)", "median s", "longest s")
    for column in (*columns, "search", "master", "proof", "primal", "GB", "SCR"):
        table.add_column(column, justify="left" if column in ("size", "method") else "right")
    size_of = {record["task"][1]: int(record["task"][1].split("x")[0]) for record in records}
    keys = sorted({(record["task"][1], record["task"][3]) for record in records}, key=lambda k: (size_of[k[0]], k[1]))
    for size, method in keys:
        mine = [record for record in records if (record["task"][1], record["task"][3]) == (size, method)]
        # A run without a bound has no gap: it counts as an infinite one.
        gaps = [(math.inf if record["gap"] is None else record["gap"], record["task"][2]) for record in mine]
        spent = sum(record["time"] for record in mine)
        shares = [
            f"{sum(r['times'].get(f'{kind}_time', 0.0) for r in mine) / spent:.0%}"
            for kind in ("search", "master", "proof", "primal")
        ]
        table.add_row(
            size,
            method,
            str(len(mine)),
            f"{sum(record['status'] == 'certified' for record in mine)}",
            f"{statistics.median(gap for gap, _ in gaps):.3%}",
            "{:.3%} ({})".format(*max(gaps)),
            f"{statistics.median(record['time'] for record in mine):.1f}",
            f"{max(record['time'] for record in mine):.1f}",
            *(shares if method != "minlp" else ["", "", "", ""]),
            f"{max(record['memory'] for record in mine):.1f}",
            f"{statistics.mean(record['scr'] or 0.0 for record in mine):.1f}",
        )
    return table


def growth(console: Console, records: list[dict[str, Any]], method: str) -> None:
    """Fit time = c N^a M^b to the runs that proved the gap, by least squares in logarithms."""
    closed = [record for record in records if record["status"] == "certified"]
    sizes = np.array([[float(part) for part in record["task"][1].split("x")] for record in closed]).reshape(-1, 2)
    if len(np.unique(sizes, axis=0)) < 4:
        return
    design = np.column_stack([np.ones(len(sizes)), np.log(sizes)])
    times = np.log([record["time"] for record in closed])
    (_, a, b), *_ = np.linalg.lstsq(design, times, rcond=None)
    (_, c), *_ = np.linalg.lstsq(design[:, :2], times, rcond=None)
    console.print(
        f"{method}: time grows like N^{a:.2f} M^{b:.2f} (N^{c:.2f} alone) over {len(closed)} runs that closed"
    )


def contradictions(records: list[dict[str, Any]]) -> list[str]:
    """Return every bound that lies below an SCR that another run of the same scenario reached."""
    found = []
    for key in dict.fromkeys(tuple(record["task"][:3]) for record in records):
        mine = [record for record in records if tuple(record["task"][:3]) == key]
        best = max(record["scr"] or 0.0 for record in mine)
        for record in mine:
            if record["bound"] is not None and record["bound"] < best * (1.0 - 1e-9):
                found.append(f"{key} {record['task'][3]}: bound {record['bound']:.9g}, reached {best:.9g}")
    return found


if __name__ == "__main__":
    main()
