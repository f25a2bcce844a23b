"""Pricing of the extended class: least rates, prices of shares of any sign, other scores, intervals of each pair."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pricing_cases import (
    FAMILIES,
    SCORE_VALUES,
    Pricing,
    best_known,
    carried,
    delay_and_energies,
    extended,
    realistic,
    value,
)
from scipy.optimize import brentq, minimize_scalar
from strategies import magnitudes

from dashf_pyomo.algorithms.dual.kernels.pricing import (
    SCORES,
    Terms,
    least_energy,
    price_pairs,
    prove_pair,
    search_pairs,
    shadow_prices,
)


def prove(pricing: Pricing, **options: Any) -> Any:
    return price_pairs(*pricing.arguments, terms=pricing.terms, score=pricing.score, **options)


def reached(pricing: Pricing, k: int, samples: int) -> float:
    """A value that is reached by random points of either extreme of phi, and between."""
    rng = np.random.default_rng(k)
    x = 10.0 ** rng.uniform(-4.0, 0.0, (samples, 6))
    x[:, 3] = rng.choice([0.0, 1.0, 0.5], samples)
    x[rng.uniform(size=x.shape) > 0.7] = 1.0
    return float(value(pricing, k, x).max())


def free_pair(**changed: Any) -> dict[str, Any]:
    """A pair whose energy is free and whose deadline is far away: shares alone count."""
    c = np.array([[1e-3, 1e-3, 1e-3, 0.0, 0.0, 0.0, 0.0, 50.0, 20.0]])
    given = {"prices": np.zeros((1, 3)), "interval": (0.0, 1e3), "terms": Terms(weight=0.0)} | changed
    return {"coefficients": c, "norm": 1.0, "energy_price": 0.0, "delay_price": 0.0, "tolerance": 1e-6, **given}


# -- all of it together ---------------------------------------------------------------------------


@pytest.mark.parametrize("block", range(6))
def test_no_value_that_is_reached_lies_above_its_bound_and_no_lower_target_is_proved(block: int) -> None:
    count, tried = 40, np.zeros(4, int)
    for seed in range(6 * block, 6 * block + 6):
        pricing = extended(seed, count)
        close = prove(pricing, tolerance=1e-4, max_cells=100)
        known = np.array([max(close.lower[k], reached(pricing, k, 600)) for k in range(count)])
        assert not np.isnan(close.upper).any()
        assert np.all(close.upper >= known)
        possible = known > -1e3
        targets = np.where(possible, known - 1e-6 * (1.0 + np.abs(known)), -1e3)
        said = prove(pricing, tolerance=1e-3, need=targets, max_cells=200)
        assert np.all(said.upper[possible] >= known[possible])
        t, negative = pricing.terms, np.any(pricing.prices < 0.0, axis=1)
        for i, some in enumerate((t.need_up > 0.0, t.need_down > 0.0, negative, pricing.interval[0] == 0.0)):
            tried[i] += int(np.sum(possible & some))
    assert np.all(tried >= 25), tried


@pytest.mark.parametrize("seed", range(6))
def test_bounds_are_above_polished_points(seed: int) -> None:
    pricing = extended(1000 + seed, 6)
    result = prove(pricing, tolerance=1e-4, max_cells=300)
    for k in range(6):
        assert result.upper[k] >= max(result.lower[k], best_known(pricing, k, samples=2000, polish=2))


def test_gaps_close_and_columns_are_what_they_say() -> None:
    closed = []
    for seed in range(30):
        pricing = extended(2000 + seed, 20)
        result = prove(pricing, tolerance=1e-3, max_cells=2000)
        found = np.isfinite(result.lower)
        assert np.all(result.upper[~found] == -np.inf)
        closed += (result.upper[found] - result.lower[found] <= 1.0001e-3).tolist()
        for k in np.flatnonzero(found):
            column = result.columns[k]
            delay, energies = delay_and_energies(pricing.coefficients[k], column[:6])
            assert [delay, energies.sum()] == pytest.approx(column[[7, 6]].tolist(), rel=1e-9)
            assert np.all((column[:6] >= 0.0) & (column[:6] <= 1.0)) and carried(pricing, k, column[:6])
            assert (
                pricing.interval[0][k] <= column[8] <= pricing.interval[1][k] or pricing.terms.delay_limit[k] < np.inf
            )
            assert delay <= min(column[8], pricing.terms.delay_limit[k]) * (1 + 1e-12)
            size = 1.0 + abs(result.lower[k]) + abs(pricing.terms.offload_price[k])
            assert value(pricing, k, column[:6]) >= result.lower[k] - 1e-9 * size
    assert len(closed) > 300 and np.mean(closed) > 0.97, np.mean(closed)


@given(
    seed=st.integers(0, 2**32 - 1),
    worth=magnitudes(1e-38, 1e15),
    seconds=magnitudes(1e-15, 1e15),
    shares=magnitudes(1e-15, 1e15),
)
@settings(max_examples=60, deadline=None)
def test_bounds_hold_in_any_units(seed: int, worth: float, seconds: float, shares: float) -> None:
    """Values, times and what the score makes of shares in units of any size: bounds hold, tolerances are reached."""
    base = extended(seed, 8)
    c, t = base.coefficients.copy(), base.terms
    c[:, :3] *= seconds
    limits = {"delay_limit": t.delay_limit * seconds, "offload_price": worth * t.offload_price}
    terms = dataclasses.replace(t, weight=worth * t.weight, constant=worth * t.constant, **limits)
    pricing = dataclasses.replace(
        base,
        coefficients=c,
        norm=base.norm * shares,
        prices=worth * base.prices,
        ratio=worth * base.ratio,
        interval=tuple(seconds * end for end in base.interval),
        delay_price=worth / seconds * base.delay_price,
        terms=terms,
    )
    result = prove(pricing, tolerance=1e-3 * worth, max_cells=300)
    known = np.array([reached(pricing, k, 600) for k in range(8)])
    assert not np.isnan(result.upper).any()
    assert np.all(result.upper >= known) and np.all(result.upper >= result.lower)
    possible = np.isfinite(known)
    targets = np.where(possible, known - 1e-6 * (worth + np.abs(known)), 0.0)
    said = prove(pricing, tolerance=1e-3 * worth, need=targets, max_cells=60)
    assert np.all(said.upper[possible] >= known[possible])


def test_leaves_prove_extended_bounds_too() -> None:
    pricing = extended(11, 20)
    whole = prove(pricing, tolerance=1e-4, max_cells=300)
    for k in range(0, 20, 3):
        terms = Terms(**{field.name: getattr(pricing.terms, field.name)[k] for field in dataclasses.fields(Terms)})
        interval = pricing.interval[0][k], pricing.interval[1][k]
        upper, _, leaves = prove_pair(
            pricing.coefficients[k], pricing.norm, pricing.prices[k], pricing.ratio[k], interval,
            float(pricing.delay_price[k]), terms=terms, score=pricing.score, tolerance=1e-4, max_cells=300,
        )  # fmt: skip
        assert upper == whole.upper[k] == leaves[:, 7].max()


# -- least rates ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [(0.0, 1.0), (0.0, 0.0), (1.0, 1.0)])
def test_a_least_uplink_rate_takes_its_bandwidth_whatever_phi_is(ends: tuple[float, float]) -> None:
    least = brentq(lambda b: b * np.log1p(50.0 / b) - 1.5, 1e-6, 1.0, xtol=1e-15)
    found = price_pairs(**free_pair(prices=np.array([[1.0, 0.0, 0.0]]), terms=Terms(0.0, need_up=1.5)), offload=ends)
    assert found.lower[0] == pytest.approx(-least, abs=1e-5)
    assert found.lower[0] <= found.upper[0] <= found.lower[0] + 1e-6


@pytest.mark.parametrize("ends", [(0.0, 1.0), (0.0, 0.0), (1.0, 1.0)])
def test_a_least_downlink_rate_takes_the_cheapest_bandwidth_and_power_whatever_phi_is(
    ends: tuple[float, float],
) -> None:
    def cost(b: float) -> float:
        power = b * np.expm1(1.2 / b) / 20.0
        return 1.0 * b + 0.7 * power if power <= 1.0 else 10.0

    least = min(
        minimize_scalar(cost, bounds=(low, 1.0), method="bounded", options={"xatol": 1e-12}).fun for low in (0.1, 0.3)
    )
    found = price_pairs(**free_pair(prices=np.array([[1.0, 0.7, 0.0]]), terms=Terms(0.0, need_down=1.2)), offload=ends)
    assert -least <= found.upper[0] <= -least + 1e-5
    assert found.upper[0] - found.lower[0] <= 1e-6


def test_least_rates_beyond_all_resources_are_impossible_and_those_up_to_them_are_not() -> None:
    for name, snr in (("need_up", 50.0), ("need_down", 20.0)):
        for factor, there in ((1.0 - 1e-9, True), (1.0, True), (1.0 + 1e-5, False)):
            found = price_pairs(**free_pair(terms=Terms(0.0, **{name: factor * np.log1p(snr)})))
            assert np.isfinite(found.lower[0]) == there and (found.upper[0] > -np.inf) == there


@pytest.mark.parametrize("family", FAMILIES)
def test_least_rates_close_no_slower_than_the_rest(family: str) -> None:
    pricing = realistic(1, family, 2)
    most = np.log1p(pricing.coefficients[:, 7:])
    free = prove(pricing, tolerance=1e-4, max_cells=3000)
    for up, down in ((0.3, 0.0), (0.0, 0.3), (0.2, 0.2)):
        bound = dataclasses.replace(pricing, terms=Terms(need_up=up * most[:, 0], need_down=down * most[:, 1]))
        found = prove(bound, tolerance=1e-4, max_cells=3000)
        assert np.all(found.upper - found.lower <= 1.0001e-4)
        assert np.all(found.lower <= free.upper) and found.lower.sum() < free.lower.sum() - 1e-3


@given(
    c=st.tuples(
        *[magnitudes(1e-3, 1e3)] * 3, *[st.just(0.0) | magnitudes(1e-3, 1e3)] * 4, *[magnitudes(1e-3, 1e6)] * 2
    ),
    shares=st.tuples(*[magnitudes(1e-4, 1.0)] * 3),
    part=st.tuples(*[magnitudes(1e-3, 0.999)] * 2),
    mu=st.sampled_from([0.0, 0.5, -0.5, 30.0]),
    ahead=magnitudes(1e-3, 1e3),
)
@settings(max_examples=200, deadline=None)
def test_least_energy_with_least_rates_is_reached_and_no_point_is_cheaper(
    c: tuple, shares: tuple, part: tuple, mu: float, ahead: float
) -> None:
    row, z = np.array(c), np.array(shares)
    full, _ = delay_and_energies(row, np.array([[*z, 0.0, 1.0, 1.0], [*z, 1.0, 1.0, 1.0]]))
    deadline = float(full.min() * (1.0 + ahead))
    fastest = z[0] * np.log1p(row[7] / z[0]), z[0] * np.log1p(row[8] * z[1] / z[0])
    need_up, need_down = part[0] * fastest[0], part[1] * fastest[1]
    needs = {"need_up": need_up, "need_down": need_down}
    least, phi, p, f, _ = least_energy(row[None], z[None], deadline, offload_price=mu, **needs)[0]
    delay, energies = delay_and_energies(row, np.array([*z, phi, p, f]))
    scale = energies.sum() + abs(mu)
    assert delay <= deadline * (1 + 1e-12)
    assert z[0] * np.log1p(row[7] * p / z[0]) >= need_up * (1 - 1e-12)
    assert energies.sum() + mu * phi == pytest.approx(least, rel=1e-9, abs=1e-9 * scale)
    rng = np.random.default_rng(0)
    x = np.empty((4000, 6))
    x[:, :3] = z
    x[:, 3] = rng.choice([0.0, 1.0, 2.0], 4000)
    x[:, 3] = np.where(x[:, 3] > 1.5, rng.uniform(size=4000), x[:, 3])
    slowest = z[0] * np.expm1(need_up / z[0]) / row[7]
    x[:, 4] = slowest * (1.0 + 1e-12) * np.maximum(1.0, 1.0 / slowest) ** rng.uniform(0.0, 1.0, 4000)
    x[:, 5] = 10.0 ** rng.uniform(-6.0, 0.0, 4000)
    others, spent = delay_and_energies(row, np.clip(x, 0.0, 1.0))
    cheapest = np.min(np.where(others <= deadline, spent.sum(axis=1) + mu * x[:, 3], np.inf))
    assert least <= cheapest + 1e-9 * scale
    # Shares that do not carry a need have no energy.
    assert least_energy(row[None], z[None], deadline, need_up=1.0001 * fastest[0])[0, 0] == np.inf
    assert least_energy(row[None], z[None], deadline, need_down=1.0001 * fastest[1])[0, 0] == np.inf


# -- prices of shares of any sign -----------------------------------------------------------------


def test_shares_that_are_paid_for_are_taken_whole() -> None:
    found = price_pairs(**free_pair(prices=np.array([[-1.0, -2.0, -4.0]])))
    assert found.columns[0, :3].tolist() == [1.0, 1.0, 1.0]
    assert found.lower[0] == pytest.approx(7.0, abs=1e-9) and 7.0 <= found.upper[0] <= 7.0 + 1e-5
    # Power is taken whole at little bandwidth too.
    found = price_pairs(**free_pair(prices=np.array([[50.0, -2.0, 3.0]])))
    assert found.columns[0, 1] == pytest.approx(1.0, abs=1e-9)
    assert found.upper[0] - found.lower[0] <= 1e-6


@pytest.mark.parametrize("which", range(3))
def test_a_price_below_zero_is_worth_what_a_whole_share_is_at_most(which: int) -> None:
    pricing = realistic(0, "default", 1)
    free = prove(pricing, tolerance=1e-4, max_cells=2000)
    prices = pricing.prices.copy()
    prices[:, which] = -0.5
    none = prices.copy()
    none[:, which] = 0.0
    paid = prove(dataclasses.replace(pricing, prices=prices), tolerance=1e-4, max_cells=2000)
    zero = prove(dataclasses.replace(pricing, prices=none), tolerance=1e-4, max_cells=2000)
    assert np.all(paid.upper - paid.lower <= 1.0001e-4) and np.all(paid.lower >= free.lower - 1e-4)
    assert np.all(paid.lower <= zero.upper + 0.5) and np.all(paid.upper >= zero.lower)


# -- other scores ---------------------------------------------------------------------------------


@pytest.mark.parametrize("score", SCORES)
def test_a_score_against_prices_of_shares_is_its_conjugate(score: str) -> None:
    grid = np.linspace(0.0, 3.0, 300_001)
    for weight, price in ((1.0, 0.2), (1.0, 0.9), (3.0, 1.2), (0.3, 2.0)):
        found = price_pairs(**free_pair(prices=np.full((1, 3), price), terms=Terms(weight)), score=score)
        best = np.max(weight * SCORE_VALUES[score](grid) - price * grid)
        # A little bandwidth is needed to send anything.
        assert best - 1e-3 <= found.lower[0] <= best + 1e-7
        assert found.lower[0] <= found.upper[0] <= found.lower[0] + 1e-6


@pytest.mark.parametrize("score", ["sqrt", "linear"])
@pytest.mark.parametrize("family", FAMILIES)
def test_other_scores_close_as_the_logarithm_does(score: str, family: str) -> None:
    pricing = dataclasses.replace(realistic(2, family, 1), score=score)
    found = prove(pricing, tolerance=1e-4, max_cells=3000)
    assert np.all(found.upper - found.lower <= 1.0001e-4)
    for k in range(0, 20, 7):
        assert found.upper[k] >= best_known(pricing, k, samples=2000, polish=1)


def test_shadow_prices_are_the_slopes_of_any_score_with_least_rates() -> None:
    rng = np.random.default_rng(3)
    count, step = 150, 1e-6
    c = 10.0 ** rng.uniform(-1.0, 0.5, (count, 9))
    c[:, 7:] = 10.0 ** rng.uniform(0.0, 4.0, (count, 2))
    at = np.column_stack([10.0 ** rng.uniform(-1.0, -0.1, (count, 3)), np.full(count, 20.0)])
    needs = {
        "need_up": rng.choice([0.0, 0.7], count) * at[:, 0] * np.log1p(c[:, 7] / at[:, 0]),
        "need_down": rng.choice([0.0, 0.7], count) * at[:, 0] * np.log1p(c[:, 8] * at[:, 1] / at[:, 0]),
    }
    for score in SCORES:

        def worth(z: np.ndarray, score: str = score) -> np.ndarray:
            gained = 2.0 * SCORE_VALUES[score](0.5 * z[:, :3].sum(axis=1))
            return gained - least_energy(c, z[:, :3], z[:, 3], **needs)[:, 0]

        slopes = shadow_prices(c, 0.5, 1.0, at[:, :3], 20.0, weight=2.0, score=score, **needs)
        there = np.isfinite(slopes).all(axis=1)
        assert there.sum() > 60
        for i in range(4):
            ahead, behind = at.copy(), at.copy()
            ahead[:, i] *= 1.0 + step
            behind[:, i] *= 1.0 - step
            with np.errstate(invalid="ignore"):
                measured = (worth(ahead) - worth(behind)) / (2.0 * step * at[:, i])
            close = np.abs(measured - slopes[:, i]) <= 1e-3 * (1.0 + np.abs(slopes[:, i]))
            assert np.mean(close[there]) > 0.95


# -- intervals of each pair -----------------------------------------------------------------------


def test_intervals_of_each_pair_are_those_of_the_pairs_alone() -> None:
    pricing = extended(5, 30)
    whole = prove(pricing, tolerance=1e-3, max_cells=200)
    for k in range(30):
        terms = Terms(**{field.name: getattr(pricing.terms, field.name)[k] for field in dataclasses.fields(Terms)})
        alone = price_pairs(
            pricing.coefficients[k : k + 1], pricing.norm, pricing.prices[k : k + 1], pricing.energy_prices[k],
            (float(pricing.interval[0][k]), float(pricing.interval[1][k])), pricing.delay_price[k],
            terms=terms, score=pricing.score, tolerance=1e-3, max_cells=200,
        )  # fmt: skip
        assert alone.upper[0] == whole.upper[k] and alone.lower[0] == whole.lower[k]


@pytest.mark.parametrize("start", ["zero", "least delay"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_user_that_pays_for_its_delay_alone_is_bounded_as_well_at_any_longest_deadline(
    family: str, start: str
) -> None:
    pricing = realistic(1, family, 1)
    c, latest = pricing.coefficients, pricing.interval[1]
    own, served = c[:, 0] + c[:, 1] / np.log1p(c[:, 7]), c[:, 2] + c[:, 1] / np.log1p(c[:, 8])
    first = np.minimum(own, served) * (1.0 - 1e-9) if start == "least delay" else 0.0
    before = None
    for factor in (30.0, 1e3, 1e6, 1e9):
        late = dataclasses.replace(pricing, interval=(first, factor * latest))
        found = prove(late, tolerance=1e-4, max_cells=3000)
        assert np.all(found.upper - found.lower <= 1.0001e-4)
        if before is not None:
            assert np.all(found.upper >= before.lower) and np.all(found.lower <= before.upper)
        quick = search_pairs(*late.arguments)
        assert np.mean(quick.lower >= found.lower - 2e-4) > 0.9
        before = found


# -- all or nothing -------------------------------------------------------------------------------


@pytest.mark.parametrize("phi", [0.0, 1.0])
def test_a_user_that_does_all_or_nothing_itself_is_priced_as_such(phi: float) -> None:
    tried = 0
    for seed in range(6):
        pricing = extended(3000 + seed, 20)
        found = prove(pricing, offload=(phi, phi), tolerance=1e-3, max_cells=1000)
        there = np.isfinite(found.lower)
        assert np.all(found.columns[there, 3] == phi)
        assert np.all(found.upper[~there] == -np.inf)
        for k in range(20):
            x = 10.0 ** np.random.default_rng(k).uniform(-4.0, 0.0, (1500, 6))
            x[np.random.default_rng(k + 1).uniform(size=x.shape) > 0.7] = 1.0
            x[:, 3] = phi
            assert found.upper[k] >= max(found.lower[k], value(pricing, k, x).max())
        tried += int(there.sum())
    assert tried > 50
