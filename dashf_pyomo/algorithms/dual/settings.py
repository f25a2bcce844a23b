"""Settings of a search: its options, the size of the scenario, and the incumbent that bounds are compared with."""

from __future__ import annotations

from dataclasses import dataclass

from ...deadline import Deadline
from ..run import Run

__all__ = ["Cutoff", "Settings", "above"]


def above(value: float, part: float) -> float:
    """Return what lies above a value of any sign by a part of it."""
    return value + part * abs(value)


@dataclass(frozen=True)
class Settings:
    """The options of a search, chosen once.

    Parameters
    ----------
    source
        Source of bounds in results.
    accuracy
        Relative accuracy of prices and proofs.
    max_cells
        Most cells in the proof of a pair.
    proven
        Whether bounds are proven; others are never reported.
    branches
        Whether boxes are cut at servers and phi of users too.
    dives, moves
        Most dives, and most moves of single users, where the gap stays open.
    joint_users
        Most users whose offloading and resources are optimised together by Ipopt; beyond, columns are averaged.
    deadline
        The time that is left.
    """

    source: str
    accuracy: float
    max_cells: int
    proven: bool
    branches: bool
    dives: int
    moves: int
    joint_users: int
    deadline: Deadline


@dataclass(frozen=True)
class Cutoff:
    """The incumbent of a run in scaled units: boxes whose bound is below it are of no interest.

    Parameters
    ----------
    run
        Has the incumbent and the gap that is asked for.
    unit
        What one unit of the scaled value is, negative where the objective is minimised.
    """

    run: Run
    unit: float

    @property
    def value(self) -> float:
        """The scaled value of the incumbent."""
        return self.run.incumbent[1] / self.unit

    @property
    def target(self) -> float:
        """A bound that is good enough: with the incumbent it closes the asked gap."""
        return above(self.value, 0.95 * self.run.limits.gap)
