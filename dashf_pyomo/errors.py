"""Errors that are not the user's input; commands end with exit code 3 and say them in one line."""

from __future__ import annotations

__all__ = ["BackendError", "MissingPackageError"]


class BackendError(RuntimeError):
    """A backend that is missing, or a solver that failed; the message says which and why."""


class MissingPackageError(RuntimeError):
    """A package that a command needs is not installed; the message says which, what for and how to get it."""
