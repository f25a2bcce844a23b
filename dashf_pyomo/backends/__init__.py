"""Solvers, one file each: what each can solve, whether it works here, and how it is called."""

from .backend import (
    Availability,
    Backend,
    BackendError,
    BackendLimits,
    Outcome,
    OutcomeStatus,
    backends,
    capable_backends,
)

__all__ = [
    "Availability",
    "Backend",
    "BackendError",
    "BackendLimits",
    "Outcome",
    "OutcomeStatus",
    "backends",
    "capable_backends",
]
