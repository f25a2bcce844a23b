"""The parts of `formulations.attributes` in the shares of a user at its server, with exact derivatives.

With shares beta, pi, psi of the server, fractions p, f of the user's caps and R(c, beta, p) = beta ln(1 + c p / beta),
a part is a coefficient (`formulations.scaled.whole_parts`) times a + b phi times a function of the shares:

================  ===========  =======================  ===========  =======================
stage             time                                  energy
================  ===========  =======================  ===========  =======================
local training    phi          1 / f                    phi          f^2
uplink            phi          U = 1 / R(snr_up)        phi          p U
server training   1 - phi      1 / psi                  1 - phi      psi^2
downlink          1 - phi      U = 1 / R(snr_down)      1 - phi      pi U
================  ===========  =======================  ===========  =======================

A weighted sum of parts, a delay, a cost or a row of a limit, is a `WeightedParts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BETA", "PARTS_IN_SHARES", "PHI", "PI", "PSI", "F", "Functions", "P", "Shape", "WeightedParts"]

Array = NDArray[np.float64]
Block = tuple[int, int]

#: Numbers of a user's variables: shares of its server, fractions of its caps, and phi.
BETA, PI, PSI, P, F, PHI = range(6)


@dataclass(frozen=True)
class Shape:
    """A factor a + b phi times a function of the shares, named in `VARIABLES`."""

    constant: float
    slope: float
    function: str


_ANY, _OWN, _LEFT = (1.0, 0.0), (0.0, 1.0), (1.0, -1.0)

#: Every part as a coefficient times this; then U = 1 / R, which least rates bound.
PARTS_IN_SHARES = {
    "served": Shape(*_ANY, "one"),
    "own": Shape(*_OWN, "one"),
    "left": Shape(*_LEFT, "one"),
    "bandwidth": Shape(*_ANY, "beta"),
    "server_power": Shape(*_ANY, "pi"),
    "server_speed": Shape(*_ANY, "psi"),
    "time_local": Shape(*_OWN, "1/f"),
    "time_uplink": Shape(*_OWN, "U_up"),
    "time_server": Shape(*_LEFT, "1/psi"),
    "time_downlink": Shape(*_LEFT, "U_down"),
    "energy_local": Shape(*_OWN, "f^2"),
    "energy_uplink": Shape(*_OWN, "p U_up"),
    "energy_server": Shape(*_LEFT, "psi^2"),
    "energy_downlink": Shape(*_LEFT, "pi U_down"),
    "inverse_rate_up": Shape(*_ANY, "U_up"),
    "inverse_rate_down": Shape(*_ANY, "U_down"),
}

#: The shares that a function depends on.
VARIABLES: dict[str, tuple[int, ...]] = {
    "one": (),
    "beta": (BETA,),
    "pi": (PI,),
    "psi": (PSI,),
    "1/f": (F,),
    "f^2": (F,),
    "1/psi": (PSI,),
    "psi^2": (PSI,),
    "U_up": (BETA, P),
    "p U_up": (BETA, P),
    "U_down": (BETA, PI),
    "pi U_down": (BETA, PI),
}


@dataclass(frozen=True, eq=False)
class _Function:
    """Value, first and second derivatives by shares, shape (N,) each; what is not there is zero."""

    value: Array
    first: Mapping[int, Array] = field(default_factory=dict)
    second: Mapping[Block, Array] = field(default_factory=dict)


class Functions:
    """The functions of `VARIABLES` at a point, each computed when it is first asked for.

    Parameters
    ----------
    shares
        beta, pi, psi, p, f, shape (5, N).
    snr_up, snr_down
        SNR of every user's links over the whole bandwidth, shape (N,).
    """

    def __init__(self, shares: Array, snr_up: Array, snr_down: Array) -> None:
        self._shares, self._snr_up, self._snr_down = shares, snr_up, snr_down
        self._known: dict[str, _Function] = {}

    def __getitem__(self, name: str) -> _Function:
        """Return a function by its name."""
        if name not in self._known:
            self._known[name] = self._make(name)
        return self._known[name]

    def _make(self, name: str) -> _Function:
        beta = self._shares[BETA]
        one = np.ones_like(beta)
        if name == "one":
            return _Function(one)
        if name in ("beta", "pi", "psi"):
            (variable,) = VARIABLES[name]
            return _Function(self._shares[variable], {variable: one})
        if name in ("1/f", "1/psi"):
            (variable,) = VARIABLES[name]
            x = self._shares[variable]
            return _Function(1.0 / x, {variable: -1.0 / x**2}, {(variable, variable): 2.0 / x**3})
        if name in ("f^2", "psi^2"):
            (variable,) = VARIABLES[name]
            x = self._shares[variable]
            return _Function(x**2, {variable: 2.0 * x}, {(variable, variable): 2.0 * one})
        _, sender = VARIABLES[name]
        snr = self._snr_up if sender == P else self._snr_down
        power = self._shares[sender]
        u, ub, up, ubb, ubp, upp = inverse_rate(beta, power, snr)
        if name.startswith("U"):
            blocks = {(BETA, BETA): ubb, (BETA, sender): ubp, (sender, sender): upp}
            return _Function(u, {BETA: ub, sender: up}, blocks)
        blocks = {
            (BETA, BETA): power * ubb,
            (BETA, sender): ub + power * ubp,
            (sender, sender): 2 * up + power * upp,
        }
        return _Function(power * u, {BETA: power * ub, sender: u + power * up}, blocks)


@dataclass(frozen=True, eq=False)
class WeightedParts:
    """A weighted sum of parts of every user.

    Parameters
    ----------
    weights
        Coefficient of every part of `PARTS_IN_SHARES`, shape (N,) each.
    """

    weights: Mapping[str, Array]

    @property
    def variables(self) -> tuple[int, ...]:
        """The variables that it depends on, in order."""
        shapes = [PARTS_IN_SHARES[part] for part in self.weights]
        found = {variable for shape in shapes for variable in VARIABLES[shape.function]}
        return tuple(sorted(found | ({PHI} if any(shape.slope for shape in shapes) else set())))

    def value(self, functions: Functions, phi: Array) -> Array:
        """Return the sum of every user, shape (N,)."""
        total = np.zeros_like(phi)
        for part, weight in self.weights.items():
            shape = PARTS_IN_SHARES[part]
            total += weight * (shape.constant + shape.slope * phi) * functions[shape.function].value
        return total

    def slopes(self, functions: Functions, phi: Array) -> Array:
        """Return the derivatives by shares and phi, shape (6, N)."""
        slopes = np.zeros((6, len(phi)))
        for part, weight in self.weights.items():
            shape = PARTS_IN_SHARES[part]
            function = functions[shape.function]
            share = weight * (shape.constant + shape.slope * phi)
            for variable, slope in function.first.items():
                slopes[variable] += share * slope
            if shape.slope:
                slopes[PHI] += shape.slope * weight * function.value
        return slopes

    def bends(self, functions: Functions, phi: Array, price: Array | float, blocks: dict[Block, Any]) -> None:
        """Add the second derivatives by shares and phi, times a price of every user, to blocks (i, j) with i <= j."""
        for part, weight in self.weights.items():
            shape = PARTS_IN_SHARES[part]
            function = functions[shape.function]
            priced = price * weight
            share = priced * (shape.constant + shape.slope * phi)
            for block, bend in function.second.items():
                blocks[block] = blocks.get(block, 0.0) + share * bend
            if shape.slope:
                for variable, slope in function.first.items():
                    blocks[variable, PHI] = blocks.get((variable, PHI), 0.0) + shape.slope * priced * slope


def inverse_rate(beta: Array, power: Array, snr: Array) -> tuple[Array, ...]:
    """Return U = 1/R and its derivatives U_b, U_p, U_bb, U_bp, U_pp."""
    s = snr * power / beta
    log = np.log1p(s)
    rate = beta * log
    # The difference cancels for a vanishing SNR; its series does not.
    rate_b = np.where(s < 1e-5, s**2 * (0.5 - s * (2.0 / 3.0)), log - s / (1.0 + s))
    rate_p = snr / (1.0 + s)
    bend = 1.0 / (beta * (1.0 + s) ** 2)
    u = 1.0 / rate
    return (
        u,
        -rate_b * u**2,
        -rate_p * u**2,
        (2 * rate_b**2 * u + s**2 * bend) * u**2,
        (2 * rate_b * rate_p * u - snr * s * bend) * u**2,
        (2 * rate_p**2 * u + snr**2 * bend) * u**2,
    )
