"""The store: one SQLite file per study, one writer, every cell committed as it ends.

The write-ahead log keeps the file whole whatever happens to the process that writes it; readers may look meanwhile.
"""

from __future__ import annotations

import json
import math
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
from formulations.arrays import shown

from ..result import Result
from ..status import Status
from .description import Description
from .plan import Cell
from .reading import Reading
from .task import SUMMARY, Outcome, Record
from .transaction import Transaction, primary_code

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
    warm_time REAL NOT NULL, environment TEXT NOT NULL, worker TEXT NOT NULL, result BLOB,
    code TEXT NOT NULL DEFAULT ''
);
CREATE TABLE again (key TEXT PRIMARY KEY);
"""
#: What stores of the same version did not have at first: the code that cells were run by, and cells to run again.
_ADDED = """
ALTER TABLE cells ADD COLUMN code TEXT NOT NULL DEFAULT '';
CREATE TABLE IF NOT EXISTS again (key TEXT PRIMARY KEY);
"""
_CELL = (
    "key", "scenario", "method", "options", "limits", "repeat", "outcome", "message", *SUMMARY, "started",
    "wall_time", "cpu_time", "cell_time", "warm_time", "environment", "worker", "code", "result",
)  # fmt: skip


#: What columns hold, besides texts: whole numbers, and finite ones.
_WHOLE = {"position", "repeat", "users", "servers", "iterations"}
_NUMBERS = {
    "scr", "score", "delay", "energy", "max_violation", "upper_bound", "wall_time", "cpu_time", "cell_time",
    "warm_time",
}  # fmt: skip
#: Columns of cells that have ended which may be empty.
_EMPTY = {"seed", "status", "bound_source", "iterations", "code"}
#: How SQLite says that it may not, or cannot, write.
_UNWRITABLE = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR}


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
        self._reading: Reading | None = None
        self._environments: dict[str, str] = {}
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
            if write and primary_code(error) in _UNWRITABLE:
                raise StoreError(f"{self.path}: cannot be written ({error})") from None
            raise StoreError(f"{self.path}: is no store of a study ({error})") from None

    def _take_lock(self) -> sqlite3.Connection:
        """Take the lock of writers: a transaction in an empty database, which ends with us however we end."""
        lock = sqlite3.connect(self.folder / "study.lock", isolation_level=None, timeout=0.0)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            lock.close()
            if primary_code(error) != sqlite3.SQLITE_BUSY:
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
            self._database.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version != VERSION or empty:
            self.close()
            found = "is empty" if empty else f"has version {version} of the tables"
            raise StoreError(f"{self.path}: {found}; expected version {VERSION}")
        self._knows_code = any(row["name"] == "code" for row in execute("PRAGMA table_info(cells)"))
        if write and not self._knows_code:
            self._database.executescript(f"BEGIN; {_ADDED} COMMIT;")
            self._knows_code = True
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
                for name in _NUMBERS:
                    if values[name] is not None and not math.isfinite(values[name]):
                        where = f"{self.path}: cell {cell.key}: {name}"
                        raise StoreError(f"{where} = {values[name]}; expected a finite number")
                marks = ", ".join("?" * len(_CELL))
                self._database.execute(
                    f"INSERT OR REPLACE INTO cells ({', '.join(_CELL)}) VALUES ({marks})",
                    [values[column] for column in _CELL],
                )
                self._database.execute("DELETE FROM again WHERE key = ?", (cell.key,))

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

    def mark(self, keys: Iterable[str]) -> None:
        """Note cells that are to be run again; each counts as what it is until its new record takes its place."""
        with self._transaction():
            self._database.executemany("INSERT OR IGNORE INTO again VALUES (?)", ((key,) for key in keys))

    def _transaction(self) -> Transaction:
        return Transaction(self._database)

    # -- reading ------------------------------------------------------------------------------

    def about(self) -> dict[str, str]:
        """Return name, seed, source and settings of the study."""
        about = dict(tuple(row) for row in self._database.execute("SELECT key, value FROM about"))
        for key, value in about.items():
            if not isinstance(value, str):
                raise self._damaged(f"about {key}", f"{shown(value)}; expected a text")
        self._settings(about.get("report", "{}"))
        return about

    def _settings(self, text: str) -> None:
        """Raise `StoreError` unless a text holds settings of a report."""
        found = self._table(text, "about report")
        targets, pages = found.get("targets", []), found.get("scenario_pages", 0)
        good = isinstance(targets, list) and all(isinstance(item, (int, float)) and 0 < item < 1 for item in targets)
        if not good or not isinstance(pages, int) or pages < 0:
            raise self._damaged("about report", f"{shown(found)}; expected settings of a report")
        for key in ("reference", "attribution"):
            if not isinstance(found.get(key, ""), str):
                raise self._damaged("about report", f"{key} = {shown(found[key])}; expected a text")

    def _damaged(self, where: str, said: str) -> StoreError:
        return StoreError(f"{self.path}: is damaged: {where}: {' '.join(said.split())}")

    def _table(self, text: str | bytes, where: str) -> dict[str, Any]:
        """Return a JSON object that the store holds."""
        try:
            found = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise self._damaged(where, f"no valid JSON ({error})") from None
        if not isinstance(found, dict):
            raise self._damaged(where, f"{shown(found)}; expected a JSON object")
        return found

    def _unpacked(self, blob: Any, where: str) -> dict[str, Any]:
        """Return a compressed JSON object that the store holds."""
        try:
            text = zlib.decompress(blob)
        except (zlib.error, TypeError) as error:
            raise self._damaged(where, str(error)) from None
        return self._table(text, where)

    def _checked(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row whose columns hold what they should."""
        for name, value in row.items():
            if value is None:
                if row["outcome"] is None or name in _NUMBERS or name in _EMPTY:
                    continue
                expected = "something"
            elif name in _WHOLE:
                expected = "" if isinstance(value, int) else "a whole number"
            elif name in _NUMBERS:
                expected = "" if isinstance(value, (int, float)) and math.isfinite(value) else "a finite number"
            else:
                expected = "" if isinstance(value, str) else "a text"
            if expected:
                raise self._damaged(f"cell {row['position']}", f"{name} = {shown(value)}; expected {expected}")
        if row["outcome"] is not None:
            self._check_end(row)
        return row

    def _check_end(self, row: Mapping[str, Any]) -> None:
        """Raise `StoreError` unless a cell has ended in a way that there is."""
        where = f"cell {row['position']}"
        if row["outcome"] not in {*Outcome}:
            raise self._damaged(where, f"outcome = {shown(row['outcome'])}; expected one of {', '.join(Outcome)}")
        if row["status"] not in {*Status} and (row["outcome"] == Outcome.DONE or row["status"] is not None):
            raise self._damaged(where, f"status = {shown(row['status'])}; expected one of {', '.join(Status)}")
        try:
            datetime.fromisoformat(row["started"] or "2000-01-01")
        except ValueError:
            raise self._damaged(where, f"started = {shown(row['started'])}; expected date and time") from None

    def outcomes(self) -> dict[str, str]:
        """Return the outcome of every cell that has ended, by key."""
        return dict(tuple(row) for row in self._database.execute("SELECT key, outcome FROM cells"))

    def again(self) -> set[str]:
        """Return the keys of cells that are to be run again."""
        if not self._knows_code:
            return set()
        return {row[0] for row in self._database.execute("SELECT key FROM again")}

    def codes(self) -> dict[str, str]:
        """Return the code that every cell that has ended was run by, by key; empty where nobody has recorded it."""
        column = "code" if self._knows_code else "''"
        return dict(tuple(row) for row in self._database.execute(f"SELECT key, {column} FROM cells"))

    def failed(self) -> set[str]:
        """Return the keys of cells that have failed: ended without an allocation, or with status error."""
        query = "SELECT key FROM cells WHERE outcome != 'done' OR status = 'error' OR scr IS NULL"
        return {row[0] for row in self._database.execute(query)}

    def rows(self) -> list[dict[str, Any]]:
        """Return the planned cells in order, with all columns but the whole result; None where one has not ended."""
        left_out = {"key", "scenario", "method", "repeat", "result", "code"}
        columns = ", ".join(f"cells.{name}" for name in _CELL if name not in left_out)
        columns += ", nullif(cells.code, '') AS code" if self._knows_code else ", NULL AS code"
        query = f"""
            SELECT plan.position, plan.key, plan."group", plan.scenario, plan.variant, plan.role, plan.method,
                plan.repeat, scenarios.name, scenarios.users, scenarios.servers, scenarios.seed, {columns}
            FROM plan JOIN scenarios ON scenarios.sha256 = plan.scenario LEFT JOIN cells ON cells.key = plan.key
            ORDER BY plan.position
        """
        rows = [self._checked(dict(row)) for row in self._database.execute(query)]
        for name in ("options", "code"):
            for text in {row[name] for row in rows} - {None}:
                self._table(text, name)
        for text in {row["limits"] for row in rows} - {None}:
            limits = self._table(text, "limits")
            if not isinstance(limits.get("time", 0.0), (int, float)):
                raise self._damaged("limits", f"time = {shown(limits['time'])}; expected a number")
        return rows

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
            document = self._unpacked(blob, f"result of cell {key}")
            if not {"trace", "scr", "wall_time"} <= document.keys() or not isinstance(document["trace"], list):
                raise self._damaged(f"result of cell {key}", "expected a result with its trace")
            yield key, document

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
        where = f"scenario {digest}"
        return Scenario.from_dict(self._unpacked(row[0], where), f"{self.path}: {where}")

    def environments(self) -> dict[str, Mapping[str, Any]]:
        """Return machines and versions by digest; cells that died have none."""
        rows = self._database.execute("SELECT sha256, document FROM environments WHERE document != ''")
        found: dict[str, Mapping[str, Any]] = {row[0]: self._table(row[1], f"environment {row[0]}") for row in rows}
        for digest, document in found.items():
            missing = {"machine", "processor", "cores", "system", "python", "packages"} - document.keys()
            if missing or not isinstance(document["packages"], dict):
                raise self._damaged(f"environment {digest}", "expected a machine and its versions")
        return found
