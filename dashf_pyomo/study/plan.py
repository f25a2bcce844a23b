"""From a description to cells: scenario x method x repeat, each under a key made of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from formulations.documents import canonical

from .description import Description, Variant
from .scenarios import PlannedScenario
from .study_file import CellLimits

__all__ = ["Cell", "cells_of"]


@dataclass(frozen=True)
class Cell:
    """Cell of a study: one run of one variant on one scenario.

    Parameters
    ----------
    scenario, variant, repeat
        Scenario, variant and repeat; repeats count from 0.
    options
        All options of the method, seeds included.
    """

    scenario: PlannedScenario
    variant: Variant
    repeat: int
    options: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """The key of the cell: a digest of scenario, method, options, limits and repeat, 32 characters.

        Names are no part of it, so that renaming a variant repeats no work.
        """
        content = {
            "scenario": self.scenario.sha256,
            "method": self.variant.method.name,
            "options": dict(self.options),
            "limits": self.limits.model_dump(),
            "repeat": self.repeat,
        }
        return hashlib.sha256(canonical(content).encode()).hexdigest()[:32]

    @property
    def limits(self) -> CellLimits:
        """The limits of its run."""
        return self.variant.limits


def cells_of(description: Description) -> Iterator[Cell]:
    """Yield the cells of a study, scenario by scenario."""
    for scenario in description.scenarios:
        for variant in description.variants:
            for repeat in range(variant.repeats):
                yield Cell(scenario, variant, repeat, variant.options(description.seed, scenario.sha256, repeat))
