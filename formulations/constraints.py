"""Extra constraints of a scenario, declared as data: delay limits, forced and forbidden pairs, rates, server energy.

They come on top of (3b) to (3j). With x, phi and the physics of Section II, for user n on its server m::

    (X1) delay limit     T^(t1) + T^(t2) + T^(t3) + T^(t4) <= D_n
    (X2) association     x_nm = 0 for forbidden pairs, x_nm = 1 for forced ones
    (X3) minimum rate    r_up >= R_up_n and r_down >= R_down_n, whatever phi, that is even where nothing is sent
    (X4) server energy   sum over the users of server m of E^(t3) + E^(t4) <= E_m

What a formulation or a method can honour it says in its `supports`; `require_support` refuses the rest. Whoever states
rows names the kinds that it has rows for, one by one: a kind that is added here is refused until somebody states it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .arrays import read_numbers, require_finite, shown
from .documents import InputError, ScenarioError

if TYPE_CHECKING:
    from .scenario import Scenario

__all__ = ["ALL_EXTRAS", "EXCESS_PRICE", "Constraints", "Extra", "allowed_pairs", "relaxation_text", "require_support"]

Array = NDArray[np.float64]


class Extra(StrEnum):
    """The kinds of extra constraints."""

    DELAY = "delay limit"
    ASSOCIATION = "forced or forbidden association"
    RATE = "minimum rate"
    ENERGY = "server energy"


#: The four kinds that there were first. It never grows, so nobody who says it claims a kind that is added later.
ALL_EXTRAS = frozenset({Extra.DELAY, Extra.ASSOCIATION, Extra.RATE, Extra.ENERGY})

#: Where a limit is elastic: the price of a relative excess of one, in units of the largest possible score of a server.
#: Beyond what any limit is worth, unless it nearly excludes everything.
EXCESS_PRICE = 1e3

_LIMITS = {
    "delay_limit": (0, np.inf),
    "uplink_rate": (0, 0.0),
    "downlink_rate": (0, 0.0),
    "server_energy": (1, np.inf),
}
_PAIRS = ("forbidden", "forced")

#: The kind of every key.
_KIND_OF = {
    "delay_limit": Extra.DELAY,
    "uplink_rate": Extra.RATE,
    "downlink_rate": Extra.RATE,
    "server_energy": Extra.ENERGY,
    "forbidden": Extra.ASSOCIATION,
    "forced": Extra.ASSOCIATION,
}


@dataclass(frozen=True, eq=False)
class Constraints:
    """Extra constraints; arrays are read-only.

    Parameters
    ----------
    delay_limit
        D_n, s, shape (N,); infinite where there is none.
    uplink_rate, downlink_rate
        Least rates of the user's links, bit/s, shape (N,); zero where there is none.
    server_energy
        E_m, J, shape (M,); infinite where there is none.
    forbidden, forced
        Pairs (n, m), counted from 0, sorted.
    allowed
        Whether a pair may be used, shape (N, M): what `forbidden` and `forced` come to.
    """

    delay_limit: Array
    uplink_rate: Array
    downlink_rate: Array
    server_energy: Array
    forbidden: tuple[tuple[int, int], ...]
    forced: tuple[tuple[int, int], ...]
    allowed: NDArray[np.bool_]

    @classmethod
    def read(cls, document: Any, n_users: int, n_servers: int) -> Constraints | None:
        """Read what a scenario declares; None where that is nothing.

        Parameters
        ----------
        document
            An object with any of the keys `delay_limit`, `uplink_rate`, `downlink_rate`, `server_energy` (a number for
            all, or a list with null for none) and `forbidden`, `forced` (lists of pairs [user, server]); or None.
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
        known = (*_LIMITS, *_PAIRS)
        for key in document:
            if key not in known:
                raise ScenarioError(f"constraints: unknown key {shown(key)}; expected only {', '.join(known)}")
        sizes = (n_users, n_servers)
        limits: dict[str, Any] = {
            key: _limit(f"constraints.{key}", document.get(key), sizes[axis], none)
            for key, (axis, none) in _LIMITS.items()
        }
        pairs: dict[str, Any] = {key: _pairs(f"constraints.{key}", document.get(key), sizes) for key in _PAIRS}
        allowed = _allowed(pairs["forbidden"], pairs["forced"], sizes)
        found = cls(**limits, **pairs, allowed=allowed)
        return found if found.kinds else None

    def to_dict(self) -> dict[str, Any]:
        """Return the declaration for JSON: only what limits something."""
        document: dict[str, Any] = {}
        for key, (_, none) in _LIMITS.items():
            values = getattr(self, key)
            if np.any(values != none):
                document[key] = [None if value == none else value for value in values.tolist()]
        for key in _PAIRS:
            if getattr(self, key):
                document[key] = [list(pair) for pair in getattr(self, key)]
        return document

    def without(self, kinds: Iterable[Extra]) -> dict[str, Any]:
        """Return what is declared beside some kinds, as `to_dict` does."""
        left_out = frozenset(kinds)
        return {key: value for key, value in self.to_dict().items() if _KIND_OF[key] not in left_out}

    def only(self, broken: Iterable[tuple[str, int]]) -> dict[str, Any]:
        """Return a declaration of some limits, as `to_dict` does, and of those of equal value with them.

        Parameters
        ----------
        broken
            Names of arrays and indices in them: (``delay_limit``, n), (``server_energy``, m), (``allowed``, n), ...
        """
        chosen = sorted(set(broken))
        document: dict[str, Any] = {}
        for key in _LIMITS:
            values = getattr(self, key).tolist()
            taken = {values[index] for name, index in chosen if name == key}
            if taken:
                document[key] = [value if value in taken else None for value in values]
        closed = [
            [user, server]
            for name, user in chosen
            if name == "allowed"
            for server in np.flatnonzero(~self.allowed[user]).tolist()
        ]
        return {**document, "forbidden": closed} if closed else document

    @property
    def kinds(self) -> frozenset[Extra]:
        """The kinds that are there."""
        there = {
            Extra.DELAY: bool(np.any(np.isfinite(self.delay_limit))),
            Extra.ASSOCIATION: bool(self.forbidden or self.forced),
            Extra.RATE: bool(np.any(self.uplink_rate > 0) or np.any(self.downlink_rate > 0)),
            Extra.ENERGY: bool(np.any(np.isfinite(self.server_energy))),
        }
        return frozenset(kind for kind, present in there.items() if present)


def relaxation_text(left_out: Iterable[Extra]) -> str:
    """Return how a scenario without some kinds of extra constraints is called, empty where nothing is left out."""
    names = sorted(left_out)
    return f"the scenario without its {' and '.join(names)}" if names else ""


def allowed_pairs(scenario: Scenario) -> NDArray[np.bool_]:
    """Return which pairs may be used, shape (N, M)."""
    if scenario.constraints is None:
        return np.ones((scenario.n_users, scenario.n_servers), dtype=np.bool_)
    return scenario.constraints.allowed


def require_support(what: str, supports: Iterable[Extra], scenario: Scenario) -> None:
    """Refuse a scenario with extra constraints that `what` does not support.

    Raises
    ------
    InputError
        With the kinds that are not supported, in one line.
    """
    if scenario.constraints is None:
        return
    missing = scenario.constraints.kinds - frozenset(supports)
    if missing:
        said = ", ".join(sorted(missing))
        raise InputError(
            f"{what} cannot honour the scenario's extra constraints ({said}); expected one that supports them"
        )


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
