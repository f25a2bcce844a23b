"""One registry for everything that can be exchanged: found in our own files and through entry points.

Adding a formulation, a backend or a method is adding one file to its package, here or in another
distribution that names it as an entry point; nothing else changes.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Generic, TypeVar

from .arrays import shown
from .documents import InputError
from .turn import ImportCircleError, Turn

__all__ = ["BrokenExtension", "Registry", "UnknownNameError", "kind_of", "when_discovered"]

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

    One thread fills it, and others wait until it is full. A discovery that is interrupted is gone on with at the next
    use.

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

    #: Who discovers, in whichever registry: discovering one may need another.
    _turn: ClassVar[Turn] = Turn("the discovery of extensions")
    #: One list for each extension that is being imported, the innermost last: what it registered, and from where.
    _journals: ClassVar[list[list[tuple[Registry[Any], str, str]]]] = []
    #: How many discoveries are going on, one within the other.
    _depth: ClassVar[int] = 0
    #: What waits for their end.
    _waiting: ClassVar[list[Callable[[], None]]] = []

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
        self._origins: dict[str, str] = {}
        self._found = False  # and nothing is missing
        self._finding = False
        self._done: set[str] = set()

    def register(self, entry: Entry, origin: str = "") -> Entry:
        """Add an entry and return it, so that this serves as a decorator too.

        What the same code makes again, in a notebook cell that is run once more or a module that is loaded again,
        replaces what it made before: a class of the same module and qualified name, another object of the same type
        and the same module.

        Parameters
        ----------
        entry
            What to add.
        origin
            Name of the module that it comes from; by default the module of a class, and of another object the module
            that calls this.

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
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if isinstance(entry, type) and entry.__module__ not in sys.stdlib_module_names:  # those only made the class
            origin = entry.__module__
        origin = origin or caller
        present = self._entries.get(name, entry)
        if present is not entry and (kind_of(present), self._origins.get(name)) != (kind_of(entry), origin):
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        if Registry._turn.mine and Registry._journals and name not in self._entries:
            Registry._journals[-1].append((self, name, caller))
        self._entries[name] = entry
        self._origins[name] = origin
        return entry

    @property
    def origins(self) -> Mapping[str, str]:
        """Names of the modules that the entries come from which are registered by now; discovers nothing."""
        return dict(self._origins)

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
        return iter(list(self._entries))

    def __len__(self) -> int:
        self._discover()
        return len(self._entries)

    def _discover(self) -> None:
        if self._found:
            return
        with Registry._turn.taken() as ours:
            # What is imported meanwhile, for this or by who is waited for, sees what is there so far.
            if not ours or self._found or self._finding:
                return
            self._finding = True
            Registry._depth += 1
            try:
                self._find()
                self._found = True
            finally:
                self._finding = False
                Registry._depth -= 1
            while Registry._waiting and not Registry._depth:
                Registry._waiting.pop(0)()

    def _find(self) -> None:
        for name, contribute in self._contributions():
            if name not in self._done:
                with self._guarded(name):
                    contribute()
                self._done.add(name)

    def _contributions(self) -> Iterator[tuple[str, Callable[[], object]]]:
        for package in self.packages:
            for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
                name = f"{package}.{module.name}"
                yield name, partial(importlib.import_module, name)
        for point in entry_points(group=self.group):
            package = f" of {point.dist.name}" if point.dist is not None else ""
            yield f"{point.name}{package}", partial(self._load, point)

    def _load(self, point: EntryPoint) -> None:
        loaded = point.load()
        if callable(loaded) and not isinstance(loaded, type):
            loaded = loaded()
        if loaded is not None and not isinstance(loaded, type(importlib)):
            self.register(loaded, point.module)

    @contextmanager
    def _guarded(self, name: str) -> Iterator[None]:
        """Skip what is broken: whatever it raises, an exit too, must not take the listing down.

        What it registered is taken back, in whichever registry; but not what it only had imported, because a module
        that is there already registers nothing when it is imported again.
        """
        journal: list[tuple[Registry[Any], str, str]] = []
        Registry._journals.append(journal)
        try:
            yield
        except BaseException as error:
            for registry, entry, module in journal:
                if not (registry._owns(module) and module in sys.modules):
                    registry._entries.pop(entry, None)
                    registry._origins.pop(entry, None)
            if isinstance(error, ImportCircleError):
                return  # another thread is importing it, and has it registered when we are done
            if not isinstance(error, (Exception, SystemExit)):
                raise  # an interruption
            self.skip(name, error)
        finally:
            Registry._journals.pop()

    def _owns(self, module: str) -> bool:
        return module.rpartition(".")[0] in self.packages

    def skip(self, name: str, error: BaseException) -> None:
        """Note, once, that an extension is skipped, and why, in one line."""
        broken = BrokenExtension(name, f"{type(error).__name__}: {' '.join(str(error).split())}")
        if broken not in self.broken:
            self.broken.append(broken)


def kind_of(entry: object) -> str:
    """Return what an entry has in common with what the same code makes when it runs again."""
    described = entry if isinstance(entry, type) else type(entry)
    return f"{described.__module__}.{described.__qualname__}"


def when_discovered(action: Callable[[], None]) -> None:
    """Do something when no extensions are being discovered, because registries are half full meanwhile.

    That is after the discovery where this thread is in the middle of one, and now where not, once another thread's is
    over. Where that one waits for this thread, it is done now, with what there is, and again after the discovery.
    """
    with Registry._turn.taken() as ours:
        if Registry._depth:
            Registry._waiting.append(action)
        if not (ours and Registry._depth):
            action()
