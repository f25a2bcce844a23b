"""What a study is: scenarios, methods in named variants, limits, repeats, one master seed; read and checked.

A description is a TOML file, or the same keys as Python values. Everything is checked before anything runs, each
method with its options by the registry, each scenario by drawing it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from formulations import InputError, Scenario

from ..algorithms import Limits, Method, configure, methods
from .lines import key_lines
from .scenarios import PlannedScenario, planned
from .section import Section

__all__ = ["CellLimits", "Description", "ReportSettings", "Variant", "derived_seed", "read_description"]


def derived_seed(master: int, *parts: object) -> int:
    """Return a seed below 2^31 that follows from the master seed and from what it is for."""
    text = "/".join(map(str, (master, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True)
class CellLimits:
    """What a cell may use.

    Parameters
    ----------
    time
        Wall time, s, handed to the method.
    memory
        What it may allocate on top of what its warm worker holds, MB.
    gap, threads
        As in `Limits`.
    grace
        Seconds beyond `time` after which the cell is killed.
    """

    time: float = 60.0
    memory: int = 4000
    gap: float = 1e-3
    threads: int = 1
    grace: float = 10.0

    def of_method(self) -> Limits:
        """Return the limits that the method is told."""
        return Limits(time_limit=self.time, gap=self.gap, threads=self.threads)


@dataclass(frozen=True)
class Variant:
    """A method with options under a name.

    Parameters
    ----------
    name
        How tables call it.
    method
        The configured method.
    given
        Options that the description sets; seeds are set for each cell where it does not.
    limits, repeats
        See `CellLimits`; how often each scenario is solved.
    role
        ``compared``, or ``attribution`` for a variant that is there to see what a part of another one costs.
    """

    name: str
    method: Method
    given: Mapping[str, Any]
    limits: CellLimits
    repeats: int = 1
    role: str = "compared"

    def runs_as(self, other: Variant) -> bool:
        """Whether cells of another variant are the same: method, options and limits are."""
        given = self.options(0, "", 0), self.options(1, "", 0)  # seeds that are not given differ
        return (self.method.name, self.limits, *given) == (
            other.method.name, other.limits, other.options(0, "", 0), other.options(1, "", 0)
        )  # fmt: skip

    def options(self, master: int, scenario: str, repeat: int) -> dict[str, Any]:
        """Return all options of a cell; seeds that are not given follow from the master seed."""
        options = dataclasses.asdict(self.method)
        for key in options:
            if (key == "seed" or key.endswith("_seed")) and key not in self.given:
                options[key] = derived_seed(master, key, scenario, repeat)
        return options


@dataclass(frozen=True)
class ReportSettings:
    """What the report shows.

    Parameters
    ----------
    targets
        Relative distances to the best known SCR that count as reaching it, in time to target.
    reference
        Name of the variant that the others are compared with, or empty for the first.
    attribution
        Name of a variant whose gap is attributed to its parts, or empty. Its cells are run again with each part swapped
        for a better one, see `Method.swaps`.
    scenario_pages
        How many scenarios are shown in full.
    """

    targets: tuple[float, ...] = (0.01, 0.1)
    reference: str = ""
    attribution: str = ""
    scenario_pages: int = 4


@dataclass(frozen=True)
class Description:
    """A study, checked.

    Parameters
    ----------
    name, seed
        Its name, and the master seed.
    scenarios
        All scenarios in order.
    variants
        All methods in order.
    report
        What the report shows.
    source
        The description as it was given: TOML, or the repr of Python values.
    """

    name: str
    seed: int
    scenarios: tuple[PlannedScenario, ...]
    variants: tuple[Variant, ...]
    report: ReportSettings
    source: str


def read_description(source: str | os.PathLike[str] | Mapping[str, Any]) -> Description:
    """Read a description from a TOML file, or from the same keys as Python values.

    Raises
    ------
    InputError
        If anything is wrong; the message says the line and the key.
    """
    if isinstance(source, Mapping):
        return _read(Section(source, "study", {}), Path(), json.dumps(dict(source), indent=2, default=_name))
    try:
        text = Path(source).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror or error}); expected a study in TOML") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: byte {error.start} is not UTF-8; expected a study in TOML") from None
    except ValueError as error:  # a path that no file can have
        raise InputError(f"{source!r}: cannot be read ({error}); expected a study in TOML") from None
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{source}: not valid TOML ({error}); expected a study, see `dashf study init`") from None
    return _read(Section(document, str(source), key_lines(text)), Path(source).parent, text)


def _name(value: Any) -> str:
    """Return what stands in a text for an object that a description in Python may hold."""
    return value.name or "a scenario" if isinstance(value, Scenario) else str(value)


def _read(top: Section, folder: Path, source: str) -> Description:
    top.only("name", "seed", "repeats", "limits", "scenarios", "methods", "report")
    name = top.text("name", "study")
    seed = top.whole("seed", 0, least=0, most=2**63)
    repeats = top.whole("repeats", 1, least=1, most=10_000)
    limits = _limits(top.section("limits"), CellLimits())
    variants = [_variant(entry, limits, repeats) for entry in top.sections("methods")]
    for position, (variant, entry) in enumerate(zip(variants, top.sections("methods"), strict=True)):
        for other in variants[:position]:
            if variant.name == other.name:
                entry.fail("name" if "name" in entry else None, f"name {variant.name!r} is taken; expected another")
            if variant.runs_as(other):
                said = f"the same method, options and limits as {other.name!r}"
                entry.fail("method", f"{said}; expected others, or repeats for independent runs")
    settings = _report(top.section("report"), [variant.name for variant in variants])
    if settings.attribution:
        variants += _swapped(top.section("report"), variants, settings.attribution)
    scenarios = [
        scenario
        for entry in top.sections("scenarios")
        for scenario in planned(entry, folder, lambda position: derived_seed(seed, "scenario", position))
    ]
    return Description(name, seed, tuple(scenarios), tuple(variants), settings, source)


def _limits(section: Section, default: CellLimits) -> CellLimits:
    section.only(*(item.name for item in dataclasses.fields(CellLimits)))
    return CellLimits(
        time=section.number("time", default.time),
        memory=section.whole("memory", default.memory, least=1, most=10**9),
        gap=section.number("gap", default.gap, zero=True, below=1.0),
        threads=section.whole("threads", default.threads, least=1, most=1024),
        grace=section.number("grace", default.grace),
    )


def _variant(section: Section, limits: CellLimits, repeats: int) -> Variant:
    section.only("name", "method", "options", "limits", "repeats")
    method = section.text("method", "")
    if method not in methods:
        section.refuse("method", f"one of {', '.join(methods)}")
    options = section.section("options")
    return Variant(
        name=section.text("name", method),
        method=section.within("options", lambda: configure(method, options.values)),
        given=dict(options.values),
        limits=_limits(section.section("limits"), limits),
        repeats=section.whole("repeats", repeats, least=1, most=10_000),
    )


def _report(section: Section, names: list[str]) -> ReportSettings:
    section.only(*(item.name for item in dataclasses.fields(ReportSettings)))
    default = ReportSettings()
    targets = section.values.get("targets", list(default.targets))
    good = isinstance(targets, (list, tuple)) and 1 <= len(targets) <= 4
    if not good or not all(isinstance(item, float) and 0 < item < 1 for item in targets):
        section.refuse("targets", "one to four numbers above 0 and below 1")
    for key in ("reference", "attribution"):
        if key in section and section.values[key] not in names:
            section.refuse(key, f"the name of a method of this study, one of {', '.join(names)}")
    return ReportSettings(
        targets=tuple(sorted(targets)),
        reference=section.text("reference", default.reference),
        attribution=section.text("attribution", default.attribution),
        scenario_pages=section.whole("scenario_pages", default.scenario_pages, least=0, most=1000),
    )


def _swapped(section: Section, variants: list[Variant], name: str) -> list[Variant]:
    """Return the variants that show what each part of one costs: one part swapped, then all."""
    base = next(variant for variant in variants if variant.name == name)
    swaps = base.method.swaps
    if not swaps:
        able = " or ".join(method.name for method in methods.values() if method.swaps)
        section.refuse("attribution", f"a variant of method {able}, whose parts can be swapped")
    together: dict[str, Any] = {}
    for swap in swaps.values():
        together |= swap
    return [
        dataclasses.replace(
            base,
            name=f"{name}: {part}",
            method=dataclasses.replace(base.method, **swap),
            given={**base.given, **swap},
            role="attribution",
        )
        for part, swap in {**swaps, "all of these": together}.items()
    ]
