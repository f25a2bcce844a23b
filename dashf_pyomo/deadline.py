"""The time that is left: of a run, of a part of it, or of a process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Deadline", "OutOfTimeError"]


class OutOfTimeError(Exception):
    """The time limit is reached; the incumbent stands. The message, if any, says more."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Deadline:
    """The time that is left of a run, or of a part of it.

    Parameters
    ----------
    end
        The time at which it is over, by ``time.perf_counter()``; None for no limit.
    interrupted
        Returns whether the user has interrupted.
    """

    end: float | None = None
    interrupted: Callable[[], bool] = _never

    @classmethod
    def after(cls, seconds: float | None, interrupted: Callable[[], bool] = _never) -> Deadline:
        """Return the deadline that is so many seconds from now, or never."""
        return cls(None if seconds is None else time.perf_counter() + seconds, interrupted)

    def left(self) -> float | None:
        """Return the seconds that are left, at least 0, or None for no limit."""
        return None if self.end is None else max(self.end - time.perf_counter(), 0.0)

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self.end is not None and time.perf_counter() >= self.end

    def check(self) -> None:
        """Do nothing while there is time.

        Raises
        ------
        OutOfTimeError
            If the time is over.
        KeyboardInterrupt
            If the user has interrupted, and a library forgot it.
        """
        if self.interrupted():
            raise KeyboardInterrupt
        if self.passed:
            raise OutOfTimeError

    def share(self, part: float) -> Deadline:
        """Return the deadline by which a part of the time that is left is over."""
        left = self.left()
        return self if left is None else Deadline.after(part * left, self.interrupted)
