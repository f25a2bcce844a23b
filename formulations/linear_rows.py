"""Rows linear in attributes, declared as data: over users and servers, the sum of coefficient x attribute is at most r.

Each says which users and servers it is about; the attributes are those of `attributes`. What a formulation has to state
for a row are the parts of its attributes, and `SIGNED` where the row can be met by having more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import read_numbers, shown
from .attributes import ATTRIBUTES
from .documents import ScenarioError

__all__ = ["SIGNED", "Row", "Term"]

Array = NDArray[np.float64]

#: What a row with a negative coefficient, or a right-hand side of at most zero, demands beside its parts.
SIGNED = "rows with negative numbers"

#: Attributes that rows may be about.
ROW_ATTRIBUTES = (
    *("served", "offload", "bandwidth", "server_power", "server_speed"),
    *("user_energy", "server_energy", "energy", "delay"),
)

#: Those that may have negative coefficients: energies and delays would make the problem another one, where spending
#: more is sought.
_EITHER_SIGN = ("served", "offload", "bandwidth", "server_power", "server_speed")

_TERM_KEYS = ("attribute", "users", "servers", "coefficient")


@dataclass(frozen=True)
class Term:
    """A term of a row: coefficient x attribute, summed over users and servers.

    Parameters
    ----------
    attribute
        Name of the attribute.
    users, servers
        Which ones, sorted, from 0; None for all.
    coefficient
        One for all, or one for each of the users.
    """

    attribute: str
    users: tuple[int, ...] | None = None
    servers: tuple[int, ...] | None = None
    coefficient: tuple[float, ...] = (1.0,)

    def at_pairs(self, n_users: int, n_servers: int) -> Array:
        """Return the coefficient of every pair, shape (N, M)."""
        users = np.arange(n_users) if self.users is None else np.array(self.users, dtype=np.int64)
        servers = np.arange(n_servers) if self.servers is None else np.array(self.servers, dtype=np.int64)
        found = np.zeros((n_users, n_servers))
        found[np.ix_(users, servers)] = np.broadcast_to(np.array(self.coefficient), (len(users),))[:, np.newaxis]
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the term for JSON."""
        return {
            "attribute": self.attribute,
            "users": None if self.users is None else list(self.users),
            "servers": None if self.servers is None else list(self.servers),
            "coefficient": self.coefficient[0] if len(self.coefficient) == 1 else list(self.coefficient),
        }


@dataclass(frozen=True)
class Row:
    """A row.

    Parameters
    ----------
    name
        How messages call it.
    at_most
        r, in the SI unit of its attributes.
    terms
        What is summed.
    """

    name: str
    at_most: float
    terms: tuple[Term, ...]

    @property
    def signed(self) -> bool:
        """Whether a coefficient is negative, or r is not positive."""
        return self.at_most <= 0.0 or any(number < 0.0 for term in self.terms for number in term.coefficient)

    @property
    def demands(self) -> frozenset[str]:
        """What a formulation has to state: the parts, and `SIGNED`."""
        parts = {part for term in self.terms for part in ATTRIBUTES[term.attribute].demands}
        return frozenset(parts | ({SIGNED} if self.signed else set()))

    def weights(self, scenario: Any) -> dict[str, Array]:
        """Return the weight of every part at every pair of a `Scenario`, shape (N, M) each."""
        found: dict[str, Array] = {}
        for term in self.terms:
            coefficient = term.at_pairs(*scenario.channel_gain.shape)
            for part, weight in ATTRIBUTES[term.attribute].weights(scenario).items():
                found[part] = found.get(part, np.zeros(coefficient.shape)) + coefficient * weight
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        return {"name": self.name, "at_most": self.at_most, "terms": [term.to_dict() for term in self.terms]}

    @classmethod
    def read(cls, where: str, document: Any, n_users: int, n_servers: int) -> Row:
        """Return a row of a JSON document; `where` starts every error message.

        Raises
        ------
        ScenarioError
            If it is none.
        """
        if isinstance(document, cls):
            document = document.to_dict()
        _require_keys(where, document, ("name", "at_most", "terms"), ("name", "at_most", "terms"))
        name, terms = document["name"], document["terms"]
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise ScenarioError(f"{where}.name = {shown(name)}; expected a name in printable characters")
        if not isinstance(terms, (list, tuple)) or not terms:
            raise ScenarioError(f"{where}.terms = {shown(terms)}; expected a list of at least one term")
        at_most = _number(f"{where}.at_most", document["at_most"])
        sizes = (n_users, n_servers)
        return cls(name, at_most, tuple(_term(f"{where}.terms[{i}]", term, sizes) for i, term in enumerate(terms)))


def _term(where: str, document: Any, sizes: tuple[int, int]) -> Term:
    _require_keys(where, document, _TERM_KEYS, ("attribute",))
    attribute = document["attribute"]
    if attribute not in ROW_ATTRIBUTES and attribute not in ATTRIBUTES:
        raise ScenarioError(
            f"{where}.attribute = {shown(attribute)}; expected one of {', '.join(ROW_ATTRIBUTES)}, or a declared one"
        )
    if any(part in ("rate_up", "rate_down") for part in ATTRIBUTES[attribute].parts):
        raise ScenarioError(f"{where}.attribute = {shown(attribute)}; expected one that is no rate")
    users = _members(f"{where}.users", document.get("users"), sizes[0])
    servers = _members(f"{where}.servers", document.get("servers"), sizes[1])
    given = document.get("coefficient")
    numbers = read_numbers(f"{where}.coefficient", 1.0 if given is None else given, ScenarioError)
    count = sizes[0] if users is None else len(users)
    if numbers.shape not in ((), (count,)):
        raise ScenarioError(f"{where}.coefficient has shape {numbers.shape}; expected a number, or ({count},)")
    if not np.isfinite(numbers).all():
        raise ScenarioError(f"{where}.coefficient = {shown(given)}; expected finite numbers")
    if attribute not in _EITHER_SIGN and (numbers < 0.0).any():
        raise ScenarioError(
            f"{where}.coefficient = {shown(given)}; expected at least 0 for {attribute}: "
            "a row that asks for more delay or energy is not one of the class"
        )
    return Term(attribute, users, servers, tuple(np.atleast_1d(numbers).tolist()))


def _members(where: str, value: Any, size: int) -> tuple[int, ...] | None:
    if value is None:
        return None
    good = isinstance(value, (list, tuple)) and len(value) > 0
    if not good or any(isinstance(i, bool) or not isinstance(i, (int, np.integer)) for i in value):
        raise ScenarioError(f"{where} = {shown(value)}; expected a list of whole numbers, or null for all")
    if any(not 0 <= i < size for i in value) or len(set(value)) < len(value):
        raise ScenarioError(f"{where} = {shown(value)}; expected different numbers from 0 to {size - 1}")
    return tuple(int(i) for i in value)


def _number(where: str, value: Any) -> float:
    number = read_numbers(where, value, ScenarioError)
    if number.shape != () or not np.isfinite(number):
        raise ScenarioError(f"{where} = {shown(value)}; expected a finite number")
    return float(number)


def _require_keys(where: str, document: Any, known: tuple[str, ...], required: tuple[str, ...]) -> None:
    if not isinstance(document, Mapping):
        raise ScenarioError(f"{where} = {shown(document)}; expected an object")
    for key in document:
        if key not in known:
            raise ScenarioError(f"{where}: unknown key {shown(key)}; expected only {', '.join(known)}")
    for key in required:
        if key not in document:
            raise ScenarioError(f"{where}: no key {key!r}; expected {', '.join(required)}")
