"""Opening a store to read it, also where one may only read: another user's folder, a read-only mount.

SQLite writes even to read: the write-ahead log has an index beside it, which a reader makes where there is none. Where
that cannot be, a store without such a log is opened as a file that does not change, and we check that it has not;
one with a log that a run has left behind is copied.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["Reading"]


class Reading:
    """A connection that reads.

    Parameters
    ----------
    path
        The store.

    Raises
    ------
    OSError
        If it may not be read.
    sqlite3.Error
        If it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._stamp: tuple[int, int] | None = None
        with path.open("rb"):
            pass  # says why not, which SQLite does not
        log, index = (path.with_name(path.name + end) for end in ("-wal", "-shm"))
        left = log.exists() and log.stat().st_size > 0
        if os.access(path, os.W_OK) and os.access(path.parent, os.W_OK):
            self.database = sqlite3.connect(path, isolation_level=None)
        elif not left:
            self._stamp = self._look()
            self.database = _connect(path, "immutable=1")
        elif index.exists():  # a run that goes on, or was killed
            self.database = _connect(path, "mode=ro")
        else:
            self._copy = tempfile.TemporaryDirectory(prefix="dashf-store-", ignore_cleanup_errors=True)
            for file in (path, log):
                shutil.copyfile(file, Path(self._copy.name, file.name))
            self.database = sqlite3.connect(Path(self._copy.name, path.name), isolation_level=None)

    def _look(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_size, found.st_mtime_ns

    @property
    def disturbed(self) -> bool:
        """Whether a store that was read as one that does not change has been written to."""
        return self._stamp is not None and self._stamp != self._look()

    def close(self) -> None:
        """Close it, and take a copy away."""
        with suppress(sqlite3.Error):
            self.database.close()
        if self._copy is not None:
            self._copy.cleanup()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True, isolation_level=None)
