"""A study whose store is filled by hand: every number of its report can be worked out on paper."""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import dashf_pyomo
from dashf_pyomo.algorithms import configure
from dashf_pyomo.study.description import read_description
from dashf_pyomo.study.environment import environment
from dashf_pyomo.study.plan import Cell, cells_of
from dashf_pyomo.study.store import Store
from dashf_pyomo.study.task import SUMMARY, CellOutcome, CellRecord
from formulations import Scenario
from formulations.documents import canonical

SEEDS = 4
DESCRIPTION = {
    "name": "by hand <b>",
    "scenarios": [{"name": "small", "users": 3, "seeds": list(range(SEEDS))}, {"name": "no bound", "users": 4}],
    "methods": [
        "gucaa",
        "nearest",
        {"method": "dashf", "options": {"association": "hull"}},
        {"method": "dual", "name": "prover"},
        {"method": "dual", "name": "liar", "options": {"moves": 1}},
    ],
    "report": {"targets": [0.01, 0.5], "reference": "dashf", "attribution": "dashf", "scenario_pages": 2},
}


def description() -> Any:
    methods = [{"method": entry} if isinstance(entry, str) else entry for entry in DESCRIPTION["methods"]]
    return read_description({**DESCRIPTION, "methods": methods})


#: SCR of each variant as a share of 1000 + 100 x seed, and seconds.
VALUES = {"gucaa": (0.1, 0.001), "nearest": (0.2, 0.01), "dashf": (0.8, 0.5), "prover": (0.99, 8.0), "liar": (0.9, 2.0)}
GAINS = {
    "exact association": 0.05, "resources by nlp": 0.0, "offloading with resources": 0.1, "no early stop": -0.02,
    "all of these": 0.15,
}  # fmt: skip


def fill(folder: Path) -> None:
    """Write the store: bounds of ``prover`` are 1000 + 100 x seed, ``liar`` contradicts itself at seed 0 alone.

    ``nearest`` crashes at seed 3; the scenario of the other group has no bound.
    """
    study, records = ended()
    with Store(folder, write=True) as store:
        store.enter_plan(study, [cell for cell, _ in records])
        store.add(records)


@cache
def ended() -> tuple[Any, list[tuple[Cell, CellRecord]]]:
    """The description, and how every cell of it ended."""
    study = description()
    return study, [(cell, record(cell)) for cell in cells_of(study)]


def record(cell: Cell) -> CellRecord:
    """How a cell ended, by its variant and the seed of its scenario."""
    seed, variant = int(cell.scenario.seed or 0), cell.variant.name
    if variant == "nearest" and seed == 3:
        return CellRecord(cell.key, CellOutcome.CRASH, "worker died <script>window.obeyed = 1</script>", wall_time=1.0)
    optimum = 1000.0 + 100.0 * seed
    if variant in VALUES:
        share, seconds = VALUES[variant]
    else:
        share, seconds = VALUES["dashf"][0] + GAINS[variant.partition(": ")[2]], 0.6
    bound = None
    if cell.scenario.n_users == 3 and variant == "prover":
        bound = optimum
    if cell.scenario.n_users == 3 and variant == "liar" and seed == 0:
        bound = 0.95 * optimum
    scr = share * optimum
    document = _document(cell)
    document |= {
        "scr": scr,
        "wall_time": seconds,
        "status": "feasible",
        "upper_bound": bound,
        "value": scr,
        "bound": bound,
    }
    document["bound_source"] = None if bound is None else f"{variant} by hand"
    document["trace"] = [
        {"iteration": 0, "time": seconds / 10, "scr": scr / 2, "best": scr / 2, "upper_bound": None, "accepted": True},
        {"iteration": 1, "time": seconds, "scr": scr, "best": scr, "upper_bound": bound, "accepted": True},
    ]
    return CellRecord(
        key=cell.key,
        outcome=CellOutcome.DONE,
        message="by hand",
        summary={name: document[name] for name in SUMMARY},
        result=zlib.compress(canonical(document).encode()),
        started="2025-01-01T00:00:00.000+00:00",
        wall_time=seconds,
        cell_time=seconds,
        environment=environment(),
        worker="hand:1",
    )


def _document(cell: Cell) -> dict[str, Any]:
    scenario = Scenario.from_dict(json.loads(zlib.decompress(cell.scenario.document)))
    document = dashf_pyomo.solve(scenario, "nearest").to_dict()
    document["method"] = configure(cell.variant.method.name, {}).name
    return document
