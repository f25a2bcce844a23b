"""Reading a study description key by key, so that every error names the file, the line and the key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from formulations import InputError
from formulations.arrays import shown

from .lines import Path, line_of

__all__ = ["Section"]


class Section:
    """A table of a study description; keys that nobody asked for are an error.

    Parameters
    ----------
    values
        The table.
    where
        Name of the file, or what stands for it.
    lines
        Lines of the keys, empty where the description is no file.
    path
        Keys from the top to this table.
    """

    def __init__(self, values: Any, where: str, lines: dict[Path, int], path: Path = ()) -> None:
        self._where, self._lines, self._path = where, lines, path
        if not isinstance(values, Mapping):
            self._refuse(path, shown(values), "a table of keys and values")
        for key in values:
            if not isinstance(key, str):
                self._refuse(path, f"key {shown(key)}", "keys that are texts")
        self.values: Mapping[str, Any] = values

    # -- errors -------------------------------------------------------------------------------

    def fail(self, key: str | None, said: str) -> NoReturn:
        """Raise `InputError` with the place of a key, or of the table itself, before what is said."""
        path = self._path if key is None else (*self._path, key)
        raise InputError(f"{self._place(path)}: {said}")

    def _place(self, path: Path) -> str:
        dotted = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        line = f":{line_of(self._lines, path)}" if self._lines else ""
        return f"{self._where}{line}" + (f": {dotted}" if dotted else "")

    def _refuse(self, path: Path, found: str, expected: str) -> NoReturn:
        raise InputError(f"{self._place(path)} = {found}; expected {expected}")

    def refuse(self, key: str, expected: str) -> NoReturn:
        """Raise `InputError` saying what a key holds and what was expected."""
        self._refuse((*self._path, key), shown(self.values.get(key)), expected)

    def only(self, *known: str) -> None:
        """Raise `InputError` if there is any other key."""
        for key in self.values:
            if key not in known:
                self.fail(key, f"unknown key; expected one of {', '.join(known)}")

    def within(self, key: str | None, action: Callable[[], Any]) -> Any:
        """Return what an action returns; errors of input get the place of a key in front."""
        try:
            return action()
        except InputError as error:
            self.fail(key, str(error))

    # -- values -------------------------------------------------------------------------------

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def section(self, key: str) -> Section:
        """Return a table inside, empty if it is not there."""
        return Section(self.values.get(key, {}), self._where, self._lines, (*self._path, key))

    def sections(self, key: str) -> Iterator[Section]:
        """Yield the entries of an array of tables.

        Raises
        ------
        InputError
            If there are none.
        """
        values = self.values.get(key)
        if isinstance(values, Mapping):
            self.fail(key, f"a single table; expected [[{key}]], once for each entry")
        if values is not None and not isinstance(values, (list, tuple)):
            self.refuse(key, f"at least one [[{key}]]")
        if not values:
            self.fail(None, f"key {key!r} is missing or empty; expected at least one [[{key}]]")
        for position, value in enumerate(values):
            yield Section(value, self._where, self._lines, (*self._path, key, position))

    def text(self, key: str, default: str) -> str:
        """Return a text that is not empty."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or (key in self.values and not value.strip()):
            self.refuse(key, "a text")
        return value

    def number(self, key: str, default: float, *, zero: bool = False, below: float = 1e9) -> float:
        """Return a number above 0, or from 0 on, and below a bound."""
        value = self.values.get(key, default)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value < below or (value == 0 and not zero):
            self.refuse(key, f"a number {'of at least' if zero else 'above'} 0 and below {below:g}")
        return float(value)

    def once(self, key: str, values: Sequence[Any]) -> None:
        """Raise `InputError` if a list under a key has an entry twice."""
        for position, value in enumerate(values):
            if any(np.array_equal(value, other) for other in values[:position]):
                self.fail(key, f"{shown(value)} is given twice; expected each once")

    def whole(self, key: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number within bounds, bounds included."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.refuse(key, f"a whole number from {least} to {most}")
        return value

    def wholes(self, key: str, default: int, *, least: int) -> list[int]:
        """Return a whole number or a list of them as a list; ``"0..49"`` is a list too."""
        value = self.values.get(key, default)
        if isinstance(value, str):
            first, dots, last = value.partition("..")
            if not dots or not (first.isdecimal() and last.isdecimal()) or int(first) > int(last):
                self.refuse(key, "a whole number, a list of them, or a range such as '0..49'")
            if int(last) - int(first) >= 1_000_000:
                self.refuse(key, "a range of at most a million")
            value = list(range(int(first), int(last) + 1))
        values = list(value) if isinstance(value, (list, tuple, range)) else [value]
        for item in values:
            if isinstance(item, bool) or not isinstance(item, int) or item < least:
                self.refuse(key, f"a whole number of at least {least}, a list of them, or a range such as '0..49'")
        if not values:
            self.refuse(key, "at least one number")
        if len(set(values)) < len(values):
            self.refuse(key, "each number once")
        return values
