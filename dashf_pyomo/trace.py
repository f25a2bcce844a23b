"""The trace of a run: one entry for each allocation that is judged, each better bound, and each remark.

What others than the method read is a field. Numbers of single methods are in `TraceEntry.facts`; in a file they stand
beside the fields. By their names:

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
from typing import Any, TypeGuard

from formulations import InputError
from formulations.arrays import shown

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
    best, upper_bound
        SCR of the incumbent, and the bound that stands, after this entry; None without one.
    phase
        The part of the method that found the allocation.
    note, contradiction
        A remark; what refutes a source of bounds.
    refuted, bound_source
        The source that is refuted; that of the better bound.
    facts
        Numbers of the method, see the module.

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
    upper_bound: float | None = None
    phase: str = ""
    note: str = ""
    contradiction: str = ""
    refuted: str = ""
    bound_source: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        taken = ", ".join(sorted(self.facts.keys() & _EXPECTED.keys()))
        if taken:
            raise TypeError(f"facts of a trace entry: {taken}; expected other names than those of its fields")

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as a JSON object; empty texts are left out, facts stand beside the fields."""
        known = {item.name: getattr(self, item.name) for item in fields(self) if item.name != "facts"}
        known["kind"] = str(self.kind)
        return {name: value for name, value in known.items() if value != ""} | dict(self.facts)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str) -> TraceEntry:
        """Read an entry; one of result format 1 does not say its kind.

        Raises
        ------
        InputError
            If a field is missing or has another type; the message starts with `where`.
        """
        values: dict[str, Any] = {name: document[name] for name in _EXPECTED if name in document}
        for name in ("iteration", "time"):
            if name not in values:
                raise InputError(f"{where}: key {name!r} is missing")
        for name, value in values.items():
            expected = _EXPECTED[name]
            if not _is(expected, value):
                raise InputError(f"{where}.{name} = {shown(value)}; expected {expected}")
        facts = {name: value for name, value in document.items() if name not in _EXPECTED}
        values["kind"] = EntryKind(values["kind"]) if "kind" in values else _kind_of(document)
        return cls(**values, facts=facts)


_NUMBER, _TEXT, _KIND = "a finite number or null", "text", f"one of {', '.join(EntryKind)}"
_EXPECTED = {
    "iteration": "a whole number", "time": "a finite number", "kind": _KIND, "scr": _NUMBER, "delay": _NUMBER,
    "energy": _NUMBER, "accepted": "true or false", "best": _NUMBER, "upper_bound": _NUMBER, "phase": _TEXT,
    "note": _TEXT, "contradiction": _TEXT, "refuted": _TEXT, "bound_source": _TEXT,
}  # fmt: skip


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
