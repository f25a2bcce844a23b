"""Compare joint formulations and global solvers on small cases: incumbent, bound, gap, time, nodes, contradictions.

Every cell is one run of `minlp` (start included) under the same time limit; with ``--cuts``, `convexified` is run
without each of its valid inequalities too.

Run: ``python benchmarks/exact.py [--users 2 3] [--seeds 5] [--limit 60] [--solvers scip] [--cuts]``.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from rich.console import Console
from rich.table import Table

FORMULATIONS = ("literal", "parametric", "activity", "convexified")
SOLVERS = ("scip", "gurobi", "maingo")
CUTS = ("score", "delay", "bandwidth", "products", "downlink")

Task = tuple[int, int, str, str, str, float, float]


def solve(task: Task) -> dict[str, Any]:
    """Return what one run found."""
    import dashf_pyomo
    from dashf_pyomo.backends import BackendError
    from formulations import Scenario

    users, seed, formulation, solver, cuts, limit, gap = task
    options = {"formulation": formulation, "backend": solver, "cuts": cuts}
    try:
        result = dashf_pyomo.solve(
            Scenario.random(users, 2, seed), "minlp", time_limit=limit, gap=gap, threads=1, **options
        )
    except BackendError as error:
        return {"task": task, "status": "error", "message": str(error)}
    return {
        "task": task,
        "status": str(result.status),
        "message": result.message,
        "scr": result.scr,
        "bound": result.upper_bound,
        "gap": result.gap,
        "time": result.wall_time,
        "nodes": sum(_last_nodes(result.trace)),
    }


def _last_nodes(trace: Any) -> list[int]:
    counts = [entry.facts["nodes"] for entry in trace if entry.facts.get("nodes") is not None]
    return counts[-1:]


def shifted_mean(values: list[float], shift: float) -> float:
    """Return the shifted geometric mean."""
    return math.exp(statistics.mean(math.log(value + shift) for value in values)) - shift


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=[2, 3, 4, 5, 6])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds a run")
    parser.add_argument("--gap", type=float, default=1e-3, help="relative gap to prove")
    parser.add_argument("--formulations", nargs="+", default=list(FORMULATIONS), choices=FORMULATIONS)
    parser.add_argument("--solvers", nargs="+", default=list(SOLVERS))
    parser.add_argument("--cuts", action="store_true", help="leave out each valid inequality in turn")
    parser.add_argument("--workers", type=int, default=2)
    parsed = parser.parse_args()
    console = Console(width=120)
    members = [(name, solver, "default") for name, solver in itertools.product(parsed.formulations, parsed.solvers)]
    if parsed.cuts:
        subsets = {f"without {cut}": "+".join(other for other in CUTS if other != cut) for cut in CUTS} | {
            "none": "none"
        }
        members += [("convexified", solver, subset) for solver in parsed.solvers for subset in subsets.values()]
        labels = {value: key for key, value in subsets.items()} | {"default": "default"}
    else:
        labels = {"default": "default"}

    with ProcessPoolExecutor(parsed.workers) as pool:
        for users in parsed.users:
            tasks = [
                (users, seed, *member, parsed.limit, parsed.gap) for member in members for seed in range(parsed.seeds)
            ]
            rows: list[dict[str, Any]] = []
            for row in pool.map(solve, tasks):
                rows.append(row)
                _, seed, formulation, solver, cuts, *_ = row["task"]
                gap = "none" if row.get("gap") is None else f"{row['gap']:.3%}"
                said = row["message"] if row.get("bound") is None else f"bound {row['bound']:.6g}"
                scr = f"{row.get('scr') or 0.0:.6g}"
                print(users, seed, formulation, solver, labels[cuts], row["status"], scr, said[:150], gap, flush=True)
            console.print(summary(users, rows, labels, parsed.limit))
            for line in contradictions(rows, labels):
                console.print(f"[bold red]CONTRADICTION[/]: {line}")


def summary(users: int, rows: list[dict[str, Any]], labels: dict[str, str], limit: float) -> Table:
    """Return the table of one size, a row for each formulation and solver."""
    table = Table(title=f"{users} x 2, {limit:g} s a run", title_justify="left")
    for column in ("formulation", "solver", "cuts"):
        table.add_column(column)
    for column in ("closed", "bounds", "mean gap", "worst gap", "time (s)", "nodes"):
        table.add_column(column, justify="right")
    for key in dict.fromkeys(row["task"][2:5] for row in rows):
        mine = [row for row in rows if row["task"][2:5] == key]
        gaps = [row["gap"] for row in mine if row.get("gap") is not None]
        # A run without a result took all its time.
        times = [row.get("time", limit) for row in mine]
        table.add_row(
            key[0],
            key[1],
            labels[key[2]],
            f"{sum(row['status'] == 'certified' for row in mine)} of {len(mine)}",
            str(len(gaps)),
            f"{statistics.mean(gaps):.2%}" if gaps else "none",
            f"{max(gaps):.2%}" if gaps else "none",
            f"{shifted_mean(times, 1.0):.1f}",
            f"{shifted_mean([float(row.get('nodes', 0)) for row in mine], 10.0):.0f}",
        )
    table.caption = "time and nodes: shifted geometric means (1 s, 10 nodes); gaps: of the runs that have a bound"
    return table


def contradictions(rows: list[dict[str, Any]], labels: dict[str, str]) -> list[str]:
    """Return every bound that lies below an SCR that the evaluator verified in another run of the same scenario."""
    found = []
    for seed in dict.fromkeys(row["task"][1] for row in rows):
        mine = [row for row in rows if row["task"][1] == seed]
        best = max(row.get("scr") or 0.0 for row in mine)
        for row in mine:
            name = f"seed {seed}, {row['task'][3]} on {row['task'][2]} ({labels[row['task'][4]]})"
            if row.get("bound") is not None and row["bound"] < best * (1.0 - 1e-6):
                found.append(f"{name}: bound {row['bound']:.9g}, verified {best:.9g}")
            if "CONTRADICTION" in row["message"]:
                found.append(f"{name}: {row['message']}")
    return found


if __name__ == "__main__":
    main()
