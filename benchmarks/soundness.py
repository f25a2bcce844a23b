"""Look for a bound that excludes a value that somebody reaches, or another false claim; one is a release blocker.

Run: ``python benchmarks/soundness.py [--strata declared printed] [--first 0] [--count 2000] [--methods dual bnp]
[--workers 2] [--associations 16] [--others dashf-plus] [--store out/soundness.jsonl]``. Scenarios are small and of wide
magnitudes. Those of the stratum ``printed`` are the printed problem; those of ``declared`` draw an objective, limits
and rows too. The best value known is that of the others, of the methods themselves, and of local starts at every
association, or at random ones if there are more than asked for. What is judged is written at once, so that an
interrupted run goes on where it stopped; what failed is judged again. With what is false the scenario is written too. A
scenario that a method declines counts as declined, not as sound.

The first 1160 seeds of ``printed`` were judged before there was another stratum; ``--strata printed --first 1160
--count 840`` judges the rest of 2000.

``--targets COUNT`` asks the pricing kernels instead to prove targets slightly below values that are reached, on the
pairs of so many such scenarios at random prices: none may be proved. ``--minlp COUNT`` holds `bnp` against `minlp` on
so many scenarios with two users: neither may reach more than the other proves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

STRATA = ("declared", "printed")


def judge(
    methods: list[str], limit: float, associations: int, others: list[str], key: tuple[str, int]
) -> dict[str, Any]:
    """Return what became of one stratum and seed."""
    from dashf_pyomo.conformance.claims import excludes
    from dashf_pyomo.conformance.draws import declared_scenario
    from dashf_pyomo.conformance.soundness import best_known, judge_bound, wide_scenario
    from dashf_pyomo.result_data import relative_gap
    from formulations import evaluate

    stratum, seed = key
    said: dict[str, Any] = {"stratum": stratum, "seed": seed, "methods": {}}
    try:
        scenario = wide_scenario(seed) if stratum == "printed" else declared_scenario(seed)
    except Exception as error:
        return {**said, "failed": f"{type(error).__name__}: {error}"}
    objective = scenario.objective
    said |= {"users": scenario.n_users, "servers": scenario.n_servers, "objective": str(objective.kind)}
    said["demands"] = sorted("row" if hasattr(kind, "demands") else str(kind) for kind in scenario.demands)
    try:
        known = best_known(scenario, others, most_associations=associations)
    except Exception as error:
        return {**said, "failed": f"{type(error).__name__}: {error}", "scenario": scenario.to_dict()}
    best = None if known is None else evaluate(scenario, known).value
    verdicts = {}
    for name in methods:
        try:
            verdicts[name] = judge_bound(scenario, name, known, time_limit=limit, moves=0, dives=0)
        except Exception as error:
            said["methods"][name] = {"failed": f"{type(error).__name__}: {error}"}
    for verdict in verdicts.values():
        own = None if verdict is None else verdict.best
        if own is not None and (best is None or objective.better(own, best)):
            best = own
    for name, verdict in verdicts.items():
        if verdict is None:
            said["methods"][name] = {"declined": True}
            continue
        r, faults = verdict.result, list(verdict.faults)
        # Judged against everybody, so the bound of one method against the allocation of another too.
        if best is not None and r.bound is not None and excludes(scenario, r.bound, best) and not faults:
            faults.append(f"bound {r.bound!r} excludes {best!r}, which another method reaches")
        said["methods"][name] = {
            "faults": faults,
            "bound": r.bound,
            "gap": relative_gap(best, r.bound),
            "own": r.value,
            "claim": str(r.claim),
            "termination": str(r.termination),
            "time": r.wall_time,
            "message": r.message,
        }
    if any(one.get("faults") or "failed" in one for one in said["methods"].values()):
        said["scenario"] = scenario.to_dict()
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
    from dashf_pyomo.conformance.claims import EXTERNAL, excludes
    from dashf_pyomo.conformance.soundness import wide_scenario
    from formulations import Scenario

    scenario = Scenario.random(2, 2, seed // 2) if seed % 2 == 0 else wide_scenario(seed, most_users=2)
    found = [dashf_pyomo.solve(scenario, method, time_limit=60, threads=1) for method in ("bnp", "minlp")]
    values = [result.value or 0.0 for result in found]
    bounds = [float("inf") if result.bound is None else result.bound for result in found]
    agree = not excludes(scenario, bounds[0], values[1]) and not excludes(scenario, bounds[1], values[0], EXTERNAL)
    said = f"bnp {values[0]:.6g} to {bounds[0]:.6g}, minlp {values[1]:.6g} to {bounds[1]:.6g}"
    return f"{scenario.name}: {said}{'' if agree else '  DISAGREE'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="seeds of every stratum")
    parser.add_argument("--first", type=int, default=0, help="first seed of every stratum")
    parser.add_argument("--strata", nargs="+", default=["declared"], choices=STRATA)
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
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
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
    rows: dict[tuple[str, int], dict[str, Any]] = {}
    if parsed.store.exists():
        for line in parsed.store.read_text().splitlines():
            row = json.loads(line)
            rows[row.setdefault("stratum", "printed"), row["seed"]] = row
    seeds = range(parsed.first, parsed.first + parsed.count)
    done = {key for key, row in rows.items() if not has_failed(row)}
    keys = [(stratum, seed) for stratum in parsed.strata for seed in seeds if (stratum, seed) not in done]
    one = partial(judge, parsed.methods, parsed.limit, parsed.associations, parsed.others)
    with ProcessPoolExecutor(parsed.workers) as pool, parsed.store.open("a") as file:
        for task in as_completed([pool.submit(one, key) for key in keys]):
            row = task.result()
            rows[row["stratum"], row["seed"]] = row
            file.write(json.dumps(row) + "\n")
            file.flush()
            for trouble in troubles(row):
                print(trouble, flush=True)
            if len(rows) % 100 == 0:
                print(f"{len(rows)} done", flush=True)
    asked = {(stratum, seed) for stratum in parsed.strata for seed in seeds}
    report([row for key, row in rows.items() if key in asked], parsed.methods)


def has_failed(row: dict[str, Any]) -> bool:
    """Return whether something of a row could not be judged."""
    return "failed" in row or any("failed" in said for said in row["methods"].values())


def troubles(row: dict[str, Any]) -> list[str]:
    """Return what is false, and what failed, in a row."""
    where = f"{row['stratum']} {row['seed']}"
    found = [f"{where}: FAILED {row['failed']}"] if "failed" in row else []
    for name, said in row["methods"].items():
        found += [f"{where}: {name} FALSE: {fault}" for fault in said.get("faults", [])]
        found += [f"{where}: {name} FAILED {said['failed']}"] if "failed" in said else []
    return found


def report(rows: list[dict[str, Any]], methods: list[str]) -> None:
    """Print what was found, method by method, by stratum, by objective and by what is demanded."""
    console = Console(width=120)
    failed = sum("failed" in row for row in rows)
    unknown = sum("failed" not in row and row["best"] is None for row in rows)
    console.print(f"{len(rows)} scenarios, {failed} failed, {unknown} without a known allocation")
    for name in methods:
        table = Table(title=name)
        for column in ("scenarios", "declined", "failed", "judged", "FALSE", "bounds", "gap: median", "nine in ten"):
            table.add_column(column, justify="right")
        table.columns[0].justify = "left"
        table.add_column("certified", justify="right")
        table.add_column("infeasible", justify="right")
        groups: list[tuple[str, Callable[[dict[str, Any]], Iterable[str]]]] = [
            ("", lambda row: ["all"]),
            ("", lambda row: [row["stratum"]]),
            ("objective ", lambda row: [row["objective"]] if "objective" in row else []),
            ("with ", lambda row: [one for one in row.get("demands", []) if not one.startswith("objective ")]),
        ]
        for prefix, group in groups:
            for key in sorted({key for row in rows for key in group(row)}):
                here = [row["methods"][name] for row in rows if key in group(row) and name in row["methods"]]
                if here:
                    table.add_row(f"{prefix}{key}", *_columns(here))
        console.print(table)


def _columns(said: list[dict[str, Any]]) -> list[str]:
    judged = [one for one in said if "faults" in one]
    gaps = sorted(one["gap"] for one in judged if one["gap"] is not None)
    claims = Counter(one["claim"] for one in judged)
    return [
        str(sum("declined" in one for one in said)),
        str(sum("failed" in one for one in said)),
        str(len(judged)),
        str(sum(bool(one["faults"]) for one in judged)),
        str(sum(one["bound"] is not None for one in judged)),
        f"{statistics.median(gaps):.3%}" if gaps else "",
        f"{gaps[int(0.9 * (len(gaps) - 1))]:.3%}" if gaps else "",
        str(claims["certified"]),
        str(claims["infeasible"]),
    ]


if __name__ == "__main__":
    main()
