"""What differs between the families of scenarios: who trains, how long it takes, and what a plain method loses.

``python benchmarks/families.py`` solves seeds 0 to 2 of every family at (20, 3) by dashf-plus (5 moves) and gucro.
"""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table

import dashf_pyomo
from formulations import families

USERS, SERVERS, SEEDS = 20, 3, range(3)


def main() -> None:
    table = Table(title=f"{USERS} users, {SERVERS} servers, means over {len(SEEDS)} seeds; users by who trains")
    for column in ("family", "SCR", "delay (s)", "user trains", "server trains", "both", "gucro / dashf-plus"):
        table.add_column(column, justify="left" if column == "family" else "right", no_wrap=column == "family")
    for family in families.families:
        rows = []
        for seed in SEEDS:
            scenario = families.draw(family, USERS, SERVERS, seed)
            best = dashf_pyomo.solve(scenario, "dashf-plus", moves=5)
            plain = dashf_pyomo.solve(scenario, "gucro")
            assert best.allocation is not None and best.scr and best.delay and plain.scr
            phi = best.allocation.offload
            own, served = np.sum(phi > 0.99), np.sum(phi < 0.01)
            rows.append([best.scr, best.delay, own, served, USERS - own - served, plain.scr / best.scr])
        scr, delay, *who, ratio = np.mean(rows, axis=0)
        table.add_row(family, f"{scr:.0f}", f"{delay:.0f}", *(f"{part:.1f}" for part in who), f"{ratio:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
