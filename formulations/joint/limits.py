"""Extra constraints in the joint models, in their units; what they say about pairs before the search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import physics
from ..constraints import Extra, require_support
from ..scenario import Scenario

__all__ = ["JOINT_EXTRAS", "JointLimits"]

Array = NDArray[np.float64]


#: Kinds that every joint model states.
JOINT_EXTRAS = frozenset({Extra.DELAY, Extra.ASSOCIATION, Extra.RATE, Extra.ENERGY})


@dataclass(frozen=True, eq=False)
class JointLimits:
    """Extra constraints of a scenario without units.

    Parameters
    ----------
    delay
        D_n in time units, infinite where there is none, shape (N,).
    need_up, need_down
        Least R of both directions, in units of the server's bandwidth, zero where there is none, shape (N, M).
    train
        Energy for training everything at the server's whole speed, relative to its budget; zero where there is none,
        shape (N, M).
    send
        Energy of the server's whole power over one time unit, relative to its budget, shape (M,).
    """

    delay: Array
    need_up: Array
    need_down: Array
    train: Array
    send: Array

    @classmethod
    def of(cls, scenario: Scenario, time_unit: float) -> JointLimits | None:
        """Return the limits in a unit of time, or None where the scenario has none; a kind without rows is refused."""
        s, extra = scenario, scenario.constraints
        require_support("the joint models", JOINT_EXTRAS, s)
        if extra is None:
            return None
        nats = np.log(2.0) / s.bandwidth_max
        training = physics.training_energy(
            s.server_capacitance, s.flops[:, np.newaxis], s.server_epochs, 1.0, s.server_speed_max
        )
        return cls(
            delay=extra.delay_limit / time_unit,
            need_up=extra.uplink_rate[:, np.newaxis] * nats,
            need_down=extra.downlink_rate[:, np.newaxis] * nats,
            train=training / extra.server_energy,
            send=s.server_power_max * time_unit / extra.server_energy,
        )

    def reachable(self, snr_up: Array, snr_down: Array) -> NDArray[np.bool_]:
        """Return the pairs whose rates are high enough with all resources, shape (N, M)."""
        slack = 1.0 + 1e-9
        return (np.log1p(snr_up) * slack >= self.need_up) & (np.log1p(snr_down) * slack >= self.need_down)
