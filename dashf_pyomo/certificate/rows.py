"""What rows of a scenario mean, in ball arithmetic, from the declaration and Section II alone.

A row is a sum over users and servers of weight x part of an allocation, at most its bound, in SI units. At a price q >=
0 it adds q x weight to the price of that part at a pair, and q x bound to what all users share. The parts of a user at
its server: one (``served``), phi (``own``) and 1 - phi (``left``), the resources of the server, the four energies, and
the delay. Times of which not all four count alike are at least the least weight times the delay, so that a price of
the row is still one of the delay.

Prices of a certificate are taken in this order: the limits of the scenario that are largest values, but that of a
user's delay, each with those of its rows that bound something; then the linear rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from formulations import Scenario
from formulations.attributes import ATTRIBUTES
from formulations.constraints import LIMITS, Over
from formulations.linear_rows import Row

from .balls import ball

__all__ = ["Charges", "RowGroup", "least_rates", "row_count", "rows_of"]

Ball = Any

#: Limits that are no rows: they are part of every user's own problem.
_OWN = ("delay_limit",)

ENERGIES = ("energy_local", "energy_uplink", "energy_server", "energy_downlink")
SHARES = ("bandwidth", "server_power", "server_speed")
_TIMES = ("time_local", "time_uplink", "time_server", "time_downlink")

#: Attributes in parts.
_PARTS: dict[str, tuple[str, ...]] = {
    "served": ("served",),
    "offload": ("own",),
    "bandwidth": ("bandwidth",),
    "server_power": ("server_power",),
    "server_speed": ("server_speed",),
    "user_energy": ("energy_local", "energy_uplink"),
    "server_energy": ("energy_server", "energy_downlink"),
    "energy": ENERGIES,
    "delay": ("delay",),
    "mean_delay": ("delay",),
}


@dataclass
class Charges:
    """What rows charge a user at a server, as balls, SI: per unit of each part.

    Parameters
    ----------
    shares
        Per Hz, W and FLOP/s of the server.
    energies
        Per J of the four energies.
    delay
        Per s of the user's delay.
    offload, constant
        Per phi, and whatever is chosen.
    """

    shares: list[Ball] = field(default_factory=lambda: [ball(0.0)] * 3)
    energies: list[Ball] = field(default_factory=lambda: [ball(0.0)] * 4)
    delay: Ball = field(default_factory=lambda: ball(0.0))
    offload: Ball = field(default_factory=lambda: ball(0.0))
    constant: Ball = field(default_factory=lambda: ball(0.0))

    def add(self, part: str, price: Ball) -> None:
        """Charge a part at a price.

        Raises
        ------
        ValueError
            If a row cannot be about the part.
        """
        if part == "served":
            self.constant += price
        elif part == "own":
            self.offload += price
        elif part == "left":  # 1 - phi
            self.constant += price
            self.offload -= price
        elif part in SHARES:
            self.shares[SHARES.index(part)] += price
        elif part in ENERGIES:
            self.energies[ENERGIES.index(part)] += price
        elif part == "delay":
            self.delay += price
        else:
            raise ValueError(f"part {part!r} has no price in a row")


@dataclass(frozen=True, eq=False)
class RowGroup:
    """Rows that sum the same parts over single users, over the users of a server, or over all.

    Parameters
    ----------
    over
        What a row sums over.
    bound
        Bound of every row, SI.
    place
        Position of every row among the prices, None where it bounds nothing.
    weights
        From a pair (n, m), the weights of its parts.
    nonnegative
        Whether no weight is negative, so that every part alone is bounded.
    """

    over: Over
    bound: list[Ball]
    place: list[int | None]
    weights: Callable[[int, int], Mapping[str, Ball]]
    nonnegative: bool = True

    def row_of(self, n: int, m: int) -> int:
        """Return the row that a pair takes part in."""
        return {Over.USER: n, Over.SERVER: m, Over.ALL: 0}[self.over]

    def charge(self, prices: list[float], n: int, m: int, charges: Charges) -> None:
        """Add what the rows charge a pair."""
        place = self.place[self.row_of(n, m)]
        if place is None or prices[place] == 0.0:
            return
        for part, weight in self.weights(n, m).items():
            charges.add(part, ball(prices[place]) * weight)

    def longest_delay(self, n: int, m: int) -> Ball | None:
        """Return a bound on the user's delay at a server, s, that follows from its row alone; None for none."""
        row = self.row_of(n, m)
        weight = self.weights(n, m).get("delay") if self.nonnegative and self.place[row] is not None else None
        return self.bound[row] / weight if weight is not None and weight > 0 else None


def row_count(groups: list[RowGroup]) -> int:
    """Return the number of prices."""
    return sum(place is not None for group in groups for place in group.place)


def rows_of(scenario: Scenario) -> list[RowGroup]:
    """Return the rows of a scenario, in the order of their prices."""
    found: list[RowGroup] = []
    if scenario.constraints is None:
        return found
    count = 0
    for key, bounds in scenario.constraints.limits.items():
        limit = LIMITS[key]
        if limit.at_least or key in _OWN:
            continue
        values = bounds.tolist()
        place: list[int | None] = []
        for value in values:
            place.append(None if value == np.inf else count)
            count += value != np.inf
        weights = _attribute(scenario, limit.attribute)
        found.append(RowGroup(limit.over, [ball(value) for value in values], place, weights))
    for row in scenario.constraints.rows:
        signed = any(number < 0.0 for term in row.terms for number in term.coefficient)
        found.append(RowGroup(Over.ALL, [ball(row.at_most)], [count], _linear(scenario, row), not signed))
        count += 1
    return [group for group in found if any(place is not None for place in group.place)]


def _attribute(scenario: Scenario, name: str) -> Callable[[int, int], Mapping[str, Ball]]:
    """Return the weights of the parts of an attribute at every pair."""
    if name in _PARTS:
        weight = 1 / ball(scenario.n_users) if name == "mean_delay" else ball(1.0)
        known = dict.fromkeys(_PARTS[name], weight)
        return lambda n, m: known
    declared = ATTRIBUTES[name].weights(scenario)  # of an extension: what it means is what it declares

    def weights(n: int, m: int) -> dict[str, Ball]:
        at = {part: float(values[n, m]) for part, values in declared.items()}
        found = {part: ball(value) for part, value in at.items() if part not in _TIMES}
        return {**found, "delay": ball(min(at.get(part, 0.0) for part in _TIMES))}

    return weights


def _linear(scenario: Scenario, row: Row) -> Callable[[int, int], Mapping[str, Ball]]:
    """Return the weights of the parts of a linear row at every pair."""
    terms = []
    for term in row.terms:
        users = range(scenario.n_users) if term.users is None else term.users
        factors = term.coefficient * (len(users) if len(term.coefficient) == 1 else 1)
        servers = None if term.servers is None else frozenset(term.servers)
        of_user = dict(zip(users, factors, strict=True))
        terms.append((of_user, servers, _attribute(scenario, term.attribute)))

    def weights(n: int, m: int) -> dict[str, Ball]:
        found: dict[str, Ball] = {}
        for of_user, servers, parts in terms:
            if n in of_user and (servers is None or m in servers):
                for part, weight in parts(n, m).items():
                    found[part] = found.get(part, ball(0.0)) + ball(of_user[n]) * weight
        return found

    return weights


def least_rates(scenario: Scenario, n: int) -> tuple[float, float]:
    """Return the least rates of a user's uplink and downlink, bit/s, zero where there is none."""
    up = down = 0.0
    if scenario.constraints is not None:
        for key, bounds in scenario.constraints.limits.items():
            if LIMITS[key].at_least and LIMITS[key].attribute == "rate_up":
                up = max(up, float(bounds[n]))
            elif LIMITS[key].at_least:
                down = max(down, float(bounds[n]))
    return up, down
