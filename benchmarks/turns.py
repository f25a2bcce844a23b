"""What turning users' training to the other side adds to the moves of `dashf-plus`, from one run of each seed.

Run: ``python benchmarks/turns.py [--users 2] [--servers 2] [--seeds 0 20]``. Turns come after all other moves, so the
trace has the SCR and the time without them.
"""

from __future__ import annotations

import argparse
import statistics

import dashf_pyomo
from formulations import Scenario


def measure(users: int, servers: int, seed: int) -> tuple[float, float, float, float]:
    """Return SCR and seconds without turns, and with them."""
    result = dashf_pyomo.solve(
        Scenario.random(users, servers, seed), "dashf-plus", threads=1, turn_users=users, time_limit=600
    )
    first = next((i for i, entry in enumerate(result.trace) if entry.phase == "turn"), None)
    scr = result.scr or 0.0
    if first is None:
        return scr, result.wall_time, scr, result.wall_time
    before = result.trace[first - 1]
    return before.best or 0.0, before.time, scr, result.wall_time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=2)
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 20), metavar=("FIRST", "END"))
    parsed = parser.parse_args()
    rows = []
    for seed in range(*parsed.seeds):
        rows.append(measure(parsed.users, parsed.servers, seed))
        print(f"seed {seed}: SCR {rows[-1][0]:.2f}, {rows[-1][2]:.2f} with turns", flush=True)
    scr, seconds, turned, longer = (statistics.mean(column) for column in zip(*rows, strict=True))
    better = sum(row[2] > row[0] * (1.0 + 1e-4) for row in rows)
    print(
        f"{parsed.users} x {parsed.servers}: mean SCR {scr:.1f}, with turns {turned:.1f} ({turned / scr - 1:+.2%}); "
        f"better on {better} of {len(rows)}; {seconds:.1f} s, {longer:.1f} s"
    )


if __name__ == "__main__":
    main()
