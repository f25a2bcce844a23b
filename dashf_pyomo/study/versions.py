"""Versions of the code that a method consists of: the distributions that own it.

A version says what a distribution is only where an installer put its files in place. Where sources are run as they
stand (an editable install, a folder on the path, a file beside a notebook), a digest of them tells edits apart.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points, packages_distributions
from pathlib import Path
from typing import Any

from formulations.documents import canonical
from formulations.formulation import formulations

from ..algorithms import Method, methods
from ..backends import backends
from ..version import __version__ as our_version

__all__ = ["OURS", "Codes", "discovered_packages", "foreign_modules"]

#: Our distribution, and its packages.
OURS, _OUR_PACKAGES = "dashf-pyomo", ("dashf_pyomo", "formulations")
#: Files that are code; what is made of them differs from machine to machine.
_SOURCES = {".py", ".pyx", ".pxd"}
#: Digits of a digest that are kept.
_DIGITS = 12


class Codes:
    """Code that methods consist of, as it is found now: sources are read once and not again."""

    def __init__(self) -> None:
        self._versions: dict[str, str] = {}

    def of(self, method: Method) -> str:
        """Return the distributions that a method's results depend on, with versions, as canonical JSON.

        Ours, which judges all results; the one that owns the method; and those of formulations and backends that the
        options name.

        Parameters
        ----------
        method
            The configured method.
        """
        origins = {methods.origins.get(method.name) or type(method).__module__, *_named(method)}
        owners = {_owner(_top(origin)): _top(origin) for origin in origins if _top(origin) not in ("", *_OUR_PACKAGES)}
        for name, package in {OURS: "", **owners}.items():
            if name not in self._versions:
                self._versions[name] = _version(name, _OUR_PACKAGES if name == OURS else (package,))
        return canonical({name: self._versions[name] for name in (OURS, *owners)})


def foreign_modules() -> tuple[str, ...]:
    """Return the modules that have registered what solves by now, without ours and scripts."""
    found = {origin for registry in (methods, formulations, backends) for origin in registry.origins.values()}
    return tuple(sorted(name for name in found if name != "__main__" and _top(name) not in ("", *_OUR_PACKAGES)))


@cache
def discovered_packages() -> frozenset[str]:
    """Return the packages whose extensions any process finds by itself: ours, and those with entry points."""
    groups = [registry.group for registry in (methods, formulations, backends)]
    return frozenset([*_OUR_PACKAGES, *(_top(point.module) for group in groups for point in entry_points(group=group))])


def _named(method: Method) -> Iterator[str]:
    """Yield the modules of formulations and backends that options name which are not at their defaults."""
    for item in fields(method):
        value = getattr(method, item.name)
        for part in value.split("+") if isinstance(value, str) and value != item.default else ():
            for registry in (formulations, backends):
                for name in registry:
                    if name.rpartition("/")[2] == part:
                        yield registry.origins.get(name, "")


def _top(module: str) -> str:
    return module.partition(".")[0]


@cache
def _owner(package: str) -> str:
    """Return the distribution of a top-level package, or the package's own name where there is none."""
    groups = [registry.group for registry in (methods, formulations, backends)]
    for point in (point for group in groups for point in entry_points(group=group)):
        if _top(point.module) == package and point.dist is not None:
            return str(point.dist.name)
    return next(iter(packages_distributions().get(package, ())), package)


def _version(name: str, packages: tuple[str, ...]) -> str:
    """Return the version of a distribution, with a digest of the sources where no installer has put them in place."""
    try:
        known = distribution(name)
    except PackageNotFoundError:
        version = our_version if name == OURS else ""
    else:
        version = known.version
        if all(_is_installed(known, package) for package in packages):
            return version
        packages = tuple(sorted({*packages, *(known.read_text("top_level.txt") or "").split()}))
    return f"{version} (sources {_digest(packages)})".lstrip()


def _is_installed(known: Distribution, package: str) -> bool:
    """Return whether the package that is imported is the one that an installer has put in place."""
    record = {line.partition(",")[0] for line in (known.read_text("RECORD") or "").splitlines()}
    root = Path(str(known.locate_file("")))
    files = list(_files(package))
    return bool(files) and all(
        file.is_relative_to(root) and file.relative_to(root).as_posix() in record for _, file in files
    )


def _digest(packages: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for package in packages:
        for name, file in sorted(_files(package)):
            try:
                content = file.read_bytes()
            except OSError as error:  # gone, or not for us to read; which, is part of the digest
                content = type(error).__name__.encode()
            digest.update(f"{package}/{name} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()[:_DIGITS]


def _files(package: str) -> Iterator[tuple[str, Path]]:
    """Yield name and place of all source files of a top-level package or module."""
    for root in _places(package):
        if root.is_file():
            yield root.name, root
        else:
            for file in root.rglob("*"):
                if file.suffix in _SOURCES and file.is_file():
                    yield file.relative_to(root).as_posix(), file


def _places(package: str) -> list[Path]:
    """Return the folders of a package, or the file of a module, as it is imported here."""
    module: Any = sys.modules.get(package)
    spec = getattr(module, "__spec__", None)
    if spec is None:
        with suppress(ImportError, ValueError):
            spec = importlib.util.find_spec(package)
    if spec is None:
        file = getattr(module, "__file__", None)
        return [Path(file)] if file else []
    if spec.submodule_search_locations is not None:
        return [Path(place) for place in spec.submodule_search_locations]
    return [Path(spec.origin)] if spec.origin and Path(spec.origin).is_file() else []
