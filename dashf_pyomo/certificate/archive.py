"""Reading and writing a zip of plain arrays: nothing is unpickled, and nothing unexpected is decompressed."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations import InputError

from .nodes import CertificateError

__all__ = ["MOST_BYTES", "read_arrays", "write_arrays"]

#: Most bytes that the arrays of one file may take, decompressed.
MOST_BYTES = 2**30

#: Most bytes of the header of an array.
_HEADER = 1024


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays so that the file is either the old one or the whole new one.

    Raises
    ------
    InputError
        If the place cannot be written.
    """
    target = Path(os.path.realpath(path))
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".dashf-")
        try:
            with os.fdopen(handle, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, array in arrays.items():
                    # A fixed date: equal certificates are equal files.
                    entry = zipfile.ZipInfo(f"{name}.npy")
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    with archive.open(entry, "w", force_zip64=True) as member:
                        np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None


def read_arrays(
    path: str | os.PathLike[str], expected: Mapping[str, tuple[str, str]], optional: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    """Read the arrays of a file, all in memory; nothing is ever extracted to a place that the file names.

    Parameters
    ----------
    path
        The file.
    expected
        For every array its dtype and the letters of its shape; a digit is a size, a letter the same size wherever it
        stands.
    optional
        Names of arrays that may be missing.

    Raises
    ------
    InputError
        If the file is not a zip of exactly these arrays. The message starts with the path.
    """
    try:
        with open(path, "rb") as stream, zipfile.ZipFile(stream) as archive:
            return _read(archive, expected, optional)
    except CertificateError as error:
        raise CertificateError(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); expected a certificate") from None
    # What zipfile and numpy raise for damaged files is not documented in full.
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise CertificateError(f"{path}: is damaged or no .npz file ({reason}); expected a certificate") from None


def _read(
    archive: zipfile.ZipFile, expected: Mapping[str, tuple[str, str]], optional: Collection[str]
) -> dict[str, NDArray[Any]]:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    wanted = {f"{name}.npy" for name in expected}
    for name in names:
        if name not in wanted or names.count(name) > 1:
            raise CertificateError(f"holds {name[:60]!r} unasked or twice; expected {', '.join(sorted(expected))}")
    for name in sorted(wanted - set(names) - {f"{name}.npy" for name in optional}):
        raise CertificateError(f"key {name[:-4]!r} is missing")
    total = sum(entry.file_size for entry in entries)
    if total > MOST_BYTES:
        raise CertificateError(f"holds {total} bytes of arrays; expected at most {MOST_BYTES}")
    sizes: dict[str, int] = {}
    arrays = {}
    for name, (kind, letters) in expected.items():
        if f"{name}.npy" not in names:
            continue
        entry = archive.getinfo(f"{name}.npy")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise CertificateError(f"key {name!r} is compressed by method {entry.compress_type}; expected 0 or 8")
        with archive.open(entry) as member:
            shape, dtype, data = _array(name, member, entry.file_size, kind)
        if len(shape) != len(letters) or any(
            size != (int(letter) if letter.isdigit() else sizes.setdefault(letter, size))
            for size, letter in zip(shape, letters, strict=False)
        ):
            known = ", ".join(f"{letter} = {sizes[letter]}" for letter in letters if letter in sizes)
            raise CertificateError(f"key {name!r} has shape {shape}; expected ({', '.join(letters)}) {known}".rstrip())
        array = np.frombuffer(data, dtype).reshape(shape)
        arrays[name] = array.astype(dtype.newbyteorder("="), copy=False)
    return arrays


def _array(name: str, member: Any, size: int, kind: str) -> tuple[tuple[int, ...], np.dtype[Any], bytes]:
    """Return shape, type and bytes of one array; what would take memory is read only once it is known to fit."""
    if np.lib.format.read_magic(member) != (1, 0):
        raise CertificateError(f"key {name!r} has an .npy header of another version; expected 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(member, max_header_size=_HEADER)
    if dtype.str != kind:
        raise CertificateError(f"key {name!r} holds {dtype.str} values; expected {kind}")
    if fortran and len(shape) > 1:
        raise CertificateError(f"key {name!r} is in Fortran order; expected C order")
    needed = dtype.itemsize
    for extent in shape:
        needed *= extent
    if min(shape, default=0) < 0 or not 0 <= needed <= size:
        raise CertificateError(f"key {name!r} has shape {shape} in {size} bytes; expected an array that fits")
    data = member.read(needed)
    if len(data) != needed or member.read(1):
        raise CertificateError(f"key {name!r} has {len(data)} bytes or more; expected {needed}")
    if kind == "|b1" and data.translate(None, b"\0\1"):
        raise CertificateError(f"key {name!r} holds bytes beyond 0 and 1; expected true or false")
    if dtype.kind == "U" and np.any(np.frombuffer(data, np.uint32) > 126):
        raise CertificateError(f"key {name!r} holds other characters; expected ASCII")
    return shape, dtype, data
