"""The store: one SQLite file per study, one writer, every cell committed as it ends.

The write-ahead log keeps the file whole whatever happens to the process that writes it; readers may look meanwhile.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from formulations import Scenario
from formulations.schema import Place, conform

from ..objectives import SCR, name_of
from ..result import Result
from ..status import Termination
from .description import Description
from .plan import Cell
from .store_columns import CELL, About, EndedCell, Environment, PlannedCell, ResultOutline
from .store_file import FILE, StoreError, StoreFile
from .task import SUMMARY, CellRecord, ending_of

__all__ = ["FILE", "Store", "StoreError"]


class Store(StoreFile):
    """The store of a study; see `StoreFile` for how it is opened."""

    # -- writing ------------------------------------------------------------------------------

    def enter_plan(self, description: Description, cells: Sequence[Cell]) -> None:
        """Enter what the study consists of; cells of earlier plans stay, in case they come back."""
        about = {
            "name": description.name,
            "seed": str(description.seed),
            "source": description.source,
            "report": json.dumps(description.report.model_dump()),
            "planned": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with self.transaction():
            many = self._database.executemany
            many("INSERT OR REPLACE INTO about VALUES (?, ?)", about.items())
            many(
                "INSERT OR IGNORE INTO scenarios VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        s.sha256,
                        s.name,
                        s.n_users,
                        s.n_servers,
                        None if s.seed is None else str(s.seed),
                        s.document,
                        s.objective,
                        s.measure,
                    )
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

    def add(self, pairs: Iterable[tuple[Cell, CellRecord]]) -> None:
        """Enter cells that have ended, all or none, for good."""
        with self.transaction():
            for cell, record in pairs:
                values = {
                    **vars(record),
                    **dict.fromkeys(SUMMARY),
                    **record.summary,
                    "scenario": cell.scenario.sha256,
                    "method": cell.variant.method.name,
                    "options": json.dumps(dict(cell.options)),
                    "limits": json.dumps(cell.limits.model_dump()),
                    "repeat": cell.repeat,
                    "outcome": str(record.outcome),
                    "environment": self._environment(record.environment),
                }
                place = Place(f"{self.path}: cell {cell.key}", error=StoreError)
                conform(EndedCell, {**values, "code": record.code or None}, place)
                marks = ", ".join("?" * len(CELL))
                self._database.execute(
                    f"INSERT OR REPLACE INTO cells ({', '.join(CELL)}) VALUES ({marks})",
                    [values[column] for column in CELL],
                )
                self._database.execute("DELETE FROM again WHERE key = ?", (cell.key,))

    def _environment(self, document: str) -> str:
        digest = sha256(document.encode()).hexdigest()[:16]
        self._database.execute("INSERT OR IGNORE INTO environments VALUES (?, ?)", (digest, document))
        return digest

    def forget(self, keys: Iterable[str]) -> None:
        """Remove cells, so that they are run again."""
        with self.transaction():
            self._database.executemany("DELETE FROM cells WHERE key = ?", ((key,) for key in keys))

    def mark(self, keys: Iterable[str]) -> None:
        """Note cells that are to be run again; each counts as what it is until its new record takes its place."""
        with self.transaction():
            self._database.executemany("INSERT OR IGNORE INTO again VALUES (?)", ((key,) for key in keys))

    # -- reading ------------------------------------------------------------------------------

    def _place(self, where: str) -> Place:
        return Place(f"{self.path}: is damaged: {where}", error=StoreError)

    def about(self) -> About:
        """Return name, seed, source and settings of the study."""
        rows = self._database.execute("SELECT key, value FROM about")
        return conform(About, dict(tuple(row) for row in rows), self._place("about"))

    def outcomes(self) -> dict[str, str]:
        """Return the outcome of every cell that has ended, by key."""
        return dict(tuple(row) for row in self._database.execute("SELECT key, outcome FROM cells"))

    def again(self) -> set[str]:
        """Return the keys of cells that are to be run again."""
        if "code" not in self._known:
            return set()
        return {row[0] for row in self._database.execute("SELECT key FROM again")}

    def codes(self) -> dict[str, str]:
        """Return the code that has run each ended cell, by key; empty where it was not recorded."""
        column = "code" if "code" in self._known else "''"
        return dict(tuple(row) for row in self._database.execute(f"SELECT key, {column} FROM cells"))

    def failed(self) -> set[str]:
        """Return the keys of cells that have failed: ended by an error, or without an allocation."""
        rows = self._database.execute("SELECT key, outcome, status, scr FROM cells")
        return {key for key, *columns in rows if columns[-1] is None or self._has_error(key, *columns)}

    def _has_error(self, key: str, outcome: str, status: str | None, scr: float) -> bool:
        try:
            return ending_of(outcome, status, scr)[0] is Termination.ERROR
        except ValueError as error:
            self._place(f"cell {key}").fail(str(error))

    def rows(self) -> list[dict[str, Any]]:
        """Return the planned cells in order, with all columns but the whole result; None where one has not ended."""
        left_out = {"key", "scenario", "method", "repeat", "result", "code", "value", "bound"}
        columns = ", ".join(f"cells.{name}" for name in CELL if name not in left_out)
        columns += ", nullif(cells.code, '') AS code" if "code" in self._known else ", NULL AS code"
        if "bound" in self._known:
            columns += ", cells.value, cells.bound, scenarios.objective, scenarios.measure"
        else:
            columns += (
                f", cells.scr AS value, cells.upper_bound AS bound, '{SCR}' AS objective, '{name_of(SCR)}' AS measure"
            )
        query = f"""
            SELECT plan.position, plan.key, plan."group", plan.scenario, plan.variant, plan.role, plan.method,
                plan.repeat, scenarios.name, scenarios.users, scenarios.servers, scenarios.seed, {columns}
            FROM plan JOIN scenarios ON scenarios.sha256 = plan.scenario LEFT JOIN cells ON cells.key = plan.key
            ORDER BY plan.position
        """
        rows = [dict(row) for row in self._database.execute(query)]
        for row in rows:
            place = self._place(f"cell {row['position']}")
            conform(PlannedCell, row, place)
            if row["outcome"] is not None:
                conform(EndedCell, row, place)
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
            place = self._place(f"result of cell {key}")
            document = _unpacked(blob, place)
            conform(ResultOutline, document, place)
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
        return Scenario.from_dict(_unpacked(row[0], self._place(where)), f"{self.path}: {where}")

    def environments(self) -> dict[str, Mapping[str, Any]]:
        """Return machines and versions by digest; cells that died have none."""
        rows = self._database.execute("SELECT sha256, document FROM environments WHERE document != ''")
        found: dict[str, Mapping[str, Any]] = {}
        for digest, text in rows:
            place = self._place(f"environment {digest}")
            found[digest] = _loaded(text, place)
            conform(Environment, found[digest], place)
        return found


def _loaded(text: str | bytes, place: Place) -> Any:
    """Return what a text in JSON says."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        place.fail(f"no valid JSON ({error})")


def _unpacked(blob: Any, place: Place) -> Any:
    """Return what a compressed text in JSON says."""
    try:
        text = zlib.decompress(blob)
    except (zlib.error, TypeError) as error:
        place.fail(str(error))
    return _loaded(text, place)
