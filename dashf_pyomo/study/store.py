"""The store: one SQLite file per study, one writer, every cell committed as it ends.

The write-ahead log keeps the file whole whatever happens to the process that writes it; readers may look meanwhile.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from formulations import InputError, Scenario

from ..result import Result
from .description import Description
from .plan import Cell
from .task import SUMMARY, Record

__all__ = ["FILE", "VERSION", "Store", "StoreError"]

#: Name of the store in the folder of a study.
FILE = "study.sqlite"
#: Version of the tables; another one is refused.
VERSION = 1

_TABLES = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE scenarios (
    sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, users INTEGER NOT NULL, servers INTEGER NOT NULL, seed TEXT,
    document BLOB NOT NULL
);
CREATE TABLE environments (sha256 TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE plan (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL, "group" TEXT NOT NULL, scenario TEXT NOT NULL,
    variant TEXT NOT NULL, role TEXT NOT NULL, method TEXT NOT NULL, repeat INTEGER NOT NULL
);
CREATE TABLE cells (
    key TEXT PRIMARY KEY, scenario TEXT NOT NULL, method TEXT NOT NULL, options TEXT NOT NULL, limits TEXT NOT NULL,
    repeat INTEGER NOT NULL, outcome TEXT NOT NULL, message TEXT NOT NULL, status TEXT, scr REAL, score REAL,
    delay REAL, energy REAL, max_violation REAL, upper_bound REAL, bound_source TEXT, iterations INTEGER,
    started TEXT NOT NULL, wall_time REAL NOT NULL, cpu_time REAL NOT NULL, cell_time REAL NOT NULL,
    warm_time REAL NOT NULL, environment TEXT NOT NULL, worker TEXT NOT NULL, result BLOB
);
"""
_CELL = (
    "key", "scenario", "method", "options", "limits", "repeat", "outcome", "message", *SUMMARY, "started",
    "wall_time", "cpu_time", "cell_time", "warm_time", "environment", "worker", "result",
)  # fmt: skip


class StoreError(InputError):
    """A store that is not there, is none, is of another version, or has a writer already."""


class Store:
    """The store of a study.

    Parameters
    ----------
    folder
        The folder of the study.
    write
        Whether to write; makes the folder and the store where there is none. One at a time may.

    Raises
    ------
    StoreError
        If there is no store to read, it cannot be used, or somebody else writes to it.
    """

    def __init__(self, folder: str | os.PathLike[str], *, write: bool = False) -> None:
        self.folder = Path(folder)
        self.path = self.folder / FILE
        self._lock: sqlite3.Connection | None = None
        self._environments: dict[str, str] = {}
        try:
            if write:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._lock = self._take_lock()
            elif not self.path.is_file():
                raise StoreError(f"{self.path}: there is no such file; expected the folder of a study that was run")
            self._database = sqlite3.connect(self.path, isolation_level=None)
            self._database.row_factory = sqlite3.Row
            self._open(write)
        except OSError as error:
            raise StoreError(f"{folder}: cannot be written ({error.strerror or error})") from None
        except sqlite3.Error as error:
            self.close()
            raise StoreError(f"{self.path}: is no store of a study ({error})") from None

    def _take_lock(self) -> sqlite3.Connection:
        """Take the lock of writers: a transaction in an empty database, which ends with us however we end."""
        lock = sqlite3.connect(self.folder / "study.lock", isolation_level=None, timeout=0.0)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            lock.close()
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
            self._database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION or empty:
            self.close()
            found = "is empty" if empty else f"has version {version} of the tables"
            raise StoreError(f"{self.path}: {found}; expected version {VERSION}")
        # The log survives the death of any process; only a power cut may cost the last commits, never the file.
        execute("PRAGMA synchronous = NORMAL")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if isinstance(error, (sqlite3.Error, zlib.error)):
            raise StoreError(f"{self.path}: cannot be used any more ({error})") from error

    def close(self) -> None:
        """Close the file and give up the lock."""
        if hasattr(self, "_database"):
            with suppress(sqlite3.Error):  # what is committed is in the file
                self._database.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    # -- writing ------------------------------------------------------------------------------

    def enter_plan(self, description: Description, cells: Sequence[Cell]) -> None:
        """Enter what the study consists of; cells of earlier plans stay, in case they come back."""
        settings = {
            "targets": list(description.report.targets),
            "reference": description.report.reference,
            "attribution": description.report.attribution,
            "scenario_pages": description.report.scenario_pages,
        }
        about = {
            "name": description.name,
            "seed": str(description.seed),
            "source": description.source,
            "report": json.dumps(settings),
            "planned": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with self._transaction():
            many = self._database.executemany
            many("INSERT OR REPLACE INTO about VALUES (?, ?)", about.items())
            many(
                "INSERT OR IGNORE INTO scenarios VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (s.sha256, s.name, s.n_users, s.n_servers, None if s.seed is None else str(s.seed), s.document)
                    for s in description.scenarios
                ),
            )
            self._database.execute("DELETE FROM plan")
            many(
                "INSERT INTO plan VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        position, cell.key, cell.scenario.group, cell.scenario.sha256, cell.variant.name,
                        cell.variant.role, cell.variant.method.name, cell.repeat,
                    )
                    for position, cell in enumerate(cells)
                ),
            )  # fmt: skip

    def add(self, pairs: Iterable[tuple[Cell, Record]]) -> None:
        """Enter cells that have ended, all or none, for good."""
        with self._transaction():
            for cell, record in pairs:
                values = {
                    **vars(record),
                    **dict.fromkeys(SUMMARY),
                    **record.summary,
                    "scenario": cell.scenario.sha256,
                    "method": cell.variant.method.name,
                    "options": json.dumps(dict(cell.options)),
                    "limits": json.dumps(vars(cell.limits)),
                    "repeat": cell.repeat,
                    "outcome": str(record.outcome),
                    "environment": self._environment(record.environment),
                }
                marks = ", ".join("?" * len(_CELL))
                self._database.execute(
                    f"INSERT OR REPLACE INTO cells ({', '.join(_CELL)}) VALUES ({marks})",
                    [values[column] for column in _CELL],
                )

    def _environment(self, document: str) -> str:
        if document not in self._environments:
            digest = sha256(document.encode()).hexdigest()[:16]
            self._database.execute("INSERT OR IGNORE INTO environments VALUES (?, ?)", (digest, document))
            self._environments[document] = digest
        return self._environments[document]

    def forget(self, keys: Iterable[str]) -> None:
        """Remove cells, so that they are run again."""
        with self._transaction():
            self._database.executemany("DELETE FROM cells WHERE key = ?", ((key,) for key in keys))

    def _transaction(self) -> _Transaction:
        return _Transaction(self._database)

    # -- reading ------------------------------------------------------------------------------

    def about(self) -> dict[str, str]:
        """Return name, seed, source and settings of the study."""
        return dict(tuple(row) for row in self._database.execute("SELECT key, value FROM about"))

    def outcomes(self) -> dict[str, str]:
        """Return the outcome of every cell that has ended, by key."""
        return dict(tuple(row) for row in self._database.execute("SELECT key, outcome FROM cells"))

    def failed(self) -> set[str]:
        """Return the keys of cells that have failed: ended without an allocation, or with status error."""
        query = "SELECT key FROM cells WHERE outcome != 'done' OR status = 'error' OR scr IS NULL"
        return {row[0] for row in self._database.execute(query)}

    def rows(self) -> list[dict[str, Any]]:
        """Return the planned cells in order, with all columns but the whole result; None where one has not ended."""
        columns = ", ".join(
            f"cells.{name}" for name in _CELL if name not in ("key", "scenario", "method", "repeat", "result")
        )
        query = f"""
            SELECT plan.position, plan.key, plan."group", plan.scenario, plan.variant, plan.role, plan.method,
                plan.repeat, scenarios.name, scenarios.users, scenarios.servers, scenarios.seed, {columns}
            FROM plan JOIN scenarios ON scenarios.sha256 = plan.scenario LEFT JOIN cells ON cells.key = plan.key
            ORDER BY plan.position
        """
        return [dict(row) for row in self._database.execute(query)]

    def results(self, keys: Iterable[str] | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield key and result document of cells that have one, all planned ones by default."""
        if keys is None:
            found: Iterable[Any] = self._database.execute(
                "SELECT key, result FROM cells WHERE result IS NOT NULL AND key IN (SELECT key FROM plan)"
            )
        else:
            query = "SELECT key, result FROM cells WHERE result IS NOT NULL AND key = ?"
            found = (row for key in keys for row in self._database.execute(query, (key,)))
        for key, blob in found:
            yield key, json.loads(zlib.decompress(blob))

    def result(self, key: str) -> Result | None:
        """Return the result of a cell, or None where there is none."""
        for _, document in self.results([key]):
            return Result.from_dict(document, f"{self.path}: cell {key}")
        return None

    def scenario(self, digest: str) -> Scenario:
        """Return a scenario by its SHA-256.

        Raises
        ------
        KeyError
            If it is none of this study.
        """
        row = self._database.execute("SELECT document FROM scenarios WHERE sha256 = ?", (digest,)).fetchone()
        if row is None:
            raise KeyError(digest)
        return Scenario.from_dict(json.loads(zlib.decompress(row[0])), f"{self.path}: scenario {digest}")

    def environments(self) -> dict[str, Mapping[str, Any]]:
        """Return machines and versions by digest; cells that died have none."""
        rows = self._database.execute("SELECT sha256, document FROM environments WHERE document != ''")
        return {row[0]: json.loads(row[1]) for row in rows}


class _Transaction:
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
