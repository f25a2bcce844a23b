"""The cover: a tree of boxes that together hold every allocation which may be better than the incumbent.

An allocation at least as good as the incumbent has its delay between that of the slowest user alone with all resources
and score bound / (y omega_t); both follow from the data. The box with the worst bound is cut in two, again and again.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .boxes import Box, Cut
from .interval import Bounded
from .master import Prices

__all__ = ["Cover", "Part"]


@dataclass(order=True)
class Part:
    """A box and what is known of it, with the prices that prove its bound; the worst bound comes first."""

    key: tuple[float, int]
    box: Box = field(compare=False)
    bounded: Bounded = field(compare=False)
    prices: Prices | None = field(compare=False)
    depth: int = field(default=0, compare=False)
    cut: Cut | None = field(default=None, compare=False)
    children: tuple[Part, ...] = field(default=(), compare=False)

    @property
    def bound(self) -> float:
        """The bound, which is never above that of the box it was cut from."""
        return -self.key[0]


class Cover:
    """The tree and its leaves, the parts.

    Parameters
    ----------
    box
        Holds everything.
    bounded
        What is known of it.
    """

    def __init__(self, box: Box, bounded: Bounded) -> None:
        self._count = itertools.count()
        self.root = Part((-bounded.bound, next(self._count)), box, bounded, bounded.prices)
        self._heap = [self.root]

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def bound(self) -> float:
        """The bound of the worst part."""
        return self._heap[0].bound

    def worst(self) -> Part:
        """Return the part with the largest bound."""
        return self._heap[0]

    def split(self, cut: Cut, bounded: Sequence[Bounded]) -> tuple[Part, ...]:
        """Cut the worst part in two; what held for it holds for both."""
        parent = self._heap[0]
        children = []
        for box, found in zip(cut(parent.box), bounded, strict=True):
            bound, prices = found.bound, found.prices
            if parent.bound < bound:
                bound, prices = parent.bound, parent.prices
            children.append(Part((-bound, next(self._count)), box, found, prices, parent.depth + 1))
        # At no time, whatever interrupts, is there less than a cover.
        for child in children:
            heapq.heappush(self._heap, child)
        self._heap.remove(parent)
        heapq.heapify(self._heap)
        parent.cut, parent.children = cut, tuple(children)
        return parent.children

    def profile(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the bound as a function of the deadline: edges, shape (K + 1,), and bounds between, shape (K,)."""
        edges = np.unique([end for part in self._heap for end in part.box.interval])
        bounds = np.full(len(edges) - 1, -np.inf)
        for part in self._heap:
            first, last = np.searchsorted(edges, part.box.interval)
            bounds[first:last] = np.maximum(bounds[first:last], part.bound)
        return edges, bounds
