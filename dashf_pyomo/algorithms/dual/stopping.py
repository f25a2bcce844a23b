"""Stopping rules of a search, asked in turn; each has the words that a result gives as its reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from ..run import Run

__all__ = ["BoundsRefuted", "GapClosed", "StoppingRule", "reason_to_stop"]


class StoppingRule(Protocol):
    """Stopping rule. The branching says when nothing is left to cut, and the run when its time is over."""

    @property
    def reason(self) -> str:
        """The reason that the result gives."""

    def met(self) -> bool:
        """Return whether the search stops."""


@dataclass(frozen=True)
class GapClosed:
    """Incumbent and bound agree within the asked gap."""

    run: Run
    reason: ClassVar[str] = "gap closed"

    def met(self) -> bool:
        """Return whether the gap is closed."""
        return self.run.closed


@dataclass(frozen=True)
class BoundsRefuted:
    """A verified allocation is better than a bound: no further one would be believed."""

    run: Run
    reason: ClassVar[str] = "its bounds are refuted"

    def met(self) -> bool:
        """Return whether a bound was refuted."""
        return bool(self.run.contradictions)


def reason_to_stop(rules: Iterable[StoppingRule]) -> str | None:
    """Return the reason of the first rule that is met, or None."""
    return next((rule.reason for rule in rules if rule.met()), None)
