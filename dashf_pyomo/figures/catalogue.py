"""The paper's figures as data: their points, their methods, and the study that runs them.

Source: Figures 2 and 3 (Section V). The paper names the ends of its axes, not the points between; those are ours.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from formulations import PRESETS, InputError

from ..algorithms import configure, methods

if TYPE_CHECKING:
    from ..study import Study

__all__ = ["BOUND", "FIGURES", "Figure", "FigureKind", "FigureRequest", "Point", "chosen", "study_of"]

#: The five methods of Section V-C, the weakest first.
METHODS = ("rucaa", "gucaa", "gucro", "aauco", "dashf")
#: Draws of a random association that count as one run, by their mean.
DRAWS = {"rucaa": 20}
#: How the variant that proves the bound is called.
BOUND = "bound"
#: Pairs (omega_t, omega_e); the paper names the first and the middle one.
WEIGHTS = ((0.1, 0.009), (0.3, 0.007), (0.5, 0.005), (0.7, 0.003), (0.9, 0.001))
BANDWIDTHS_MHZ = range(10, 101, 10)


class FigureKind(StrEnum):
    """Kind of a figure."""

    CONVERGENCE = "convergence"  # SCR of every iterate
    COMPARISON = "comparison"  # SCR, delay and energy at the default
    SWEEP = "sweep"  # SCR along an axis, delay and energy where asked


@dataclass(frozen=True)
class Point:
    """Point at which methods are compared.

    Parameters
    ----------
    label
        Name in pictures.
    size
        Users and servers.
    settings
        Numbers of the generator that differ from the default.
    """

    label: str
    size: tuple[int, int]
    settings: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """A figure of the paper.

    Parameters
    ----------
    name, title, kind
        Its number, what it shows, and how.
    methods
        Methods of the project.
    axis
        Name of what a sweep changes.
    settings
        Labels of the points of a sweep with what they set.
    quantities
        Numbers that a sweep shows of every run.
    """

    name: str
    title: str
    kind: FigureKind
    methods: tuple[str, ...] = METHODS
    axis: str = ""
    settings: tuple[tuple[str, Mapping[str, float]], ...] = ()
    quantities: tuple[str, ...] = ("scr",)

    def points(self, sizes: Sequence[tuple[int, int]]) -> list[Point]:
        """Return its points: all sizes where it shows convergence, else the first one."""
        if self.kind is FigureKind.CONVERGENCE:
            return [Point(f"{users} x {servers}", (users, servers)) for users, servers in sizes]
        if self.kind is FigureKind.COMPARISON:
            return [Point("default", sizes[0])]
        return [Point(label, sizes[0], settings) for label, settings in self.settings]


FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure("2a", "Convergence of AO part 1 (aauco)", FigureKind.CONVERGENCE, ("aauco",)),
        Figure("2b", "Convergence of AO part 2 (gucro)", FigureKind.CONVERGENCE, ("gucro",)),
        Figure("2c", "Convergence of DASHF", FigureKind.CONVERGENCE, ("dashf",)),
        Figure("3a", "Resources and SCR of the methods", FigureKind.COMPARISON, quantities=("scr", "delay", "energy")),
        Figure(
            "3b",
            "SCR against bandwidth",
            FigureKind.SWEEP,
            axis="bandwidth of each server (MHz)",
            settings=tuple((str(mhz), {"bandwidth_max": mhz * 1e6}) for mhz in BANDWIDTHS_MHZ),
        ),
        Figure(
            "3c",
            "Resources and SCR against the weights of delay and energy",
            FigureKind.SWEEP,
            axis=r"$\omega_t$ (1/s) over $\omega_e$ (1/J)",
            settings=tuple(
                (f"{time:g} / {energy:g}", {"weight_time": time, "weight_energy": energy}) for time, energy in WEIGHTS
            ),
            quantities=("scr", "delay", "energy"),
        ),
    )
}


@dataclass(frozen=True)
class FigureRequest:
    """Seeds, readings and limits that figures are drawn from.

    Parameters
    ----------
    seeds
        Number of scenarios that a point is averaged over: seeds 0, 1, ...
    readings
        Presets of the generator.
    sizes
        Users and servers in figures of convergence; the others take the first one.
    bound
        Method that proves the upper bound, or ``none``.
    limit
        Seconds for each run.

    Raises
    ------
    InputError
        If any of it cannot be.
    """

    seeds: int = 10
    readings: tuple[str, ...] = ("default", "paper-literal")
    sizes: tuple[tuple[int, int], ...] = ((10, 2), (20, 3))
    bound: str = "bnp"
    limit: float = 60.0

    def __post_init__(self) -> None:
        if not 1 <= self.seeds <= 10_000:
            raise InputError(f"seeds = {self.seeds}; expected a whole number from 1 to 10000")
        _once("readings", self.readings, tuple(PRESETS))
        if not self.sizes or any(users < 1 or servers < 1 for users, servers in self.sizes):
            raise InputError("sizes: expected at least one pair of users and servers, each at least 1")
        if len(set(self.sizes)) < len(self.sizes):
            raise InputError("sizes: one is given twice; expected each once")
        proving = [name for name, method in methods.items() if method.proves_bounds]
        if self.bound not in (*proving, "none"):
            raise InputError(f"bound = {self.bound!r}; expected one of {', '.join(proving)} or none")
        if not 0 < self.limit < 1e9:
            raise InputError(f"limit = {self.limit:g}; expected a number of seconds above 0, below 1e9")


def chosen(names: Sequence[str]) -> list[Figure]:
    """Return figures by name; ``all`` stands for all of them.

    Raises
    ------
    InputError
        If there is no such figure, or one is named twice.
    """
    if list(names) == ["all"]:
        return list(FIGURES.values())
    _once("figures", names, tuple(FIGURES))
    return [FIGURES[name] for name in names]


def _once(what: str, names: Sequence[str], known: Sequence[str]) -> None:
    if not names:
        raise InputError(f"{what}: none is given; expected some of {', '.join(known)}")
    for position, name in enumerate(names):
        if name not in known:
            raise InputError(f"{what}: {name!r}; expected some of {', '.join(known)}")
        if name in names[:position]:
            raise InputError(f"{what}: {name!r} is given twice; expected once")


def group_of(reading: str, point: Point) -> str:
    """Return the name of a group of scenarios in the study."""
    return f"{reading}, {point.label}"


def study_of(figure: Figure, request: FigureRequest, folder: str | os.PathLike[str]) -> Study:
    """Return the study behind a figure; figures in one folder share the runs that they have in common."""
    from ..study import Study

    scenarios = [
        {
            "name": group_of(reading, point),
            "sizes": [point.size],
            "seeds": list(range(request.seeds)),
            "preset": reading,
            "set": dict(point.settings),
        }
        for reading in request.readings
        for point in figure.points(request.sizes)
    ]
    variants: list[Mapping[str, Any]] = [
        {"method": method, "repeats": DRAWS.get(method, 1)} for method in figure.methods
    ]
    if request.bound != "none":
        # Moves improve the allocation of the bounding method, which is not drawn, and never its bound.
        method = configure(request.bound, {})
        moves = {"moves": 0} if any(item.name == "moves" for item in fields(method)) else {}
        variants.append({"method": request.bound, "name": BOUND, "options": moves})
    return Study(scenarios, variants, folder, name=f"figure {figure.name}", limits={"time": float(request.limit)})
