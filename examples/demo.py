"""The main job: the paper's five methods on its default scenario (10 users, 2 servers), compared.

Prints a table of SCR, delay, energy and time, and writes the scenario, every result and a picture to ``out/``.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

import dashf_pyomo
from dashf_pyomo.check import check
from dashf_pyomo.pictures import draw_comparison, draw_result
from formulations import Scenario

METHODS = ("rucaa", "gucaa", "gucro", "aauco", "dashf")


def main() -> None:
    """Solve, check, print, draw."""
    console = Console(highlight=False)
    out = Path("out")
    out.mkdir(exist_ok=True)
    scenario = Scenario.random(users=10, servers=2, seed=0)
    scenario.write(out / "scenario.json")

    table = Table(title=f"{scenario.name}: the paper's methods on its default scenario", title_justify="left")
    for column in ("method", "SCR", "delay (s)", "energy (J)", "time (s)", "claims"):
        table.add_column(column, justify="left" if column in ("method", "claims") else "right")
    results = []
    for method in METHODS:
        with console.status(method):
            result = dashf_pyomo.solve(scenario, method)
        result.write(out / f"{method}.json")
        results.append(result)
        verified = all(finding.holds for finding in check(scenario, result.to_dict()))
        table.add_row(
            method,
            f"{result.scr:.2f}",
            f"{result.delay:.1f}",
            f"{result.energy:.0f}",
            f"{result.wall_time:.2f}",
            "verified" if verified else "[bold red]WRONG[/]",
        )
    console.print(table)
    console.print("DASHF:", results[-1].message)
    draw_comparison(scenario, results, out / "comparison.png")
    draw_result(scenario, results[-1], out / "dashf.png")
    console.print("Pictures: out/comparison.png, out/dashf.png. Scenario and results: out/*.json")


if __name__ == "__main__":
    main()
