"""The bound of a pair of the extended class in ball arithmetic, from the leaves of the kernels."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import flint
import numpy as np
import pytest
from pricing_cases import Pricing, best_known, extended

from dashf_pyomo.algorithms.dual.kernels.pricing import Terms, prove_pair
from dashf_pyomo.certificate import UnprovenError, tangent_points
from dashf_pyomo.certificate.balls import PRECISION, ball
from dashf_pyomo.certificate.pairbound import PairPrices, PairRange, pair_bound
from dashf_pyomo.certificate.scaled_pair import ScaledPair

KINDS = ("limit", "uplink", "downlink", "negative price")


def proof(pricing: Pricing, k: int, offload: tuple[float, float], **options: Any) -> tuple[float, float, np.ndarray]:
    """What the kernels prove of a pair: upper, lower, and the leaves as certificates have them."""
    terms = Terms(**{field.name: getattr(pricing.terms, field.name)[k] for field in dataclasses.fields(Terms)})
    interval = pricing.interval[0][k], pricing.interval[1][k]
    upper, lower, leaves = prove_pair(
        pricing.coefficients[k], pricing.norm, pricing.prices[k], pricing.energy_prices[k], interval,
        float(pricing.delay_price[k]), terms=terms, score=pricing.score, offload=offload, **options,
    )  # fmt: skip
    return upper, lower, np.delete(leaves, 7, axis=1)


def verified(pricing: Pricing, k: int, offload: tuple[float, float], leaves: np.ndarray) -> float:
    t = pricing.terms
    prices = PairPrices(
        t.weight[k], tuple(pricing.energy_prices[k]), tuple(pricing.prices[k]), pricing.delay_price[k],
        t.offload_price[k], t.constant[k],
    )  # fmt: skip
    interval = float(pricing.interval[0][k]), float(pricing.interval[1][k])
    within = PairRange(*interval, offload, float(t.delay_limit[k]), t.need_up[k], t.need_down[k])
    with flint.ctx.workprec(PRECISION):
        data = ScaledPair(*map(ball, pricing.coefficients[k]))
        return pair_bound(data, pricing.norm, prices, within, leaves, score=pricing.score)


def in_units(pricing: Pricing, worth: float, seconds: float) -> Pricing:
    """The same pairs where values and times are counted in other units."""
    t = pricing.terms
    c = pricing.coefficients.copy()
    c[:, :3] *= seconds
    terms = dataclasses.replace(
        t,
        weight=worth * t.weight,
        offload_price=worth * t.offload_price,
        constant=worth * t.constant,
        delay_limit=seconds * t.delay_limit,
    )
    return dataclasses.replace(
        pricing,
        coefficients=c,
        prices=worth * pricing.prices,
        ratio=worth * pricing.ratio,
        interval=tuple(seconds * end for end in pricing.interval),
        delay_price=worth / seconds * pricing.delay_price,
        terms=terms,
    )


@pytest.mark.parametrize(("worth", "seconds"), [(1.0, 1.0), (1e-38, 1e15), (1e15, 1e-20)])
def test_leaves_say_what_the_kernels_say_and_no_multipliers_prove_less_than_is_reached(
    worth: float, seconds: float
) -> None:
    tried = dict.fromkeys(KINDS, 0)
    for seed in range(9):
        pricing, rng = in_units(extended(4000 + seed, 8), worth, seconds), np.random.default_rng(seed)
        for k in range(8):
            offload = [(0.0, 1.0), (0.0, 0.0), (1.0, 1.0), (0.2, 0.7)][k % 4]
            upper, lower, leaves = proof(pricing, k, offload, tolerance=1e-3 * worth, max_cells=30)
            if lower == -np.inf:
                assert upper == -np.inf and verified(pricing, k, offload, leaves) == -np.inf
                continue
            size = worth + abs(upper) + abs(pricing.terms.offload_price[k]) + abs(pricing.terms.constant[k])
            known = lower if offload != (0.0, 1.0) else max(lower, best_known(pricing, k, samples=800, polish=0))
            assert known - 1e-12 * size <= verified(pricing, k, offload, leaves) <= upper + 1e-8 * size
            forged = leaves.copy()
            forged[:, 4:9] *= 10.0 ** rng.uniform(-2.0, 2.0, (len(leaves), 5))
            forged[:, 9] *= 10.0 ** rng.uniform(-1.0, 1.0, len(leaves))
            assert verified(pricing, k, offload, forged) >= known - 1e-12 * size
            missing = leaves.copy()
            missing[rng.integers(len(leaves)), 1] *= 1.0 - 1e-9
            missing[:, 0] = np.minimum(missing[:, 0], missing[:, 1])
            with contextlib.suppress(UnprovenError):
                assert verified(pricing, k, offload, missing) >= known - 1e-12 * size
            t = pricing.terms
            for kind, there in zip(
                KINDS,
                (t.delay_limit[k] < pricing.interval[1][k], t.need_up[k], t.need_down[k], pricing.prices[k].min() < 0),
                strict=True,
            ):
                tried[kind] += bool(there)
    assert min(tried.values()) >= 10, tried


@pytest.mark.parametrize("seed", range(9))
def test_bounds_do_not_depend_on_the_float_searches(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, tried = np.random.default_rng(seed), 0
    pricing = extended(5000 + seed, 10)
    proofs = [proof(pricing, k, (0.0, 1.0), tolerance=1e-3, max_cells=20) for k in range(10)]
    monkeypatch.setattr(tangent_points, "falling_root", lambda function, low, high: float(rng.uniform(1e-3, 1.0)))
    monkeypatch.setattr(tangent_points, "level_for", lambda *_: float(10.0 ** rng.uniform(-2.0, 1.5)))
    monkeypatch.setattr(tangent_points, "lowest_point", lambda function, first: float(10.0 ** rng.uniform(-3.0, 3.0)))
    for k, (upper, lower, leaves) in enumerate(proofs):
        if lower > -np.inf:
            assert verified(pricing, k, (0.0, 1.0), leaves) >= lower - 1e-12 * (1.0 + abs(upper))
            tried += 1
    assert tried


def plain_pair(**changed: Any) -> float:
    """The bound of a pair with ordinary numbers, some of them changed."""
    given = {
        "weight": 1.0, "energies": (1.0,) * 4, "shares": (0.5,) * 3, "delay": 0.1, "t0": 1.0, "t1": 5.0,
        "delay_limit": np.inf, "need_up": 0.0, "score": "log",
    } | changed  # fmt: skip
    prices = PairPrices(*(given[name] for name in ("weight", "energies", "shares", "delay")))
    within = PairRange(given["t0"], given["t1"], (0.0, 1.0), given["delay_limit"], given["need_up"])
    leaves = np.array([[0.0, 1e5, 0.0, 1.0, 0.5, 0.5, 0.5, 0.0, 0.0, 50.0]])
    with flint.ctx.workprec(PRECISION):
        pair = ScaledPair(*map(ball, np.ones(9)))
        return pair_bound(pair, 1.0, prices, within, leaves, score=given["score"], where="pair 3")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"weight": -1e-300}, "weight"),
        ({"energies": (1.0, 1.0, -1e-300, 1.0)}, "energy price"),
        ({"score": "square"}, "score 'square'"),
        ({"t0": 6.0}, "deadlines 6.0 to 5.0"),
        ({"t1": np.inf}, "deadlines 1.0 to inf"),
    ],
)
def test_what_no_bound_holds_for_is_refused(changed: dict[str, Any], said: str) -> None:
    assert np.isfinite(plain_pair())
    with pytest.raises(UnprovenError, match=f"pair 3: {said}"):
        plain_pair(**changed)


@pytest.mark.parametrize(("rho", "paid"), [(0.3, 2.0), (-0.3, 5.0)])
def test_a_limit_of_delay_below_all_deadlines_pays_for_them(rho: float, paid: float) -> None:
    whole = plain_pair(delay=rho, t0=4.0, t1=4.0)
    late = plain_pair(delay=rho, delay_limit=4.0, t0=6.0, t1=9.0)
    assert late == pytest.approx(whole - rho * paid, abs=1e-12)
    # Deadlines without end cost nothing more, but where they are paid for there is no bound.
    endless = plain_pair(delay=rho, delay_limit=4.0, t0=6.0, t1=np.inf)
    assert endless == (late if rho > 0.0 else np.inf)


def test_a_least_rate_that_no_resources_carry_leaves_nothing() -> None:
    assert plain_pair(need_up=float(np.log(2.0)) * (1.0 + 1e-12)) == -np.inf
    assert plain_pair(need_up=float(np.log(2.0)) * (1.0 - 1e-12)) > -np.inf
