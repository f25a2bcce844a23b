"""What a method returns: status, allocation, bound, gap, trace; JSON with a digest; one definition of gap."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import ROUND_CEILING, Context
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeGuard

from formulations import Allocation, Evaluation, InputError, Scenario
from formulations.arrays import shown
from formulations.documents import check_keys, digest, read_document, write_document

if TYPE_CHECKING:
    from .pictures import Picture

__all__ = ["RESTRICTION", "Result", "Status", "bound_text", "is_number", "relative_gap", "relaxation_of", "source_text"]


#: Key of `Result.readings` under which a method says what it demands of allocations beyond the scenario.
RESTRICTION = "restriction"


def source_text(source: str, relaxation: str) -> str:
    """Return the source of a bound that was proven for a relaxation of the scenario, which may be none."""
    return f"{source}, of {relaxation}" if relaxation else source


def relaxation_of(source: str | None) -> str:
    """Return the relaxation that the source of a bound names, empty where there is none."""
    _, found, kinds = (source or "").rpartition(", of the scenario without its ")
    return f"the scenario without its {kinds}" if found else ""


class Status(StrEnum):
    """How a run ended. A heuristic that converged is `FEASIBLE`, never more."""

    CERTIFIED = "certified"  # gap within the asked tolerance, bound rigorous
    FEASIBLE = "feasible"  # an allocation, no such bound
    INFEASIBLE = "infeasible"  # proven
    TIME_LIMIT = "time_limit"  # best so far kept
    INTERRUPTED = "interrupted"  # likewise
    UNKNOWN = "unknown"  # nothing found, nothing proven
    ERROR = "error"  # a step failed; best so far kept if there is one


def relative_gap(scr: float | None, upper_bound: float | None) -> float | None:
    """Return (upper_bound - scr) / upper_bound, or None where either is missing.

    Parameters
    ----------
    scr
        SCR of an allocation.
    upper_bound
        Bound on the SCR of every allocation of the same scenario.
    """
    if scr is None or upper_bound is None or upper_bound <= 0:
        return None
    return (upper_bound - scr) / upper_bound


def bound_text(upper_bound: float | None, digits: int = 6) -> str:
    """Return an upper bound as people see it: to so many digits, upwards, so that it still is one.

    Parameters
    ----------
    upper_bound
        The bound, or None.
    digits
        Significant digits.
    """
    if upper_bound is None or not math.isfinite(upper_bound):
        return "none" if upper_bound is None else str(upper_bound)
    raised = float(Context(prec=digits, rounding=ROUND_CEILING).create_decimal(repr(float(upper_bound))))
    return f"{raised:#.{digits}g}".rstrip(".")


@dataclass(frozen=True, eq=False)
class Result:
    """The outcome of one method on one scenario.

    Parameters
    ----------
    method, options
        The method and all its options, defaults included.
    readings
        Every reading of the paper that is in force, of the scenario and of the method.
    scenario_sha256
        Ties the result to its scenario.
    status, message
        How it ended, and a line for people.
    allocation
        The allocation, or None if none was found.
    scr, score, delay, energy, max_violation
        What the independent evaluator says of the allocation (delay in s, energy in J); None without one.
    upper_bound, bound_source
        Bound on the SCR of the whole problem and where it comes from, or None.
    iterations, wall_time
        Number of iterations, and seconds.
    trace
        One entry per iteration: ``iteration``, ``time`` (s), ``scr``, ``upper_bound``, and more by method.
    solvers
        Versions of the solvers that took part.
    """

    method: str
    options: Mapping[str, Any]
    readings: Mapping[str, str]
    scenario_sha256: str
    status: Status
    message: str = ""
    allocation: Allocation | None = None
    scr: float | None = None
    score: float | None = None
    delay: float | None = None
    energy: float | None = None
    max_violation: float | None = None
    upper_bound: float | None = None
    bound_source: str | None = None
    iterations: int = 0
    wall_time: float = 0.0
    trace: tuple[Mapping[str, Any], ...] = ()
    solvers: Mapping[str, str] = field(default_factory=dict)

    @property
    def gap(self) -> float | None:
        """Relative gap between `upper_bound` and `scr`, or None."""
        return relative_gap(self.scr, self.upper_bound)

    @property
    def restriction(self) -> str:
        """What the method demanded of the allocation beyond the scenario, empty if nothing."""
        return self.readings.get(RESTRICTION, "")

    @property
    def bound_of(self) -> str:
        """The relaxation that the upper bound was proven for, empty where it is the scenario itself."""
        return relaxation_of(self.bound_source)

    @staticmethod
    def claims(evaluation: Evaluation | None) -> dict[str, Any]:
        """Return the numbers that a result repeats from the evaluator."""
        if evaluation is None:
            return {}
        return {name: getattr(evaluation, name) for name in ("scr", "score", "delay", "energy", "max_violation")}

    def to_dict(self) -> dict[str, Any]:
        """Return the result as a JSON document (format ``dashf-result``, version 1) with its digest."""
        document: dict[str, Any] = {"format": "dashf-result", "version": 1}
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, Allocation):
                value = value.to_dict()
            elif isinstance(value, Mapping):
                value = dict(value)
            elif isinstance(value, tuple):
                value = [dict(entry) for entry in value]
            elif isinstance(value, StrEnum):
                value = str(value)
            document[item.name] = value
        document["gap"] = self.gap
        document["digest"] = digest(document)
        return document

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the result as JSON."""
        write_document(path, self.to_dict())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Result:
        """Read a result file; claims are not checked here, see `dashf_pyomo.check`.

        Raises
        ------
        InputError
            If the file cannot be read or does not have the form of a result.
        """
        return cls.from_dict(read_document(path, "dashf-result"), str(path))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str = "result") -> Result:
        """Build a result from a JSON document; `where` starts every error message."""
        if not isinstance(document, Mapping):
            raise InputError(f"{where}: {shown(document)}; expected an object")
        values = dict(document)
        check_keys(values, {item.name for item in fields(cls)} | {"gap", "digest"}, {"format", "version"}, where)
        _check_types(values, where)
        for key in ("format", "version", "gap", "digest"):
            values.pop(key, None)
        if values["status"] not in list(Status):
            raise InputError(f"{where}: status = {shown(values['status'])}; expected one of {', '.join(Status)}")
        values["status"] = Status(values["status"])
        if values["allocation"] is not None:
            values["allocation"] = Allocation.from_dict(values["allocation"], f"{where}: allocation")
        values["trace"] = tuple(values["trace"])
        return cls(**values)

    def matches(self, scenario: Scenario) -> bool:
        """Whether the result was computed for this very scenario."""
        return self.scenario_sha256 == scenario.sha256

    def plot(self, scenario: Scenario | None = None, kind: str = "result") -> Picture:
        """Return a picture of the result, a matplotlib figure that a notebook shows.

        Parameters
        ----------
        scenario
            What was solved; only ``bounds`` and ``convergence`` do without.
        kind
            ``result``, ``allocation``, ``bounds`` or ``convergence``, see `dashf_pyomo.pictures.picture_of_result`.

        Raises
        ------
        InputError
            If there is no such kind, it needs the scenario, or the result is not of this scenario.
        """
        from .pictures import picture_of_result

        return picture_of_result(self, scenario, kind)

    def _repr_html_(self) -> str:
        from .notebook import result_html

        return result_html(self)


_TEXT = {"method", "scenario_sha256", "status", "message", "digest"}
_OBJECT = {"options", "readings", "solvers"}
_NUMBER_OR_NULL = {"scr", "score", "delay", "energy", "max_violation", "upper_bound", "gap"}


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


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value from JSON is a finite number; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
