"""The description of a study: scenarios, methods in named variants, limits, repeats, one master seed; read and checked.

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
from formulations.schema import Place, conform

from ..algorithms import Method, configure, methods
from .scenarios import PlannedScenario, planned
from .study_file import CellLimits, MethodTable, ReportSettings, StudyTable

__all__ = ["Description", "Variant", "derived_seed", "read_description"]


def derived_seed(master: int, *parts: object) -> int:
    """Return a seed below 2^31 that follows from the master seed and from what it is for."""
    text = "/".join(map(str, (master, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


@dataclass(frozen=True)
class Variant:
    """A method with options under a name.

    Parameters
    ----------
    name
        Name in tables.
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
        """Return whether cells of another variant are the same: method, options and limits are."""
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
        Settings of the report.
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
        If anything is wrong; the message says the file, the section and the key.
    """
    if isinstance(source, Mapping):
        return _read(source, Place("study"), Path(), json.dumps(dict(source), indent=2, default=_name))
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
    return _read(document, Place(str(source)), Path(source).parent, text)


def _plain(values: Any) -> Any:
    """Return values with dictionaries for mappings of any kind."""
    if isinstance(values, Mapping):
        return {key: _plain(value) for key, value in values.items()}
    return type(values)(map(_plain, values)) if type(values) in (list, tuple) else values


def _name(value: Any) -> str:
    """Return what stands in a text for an object that a description in Python may hold."""
    return value.name or "a scenario" if isinstance(value, Scenario) else str(value)


def _variant(entry: MethodTable, study: StudyTable) -> Variant:
    """Return a variant, with limits and repeats of the study where its entry sets none."""
    return Variant(
        name=entry.name or entry.method,
        method=configure(entry.method, entry.options),
        given=entry.options,
        limits=entry.limits.over(study.limits),
        repeats=entry.repeats if "repeats" in entry.model_fields_set else study.repeats,
    )


def _read(document: Mapping[str, Any], place: Place, folder: Path, source: str) -> Description:
    study = conform(StudyTable, _plain(document), place)
    variants = [_variant(entry, study) for entry in study.methods]
    for position, variant in enumerate(variants):
        at = place.at("methods", position)
        for other in variants[:position]:
            if variant.name == other.name:
                at.at("name").fail(f"name {variant.name!r} is taken; expected another")
            if variant.runs_as(other):
                said = f"the same method, options and limits as {other.name!r}"
                at.at("method").fail(f"{said}; expected others, or repeats for independent runs")
    for key in sorted({"reference", "attribution"} & study.report.model_fields_set):
        name = getattr(study.report, key)
        if name not in (names := [variant.name for variant in variants]):
            wanted = f"the name of a method of this study, one of {', '.join(names)}"
            place.at("report", key).refuse(name, wanted)
    if study.report.attribution:
        variants += _swapped(variants, study.report.attribution, place.at("report", "attribution"))
    scenarios = [
        scenario
        for position, entry in enumerate(study.scenarios)
        for scenario in planned(
            entry, place.at("scenarios", position), folder, lambda draw: derived_seed(study.seed, "scenario", draw)
        )
    ]
    return Description(study.name, study.seed, tuple(scenarios), tuple(variants), study.report, source)


def _swapped(variants: list[Variant], name: str, place: Place) -> list[Variant]:
    """Return the variants that show what each part of one costs: one part swapped, then all."""
    base = next(variant for variant in variants if variant.name == name)
    swaps = base.method.swaps
    if not swaps:
        able = " or ".join(method.name for method in methods.values() if method.swaps)
        place.refuse(name, f"a variant of method {able}, whose parts can be swapped")
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
