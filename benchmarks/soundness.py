"""Look for a bound that lies below an SCR that somebody reaches; one is a release blocker.

Run: ``python benchmarks/soundness.py [--count 2000] [--method dual] [--workers 2]``. Scenarios are small and of wide
magnitudes; the best SCR known is that of `dashf-plus`, of the method itself, and of local starts at every association.
"""

from __future__ import annotations

import argparse
import statistics
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

from rich.console import Console


def judge(method: str, seed: int) -> tuple[int, dict[str, Any]]:
    """Return what became of one seed."""
    from dashf_pyomo.conformance.soundness import best_known, judge_bound, wide_scenario

    scenario = wide_scenario(seed)
    try:
        verdict = judge_bound(scenario, method, best_known(scenario))
    except Exception as error:
        return seed, {"failed": f"{type(error).__name__}: {error}"}
    if verdict is None:
        return seed, {"declined": True}
    r = verdict.result
    gap = None if r.upper_bound is None else 1.0 - verdict.best / r.upper_bound
    said = {"sound": verdict.sound, "best": verdict.best, "bound": r.upper_bound, "gap": gap, "status": str(r.status)}
    return seed, {**said, "time": r.wall_time, "own": r.scr, "message": r.message}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--method", default="dual")
    parser.add_argument("--workers", type=int, default=2)
    parsed = parser.parse_args()
    console = Console(width=120)
    rows: dict[int, dict[str, Any]] = {}
    seeds = range(parsed.first, parsed.first + parsed.count)
    with ProcessPoolExecutor(parsed.workers) as pool:
        for seed, row in pool.map(partial(judge, parsed.method), seeds, chunksize=4):
            rows[seed] = row
            if "failed" in row or row.get("sound") is False:
                print(f"seed {seed}: {row}", flush=True)
            elif len(rows) % 100 == 0:
                print(f"{len(rows)} of {parsed.count}", flush=True)
    judged = [row for row in rows.values() if "sound" in row]
    gaps = sorted(row["gap"] for row in judged if row["gap"] is not None)
    console.print(
        f"{len(judged)} judged, {sum(not row['sound'] for row in judged)} UNSOUND, "
        f"{sum('failed' in row for row in rows.values())} failed, "
        f"{sum('declined' in row for row in rows.values())} declined"
    )
    console.print(
        f"{len(gaps)} bounds; gap to the best known: median {statistics.median(gaps):.3%}, "
        f"nine in ten below {gaps[int(0.9 * (len(gaps) - 1))]:.3%}, worst {gaps[-1]:.3%}; "
        f"mean time {statistics.mean(row['time'] for row in judged):.1f} s; "
        f"certified {sum(row['status'] == 'certified' for row in judged)}"
    )


if __name__ == "__main__":
    main()
