"""The file of a store: opened to read or to write, with one writer, and with errors of SQLite said in one line."""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from formulations import InputError

from .reading import Reading
from .store_columns import ADDED, TABLES, VERSION

__all__ = ["FILE", "StoreError", "StoreFile"]

#: Name of the store in the folder of a study.
FILE = "study.sqlite"
#: How SQLite says that it may not, or cannot, write.
_UNWRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR}


class StoreError(InputError):
    """A store that is not there, is none, is of another version, or has a writer already."""


class StoreFile:
    """The file that holds a study.

    Parameters
    ----------
    folder
        The folder of the study.
    write
        Whether to write; makes the folder and the store where there is none. One at a time may.

    Raises
    ------
    StoreError
        If there is no store to read, it cannot be used, or another process writes to it.
    """

    def __init__(self, folder: str | os.PathLike[str], *, write: bool = False) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE
        self._lock: sqlite3.Connection | None = None
        self._reading: Reading | None = None
        try:
            if write:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock = self._take_lock()
                self._database = sqlite3.connect(self.path, isolation_level=None)
            elif not self.path.is_file():
                raise StoreError(f"{self.path}: there is no such file; expected the folder of a study that was run")
            else:
                self._reading = Reading(self.path)
                self._database = self._reading.database
            self._database.row_factory = sqlite3.Row
            self._open(write)
        except OSError as error:
            self.close()
            cannot = "written" if write else "read"
            raise StoreError(f"{folder}: cannot be {cannot} ({error.strerror or error})") from None
        except sqlite3.Error as error:
            self.close()
            if write and _primary_code(error) in _UNWRITABLE:
                raise StoreError(f"{self.path}: cannot be written ({error})") from None
            raise StoreError(f"{self.path}: is no store of a study ({error})") from None

    def _take_lock(self) -> sqlite3.Connection:
        """Take the lock of writers: a transaction in an empty database, which ends with us however we end."""
        lock = sqlite3.connect(self.folder / "study.lock", isolation_level=None, timeout=0.0)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            lock.close()
            if _primary_code(error) != sqlite3.SQLITE_BUSY:
                raise StoreError(f"{self.folder}: cannot be written ({error})") from None
            raise StoreError(f"{self.folder}: another run is writing to this study; expected only one") from None
        return lock

    def _open(self, write: bool) -> None:
        execute = self._database.execute
        execute("PRAGMA busy_timeout = 10000")
        if not write:
            execute("PRAGMA query_only = ON")
        version = execute("PRAGMA user_version").fetchone()[0]
        empty = execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if write and empty:
            execute("PRAGMA journal_mode = WAL")
            self._database.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION or empty:
            self.close()
            found = "is empty" if empty else f"has version {version} of the tables"
            raise StoreError(f"{self.path}: {found}; expected version {VERSION}")
        self._known = {row["name"] for row in execute("PRAGMA table_info(cells)")}
        for column, statements in ADDED.items() if write else ():
            if column not in self._known:
                self._database.executescript(f"BEGIN; {statements} COMMIT;")
                self._known.add(column)
        # The log survives the death of any process; only a power cut may cost the last commits, never the file.
        execute("PRAGMA synchronous = NORMAL")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        disturbed = self._reading is not None and self._reading.disturbed
        self.close()
        if disturbed:
            raise StoreError(f"{self.path}: was written to while it was read, by a run; try again") from error
        if isinstance(error, (sqlite3.Error, zlib.error)):
            raise StoreError(f"{self.path}: cannot be used any more ({error})") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write all or nothing; there is one writer, so no one waits."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.OperationalError):  # on a full disk a statement has rolled back by itself
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Close the file and give up the lock."""
        if self._reading is not None:
            self._reading.close()
        elif hasattr(self, "_database"):
            with suppress(sqlite3.Error):  # what is committed is in the file
                self._database.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _primary_code(error: sqlite3.Error) -> int:
    """Return the primary code of an error of SQLite's, 0 where it has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
