"""The console that tables are printed on."""

from __future__ import annotations

import os
from typing import Any

from rich.console import Console

__all__ = ["Output"]

#: Columns where nothing says how many there are: in a file or pipe, words and commands stay in one piece.
_ELSEWHERE = 160


class Output(Console):
    """Standard output; a reader that has gone is the caller's to handle, not an exit."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if not self.is_terminal and "COLUMNS" not in os.environ:
            self.width = _ELSEWHERE

    def on_broken_pipe(self) -> None:
        """Pass the error on."""
        raise
