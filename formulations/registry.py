"""One registry for everything that can be exchanged: found in our own files and through entry points.

Adding a formulation, a backend or a method is adding one file to its package, here or in another
distribution that names it as an entry point; nothing else changes.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from .arrays import shown
from .documents import InputError

__all__ = ["BrokenExtension", "Registry", "UnknownNameError"]

Entry = TypeVar("Entry")


class UnknownNameError(InputError):
    """A name that nobody registered; the message lists what there is."""


@dataclass(frozen=True)
class BrokenExtension:
    """An extension that is skipped: its entry point or entry, with its distribution where it is known, and why."""

    name: str
    reason: str


class Registry(Generic[Entry], Mapping[str, Entry]):
    """Names and what they stand for, in the order of registration; filled on first use.

    Parameters
    ----------
    kind
        What the entries are, for messages: ``method``, ``backend``, ``formulation``.
    packages
        Packages of ours whose modules register entries when they are imported.
    group
        Entry point group through which other distributions contribute. An entry point names a module
        that registers when imported, or a callable that returns an entry or does the registering.
    name_of
        How an entry is called.
    wrong_with
        What is wrong with an entry, empty if nothing is: what others rely on must be there when it is registered, not
        when it is first used.
    """

    def __init__(
        self,
        kind: str,
        packages: tuple[str, ...],
        group: str,
        name_of: Callable[[Entry], str],
        wrong_with: Callable[[Any], str] = lambda _: "",
    ) -> None:
        self.kind = kind
        self.packages = packages
        self.group = group
        self.broken: list[BrokenExtension] = []
        self._name_of = name_of
        self._wrong_with = wrong_with
        self._entries: dict[str, Entry] = {}
        self._found = False

    def register(self, entry: Entry) -> Entry:
        """Add an entry and return it, so that this serves as a decorator too.

        Raises
        ------
        ValueError
            If the name is taken by another entry.
        TypeError
            If the entry is not what the registry holds.
        """
        wrong = self._wrong_with(entry)
        if wrong:
            raise TypeError(f"{shown(entry)} is no {self.kind}: {wrong}")
        name = self._name_of(entry)
        if name in self._entries and self._entries[name] is not entry:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._entries[name] = entry
        return entry

    def __getitem__(self, name: str) -> Entry:
        self._discover()
        if name not in self._entries:
            raise UnknownNameError(f"unknown {self.kind} {name!r}; expected one of {', '.join(self._entries)}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        self._discover()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._discover()
        return iter(self._entries)

    def __len__(self) -> int:
        self._discover()
        return len(self._entries)

    def _discover(self) -> None:
        if self._found:
            return
        self._found = True
        for package in self.packages:
            for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
                name = f"{package}.{module.name}"
                with self._guarded(name):
                    importlib.import_module(name)
        for point in entry_points(group=self.group):
            package = f" of {point.dist.name}" if point.dist is not None else ""
            with self._guarded(f"{point.name}{package}"):
                loaded = point.load()
                if callable(loaded) and not isinstance(loaded, type):
                    loaded = loaded()
                if loaded is not None and not isinstance(loaded, type(importlib)):
                    self.register(loaded)

    @contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        """Skip what is broken: whatever it raises, an exit too, must not take the listing down."""
        before = dict(self._entries)
        try:
            yield
        except (Exception, SystemExit) as error:
            self._entries = before
            self.skip(name, error)

    def skip(self, name: str, error: BaseException) -> None:
        """Note that an extension is skipped, and why, in one line."""
        self.broken.append(BrokenExtension(name, f"{type(error).__name__}: {' '.join(str(error).split())}"))
