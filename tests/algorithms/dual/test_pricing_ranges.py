"""Pricing with phi kept in a range: what branching on phi needs."""

from __future__ import annotations

import numpy as np
import pytest
from pricing_cases import FAMILIES, Pricing, delay_and_energy, realistic, value, wide

from dashf_pyomo.algorithms.dual.kernels.pricing import LEAF, least_energy, price_pairs, prove_pair

RANGES = [(0.0, 0.0), (1.0, 1.0), (0.0, 0.5), (0.3, 0.8), (0.5, 1.0)]


def reached_in(pricing: Pricing, k: int, low: float, high: float, samples: int = 6000) -> float:
    """A value that is reached with phi in the range, by random points."""
    rng = np.random.default_rng(k)
    x = 10.0 ** rng.uniform(-4.0, 0.0, (samples, 6))
    x[:, 3] = rng.choice([low, high, 0.5 * (low + high)], samples)
    x[rng.uniform(size=x.shape) > 0.9] = 1.0
    x[:, 3] = np.clip(x[:, 3], low, high)
    return float(value(pricing, k, x).max())


@pytest.mark.parametrize("ends", RANGES)
@pytest.mark.parametrize("family", FAMILIES)
def test_columns_stay_in_the_range_and_bounds_hold(family: str, ends: tuple[float, float]) -> None:
    pricing = realistic(1, family, 3)
    free = price_pairs(*pricing.arguments, tolerance=1e-3)
    kept = price_pairs(*pricing.arguments, offload=ends, tolerance=1e-3)
    assert np.all(kept.lower <= free.upper)
    found = np.isfinite(kept.lower)
    assert found.any()
    phi = kept.columns[found, 3]
    assert np.all((ends[0] <= phi) & (phi <= ends[1]))
    assert np.mean(kept.upper[found] - kept.lower[found] <= 1.0001e-3) > 0.9
    for k in np.flatnonzero(found):
        delay, energy = delay_and_energy(pricing.coefficients[k], kept.columns[k, :6])
        assert [delay, energy] == pytest.approx(kept.columns[k, [7, 6]].tolist(), rel=1e-9)
        assert delay <= kept.columns[k, 8] * (1 + 1e-12)
        assert kept.upper[k] >= reached_in(pricing, k, *ends)
    for k in np.flatnonzero(~found):
        assert reached_in(pricing, k, *ends) == -np.inf


@pytest.mark.parametrize("seed", range(6))
def test_both_halves_together_are_worth_the_whole(seed: int) -> None:
    pricing = realistic(seed, FAMILIES[seed % 4], seed) if seed < 4 else wide(seed, 12)
    whole = price_pairs(*pricing.arguments, tolerance=1e-4, max_cells=5000)
    halves = [price_pairs(*pricing.arguments, offload=r, tolerance=1e-4, max_cells=5000) for r in ((0, 0.4), (0.4, 1))]
    upper = np.maximum(halves[0].upper, halves[1].upper)
    lower = np.maximum(halves[0].lower, halves[1].lower)
    assert np.all(upper >= whole.lower) and np.all(lower <= whole.upper)
    there = np.isfinite(whole.lower)
    assert np.mean(lower[there] >= whole.lower[there] - 3e-4) > 0.95


def test_targets_below_known_values_in_a_range_are_never_proved() -> None:
    tried = 0
    for seed in range(12):
        pricing = wide(seed, 12)
        ends = RANGES[seed % len(RANGES)]
        close = price_pairs(*pricing.arguments, offload=ends, tolerance=1e-6, max_cells=600)
        known = np.array([max(close.lower[k], reached_in(pricing, k, *ends, samples=2000)) for k in range(12)])
        possible = known > -1e3
        targets = np.where(possible, known - 1e-6 * (1.0 + np.abs(known)), -1e3)
        result = price_pairs(*pricing.arguments, offload=ends, tolerance=1e-3, need=targets, max_cells=500)
        assert np.all(result.upper[possible] >= known[possible])
        tried += int(possible.sum())
    assert tried >= 60


def test_leaves_cover_the_range_alone() -> None:
    pricing = realistic(0, "default", 1)
    upper, _, leaves = prove_pair(*pricing.pair(0), offload=(0.2, 0.7), tolerance=1e-4)
    named = dict(zip(LEAF, leaves.T, strict=True))
    assert named["offload_low"].min() == 0.2 and named["offload_high"].max() == 0.7
    assert named["bound"].max() == upper


@pytest.mark.parametrize("ends", RANGES)
def test_least_energy_in_a_range_is_that_of_the_best_phi(ends: tuple[float, float]) -> None:
    rng = np.random.default_rng(5)
    c = 10.0 ** rng.uniform(-1.0, 0.5, (40, 9))
    shares = 10.0 ** rng.uniform(-1.0, 0.0, (40, 3))
    deadline = 10.0 ** rng.uniform(0.3, 1.5, 40)
    kept = least_energy(c, shares, deadline, ends)
    grid = np.linspace(*ends, 21)
    at_grid = np.array([least_energy(c, shares, deadline, (phi, phi))[:, 0] for phi in grid])
    finite = np.isfinite(at_grid).any(axis=0)
    assert np.all(kept[finite, 0] <= at_grid[:, finite].min(axis=0) * (1 + 1e-9))
    assert np.all((kept[finite, 1] >= ends[0]) & (kept[finite, 1] <= ends[1]))
    # A grid can only be a little above the least, where both are possible.
    near = np.isfinite(at_grid).all(axis=0)
    assert np.all(at_grid[:, near].min(axis=0) <= kept[near, 0] * 1.05 + 1e-12)


def test_ranges_out_of_order_are_refused() -> None:
    pricing = realistic(0, "default", 1)
    with pytest.raises(ValueError, match="low end first"):
        price_pairs(*pricing.arguments, offload=(0.8, 0.2))
