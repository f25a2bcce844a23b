"""The pricing kernels: every bound holds, columns are what they say, and the gap closes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from pricing_cases import FAMILIES, Pricing, best_known, delay_and_energy, realistic, value, wide
from strategies import magnitudes

from dashf_pyomo.algorithms.dual.kernels import cells, link, score
from dashf_pyomo.algorithms.dual.kernels.pricing import (
    COLUMN,
    LEAF,
    least_energy,
    price_pairs,
    prove_pair,
    search_pairs,
)

WIDE = magnitudes(1e-8, 1e8)
PAIR = ("a1", "a2", "a3", "E1", "E2", "E3", "E4", "cu", "cd", "norm", "lb", "lp", "ls", "t0", "t1", "rho")
CASES = [(seed, family, draw) for seed, family, draw in itertools.product(range(3), FAMILIES, range(4))]


def structure(c: np.ndarray, norm: float, prices: np.ndarray, ratio: float, t0: float, t1: float, rho: float) -> Any:
    """The structure of a pair in the kernels as they are in Python."""
    terms = np.array([[1.0, *prices, *[ratio] * 4, rho, 0.0, 0.0, t0, t1, 0.0, 1.0, 0.0, 0.0]])
    return link.make_pair(c[None], 0, norm, score.LOG, terms)


# -- least energy ---------------------------------------------------------------------------------


@given(
    c=st.tuples(*[WIDE] * 7, *[magnitudes(1e-12, 1e12)] * 2),
    shares=st.tuples(*[magnitudes(1e-6, 1.0)] * 3),
    ahead=magnitudes(1e-3, 1e3),
)
@settings(max_examples=300, deadline=None)
def test_least_energy_is_reached_and_proven_by_its_own_price(c: tuple, shares: tuple, ahead: float) -> None:
    c, z = np.array(c), np.array(shares)
    full, _ = delay_and_energy(c, np.array([[*z, 0.0, 1.0, 1.0], [*z, 1.0, 1.0, 1.0]]))
    deadline = float(full.min() * (1.0 + ahead))
    energy, phi, p, f, m = least_energy(c[None], z[None], deadline)[0]
    delay, spent = delay_and_energy(c, np.array([*z, phi, p, f]))
    assert delay <= deadline * (1 + 1e-12)
    assert spent == pytest.approx(energy, rel=1e-10)
    # Weak duality at m, in plain NumPy: no p, f, phi is cheaper.
    a1, a2, _, e1, e2, _, _, cu, _ = c
    served, dear = delay_and_energy(c, np.array([*z, 0.0, 1.0, 1.0]))
    grid = np.logspace(-12, 0, 4001)
    rate = z[0] * np.log1p(cu * grid / z[0])
    own = np.min(e1 * grid**2 + m * a1 / grid) + np.min((e2 * grid + m * a2) / rate)
    assert energy <= (min(own, dear + m * served) - m * deadline) + 1e-4 * (own + abs(m * deadline))


def test_impossible_deadlines_have_no_energy() -> None:
    c = np.array([[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]])
    assert least_energy(c, np.ones((1, 3)), 1.0 + 1.0 / np.log(2.0) - 1e-9)[0, 0] == np.inf
    assert least_energy(c, np.ones((1, 3)), 1.0 + 1.0 / np.log(2.0) + 1e-9)[0, 0] < np.inf
    assert least_energy(c, np.zeros((1, 3)), 1e9)[0, 0] == np.inf


@given(kappa=magnitudes(1e-300, 1e300))
@settings(max_examples=300, deadline=None)
def test_level_of_a_link_solves_its_equation(kappa: float) -> None:
    level = link.log_snr(kappa)
    assert link.excess(level) == pytest.approx(kappa, rel=1e-12)


# -- bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "family", "draw"), CASES)
def test_gap_closes_and_columns_are_what_they_say(seed: int, family: str, draw: int) -> None:
    pricing = realistic(seed, family, draw)
    result = price_pairs(*pricing.arguments, tolerance=1e-3, max_cells=2000)
    quick = search_pairs(*pricing.arguments)
    found = np.isfinite(result.lower)
    assert np.all(result.upper[~found] == -np.inf)
    assert np.all(result.upper >= result.lower)
    assert np.mean(result.upper[found] - result.lower[found] <= 1.0001e-3) > 0.98
    assert np.all(quick.lower <= result.upper)
    for k in np.flatnonzero(found):
        for column, claimed in ((result.columns[k], result.lower[k]), (quick.columns[k], quick.lower[k])):
            named = dict(zip(COLUMN, column, strict=True))
            delay, energy = delay_and_energy(pricing.coefficients[k], column[:6])
            assert np.all((column[:6] >= 0) & (column[:6] <= 1))
            assert delay == pytest.approx(named["delay"]) and energy == pytest.approx(named["energy"])
            assert delay <= named["deadline"] * (1 + 1e-12)
            assert pricing.interval[0] <= named["deadline"] <= pricing.interval[1]
            assert value(pricing, k, column[:6]) >= claimed - 1e-9


def tempting_targets(pricing: Pricing, known: np.ndarray) -> None:
    """A target just below a value that is reached must not be proven."""
    targets = known - 1e-6 * (1.0 + np.abs(known))
    result = price_pairs(*pricing.arguments, tolerance=1e-3, need=targets, max_cells=500)
    possible = known > -1e3
    assert np.all(result.upper[possible] > targets[possible])
    assert np.all(result.upper[possible] >= known[possible])


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_targets_slightly_below_known_values_are_never_proved(family: str) -> None:
    count = 0
    for seed, draw in itertools.product(range(3), range(4, 8)):
        pricing = realistic(seed, family, draw)
        close = price_pairs(*pricing.arguments, tolerance=1e-6, max_cells=600)
        known = np.where(np.isfinite(close.lower), close.lower, -1e3)
        for k in range(0, len(known), 5):
            known[k] = max(known[k], best_known(pricing, k, samples=2000, polish=1))
        tempting_targets(pricing, known)
        count += int(np.sum(known > -1e3))
    assert count >= 120


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_bounds_hold_for_wide_magnitudes(seed: int) -> None:
    pricing = wide(seed, 12)
    result = price_pairs(*pricing.arguments, tolerance=1e-3, max_cells=300)
    reached = np.array([best_known(pricing, k) for k in range(12)])
    assert not np.any(np.isnan(result.upper))
    assert np.all(result.upper >= result.lower)
    assert np.all(result.upper >= reached)
    tempting_targets(pricing, np.maximum(np.maximum(reached, result.lower), -1e3))


@given(
    c=st.tuples(*[WIDE] * 3, *[st.just(0.0) | WIDE] * 4, *[magnitudes(1e-12, 1e12)] * 2),
    norm=magnitudes(1e-3, 1e3),
    prices=st.tuples(*[st.just(0.0) | magnitudes(1e-6, 1e3)] * 3),
    ratio=st.just(0.0) | magnitudes(1e-6, 1e3),
    late=magnitudes(1e-12, 1e3),
    width=st.just(0.0) | magnitudes(1e-6, 10.0),
    rho=st.floats(-2.0, 2.0),
)
@settings(max_examples=150, deadline=None)
def test_bounds_hold_at_extremes(
    c: tuple, norm: float, prices: tuple, ratio: float, late: float, width: float, rho: float
) -> None:
    data = np.array([c])
    whole, _ = delay_and_energy(data[0], np.array([[1.0, 1, 1, 0, 1, 1], [1.0, 1, 1, 1, 1, 1]]))
    first = float(whole.min()) * (1.0 + late)
    interval = (first, first * (1.0 + width))
    pricing = Pricing(data, norm, np.array([prices]), ratio, interval, np.array([rho / first]))
    result = price_pairs(*pricing.arguments, tolerance=1e-3, max_cells=100)
    assert result.lower[0] > -np.inf and result.upper[0] >= result.lower[0]
    assert result.upper[0] >= best_known(pricing, 0, samples=1000, polish=0)
    never = price_pairs(data, norm, pricing.prices, ratio, (0.0, float(whole.min()) * (1 - 1e-6)), rho / first)
    assert never.upper[0] == -np.inf and np.all(np.isnan(never.columns))


def test_bounds_hold_at_any_time() -> None:
    pricing = realistic(0, "default", 1)
    best = price_pairs(*pricing.arguments, tolerance=1e-6, max_cells=4000)
    for most in (1, 3, 9, 27):
        result = price_pairs(*pricing.arguments, tolerance=1e-6, max_cells=most)
        assert np.all(result.cells <= most)
        assert np.all(result.upper >= best.lower)


def test_hints_are_starts_and_pairs_out_of_the_question_stop_early() -> None:
    pricing = realistic(1, "slow users", 1)
    result = price_pairs(*pricing.arguments, tolerance=1e-5, max_cells=4000)
    hints = result.columns[:, None, [0, 1, 2, 8]]
    assert np.all(search_pairs(*pricing.arguments, hints=hints).lower >= result.lower - 1e-9)
    early = price_pairs(*pricing.arguments, tolerance=1e-5, need=result.upper + 0.1, max_cells=4000)
    assert np.all(early.upper >= result.lower) and np.all(early.upper <= result.upper + 0.1)
    assert early.cells.sum() < 0.5 * result.cells.sum()


# -- leaves ---------------------------------------------------------------------------------------


def leaf_of(leaf: np.ndarray) -> dict[str, float]:
    return dict(zip(LEAF, leaf, strict=True))


@pytest.mark.parametrize("draw", range(4))
def test_leaves_cover_everything_and_prove_the_bound(draw: int) -> None:
    pricing = realistic(draw, FAMILIES[draw], draw)
    rng = np.random.default_rng(draw)
    for k in range(0, 20, 4):
        upper, _, leaves = prove_pair(*pricing.pair(k), tolerance=1e-4)
        assert leaves[:, LEAF.index("bound")].max() == upper
        pair = structure(*pricing.pair(k)[:4], *pricing.interval, pricing.delay_price[k])
        floor = cells.least_bandwidth(pair)
        top = leaves[:, 1].max()
        assert floor > 0 and top >= pair.cd / floor
        x = np.append(top * 10.0 ** rng.uniform(-12, 0, 500), 0.0)
        phi = rng.choice([0.0, 1.0, 0.5], 501) * rng.uniform(size=501)
        inside = (leaves[:, 0, None] <= x) & (x <= leaves[:, 1, None])
        inside &= (leaves[:, 2, None] <= phi) & (phi <= leaves[:, 3, None])
        assert np.all(inside.any(axis=0))
        for leaf in leaves[np.isfinite(leaves[:, 7])]:
            x0, x1, phi0, phi1, m, tau0, tau1, bound, nu0, nu1, touch = leaf
            cell = cells.make_cell(pair, floor, x0, x1, phi0, phi1)
            assert cell.touch == touch
            assert cells.cell_value(pair, cell, m, tau0, tau1, nu0, nu1) == bound


def lagrangian(pair: Any, x: float, phi: float, b: float, psi: float, p: float, f: float, u: dict) -> arb:
    """The Lagrangian of a true point at the multipliers `u`, by ball arithmetic: no bound may lie below it."""
    a1, a2, a3, e1, e2, e3, e4, cu, cd, norm, lb, lp, ls, t0, t1, rho = (arb(getattr(pair, name)) for name in PAIR)
    x, phi, b, psi, p, f = (arb(item) for item in (x, phi, b, psi, p, f))
    m, tau, nu = arb(u["m"]), arb(u["tau"]), arb(u["nu"])
    power = x * b / cd
    s = b + power + psi
    # Any s gives a value that conj(tau) is not below.
    best = max(0.0, min(3.0, 1.0 / u["tau"] - 1.0 / pair.norm))
    conj = (1 + norm * arb(best)).log() - tau * arb(best)
    up, down = b * (1 + cu * p / b).log(), b * (1 + x).log()
    user = e1 * f * f + m * a1 / f + (e2 * p + m * a2) / up
    server = e3 * psi * psi + m * a3 / psi + (e4 * power + m * a2) / down
    late = t1 if m > rho else t0
    spent = phi * user + (1 - phi) * server
    return conj + tau * s - lb * b - lp * power - ls * psi + nu * (1 - power) - spent + (m - rho) * late


@pytest.mark.parametrize("seed", range(6))
def test_cell_bound_is_above_the_dual_by_ball_arithmetic(seed: int) -> None:
    ctx.prec = 200
    rng = np.random.default_rng(seed)
    tight = 0
    for _ in range(40):
        c = 10.0 ** rng.uniform(-3.0, 1.0, 9)
        c[7:] = 10.0 ** rng.uniform(-6.0, 8.0, 2)
        prices = 10.0 ** rng.uniform(-2.0, 0.0, 3)
        pair = structure(c, 10.0 ** rng.uniform(-1, 1), prices, 1.0, 0.5, 2.0, rng.normal())
        floor = 10.0 ** rng.uniform(-6.0, -1.0)
        x0 = min(1e6, c[8] / floor) * 10.0 ** rng.uniform(-6.0, 0.0)
        cell = cells.make_cell(pair, floor, x0, x0 * rng.choice([1.0, 1.5, 30.0]), *np.sort(rng.uniform(size=2)))
        m = 10.0 ** rng.uniform(-3.0, 2.0)
        taus = pair.norm / (1 + 3 * pair.norm) * (1 + 3 * pair.norm) ** rng.uniform(size=2)
        nus = 10.0 ** rng.uniform(-3.0, 0.0, 2) * rng.choice([0.0, 1.0], 2)
        bound = cells.cell_value(pair, cell, m, *taus, *nus)
        closest = np.inf
        for face, phi in enumerate((cell.phi0, cell.phi1)):
            u = {"m": m, "tau": taus[face], "nu": nus[face]}
            _, _, _, b, x, psi = cells.face_value(pair, cell, phi, m, taus[face], nus[face])
            for y, at in itertools.product((x, cell.x0, cell.x1), (b, *10.0 ** rng.uniform(-6.0, 0.0, 3))):
                at = min(max(at, cell.b0), cell.b1)
                _, _, p, _ = link.link(pair, m, at)
                _, _, f = link.own_cost(pair, m)
                for speed in (psi, *10.0 ** rng.uniform(-3.0, 0.0, 2)):
                    below = lagrangian(pair, y, phi, at, speed, p, f, u)
                    assert arb(bound) >= below
                    closest = min(closest, float(arb(bound) - below) / (1.0 + abs(bound)))
        tight += cell.x1 == cell.x0 and closest < 1e-6
    assert tight >= 5  # where nothing is relaxed, the bound is the dual


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prices": np.full((1, 3), -1e300)}, "prices"),
        ({"prices": np.full((1, 3), np.nan)}, "prices"),
        ({"interval": (np.array([1.0]), np.array([0.5]))}, "interval"),
        ({"interval": (0.0, np.nan)}, "interval"),
        ({"score": "square"}, "score = 'square'; expected one of"),
        ({"interval": (2.0, 1.0)}, "interval"),
        ({"coefficients": np.zeros((1, 9))}, "coefficients"),
        ({"coefficients": np.ones((1, 8))}, "shape"),
        ({"tolerance": 0.0}, "tolerances"),
        ({"norm": 0.0}, "norm"),
        ({"hints": np.ones((2, 1, 4))}, "hints"),
        ({"max_cells": 0}, "max_cells"),
    ],
)
def test_arguments_out_of_range_are_refused(change: dict, message: str) -> None:
    good = {
        "coefficients": np.ones((1, 9)), "norm": 1.0, "prices": np.ones((1, 3)), "energy_price": 1.0,
        "interval": (3.0, 4.0), "delay_price": 0.1,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        price_pairs(**(good | change))


def test_a_user_that_is_best_at_its_caps_is_found_without_a_hint() -> None:
    # No server share is worth its price, and the least bandwidth goes with full power at the latest deadline.
    c = np.array([[1.78434016, 0.501528515, 0.12928514, 1.12480185e-4, 4.07338614e-4, 1.22272005, 3.05128999e-4,
                   1.27912133e5, 9.58163551e4]])  # fmt: skip
    prices = np.array([[0.16183116, 0.4971302, 2.3076827]])
    interval = 0.9712877660275921, 1.9425755320551843
    found = search_pairs(c, 0.1058596554, prices, 0.4047396277, interval, 0.0488304669)
    assert found.lower[0] >= -0.10875
