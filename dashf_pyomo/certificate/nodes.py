"""The tree of a certificate: splits, and what its leaves claim.

A *box* is a set of allocations: those with a largest delay T in [t0, t1], each user at one of its allowed servers, and
with phi in the user's range. The root is T in [0, infinity), all pairs and all phi that the scenario allows, so it
holds every allocation with a finite delay; one with an infinite delay is none, or has the worst value there is. Boxes
are never stored: they follow from the splits on the way from the root, so that the children of a split cover their
parent whatever a file says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from formulations import InputError
from formulations.arrays import indexed

__all__ = [
    "LEAF",
    "ByDeadline",
    "ByOffload",
    "ByServers",
    "CertificateError",
    "Empty",
    "Late",
    "LeafClaim",
    "Node",
    "Region",
    "by_deadlines",
    "leaf_boxes",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

#: Entries of a leaf of a pair: the cell of downlink SNR and phi, and the multipliers that bound it.
LEAF = (
    "snr_low", "snr_high", "offload_low", "offload_high", "m", "tau_low", "tau_high", "nu_low", "nu_high", "touch"
)  # fmt: skip


class CertificateError(InputError):
    """A certificate that cannot be read as one; whether it proves anything is another question."""


@dataclass(frozen=True, eq=False)
class LeafClaim:
    """A box in which prices separate the users; the derivation is in `claims`.

    Parameters
    ----------
    ratio
        y, score over cost, scaled, at least 0; zero where the objective says what a unit of cost counts.
    prices
        lambda, prices of whole shares of bandwidth, power and speed of each server, at least 0, shape (M, 3).
    delay_price
        rho, prices of the deadline, of any sign, shape (N,). Their sum should be y times the weight of time; what is
        missing or too much is charged. Zeros where users share no deadline.
    leaf_count
        Number of leaves of each pair, shape (N, M). A pair without leaves is not allowed in the box or cannot meet
        its longest deadline.
    leaves
        Entries of `LEAF`, pair by pair in the order of `leaf_count`, shape (L, 10).
    rows
        kappa, prices of the scenario's rows per SI unit, at least 0, in the order of `rows`, shape (R,).
    early
        Whether a leaf is about delays before the deadlines of the box, shape (L,); none are by default. A pair whose
        own delay a row prices may have both kinds.

    Raises
    ------
    CertificateError
        If shapes differ or a number is out of range.
    """

    ratio: float
    prices: Array
    delay_price: Array
    leaf_count: NDArray[np.int32]
    leaves: Array
    rows: Array = field(default_factory=lambda: np.zeros(0))
    early: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))

    def __post_init__(self) -> None:
        object.__setattr__(self, "ratio", float(self.ratio))
        kinds: dict[str, type] = {"prices": float, "delay_price": float, "leaf_count": np.int32, "leaves": float}
        for name, kind in {**kinds, "rows": float, "early": np.bool_}.items():
            value = np.zeros(len(self.leaves)) if name == "early" and not np.size(self.early) else getattr(self, name)
            object.__setattr__(self, name, np.ascontiguousarray(value, dtype=kind))
        count = self.leaf_count
        if count.ndim != 2:
            raise CertificateError(f"leaf_count has shape {count.shape}; expected (N, M)")
        n, m = count.shape
        total = int(count.sum(dtype=np.int64))
        for name, shape in (
            ("prices", (m, 3)),
            ("delay_price", (n,)),
            ("leaves", (total, len(LEAF))),
            ("rows", self.rows.shape[:1]),
            ("early", (total,)),
        ):
            if getattr(self, name).shape != shape:
                raise CertificateError(f"{name} has shape {getattr(self, name).shape}; expected {shape}")
        _require("ratio", np.array(self.ratio), self.ratio >= 0.0, "a number >= 0")
        _require("prices", self.prices, self.prices >= 0.0, "numbers >= 0")
        _require("rows", self.rows, self.rows >= 0.0, "numbers >= 0")
        _require("delay_price", self.delay_price, np.full(n, True), "finite numbers")
        _require("leaf_count", count, count >= 0, "numbers >= 0")
        good = self.leaves >= 0.0
        good[:, [0, 2]] &= self.leaves[:, [0, 2]] <= self.leaves[:, [1, 3]]
        good[:, [1, 9]] &= self.leaves[:, [1, 9]] > 0.0
        good[:, 3] &= self.leaves[:, 3] <= 1.0
        expected = "numbers >= 0, snr_low <= snr_high > 0, offload_low <= offload_high <= 1, touch > 0"
        _require("leaves", self.leaves, good, expected)

    @classmethod
    def of(
        cls,
        ratio: float,
        prices: ArrayLike,
        delay_price: ArrayLike,
        leaves: Mapping[tuple[int, int], Array],
        rows: ArrayLike = (),
        early: Mapping[tuple[int, int], Array] | None = None,
    ) -> LeafClaim:
        """Return a claim from what a solver holds.

        Parameters
        ----------
        ratio, prices, delay_price, rows
            As above.
        leaves
            For the pairs (n, m) that can meet the longest deadline, the leaves as `prove_pair` returns them, shape
            (number, 11), or without their bounds, shape (number, 10).
        early
            Likewise for delays before the box's.
        """
        lam, rho = np.asarray(prices, dtype=np.float64), np.asarray(delay_price, dtype=np.float64)
        count = np.zeros((len(rho), len(lam)), np.int32)
        entries, marks = [np.zeros((0, len(LEAF)))], [np.zeros(0, np.bool_)]
        before = early or {}
        for pair in sorted({*leaves, *before}):
            for said, mark in ((leaves, False), (before, True)):
                if pair not in said:
                    continue
                found = np.asarray(said[pair], dtype=np.float64)
                if found.ndim == 2 and found.shape[1] == len(LEAF) + 1:
                    found = np.delete(found, 7, axis=1)  # the bound is the verifier's to find
                if found.ndim != 2 or found.shape[1] != len(LEAF):
                    raise CertificateError(
                        f"leaves{indexed(pair)} have shape {found.shape}; expected (number, 10 or 11)"
                    )
                count[pair] += len(found)
                entries.append(found)
                marks.append(np.full(len(found), mark))
        kappa = np.asarray(rows, dtype=np.float64)
        return cls(ratio, lam, rho, count, np.concatenate(entries), kappa, np.concatenate(marks))


@dataclass(frozen=True)
class Late:
    """A box of long deadlines: what they cost at least alone keeps allocations from being better than is stated."""


@dataclass(frozen=True)
class Empty:
    """A box without allocations: some user cannot keep its longest deadline and its limits anywhere, even alone."""


@dataclass(frozen=True, eq=False)
class ByDeadline:
    """A box cut at the deadline `at`, in time units."""

    at: float
    below: Node
    above: Node


@dataclass(frozen=True, eq=False)
class ByOffload:
    """A box cut at phi of one user."""

    user: int
    at: float
    below: Node
    above: Node


@dataclass(frozen=True, eq=False)
class ByServers:
    """A box cut by the server of one user: those of the mask `servers`, shape (M,), and the rest of the allowed."""

    user: int
    servers: Mask
    inside: Node
    outside: Node

    def __post_init__(self) -> None:
        object.__setattr__(self, "servers", np.array(self.servers, dtype=np.bool_))


Node = LeafClaim | Late | Empty | ByDeadline | ByOffload | ByServers


def by_deadlines(edges: Sequence[float], parts: Sequence[Node]) -> Node:
    """Return a balanced tree that cuts a box at increasing deadlines into one more part than there are edges."""
    if len(parts) != len(edges) + 1:
        raise CertificateError(f"{len(parts)} parts for {len(edges)} edges; expected one more than edges")
    if not edges:
        return parts[0]
    middle = len(edges) // 2
    return ByDeadline(
        float(edges[middle]),
        by_deadlines(edges[:middle], parts[: middle + 1]),
        by_deadlines(edges[middle + 1 :], parts[middle + 1 :]),
    )


@dataclass(frozen=True, eq=False)
class Region:
    """A set of allocations: deadlines in [t0, t1], allowed servers, shape (N, M), and ranges of phi, shape (N, 2)."""

    t0: float
    t1: float
    allowed: Mask
    offload: Array

    @classmethod
    def root(cls, allowed: Mask, offload: Array | None = None) -> Region:
        """Return the box of all allocations with a finite delay that use allowed pairs, and phi in ranges, (N, 2)."""
        return cls(0.0, math.inf, allowed, np.tile([0.0, 1.0], (len(allowed), 1)) if offload is None else offload)

    def __str__(self) -> str:
        closed = np.flatnonzero(~self.allowed.all(axis=1))
        narrow = np.flatnonzero((self.offload != [0.0, 1.0]).any(axis=1))
        text = f"deadlines {self.t0:.6g} to {self.t1:.6g} time units"
        if closed.size:
            text += f", servers of {closed.size} users"
        return text + (f", phi of {narrow.size} users" if narrow.size else "")

    def children(self, split: ByDeadline | ByOffload | ByServers) -> tuple[Region, Region]:
        """Return both parts, which together cover the box.

        Raises
        ------
        CertificateError
            If the split does not lie in the box.
        """
        if isinstance(split, ByDeadline):
            if not self.t0 < split.at < self.t1:
                raise CertificateError(f"node_value = {split.at!r}; expected between {self.t0!r} and {self.t1!r}")
            rest = self.allowed, self.offload
            return Region(self.t0, split.at, *rest), Region(split.at, self.t1, *rest)
        if not 0 <= split.user < len(self.allowed):
            raise CertificateError(f"node_user = {split.user}; expected 0 to {len(self.allowed) - 1}")
        if isinstance(split, ByServers):
            if split.servers.shape != self.allowed.shape[1:]:
                raise CertificateError(
                    f"split_servers has {split.servers.size} servers; expected {self.allowed.shape[1]}"
                )
            first, second = self.allowed.copy(), self.allowed.copy()
            first[split.user] &= split.servers
            second[split.user] &= ~split.servers
            return Region(self.t0, self.t1, first, self.offload), Region(self.t0, self.t1, second, self.offload)
        low_end, high_end = self.offload[split.user]
        if not low_end <= split.at <= high_end:
            raise CertificateError(f"node_value = {split.at!r}; expected between {low_end!r} and {high_end!r}")
        below, above = self.offload.copy(), self.offload.copy()
        below[split.user, 1] = above[split.user, 0] = split.at
        return Region(self.t0, self.t1, self.allowed, below), Region(self.t0, self.t1, self.allowed, above)


def leaf_boxes(root: Node, box: Region) -> Iterator[tuple[LeafClaim | Late | Empty, Region]]:
    """Yield the leaves of a tree with their boxes, in order; the boxes together cover `box`."""
    pending = [(root, box)]
    while pending:
        node, box = pending.pop()
        if isinstance(node, (LeafClaim, Late, Empty)):
            yield node, box
            continue
        first, second = box.children(node)
        if isinstance(node, ByServers):
            pending += [(node.outside, second), (node.inside, first)]
        else:
            pending += [(node.above, second), (node.below, first)]


def _require(name: str, values: NDArray[Any], good: bool | Mask, expected: str) -> None:
    wrong = ~(np.isfinite(np.asarray(values, dtype=np.float64)) & good)
    if np.any(wrong):
        index = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise CertificateError(f"{name}{indexed(index)} = {values[index].item()!r}; expected {expected}")
