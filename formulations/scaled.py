"""Problem (3) in shares: what every pair costs at full resources, without units.

Source: Section II. With shares beta, pi, psi of the server's bandwidth, power and speed, fractions p, f of the user's
caps and R(c, beta, p) = beta ln(1 + c p / beta), the delay and the weighted energy of user n at server m are::

    phi (local_time / f + link_time / R(snr_up, beta, p))
        + (1 - phi) (server_time / psi + link_time / R(snr_down, beta, pi))
    phi (local_energy f^2 + uplink_energy p / R(snr_up, beta, p))
        + (1 - phi) (server_energy psi^2 + downlink_energy pi / R(snr_down, beta, pi))

This is the one place where the resource and joint formulations are scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .scenario import Scenario
from .terms import Sites

__all__ = ["ScaledPairs", "whole_parts"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScaledPairs:
    """Coefficients of every user, shape (N,), and every pair, shape (N, M), without units.

    Parameters
    ----------
    local_time
        Training everything at the user's cap of speed, in time units, shape (N,).
    link_time
        Time to send everything at R = 1, in time units.
    server_time
        Training everything at the whole speed of the server, in time units.
    local_energy
        Weighted energy of training everything at the user's cap of speed, in cost units, shape (N,).
    uplink_energy, downlink_energy
        Weighted energy of sending everything at R = 1 with the user's cap, or the server's whole power, in cost units.
    server_energy
        Weighted energy of training everything at the whole speed of the server, in cost units.
    snr_up, snr_down
        SNR over the server's whole bandwidth with the user's cap, or the server's whole power.
    time_weight
        Cost units of one time unit of delay.
    time_unit, cost_unit
        s, and cost (omega_t T + omega_e E), that count as one.
    """

    local_time: Array
    link_time: Array
    server_time: Array
    local_energy: Array
    uplink_energy: Array
    server_energy: Array
    downlink_energy: Array
    snr_up: Array
    snr_down: Array
    time_weight: float
    time_unit: float
    cost_unit: float

    @classmethod
    def of(cls, scenario: Scenario, time_unit: float, cost_unit: float) -> ScaledPairs:
        """Return the coefficients in the units given; an infinite cost unit makes energy free."""
        s = scenario
        with np.errstate(over="ignore", under="ignore"):
            whole = whole_parts(s, s.weight_energy / cost_unit)
            noise = s.noise_psd * s.bandwidth_max
            return cls(
                local_time=whole["time_local"][:, 0] / time_unit,
                link_time=whole["time_uplink"] / time_unit,
                server_time=whole["time_server"] / time_unit,
                local_energy=whole["energy_local"][:, 0],
                uplink_energy=whole["energy_uplink"],
                server_energy=whole["energy_server"],
                downlink_energy=whole["energy_downlink"],
                snr_up=s.channel_gain * s.user_power_max[:, np.newaxis] / noise,
                snr_down=s.channel_gain * s.server_power_max / noise,
                time_weight=s.weight_time * time_unit / cost_unit,
                time_unit=time_unit,
                cost_unit=cost_unit,
            )

    @property
    def energy_prices(self) -> dict[str, Array]:
        """Price of every energy of `attributes` in cost units, where times count in `time_unit`; shape (N, M) each.

        Of training, whole; of sending, with the whole power for one time unit. See `whole_parts`.
        """
        shape = self.snr_up.shape
        return {
            "energy_local": np.broadcast_to(self.local_energy[:, np.newaxis], shape),
            "energy_uplink": self.uplink_energy / self.link_time,
            "energy_server": np.broadcast_to(self.server_energy, shape),
            "energy_downlink": self.downlink_energy / self.link_time,
        }

    def stacked(self) -> Array:
        """Return `local_time` to `snr_down` of every pair, in the order of the fields, shape (N, M, 9)."""
        fields = (
            self.local_time,
            self.link_time,
            self.server_time,
            self.local_energy,
            self.uplink_energy,
            self.server_energy,
            self.downlink_energy,
            self.snr_up,
            self.snr_down,
        )
        shape = self.snr_up.shape
        return np.stack([np.broadcast_to(c if c.ndim == 2 else c[:, np.newaxis], shape) for c in fields], axis=2)


def whole_parts(scenario: Scenario, energy_price: float = 1.0, time_unit: float | None = None) -> dict[str, Array]:
    """Return what every part comes to at whole resources and R = 1, SI units; arrays broadcast to (N, M).

    A formulation states a part as this times an expression in shares: phi / f for the local time, phi / R for the
    uplink, phi f^2 for the local energy, phi p / R for the energy of sending, and so on.

    Parameters
    ----------
    scenario
        The data.
    energy_price
        What a joule counts.
    time_unit
        What the four times count as, s, for formulations whose times are variables; sending with the whole power for
        one of it is then the energy that counts as one.
    """
    s, sites = scenario, Sites(scenario)
    with np.errstate(over="ignore", under="ignore"):
        one, speed, power = np.ones((1, 1)), sites.user("user_speed_max"), sites.user("user_power_max")
        # bits/r = nats / (beta ln(1 + c p/beta))
        link = sites.user("bits") * np.log(2.0) / s.bandwidth_max if time_unit is None else time_unit * one
        return {
            "served": one,
            "own": one,
            "left": one,
            "bandwidth": s.bandwidth_max[np.newaxis],
            "server_power": s.server_power_max[np.newaxis],
            "server_speed": s.server_speed_max[np.newaxis],
            "time_local": sites.local_time(1.0, speed) if time_unit is None else link,
            "time_uplink": link,
            "time_server": sites.server_time(1.0, s.server_speed_max) if time_unit is None else link,
            "time_downlink": link,
            "energy_local": energy_price * sites.local_energy(1.0, speed),
            "energy_uplink": energy_price * power * link,
            "energy_server": energy_price * sites.server_energy(1.0, s.server_speed_max),
            "energy_downlink": energy_price * s.server_power_max * link,
        }
