"""Look for a bound that lies below an SCR that somebody reaches; one is a release blocker.

Run: ``python benchmarks/soundness.py [--count 2000] [--methods dual bnp] [--workers 2] [--associations 16]
[--others dashf-plus] [--store out/soundness.jsonl]``. Scenarios are small and of wide magnitudes; the best SCR known is
that of `dashf-plus`, of the methods themselves, and of local starts at every association, or at random ones if there
are more than asked for. What is judged is written at once, so that an interrupted run goes on where it stopped.

``--targets COUNT`` asks the pricing kernels instead to prove targets slightly below values that are reached, on the
pairs of so many such scenarios at random prices: none may be proved. ``--minlp COUNT`` holds `bnp` against `minlp` on
so many scenarios with two users: neither may reach more than the other proves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console


def judge(methods: list[str], limit: float, associations: int, others: list[str], seed: int) -> dict[str, Any]:
    """Return what became of one seed."""
    from dashf_pyomo.conformance.soundness import best_known, judge_bound, wide_scenario
    from formulations import evaluate

    scenario = wide_scenario(seed)
    said: dict[str, Any] = {"seed": seed, "users": scenario.n_users, "servers": scenario.n_servers, "methods": {}}
    try:
        known = best_known(scenario, others, most_associations=associations)
        best = evaluate(scenario, known).scr
        verdicts = {name: judge_bound(scenario, name, known, time_limit=limit, moves=0, dives=0) for name in methods}
    except Exception as error:
        return {**said, "failed": f"{type(error).__name__}: {error}"}
    best = max([best, *(verdict.best for verdict in verdicts.values() if verdict is not None)])
    for name, verdict in verdicts.items():
        if verdict is None:
            said["methods"][name] = {"declined": True}
            continue
        r = verdict.result
        said["methods"][name] = {
            # Judged against everybody, so the bound of one method against the allocation of another too.
            "sound": verdict.sound and (r.upper_bound is None or r.upper_bound >= best * (1.0 - 1e-9)),
            "bound": r.upper_bound,
            "gap": None if r.upper_bound is None else 1.0 - best / r.upper_bound,
            "own": r.scr,
            "status": str(r.status),
            "time": r.wall_time,
            "message": r.message,
        }
    return {**said, "best": best}


def tempt(seed: int) -> dict[str, int]:
    """Return how many targets below known values the kernels were asked to prove, and how many they did."""
    import numpy as np

    from dashf_pyomo.algorithms.dual.kernels.pricing import price_pairs
    from dashf_pyomo.conformance.soundness import wide_scenario
    from formulations import evaluate
    from formulations.association.pair_resources import equal_split
    from formulations.scaled import ScaledPairs

    scenario = wide_scenario(seed, most_users=6)
    n, m = scenario.n_users, scenario.n_servers
    rng = np.random.default_rng(seed)
    e = evaluate(scenario, equal_split(scenario, rng.integers(m, size=n), np.full(n, 0.5)))
    cost = scenario.weight_time * e.delay + scenario.weight_energy * e.energy
    c = ScaledPairs.of(scenario, e.delay, cost).stacked().reshape(-1, 9)
    norm = scenario.score_norm
    tried = proved = 0
    for _ in range(4):
        prices = norm * 10.0 ** rng.uniform(-2.0, 0.5, c[:, :3].shape) * (rng.uniform(size=c[:, :3].shape) > 0.1)
        ratio = norm * 10.0 ** rng.uniform(-1.5, 1.5)
        first = 10.0 ** rng.uniform(-1.5, 0.3)
        interval = first, first * 10.0 ** rng.uniform(0.0, 0.5)
        problem = c, norm, prices, ratio, interval, ratio * rng.normal(0.2, 0.3, len(c))
        known = price_pairs(*problem, tolerance=1e-6 * norm, max_cells=400).lower
        for below in (1e-3, 1e-6, 1e-9):
            targets = known - below * (norm + np.abs(known))
            there = np.isfinite(targets)
            said = price_pairs(*problem, tolerance=1e-3 * norm, need=np.where(there, targets, 0.0), max_cells=400)
            tried += int(there.sum())
            proved += int((said.upper[there] <= targets[there]).sum())
    return {"tried": tried, "proved": proved}


def compare(seed: int) -> str:
    """Return what `bnp` and `minlp` say of a scenario with two users, the even seeds the paper's, the odd ones wide."""
    import dashf_pyomo
    from dashf_pyomo.conformance.soundness import wide_scenario
    from formulations import Scenario

    scenario = Scenario.random(2, 2, seed // 2) if seed % 2 == 0 else wide_scenario(seed, most_users=2)
    found = [dashf_pyomo.solve(scenario, method, time_limit=60, threads=1) for method in ("bnp", "minlp")]
    scr = [result.scr or 0.0 for result in found]
    bounds = [float("inf") if result.upper_bound is None else result.upper_bound for result in found]
    agree = bounds[0] >= scr[1] * (1.0 - 1e-9) and bounds[1] >= scr[0] * (1.0 - 1e-6)
    said = f"bnp {scr[0]:.6g} to {bounds[0]:.6g}, minlp {scr[1]:.6g} to {bounds[1]:.6g}"
    return f"{scenario.name}: {said}{'' if agree else '  DISAGREE'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--methods", nargs="+", default=["dual", "bnp"])
    parser.add_argument("--limit", type=float, default=10.0, help="seconds a method and scenario")
    parser.add_argument("--associations", type=int, default=16, help="most associations with local starts of their own")
    parser.add_argument("--others", nargs="*", default=["dashf-plus"], help="methods whose allocations count too")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--store", type=Path, default=Path("out/soundness.jsonl"))
    parser.add_argument("--targets", type=int, metavar="COUNT", help="only try to prove false targets")
    parser.add_argument("--minlp", type=int, metavar="COUNT", help="only compare with minlp")
    parsed = parser.parse_args()
    # The workers are the parallelism: more threads would only wait for each other.
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    if parsed.targets is not None or parsed.minlp is not None:
        with ProcessPoolExecutor(parsed.workers) as pool:
            counts = list(pool.map(tempt, range(parsed.first, parsed.first + (parsed.targets or 0)), chunksize=4))
            if counts:
                tried, proved = (sum(count[key] for count in counts) for key in ("tried", "proved"))
                print(f"{tried} targets slightly below values that are reached, {proved} PROVED")
            for line in pool.map(compare, range(parsed.first, parsed.first + (parsed.minlp or 0))):
                print(line, flush=True)
        return
    parsed.store.parent.mkdir(parents=True, exist_ok=True)
    rows: dict[int, dict[str, Any]] = {}
    if parsed.store.exists():
        rows = {row["seed"]: row for row in map(json.loads, parsed.store.read_text().splitlines())}
    seeds = [seed for seed in range(parsed.first, parsed.first + parsed.count) if seed not in rows]
    one = partial(judge, parsed.methods, parsed.limit, parsed.associations, parsed.others)
    with ProcessPoolExecutor(parsed.workers) as pool, parsed.store.open("a") as file:
        for row in pool.map(one, seeds, chunksize=4):
            rows[row["seed"]] = row
            file.write(json.dumps(row) + "\n")
            file.flush()
            if "failed" in row or not all(said.get("sound", True) for said in row["methods"].values()):
                print(row, flush=True)
            elif len(rows) % 100 == 0:
                print(f"{len(rows)} done", flush=True)
    report(list(rows.values()), parsed.methods)


def report(rows: list[dict[str, Any]], methods: list[str]) -> None:
    """Print what was found, method by method."""
    console = Console(width=120)
    console.print(f"{len(rows)} scenarios, {sum('failed' in row for row in rows)} failed")
    for name in methods:
        judged = [row["methods"][name] for row in rows if "sound" in row["methods"].get(name, {})]
        gaps = sorted(said["gap"] for said in judged if said["gap"] is not None)
        if not gaps:
            continue
        console.print(
            f"{name}: {len(judged)} judged, {sum(not said['sound'] for said in judged)} UNSOUND; {len(gaps)} bounds; "
            f"gap to the best known: median {statistics.median(gaps):.3%}, "
            f"nine in ten below {gaps[int(0.9 * (len(gaps) - 1))]:.3%}, worst {gaps[-1]:.3%}; "
            f"certified {sum(said['status'] == 'certified' for said in judged)}, "
            f"mean time {statistics.mean(said['time'] for said in judged):.1f} s"
        )


if __name__ == "__main__":
    main()
