"""Draw how the root bound of `dual` gets tighter with more users, and how it depends on the deadline.

From the results of ``benchmarks/root-gap.toml``; the bound of short intervals of T is computed here, in a minute or so.

Run: ``python benchmarks/root_gap.py --study out/root-gap [--gaps FILE.png] [--deadlines FILE.png]``.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dashf_pyomo import Result
from dashf_pyomo.pictures.bounds import draw_bound_over_deadlines
from dashf_pyomo.study.store import Store
from formulations import Scenario, evaluate

SERVERS = 2


def results(study: Path) -> dict[tuple[int, int], Result]:
    """Return the result for every number of users and seed; runs without one are left out."""
    with Store(study) as store:
        found = {(row["users"], int(row["seed"])): store.result(row["key"]) for row in store.rows()}
    return {key: result for key, result in found.items() if result is not None}


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


def draw_gaps(found: dict[tuple[int, int], Result], path: str) -> None:
    """Draw the gaps against the number of users on logarithmic axes."""
    gaps: dict[int, list[float]] = {}
    for (n, _), result in sorted(found.items()):
        if result.gap is not None:
            gaps.setdefault(n, []).append(result.gap)
    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    axes = figure.subplots()
    points = [(n, gap) for n, values in gaps.items() for gap in values if gap > 0.0]
    axes.plot(*zip(*points, strict=True), "o", color="#0072B2", alpha=0.6, label="a seed")
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
    axes.set_title(f"Gap of the root bound, {SERVERS} servers")
    axes.legend()
    figure.savefig(path, dpi=120)


def draw_deadlines(result: Result, intervals: int, path: str) -> None:
    """Draw the bound over T of 10 users, seed 0: as the run leaves it, and in short intervals of their own."""
    scenario = Scenario.random(10, SERVERS, seed=0)
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
    parser.add_argument("--study", type=Path, required=True, help="folder of the study benchmarks/root-gap.toml")
    parser.add_argument("--intervals", type=int, default=80, help="intervals of T in the picture")
    parser.add_argument("--gaps", metavar="FILE", help="picture of the gap against the number of users")
    parser.add_argument("--deadlines", metavar="FILE", help="picture of the bound over T, 10 users, seed 0")
    parsed = parser.parse_args()
    found = results(parsed.study)
    if parsed.gaps:
        draw_gaps(found, parsed.gaps)
    if parsed.deadlines:
        draw_deadlines(found[10, 0], parsed.intervals, parsed.deadlines)


if __name__ == "__main__":
    main()
