"""Compare the formulations of AO part 2 side by side: value of (10), cold and warm time.

Association and offloading are AO part 1's at the start point, the ratio is the SCR reached there; every member starts
at the same resources. Cold is the first solve, model building included; warm is a further solve around the
solution. Run: ``python benchmarks/allocation.py [--largest N]``.
"""

from __future__ import annotations

import argparse
import time

from rich.console import Console
from rich.table import Table

import dashf_pyomo
from dashf_pyomo.backends import BackendError, BackendLimits, backends
from formulations import Scenario, evaluate
from formulations.formulation import formulations

SIZES = ((10, 2), (20, 3), (50, 5), (100, 10), (1000, 20))
MEMBERS = (
    ("fp", "cvxpy", "clarabel"),
    ("nlp", "nonlinear", "ipopt"),
    ("nlp", "cvxpy", "ipopt"),
    ("joint-nlp", "nonlinear", "ipopt"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=1000, help="most users")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds a solve")
    parsed = parser.parse_args()
    console = Console(width=120)
    for backend in backends.values():
        backend.availability()
    for users, servers in SIZES:
        if users > parsed.largest:
            continue
        scenario = Scenario.random(users, servers, seed=0)
        start = dashf_pyomo.solve(scenario, "aauco", association="hull")
        table = Table(title=f"AO part 2 at {users} x {servers}, seed 0, y = {start.scr:.5g}", title_justify="left")
        for column in ("formulation", "face", "backend", "status", "(10) cold", "cold s", "(10) warm", "warm s"):
            table.add_column(column, justify="right" if column[-1] in "sm" and column != "status" else "left")
        for formulation, face, backend in MEMBERS:
            cells = []
            allocation, status = start.allocation, ""
            model = None
            for _ in range(2):
                begun = time.perf_counter()
                try:
                    if model is None:
                        model = formulations[f"resources/{formulation}"].faces[face](scenario)
                    model.update(allocation, start.scr)
                    outcome = backends[backend].solve(model.problem, BackendLimits(parsed.limit))
                    status = str(outcome.status)
                    if not outcome.status.has_solution:
                        break
                    allocation = model.solution()
                except BackendError as error:
                    status = str(error)
                    break
                e = evaluate(scenario, allocation)
                value = e.score - start.scr * (scenario.weight_time * e.delay + scenario.weight_energy * e.energy)
                cells += [f"{value:.8g}", f"{time.perf_counter() - begun:.3f}"]
            table.add_row(formulation, face, backend, status, *cells)
        console.print(table)


if __name__ == "__main__":
    main()
