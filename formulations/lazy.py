"""Modules that are imported when first used: large packages must not slow down what does not need them."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

__all__ = ["lazy"]


class _Lazy(ModuleType):
    """Stands for a module, and imports it when an attribute is asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)

    def __reduce__(self) -> tuple[Any, ...]:
        return lazy, (self.__name__,)


def lazy(name: str) -> ModuleType:
    """Return what stands for a module; the module is imported at the first access to one of its attributes."""
    return _Lazy(name)
