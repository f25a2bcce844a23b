"""The cover of all deadlines by intervals, bounded one by one, the worst first.

An allocation at least as good as the incumbent has its delay between that of the slowest user alone with all resources
and score bound / (y omega_t); both follow from the data. An interval whose bound is above the target is cut in two.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field

from .interval import Bounded
from .master import Prices
from .pricer import Box

__all__ = ["Cover", "Part"]


@dataclass(order=True)
class Part:
    """A box and what is known of it, with the prices that prove its bound; the worst bound comes first."""

    key: tuple[float, int]
    box: Box = field(compare=False)
    bounded: Bounded = field(compare=False)
    prices: Prices | None = field(compare=False)

    @property
    def bound(self) -> float:
        """The bound, which is never above that of the box it was cut from."""
        return -self.key[0]


class Cover:
    """Boxes that together hold every allocation that may be better than the incumbent."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def parts(self) -> list[Part]:
        """All parts, by their shortest deadline."""
        return sorted(self._parts, key=lambda part: part.box.interval)

    @property
    def bound(self) -> float:
        """The bound of the worst part."""
        return max((part.bound for part in self._parts), default=float("-inf"))

    def add(self, box: Box, bounded: Bounded, parent: Part | None = None) -> None:
        """Add a box; what held for the part that it was cut from holds for it too."""
        bound, prices = bounded.bound, bounded.prices
        if parent is not None and parent.bound < bound:
            bound, prices = parent.bound, parent.prices
        heapq.heappush(self._parts, Part((-bound, next(self._count)), box, bounded, prices))

    def worst(self) -> Part:
        """Return the part with the largest bound; it stays in the cover."""
        return self._parts[0]

    def take(self) -> Part:
        """Take the worst part out, to be replaced by what it is cut into."""
        return heapq.heappop(self._parts)
