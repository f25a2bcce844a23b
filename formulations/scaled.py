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

from . import physics
from .scenario import Scenario

__all__ = ["ScaledPairs"]

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
        column = np.newaxis
        with np.errstate(over="ignore", under="ignore"):
            energy_price = s.weight_energy / cost_unit
            noise = s.noise_psd * s.bandwidth_max
            nats = s.bits[:, column] * np.log(2.0) / s.bandwidth_max  # bits/r = nats / (beta ln(1 + c p/beta))
            flops = s.flops[:, column]
            return cls(
                local_time=physics.training_time(s.flops, s.user_epochs, 1.0, s.user_gpus, s.user_speed_max)
                / time_unit,
                link_time=nats / time_unit,
                server_time=physics.training_time(flops, s.server_epochs, 1.0, s.server_gpus, s.server_speed_max)
                / time_unit,
                local_energy=energy_price
                * physics.training_energy(s.user_capacitance, s.flops, s.user_epochs, 1.0, s.user_speed_max),
                uplink_energy=energy_price * s.user_power_max[:, column] * nats,
                server_energy=energy_price
                * physics.training_energy(s.server_capacitance, flops, s.server_epochs, 1.0, s.server_speed_max),
                downlink_energy=energy_price * s.server_power_max * nats,
                snr_up=s.channel_gain * s.user_power_max[:, column] / noise,
                snr_down=s.channel_gain * s.server_power_max / noise,
                time_weight=s.weight_time * time_unit / cost_unit,
                time_unit=time_unit,
                cost_unit=cost_unit,
            )

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
