"""The bounds of single pairs and cells in ball arithmetic: no point that is reached lies above them."""

from __future__ import annotations

import itertools
from dataclasses import replace

import flint
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pricing_cases import best_known, delay_and_energy, general

from dashf_pyomo.algorithms.dual.kernels.pricing import Terms, prove_pair
from dashf_pyomo.certificate import (
    Certificate,
    Empty,
    UnprovenError,
    tangent_points,
)
from dashf_pyomo.certificate.balls import above, ball
from dashf_pyomo.certificate.cellbound import Priced, cell_bound
from dashf_pyomo.certificate.claims import UserTask, user_bound
from dashf_pyomo.certificate.scaled_pair import ScaledPair
from dashf_pyomo.certificate.stated import StatedProblem
from dashf_pyomo.certificate.tangent_points import tangent_of_r
from formulations import Allocation, Scenario, evaluate
from formulations.scaled import ScaledPairs

# -- single pairs -----------------------------------------------------------------------------

WIDE = st.integers(0, 2**32 - 1)


@given(seed=WIDE)
@settings(max_examples=80, deadline=None)
def test_no_multipliers_prove_a_pair_below_a_point_that_is_reached(seed: int) -> None:
    """Wide scenarios of one user, leaves of the kernels, then any multipliers and any cuts of the cells."""
    rng = np.random.default_rng(seed)
    spread = {
        "channel_gain": (1e-16, 1e-6), "noise_psd": (1e-22, 1e-16), "bandwidth_max": (1e5, 1e9),
        "user_power_max": (1e-3, 1e1), "server_power_max": (1e-2, 1e3), "user_speed_max": (1e11, 1e15),
        "server_speed_max": (1e11, 1e15), "user_capacitance": (1e-40, 1e-36), "weight_energy": (1e-6, 1.0),
        "score_norm": (1e-2, 1e2),
    }  # fmt: skip
    values = {key: 10.0 ** rng.uniform(*np.log10(ends)) for key, ends in spread.items()}
    scenario = Scenario.random(1, 1, int(seed) % 1000, **values)
    start = Allocation(
        [0], [0.5], scenario.bandwidth_max, scenario.user_power_max, scenario.server_power_max,
        scenario.user_speed_max, scenario.server_speed_max,
    )  # fmt: skip
    e = evaluate(scenario, start)
    cost = scenario.weight_time * e.delay + scenario.weight_energy * e.energy
    c = ScaledPairs.of(scenario, e.delay, cost).stacked()[0, 0]
    t0 = 10.0 ** rng.uniform(-0.3, 0.7)
    t1 = t0 * rng.choice([1.0, 1.2, 2.0])
    prices, ratio = 10.0 ** rng.uniform(-2.0, 0.5, 3), 10.0 ** rng.uniform(-2.0, 1.0)
    rho = ratio * rng.uniform(-0.2, 1.0)
    upper, lower, rows = prove_pair(c, scenario.score_norm, prices, ratio, (t0, t1), rho, tolerance=1e-4)
    if lower == -np.inf:
        return
    leaves = np.delete(rows, 7, axis=1)

    problem = StatedProblem(scenario, Certificate(scenario.sha256, 1.0, e.delay, cost, Empty()))

    def bound(entries: np.ndarray) -> float:
        leaves, early = {0: entries}, {0: entries[:0]}
        task = UserTask(0, 0, t0, t1, (0.0, 1.0), ratio, prices[None], rho, [], leaves, early)
        try:
            return user_bound(problem, task)
        except UnprovenError:
            return np.inf

    size = 1.0 + abs(upper)
    known = max(lower, reached(rng, c, scenario.score_norm, prices, ratio, rho, (t0, t1))) - 1e-12 * size
    assert known <= bound(leaves) <= upper + 1e-9 * size
    for _ in range(4):
        forged = leaves.copy()
        for _ in range(rng.integers(1, 4)):
            row, column = rng.integers(len(forged)), rng.integers(4, 10)
            forged[row, column] *= 10.0 ** rng.uniform(-3.0, 3.0)
            forged[:, column] *= rng.choice([1.0, 0.9, 1.1])
        assert bound(forged) >= known
    shrunk = leaves.copy()
    shrunk[rng.integers(len(shrunk)), rng.choice([1, 3])] *= 1.0 - 1e-9
    shrunk[:, 0] = np.minimum(shrunk[:, 0], shrunk[:, 1])
    shrunk[:, 2] = np.minimum(shrunk[:, 2], shrunk[:, 3])
    assert bound(shrunk) >= known


def reached(
    rng: np.random.Generator, c: np.ndarray, norm: float, prices: np.ndarray, ratio: float, rho: float,
    interval: tuple[float, float],
) -> float:  # fmt: skip
    """The best of many random points."""
    x = 10.0 ** rng.uniform(-3.0, 0.0, (3000, 6))
    x[rng.uniform(size=x.shape) > 0.7] = 1.0
    x[:, 3] = rng.choice([0.0, 1.0, 0.5], 3000)
    delay, energy = delay_and_energy(c, x)
    late = np.maximum(delay, interval[0]) if rho >= 0.0 else interval[1]
    value = np.log1p(norm * x[:, :3].sum(axis=1)) - x[:, :3] @ prices - ratio * energy - rho * late
    return float(np.max(np.where(delay <= interval[1], value, -np.inf)))


@pytest.mark.parametrize("seed", range(20))
def test_at_general_prices_cells_say_what_the_kernels_say_whatever_the_multipliers(seed: int) -> None:
    count = 12
    pricing = general(3000 + seed, count)
    t, (t0, t1), rng = pricing.terms, pricing.interval, np.random.default_rng(seed)
    # Limits of delay are the kernels' alone.
    pricing = replace(pricing, terms=Terms(t.weight, t.offload_price, t.constant))
    tried = 0
    for k in range(count):
        terms = Terms(t.weight[k], t.offload_price[k], t.constant[k])
        upper, lower, rows = prove_pair(
            pricing.coefficients[k], pricing.norm, pricing.prices[k], pricing.ratio[k], (t0, t1),
            float(pricing.delay_price[k]), terms=terms, tolerance=1e-3, max_cells=60,
        )  # fmt: skip
        if lower == -np.inf:
            continue
        known = max(lower, best_known(pricing, k, samples=2000, polish=0))
        leaves, size = np.delete(rows, 7, axis=1), 1.0 + abs(upper) + abs(t.offload_price[k]) + abs(t.constant[k])
        with flint.ctx.workprec(128):
            c = list(map(ball, pricing.coefficients[k]))
            c[3:7] = (ball(price) * energy for price, energy in zip(pricing.ratio[k], c[3:7], strict=True))
            pair = Priced(
                ScaledPair(*c), ball(pricing.norm), tuple(map(ball, pricing.prices[k])), ball(pricing.delay_price[k]),
                t0, t1, (c[8] / ball(leaves[:, 1].max())).min(ball(1.0)),
                ball(t.weight[k]), ball(t.offload_price[k]), ball(t.constant[k]),
            )  # fmt: skip

            def bound(entries: np.ndarray, pair: Priced = pair) -> float:
                found = [cell_bound(pair, leaf) for leaf in entries.tolist()]
                return max(above(one) for one in found if one is not None)

            assert known - 1e-12 * size <= bound(leaves) <= upper + 1e-8 * size
            for _ in range(2):
                forged = leaves.copy()
                forged[:, 4:9] *= 10.0 ** rng.uniform(-2.0, 2.0, (len(leaves), 5))
                assert bound(forged) >= known - 1e-12 * size
        tried += 1
    assert tried >= 1


# -- single cells -----------------------------------------------------------------------------


def relaxed_maximum(c: np.ndarray, norm: float, prices: np.ndarray, b: tuple[float, float], x: float, phi: float,
                    m: float, tau: float, nu: float) -> float:  # fmt: skip
    """The Lagrangian of a cell at one SNR and phi, largest on fine grids, without the term of the deadline."""
    a1, a2, a3, e1, e2, e3, e4, cu, cd = c
    lb, lp, ls = prices
    grid = np.append(np.logspace(-6.0, 0.0, 1000)[:-1], 1.0)
    own = np.min(e1 * grid**2 + m * a1 / grid)
    speed = np.max((tau - ls) * grid - (1.0 - phi) * (e3 * grid**2 + m * a3 / grid))
    shares = np.geomspace(*b, 500)[:, None]
    link = np.min((e2 * grid + m * a2) / (shares * np.log1p(cu * grid / shares)), axis=1)
    shares = shares[:, 0]
    power = x * shares / cd
    down = (e4 * power + m * a2) / (shares * np.log1p(x))
    terms = (tau - lb) * shares + (tau - lp - nu) * power - phi * link - (1.0 - phi) * down
    s = np.linspace(0.0, 3.0, 3000)
    return float(np.max(np.log1p(norm * s) - tau * s) + nu - phi * own + speed + np.max(terms))


@pytest.mark.parametrize("seed", range(25))
def test_a_cell_bound_is_the_largest_lagrangian_where_nothing_is_relaxed_and_above_it_elsewhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    c = 10.0 ** rng.uniform(-1.0, 1.0, 9)
    c[7:] = 10.0 ** rng.uniform(-2.0, 4.0, 2)
    c[3:7] *= rng.choice([0.0, 1.0], 4, p=[0.1, 0.9])
    norm, prices, b0 = (
        10.0 ** rng.uniform(-1.0, 1.0),
        10.0 ** rng.uniform(-1.0, 1.0, 3),
        10.0 ** rng.uniform(-3.0, -1.0),
    )
    x0 = c[8] * 10.0 ** rng.uniform(-3.0, -0.01 - np.log10(b0))
    m, nu = 10.0 ** rng.uniform(-2.0, 1.0), rng.choice([0.0, 1.0])
    data = ScaledPair(*map(ball, c))
    with flint.ctx.workprec(128):
        # At rho = m the deadline has no term; it is late enough for every cell.
        pair = Priced(data, ball(norm), tuple(map(ball, prices)), ball(m), 1e8, 2e8, ball(b0))
        tau = norm / (1.0 + norm * rng.uniform(0.0, 3.0))

        def largest(x: float, phi: float) -> float:
            return relaxed_maximum(c, norm, prices, (b0, min(1.0, c[8] / x0)), x, phi, m, tau, nu)

        for phi in (0.0, rng.uniform(), 1.0):
            bound = cell_bound(pair, [x0, x0, phi, phi, m, tau, tau, nu, nu, x0])
            found = float(bound)
            assert largest(x0, phi) <= found + 1e-9 * abs(found) + 1e-9
            assert found == pytest.approx(largest(x0, phi), rel=1e-3, abs=1e-3)
        x1, phis = x0 * rng.choice([1.1, 3.0, 100.0]), np.sort(rng.uniform(size=2))
        touch = tangent_of_r(x0, x1)
        bound = float(cell_bound(pair, [x0, x1, *phis, m, tau, tau, nu, nu, touch]))
        for x in np.geomspace(x0, x1, 5):
            assert max(largest(x, phi) for phi in (*phis, phis.mean())) <= bound + 1e-9 * abs(bound)


@pytest.mark.parametrize("seed", range(12))
def test_bounds_do_not_depend_on_the_float_searches(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(tangent_points, "falling_root", lambda function, low, high: float(rng.uniform(1e-3, 1.0)))
    monkeypatch.setattr(tangent_points, "level_for", lambda *_: float(10.0 ** rng.uniform(-2.0, 1.5)))
    c = 10.0 ** rng.uniform(-1.0, 1.0, 9)
    c[7:] = 10.0 ** rng.uniform(-1.0, 3.0, 2)
    prices, b0, m = 10.0 ** rng.uniform(-1.0, 1.0, 3), 10.0 ** rng.uniform(-3.0, -1.0), 10.0 ** rng.uniform(-2.0, 1.0)
    x0 = c[8] * 10.0 ** rng.uniform(-3.0, -0.01 - np.log10(b0))
    x1, phis, tau = x0 * rng.choice([1.0, 3.0, 100.0]), np.sort(rng.uniform(size=2)), rng.uniform(0.3, 1.0)
    touch = float(x0 + (x1 - x0) * rng.uniform(0.01, 1.0)) * rng.choice([1e-3, 1.0, 1e3])
    with flint.ctx.workprec(128):
        pair = Priced(ScaledPair(*map(ball, c)), ball(1.0), tuple(map(ball, prices)), ball(m), 1e8, 2e8, ball(b0))
        bound = float(cell_bound(pair, [x0, x1, *phis, m, tau, tau, 0.0, 0.0, touch]))
    for x, phi in itertools.product(np.geomspace(x0, x1, 3), phis):
        below = relaxed_maximum(c, 1.0, prices, (b0, min(1.0, c[8] / x0)), x, phi, m, tau, 0.0)
        assert below <= bound + 1e-9 * abs(bound)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("x1", [5e-324, 2e-322, 1e-200])
def test_cells_next_to_no_snr_at_all_have_bounds(x1: float) -> None:
    """Kernels cut towards zero until numbers end, and searches for points must end there too."""
    c = np.ones(9)
    with flint.ctx.workprec(128):
        prices = ball(1.0), ball(1.0), ball(1.0)
        pair = Priced(ScaledPair(*map(ball, c)), ball(1.0), prices, ball(0.1), 1.0, 4.0, ball(1e-3))
        found, usual = (cell_bound(pair, [0.0, end, 0.96, 1.0, 0.1, 0.1, 0.1, 0.0, 0.0, end]) for end in (x1, 1e-90))
    # Only phi = 1 counts, and there it does not matter how small the SNR is.
    assert float(found) == pytest.approx(float(usual), rel=1e-12)
