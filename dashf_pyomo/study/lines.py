"""Where the keys of a TOML file stand: the standard reader does not say, and an error should."""

from __future__ import annotations

import re
import tomllib
from typing import Any

__all__ = ["Path", "key_lines", "line_of"]

#: Keys and positions from the top of the document.
Path = tuple[str | int, ...]

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_TOKEN = re.compile(r'"""|\'\'\'|"(?:\\.|[^"\\])*"|\'[^\']*\'|#|[\[\]{}]')


def key_lines(text: str) -> dict[Path, int]:
    """Return the line, counted from 1, of every table and of every key outside inline tables.

    Parameters
    ----------
    text
        A valid TOML document.
    """
    lines: dict[Path, int] = {(): 1}
    tables: dict[tuple[str, ...], int] = {}  # how many entries each array of tables has so far
    here: Path = ()
    depth, quote = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if not depth and not quote:
            if header := _HEADER.match(line):
                names = _split(header[2])
                if header[1] == "[[":
                    tables[names] = tables.get(names, -1) + 1
                here = _placed(names, tables)
                lines.setdefault(here, number)
                continue
            if key := _KEY.match(line):
                names = _split(key[1])
                for end in range(1, len(names) + 1):
                    lines.setdefault(here + names[:end], number)
                line = line[key.end() :]
        depth, quote = _follow(line, depth, quote)
    return lines


def line_of(lines: dict[Path, int], path: Path) -> int:
    """Return the line of a key, or of the nearest table around it."""
    while path not in lines:
        path = path[:-1]
    return lines[path]


def _split(dotted: str) -> tuple[str, ...]:
    table: Any = tomllib.loads(f"{dotted} = 0")
    names = []
    while isinstance(table, dict):
        name, table = next(iter(table.items()))
        names.append(name)
    return tuple(names)


def _placed(names: tuple[str, ...], tables: dict[tuple[str, ...], int]) -> Path:
    path: Path = ()
    for end in range(1, len(names) + 1):
        path += (names[end - 1],)
        if names[:end] in tables:
            path += (tables[names[:end]],)
    return path


def _follow(line: str, depth: int, quote: str) -> tuple[int, str]:
    """Return how deep in brackets, and in which multi-line string, the end of a line is."""
    position = 0
    while position < len(line):
        if quote:
            end = line.find(quote, position)
            if end < 0:
                return depth, quote
            position, quote = end + 3, ""
            continue
        token = _TOKEN.search(line, position)
        if token is None or token[0] == "#":
            break
        position = token.end()
        if token[0] in ('"""', "'''"):
            quote = token[0]
        elif token[0] in "[{":
            depth += 1
        elif token[0] in "]}":
            depth -= 1
    return depth, quote
