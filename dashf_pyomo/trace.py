"""The trace of a run: one entry for each allocation that is judged, each better bound, and each remark.

What others than the method read is a field. Numbers of single methods are in `TraceEntry.facts`; in a file they stand
beside the fields. Where the objective is the SCR, a file says ``upper_bound`` for the bound, and the value once, as
``scr``. Facts by their names:

- ``ratio`` Dinkelbach's y; ``backend``, ``nodes``, ``claimed`` the global solver, its nodes and the SCR it claims
- ``association_...``, ``allocation_...`` the solves of AO part 1 and 2: ``value``, ``backend``, ``solver_time``,
  ``solves``, and ``inaccurate``, ``failed``, ``skipped`` where that was so
- ``boxes``, ``depth``, ``deadlines``, ``columns``, ``rounds``, ``cells`` the search of `dual` and `bnp`: boxes of the
  tree, depth and interval of deadlines (s) of the worst one, columns, rounds of column generation, cells of proofs
- ``search_time``, ``proof_time``, ``master_time``, ``primal_time`` what its seconds were spent on
- ``profile_deadlines``, ``profile_bounds`` the bound over the deadline: K + 1 edges, s, and K bounds between them
- ``certificate`` the file that holds the proof, or null
- ``relaxed`` true where the allocation was found without some of the scenario's limits
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from typing import Any, TypeGuard

from formulations import InputError
from formulations.arrays import shown

from .objectives import SCR

__all__ = ["EntryKind", "TraceEntry", "is_number"]


class EntryKind(StrEnum):
    """Kind of a trace entry."""

    ALLOCATION = "allocation"  # an allocation was judged
    BOUND = "bound"  # the bound has become better
    NOTE = "note"
    CONTRADICTION = "contradiction"  # the incumbent refutes a source of bounds
    PROFILE = "profile"  # the bound over deadlines
    CERTIFICATE = "certificate"  # what became of the certificate


@dataclass(frozen=True)
class TraceEntry:
    """Entry of a trace.

    Parameters
    ----------
    iteration, time
        Its number, and seconds since the start.
    kind
        Kind of the entry.
    scr, delay, energy
        Of the allocation that was judged, or None; delay and energy (s, J) of feasible ones only.
    accepted
        Whether that allocation became the incumbent.
    best, bound
        Value of the incumbent, and the bound that stands, after this entry; None without one.
    phase
        The part of the method that found the allocation.
    note, contradiction
        A remark; what refutes a source of bounds.
    refuted, bound_source
        The source that is refuted; that of the better bound.
    facts
        Numbers of the method, see the module.
    objective
        The kind of the objective that values and bounds are of.
    value
        Objective of the allocation that was judged, or None; `scr` where it is the SCR.

    Raises
    ------
    TypeError
        If a fact has the name of a field.
    """

    iteration: int
    time: float
    kind: EntryKind = EntryKind.ALLOCATION
    scr: float | None = None
    delay: float | None = None
    energy: float | None = None
    accepted: bool = False
    best: float | None = None
    bound: float | None = None
    phase: str = ""
    note: str = ""
    contradiction: str = ""
    refuted: str = ""
    bound_source: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    objective: str = SCR
    value: float | None = None

    def __post_init__(self) -> None:
        taken = ", ".join(sorted(self.facts.keys() & _expected(self.objective).keys()))
        if taken:
            raise TypeError(f"facts of a trace entry: {taken}; expected other names than those of its fields")
        if self.objective == SCR:
            object.__setattr__(self, "value", self.scr)

    @property
    def upper_bound(self) -> float | None:
        """The bound where it is one on the SCR, else None."""
        return self.bound if self.objective == SCR else None

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as a JSON object; empty texts are left out, facts stand beside the fields."""
        known = {_written(name, self.objective): getattr(self, name) for name in _FIELDS}
        known["kind"] = str(self.kind)
        written = {name: known[name] for name in _expected(self.objective)}
        return {name: value for name, value in written.items() if value != ""} | dict(self.facts)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str, objective: str = SCR) -> TraceEntry:
        """Read an entry of a result with an objective of a kind; one of result format 1 does not say its own kind.

        Raises
        ------
        InputError
            If a field is missing or has another type; the message starts with `where`.
        """
        known = _expected(objective)
        values: dict[str, Any] = {name: document[name] for name in known if name in document}
        for name in ("iteration", "time"):
            if name not in values:
                raise InputError(f"{where}: key {name!r} is missing")
        for name, value in values.items():
            expected = known[name]
            if not _is(expected, value):
                raise InputError(f"{where}.{name} = {shown(value)}; expected {expected}")
        facts = {name: value for name, value in document.items() if name not in known}
        values["kind"] = EntryKind(values["kind"]) if "kind" in values else _kind_of(document)
        named = {name: values[written] for name in _FIELDS if (written := _written(name, objective)) in values}
        return cls(**named, facts=facts, objective=objective)


_FIELDS = tuple(item.name for item in fields(TraceEntry) if item.name not in ("facts", "objective"))

_NUMBER, _TEXT, _KIND = "a finite number or null", "text", f"one of {', '.join(EntryKind)}"
_EXPECTED = {
    "iteration": "a whole number", "time": "a finite number", "kind": _KIND, "scr": _NUMBER, "delay": _NUMBER,
    "energy": _NUMBER, "accepted": "true or false", "best": _NUMBER, "bound": _NUMBER, "phase": _TEXT,
    "note": _TEXT, "contradiction": _TEXT, "refuted": _TEXT, "bound_source": _TEXT, "value": _NUMBER,
}  # fmt: skip


def _written(field: str, objective: str) -> str:
    """Return the name of a field in files."""
    return "upper_bound" if field == "bound" and objective == SCR else field


@cache
def _expected(objective: str) -> Mapping[str, str]:
    """Return what is expected of every key that an entry with such an objective has for a field."""
    named = {_written(name, objective): expected for name, expected in _EXPECTED.items()}
    return {name: expected for name, expected in named.items() if objective != SCR or name != "value"}


def _is(expected: str, value: object) -> bool:
    """Return whether a value from JSON is what is expected."""
    if expected == _NUMBER:
        return value is None or is_number(value)
    if expected == "a finite number":
        return is_number(value)
    if expected == "a whole number":
        return isinstance(value, int) and not isinstance(value, bool)
    if expected == "true or false":
        return isinstance(value, bool)
    return isinstance(value, str) and (expected == _TEXT or value in {*EntryKind})


def _kind_of(document: Mapping[str, Any]) -> EntryKind:
    """Return the kind of an entry of format 1, which follows from its keys."""
    kinds = {
        "contradiction": EntryKind.CONTRADICTION,
        "profile_deadlines": EntryKind.PROFILE,
        "certificate": EntryKind.CERTIFICATE,
        "note": EntryKind.NOTE,
        "bound_source": EntryKind.BOUND,
    }
    return next((kind for key, kind in kinds.items() if key in document), EntryKind.ALLOCATION)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value from JSON is a finite number; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
