"""Tables of a store: their columns, and the values that these may have."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, Json, ValidationInfo, field_validator

from formulations.schema import Table, expected, refused

from ..objectives import SENSES
from ..result_data import Status
from .study_file import ReportSettings
from .task import SUMMARY, CellOutcome

__all__ = ["ADDED", "CELL", "TABLES", "VERSION", "About", "EndedCell", "Environment", "PlannedCell", "ResultOutline"]

#: Version of the tables; another one is refused.
VERSION = 1

TABLES = """
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE scenarios (
    sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, users INTEGER NOT NULL, servers INTEGER NOT NULL, seed TEXT,
    document BLOB NOT NULL, objective TEXT NOT NULL DEFAULT 'scr', measure TEXT NOT NULL DEFAULT 'SCR'
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
    code TEXT NOT NULL DEFAULT '', value REAL, bound REAL
);
CREATE TABLE again (key TEXT PRIMARY KEY);
"""
#: What stores of the same version did not have at first, by the last column of it: the code that cells were run by, and
#: cells to run again; then the objectives of scenarios, and values of these. Before, every objective was the SCR.
ADDED = {
    "code": """
ALTER TABLE cells ADD COLUMN code TEXT NOT NULL DEFAULT '';
CREATE TABLE IF NOT EXISTS again (key TEXT PRIMARY KEY);
""",
    "bound": """
ALTER TABLE scenarios ADD COLUMN objective TEXT NOT NULL DEFAULT 'scr';
ALTER TABLE scenarios ADD COLUMN measure TEXT NOT NULL DEFAULT 'SCR';
ALTER TABLE cells ADD COLUMN value REAL;
ALTER TABLE cells ADD COLUMN bound REAL;
UPDATE cells SET value = scr, bound = upper_bound;
""",
}
#: Columns of cells in order.
CELL = (
    "key", "scenario", "method", "options", "limits", "repeat", "outcome", "message", *SUMMARY, "started",
    "wall_time", "cpu_time", "cell_time", "warm_time", "environment", "worker", "code", "result",
)  # fmt: skip


_Text = Annotated[str, Field(strict=True)]
_Whole = Annotated[int, Field(strict=True)]
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def _date(text: str) -> str:
    datetime.fromisoformat(text or "2000-01-01")
    return text


def _kind(text: str) -> str:
    if text not in SENSES:
        raise ValueError(text)
    return text


class _Part(Table):
    """A part of what is stored; there may be more."""

    model_config = ConfigDict(extra="ignore")


class About(_Part):
    """Name, master seed, source and settings of a study."""

    name: _Text = "study"
    seed: _Text = ""
    source: _Text = ""
    report: Json[ReportSettings] = ReportSettings()


class PlannedCell(_Part):
    """A row of the plan with its scenario."""

    position: _Whole
    key: _Text
    group: _Text
    scenario: _Text
    variant: _Text
    role: _Text
    method: _Text
    repeat: _Whole
    name: _Text
    users: _Whole
    servers: _Whole
    seed: _Text | None
    objective: Annotated[str, AfterValidator(_kind), expected(f"one of {', '.join(SENSES)}")]
    measure: _Text


class _Limits(_Part):
    time: _Number = 0.0


class EndedCell(_Part):
    """A cell that has ended, without its result."""

    options: Json[dict[str, Any]]
    limits: Json[_Limits]
    outcome: CellOutcome
    message: _Text
    status: Status | None
    scr: _Number | None
    score: _Number | None
    delay: _Number | None
    energy: _Number | None
    max_violation: _Number | None
    upper_bound: _Number | None
    bound_source: _Text | None
    value: _Number | None
    bound: _Number | None
    iterations: _Whole | None
    started: Annotated[str, Field(strict=True), AfterValidator(_date), expected("date and time")]
    wall_time: _Number
    cpu_time: _Number
    cell_time: _Number
    warm_time: _Number
    environment: _Text
    worker: _Text
    code: Json[dict[str, Any]] | None

    @field_validator("status")
    @classmethod
    def _told(cls, status: Status | None, info: ValidationInfo) -> Status | None:
        if status is None and info.data.get("outcome") is CellOutcome.DONE:
            raise refused(f"one of {', '.join(Status)}")
        return status


class Environment(_Part):
    """A machine, and the versions of what runs on it."""

    machine: Any
    processor: Any
    cores: Any
    system: Any
    python: Any
    packages: dict[str, Any]


class ResultOutline(_Part):
    """Parts of a result that reports and exports take for granted."""

    trace: list[Any]
    scr: Any
    wall_time: Any
