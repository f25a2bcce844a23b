"""Pricing at general prices: weights of the score, prices of each energy and of phi, constants, limits of delay."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pricing_cases import Pricing, best_known, delay_and_energies, general, value, wide
from strategies import magnitudes

from dashf_pyomo.algorithms.dual.kernels.pricing import (
    Terms,
    least_energy,
    price_pairs,
    prove_pair,
    search_pairs,
    shadow_prices,
)

#: Bounds of the printed problem by kernels that knew one ratio instead of all these terms.
PRINTED = json.loads((Path(__file__).parent / "printed_pricing.json").read_text())

WIDE = magnitudes(1e-3, 1e3)
SIGNED = st.just(0.0) | magnitudes(1e-3, 1e2) | magnitudes(1e-3, 1e2).map(lambda size: -size)


def prove(pricing: Pricing, **options: Any) -> Any:
    return price_pairs(*pricing.arguments, terms=pricing.terms, **options)


def reached(pricing: Pricing, k: int, samples: int) -> float:
    """A value that is reached by random points of either extreme of phi, and between."""
    rng = np.random.default_rng(k)
    x = 10.0 ** rng.uniform(-4.0, 0.0, (samples, 6))
    x[:, 3] = rng.choice([0.0, 1.0, 0.5], samples)
    x[rng.uniform(size=x.shape) > 0.8] = 1.0
    return float(value(pricing, k, x).max())


# -- soundness ------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", range(10))
def test_no_value_that_is_reached_lies_above_its_bound_and_no_lower_target_is_proved(block: int) -> None:
    count, tried = 40, np.zeros(4, int)
    for seed in range(10 * block, 10 * block + 10):
        pricing = general(seed, count)
        close = prove(pricing, tolerance=1e-4, max_cells=100)
        known = np.array([max(close.lower[k], reached(pricing, k, 600)) for k in range(count)])
        assert not np.isnan(close.upper).any()
        assert np.all(close.upper >= known)
        possible = known > -1e3
        targets = np.where(possible, known - 1e-6 * (1.0 + np.abs(known)), -1e3)
        said = prove(pricing, tolerance=1e-3, need=targets, max_cells=200)
        assert np.all(said.upper[possible] >= known[possible])
        mu = pricing.terms.offload_price
        for i, some in enumerate((pricing.terms.weight == 0.0, mu < 0.0, mu > 0.0, pricing.terms.delay_limit < np.inf)):
            tried[i] += int(np.sum(possible & some))
    assert np.all(tried >= 20), tried


@pytest.mark.parametrize("seed", range(12))
def test_bounds_are_above_polished_points(seed: int) -> None:
    pricing = general(1000 + seed, 6)
    result = prove(pricing, tolerance=1e-4, max_cells=300)
    for k in range(6):
        assert result.upper[k] >= max(result.lower[k], best_known(pricing, k, samples=2000, polish=2))


def test_gaps_close_and_columns_are_what_they_say() -> None:
    closed = []
    for seed in range(30):
        pricing = general(2000 + seed, 20)
        result = prove(pricing, tolerance=1e-3, max_cells=2000)
        found = np.isfinite(result.lower)
        assert np.all(result.upper[~found] == -np.inf)
        closed += (result.upper[found] - result.lower[found] <= 1.0001e-3).tolist()
        for k in np.flatnonzero(found):
            column = result.columns[k]
            delay, energies = delay_and_energies(pricing.coefficients[k], column[:6])
            assert [delay, energies.sum()] == pytest.approx(column[[7, 6]].tolist(), rel=1e-9)
            assert delay <= min(pricing.interval[1], pricing.terms.delay_limit[k]) * (1 + 1e-12)
            size = 1.0 + abs(result.lower[k]) + abs(pricing.terms.offload_price[k])
            assert value(pricing, k, column[:6]) >= result.lower[k] - 1e-9 * size
    assert len(closed) > 300 and np.mean(closed) > 0.98, np.mean(closed)


@given(
    c=st.tuples(*[WIDE] * 3, *[st.just(0.0) | WIDE] * 4, *[magnitudes(1e-6, 1e9)] * 2),
    shares=st.tuples(*[st.just(0.0) | WIDE] * 3),
    energies=st.tuples(*[st.just(0.0) | magnitudes(1e-6, 1e6)] * 4),
    weight=st.just(0.0) | magnitudes(1e-6, 1e6),
    mu=SIGNED,
    constant=SIGNED,
    late=magnitudes(1e-6, 1e3),
    rho=st.floats(-2.0, 2.0),
    limit=st.sampled_from([np.inf, 1.0, 0.7]),
)
@settings(max_examples=200, deadline=None)
def test_bounds_hold_at_wide_prices(
    c: tuple, shares: tuple, energies: tuple, weight: float, mu: float, constant: float, late: float, rho: float,
    limit: float,
) -> None:  # fmt: skip
    data = np.array([c])
    whole, _ = delay_and_energies(data[0], np.array([[1.0, 1, 1, 0, 1, 1], [1.0, 1, 1, 1, 1, 1]]))
    first = float(whole.min()) * (1.0 + late)
    terms = Terms(weight, mu, constant, first * limit)
    pricing = Pricing(
        data, 1.0, np.array([shares]), np.array([energies]), (first, 1.5 * first), np.array([rho / first]), terms
    )
    result = prove(pricing, tolerance=1e-3, max_cells=60)
    assert result.upper[0] >= result.lower[0]
    assert result.upper[0] >= reached(pricing, 0, 1500)


@pytest.mark.parametrize("exponent", [-250, -100, -30, 30, 100, 200])
@pytest.mark.parametrize("which", ["weight", "offload_price", "minus offload_price", "energy", "constant"])
def test_no_bound_is_too_low_where_one_price_is_extreme(which: str, exponent: int) -> None:
    pricing = general(7, 30)
    sign = -1.0 if which.startswith("minus") else 1.0
    if which == "energy":
        pricing = dataclasses.replace(pricing, ratio=np.tile([[1.0, 10.0**exponent, 1.0, 10.0**exponent]], (30, 1)))
    else:
        changed = {which.removeprefix("minus "): sign * 10.0**exponent}
        pricing = dataclasses.replace(pricing, terms=dataclasses.replace(pricing.terms, **changed))
    result = prove(pricing, tolerance=1e-3, max_cells=60)
    known = np.array([reached(pricing, k, 2000) for k in range(30)])
    assert np.isfinite(known).any()
    assert not np.isnan(result.upper).any()
    assert np.all(result.upper >= known) and np.all(result.upper >= result.lower)


@pytest.mark.parametrize("stored", PRINTED, ids=lambda stored: str(stored["seed"]))
@pytest.mark.parametrize("spelt", [False, True], ids=["by default", "spelt out"])
def test_the_printed_problem_has_the_bounds_it_always_had(stored: dict[str, Any], spelt: bool) -> None:
    pricing = wide(stored["seed"], len(stored["upper"]))
    ratio: Any = np.full((len(stored["upper"]), 4), pricing.ratio) if spelt else pricing.ratio
    terms = Terms(1.0, 0.0, 0.0, np.full(len(stored["upper"]), 1e9)) if spelt else Terms()
    c, norm, prices, _, interval, rho = pricing.arguments
    found = price_pairs(c, norm, prices, ratio, interval, rho, terms=terms, tolerance=1e-3, max_cells=200)
    for name in ("upper", "lower"):
        then = np.array([-np.inf if value is None else value for value in stored[name]])
        assert getattr(found, name) == pytest.approx(then, rel=1e-12)
    assert found.cells.tolist() == stored["cells"]


# -- what each term does --------------------------------------------------------------------------


def test_a_price_of_energy_counts_as_the_energy_does() -> None:
    pricing = wide(1, 40)
    factor = 2.0 ** np.random.default_rng(0).integers(-4, 5, (40, 4))
    c = pricing.coefficients.copy()
    c[:, 3:7] *= factor  # exact
    rest = pricing.norm, pricing.prices
    priced = price_pairs(pricing.coefficients, *rest, factor, pricing.interval, pricing.delay_price)
    scaled = price_pairs(c, *rest, 1.0, pricing.interval, pricing.delay_price)
    np.testing.assert_array_equal(priced.upper, scaled.upper)
    np.testing.assert_array_equal(priced.lower, scaled.lower)


@pytest.mark.parametrize("factor", [1e-3, 7.0])
def test_a_multiple_of_all_prices_multiplies_the_value(factor: float) -> None:
    pricing = general(3, 40)
    terms = dataclasses.replace(
        pricing.terms,
        weight=factor * pricing.terms.weight,
        offload_price=factor * pricing.terms.offload_price,
        constant=factor * pricing.terms.constant,
    )
    more = Pricing(
        pricing.coefficients, pricing.norm, factor * pricing.prices, factor * pricing.ratio, pricing.interval,
        factor * pricing.delay_price, terms,
    )  # fmt: skip
    one, other = prove(pricing, tolerance=1e-4, max_cells=500), prove(more, tolerance=factor * 1e-4, max_cells=500)
    assert np.all(other.upper >= factor * one.lower - 1e-9) and np.all(factor * one.upper >= other.lower - 1e-9)
    there = np.isfinite(one.lower)
    assert there.sum() > 10
    assert other.upper[there] == pytest.approx(factor * one.upper[there], abs=2e-4 * factor)


def test_constants_and_prices_of_a_fixed_phi_shift_the_value() -> None:
    pricing = wide(2, 40)
    at = {"offload": (0.3, 0.3), "tolerance": 1e-4, "max_cells": 500}
    plain = price_pairs(*pricing.arguments, **at)
    for mu, constant in ((0.0, -2.5), (4.0, 0.0), (-4.0, 1.0)):
        moved = price_pairs(*pricing.arguments, terms=Terms(offload_price=mu, constant=constant), **at)
        there = np.isfinite(plain.lower)
        assert moved.upper[there] == pytest.approx(plain.upper[there] - 0.3 * mu - constant, abs=2e-4)
        assert moved.lower[there] == pytest.approx(plain.lower[there] - 0.3 * mu - constant, abs=2e-4)


def test_a_price_of_phi_decides_who_trains() -> None:
    c = np.full((1, 9), 1.0)
    c[:, 7:] = 1e3
    arguments = c, 1.0, np.full((1, 3), 0.1), 0.1, (5.0, 6.0), 0.01
    for mu, phi in ((50.0, 0.0), (-50.0, 1.0)):
        found = search_pairs(*arguments, terms=Terms(offload_price=mu))
        assert found.columns[0, 3] == pytest.approx(phi, abs=1e-9)


def test_without_a_weight_of_the_score_shares_are_as_small_as_the_deadline_allows() -> None:
    pricing = dataclasses.replace(wide(4, 40), ratio=0.0, terms=Terms(weight=0.0))
    result = prove(pricing, tolerance=1e-4, max_cells=1000)
    there = np.isfinite(result.lower) & (pricing.delay_price >= 0.0)
    assert there.sum() > 5
    assert np.all(result.upper[there] <= 1e-8)  # nothing is gained


@pytest.mark.parametrize("rho", [0.4, 0.0, -0.4])
@pytest.mark.parametrize("limit", [0.6, 1.0, 1.5, 2.0, 3.0])
def test_a_limit_of_delay_is_a_shorter_interval_and_a_constant(rho: float, limit: float) -> None:
    pricing = dataclasses.replace(wide(5, 40), interval=(1.0, 2.0), delay_price=np.full(40, rho))
    rest = pricing.coefficients, pricing.norm, pricing.prices, pricing.ratio
    limited = price_pairs(*rest, (1.0, 2.0), rho, terms=Terms(delay_limit=limit), tolerance=1e-4, max_cells=1000)
    # Delays are at most the limit, and time is paid for from 1 to 2: for 1 or more, and for 2 if that is paid.
    paid = {0.6: 1.0 if rho >= 0.0 else 2.0}.get(limit, 0.0)
    interval = (min(1.0, limit), min(2.0, limit))
    if rho < 0.0 and limit < 2.0:
        paid, interval = 2.0, (interval[1], interval[1])
    by_hand = price_pairs(*rest, interval, 0.0 if paid else rho, tolerance=1e-4, max_cells=1000)
    there = np.isfinite(by_hand.lower)
    assert there.sum() > 3
    np.testing.assert_array_equal(np.isfinite(limited.lower), there)
    assert limited.upper[there] == pytest.approx(by_hand.upper[there] - rho * paid, abs=3e-4)
    assert np.all(limited.columns[there, 7] <= limit * (1 + 1e-12))


def test_leaves_prove_general_bounds_too() -> None:
    pricing = general(11, 20)
    whole = prove(pricing, tolerance=1e-4, max_cells=300)
    for k in range(0, 20, 3):
        t = pricing.terms
        terms = Terms(t.weight[k], t.offload_price[k], t.constant[k], t.delay_limit[k])
        upper, _, leaves = prove_pair(
            pricing.coefficients[k], pricing.norm, pricing.prices[k], pricing.ratio[k], pricing.interval,
            float(pricing.delay_price[k]), terms=terms, tolerance=1e-4, max_cells=300,
        )  # fmt: skip
        assert upper == whole.upper[k] == leaves[:, 7].max()


# -- least energy, shadow prices ------------------------------------------------------------------


@given(
    c=st.tuples(*[WIDE] * 7, *[magnitudes(1e-6, 1e9)] * 2),
    shares=st.tuples(*[magnitudes(1e-6, 1.0)] * 3),
    prices=st.tuples(*[st.just(0.0) | magnitudes(1e-3, 1e3)] * 4),
    mu=SIGNED,
    ahead=magnitudes(1e-3, 1e3),
)
@settings(max_examples=300, deadline=None)
def test_least_priced_energy_is_reached_and_proven_by_its_own_price(
    c: tuple, shares: tuple, prices: tuple, mu: float, ahead: float
) -> None:
    c, z, paid = np.array(c), np.array(shares), np.array(prices)
    full, _ = delay_and_energies(c, np.array([[*z, 0.0, 1.0, 1.0], [*z, 1.0, 1.0, 1.0]]))
    deadline = float(full.min() * (1.0 + ahead))
    least, phi, p, f, m = least_energy(c[None], z[None], deadline, energy_price=paid, offload_price=mu)[0]
    delay, energies = delay_and_energies(c, np.array([*z, phi, p, f]))
    assert delay <= deadline * (1 + 1e-12)
    assert energies @ paid + mu * phi == pytest.approx(least, rel=1e-9, abs=1e-9 * (energies @ paid + abs(mu)))
    # Weak duality at m, in plain NumPy: no p, f, phi is cheaper.
    a1, a2, _, e1, e2, _, _, cu, _ = c
    served, spent = delay_and_energies(c, np.array([*z, 0.0, 1.0, 1.0]))
    grid = np.logspace(-12, 0, 4001)
    rate = z[0] * np.log1p(cu * grid / z[0])
    own = np.min(paid[0] * e1 * grid**2 + m * a1 / grid) + np.min((paid[1] * e2 * grid + m * a2) / rate)
    dual = min(own + mu, spent @ paid + m * served) - m * deadline
    assert least <= dual + 1e-4 * (own + abs(m * deadline)) + 1e-9 * (abs(mu) + 1.0)


def test_shadow_prices_are_the_slopes_of_the_priced_value() -> None:
    rng = np.random.default_rng(3)
    count, step = 200, 1e-6
    c = 10.0 ** rng.uniform(-1.0, 0.5, (count, 9))
    c[:, 7:] = 10.0 ** rng.uniform(0.0, 4.0, (count, 2))
    paid, weight, mu = 10.0 ** rng.uniform(-1.0, 1.0, (count, 4)), rng.uniform(0.0, 3.0, count), rng.normal(size=count)
    at = np.column_stack([10.0 ** rng.uniform(-1.0, -0.1, (count, 3)), np.full(count, 12.0)])

    def worth(z: np.ndarray) -> np.ndarray:
        least = least_energy(c, z[:, :3], z[:, 3], energy_price=paid, offload_price=mu)[:, 0]
        return weight * np.log1p(0.5 * z[:, :3].sum(axis=1)) - least

    slopes = shadow_prices(c, 0.5, paid, at[:, :3], 12.0, weight=weight, offload_price=mu)
    there = np.isfinite(slopes).all(axis=1)
    assert there.sum() > 50
    for i in range(4):
        ahead, behind = at.copy(), at.copy()
        ahead[:, i] *= 1.0 + step
        behind[:, i] *= 1.0 - step
        with np.errstate(invalid="ignore"):
            measured = (worth(ahead) - worth(behind)) / (2.0 * step * at[:, i])
        close = np.abs(measured - slopes[:, i]) <= 1e-3 * (1.0 + np.abs(slopes[:, i]))
        assert np.mean(close[there]) > 0.95  # on a ridge the price of delay jumps


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        (Terms(weight=-1.0), "weights"),
        (Terms(weight=np.inf), "weights"),
        (Terms(offload_price=np.nan), "offload prices"),
        (Terms(constant=1e300), "constants"),
        (Terms(delay_limit=0.0), "delay limits"),
        (Terms(delay_limit=np.nan), "delay limits"),
        (Terms(need_up=-1.0), "least rates"),
        (Terms(need_down=np.inf), "least rates"),
        (Terms(need_up=np.nan), "least rates"),
    ],
)
def test_terms_out_of_range_are_refused(terms: Terms, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        price_pairs(*wide(1, 3).arguments, terms=terms)


def test_negative_energy_prices_are_refused() -> None:
    c, norm, prices, _, interval, rho = wide(1, 3).arguments
    with pytest.raises(ValueError, match="energy prices"):
        price_pairs(c, norm, prices, (1.0, 1.0, -1e-3, 1.0), interval, rho)
