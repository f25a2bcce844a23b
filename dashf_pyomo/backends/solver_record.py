"""Record of a solver's reports, kept outside its process, so that it stays when the process is gone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

from .model_search import SearchEnd, SolverProgress, finite

__all__ = ["SolverRecord"]

#: Incumbents kept.
MAX_POINTS = 100
#: Characters of the log that are kept, half of them from its beginning.
MAX_LOG = 1_000_000


class SolverRecord:
    """Record of a solver's reports so far.

    Parameters
    ----------
    sense
        1 for a model that minimises, else -1.
    read
        Reads a line of the log, for solvers that report nothing else.
    watch
        Sees progress as it comes.
    """

    def __init__(
        self,
        sense: int,
        read: Callable[[str, int], SolverProgress | None] | None,
        watch: Callable[[SolverProgress], None] | None,
    ) -> None:
        self.start = time.monotonic()
        self.objective: float | None = None
        self.bound: float | None = None
        self.nodes: int | None = None
        self.log = ""
        self.trace: list[tuple[float, float | None, float | None]] = []
        self.points: list[dict[str, float]] = []
        self._best = math.inf  # objective of the last point, as if minimised
        self._sense = sense
        self._read = read
        self._watch = watch
        self._line = ""

    def hear(self, message: Any) -> None:
        """Take in a message, and pass it to the observer."""
        if isinstance(message, SolverProgress):
            self.add(message)
            watch, self._watch = self._watch, None  # one that raises is not asked again
            if watch is not None:
                watch(message)
                self._watch = watch

    def add(self, progress: SolverProgress) -> None:
        """Take in progress; a point with a value that is no number is none."""
        if progress.point and all(math.isfinite(value) for value in progress.point.values()):
            value = math.inf if progress.objective is None else self._sense * progress.objective
            if self.points and value > self._best:
                self.points.insert(-1, progress.point)  # the best stays last, in whatever order a solver reports
            else:
                self.points.append(progress.point)
                self._best = value
            del self.points[:-MAX_POINTS]
        before = (self.objective, self.bound)
        told = finite(progress.objective)
        if told is not None and (self.objective is None or self._sense * told < self._sense * self.objective):
            self.objective = told
        self._take(progress.bound, progress.nodes, before)

    def conclude(self, ended: SearchEnd) -> None:
        """Take in the last word, which counts more than what was told on the way."""
        before = (self.objective, self.bound)
        told = finite(ended.objective)
        self.objective = self.objective if told is None else told
        self._take(ended.bound, ended.nodes, before)

    def _take(self, bound: float | None, nodes: int | None, before: tuple[float | None, float | None]) -> None:
        told = finite(bound)
        self.bound = self.bound if told is None else told
        self.nodes = self.nodes if nodes is None else nodes
        if (self.objective, self.bound) != before:
            self.trace.append((time.monotonic() - self.start, self.objective, self.bound))

    def read(self, text: str) -> None:
        """Take in a piece of the log."""
        self.log += text
        if len(self.log) > 2 * MAX_LOG:
            self.log = f"{self.log[: MAX_LOG // 2]}\n[...]\n{self.log[-MAX_LOG // 2 :]}"
        if self._read is None:
            return
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            progress = self._read(line, self._sense)
            if progress is not None:
                self.hear(progress)
