"""Files that are written for people: names that are safe everywhere, and errors said in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from formulations import InputError

__all__ = ["file_names", "writing"]


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Write a file or a folder in a block.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})") from None


def file_names(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """Return a name of a file for each name, without suffix, numbered where they would be the same or are taken."""
    used, found = {*taken}, []
    for name in names:
        clean = re.sub(r"[^A-Za-z0-9_-]+", "-", name)
        file, number = clean, 1
        while file.lower() in used:
            number += 1
            file = f"{clean}-{number}"
        used.add(file.lower())
        found.append(file)
    return found
