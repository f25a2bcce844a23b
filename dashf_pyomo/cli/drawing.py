"""Drawing in a process of its own, whose environment may be that of a notebook."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..study.report.study_data import StudyData
    from ..study.store import Store

__all__ = ["draw_to_files", "report_or_complain", "require_matplotlib"]


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
        Which says why.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except Exception as error:  # a broken installation raises anything
        from ..backends import BackendError

        said = " ".join(str(error).split())[:300]
        raise BackendError(f"matplotlib, which draws, does not work here ({type(error).__name__}: {said})") from error


def report_or_complain(store: Store, folder: Path, data: StudyData) -> bool:
    """Write a report, and say in one line what of it cannot be drawn; return whether all is."""
    from ..backends import BackendError
    from ..study.report import write_report

    try:
        write_report(store, folder, data)
    except BackendError as error:
        print(f"dashf: {error}", file=sys.stderr)
        return False
    return True
