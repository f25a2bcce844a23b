"""Drawing in a process of its own, whose environment may be that of a notebook."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from ..errors import BackendError, described

__all__ = ["draw_or_complain", "draw_to_files", "require_matplotlib"]


def draw_to_files() -> None:
    """Have matplotlib draw to files, whatever the environment asks for.

    A notebook hands ``MPLBACKEND`` on to the commands that it starts, and names a backend that need not be installed
    where they run; matplotlib then cannot even be imported.
    """
    os.environ["MPLBACKEND"] = "agg"


def require_matplotlib() -> None:
    """Find out before the work starts that matplotlib does not work.

    Raises
    ------
    BackendError
        If it does not work; the message says why.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except Exception as error:  # a broken installation raises anything
        raise BackendError(f"matplotlib, which draws, does not work here ({described(error, 300)})") from error


def draw_or_complain(write: Callable[[], object]) -> bool:
    """Write something with pictures, and say in one line what of it cannot be drawn; return whether all is."""
    try:
        write()
    except BackendError as error:
        print(f"dashf: {error}", file=sys.stderr)
        return False
    return True
