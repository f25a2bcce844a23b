"""Extra constraints of a scenario, declared as data: limits on attributes, pairs, ranges of phi, and linear rows.

They come on top of (3b) to (3j). With x, phi and the physics of Section II, for user n on its server m::

    (X1) delay limit     T^(t1) + T^(t2) + T^(t3) + T^(t4) <= D_n
    (X2) association     x_nm = 0 for forbidden pairs, x_nm = 1 for forced ones
    (X3) minimum rate    r_up >= R_up_n and r_down >= R_down_n, whatever phi, that is even where nothing is sent
    (X4) energy          E^(t1) + E^(t2) of a user, the sum over the users of server m of E^(t3) + E^(t4), or all <= E
    (X5) users           sum over users of x_nm <= K_m
    (X6) mean delay      sum over users of their delays <= N D
    (X7) offloading      phi_n in a range; phi_n in {0, 1} where offloading is binary
    (X8) row             a sum of coefficient x attribute over users and servers <= r, see `linear_rows`

Each but the pairs, the offloading and the rows is a `Limit`, declared as data: the attribute that it limits, for every
user, for every server or in all. What a
formulation can state it says in its `supports`: kinds, and parts of which it states any row. `require_support` refuses
the rest, so a formulation refuses a kind over a part that is added later until it states the part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .arrays import read_numbers, require_finite, shown
from .attributes import ATTRIBUTES, PARTS, STATED_PARTS, TIMES, WHOLE_DELAY
from .documents import InputError, ScenarioError
from .formulation import formulations
from .linear_rows import Row
from .objective import Aspect

__all__ = [
    "ALL_EXTRAS",
    "ASPECTS",
    "EXCESS_PRICE",
    "LIMITS",
    "OUR_LIMITS",
    "Constraints",
    "Extra",
    "Limit",
    "Over",
    "RowKind",
    "declare",
    "relaxation_text",
    "require_support",
    "supported",
    "unsupported",
]

Array = NDArray[np.float64]


class Extra(str):
    """A kind of extra constraints, by its name; there may be more than these."""

    DELAY: ClassVar[Extra]
    ASSOCIATION: ClassVar[Extra]
    RATE: ClassVar[Extra]
    ENERGY: ClassVar[Extra]
    OFFLOAD: ClassVar[Extra]
    BINARY: ClassVar[Extra]

    __slots__ = ()


class RowKind(Extra):
    """The kind of one declared row: every row is its own, so that refusals name it.

    Parameters
    ----------
    row
        The row.
    """

    __slots__ = ("demands",)

    #: What a formulation has to state for it.
    demands: frozenset[str]

    def __new__(cls, row: Row) -> RowKind:
        """Return the kind of a row."""
        found = super().__new__(cls, f"row {row.name!r}")
        found.demands = row.demands
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return _kind_of_row, (str(self), self.demands)  # models go to other processes, and the row is not kept


def _kind_of_row(name: str, demands: frozenset[str]) -> RowKind:
    found = str.__new__(RowKind, name)
    found.demands = demands
    return found


Extra.DELAY = Extra("delay limit")
Extra.ASSOCIATION = Extra("forced or forbidden association")
Extra.RATE = Extra("minimum rate")
Extra.ENERGY = Extra("server energy")
Extra.OFFLOAD = Extra("range of offloading")
Extra.BINARY = Extra("binary offloading")

#: What supports the four kinds that there were first, and any row over the parts that there were first. It never grows,
#: so no formulation that says it claims a kind over a part that is added later.
ALL_EXTRAS: frozenset[str] = frozenset({Extra.DELAY, Extra.ASSOCIATION, Extra.RATE, Extra.ENERGY}) | STATED_PARTS

#: What an objective may demand.
ASPECTS = frozenset(Extra(aspect) for aspect in Aspect)

#: Where a limit is elastic: the price of a relative excess of one, in units of the largest possible score of a server.
#: Beyond what any limit is worth, unless it nearly excludes everything.
EXCESS_PRICE = 1e3


class Over(StrEnum):
    """Set over which one row of a limit sums an attribute."""

    USER = "user"  # one row a user
    SERVER = "server"  # one row a server, over its users
    ALL = "all"  # one row


@dataclass(frozen=True)
class Limit:
    """A kind of limit on an attribute, with its key in `constraints`.

    Parameters
    ----------
    key
        Its key in a scenario file: a number for all rows, or a list with null for none.
    kind
        The kind of extra constraints it belongs to.
    label
        Number and name, as violations are called.
    over
        What a row sums over.
    attribute
        Name of the attribute.
    at_least
        Whether it is a least value, which no formulation states but of a user's rates.
    """

    key: str
    kind: Extra
    label: str
    over: Over
    attribute: str
    at_least: bool = False

    def __post_init__(self) -> None:
        if self.kind in PARTS:
            raise ValueError(f"limit {self.key}: kind {str(self.kind)!r} is the name of a part; expected another one")
        if self.attribute not in ATTRIBUTES:
            raise ValueError(f"limit {self.key}: unknown attribute {self.attribute!r}; expected a declared one")
        if self.at_least and not (self.attribute in ("rate_up", "rate_down") and self.over is Over.USER):
            raise ValueError(f"limit {self.key}: a least {self.attribute}; expected one of a user's rate")

    @property
    def demands(self) -> frozenset[str]:
        """What a formulation has to state for it."""
        return ATTRIBUTES[self.attribute].demands

    @property
    def none(self) -> float:
        """The value that limits nothing."""
        return 0.0 if self.at_least else np.inf

    def rows(self, n_users: int, n_servers: int) -> int:
        """Return the number of its rows."""
        return {Over.USER: n_users, Over.SERVER: n_servers, Over.ALL: 1}[self.over]


#: Every limit by its key.
LIMITS: dict[str, Limit] = {}


_PAIRS = ("forbidden", "forced")

#: Keys that are no limits.
_OTHERS = (*_PAIRS, "offload", "binary_offload", "rows")

#: Kinds that are no limits, but the rows.
_OTHER_KINDS = (Extra.ASSOCIATION, Extra.OFFLOAD, Extra.BINARY)


def declare(*limits: Limit) -> None:
    """Add a kind of extra constraints with all its limits, so that what supports a kind knows what it is.

    The same declaration again changes nothing.

    Raises
    ------
    ValueError
        If a key or a kind is taken.
    """
    if all(LIMITS.get(limit.key) == limit for limit in limits):
        return
    for limit in limits:
        if limit.key in LIMITS or limit.key in _OTHERS:
            raise ValueError(f"limit {limit.key!r} is declared already; expected another key")
        if limit.kind in {*_OTHER_KINDS, *(known.kind for known in LIMITS.values())}:
            raise ValueError(f"limit {limit.key}: kind {str(limit.kind)!r} is declared already; expected another kind")
    LIMITS.update((limit.key, limit) for limit in limits)


declare(Limit("delay_limit", Extra.DELAY, "(X1) delay limit", Over.USER, "delay"))
declare(
    Limit("uplink_rate", Extra.RATE, "(X3) minimum uplink rate", Over.USER, "rate_up", at_least=True),
    Limit("downlink_rate", Extra.RATE, "(X3) minimum downlink rate", Over.USER, "rate_down", at_least=True),
)
declare(Limit("server_energy", Extra.ENERGY, "(X4) server energy", Over.SERVER, "server_energy"))
declare(Limit("user_energy", Extra("user energy"), "(X4) user energy", Over.USER, "user_energy"))
declare(Limit("total_energy", Extra("total energy"), "(X4) total energy", Over.ALL, "energy"))
declare(Limit("users_per_server", Extra("users per server"), "(X5) users per server", Over.SERVER, "served"))
declare(Limit("mean_delay", Extra("mean delay"), "(X6) mean delay", Over.ALL, "mean_delay"))

#: Keys of the limits that there are wherever this package is.
OUR_LIMITS = frozenset(LIMITS)


@dataclass(frozen=True, eq=False)
class Constraints:
    """Extra constraints; arrays are read-only.

    Parameters
    ----------
    limits
        Values of every `Limit` by its key, SI units: shape (N,) over users, (M,) over servers, (1,) over all. Infinite
        where there is none, zero for a least value.
    forbidden, forced
        Pairs (n, m), counted from 0, sorted.
    allowed
        Whether a pair may be used, shape (N, M): what `forbidden` and `forced` come to.
    offload
        Range of every user's phi, shape (N, 2).
    binary_offload
        Whether every phi is 0 or 1.
    rows
        Linear rows.
    """

    limits: Mapping[str, Array]
    forbidden: tuple[tuple[int, int], ...]
    forced: tuple[tuple[int, int], ...]
    allowed: NDArray[np.bool_]
    offload: Array
    binary_offload: bool = False
    rows: tuple[Row, ...] = ()

    @property
    def delay_limit(self) -> Array:
        """D_n, s, shape (N,)."""
        return self.limits["delay_limit"]

    @property
    def uplink_rate(self) -> Array:
        """R_up_n, bit/s, shape (N,)."""
        return self.limits["uplink_rate"]

    @property
    def downlink_rate(self) -> Array:
        """R_down_n, bit/s, shape (N,)."""
        return self.limits["downlink_rate"]

    @property
    def server_energy(self) -> Array:
        """E_m, J, shape (M,)."""
        return self.limits["server_energy"]

    @classmethod
    def read(cls, document: Any, n_users: int, n_servers: int) -> Constraints | None:
        """Read what a scenario declares; None where that is nothing.

        Parameters
        ----------
        document
            An object with any of the keys of `LIMITS` (a number for all, or a list with null for none), `forbidden`,
            `forced` (lists of pairs [user, server]), `offload` (a list of ranges [low, high], with null for any),
            `binary_offload` (true or false) and `rows` (see `linear_rows`); or None.
        n_users, n_servers
            N and M.

        Raises
        ------
        InputError
            If a key is unknown, a value is none of that kind, or no association can satisfy the pairs.
        """
        if document is None:
            return None
        if isinstance(document, cls):
            document = document.to_dict()
        if not isinstance(document, Mapping):
            raise ScenarioError(f"constraints = {shown(document)}; expected an object or null")
        if any(key not in (*LIMITS, *_OTHERS) for key in document):
            list(formulations)  # an extension may declare it
        known = (*LIMITS, *_OTHERS)
        for key in document:
            if key not in known:
                raise ScenarioError(f"constraints: unknown key {shown(key)}; expected only {', '.join(known)}")
        sizes = (n_users, n_servers)
        limits = {
            key: _limit(f"constraints.{key}", document.get(key), limit.rows(*sizes), limit.none)
            for key, limit in LIMITS.items()
        }
        pairs: dict[str, Any] = {key: _pairs(f"constraints.{key}", document.get(key), sizes) for key in _PAIRS}
        allowed = _allowed(pairs["forbidden"], pairs["forced"], sizes)
        binary = _flag("constraints.binary_offload", document.get("binary_offload"))
        found = cls(
            MappingProxyType(limits),
            **pairs,
            allowed=allowed,
            offload=_ranges("constraints.offload", document.get("offload"), n_users, binary),
            binary_offload=binary,
            rows=_rows("constraints.rows", document.get("rows"), sizes),
        )
        return found if found.kinds else None

    def to_dict(self) -> dict[str, Any]:
        """Return the declaration for JSON: only what limits something."""
        document: dict[str, Any] = {}
        for key, values in self.limits.items():
            none = LIMITS[key].none
            if np.any(values != none):
                document[key] = [None if value == none else value for value in values.tolist()]
        for key in _PAIRS:
            if getattr(self, key):
                document[key] = [list(pair) for pair in getattr(self, key)]
        if self.has_ranges:
            document["offload"] = self.offload.tolist()
        if self.binary_offload:
            document["binary_offload"] = True
        if self.rows:
            document["rows"] = [row.to_dict() for row in self.rows]
        return document

    @property
    def has_ranges(self) -> bool:
        """Whether the offloading of a user has a range of its own."""
        return bool(np.any(self.offload != (0.0, 1.0)))

    def without(self, kinds: Iterable[Extra]) -> dict[str, Any]:
        """Return what is declared beside some kinds, as `to_dict` does."""
        left_out = frozenset(kinds)
        document = {
            key: value for key, value in self.to_dict().items() if key == "rows" or _kind_of(key) not in left_out
        }
        kept = [row.to_dict() for row in self.rows if RowKind(row) not in left_out]
        document.pop("rows", None)
        return {**document, "rows": kept} if kept else document

    def only(self, broken: Iterable[tuple[str, int]]) -> dict[str, Any]:
        """Return a declaration of some limits, as `to_dict` does, and of those of equal value with them.

        Parameters
        ----------
        broken
            Keys of limits and rows of them: (``delay_limit``, n), (``server_energy``, m), (``allowed``, n),
            (``offload``, n), (``binary_offload``, n), (``rows``, index of the row), ...
        """
        chosen = sorted(set(broken))
        document: dict[str, Any] = {}
        for key, limits in self.limits.items():
            values = limits.tolist()
            taken = {values[index] for name, index in chosen if name == key}
            if taken:
                document[key] = [value if value in taken else None for value in values]
        closed = [
            [user, server]
            for name, user in chosen
            if name == "allowed"
            for server in np.flatnonzero(~self.allowed[user]).tolist()
        ]
        if closed:
            document["forbidden"] = closed
        ranged = {user for name, user in chosen if name == "offload"}
        if ranged:
            ends = self.offload.tolist()
            document["offload"] = [ends[n] if n in ranged else None for n in range(len(ends))]
        if any(name == "binary_offload" for name, _ in chosen):
            document["binary_offload"] = True
        rows = [self.rows[index].to_dict() for name, index in chosen if name == "rows"]
        if rows:
            document["rows"] = rows
        return document

    @property
    def kinds(self) -> frozenset[Extra]:
        """The kinds that are there."""
        limiting = {LIMITS[key].kind for key, values in self.limits.items() if np.any(values != LIMITS[key].none)}
        others = {
            Extra.ASSOCIATION: bool(self.forbidden or self.forced),
            Extra.OFFLOAD: self.has_ranges,
            Extra.BINARY: self.binary_offload,
        }
        rows = (RowKind(row) for row in self.rows)
        return frozenset({*limiting, *(kind for kind, there in others.items() if there), *rows})


def _kind_of(key: str) -> Extra:
    if key in LIMITS:
        return LIMITS[key].kind
    return {"offload": Extra.OFFLOAD, "binary_offload": Extra.BINARY}.get(key, Extra.ASSOCIATION)


def relaxation_text(left_out: Iterable[Extra]) -> str:
    """Return how a scenario without some kinds of extra constraints is called, empty where nothing is left out."""
    names = sorted(left_out)
    return f"the scenario without its {' and '.join(names)}" if names else ""


def unsupported(supports: Iterable[str], kinds: Iterable[Extra]) -> frozenset[Extra]:
    """Return the kinds that are not supported: neither they are named, nor are all parts that their limits are made of.

    Parameters
    ----------
    supports
        Kinds of extra constraints, and parts of which any row is stated.
    kinds
        What is asked for.
    """
    known = frozenset(supports)
    if known >= TIMES:
        known |= {WHOLE_DELAY}

    def stated(kind: Extra) -> bool:
        if isinstance(kind, RowKind):
            return kind.demands <= known
        limits = [limit for limit in LIMITS.values() if limit.kind == kind]
        return kind in known or (bool(limits) and all(limit.demands <= known for limit in limits))

    return frozenset(kind for kind in kinds if not stated(kind))


def supported(supports: Iterable[str]) -> frozenset[Extra]:
    """Return the declared kinds that are supported."""
    kinds = frozenset({*_OTHER_KINDS, *(limit.kind for limit in LIMITS.values())})
    return kinds - unsupported(supports, kinds)


def require_support(what: str, supports: Iterable[str], kinds: Iterable[Extra]) -> None:
    """Refuse extra constraints, and aspects of the objective, that `what` does not support.

    Parameters
    ----------
    what
        How it is called.
    supports
        What it supports.
    kinds
        What is asked for: `Scenario.demands`.

    Raises
    ------
    InputError
        With the kinds that are not supported, in one line.
    """
    missing = unsupported(supports, kinds)
    aspects = missing & ASPECTS
    for found, called in ((missing - aspects, "extra constraints"), (aspects, "objective")):
        if found:
            said = ", ".join(sorted(found))
            raise InputError(f"{what} cannot honour the scenario's {called} ({said}); expected one that supports them")


def _limit(where: str, value: Any, size: int, none: float) -> Array:
    """Return limits as an array; null, for one or for all, is none."""
    if value is None:
        values: Any = none
    elif isinstance(value, (list, tuple)):
        given = read_numbers(where, [1.0 if item is None else item for item in value], ScenarioError)
        if given.shape != (size,):
            raise ScenarioError(f"{where} has shape {given.shape}; expected ({size},)")
        _check_positive(where, given)
        values = np.array([none if item is None else number for item, number in zip(value, given, strict=True)])
    else:
        values = read_numbers(where, value, ScenarioError)
        if values.shape not in ((), (size,)):
            raise ScenarioError(f"{where} has shape {values.shape}; expected ({size},)")
        _check_positive(where, values)
    array = np.array(np.broadcast_to(values, (size,)), dtype=np.float64)
    array.flags.writeable = False
    return array


def _flag(where: str, value: Any) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    raise ScenarioError(f"{where} = {shown(value)}; expected true or false")


def _ranges(where: str, value: Any, n_users: int, binary: bool) -> Array:
    """Return ranges of phi, shape (N, 2); where it is binary the ends are whole numbers."""
    given = [None] * n_users if value is None else value
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if not isinstance(given, (list, tuple)) or len(given) != n_users:
        raise ScenarioError(f"{where} = {shown(value)}; expected a list of {n_users} ranges [low, high], null for any")
    ranges = np.tile((0.0, 1.0), (n_users, 1))
    for user, item in enumerate(given):
        if item is None:
            continue
        ends = read_numbers(f"{where}[{user}]", item, ScenarioError)
        if ends.shape != (2,) or not 0.0 <= ends[0] <= ends[1] <= 1.0:
            raise ScenarioError(f"{where}[{user}] = {shown(item)}; expected [low, high] with 0 <= low <= high <= 1")
        ranges[user] = (np.ceil(ends[0]), np.floor(ends[1])) if binary else ends
        if ranges[user, 0] > ranges[user, 1]:
            raise ScenarioError(f"{where}[{user}] = {shown(item)}; expected 0 or 1 in it, as offloading is binary")
    ranges.flags.writeable = False
    return ranges


def _rows(where: str, value: Any, sizes: tuple[int, int]) -> tuple[Row, ...]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise ScenarioError(f"{where} = {shown(value)}; expected a list of rows")
    rows = tuple(Row.read(f"{where}[{number}]", item, *sizes) for number, item in enumerate(value))
    names = [row.name for row in rows]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ScenarioError(f"{where}[{number}].name = {shown(name)}; expected another name than any row before")
    return rows


def _check_positive(where: str, values: Array) -> None:
    require_finite(where, values, ScenarioError)
    if np.any(values <= 0):
        index = np.argwhere(values <= 0)[0]
        place = f"[{int(index[0])}]" if index.size else ""
        raise ScenarioError(
            f"{where}{place} = {float(values[tuple(index)])!r}; expected a number > 0, or null for none"
        )


def _pairs(where: str, value: Any, sizes: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise ScenarioError(f"{where} = {shown(value)}; expected a list of pairs [user, server]")
    found = set()
    for position, pair in enumerate(value):
        good = isinstance(pair, (list, tuple)) and len(pair) == 2
        if not good or any(isinstance(i, bool) or not isinstance(i, (int, np.integer)) for i in pair):
            raise ScenarioError(f"{where}[{position}] = {shown(pair)}; expected a pair [user, server] of whole numbers")
        if not all(0 <= i < size for i, size in zip(pair, sizes, strict=True)):
            raise ScenarioError(
                f"{where}[{position}] = {shown(pair)}; expected a user from 0 to {sizes[0] - 1} and a server from 0 to "
                f"{sizes[1] - 1}"
            )
        found.add((int(pair[0]), int(pair[1])))
    return tuple(sorted(found))


def _allowed(
    forbidden: tuple[tuple[int, int], ...], forced: tuple[tuple[int, int], ...], sizes: tuple[int, int]
) -> NDArray[np.bool_]:
    allowed = np.ones(sizes, dtype=np.bool_)
    for user, server in forced:
        allowed[user, np.arange(sizes[1]) != server] = False
    for pair in forbidden:
        allowed[pair] = False
    alone = np.flatnonzero(~allowed.any(axis=1))
    if alone.size:
        raise ScenarioError(f"constraints: forced and forbidden leave user {alone[0]} no server; expected at least one")
    allowed.flags.writeable = False
    return allowed
