"""From the cells of a study to the numbers that a figure draws: means over seeds, with their spread."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..study.report.cell_rows import CellRow
from ..study.report.study_data import StudyData
from ..study.store import Store
from .catalogue import BOUND, Figure, FigureKind, FigureRequest, Point, group_of

__all__ = ["PlottedPoint", "Sample", "Spread", "Value", "iterates", "kept", "plotted_points", "table", "values_of"]


@dataclass(frozen=True)
class Sample:
    """Scenario that all methods of a figure have solved.

    Parameters
    ----------
    seed
        Of the scenario.
    results
        Result documents of every method, see `Result.to_dict`: one, or as many as it has draws.
    bound
        The least proven upper bound on the SCR that no allocation refutes, or None.
    """

    seed: int
    results: Mapping[str, Sequence[Mapping[str, Any]]]
    bound: float | None

    def measured(self, method: str, quantity: str) -> float:
        """Return ``scr``, ``delay`` or ``energy`` of what a method found, the mean over its draws."""
        return float(np.mean([document[quantity] for document in self.results[method]]))


@dataclass(frozen=True)
class PlottedPoint:
    """Point of a figure at one reading, with all its samples.

    Parameters
    ----------
    reading, point
        Where.
    samples
        Scenarios on which every method found an allocation, by seed.
    left_out
        Number of scenarios on which one did not: a mean over what is left would favour that method.
    """

    reading: str
    point: Point
    samples: tuple[Sample, ...]
    left_out: int

    @property
    def bounds(self) -> list[float]:
        """The bounds of all samples, or none where one is missing: a mean over other seeds is no bound on the mean."""
        known = [sample.bound for sample in self.samples if sample.bound is not None]
        return known if len(known) == len(self.samples) else []


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation and quantiles over seeds.

    Parameters
    ----------
    mean, deviation, least, lower, median, upper, most
        ``lower`` and ``upper`` are the quartiles; the deviation of one value is zero.
    count
        Number of seeds.
    """

    mean: float
    deviation: float
    least: float
    lower: float
    median: float
    upper: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Describe at least one value."""
        array = np.asarray(values, dtype=np.float64)
        deviation = float(array.std(ddof=1)) if array.size > 1 else 0.0
        least, lower, median, upper, most = map(float, np.quantile(array, (0.0, 0.25, 0.5, 0.75, 1.0)))
        return cls(float(array.mean()), deviation, least, lower, median, upper, most, array.size)


@dataclass(frozen=True)
class Value:
    """A number of a figure.

    Parameters
    ----------
    place
        Reading and point.
    method
        Name of a method, or ``bound``.
    quantity
        ``scr``, ``delay`` (s), ``energy`` (J), ``gap`` (relative, to the bound), ``iterate`` (SCR of an iterate),
        ``kept`` (the best SCR up to an iterate) or ``upper_bound``.
    iteration
        Of an iterate, else None.
    spread
        Over seeds.
    """

    place: PlottedPoint
    method: str
    quantity: str
    iteration: int | None
    spread: Spread


def plotted_points(figure: Figure, request: FigureRequest, store: Store, data: StudyData) -> list[PlottedPoint]:
    """Read what a figure shows from the store that its study was run into."""
    results = dict(store.results())
    seeds = {row["scenario"]: int(row["seed"]) for row in store.rows()}
    found = []
    for reading in request.readings:
        for point in figure.points(request.sizes):
            group, samples, left_out = group_of(reading, point), [], 0
            grouped: dict[str, list[CellRow]] = {}
            for cell in data.cells:
                if cell.group == group and cell.variant in figure.methods:
                    grouped.setdefault(cell.scenario, []).append(cell)
            for digest, cells in grouped.items():
                if any(cell.value is None for cell in cells):
                    left_out += 1
                    continue
                documents = {
                    method: [results[cell.key] for cell in cells if cell.variant == method] for method in figure.methods
                }
                samples.append(Sample(seeds[digest], documents, data.scenarios[digest].bound_value))
            samples.sort(key=lambda sample: sample.seed)
            found.append(PlottedPoint(reading, point, tuple(samples), left_out))
    return found


def iterates(document: Mapping[str, Any]) -> list[float]:
    """Return the SCR of the start and of every iterate after it."""
    return [float(entry["scr"]) for entry in document["trace"] if entry.get("phase") in ("start", "iterate")]


def kept(document: Mapping[str, Any]) -> list[float]:
    """Return the best SCR up to every iterate."""
    return np.maximum.accumulate(iterates(document)).tolist()


def values_of(figure: Figure, places: Sequence[PlottedPoint]) -> list[Value]:
    """Return all numbers of a figure."""
    found: list[Value] = []
    for place in places:
        if not place.samples:
            continue
        for method in figure.methods:
            for quantity in figure.quantities:
                numbers = [sample.measured(method, quantity) for sample in place.samples]
                found.append(Value(place, method, quantity, None, Spread.of(numbers)))
            if place.bounds:
                gaps = [1.0 - sample.measured(method, "scr") / (sample.bound or 1.0) for sample in place.samples]
                found.append(Value(place, method, "gap", None, Spread.of(gaps)))
            if figure.kind is FigureKind.CONVERGENCE:
                found += _steps(place, method)
        if place.bounds:
            found.append(Value(place, BOUND, "upper_bound", None, Spread.of(place.bounds)))
    return found


def _steps(place: PlottedPoint, method: str) -> Iterator[Value]:
    """Yield SCR against iterations; a run that has stopped stays where it is."""
    for quantity, read in (("iterate", iterates), ("kept", kept)):
        runs = [read(sample.results[method][0]) for sample in place.samples]
        for iteration in range(max(map(len, runs))):
            numbers = [run[min(iteration, len(run) - 1)] for run in runs]
            yield Value(place, method, quantity, iteration, Spread.of(numbers))


def table(figure: Figure, values: Sequence[Value]) -> str:
    """Return the numbers of a figure as CSV, one row each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ("mean", "deviation", "least", "lower", "median", "upper", "most", "count")
    writer.writerow(
        ("figure", "reading", "point", "users", "servers", "method", "quantity", "iteration", *names, "left_out")
    )
    for value in values:
        place = value.place
        numbers = [repr(getattr(value.spread, name)) for name in names]
        iteration = "" if value.iteration is None else value.iteration
        where = (figure.name, place.reading, place.point.label, *place.point.size)
        writer.writerow((*where, value.method, value.quantity, iteration, *numbers, place.left_out))
    return text.getvalue()
