"""Progress on standard error: live on a terminal, as a log on request, else silent."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..objectives import name_of
from .trace_rows import TraceRow, TraceRows, fitting, heading, line

if TYPE_CHECKING:
    from rich.console import RenderableType

    from ..study.run import StudyProgress
    from ..trace import TraceEntry

__all__ = ["Cells", "LogView", "Steps", "TraceView"]

#: Redraws a second.
_REDRAWS = 3

#: Rows of the live table, where the terminal has room for them.
_MOST_ROWS, _OTHER_LINES = 12, 5


class _Display:
    """Base class of live displays: shown on entry, and removed or left as it is on exit.

    Parameters
    ----------
    label
        Name of what runs.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._live: Any = None

    def __enter__(self) -> Self:
        if sys.stderr is not None and sys.stderr.isatty():
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            with suppress(OSError):  # a terminal that has gone must not cost the result
                self._stop()

    def _start(self) -> None:
        from rich.console import Console

        self._live = Console(stderr=True).status(f"{self._label} starts", spinner="dots")
        self._live.start()

    def _stop(self) -> None:
        self._live.stop()


class TraceView(_Display):
    """An observer that shows the latest trace entry, and, once there is a bound, a table of the last ones.

    Entries only change what is shown; drawing it is the business of a thread that does so a few times a second, so that
    the clock goes on between entries and many entries cost nothing.
    """

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self._rows = TraceRows()
        self._last: tuple[TraceRow, ...] = ()
        self._said = f"{label} starts"
        self._running = True

    def __call__(self, entry: TraceEntry) -> None:
        """Show an entry."""
        if self._live is None:
            return
        row = self._rows.row(entry)
        self._last = (*self._last, row)[-_MOST_ROWS:]
        best = f"best {name_of(entry.objective)} {row['incumbent'] or 'none yet'}"
        self._said = f"{self._label}  iteration {entry.iteration}  {best}"

    def _start(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._began = time.perf_counter()
        self._console = Console(stderr=True)
        self._spinner = Spinner("dots")
        self._live = Live(
            console=self._console,
            get_renderable=self._picture,
            refresh_per_second=_REDRAWS,
            redirect_stdout=False,  # results go there
        )
        self._live.start(refresh=True)  # what is quick is seen too

    def _stop(self) -> None:
        # A line has said what it had to say; the table is worth keeping.
        self._running = False
        self._live.transient = not self._rows.bounded
        self._live.stop()

    def _picture(self) -> RenderableType:
        from rich.console import Group

        if not self._running:
            return self._table() if self._rows.bounded else ""
        self._spinner.update(text=f"{self._said}  {time.perf_counter() - self._began:.0f} s")
        return Group(self._table(), self._spinner) if self._rows.bounded else self._spinner

    def _table(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        columns = fitting(self._rows.columns, self._console.width)
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for column in columns:
            side: Any = "left" if column.head == "event" else "right"
            least = None if side == "left" else column.width  # what has no room is cut off events, not off numbers
            table.add_column(column.head, justify=side, min_width=least, no_wrap=True, overflow="ellipsis")
        for row in self._last[-max(self._console.height - _OTHER_LINES, 1) :]:
            table.add_row(*(Text(row[column.head]) for column in columns))
        return table


class LogView:
    """An observer that writes a line for every trace entry to standard error, under a heading that says what it is.

    The heading comes again when an entry brings facts that need columns of their own.
    """

    def __init__(self) -> None:
        self._rows = TraceRows()
        self._stream = sys.stderr

    def __call__(self, entry: TraceEntry) -> None:
        """Write an entry."""
        if self._stream is None:
            return
        before = self._rows.columns
        row = self._rows.row(entry)
        columns = self._rows.columns
        lines = [line(columns, row)] if columns == before else [heading(columns), line(columns, row)]
        try:
            for text in lines:
                self._stream.write(f"{text}\n")
            self._stream.flush()
        except OSError:  # a reader that has gone must not cost the result
            self._stream = None


class Steps(_Display):
    """An observer that counts what is done."""

    def __call__(self, done: int, total: int) -> None:
        """Show how many of all steps are done."""
        if self._live is not None:
            self._live.update(f"{self._label}  {done} of {total}")


class Cells(_Display):
    """An observer of a study: cells done, failed, running, and the time left."""

    last: StudyProgress | None = None

    def name(self, label: str) -> None:
        """Show the name of what runs now."""
        self._label = label

    def __call__(self, progress: StudyProgress) -> None:
        """Show how far it is."""
        self.last = progress
        if self._live is None:
            return
        left = "" if progress.seconds_left is None else f", {_clock(progress.seconds_left)} left"
        self._live.update(
            f"{self._label}  {progress.done} of {progress.total} cells done, {progress.failed} failed, "
            f"{progress.running} running{left}"
        )


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
