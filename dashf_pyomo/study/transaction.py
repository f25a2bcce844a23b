"""Transactions of SQLite, and what its errors say."""

from __future__ import annotations

import sqlite3
from types import TracebackType

__all__ = ["Transaction", "primary_code"]


def primary_code(error: sqlite3.Error) -> int:
    """Return the primary code of an error of SQLite's, 0 where it has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


class Transaction:
    """All or nothing; the next one waits for nobody, there is one writer."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._database.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.OperationalError:
            if kind is None:
                raise
            # A statement that fails badly enough, as on a full disk, has rolled back by itself.
