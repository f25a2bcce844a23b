"""The cover of all deadlines by intervals, bounded one by one, the worst first.

An allocation at least as good as the incumbent has its delay between that of the slowest user alone with all resources
and score bound / (y omega_t); both follow from the data. An interval whose bound is above the target is cut in two.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field

from .interval import Bounded
from .pricer import Box

__all__ = ["Cover", "Part"]


@dataclass(order=True)
class Part:
    """A box and what is known of it; parts are ordered by their bound, the worst first."""

    key: tuple[float, int]
    box: Box = field(compare=False)
    bounded: Bounded = field(compare=False)

    @property
    def bound(self) -> float:
        """The bound, which is never above that of the box it was cut from."""
        return -self.key[0]


class Cover:
    """Boxes that together hold every allocation that may be better than the incumbent."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._count = itertools.count()
        self._done: list[Part] = []

    def __len__(self) -> int:
        return len(self._parts) + len(self._done)

    @property
    def parts(self) -> list[Part]:
        """All parts, by their shortest deadline."""
        return sorted([*self._parts, *self._done], key=lambda part: part.box.interval)

    @property
    def bound(self) -> float:
        """The bound of the worst part."""
        return max((part.bound for part in (*self._parts, *self._done)), default=float("-inf"))

    def add(self, box: Box, bounded: Bounded, parent_bound: float = float("inf")) -> None:
        """Add a box; what held for the box that it was cut from holds for it too."""
        heapq.heappush(self._parts, Part((-min(bounded.bound, parent_bound), next(self._count)), box, bounded))

    def worst(self) -> Part | None:
        """Return the part with the largest bound, or None if all parts are settled; it stays in the cover."""
        return self._parts[0] if self._parts else None

    def settle(self) -> None:
        """Leave the worst part as it is: cutting it brings nothing."""
        self._done.append(heapq.heappop(self._parts))

    def take(self) -> Part:
        """Take the worst part out, to be replaced by what it is cut into."""
        return heapq.heappop(self._parts)
