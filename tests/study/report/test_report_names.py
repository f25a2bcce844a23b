"""Figures with names of every kind and times of every span: nothing is hidden, cut off or on top of something else."""

from __future__ import annotations

import itertools
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import report_cases
from matplotlib.figure import Figure

import dashf_pyomo
from dashf_pyomo.pictures import sheet
from dashf_pyomo.study.description import read_description
from dashf_pyomo.study.environment import environment
from dashf_pyomo.study.plan import cells_of
from dashf_pyomo.study.report import charts, write_report
from dashf_pyomo.study.store import Store
from dashf_pyomo.study.task import SUMMARY, CellOutcome, CellRecord
from formulations import Scenario
from formulations.documents import canonical

pytestmark = pytest.mark.slow

LONG = "a name of a variant that goes on and on until nobody can remember how it began, the {} of two"
NAMES: dict[str, list[str]] = {
    "odd": ["_x", "__y", LONG.format("first"), LONG.format("second"), "$a_b$ \\frac", "你好"],
    "dozens": [f"variant number {number} of many" for number in range(26)],
}


def fill(folder: Path, names: list[str], seeds: int, least: float, most: float) -> None:
    """A store whose cells took between so many seconds; the last variant proves the bound."""
    methods = [
        {"method": "dual", "name": name, "options": {"moves": number}} for number, name in enumerate([*names, "prover"])
    ]
    scenarios = [{"name": "small", "users": 3, "seeds": list(range(seeds))}]
    study = read_description(
        {"name": "odd", "scenarios": scenarios, "methods": methods, "report": {"scenario_pages": 1}}
    )
    random = np.random.default_rng(0)
    results = {seed: dashf_pyomo.solve(Scenario.random(3, 2, seed=seed), "nearest").to_dict() for seed in range(seeds)}

    def record(cell: Any) -> CellRecord:
        scr, seconds = 1000.0 * random.uniform(0.3, 0.99), least * (most / least) ** random.uniform()
        bound = 1000.0 if cell.variant.name == "prover" else None
        document = report_cases._document(cell) if cell.scenario.seed is None else dict(results[cell.scenario.seed])
        document |= {"method": "dual", "scenario_sha256": cell.scenario.sha256, "scr": scr, "wall_time": seconds}
        document |= {"upper_bound": bound, "bound_source": bound and "by hand", "status": "feasible"}
        document |= {"value": scr, "bound": bound}
        document["trace"] = [
            {"iteration": 0, "time": seconds / 2, "scr": scr / 2, "best": scr / 2, "upper_bound": None},
            {"iteration": 1, "time": seconds, "scr": scr, "best": scr, "upper_bound": bound},
        ]
        summary = {name: document[name] for name in SUMMARY}
        packed = zlib.compress(canonical(document).encode())
        return CellRecord(
            cell.key,
            CellOutcome.DONE,
            "",
            summary,
            packed,
            wall_time=seconds,
            cell_time=seconds,
            environment=environment(),
        )

    cells = list(cells_of(study))
    with Store(folder, write=True) as store:
        store.enter_plan(study, cells)
        store.add((cell, record(cell)) for cell in cells)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """All figures that are made, as they are when they have been written."""
    made: list[Figure] = []

    class Kept(Figure):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **settings)
            made.append(self)

        def savefig(self, place: Any, **settings: Any) -> None:
            self.draw_without_rendering()  # quicker than three formats
            place.write(b"a picture")

    for module in (charts, sheet):
        monkeypatch.setattr(module, "Figure", Kept)
    return made


def overlaps(boxes: list[Any]) -> bool:
    """Whether any two of the boxes that are not empty have a pixel in common."""
    boxes = [box for box in boxes if box.width > 1 and box.height > 1]
    return any(
        min(one.x1, other.x1) - max(one.x0, other.x0) > 0 and min(one.y1, other.y1) - max(one.y0, other.y0) > 0
        for one, other in itertools.combinations(boxes, 2)
    )


def legends(figure: Figure) -> list[Any]:
    inside = [axes.get_legend() for axes in figure.axes if axes.get_legend() is not None]
    return [*figure.legends, *inside]


def assert_readable(figure: Figure) -> None:
    """Labels of ticks do not overlap, every axis has two, and legends hide no panel and are not cut off."""
    figure.draw_without_rendering()
    panels = [axes for axes in figure.axes if axes.axison]
    for axes in panels:
        for axis in (axes.xaxis, axes.yaxis):
            labels = [label for label in axis.get_ticklabels(which="both") if label.get_text() and label.get_visible()]
            assert not overlaps([label.get_window_extent() for label in labels]), [x.get_text() for x in labels]
            low, high = sorted(axis.get_view_interval())
            at = axis.get_ticklocs()
            assert axis.get_scale() != "log" or np.count_nonzero((low <= at) & (at <= high)) >= 2
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert not any(overlaps([box, axes.get_tightbbox()]) for axes in panels)
    for axes in panels:
        assert axes.bbox.height > 100 and axes.bbox.width > 100


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize(("case", "least", "most"), [("odd", 2.1, 4.3), ("dozens", 0.3, 1.7)])
def test_every_name_has_its_place(case: str, least: float, most: float, tmp_path: Path, drawn: list[Figure]) -> None:
    names = NAMES[case]
    fill(tmp_path, names, 2, least, most)
    with Store(tmp_path) as store:
        page = write_report(store).read_text(encoding="utf-8")
    assert len(drawn) >= 6
    for figure in drawn:
        assert_readable(figure)
    told = [[text.get_text().strip() for text in legend.get_texts()] for figure in drawn for legend in legends(figure)]
    whole = [texts for texts in told if len(texts) == len(names) + 1]
    assert len(whole) >= 4  # every figure whose legend is of variants names them all
    for texts in whole:
        assert len(set(texts)) == len(texts)
        assert {name for name in names if len(name) <= 24 and name.isascii() and "$" not in name} <= set(texts)
    for name in names:
        assert name in page


@pytest.mark.parametrize("span", [1.0, 1.0001, 2.0, 7.0, 15.0, 300.0])
def test_a_time_axis_of_a_gap_has_readable_labels(span: float, tmp_path: Path, drawn: list[Figure]) -> None:
    fill(tmp_path, ["dashf"], 1, 0.7, 0.7 * span)
    with Store(tmp_path) as store:
        write_report(store)
    assert len(drawn) >= 3
    for figure in drawn:
        assert_readable(figure)
