"""A live line on standard error where it is a terminal; silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from ..study.run import StudyProgress

__all__ = ["Cells", "Progress", "Steps"]


class _Line:
    """What both observers share: the line appears on entry and goes on exit.

    Parameters
    ----------
    label
        What is running.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._status: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status(f"{self._label} starts", spinner="dots")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()


class Progress(_Line):
    """An observer that shows the latest trace entry."""

    def __call__(self, entry: Mapping[str, Any]) -> None:
        """Show an entry."""
        if self._status is None:
            return
        best = "none yet" if entry.get("best") is None else f"{entry['best']:.6g}"
        text = f"{self._label}  iteration {entry['iteration']}  best SCR {best}  {entry['time']:.1f} s"
        if entry.get("upper_bound") is not None:
            text += f"  bound {entry['upper_bound']:.6g}"
        self._status.update(text)


class Steps(_Line):
    """An observer that counts what is done."""

    def __call__(self, done: int, total: int) -> None:
        """Show how many of all steps are done."""
        if self._status is not None:
            self._status.update(f"{self._label}  {done} of {total}")


class Cells(_Line):
    """An observer of a study: cells done, failed, running, and the time left."""

    last: StudyProgress | None = None

    def name(self, label: str) -> None:
        """Say what is running now."""
        self._label = label

    def __call__(self, progress: StudyProgress) -> None:
        """Show how far it is."""
        self.last = progress
        if self._status is None:
            return
        left = "" if progress.seconds_left is None else f", {_clock(progress.seconds_left)} left"
        self._status.update(
            f"{self._label}  {progress.done} of {progress.total} cells done, {progress.failed} failed, "
            f"{progress.running} running{left}"
        )


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
