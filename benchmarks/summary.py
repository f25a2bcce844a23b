"""Summarise a study in one CSV file, from which the tables of the docs are made (``make docs-tables``).

A row for each group of scenarios, size and variant: runs, how many are certified, the gap of each run to its own bound,
mean SCR, and CPU seconds, which depend less on what else the machine does than wall seconds. With ``--mean-scr`` there
is a row for each variant and a column for each group of scenarios instead.

Run: ``python benchmarks/summary.py STUDY [--mean-scr] [-o benchmarks/results/NAME.csv]``, STUDY being the folder of
a study (``dashf study run benchmarks/NAME.toml --out STUDY``).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dashf_pyomo.study.export import table
from dashf_pyomo.study.store import Store

ROOT = Path(__file__).resolve().parents[1]

Row = dict[str, Any]
Table = list[list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, help="folder of the study")
    parser.add_argument("--mean-scr", action="store_true", help="a row for each variant, a column for each group")
    parser.add_argument("-o", "--output", type=Path, help="CSV file (standard output without)")
    parsed = parser.parse_args()
    with Store(parsed.study) as store:
        rows = table(store)
    missing = sum(row["outcome"] == "missing" for row in rows)
    if missing:
        sys.exit(
            f"{parsed.study}: {missing} of {len(rows)} cells are missing; expected a study that was run to its end"
        )
    written = io.StringIO()
    written.writelines(f"# {line}\n" for line in origin(parsed.study.name, rows))
    csv.writer(written, lineterminator="\n").writerows(mean_scr(rows) if parsed.mean_scr else summary(rows))
    if parsed.output is None:
        print(written.getvalue(), end="")
    else:
        parsed.output.write_text(written.getvalue(), encoding="utf-8")


def origin(name: str, rows: list[Row]) -> list[str]:
    """Return where the numbers come from: command, commit and machine."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=8"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    codes = sorted({" ".join(json.loads(row["code"]).values()) for row in rows if row["code"]})
    day = min(row["started"] for row in rows if row["started"])[:10]
    return [
        f"command: dashf study run benchmarks/{name}.toml --out out/{name}",
        f"commit: {commit or 'unknown'}, code of the cells {'; '.join(codes) or 'unknown'}",
        f"machine: {processor()}, {os.cpu_count()} cores; on {day}",
    ]


def processor() -> str:
    """Return what the machine calls its processor; a study is summarised where it ran."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def grouped(rows: Iterable[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    """Return the rows by the values of some keys, in the order in which they come."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), []).append(row)
    return found


def mean(rows: list[Row]) -> float:
    """Return the mean SCR; a run without an allocation counts as zero."""
    return statistics.mean(row["scr"] or 0.0 for row in rows)


def summary(rows: list[Row]) -> Table:
    """Return a row for each group of scenarios, size and variant; a run without a bound has an infinite gap."""
    head = ["scenarios", "users, servers", "method", "runs", "certified", "median gap", "worst gap (seed)"]
    found = [[*head, "mean SCR", "median CPU (s)", "longest CPU (s)"]]
    for (group, users, servers, variant), mine in grouped(rows, "group", "users", "servers", "variant").items():
        gaps = [(math.inf if row["own_gap"] is None else row["own_gap"], row["seed"]) for row in mine]
        worst, seed = max(gaps, key=lambda gap: gap[0])
        middle = statistics.median(gap for gap, _ in gaps)
        spent = [row["cpu_time"] or 0.0 for row in mine]
        found.append([
            group, f"{users}, {servers}", variant, str(len(mine)), str(sum(r["status"] == "certified" for r in mine)),
            f"{middle:.3%}" if middle < math.inf else "none", f"{worst:.3%} ({seed})" if worst < math.inf else "none",
            f"{mean(mine):.1f}", f"{statistics.median(spent):.1f}", f"{max(spent):.1f}",
        ])  # fmt: skip
    return found


def mean_scr(rows: list[Row]) -> Table:
    """Return a row for each variant, and for each group of scenarios its mean SCR there."""
    groups = list(grouped(rows, "group"))
    found = [["method", *(f"mean SCR, {group}" for (group,) in groups)]]
    for (variant,), mine in grouped(rows, "variant").items():
        by_group = grouped(mine, "group")
        found.append([f"`{variant}`", *(f"{mean(by_group[group]):.4g}" for group in groups)])
    return found


if __name__ == "__main__":
    main()
