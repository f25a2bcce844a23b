"""The first allocation of a search: scales, prices and deadlines to begin with follow from it."""

from __future__ import annotations

from dataclasses import replace

from ...backends import BackendError
from ..dashf import Dashf
from ..run import Run

__all__ = ["first_allocation"]


def first_allocation(run: Run, few: bool) -> None:
    """Have DASHF find an incumbent, in more than one iteration where users are few.

    Raises
    ------
    BackendError
        If a backend fails before any allocation was found.
    """
    start = Dashf(association="hull", rounding="argmax", allocation="joint-nlp", inner_iterations=2)
    if not few:
        start = replace(start, allocation="nlp", inner_iterations=1, max_iterations=1)
    try:
        start.search(run)
    except BackendError as error:
        if not run.has_incumbent:
            raise
        run.note(f"the start goes without: {error}")
