"""Rates, times and energies of Section II: each equation in one place, vectorised.

Every function broadcasts over its arguments, so the same code serves one user on its server, shape (N,),
and all pairs, shape (N, M). Units are SI. Conventions at the edges: a share of zero costs zero time and
energy whatever the rate or speed (0/0 = 0), and a positive share over a zero rate or speed takes forever.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "rate",
    "training_energy",
    "training_time",
    "transmission_energy",
    "transmission_time",
]

Array = NDArray[np.float64]
Values = float | Array


def rate(bandwidth: Values, power: Values, gain: Values, noise_psd: Values) -> Array:
    """Achievable rate b log2(1 + g p / (sigma^2 b)), bit/s; Section II-B.

    Zero bandwidth or zero power give a rate of zero, their limits. The expression is jointly concave
    in bandwidth and power and increasing in both.

    Parameters
    ----------
    bandwidth
        b, Hz.
    power
        Transmit power of the sender, W.
    gain
        g, linear.
    noise_psd
        sigma^2, W/Hz.
    """
    bandwidth, power, gain, noise_psd = np.broadcast_arrays(
        *(np.asarray(value, dtype=np.float64) for value in (bandwidth, power, gain, noise_psd))
    )
    with np.errstate(over="ignore", under="ignore"):
        signal = gain * power / noise_psd  # Hz: the bandwidth at which the SNR is one
        open_ = (bandwidth > 0) & (signal > 0)
        b = np.where(open_, bandwidth, 1.0)
        s = np.where(open_, signal, 1.0)
        snr = s / b
        # s / b overflows for a vanishing share of bandwidth; the logarithms do not.
        nats = np.where(np.isfinite(snr), np.log1p(snr), np.log(s) - np.log(b))
    return np.where(open_, b * nats / np.log(2.0), 0.0)


def training_time(flops: Values, epochs: Values, share: Values, gpus: Values, speed: Values) -> Array:
    """Time to train a share of an adapter, t d phi e / (g F), s; T^(t1) and T^(t3) of Section II-B.

    Parameters
    ----------
    flops
        t d, FLOP of one epoch over the whole adapter.
    epochs
        e, number of epochs.
    share
        Share that is trained here: phi at the user, 1 - phi at the server.
    gpus
        g, number of GPUs.
    speed
        F, FLOP/s of one GPU.
    """
    with np.errstate(over="ignore", under="ignore"):
        return _quotient(np.multiply(flops, epochs) * share, np.multiply(gpus, speed))


def transmission_time(bits: Values, share: Values, rate: Values) -> Array:
    """Time to send a share of an adapter, phi d omega_b / r, s; T^(t2) and T^(t4) of Section II-B.

    Parameters
    ----------
    bits
        d omega_b, bit.
    share
        Share that is sent: phi upwards, 1 - phi downwards.
    rate
        r, bit/s.
    """
    with np.errstate(over="ignore", under="ignore"):
        return _quotient(np.multiply(bits, share), rate)


def training_energy(capacitance: Values, flops: Values, epochs: Values, share: Values, speed: Values) -> Array:
    """Energy to train a share of an adapter, e kappa phi d t F^2, J; E^(t1) and E^(t3) of Section II-B.

    The GPU count does not appear: the paper has it in the times only. `capacitance` is in J s^2/FLOP^3,
    the rest as in `training_time`.
    """
    share = np.asarray(share, dtype=np.float64)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        # kappa F first: kappa is about 1e-38 and F^2 about 1e30.
        energy = np.multiply(capacitance, speed) * speed * flops * epochs * share
    return np.where(share == 0, 0.0, energy)


def transmission_energy(power: Values, time: Values) -> Array:
    """Energy of sending for `time` s with `power` W, J; E^(t2) and E^(t4) of Section II-B.

    Sending forever counts as infinite energy, at zero power too.
    """
    power, time = np.broadcast_arrays(np.asarray(power, dtype=np.float64), np.asarray(time, dtype=np.float64))
    finite = np.isfinite(time)
    with np.errstate(over="ignore", under="ignore"):
        return np.where(finite, power * np.where(finite, time, 0.0), np.inf)


def _quotient(work: Values, speed: Values) -> Array:
    """Work over speed with 0/0 = 0 and positive/0 = infinity; NaN stays visible."""
    work, speed = np.broadcast_arrays(np.asarray(work, dtype=np.float64), np.asarray(speed, dtype=np.float64))
    with np.errstate(divide="ignore", over="ignore", under="ignore", invalid="ignore"):
        return np.where(work == 0, 0.0, work / speed)
