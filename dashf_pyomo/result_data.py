"""The result of a run: termination, claim, allocation, bound, gap, trace; JSON with a digest; one definition of gap."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Self, TypeVar

from formulations import Allocation, Evaluation, InputError, Scenario
from formulations.arrays import shown
from formulations.documents import check_keys, digest, read_document, write_document

from .objectives import SCR, SENSES
from .status import Claim, Status, Termination, in_one_word, in_two_words
from .trace import TraceEntry, is_number

__all__ = [
    "RESTRICTION",
    "ResultData",
    "read_result_document",
    "relative_gap",
    "relaxation_of",
    "source_text",
]

#: The version that is written, and those that are read.
VERSION, VERSIONS = 2, (1, 2)

#: Key of `Result.readings` under which a method says what it demands of allocations beyond the scenario.
RESTRICTION = "restriction"


def source_text(source: str, relaxation: str) -> str:
    """Return the source of a bound that was proven for a relaxation of the scenario, which may be none."""
    return f"{source}, of {relaxation}" if relaxation else source


def relaxation_of(source: str | None) -> str:
    """Return the relaxation that the source of a bound names, empty where there is none."""
    # The first one: the kinds end with what rows are called, which may be anything.
    _, found, kinds = (source or "").partition(", of the scenario without its ")
    return f"the scenario without its {kinds}" if found else ""


def relative_gap(value: float | None, bound: float | None) -> float | None:
    """Return the distance of value and bound relative to the larger one; None where one is missing or both are 0.

    Parameters
    ----------
    value
        Objective of an allocation.
    bound
        Bound on the objective of every allocation of the same scenario.
    """
    if value is None or bound is None:
        return None
    size = max(abs(value), abs(bound))
    return abs(value - bound) / size if size > 0.0 else None


@dataclass(frozen=True, eq=False)
class ResultData:
    """The outcome of one method on one scenario.

    Parameters
    ----------
    method, options
        The method and all its options, defaults included.
    readings
        Every reading of the paper that is in force, of the scenario and of the method.
    scenario_sha256
        Ties the result to its scenario.
    termination, claim, message
        End of the run, claim on the solution, and a line for people.
    allocation
        The allocation, or None if none was found.
    objective, sense
        Kind of objective, and whether it is maximised ("max") or minimised ("min").
    value
        Objective by the independent evaluator; None without an allocation.
    bound, bound_source
        Bound on the objective of the whole problem and where it comes from, or None.
    scr, score, delay, energy, max_violation
        Numbers of the allocation by the evaluator (delay in s, energy in J); None without one.
    iterations, wall_time
        Number of iterations, and seconds.
    trace
        Entries in order.
    solvers
        Versions of the solvers that took part.
    """

    method: str
    options: Mapping[str, Any]
    readings: Mapping[str, str]
    scenario_sha256: str
    termination: Termination
    claim: Claim
    message: str = ""
    allocation: Allocation | None = None
    objective: str = SCR
    sense: str = "max"
    value: float | None = None
    bound: float | None = None
    bound_source: str | None = None
    scr: float | None = None
    score: float | None = None
    delay: float | None = None
    energy: float | None = None
    max_violation: float | None = None
    iterations: int = 0
    wall_time: float = 0.0
    trace: tuple[TraceEntry, ...] = ()
    solvers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """Termination and claim in the one word of format 1; nothing here goes by it."""
        return in_one_word(self.termination, self.claim)

    @property
    def upper_bound(self) -> float | None:
        """The bound where it is one on the SCR, else None."""
        return self.bound if self.objective == SCR else None

    @property
    def gap(self) -> float | None:
        """Relative gap between `value` and `bound`, or None."""
        return relative_gap(self.value, self.bound)

    @property
    def restriction(self) -> str:
        """The demand of the method on the allocation beyond the scenario, empty if there is none."""
        return self.readings.get(RESTRICTION, "")

    @property
    def bound_of(self) -> str:
        """The relaxation that the bound was proven for, empty where it is the scenario itself."""
        return relaxation_of(self.bound_source)

    @staticmethod
    def claims(evaluation: Evaluation | None) -> dict[str, Any]:
        """Return the numbers that a result repeats from the evaluator."""
        if evaluation is None:
            return {}
        numbers = {name: getattr(evaluation, name) for name in ("scr", "score", "delay", "energy", "max_violation")}
        return {"value": evaluation.value, **numbers}

    def to_dict(self) -> dict[str, Any]:
        """Return the result as a JSON document (format ``dashf-result``, version 2) with its digest."""
        document: dict[str, Any] = {"format": "dashf-result", "version": VERSION}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Allocation):
                value = value.to_dict()
            elif isinstance(value, Mapping):
                value = dict(value)
            elif isinstance(value, tuple):
                value = [entry.to_dict() for entry in value]
            elif isinstance(value, StrEnum):
                value = str(value)
            document[item.name] = value
        document |= {"status": str(self.status), "upper_bound": self.upper_bound, "gap": self.gap}
        document["digest"] = digest(document)
        return document

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the result as JSON."""
        write_document(path, self.to_dict())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a result file; claims are not checked here, see `dashf_pyomo.check`.

        Raises
        ------
        InputError
            If the file cannot be read or does not have the form of a result.
        """
        return cls.from_dict(read_result_document(path), str(path))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str = "result") -> Self:
        """Build a result from a JSON document of any version; `where` starts every error message."""
        if not isinstance(document, Mapping):
            raise InputError(f"{where}: {shown(document)}; expected an object")
        values = dict(document)
        version = values.get("version", VERSION)
        known = {item.name for item in fields(cls)} - (_SINCE_2 if version == 1 else set())
        check_keys(values, known | _DERIVED, {"format", "version"}, where)
        _check_types(values, where)
        status = _member(Status, values, "status", where)
        if values["allocation"] is not None:
            values["allocation"] = Allocation.from_dict(values["allocation"], f"{where}: allocation")
        if version == 1:
            values["termination"], values["claim"] = in_two_words(status, values["allocation"] is not None)
            values |= {"objective": SCR, "sense": SENSES[SCR], "value": values["scr"], "bound": values["upper_bound"]}
        values["termination"] = _member(Termination, values, "termination", where)
        values["claim"] = _member(Claim, values, "claim", where)
        if values["objective"] not in SENSES:
            raise InputError(f"{where}: objective = {shown(values['objective'])}; expected one of {', '.join(SENSES)}")
        sense = SENSES[values["objective"]]
        if values["sense"] != sense:
            raise InputError(f"{where}: sense = {shown(values['sense'])}; expected {sense!r} for {values['objective']}")
        values["trace"] = tuple(
            TraceEntry.from_dict(entry, f"{where}: trace[{number}]", values["objective"])
            for number, entry in enumerate(values["trace"])
        )
        return cls(**{key: value for key, value in values.items() if key not in {"format", "version", *_DERIVED}})

    def matches(self, scenario: Scenario) -> bool:
        """Return whether the result was computed for this very scenario."""
        return self.scenario_sha256 == scenario.sha256


def read_result_document(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return a result file as it is, of any version that can be read.

    Raises
    ------
    InputError
        If the file cannot be read or is no result.
    """
    return read_document(path, "dashf-result", VERSIONS)


#: Keys of a file that follow from others, and fields that version 1 does not have.
_DERIVED = {"status", "upper_bound", "gap", "digest"}
_SINCE_2 = {"termination", "claim", "objective", "sense", "value", "bound"}

_TEXT = {"method", "scenario_sha256", "termination", "claim", "status", "message", "objective", "sense", "digest"}
_OBJECT = {"options", "readings", "solvers"}
_NUMBER_OR_NULL = {"value", "bound", "scr", "score", "delay", "energy", "max_violation", "upper_bound", "gap"}

_Word = TypeVar("_Word", bound=StrEnum)


def _member(kind: type[_Word], values: Mapping[str, Any], key: str, where: str) -> _Word:
    """Return the value of a key as the member of an enumeration that it has to be."""
    if values[key] not in {*kind}:
        raise InputError(f"{where}: {key} = {shown(values[key])}; expected one of {', '.join(kind)}")
    return kind(values[key])


def _check_types(values: Mapping[str, Any], where: str) -> None:
    for key, value in values.items():
        expected = ""
        if key in _TEXT and not isinstance(value, str):
            expected = "text"
        elif key in _OBJECT and not isinstance(value, dict):
            expected = "an object"
        elif key in _NUMBER_OR_NULL and not (value is None or is_number(value)):
            expected = "a finite number or null"
        elif key == "bound_source" and not (value is None or isinstance(value, str)):
            expected = "text or null"
        elif key == "iterations" and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            expected = "a whole number of at least 0"
        elif key == "wall_time" and not (is_number(value) and value >= 0):
            expected = "a number of at least 0"
        elif key == "trace" and not (isinstance(value, list) and all(isinstance(entry, dict) for entry in value)):
            expected = "a list of objects"
        if expected:
            raise InputError(f"{where}: {key} = {shown(value)}; expected {expected}")
        if key in ("readings", "solvers"):
            for name, item in value.items():
                if not isinstance(item, str):
                    raise InputError(f"{where}: {key}.{name} = {shown(item)}; expected text")
