"""Names and values of a result for people, on the command line and in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from formulations.markup import facts_table, table

from .objectives import SCR, bound_text, name_of, side_of

if TYPE_CHECKING:
    from formulations import Allocation

    from .result_data import ResultData

__all__ = ["facts", "number", "result_html"]

#: Most users whose part of an allocation a notebook shows.
_MOST_USERS = 30
_COLUMNS = {
    "bandwidth": "bandwidth (Hz)",
    "user_power": "power of user (W)",
    "server_power": "power of server (W)",
    "user_speed": "speed of user (FLOP/s)",
    "server_speed": "speed of server (FLOP/s)",
}


def number(value: float | None) -> str:
    """Return a number as tables show it."""
    return "none" if value is None else f"{value:.6g}"


def facts(result: ResultData) -> list[tuple[str, str]]:
    """Return what a result says, by name: value, bound, gap, parts of the value, effort, how it ended."""
    kind = result.objective
    bound = bound_text(result.bound, kind=kind)
    return [
        (name_of(kind), number(result.value)),
        (side_of(kind), bound + (f", of {result.bound_of}" if result.bound_of else "")),
        ("gap", "none" if result.gap is None else f"{result.gap:.3%}"),
        *([("keeps also", result.restriction)] if result.restriction else []),
        *([] if kind == SCR else [("SCR", number(result.scr))]),
        ("score", number(result.score)),
        ("delay (s)", number(result.delay)),
        ("energy (J)", number(result.energy)),
        ("iterations", str(result.iterations)),
        ("time (s)", f"{result.wall_time:.3f}"),
        ("status", str(result.status)),
        ("ended", result.message),
    ]


def result_html(result: ResultData) -> str:
    """Return a result as HTML: what it says, where its bound comes from, and the allocation of few users."""
    said = facts(result)
    if result.bound_source is not None:
        said.insert(2, ("bound proven by", result.bound_source))
    return facts_table(result.method, said) + ("" if result.allocation is None else _allocation(result.allocation))


def _allocation(allocation: Allocation) -> str:
    columns = ["user", "server", "φ", *_COLUMNS.values()]
    rows = [
        [f"u{n}", f"S{allocation.server[n]}", f"{allocation.offload[n]:.4g}"]
        + [f"{getattr(allocation, field)[n]:.4g}" for field in _COLUMNS]
        for n in range(min(allocation.n_users, _MOST_USERS))
    ]
    cut = "" if allocation.n_users <= _MOST_USERS else f", the first {_MOST_USERS} of {allocation.n_users} users"
    return table(f"Allocation{cut}; φ is the share that the user trains", columns, rows, columns[2:])
