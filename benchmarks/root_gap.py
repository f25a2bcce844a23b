"""How the root bound of `dual` gets tighter with more users, and how it depends on the deadline.

Solves seeds 0 to 4 at every number of users, two servers, with gap 0: until cutting deadlines brings next to nothing.
With ``--results FOLDER`` results are kept there, and those that are there already are not computed again.

Run: ``python benchmarks/root_gap.py [--users 2 3 5] [--limit 60] [--results FOLDER] [--gaps FILE] [--deadlines FILE]``;
the last two are pictures.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import dashf_pyomo
from dashf_pyomo import Result
from dashf_pyomo.pictures.bounds import draw_bound_over_deadlines
from formulations import Scenario, evaluate

USERS, SERVERS, SEEDS = (2, 3, 5, 10, 20, 50), 2, range(5)


def root(users: int, seed: int, limit: float, folder: str | None) -> Result:
    """Return the result of one scenario, from the folder if it is there."""
    scenario = Scenario.random(users, SERVERS, seed)
    place = None if folder is None else Path(folder, f"{users}x{SERVERS}-seed{seed}.json")
    if place is not None and place.exists():
        kept = Result.read(place)
        if kept.matches(scenario):
            return kept
    result = dashf_pyomo.solve(scenario, "dual", time_limit=limit, gap=0.0)
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        result.write(place)
    return result


def curve(scenario: Scenario, intervals: int) -> tuple[np.ndarray, np.ndarray]:
    """Return edges, s, and the proven bound on the SCR of every interval between them, whatever was found elsewhere."""
    from dashf_pyomo.algorithms.dual import bounding
    from dashf_pyomo.algorithms.dual.method import Dual
    from dashf_pyomo.algorithms.dual.search import Search
    from dashf_pyomo.algorithms.dual.settings import Cutoff
    from dashf_pyomo.algorithms.dual.start import first_allocation
    from dashf_pyomo.algorithms.run import Limits, Run

    run = Run(scenario, Limits())
    first_allocation(run, few=True)
    search = Search(run, Dual().settings(run))
    data, whole = search.problem.data, search.problem.whole()

    class Low(Cutoff):
        value = property(lambda self: 0.1 * super().value)
        target = property(lambda self: self.value)

    low = Low(run, data.scr_unit)
    here = bounding.ByInterval(search.problem, search.pool, search.settings, low)
    here.coarse = 0.0
    edges = np.geomspace(*whole.interval, intervals + 1)
    edges[[0, -1]] = whole.interval
    parts = [whole.between(low, high) for low, high in itertools.pairwise(edges.tolist())]
    prices, bounds = None, np.full(intervals, np.inf)
    # Prices and columns of the neighbours help; so there and back again.
    for k in (*range(intervals), *reversed(range(intervals))):
        found = here.generate(parts[k], prices, most_rounds=100)
        prices, bounds[k] = found.prices, min(bounds[k], max(found.bound * data.scr_unit, 0.0))
    return edges * data.pairs.time_unit, bounds


def draw_gaps(gaps: dict[int, list[float]], path: str) -> None:
    """Draw the gaps against the number of users on logarithmic axes."""
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for seed in SEEDS:
        points = [(users, values[seed]) for users, values in gaps.items() if values[seed] > 0.0]
        axes.plot(*zip(*points, strict=True), "o", color="#0072B2", alpha=0.6, label="a seed" if seed == 0 else None)
    users = np.array(list(gaps))
    median = np.array([statistics.median(values) for values in gaps.values()])
    axes.plot(users, median, color="#D55E00", label="median")
    worst = int(np.argmax(median))
    guide = median[worst] * users[worst] / users[worst:]
    axes.plot(users[worst:], guide, color="#555555", linestyle=":", label="proportional to 1 / N")
    axes.set(xscale="log", yscale="log", xlabel="users N", ylabel="(bound - SCR) / bound")
    axes.set_xticks(users, [str(n) for n in users])
    axes.set_xticks([], minor=True)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100.0 * value:g} %")
    axes.set_title(f"Gap of the root bound, {SERVERS} servers, seeds {SEEDS[0]} to {SEEDS[-1]}")
    axes.legend()
    figure.savefig(path, dpi=120)


def draw_deadlines(limit: float, folder: str | None, intervals: int, path: str) -> None:
    """Draw the bound over T of 10 users, seed 0: as the run leaves it, and in short intervals of their own."""
    scenario = Scenario.random(10, SERVERS, SEEDS[0])
    result = root(10, SEEDS[0], limit, folder)
    assert result.allocation is not None
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    draw_bound_over_deadlines(axes, result, evaluate(scenario, result.allocation))
    axes.patches[0].set_label("bound as the run leaves it")
    edges, bounds = curve(scenario, intervals)
    axes.stairs(bounds, edges, baseline=None, color="#009E73", label=f"bound of each of {intervals} short intervals")
    axes.set(ylim=(0.0, 1.06 * bounds.max()), title=f"{scenario.name}: the bound over T")
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, nargs="+", default=USERS)
    parser.add_argument("--limit", type=float, default=300.0, help="seconds a scenario")
    parser.add_argument("--intervals", type=int, default=80, help="intervals of T in the picture")
    parser.add_argument("--results", help="folder of the results")
    parser.add_argument("--gaps", metavar="FILE", help="picture of the gap against the number of users")
    parser.add_argument("--deadlines", metavar="FILE", help="picture of the bound over T, 10 users, seed 0")
    parsed = parser.parse_args()
    table = Table(title=f"root bound of dual, {SERVERS} servers, {len(SEEDS)} seeds, gap 0", title_justify="left")
    for column in ("users", "least gap", "median", "largest", "median time (s)", "at the time limit"):
        table.add_column(column, justify="right")
    gaps: dict[int, list[float]] = {}
    for users in parsed.users:
        results = [root(users, seed, parsed.limit, parsed.results) for seed in SEEDS]
        gaps[users] = found = [np.nan if result.gap is None else result.gap for result in results]
        late = sum(result.status == "time_limit" for result in results)
        time = statistics.median(result.wall_time for result in results)
        shown = (min(found), statistics.median(found), max(found))
        table.add_row(str(users), *(f"{gap:.4%}" for gap in shown), f"{time:.1f}", str(late))
    Console().print(table)
    if parsed.gaps:
        draw_gaps(gaps, parsed.gaps)
    if parsed.deadlines:
        draw_deadlines(parsed.limit, parsed.results, parsed.intervals, parsed.deadlines)


if __name__ == "__main__":
    main()
