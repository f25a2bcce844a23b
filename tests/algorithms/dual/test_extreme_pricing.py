"""Pricing where numbers end: what underflows, overflows or hides behind rounding proves nothing too low."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from pricing_cases import Pricing, extended, realistic, value, wide

import dashf_pyomo
from dashf_pyomo.algorithms.dual.kernels.link import bandwidth_for, enough_bandwidth
from dashf_pyomo.algorithms.dual.kernels.pricing import price_pairs
from formulations import InputError, Scenario
from formulations.families import draw

pytestmark = pytest.mark.slow

NAMES = ("local time", "link time", "server time", "local energy", "uplink energy", "server energy", "downlink energy",
         "SNR up", "SNR down")  # fmt: skip


def reached(pricing: Pricing, k: int) -> float:
    """A value that is reached: ordinary points, and those where a user does all or nothing itself."""
    rng = np.random.default_rng(k)
    x = 10.0 ** rng.uniform(-4.0, 0.0, (4000, 6))
    x[:, 3] = rng.choice([0.0, 1.0, 0.5], 4000)
    x[rng.uniform(size=x.shape) > 0.7] = 1.0
    return float(value(pricing, k, x).max())


@pytest.mark.parametrize("exponent", [-310, -300, -170, -155, -100, -30, 30, 100, 155, 170, 300, 307])
@pytest.mark.parametrize("which", range(9), ids=NAMES)
def test_no_bound_is_too_low_where_one_number_is_extreme(which: int, exponent: int) -> None:
    for pricing in (realistic(0, "default", 1), realistic(1, "slow users", 2), wide(3, 20)):
        c = pricing.coefficients.copy()
        c[:, which] = 10.0**exponent
        changed = dataclasses.replace(pricing, coefficients=c)
        with np.errstate(over="ignore", divide="ignore"):
            known = np.array([reached(changed, k) for k in range(len(c))])
        result = price_pairs(*changed.arguments, tolerance=1e-3, max_cells=60)
        assert not np.isnan(result.upper).any()
        assert np.all(result.upper >= known)
        assert np.all(result.upper >= result.lower)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("which", ["coefficients", "prices of shares", "least rates", "score"])
def test_no_bound_of_the_extended_class_is_too_low_where_some_numbers_are_extreme(which: str, seed: int) -> None:
    rng, count = np.random.default_rng(seed), 30

    def size(*shape: int) -> np.ndarray:
        return 10.0 ** rng.choice([-300.0, -160.0, -80.0, -20.0, 0.0, 0.0, 0.0, 20.0, 80.0, 160.0, 230.0], shape)

    pricing = extended(seed, count)
    terms = pricing.terms
    if which == "coefficients":
        pricing = dataclasses.replace(pricing, coefficients=pricing.coefficients * size(count, 9))
    elif which == "prices of shares":
        pricing = dataclasses.replace(pricing, prices=pricing.prices * size(count, 3))
    elif which == "least rates":
        terms = dataclasses.replace(terms, need_up=terms.need_up * size(count), need_down=terms.need_down * size(count))
    else:
        terms = dataclasses.replace(terms, weight=terms.weight * size(count))
        pricing = dataclasses.replace(pricing, norm=pricing.norm * float(size(1)[0]))
    pricing = dataclasses.replace(pricing, terms=terms)
    with np.errstate(all="ignore"):
        known = np.array([reached(pricing, k) for k in range(count)])
    assert np.isfinite(known).any()
    result = price_pairs(*pricing.arguments, terms=terms, score=pricing.score, tolerance=1e-3, max_cells=60)
    assert not np.isnan(result.upper).any()
    assert np.all(result.upper >= np.where(np.isnan(known), -np.inf, known))
    assert np.all(result.upper >= result.lower)


@pytest.mark.parametrize("seed", range(4))
def test_no_bound_is_too_low_where_all_numbers_are_extreme(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 100
    c = 10.0 ** rng.choice([-300.0, -160.0, -80.0, 0.0, 0.0, 0.0, 80.0, 160.0, 300.0], (count, 9))
    pricing = dataclasses.replace(
        wide(seed, count), coefficients=c, interval=(10.0 ** rng.uniform(-200, 0), 10.0 ** rng.uniform(0, 200))
    )
    with np.errstate(all="ignore"):
        known = np.array([reached(pricing, k) for k in range(count)])
    assert np.isfinite(known).any()
    result = price_pairs(*pricing.arguments, tolerance=1e-3, max_cells=40)
    assert not np.isnan(result.upper).any()
    assert np.all(result.upper >= np.where(np.isnan(known), -np.inf, known))


def test_a_tangent_where_squares_of_the_snr_overflow_is_not_flat() -> None:
    link = [1e-136, 0.4361, 2.7e-87, 4.8978e10]
    coefficients = np.array([[0.02115, 0.15363, 0.06336, 1.7809, *link, 5.534139460657076e299]])
    pricing = Pricing(
        coefficients, 2.319e-4, np.array([[1628.76, 1.9147e-4, 0.0]]), 0.0030635778,
        (3.636080846341812, 3722.0060763625693), np.array([2.0374007e-06]),
    )  # fmt: skip
    for phi in (0.0663323, 0.0, 0.5):
        for cells in (1, 3, 5, 20, 200):
            found = price_pairs(*pricing.arguments, offload=(phi, phi), tolerance=7e-8, max_cells=cells)
            assert found.upper[0] >= found.lower[0]
            if cells == 200:
                assert found.upper[0] < found.lower[0] + 1e-3


@pytest.mark.parametrize("c", [1e-300, 1e-20, 1e-14, 1e-13, 1e-9, 1e-3, 1.0, 1e5, 1e300])
def test_least_bandwidth_lies_below_and_enough_above(c: float) -> None:
    for b in (1e-6, 0.01, 0.3, 0.9, 1.0):
        rate = b * np.log1p(c / b) if np.isfinite(c / b) else b * (np.log(c) - np.log(b))
        assert bandwidth_for(c, rate) * (1.0 - 1e-6) <= b
        enough = enough_bandwidth(c, rate)
        assert enough <= 1.0 + 1e-12 and enough * np.log1p(c / enough) >= rate * (1.0 - 1e-8)


@pytest.mark.parametrize(("size", "seed"), [((2, 2), 5), ((4, 4), 3)])
def test_servers_without_power_to_speak_of_make_no_bound_too_low(size: tuple[int, int], seed: int) -> None:
    scenario = draw("paper", *size, seed)
    power = scenario.server_power_max.copy()
    power[1:] = 1e-170
    scenario = dataclasses.replace(scenario, server_power_max=power)
    known = dashf_pyomo.solve(scenario, "dashf-plus")
    result = dashf_pyomo.solve(scenario, "dual", gap=0.85, time_limit=60)
    assert result.upper_bound is not None and "CONTRADICTION" not in result.message
    assert result.upper_bound >= known.scr


def test_an_uplink_whose_energy_over_snr_underflows_is_not_charged_at_full_power() -> None:
    norm, cu = 1e-108, 1e245
    level, rho = math.log(cu), 0.2e-108
    c = np.array([[1e-2, 0.5 * level, 1e6, norm * 1e-3, 1e3 * norm * level, norm * 1e3, norm, cu, cu]])
    prices = np.full((1, 3), norm * 1e-3)
    proven = price_pairs(
        c, norm, prices, 1.0, (0.5, 3.0), np.array([rho]), offload=(1.0, 1.0), tolerance=1e-4 * norm, max_cells=500
    )
    p = np.logspace(-9.0, 0.0, 1000)
    rate = np.log1p(cu * p)
    delay = c[0, 0] + c[0, 1] / rate
    energy = c[0, 3] + c[0, 4] * p / rate
    worth = math.log1p(3.0 * norm) - 3.0 * prices[0, 0] - energy - rho * np.maximum(delay, 0.5)
    assert proven.upper[0] >= worth[delay <= 3.0].max()


def test_a_speed_whose_cube_is_next_to_zero_costs_no_more_than_it_does() -> None:
    c = np.array([[1.05e-108, 1e-3, 1e6, 6.4e213, 1e-9, 1e6, 1e-9, 1e6, 1e6]])
    proven = price_pairs(
        c, 1.0 / 3.0, np.zeros((1, 3)), 1.0, (0.5, 2.0), np.array([2.0]), offload=(1.0, 1.0), tolerance=1e-6,
        max_cells=2000,
    )  # fmt: skip
    sent = 1e-3 / math.log1p(1e6)
    deadline = np.linspace(0.5, 2.0, 100_001)
    speed = c[0, 0] / (deadline - sent)
    worth = math.log(2.0) - c[0, 3] * speed * speed - 1e-9 * sent / 1e-3 - 2.0 * deadline
    assert proven.upper[0] >= worth.max()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"noise_psd": 1e-300, "bandwidth_max": [1e7, 1e-10]}, r"bandwidth_max\[1\] times noise_psd is below"),
        ({"channel_gain": [[1e-7, 1e-7], [1e-308, 1e-7]]}, r"channel_gain\[1\]\[0\] times a power is below"),
    ],
)
@pytest.mark.parametrize("method", ["dual", "bnp"])
def test_products_with_few_digits_are_refused(method: str, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        dashf_pyomo.solve(Scenario.random(2, 2, seed=0, **changed), method)
