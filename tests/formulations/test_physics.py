"""The equations of Section II against numbers worked out by hand, their edges and their shape."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import magnitudes

from formulations import physics

bandwidths = magnitudes(1e-3, 1e10)
powers = magnitudes(1e-6, 1e4)
gains = magnitudes(1e-20, 1e-4)
noises = magnitudes(1e-22, 1e-15)
factors = magnitudes(1.0, 1e6)


# -- by hand ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        (1.0, 1e6),  # SNR = 1e-8 * 1 / (1e-14 * 1e6) = 1, log2(2) = 1
        (3.0, 2e6),  # SNR = 3, log2(4) = 2
        (7.0, 3e6),  # SNR = 7, log2(8) = 3
        (1023.0, 10e6),  # SNR = 1023, log2(1024) = 10
    ],
)
def test_rate_by_hand(power: float, expected: float) -> None:
    assert physics.rate(1e6, power, 1e-8, 1e-14) == pytest.approx(expected, rel=1e-14, abs=0)


def test_rate_at_a_tiny_snr_keeps_its_digits() -> None:
    # SNR = 1e-20 * 1 / (1e-10 * 1e6) = 1e-16, lost in 1 + SNR; the rate is 1e6 * 1e-16 / ln 2 = 1e-10 / 0.693147...
    assert physics.rate(1e6, 1.0, 1e-20, 1e-10) == pytest.approx(1.4426950408889634e-10, rel=1e-14, abs=0)


def test_rate_of_thermal_noise_at_one_kilometre() -> None:
    # 128.1 dB loss, 0.2 W, 1 MHz, -174 dBm/Hz: signal 10^-12.81 * 0.2 = 3.09763e-14 W,
    # noise 10^-20.4 * 1e6 = 3.98107e-15 W, SNR = 7.78090, log2(8.78090) = 3.13437
    assert physics.rate(1e6, 0.2, 10**-12.81, 10**-20.4) == pytest.approx(3.13437e6, rel=1e-5, abs=0)


def test_training_time_by_hand() -> None:
    # 4e12 FLOP * 2 epochs * 0.25 / (4 GPUs * 1e12 FLOP/s) = 2e12 / 4e12
    assert physics.training_time(4e12, 2.0, 0.25, 4.0, 1e12) == pytest.approx(0.5)


def test_transmission_time_by_hand() -> None:
    # 32e6 bit * 0.25 / 2e6 bit/s
    assert physics.transmission_time(32e6, 0.25, 2e6) == pytest.approx(4.0)


def test_training_energy_by_hand_at_the_papers_magnitudes() -> None:
    # 1e-38 * 4e12 FLOP * 2 epochs * 0.25 * (2e13)^2 = 1e-38 * 2e12 * 4e26 = 8
    assert physics.training_energy(1e-38, 4e12, 2.0, 0.25, 2e13) == pytest.approx(8.0, rel=1e-14, abs=0)


def test_transmission_energy_by_hand() -> None:
    assert physics.transmission_energy(0.2, 4.0) == pytest.approx(0.8)  # 0.2 W for 4 s


def test_users_and_all_pairs_use_the_same_equations() -> None:
    # SNR = gain / 1e-8: 1, 3 / 7, 15
    gain = np.array([[1e-8, 3e-8], [7e-8, 15e-8]])
    np.testing.assert_allclose(physics.rate(1e6, 1.0, gain, 1e-14), [[1e6, 2e6], [3e6, 4e6]], rtol=1e-14)
    # One row of work per user over one speed per pair: 1e12 * 0.5 / 1e12, 4e12 * 0.5 / 1e12, ...
    time = physics.training_time(np.array([[1e12], [4e12]]), 1.0, 0.5, 1.0, np.array([[1e12, 2e12]]))
    np.testing.assert_allclose(time, [[0.5, 0.25], [2.0, 1.0]])


# -- edges ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bandwidth", "power"), [(0.0, 1.0), (1e6, 0.0), (0.0, 0.0)])
def test_nothing_is_sent_without_bandwidth_or_power(bandwidth: float, power: float) -> None:
    assert physics.rate(bandwidth, power, 1e-8, 1e-14) == 0.0


@pytest.mark.parametrize(("share", "speed", "expected"), [(0.0, 0.0, 0.0), (0.5, 0.0, math.inf), (0.0, 1e12, 0.0)])
def test_no_work_takes_no_time_and_work_without_means_takes_forever(
    share: float, speed: float, expected: float
) -> None:
    assert physics.training_time(4e12, 1.0, share, 1.0, speed) == expected
    assert physics.transmission_time(32e6, share, speed) == expected


def test_a_vanishing_rate_takes_forever_but_does_not_warn() -> None:
    assert physics.transmission_time(1e10, 1.0, 1e-300) == math.inf  # 1e310 s is beyond the floats


def test_no_share_and_no_speed_cost_no_energy() -> None:
    assert physics.training_energy(1e-38, 4e12, 1.0, 0.0, 1e12) == 0.0
    assert physics.training_energy(1e-38, 4e12, 1.0, 0.5, 0.0) == 0.0
    assert physics.transmission_energy(0.2, 0.0) == 0.0


@pytest.mark.parametrize("power", [0.0, 0.2])
def test_sending_forever_costs_infinite_energy(power: float) -> None:
    assert physics.transmission_energy(power, math.inf) == math.inf


def test_nan_stays_visible() -> None:
    assert math.isnan(physics.training_time(math.nan, 1.0, 0.5, 1.0, 1e12))
    assert math.isnan(physics.transmission_time(32e6, 0.5, math.nan))


def test_what_is_beyond_the_floats_is_infinite_and_does_not_warn() -> None:
    assert physics.transmission_energy(10.0, 1e308) == math.inf


def test_rate_where_the_snr_overflows() -> None:
    # SNR = 1e-4 * 1e15 / (1e-38 * 1e-300) = 1e349: log2 of it = 349 * 3.3219280948873623 = 1159.3529051156895
    assert physics.rate(1e-300, 1e15, 1e-4, 1e-38) == pytest.approx(1.1593529051156895e-297, rel=1e-13, abs=0)


def test_rate_has_no_jump_where_the_snr_overflows() -> None:
    # With g p / sigma^2 = 1e49 the SNR overflows below b = 1e49 / 1.797693e308 = 5.562684646268e-260.
    edge = 5.562684646268e-260
    bandwidth = edge * (1.0 + np.linspace(-1e-9, 1e-9, 21))
    per_hertz = physics.rate(bandwidth, 1e15, 1e-4, 1e-38) / bandwidth
    with np.errstate(over="ignore"):
        overflows = ~np.isfinite(1e49 / bandwidth)
    assert overflows.any() and not overflows.all()
    np.testing.assert_allclose(per_hertz, 1024.0, rtol=1e-11)  # log2 of the largest float


def test_smallest_bandwidth_has_a_finite_rate() -> None:
    assert 0.0 < physics.rate(5e-324, 1e15, 1e-4, 1e-38) < 1e-320


# -- shape ------------------------------------------------------------------------------------


@given(bandwidths, powers, gains, noises, factors)
def test_more_bandwidth_never_lowers_a_rate(b: float, p: float, g: float, noise: float, factor: float) -> None:
    assert physics.rate(b * factor, p, g, noise) >= physics.rate(b, p, g, noise) * (1 - 1e-14)


@given(bandwidths, powers, gains, noises, factors)
def test_more_power_never_lowers_a_rate(b: float, p: float, g: float, noise: float, factor: float) -> None:
    assert physics.rate(b, p * factor, g, noise) >= physics.rate(b, p, g, noise) * (1 - 1e-14)


@given(bandwidths, powers, gains, noises, magnitudes(1e-6, 1e6))
def test_rate_scales_with_bandwidth_and_power_together(b: float, p: float, g: float, noise: float, k: float) -> None:
    assert physics.rate(k * b, k * p, g, noise) == pytest.approx(k * physics.rate(b, p, g, noise), rel=1e-12, abs=0)


@given(bandwidths, powers, gains, noises)
def test_rate_stays_below_its_wideband_limit(b: float, p: float, g: float, noise: float) -> None:
    assert 0.0 < physics.rate(b, p, g, noise) <= g * p / noise / math.log(2) * (1 + 1e-14)


@given(bandwidths, bandwidths, powers, powers, gains, noises, st.floats(0.0, 1.0))
def test_rate_is_jointly_concave(b1: float, b2: float, p1: float, p2: float, g: float, noise: float, t: float) -> None:
    between = physics.rate(t * b1 + (1 - t) * b2, t * p1 + (1 - t) * p2, g, noise)
    chord = t * physics.rate(b1, p1, g, noise) + (1 - t) * physics.rate(b2, p2, g, noise)
    assert between >= chord * (1 - 1e-12)


@given(powers, gains, noises)
def test_rate_falls_to_zero_with_the_bandwidth(p: float, g: float, noise: float) -> None:
    rates = physics.rate(10.0 ** -np.arange(0.0, 320.0, 20.0), p, g, noise)
    assert np.all(np.diff(rates) < 0) and rates[-1] < 1e-290
