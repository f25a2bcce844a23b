"""Do something once another package has been imported, without importing it.

Registering with Pyomo needs Pyomo's classes, and importing those takes longer than everything of ours. So whoever
imports Pyomo pays for Pyomo, and ours is registered right then.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["when_imported"]


def when_imported(name: str, action: Callable[[], None]) -> None:
    """Call a function when a module has been imported: now if it already is, else right after it is.

    Parameters
    ----------
    name
        Full name of the module.
    action
        What to do. Where the module is imported later, an error in it does not undo the import, but is passed on.
    """
    watcher = _Watcher(name, action)
    sys.meta_path.insert(0, watcher)  # first, as another thread may import it just now
    if name in sys.modules and watcher in sys.meta_path:
        sys.meta_path.remove(watcher)
        action()


class _Watcher(MetaPathFinder):
    """Finds nothing itself: lets the others find the one module that it waits for, and follows its loader."""

    def __init__(self, name: str, action: Callable[[], None]) -> None:
        self._name = name
        self._action = action
        self._looking = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec that the other finders give, with a loader that acts afterwards."""
        if fullname != self._name or getattr(self._looking, "here", False):
            return None
        self._looking.here = True  # asked again by ourselves
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._looking.here = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Following(spec.loader, self, self._action)
        return spec


class _Following(Loader):
    def __init__(self, loader: Loader, watcher: _Watcher, action: Callable[[], None]) -> None:
        self._loader = loader
        self._watcher = watcher
        self._action = action

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader  # nobody need see that we were here
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        if self._watcher in sys.meta_path:
            sys.meta_path.remove(self._watcher)
            self._action()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)
