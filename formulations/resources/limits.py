"""Extra constraints in AO part 2: rows relative to their limits, with exact derivatives.

For user n on its server, with the shares of `nonlinear` and U = 1/R, V = pi/R_down::

    hurry delay <= 1 + e        need_up U_up <= 1 + e        need_down U_down <= 1 + e
    sum over the users of a server of (1 - phi)(train psi^2 + send V) <= 1 + e

The excess e >= 0 is priced at `EXCESS_PRICE`: limits that no resources meet at this association and offloading leave a
program that can still be solved, and one that comes as near to them as possible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import physics
from ..constraints import Extra, require_support
from ..scenario import Scenario

__all__ = ["LIMIT_MARGIN", "RESOURCE_EXTRAS", "LimitRows", "ResourceLimits", "require_rows"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Kinds that are stated here; a forced or forbidden pair needs no row, as the association is given.
RESOURCE_EXTRAS = frozenset({Extra.DELAY, Extra.ASSOCIATION, Extra.RATE, Extra.ENERGY})

#: Limits are stated this much tighter, relative, so that what a solver leaves within its tolerance keeps them.
LIMIT_MARGIN = 2e-7


def require_rows(scenario: Scenario) -> None:
    """Refuse a scenario with a kind of extra constraints that no row states.

    Raises
    ------
    InputError
        If there is one.
    """
    require_support("AO part 2", RESOURCE_EXTRAS, scenario)


@dataclass(frozen=True, eq=False)
class ResourceLimits:
    """Coefficients of the rows at an association, zero where there is no limit; shape (N,).

    Parameters
    ----------
    hurry
        One over the delay limit, in time units.
    need_up, need_down
        Least R of uplink and downlink.
    train, send
        Energy of the user's server for training everything at its whole speed, and for sending everything at R = 1 with
        its whole power, relative to its budget.
    """

    hurry: Array
    need_up: Array
    need_down: Array
    train: Array
    send: Array

    @classmethod
    def of(cls, scenario: Scenario, server: Index, time_unit: float) -> ResourceLimits | None:
        """Return the coefficients, or None where the scenario limits no resources."""
        s, m, extra = scenario, server, scenario.constraints
        require_rows(s)
        if extra is None or not extra.kinds - {Extra.ASSOCIATION}:
            return None
        nats = np.log(2.0) / s.bandwidth_max[m]  # bit/s to R
        budget = extra.server_energy[m]
        training = physics.training_energy(
            s.server_capacitance[m], s.flops, s.server_epochs[m], 1.0, s.server_speed_max[m]
        )
        return cls(
            hurry=time_unit / extra.delay_limit,
            need_up=extra.uplink_rate * nats,
            need_down=extra.downlink_rate * nats,
            train=training / budget,
            send=s.server_power_max[m] * s.bits * nats / budget,
        )


class LimitRows:
    """The rows as part of a program whose variables are shares by resource, then phi, T and the excess.

    Parameters
    ----------
    limits
        Their coefficients.
    server
        Association, shape (N,).
    n_servers
        M.
    width
        Variables of a user: 5, or 6 with phi.
    first
        Number of the first row.
    """

    #: Rows of each user: which of its variables enter, without phi.
    _ENTER = ((0, 1, 2, 3, 4), (0, 3), (0, 1))

    def __init__(self, limits: ResourceLimits, server: Index, n_servers: int, width: int, first: int) -> None:
        self.limits, self.server, self.n_servers = limits, server, n_servers
        self._free = width == 6
        n = len(server)
        self.count = 3 * n + n_servers
        users = np.arange(n)
        rows, columns = [], []
        for kind, enter in enumerate((self._ENTER[0] + (5,) * self._free, *self._ENTER[1:])):
            for variable in enter:
                rows.append(first + kind * n + users)
                columns.append(variable * n + users)
        for variable in (0, 1, 2) + (5,) * self._free:
            rows.append(first + 3 * n + server)
            columns.append(variable * n + users)
        excess = width * n + 1
        rows.append(first + np.arange(self.count))
        columns.append(np.full(self.count, excess))
        self.rows, self.columns = np.concatenate(rows), np.concatenate(columns)

    def values(self, delay: Array, up: Array, down: Array, shares: Array, phi: Array, excess: float) -> Array:
        """Return the rows (to be at most 1) from delays and inverse rates of the users, shape (N,)."""
        c = self.limits
        spent = (1.0 - phi) * (c.train * shares[2] ** 2 + c.send * shares[1] * down)
        over = np.bincount(self.server, spent, minlength=self.n_servers)
        return np.concatenate([c.hurry * delay, c.need_up * up, c.need_down * down, over]) - excess

    def energy_slopes(self, shares: Array, phi: Array, power_over_rate: tuple[Array, ...]) -> Array:
        """Return the derivatives of what each user takes of its server's energy, shape (6, N)."""
        c, rest = self.limits, 1.0 - phi
        value, by_bandwidth, by_power, *_ = power_over_rate
        zero = np.zeros_like(phi)
        return np.array(
            [
                rest * c.send * by_bandwidth,
                rest * c.send * by_power,
                rest * 2.0 * c.train * shares[2],
                zero,
                zero,
                -c.train * shares[2] ** 2 - c.send * value,
            ]
        )

    def jacobian(
        self, delay_slopes: Array, up: tuple[Array, ...], down: tuple[Array, ...], energy_slopes: Array, chain: Array
    ) -> Array:
        """Return the entries of the Jacobian in the order of `rows` and `columns`."""
        c = self.limits
        entries = [*(c.hurry * delay_slopes * chain)]
        entries += [c.need_up * up[1] * chain[0], c.need_up * up[2] * chain[3]]
        entries += [c.need_down * down[1] * chain[0], c.need_down * down[2] * chain[1]]
        entries += [energy_slopes[i] * chain[i] for i in (0, 1, 2) + (5,) * self._free]
        return np.concatenate([*entries, -np.ones(self.count)])

    def prices(self, multipliers: Array) -> tuple[Array, Array, Array, Array]:
        """Return the multipliers of delay, U_up, U_down and server energy for each user, shape (N,) each."""
        n, c = len(self.server), self.limits
        late, up, down = multipliers[: 3 * n].reshape(3, n)
        return c.hurry * late, c.need_up * up, c.need_down * down, multipliers[3 * n :][self.server]
