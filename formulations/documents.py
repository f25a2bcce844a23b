"""Strict JSON documents: reading with one clear line per mistake, canonical form, digest.

Files are a contract with other programs, so nothing is guessed: duplicate keys, ``NaN``, ``Infinity``
and anything that is not an object are errors that name the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["InputError", "ScenarioError", "canonical", "check_keys", "digest", "read_document", "write_document"]


class InputError(ValueError):
    """Bad input: the message says in one line what is wrong, where, and what was expected."""


class ScenarioError(InputError):
    """A scenario that cannot be: the message names the field, the index, the value and what was expected."""


def canonical(document: dict[str, Any]) -> str:
    """Return the one text that stands for a document: keys sorted, no spaces, shortest floats.

    Raises
    ------
    ValueError
        If a number is not finite; JSON has no such numbers.
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(document: dict[str, Any]) -> str:
    """Return the SHA-256 of the canonical form without the key ``digest``, in hexadecimal."""
    rest = {key: value for key, value in document.items() if key != "digest"}
    return hashlib.sha256(canonical(rest).encode("utf-8")).hexdigest()


def read_document(path: str | os.PathLike[str], kind: str, versions: tuple[int, ...] = (1,)) -> dict[str, Any]:
    """Read a JSON object of one format.

    Parameters
    ----------
    path
        The file.
    kind
        What the key ``format`` has to say, for instance ``dashf-scenario``.
    versions
        What the key ``version`` may say.

    Raises
    ------
    InputError
        If the file cannot be read or is not such a document. The message starts with the path.
    """
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); expected a {kind} file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is not UTF-8; expected a {kind} file in JSON") from None
    except ValueError as error:  # a path that no file can have
        raise InputError(f"{path!r}: cannot be read ({error}); expected a {kind} file") from None
    if not text.strip():
        raise InputError(f"{path}: the file is empty; expected a {kind} document in JSON")
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates, parse_int=_parse_int)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: not valid JSON at line {error.lineno}, column {error.colno} ({error.msg}); "
            f"expected a {kind} document"
        ) from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply; expected a {kind} document") from None
    except _DuplicateKeyError as error:
        raise InputError(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise InputError(f"{path}: holds a {_json_type(document)}; expected a JSON object with format {kind!r}")
    _check_leaves(path, document)
    allowed: tuple[tuple[str, tuple[object, ...]], ...] = (("format", (kind,)), ("version", versions))
    for key, choices in allowed:
        expected = " or ".join(map(repr, choices))
        if key not in document:
            raise InputError(f"{path}: key {key!r} is missing; expected {expected}")
        value = document[key]
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise InputError(f"{path}: {key} = {value!r}; expected {expected}")
    return document


def write_document(path: str | os.PathLike[str], document: dict[str, Any]) -> None:
    """Write a document so that the file is either the old one or the whole new one, never a part.

    Raises
    ------
    InputError
        If the place cannot be written.
    """
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    target = Path(os.path.realpath(path))  # through a link, so that the link stays
    try:
        if target.exists() and not target.is_file():  # a pipe or /dev/stdout: no atomic replacement there
            target.write_text(text, encoding="utf-8")
            return
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".dashf-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None


def check_keys(document: dict[str, Any], required: set[str], optional: set[str], where: str) -> None:
    """Raise `InputError` naming the first missing or unknown key of a document."""
    for key in sorted(required - document.keys()):
        raise InputError(f"{where}: key {key!r} is missing")
    for key in sorted(document.keys() - required - optional):
        raise InputError(f"{where}: unknown key {key!r}; expected only {', '.join(sorted(required | optional))}")


class _DuplicateKeyError(ValueError):
    pass


def _parse_int(digits: str) -> int | float:
    # Python refuses to read integers of thousands of digits; they are beyond floats anyway.
    return int(digits) if len(digits) < 400 else math.copysign(math.inf, -1 if digits[0] == "-" else 1)


def _check_leaves(path: object, document: dict[str, Any]) -> None:
    """Refuse what JSON or UTF-8 cannot write again: numbers that are not finite, lone surrogates, great depth."""
    pending: list[tuple[str, Any, int]] = [("", document, 0)]
    while pending:
        where, value, depth = pending.pop()
        if depth > 50:
            raise InputError(f"{path}: {where[:60]}... is nested too deeply; expected at most 50 levels")
        if isinstance(value, dict):
            pending += [(f"{where}.{key}" if where else key, item, depth + 1) for key, item in value.items()]
            pending += [(f"a key of {where or 'the document'}", key, depth + 1) for key in value]
        elif isinstance(value, list):
            pending += [(f"{where}[{position}]", item, depth + 1) for position, item in enumerate(value)]
        elif isinstance(value, str):
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                raise InputError(f"{path}: {where!a} holds half a surrogate pair; expected text") from None
        elif isinstance(value, (int, float)) and not _is_finite(value):
            raise InputError(f"{path}: {where} = {_number_text(value)}; expected finite numbers")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _number_text(value: float) -> str:
    if not isinstance(value, float):
        return "a number beyond 1.8e308"
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            raise _DuplicateKeyError(f"key {key!r} stands twice; expected each key once")
        document[key] = value
    return document


def _json_type(value: object) -> str:
    if value is None:
        return "null"
    return {list: "list", str: "text", bool: "true or false", int: "number", float: "number"}[type(value)]
