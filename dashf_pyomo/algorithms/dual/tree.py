"""The tree of boxes that together hold every allocation which may be better than the incumbent.

An allocation at least as good as the incumbent has its delay between that of the slowest user alone with all resources
and score bound / (y omega_t); both follow from the data. The leaf with the worst bound is cut in two, again and again.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .boxes import Bounded, Box, Cut
from .prices import Prices

__all__ = ["Node", "Tree"]


@dataclass(order=True)
class Node:
    """A box and what is known of it, with the prices that prove its bound; the worst bound comes first."""

    key: tuple[float, int]
    box: Box = field(compare=False)
    bounded: Bounded = field(compare=False)
    prices: Prices | None = field(compare=False)
    depth: int = field(default=0, compare=False)
    cut: Cut | None = field(default=None, compare=False)
    children: tuple[Node, ...] = field(default=(), compare=False)

    @property
    def bound(self) -> float:
        """The bound, which is never above that of the parent."""
        return -self.key[0]


class Tree:
    """The tree and its leaves.

    Parameters
    ----------
    box
        Holds everything.
    bounded
        Its bound and LP solution.
    """

    def __init__(self, box: Box, bounded: Bounded) -> None:
        self._count = itertools.count()
        self.root = Node((-bounded.bound, next(self._count)), box, bounded, bounded.prices)
        self._leaves = [self.root]

    def __len__(self) -> int:
        return len(self._leaves)

    @property
    def bound(self) -> float:
        """The bound of the worst leaf, which holds for everything."""
        return self._leaves[0].bound

    def worst(self) -> Node:
        """Return the leaf with the largest bound."""
        return self._leaves[0]

    def divide(self, cut: Cut, bounded: Sequence[Bounded]) -> tuple[Node, ...]:
        """Cut the worst leaf in two; what held for it holds for both."""
        parent = self._leaves[0]
        children = []
        for box, found in zip(cut(parent.box), bounded, strict=True):
            bound, prices = found.bound, found.prices
            if parent.bound < bound:
                bound, prices = parent.bound, parent.prices
            children.append(Node((-bound, next(self._count)), box, found, prices, parent.depth + 1))
        # At no time, whatever interrupts, do the leaves hold less than everything.
        for child in children:
            heapq.heappush(self._leaves, child)
        self._leaves.remove(parent)
        heapq.heapify(self._leaves)
        parent.cut, parent.children = cut, tuple(children)
        return parent.children

    def sharpen(self, bounded: Bounded) -> None:
        """Replace what is known of the worst leaf by something that holds as well, with a lower bound."""
        leaf = heapq.heappop(self._leaves)
        leaf.key, leaf.bounded, leaf.prices = (-bounded.bound, leaf.key[1]), bounded, bounded.prices
        heapq.heappush(self._leaves, leaf)

    def profile(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the bound as a function of the deadline: edges, shape (K + 1,), and bounds between, shape (K,)."""
        edges = np.unique([end for leaf in self._leaves for end in leaf.box.interval])
        bounds = np.full(len(edges) - 1, -np.inf)
        for leaf in self._leaves:
            first, last = np.searchsorted(edges, leaf.box.interval)
            bounds[first:last] = np.maximum(bounds[first:last], leaf.bound)
        return edges, bounds
