"""Attribution of the gap of DASHF to its parts: the cost of each, found by swapping in a better one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...result_data import relative_gap
from .pairing import by_scenario, mean_value
from .statistics import Interval, bootstrap_mean
from .study_data import StudyData

__all__ = ["Attributed", "attributed"]


@dataclass(frozen=True)
class Attributed:
    """Cost of one part.

    Parameters
    ----------
    part
        The part that was swapped.
    pairs
        Number of scenarios with both runs and a bound.
    gap
        Mean gap of the method as it is, on these.
    gain
        Mean of what the swap changes the value by over the bound, positive where it is better, with an interval.
    cells
        Positions of all cells that went in, those of the bounds among them.
    """

    part: str
    pairs: int
    gap: float
    gain: Interval
    cells: tuple[int, ...]

    @property
    def share(self) -> float | None:
        """The gain over the gap, or None where there is no gap."""
        return self.gain.estimate / self.gap if self.gap > 0 else None


def attributed(data: StudyData, base: str, where: str) -> Iterator[Attributed]:
    """Yield what each part of a variant costs on the scenarios of one group and size."""
    prefix = f"{base}: "
    swapped = dict.fromkeys(
        cell.variant for cell in data.cells if cell.role == "attribution" and cell.variant.startswith(prefix)
    )
    before = by_scenario(data, base, where)
    for variant in swapped:
        gaps: list[float] = []
        gains: list[float] = []
        cells: list[int] = []
        for scenario, mine in by_scenario(data, variant, where).items():
            known = data.scenarios[scenario]
            bound = known.bound_value
            old, new = mean_value(before.get(scenario, [])), mean_value(mine)
            if bound is None or old is None or new is None or known.bound is None:
                continue
            gap, left = relative_gap(old, bound), relative_gap(new, bound)
            if gap is None or left is None:
                continue
            gaps.append(gap)
            gains.append(gap - left)
            cells += [cell.position for cell in (*before[scenario], *mine, known.bound)]
        if gains:
            gap = float(np.mean(gaps))
            yield Attributed(variant.removeprefix(prefix), len(gains), gap, bootstrap_mean(gains), tuple(cells))
