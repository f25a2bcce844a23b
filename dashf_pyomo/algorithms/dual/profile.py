"""Seconds of a search by what they were spent on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Profile"]


class Profile:
    """Seconds by kind: ``search``, ``proof``, ``master``, and ``primal``, which holds its own share of the others.

    Attributes
    ----------
    seconds
        By kind.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def clock(self, kind: str) -> Iterator[None]:
        """Count the time of a block."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - start

    @property
    def bounding(self) -> float:
        """Seconds spent on columns, prices and proofs."""
        return sum(self.seconds.get(kind, 0.0) for kind in ("search", "master", "proof"))

    @property
    def primal(self) -> float:
        """Seconds spent on allocations."""
        return self.seconds.get("primal", 0.0)

    def facts(self) -> dict[str, float]:
        """Return what a trace entry says of it."""
        return {f"{kind}_time": spent for kind, spent in self.seconds.items()}
