"""The main job: the paper's five methods on its default scenario, against a proven upper bound.

Prints a table of SCR, gap, delay, energy and time, and writes the scenario, every result and pictures to ``out/``.
"""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.table import Table

import dashf_pyomo
from dashf_pyomo.check import check
from dashf_pyomo.objectives import bound_text
from formulations import Scenario

METHODS = ("rucaa", "gucaa", "gucro", "aauco", "dashf", "dashf-plus", "dual")


def main() -> None:
    """Compare, check, print, draw."""
    os.environ["MPLBACKEND"] = "agg"  # to files, whatever a notebook asks for
    console = Console(highlight=False)
    out = Path("out")
    scenario = Scenario.random(users=10, servers=2, seed=0)
    with console.status(f"{len(METHODS)} methods run"):
        comparison = dashf_pyomo.compare(scenario, METHODS, time_limit=120)
    comparison.write(out)

    table = Table(title=f"{scenario.name}: the paper's methods on its default scenario", title_justify="left")
    for column in ("method", "SCR", "gap", "delay (s)", "energy (J)", "time (s)", "claims"):
        table.add_column(column, justify="left" if column in ("method", "claims") else "right")
    for row in comparison:
        result = row.result
        if result is None or result.scr is None:
            table.add_row(row.name, *["none"] * 5, f"failed: {row.message}")
            continue
        verified = all(finding.holds for finding in check(scenario, result.to_dict()))
        table.add_row(
            row.name,
            f"{result.scr:.2f}",
            "none" if row.gap is None else f"{row.gap:.2%}",
            f"{result.delay:.1f}",
            f"{result.energy:.0f}",
            f"{result.wall_time:.2f}",
            "verified" if verified else "[bold red]WRONG[/]",
        )
    console.print(table)
    for contradiction in comparison.contradictions:
        console.print(f"CONTRADICTION: {contradiction}", style="bold red", markup=False)
    if comparison.bound is not None:
        told = f"{bound_text(comparison.bound)} ({comparison.bound_source})"
        console.print(f"No allocation of this scenario has an SCR above {told}.")
    if len(comparison.results) < len(METHODS):
        raise SystemExit("not all methods have returned a result")
    dashf = comparison.results["dashf"]
    console.print("DASHF:", dashf.message)
    comparison.plot().savefig(out / "comparison.png")
    dashf.plot(scenario).savefig(out / "dashf.png")
    console.print("Pictures: out/comparison.png, out/dashf.png. Scenario and results: out/*.json")


if __name__ == "__main__":
    main()
