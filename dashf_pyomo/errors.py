"""Errors that are not the user's input, which commands say in one line (exit code 3), and the words of any error."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["BackendError", "MissingPackageError", "described", "one_line", "optional_package"]


class BackendError(RuntimeError):
    """A backend that is missing, or a solver that failed; the message says which and why."""


class MissingPackageError(RuntimeError):
    """A package that a command needs is not installed; the message says which, what for and how to get it."""


def one_line(error: object, most: int = 200) -> str:
    """Return the words of an error in one line of at most so many characters."""
    return " ".join(str(error).split())[:most]


def described(error: BaseException, most: int = 200) -> str:
    """Return the type and the words of an error in one line."""
    return f"{type(error).__name__}: {one_line(error, most)}"


def optional_package(module: str, extra: str, name: str | None = None) -> Any:
    """Import a module of an optional package.

    Parameters
    ----------
    module
        The module.
    extra
        The extra of this package that installs it.
    name
        The name of the package in messages; by default that of the module.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"{name or module} is not installed ({error}); expected pip install 'dashf-pyomo[{extra}]'"
        raise MissingPackageError(message) from None
