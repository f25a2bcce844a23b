"""Registries of everything that can be exchanged: found in our own files and through entry points.

Adding a formulation, a backend or a method is adding one file to its package, here or in another
distribution that names it as an entry point; nothing else changes.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from .arrays import shown
from .documents import InputError
from .turn import ImportCircleError, Turn

__all__ = ["BrokenExtension", "Registry", "UnknownNameError", "import_extension", "kind_of", "when_discovered"]

Entry = TypeVar("Entry")

#: One thread discovers at a time, in whichever registry: discovering one may need another.
_turn = Turn("the discovery of extensions")
#: All registries: an extension may register in more of them than the one that loads it.
_registries: list[Registry[Any]] = []
#: Those that are being filled, the innermost last.
_filling: list[Registry[Any]] = []
#: Modules of ours and of extensions that are being loaded, the innermost last.
_loading: list[str] = []
#: Actions for when no registry is being filled.
_waiting: list[Callable[[], None]] = []


class UnknownNameError(InputError):
    """A name that is not registered; the message lists what there is."""


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
        self._loaded_with: dict[str, str] = {}
        self._found = False  # and nothing is missing
        self._done: set[str] = set()
        _registries.append(self)

    def register(self, entry: Entry, origin: str = "") -> Entry:
        """Add an entry and return it, so that this serves as a decorator too.

        Code that runs again, in a notebook cell or a module that is loaded again, replaces what it registered before:
        a class of the same module and qualified name, another object of the same type and the same module.

        Parameters
        ----------
        entry
            What to add.
        origin
            The module that an object comes from, as `__name__` there. By default it is the module of a class, the
            module of the extension that is being loaded, or ``__main__``.

        Raises
        ------
        ValueError
            If the name is taken by another entry; the message says where both come from.
        TypeError
            If the entry is not what the registry holds.
        """
        wrong = self._wrong_with(entry)
        if wrong:
            raise TypeError(f"{shown(entry)} is no {self.kind}: {wrong}")
        name = self._name_of(entry)
        extension = _loading[-1] if _loading and _turn.mine else ""
        if isinstance(entry, type) and entry.__module__ not in sys.stdlib_module_names:  # those only made the class
            origin = entry.__module__
        origin = origin or extension or "__main__"
        present = self._entries.get(name, entry)
        if present is not entry and (kind_of(present), self._origins.get(name)) != (kind_of(entry), origin):
            here, there = _described(entry, origin), _described(present, self._origins.get(name, ""))
            raise ValueError(f"{self.kind} {name!r} is registered twice, by {there} and by {here}")
        if name not in self._entries:
            self._loaded_with[name] = extension
        self._entries[name] = entry
        self._origins[name] = origin
        return entry

    @property
    def registered(self) -> Mapping[str, Entry]:
        """The entries that are registered by now; discovers nothing."""
        return dict(self._entries)

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
        with _turn.taken() as ours:
            # What is imported meanwhile, for this or by who is waited for, sees what is there so far.
            if not ours or self._found or any(self is other for other in _filling):
                return
            _filling.append(self)
            try:
                for module, name, load in self._extensions():
                    if name not in self._done:
                        with self._guarded(module, name):
                            load()
                        self._done.add(name)
                self._found = True
            finally:
                _filling.pop()
            while _waiting and not _filling:
                _waiting.pop(0)()

    def _extensions(self) -> Iterator[tuple[str, str, Callable[[], object]]]:
        """Yield the module, the name and a function that loads it, of our own modules and of entry points."""
        for package in self.packages:
            for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
                name = f"{package}.{module.name}"
                yield name, name, partial(importlib.import_module, name)
        for point in entry_points(group=self.group):
            package = f" of {point.dist.name}" if point.dist is not None else ""
            yield point.module, f"{point.name}{package}", partial(self._load, point)

    def _load(self, point: EntryPoint) -> None:
        loaded = point.load()
        if callable(loaded) and not isinstance(loaded, type):
            loaded = loaded()
        if loaded is not None and not isinstance(loaded, type(importlib)):
            self.register(loaded, point.module)

    @contextmanager
    def _guarded(self, module: str, name: str) -> Iterator[None]:
        """Skip what is broken: whatever it raises, an exit too, must not take the listing down."""
        try:
            with _attributed(module):
                yield
        except ImportCircleError:
            pass  # another thread is importing it, and has it registered when we are done
        except (Exception, SystemExit) as error:
            self.skip(name, error)

    def _forget(self, module: str) -> None:
        """Remove what came with an extension that failed, but not what whole modules registered that it imported."""
        for name in [name for name, extension in self._loaded_with.items() if extension == module]:
            origin = self._origins[name]
            if f"{origin}.".startswith(f"{module}.") or origin not in sys.modules:
                for known in (self._entries, self._origins, self._loaded_with):
                    known.pop(name, None)

    def skip(self, name: str, error: BaseException) -> None:
        """Note, once, that an extension is skipped, and why, in one line."""
        broken = BrokenExtension(name, f"{type(error).__name__}: {' '.join(str(error).split())}")
        if broken not in self.broken:
            self.broken.append(broken)


def kind_of(entry: object) -> str:
    """Return what an entry has in common with what the same code makes when it runs again."""
    described = entry if isinstance(entry, type) else type(entry)
    return f"{described.__module__}.{described.__qualname__}"


def _described(entry: object, origin: str) -> str:
    return kind_of(entry) if isinstance(entry, type) else f"{origin} ({type(entry).__name__})"


@contextmanager
def _attributed(module: str) -> Iterator[None]:
    """Attribute to a module what is registered while it is loaded; nothing of it stays if it fails."""
    _loading.append(module)
    try:
        yield
    except BaseException:
        for registry in _registries:
            registry._forget(module)
        raise
    finally:
        _loading.pop()


def import_extension(module: str) -> None:
    """Import a module that registers something, as the discovery does for entry points."""
    with _turn.taken() as ours, _attributed(module) if ours else nullcontext():
        importlib.import_module(module)


def when_discovered(action: Callable[[], None]) -> None:
    """Do something when no extensions are being discovered, because registries are half full meanwhile.

    That is after the discovery where this thread is in the middle of one, and now where not, once another thread's is
    over. Where that one waits for this thread, it is done now, with what there is, and again after the discovery.
    """
    with _turn.taken() as ours:
        if _filling:
            _waiting.append(action)
        if not (ours and _filling):
            action()
