"""HiGHS: simplex, interior point and branch and bound for linear and mixed-integer linear programs."""

from __future__ import annotations

import ctypes
import os

from formulations.formulation import Feature

from .backend import Availability, CvxpyBackend, backends

__all__ = ["HIGHS"]


class _Highs(CvxpyBackend):
    def _probe(self) -> Availability:
        _swallow_banner()
        return super()._probe()


def _swallow_banner() -> None:
    """Make the first HiGHS object with standard output closed.

    Some releases print a banner there, whatever the options say, and standard output is for results.
    """
    try:
        import highspy
    except ImportError:
        return
    libc = ctypes.CDLL(None)
    libc.fflush(None)
    saved, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        highspy.Highs()
        libc.fflush(None)
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(nowhere)


HIGHS = backends.register(
    _Highs(
        name="highs",
        features=frozenset({Feature.LP, Feature.MILP}),
        summary="simplex and branch and bound; default for LP and MILP",
        package="highspy",
        time_option="time_limit",
        thread_option="threads",
    )
)
