"""The paper's claims on its figures, held against the numbers: in the mean, and seed by seed.

Source: Sections V-B to V-E.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .catalogue import Figure, FigureKind
from .numbers import PlottedPoint, Sample, iterates

__all__ = ["PaperClaim", "claim_table", "claims_of"]

#: Iterations within which each figure converges in the paper.
ITERATIONS = {"2a": 15, "2b": 9, "2c": 9}
#: Which method is ahead of which in SCR, as Section V-C and V-D say.
ORDER = (
    ("dashf", "aauco"), ("dashf", "gucro"), ("aauco", "gucro"), ("aauco", "gucaa"), ("aauco", "rucaa"),
    ("gucro", "gucaa"), ("gucro", "rucaa"),
)  # fmt: skip
#: Weights whose effect Section V-E describes: energy first, and balanced.
FRUGAL, BALANCED = "0.1 / 0.009", "0.5 / 0.005"


@dataclass(frozen=True)
class PaperClaim:
    """Claim of the paper, and whether it holds.

    Parameters
    ----------
    figure, reading, point
        The figure, the reading and the point that it is about.
    text
        The claim in words.
    holds, seeds
        On how many seeds it holds, of how many.
    mean
        Whether it holds in the mean; None where it is no claim about means.
    ratio
        Mean of the left side over mean of the right side; None likewise.
    """

    figure: str
    reading: str
    point: str
    text: str
    holds: int
    seeds: int
    mean: bool | None = None
    ratio: float | None = None


def claims_of(figure: Figure, places: Sequence[PlottedPoint]) -> list[PaperClaim]:
    """Return what the paper claims of a figure, wherever there are samples to tell."""
    found: list[PaperClaim] = []
    for place in places:
        if place.samples and figure.kind is FigureKind.CONVERGENCE:
            found += _convergence(figure, place)
        elif place.samples and (figure.kind is FigureKind.COMPARISON or figure.name == "3b"):
            found += _order(figure, place)
    if figure.name == "3c":
        for reading in dict.fromkeys(place.reading for place in places):
            found += _weights(figure, [place for place in places if place.reading == reading])
    return found


def _convergence(figure: Figure, place: PlottedPoint) -> Iterator[PaperClaim]:
    (method,) = figure.methods
    runs = [iterates(sample.results[method][0]) for sample in place.samples]
    most = ITERATIONS[figure.name]
    where = (figure.name, place.reading, place.point.label)
    yield PaperClaim(*where, f"stops within {most} iterations", sum(len(run) - 1 <= most for run in runs), len(runs))
    rises = sum(all(b >= a * (1.0 - 1e-6) for a, b in pairwise(run)) for run in runs)
    yield PaperClaim(*where, "SCR never falls", rises, len(runs))


def _order(figure: Figure, place: PlottedPoint) -> Iterator[PaperClaim]:
    for better, worse in ORDER:
        yield _compared(figure, place, "scr", (better, ">", worse))
    if "delay" in figure.quantities:
        for other in figure.methods:
            if other != "dashf":
                yield _compared(figure, place, "delay", ("dashf", "<", other))
        yield _compared(figure, place, "energy", ("dashf", ">", "aauco"))


def _compared(figure: Figure, place: PlottedPoint, quantity: str, relation: tuple[str, str, str]) -> PaperClaim:
    left, sign, right = relation
    first = [sample.measured(left, quantity) for sample in place.samples]
    second = [sample.measured(right, quantity) for sample in place.samples]
    text = f"{_NAMES[quantity]}: {left} {sign} {right}"
    return _judged((figure.name, place.reading, place.point.label, text), sign, first, second)


_NAMES = {"scr": "SCR", "delay": "delay", "energy": "energy"}


def _judged(where: tuple[str, str, str, str], sign: str, first: Sequence[float], second: Sequence[float]) -> PaperClaim:
    a, b = np.asarray(first), np.asarray(second)
    left, right = float(a.mean()), float(b.mean())
    holds = a > b if sign == ">" else a < b
    mean = left > right if sign == ">" else left < right
    return PaperClaim(*where, int(holds.sum()), len(first), mean, left / right if right > 0 else None)


def _weights(figure: Figure, places: Sequence[PlottedPoint]) -> Iterator[PaperClaim]:
    """Compare DASHF at weights that put energy first with balanced ones, on the same seeds."""
    by_label = {place.point.label: {sample.seed: sample for sample in place.samples} for place in places}
    frugal, balanced = by_label.get(FRUGAL, {}), by_label.get(BALANCED, {})
    pairs: list[tuple[Sample, Sample]] = [(frugal[seed], balanced[seed]) for seed in frugal if seed in balanced]
    if not pairs:
        return
    for quantity, sign in (("energy", "<"), ("delay", ">"), ("scr", "<")):
        first = [a.measured("dashf", quantity) for a, _ in pairs]
        second = [b.measured("dashf", quantity) for _, b in pairs]
        text = f"{_NAMES[quantity]} of dashf {'falls' if sign == '<' else 'rises'}"
        yield _judged((figure.name, places[0].reading, f"{BALANCED} to {FRUGAL}", text), sign, first, second)


def claim_table(claims: Sequence[PaperClaim]) -> str:
    """Return claims as CSV, one row each."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("figure", "reading", "point", "claim", "holds", "seeds", "in_the_mean", "ratio_of_means"))
    for claim in claims:
        mean = "" if claim.mean is None else "yes" if claim.mean else "no"
        ratio = "" if claim.ratio is None else repr(claim.ratio)
        writer.writerow((claim.figure, claim.reading, claim.point, claim.text, claim.holds, claim.seeds, mean, ratio))
    return text.getvalue()
