"""Measure what a study costs beyond its methods: the runner, the store and the report.

A trivial method (`nearest`, about a millisecond) on many scenarios of 10 users and 2 servers, two workers. The overhead
of a cell is the workers' time over the cells less what the methods themselves took, warming up left out. Run:
``python benchmarks/study.py [CELLS]``, 10,000 by default.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dashf_pyomo.study import Study
from dashf_pyomo.study.store import FILE, Store

WORKERS = 2
#: Seconds of planning and running, MB of the store, seconds of the report; for 10,000 cells. Milliseconds a cell.
TARGETS = {"run": 120.0, "store": 200.0, "report": 60.0, "overhead": 10.0}


def main() -> None:
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        study = Study([{"seeds": f"0..{cells - 1}"}], ["nearest"], Path(folder, "study"))
        study.run(workers=WORKERS)
        found["run"] = time.perf_counter() - begin
        begin = time.perf_counter()
        again = study.run(workers=WORKERS)
        found["again"] = time.perf_counter() - begin
        found["store"] = Path(folder, "study", FILE).stat().st_size / 1e6
        with Store(study.folder) as store:
            rows = store.rows()
        # From the first to the last start: starting and warming the workers is no cost of a cell.
        first, last = (time_of(row["started"]) for row in (min(rows, key=start), max(rows, key=start)))
        inside = sum(row["wall_time"] for row in rows)
        found["overhead"] = 1e3 * (WORKERS * (last - first) - inside) / cells
        found["method"] = 1e3 * inside / cells
        begin = time.perf_counter()
        study.report()
        found["report"] = time.perf_counter() - begin

    table = Table(title=f"{cells} cells of a trivial method, {WORKERS} workers", title_justify="left")
    for column in ("what", "value", "target", "met"):
        table.add_column(column, justify="left" if column == "what" else "right")
    units = {"run": "s", "store": "MB", "report": "s", "overhead": "ms", "method": "ms", "again": "s"}
    names = {
        "run": "plan and run", "again": "run again, nothing to do", "store": "store", "report": "report",
        "method": "the method's own time, a cell", "overhead": "overhead, a cell",
    }  # fmt: skip
    for key, name in names.items():
        target = TARGETS.get(key)
        met = "" if target is None else "yes" if found[key] <= target else "NO"
        table.add_row(name, f"{found[key]:.2f} {units[key]}", "" if target is None else f"{target:g}", met)
    Console().print(table)
    if again.ran:
        raise SystemExit(f"the second run ran {again.ran} cells; expected none")


def start(row: dict[str, str]) -> str:
    return row["started"]


def time_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


if __name__ == "__main__":
    main()
