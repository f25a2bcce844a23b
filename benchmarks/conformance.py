"""Hold every method against everything that may be declared under every objective; a false claim is a release blocker.

Run: ``python benchmarks/conformance.py [--crossed] [--methods dual bnp ...] [--only TEXT] [--limit 20] [--workers 2]
[--store out/conformance.jsonl]``. Without ``--crossed`` the cases are those of `conformance.declared_cases`, whose
references are stored; with it, every objective with everything that may be declared. What is done is written at once,
so that an interrupted run goes on where it stopped; what failed is done again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def judge(case: Any, names: list[str], limit: float) -> list[dict[str, Any]]:
    """Return what became of a case, a row for every method."""
    from dashf_pyomo.conformance import ConformanceError, MethodEntry, require_agreement
    from dashf_pyomo.conformance.declared import relative_loss
    from formulations import evaluate

    rows, results = [], {}
    for name in names:
        said: dict[str, Any] = {"case": str(case), "objective": case.objective, "declared": case.declared}
        said["method"], entry = name, MethodEntry(name, case)
        rows.append(said)
        try:
            reason = entry.skip_reason()
            if reason:
                said |= {"outcome": "declined", "reason": reason}
                continue
            result = results[name] = entry.run(time_limit=limit)
        except ConformanceError as error:
            said |= {"outcome": "FALSE", "reason": str(error)}
            continue
        except Exception as error:
            said |= {"outcome": "failed", "reason": f"{type(error).__name__}: {error}"}
            continue
        loss = None
        if result.allocation is not None and case.reference.allocation is not None:
            reached = evaluate(case.scenario, result.allocation).value
            loss = relative_loss(case.scenario, case.reference.value, reached)
        facts = {"value": result.value, "bound": result.bound, "gap": result.gap, "claim": str(result.claim)}
        said |= {"outcome": "kept", "loss": loss, "time": result.wall_time, **facts}
    try:
        require_agreement(case, results.values())
    except ConformanceError as error:
        blamed = next(row for row in rows if row.get("bound") is not None)
        blamed |= {"outcome": "FALSE", "reason": str(error)}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crossed", action="store_true", help="every objective with everything that may be declared")
    parser.add_argument("--methods", nargs="+", help="all by default")
    parser.add_argument("--only", default="", help="cases with this text in their names")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds a method and case")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--store", type=Path, default=Path("out/conformance.jsonl"))
    parsed = parser.parse_args()
    # The workers are the parallelism: more threads would only wait for each other.
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from dashf_pyomo.algorithms import methods
    from dashf_pyomo.conformance import crossed_cases, declared_cases

    names = parsed.methods or list(methods)
    cases = [case for case in (crossed_cases() if parsed.crossed else declared_cases()) if parsed.only in str(case)]
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    parsed.store.parent.mkdir(parents=True, exist_ok=True)
    if parsed.store.exists():
        for line in parsed.store.read_text().splitlines():
            row = json.loads(line)
            rows[row["case"], row["method"]] = row
    # Methods of a case are held against each other, so a case is done as a whole.
    done = {key for key, row in rows.items() if row["outcome"] != "failed"}
    todo = [case for case in cases if any((str(case), name) not in done for name in names)]
    console = Console(width=140)
    with ProcessPoolExecutor(parsed.workers) as pool, parsed.store.open("a") as file:
        for task in as_completed([pool.submit(judge, case, names, parsed.limit) for case in todo]):
            for row in task.result():
                rows[row["case"], row["method"]] = row
                file.write(json.dumps(row) + "\n")
                if row["outcome"] in ("FALSE", "failed"):
                    print(f"{row['outcome']}: {row['method']} on {row['case']}: {row['reason']}", flush=True)
            file.flush()
    asked = [rows[str(case), name] for case in cases for name in names]
    report(console, asked)


def report(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print what was found by method, then by method and objective, then by method and what is declared."""
    for title, key in (("methods", None), ("objectives", "objective"), ("declared", "declared")):
        table = Table(title=title)
        table.add_column("")
        for column in ("kept", "declined", "failed", "FALSE", "nothing found", "certified", "loss: median", "worst"):
            table.add_column(column, justify="right")
        for method in dict.fromkeys(row["method"] for row in rows):
            of_method = [row for row in rows if row["method"] == method]
            for group in dict.fromkeys("" if key is None else row[key] for row in of_method):
                here = [row for row in of_method if key is None or row[key] == group]
                if key is None or any(row["outcome"] != "declined" for row in here):
                    table.add_row(f"{method} {group}".strip(), *_columns(here))
        console.print(table)


def _columns(rows: Iterable[dict[str, Any]]) -> list[str]:
    said = list(rows)
    kept = [row for row in said if row["outcome"] == "kept"]
    losses = sorted(row["loss"] for row in kept if row["loss"] is not None)
    return [
        *(str(sum(row["outcome"] == word for row in said)) for word in ("kept", "declined", "failed", "FALSE")),
        str(sum(row["loss"] is None for row in kept)),
        str(sum(row["claim"] == "certified" for row in kept)),
        f"{statistics.median(losses):.3%}" if losses else "",
        f"{losses[-1]:.3%}" if losses else "",
    ]


if __name__ == "__main__":
    main()
