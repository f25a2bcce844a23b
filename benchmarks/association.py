"""Compare the formulations of AO part 1 side by side: value, tightness, build and solve time, memory.

Each member is built and solved in a process of its own at the start point of Algorithm 1, with a time and a memory
limit; what does not finish is shown as such. Run: ``python benchmarks/association.py [--quick] [--picture FILE.png]``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from multiprocessing.connection import Connection

import numpy as np
from rich.console import Console
from rich.table import Table

SIZES = ((10, 2), (20, 3), (50, 5), (100, 10), (1000, 20))
MEMBERS = (
    ("hull", "matrix", "highs"),
    ("hull", "cvxpy", "highs"),
    ("milp", "matrix", "highs"),
    ("milp", "cvxpy", "highs"),
    ("sdr-chordal", "cvxpy", "clarabel"),
    ("sdr-chordal", "cvxpy", "scs"),
    ("sdr-rlt", "cvxpy", "clarabel"),
    ("sdr", "cvxpy", "clarabel"),
    ("sdr", "cvxpy", "scs"),
)


def measure(member: tuple[str, str, str], size: tuple[int, int], memory: float, limit: float, to: Connection) -> None:
    """Build and solve one member; send (status, value, build seconds, solve seconds, peak bytes)."""
    from dashf_pyomo.backends import BackendLimits, backends
    from formulations import Scenario, evaluate
    from formulations.association.coefficients import AssociationCoefficients
    from formulations.association.pair_resources import PairResources, start_allocation
    from formulations.formulation import formulations

    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    formulation, face, backend = member
    scenario = Scenario.random(*size, seed=0)
    ratio = evaluate(scenario, start_allocation(scenario)).scr
    build = formulations[f"association/{formulation}"].faces[face]
    backends[backend].availability()
    try:
        start = time.perf_counter()
        coefficients = AssociationCoefficients.of(scenario, PairResources.equal(scenario), ratio)
        model = build(scenario)
        model.update(coefficients)
        built = time.perf_counter() - start
        outcome = backends[backend].solve(model.problem, BackendLimits(time_limit=limit))
        value = model.solution().value if outcome.status.has_solution else None
        status = str(outcome.status)
    except (MemoryError, ValueError) as error:
        built, value, status, outcome = 0.0, None, type(error).__name__, None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    to.send((status, value, built, outcome.wall_time if outcome else 0.0, peak))


def run(member: tuple[str, str, str], size: tuple[int, int], limit: float, memory: float) -> tuple:
    """Run one member in a process of its own and return what it sent, or how it died."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure, args=(member, size, memory, limit, sender))
    process.start()
    sender.close()
    result: tuple = ("time limit", None, 0.0, 0.0, 0)
    try:
        if receiver.poll(limit + 20.0):
            result = receiver.recv()
    except EOFError:
        result = ("died, out of memory", None, 0.0, 0.0, 0)
    process.kill()
    process.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=float, default=60.0, help="seconds a member")
    parser.add_argument("--memory", type=float, default=12e9, help="bytes a member")
    parser.add_argument("--quick", action="store_true", help="up to 50 x 5 only")
    parser.add_argument("--picture", help="log-log picture of time against N M")
    parsed = parser.parse_args()
    console = Console(width=130)
    times: dict[tuple[str, str, str], list[tuple[int, float]]] = {member: [] for member in MEMBERS}
    for size in SIZES[:3] if parsed.quick else SIZES:
        table = Table(title=f"AO part 1 at {size[0]} x {size[1]}, start point of seed 0", title_justify="left")
        texts = ("formulation", "face", "backend", "status")
        numbers = ("value", "below milp", "build s", "solve s", "MB")
        for column in texts + numbers:
            table.add_column(column, justify="right" if column in numbers else "left")
        rows = {member: run(member, size, parsed.limit, parsed.memory) for member in MEMBERS}
        exact = rows["milp", "matrix", "highs"][1]
        for member, (status, value, built, solved, peak) in rows.items():
            below = "" if value is None or exact is None else f"{(exact - value) / abs(exact):.3%}"
            shown = "" if value is None else f"{value:.8g}"
            table.add_row(*member, status, shown, below, f"{built:.3f}", f"{solved:.3f}", f"{peak / 1e6:.0f}")
            if value is not None:
                times[member].append((size[0] * size[1], built + solved))
        console.print(table)
        for backend in ("clarabel", "scs"):
            dense, chordal = rows["sdr", "cvxpy", backend], rows["sdr-chordal", "cvxpy", backend]
            if dense[1] is not None and chordal[1] is not None:
                hull = rows["hull", "matrix", "highs"]
                console.print(
                    f"on {backend}: sdr {dense[3] / chordal[3]:.0f} times the time of sdr-chordal and "
                    f"{dense[3] / hull[3]:.0f} times that of hull; values differ by "
                    f"{abs(dense[1] - chordal[1]) / abs(chordal[1]):.1e} relative"
                )
    exponents = fitted(times)
    console.print("time ~ (N M)^k: " + ", ".join(f"{'/'.join(member)} k = {k:.2f}" for member, k in exponents.items()))
    if parsed.picture:
        draw(times, parsed.picture)
        console.print(f"picture: {parsed.picture}")


def fitted(times: dict[tuple[str, str, str], list[tuple[int, float]]]) -> dict[tuple[str, str, str], float]:
    """Return the slope of log time over log N M, where there are three sizes or more."""
    return {
        member: float(np.polyfit(*np.log(np.array(points).T), 1)[0])
        for member, points in times.items()
        if len(points) >= 3
    }


def draw(times: dict[tuple[str, str, str], list[tuple[int, float]]], path: str) -> None:
    """Draw time against N M on logarithmic axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    for member, points in times.items():
        if points:
            axes.loglog(*zip(*points, strict=True), marker="o", label=" ".join(member))
    axes.set(xlabel="N M", ylabel="build and solve (s)", title="AO part 1: time against size")
    figure.legend(*axes.get_legend_handles_labels(), fontsize=8, loc="outside right upper")
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
