"""Terms of users at servers, in numbers: the parts of `attributes` by the physics of Section II, and the rows on them.

The one place where times, energies and rates are put together from the data. It serves users at their own server,
shape (N,), all pairs at once, shape (N, M), and whoever needs coefficients of formulations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import physics
from .attributes import ATTRIBUTES
from .constraints import LIMITS, Limit, Over, RowKind
from .documents import InputError
from .linear_rows import Row
from .scenario import Scenario

__all__ = ["Rows", "Sites", "Stages", "Terms", "least_rates", "row_of_pairs", "rows_of", "upper_rows"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Values = float | Array


@dataclass(frozen=True, eq=False)
class Sites:
    """Users at servers: the data of N users at a server each, shape (N,), or of all pairs, shapes (N, 1), (M,), (N, M).

    Parameters
    ----------
    scenario
        The data.
    server
        Association, shape (N,); None for all pairs.
    """

    scenario: Scenario
    server: Index | None = None

    def user(self, field: str) -> Array:
        """Return a field of the users."""
        values: Array = getattr(self.scenario, field)
        return values[:, np.newaxis] if self.server is None else values

    def at_server(self, field: str) -> Array:
        """Return a field of the servers."""
        values: Array = getattr(self.scenario, field)
        return values if self.server is None else values[self.server]

    @property
    def gain(self) -> Array:
        """The channel gains."""
        gain = self.scenario.channel_gain
        return gain if self.server is None else gain[np.arange(len(self.server)), self.server]

    def rate(self, bandwidth: Values, power: Values) -> Array:
        """Return the rate of a link, bit/s."""
        return physics.rate(bandwidth, power, self.gain, self.scenario.noise_psd)

    def score(self, bandwidth: Values, server_power: Values, server_speed: Values) -> Array:
        """Return the score of every user, (1)."""
        return self.scenario.score.value(
            bandwidth / self.at_server("bandwidth_max"),
            server_power / self.at_server("server_power_max"),
            server_speed / self.at_server("server_speed_max"),
        )

    def local_time(self, share: Values, speed: Values) -> Array:
        """Return T^(t1), s."""
        return physics.training_time(self.user("flops"), self.user("user_epochs"), share, self.user("user_gpus"), speed)

    def server_time(self, share: Values, speed: Values) -> Array:
        """Return T^(t3), s."""
        return physics.training_time(
            self.user("flops"), self.at_server("server_epochs"), share, self.at_server("server_gpus"), speed
        )

    def link_time(self, share: Values, rate: Values) -> Array:
        """Return T^(t2) or T^(t4), s."""
        return physics.transmission_time(self.user("bits"), share, rate)

    def local_energy(self, share: Values, speed: Values) -> Array:
        """Return E^(t1), J."""
        return physics.training_energy(
            self.user("user_capacitance"), self.user("flops"), self.user("user_epochs"), share, speed
        )

    def server_energy(self, share: Values, speed: Values) -> Array:
        """Return E^(t3), J."""
        return physics.training_energy(
            self.at_server("server_capacitance"), self.user("flops"), self.at_server("server_epochs"), share, speed
        )

    def terms(
        self,
        bandwidth: Values,
        user_power: Values,
        server_power: Values,
        user_speed: Values,
        server_speed: Values,
        own: Values = 1.0,
        left: Values = 1.0,
    ) -> Terms:
        """Return all parts at given resources, SI units.

        Parameters
        ----------
        bandwidth, user_power, server_power, user_speed, server_speed
            Resources, of shapes that broadcast with the sites.
        own, left
            phi and 1 - phi; by default what each end costs when it trains everything.
        """
        rate_up, rate_down = self.rate(bandwidth, user_power), self.rate(bandwidth, server_power)
        uplink, downlink = self.link_time(own, rate_up), self.link_time(left, rate_down)
        return Terms(
            served=np.ones(()),
            own=np.asarray(own, dtype=np.float64),
            left=np.asarray(left, dtype=np.float64),
            bandwidth=np.asarray(bandwidth),
            server_power=np.asarray(server_power),
            server_speed=np.asarray(server_speed),
            rate_up=rate_up,
            rate_down=rate_down,
            time_local=self.local_time(own, user_speed),
            time_uplink=uplink,
            time_server=self.server_time(left, server_speed),
            time_downlink=downlink,
            energy_local=self.local_energy(own, user_speed),
            energy_uplink=physics.transmission_energy(user_power, uplink),
            energy_server=self.server_energy(left, server_speed),
            energy_downlink=physics.transmission_energy(server_power, downlink),
        )


class Stages:
    """Four times and four energies of training, and their sums; the base of `Terms` and of an evaluation."""

    time_local: Array
    time_uplink: Array
    time_server: Array
    time_downlink: Array
    energy_local: Array
    energy_uplink: Array
    energy_server: Array
    energy_downlink: Array

    @property
    def user_delay(self) -> Array:
        """Delay of each user, s."""
        return self.time_local + self.time_uplink + self.time_server + self.time_downlink

    @property
    def energy_by_user(self) -> Array:
        """Energy that is spent for each user, by itself and by its server, J."""
        return self.energy_local + self.energy_uplink + self.energy_server + self.energy_downlink


@dataclass(frozen=True, eq=False)
class Terms(Stages):
    """Every part of `attributes.PARTS`, in its unit; arrays broadcast to the shape of the sites."""

    served: Array
    own: Array
    left: Array
    bandwidth: Array
    server_power: Array
    server_speed: Array
    rate_up: Array
    rate_down: Array
    time_local: Array
    time_uplink: Array
    time_server: Array
    time_downlink: Array
    energy_local: Array
    energy_uplink: Array
    energy_server: Array
    energy_downlink: Array

    @property
    def user_end(self) -> tuple[Array, Array]:
        """Time and energy of the user's end: training there and sending upwards."""
        return self.time_local + self.time_uplink, self.energy_local + self.energy_uplink

    @property
    def server_end(self) -> tuple[Array, Array]:
        """Time and energy of the server's end: training there and sending downwards."""
        return self.time_server + self.time_downlink, self.energy_server + self.energy_downlink

    def weighted(self, weights: Mapping[str, Array]) -> Array:
        """Return a weighted sum of parts; a weight of zero makes nothing of an infinite part."""
        total: Array = np.zeros(())
        for part, weight in weights.items():
            values = getattr(self, part)
            with np.errstate(invalid="ignore"):
                total = total + np.where(weight == 0, 0.0, weight * values)
        return total


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one limit: for each, a weighted sum of parts over users, servers or all that is bounded.

    Parameters
    ----------
    limit
        What is declared.
    bound
        Largest value of every row, or least value, SI; infinite, or zero, where there is none.
    weights
        Weight of every part at every pair, shape (N, M) each.
    unit
        What counts as one in every row, positive: the size of its bound, or what a whole server comes to where that is
        zero.
    index
        Where `Constraints` has it: the index of the first row in `limit.key`.
    """

    limit: Limit
    bound: Array
    weights: Mapping[str, Array]
    unit: Array
    index: int = 0

    @property
    def name(self) -> str:
        """A name among the rows of a scenario, for parts of models: the key of the limit, or a row's number."""
        return f"row_{self.index}" if self.limit.key == "rows" else self.limit.key

    @property
    def signed(self) -> bool:
        """Whether a weight is negative, or a bound is not positive."""
        return bool(np.any(self.bound <= 0.0)) or any(bool(np.any(weight < 0.0)) for weight in self.weights.values())

    @property
    def active(self) -> Index:
        """The rows that bound something."""
        return np.flatnonzero(self.bound != self.limit.none)

    def relative(self, units: Mapping[str, Array]) -> dict[str, Array]:
        """Return the coefficient of every part that comes in units, relative to the unit of its row, shape (N, M).

        Where there is no bound it is zero. The right-hand side to go with it is `right`.
        """
        unit = self.unit[:, np.newaxis] if self.limit.over is Over.USER else self.unit
        with np.errstate(over="ignore"):
            return {part: weight * units[part] / unit for part, weight in self.weights.items()}

    @property
    def right(self) -> Array:
        """The bound of every row relative to its unit: one, but for rows with negative numbers; infinite for none."""
        return np.where(np.isfinite(self.bound), self.bound / np.where(np.isfinite(self.unit), self.unit, 1.0), np.inf)

    @property
    def most(self) -> Array:
        """`right`, and one where there is no bound and all coefficients are zero."""
        return np.where(np.isfinite(self.bound), self.right, 1.0)

    def excess(self, values: Array) -> Array:
        """Return by how much values of the rows are beyond their bounds, relative to their units; negative within."""
        over = self.bound - values if self.limit.at_least else values - self.bound
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self.bound == self.limit.none, -np.inf, over / self.unit)

    def gather(self, values: Array, server: Index) -> Array:
        """Return the sums of what every user takes, shape (N,), by rows."""
        if self.limit.over is Over.USER:
            return values
        if self.limit.over is Over.ALL:
            return np.atleast_1d(values.sum())
        return np.bincount(server, values, minlength=len(self.bound)).astype(np.float64)

    def row_of(self, server: Index) -> Index:
        """Return the row that every user takes part in, shape (N,)."""
        users = np.arange(len(server))
        return {Over.USER: users, Over.SERVER: server, Over.ALL: np.zeros_like(users)}[self.limit.over]

    def values(self, terms: Terms, server: Index) -> Array:
        """Return the value of every row at an allocation whose terms have shape (N,).

        Raises
        ------
        InputError
            If a part has no value in numbers.
        """
        for part in self.weights:
            if not hasattr(terms, part):
                raise InputError(f"{self.limit.kind}: part {part!r} has no value in numbers; expected one of `Terms`")
        at = np.arange(len(server)), server
        taken = terms.weighted({part: weight[at] for part, weight in self.weights.items()})
        return self.gather(np.broadcast_to(taken, server.shape), server)


def row_of_pairs(over: Over, pair: Index, n_servers: int) -> Index:
    """Return the row that pairs take part in, which are numbered user by user."""
    return {Over.USER: pair // n_servers, Over.SERVER: pair % n_servers, Over.ALL: 0 * pair}[over]


def rows_of(scenario: Scenario) -> tuple[Rows, ...]:
    """Return the rows of every limit, and the linear rows, that a scenario declares, in the order of declaration."""
    if scenario.constraints is None:
        return ()
    declared = ((LIMITS[key], bound) for key, bound in scenario.constraints.limits.items())
    rows = [Rows(limit, bound, ATTRIBUTES[limit.attribute].weights(scenario), bound) for limit, bound in declared]
    linear = [_linear(scenario, row, index) for index, row in enumerate(scenario.constraints.rows)]
    return tuple(found for found in (*rows, *linear) if found.active.size)


def _linear(scenario: Scenario, row: Row, index: int) -> Rows:
    weights = row.weights(scenario)
    unit = abs(row.at_most)
    if unit == 0.0:
        s, sites = scenario, Sites(scenario)
        whole = sites.terms(
            s.bandwidth_max,
            sites.user("user_power_max"),
            s.server_power_max,
            sites.user("user_speed_max"),
            s.server_speed_max,
        )
        taken = whole.weighted({part: np.abs(weight) for part, weight in weights.items()})
        largest = float(np.max(taken, where=np.isfinite(taken), initial=0.0))
        unit = largest if largest > 0.0 else 1.0
    limit = Limit("rows", RowKind(row), f"(X8) row {row.name!r}", Over.ALL, row.terms[0].attribute)
    return Rows(limit, np.array([row.at_most]), weights, np.array([unit]), index)


def upper_rows(scenario: Scenario) -> tuple[Rows, ...]:
    """Return the rows of limits that are largest values."""
    return tuple(rows for rows in rows_of(scenario) if not rows.limit.at_least)


def least_rates(scenario: Scenario) -> tuple[Array, Array]:
    """Return the least rates of every user's uplink and downlink, bit/s, zero where there is none, shape (N,) each."""
    least = {part: np.zeros(scenario.n_users) for part in ("rate_up", "rate_down")}
    for rows in rows_of(scenario):
        if rows.limit.at_least:
            least[rows.limit.attribute] = np.maximum(least[rows.limit.attribute], rows.bound)
    return least["rate_up"], least["rate_down"]
