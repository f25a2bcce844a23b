"""Solvers, one file each: what each can solve, whether it works here, and how it is called."""

from ..errors import BackendError
from .backend import (
    Availability,
    Backend,
    BackendLimits,
    Outcome,
    OutcomeStatus,
    backends,
    capable_backends,
)
from .exact import ExactBackend, ExactOutcome, InterruptedSolve

__all__ = [
    "Availability",
    "Backend",
    "BackendError",
    "BackendLimits",
    "ExactBackend",
    "ExactOutcome",
    "InterruptedSolve",
    "Outcome",
    "OutcomeStatus",
    "backends",
    "capable_backends",
]
