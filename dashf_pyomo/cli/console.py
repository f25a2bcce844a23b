"""Where tables go."""

from __future__ import annotations

from rich.console import Console

__all__ = ["Output"]


class Output(Console):
    """Standard output; a reader that has gone is the caller's to handle, not an exit."""

    def on_broken_pipe(self) -> None:
        """Pass the error on."""
        raise
