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
from dashf_pyomo.result import bound_text
from formulations import Scenario

METHODS = ("rucaa", "gucaa", "gucro", "aauco", "dashf", "dashf-plus", "dual")


def main() -> None:
    """Solve, check, print, draw."""
    os.environ["MPLBACKEND"] = "agg"  # to files, whatever a notebook asks for
    from dashf_pyomo.pictures import draw_comparison, draw_result

    console = Console(highlight=False)
    out = Path("out")
    out.mkdir(exist_ok=True)
    scenario = Scenario.random(users=10, servers=2, seed=0)
    scenario.write(out / "scenario.json")

    results = {}
    for method in METHODS:
        with console.status(method):
            results[method] = dashf_pyomo.solve(scenario, method, time_limit=120)
        results[method].write(out / f"{method}.json")

    bound = results["dual"].upper_bound
    table = Table(title=f"{scenario.name}: the paper's methods on its default scenario", title_justify="left")
    for column in ("method", "SCR", "gap", "delay (s)", "energy (J)", "time (s)", "claims"):
        table.add_column(column, justify="left" if column in ("method", "claims") else "right")
    for method, result in results.items():
        gap = dashf_pyomo.relative_gap(result.scr, bound)
        verified = all(finding.holds for finding in check(scenario, result.to_dict()))
        table.add_row(
            method,
            f"{result.scr:.2f}",
            "none" if gap is None else f"{gap:.2%}",
            f"{result.delay:.1f}",
            f"{result.energy:.0f}",
            f"{result.wall_time:.2f}",
            "verified" if verified else "[bold red]WRONG[/]",
        )
    console.print(table)
    if bound is not None:
        told = bound_text(bound)
        console.print(f"No allocation of this scenario has an SCR above {told} ({results['dual'].bound_source}).")
    console.print("DASHF:", results["dashf"].message)
    draw_comparison(scenario, list(results.values()), out / "comparison.png")
    draw_result(scenario, results["dashf"], out / "dashf.png")
    console.print("Pictures: out/comparison.png, out/dashf.png. Scenario and results: out/*.json")


if __name__ == "__main__":
    main()
