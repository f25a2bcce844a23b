"""Pricing problems for tests, and slow references in plain NumPy that share no code with the kernels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import minimize

import dashf_pyomo
from dashf_pyomo.algorithms.dual.kernels.pricing import PLAIN, Terms
from formulations import Scenario, evaluate
from formulations.scaled import ScaledPairs

FAMILIES = ("default", "bandwidth", "slow users", "shadowing")


@dataclass(frozen=True)
class Pricing:
    """Arguments of `price_pairs`."""

    coefficients: np.ndarray
    norm: float
    prices: np.ndarray
    ratio: float | np.ndarray
    interval: tuple[Any, Any]
    delay_price: np.ndarray
    terms: Terms = PLAIN
    score: str = "log"

    @property
    def energy_prices(self) -> np.ndarray:
        return np.broadcast_to(self.ratio, (len(self.coefficients), 4))

    @property
    def arguments(self) -> tuple[Any, ...]:
        return self.coefficients, self.norm, self.prices, self.ratio, self.interval, self.delay_price

    def pair(self, k: int) -> tuple[Any, ...]:
        """Arguments of `prove_pair`."""
        return self.coefficients[k], self.norm, self.prices[k], self.ratio, self.interval, float(self.delay_price[k])


@cache
def scenario_pairs(seed: int, family: str) -> tuple[np.ndarray, float, float, float]:
    """Coefficients of all pairs in units of a sensible allocation, norm, ratio there, and weight of time."""
    changed = {"bandwidth": {"bandwidth_max": 1e8}, "slow users": {"user_speed_max": 1.958e12}}
    scenario = Scenario.random(10, 2, seed, **changed.get(family, {}))
    if family == "shadowing":
        factor = np.random.default_rng(seed).lognormal(0.0, 2.0, scenario.channel_gain.shape)
        scenario = replace(scenario, channel_gain=scenario.channel_gain * factor)
    e = evaluate(scenario, dashf_pyomo.solve(scenario, "gucro").allocation)
    cost = scenario.weight_time * e.delay + scenario.weight_energy * e.energy
    pairs = ScaledPairs.of(scenario, e.delay, cost)
    return pairs.stacked().reshape(-1, 9), scenario.score_norm, e.scr / scenario.score_scale * cost, pairs.time_weight


def realistic(seed: int, family: str, draw: int = 0) -> Pricing:
    """Pairs of a random scenario at prices, ratio and deadlines such as a column generation meets."""
    c, norm, ratio, weight = scenario_pairs(seed, family)
    rng = np.random.default_rng([seed, draw, FAMILIES.index(family)])
    ratio *= rng.uniform(1.0, 2.0)
    fair = norm / (1.0 + norm * 3.0 * 2 / 10)
    prices = fair * rng.uniform(0.7, 1.3, (2, 3)) if draw % 2 == 0 else 10.0 ** rng.uniform(-1.3, 0.3, (2, 3))
    start = 10.0 ** rng.uniform(-0.6, 0.2)
    rho = ratio * weight / 10 * rng.uniform(0.3, 3.0, len(c))
    interval = (start, start * (1.0 if draw % 3 == 0 else rng.uniform(1.0, 1.6)))
    return Pricing(c, norm, np.tile(prices, (10, 1)), ratio, interval, rho)


def wide(seed: int, count: int) -> Pricing:
    """Pairs of wide magnitudes, some prices zero, delays around the deadline."""
    rng = np.random.default_rng(seed)
    c = 10.0 ** rng.uniform(-2.0, 0.5, (count, 9))
    c[:, 3:7] *= 10.0 ** rng.uniform(-2.0, 3.0, (count, 4)) * (rng.uniform(size=(count, 4)) > 0.1)
    c[:, 7:] = 10.0 ** rng.uniform(-2.0, 5.0, (count, 2))
    prices = 10.0 ** rng.uniform(-2.0, 0.5, (count, 3)) * (rng.uniform(size=(count, 3)) > 0.1)
    first = 10.0 ** rng.uniform(-1.0, 1.0)
    interval = (first, first * 10.0 ** rng.uniform(0.0, 0.5))
    rho = rng.normal(0.0, 0.3, count) / interval[1]
    ratio = 10.0 ** rng.uniform(-2.0, 1.0) * (seed % 7 != 0)
    return Pricing(c, 10.0 ** rng.uniform(-1.0, 1.0), prices, ratio, interval, rho)


def general(seed: int, count: int) -> Pricing:
    """Pairs of wide magnitudes with energy prices, weights, offload prices, constants and limits of their own.

    A part of each kind is zero, or not there.
    """
    rng = np.random.default_rng([seed, 1])
    base = wide(seed, count)
    t0, t1 = base.interval
    # About what phi is worth: energies and delays of either side, either sign.
    mu = rng.normal(0.0, 1.0, count) * 10.0 ** rng.uniform(-2.0, 1.0, count) * (rng.uniform(size=count) > 0.2)
    terms = Terms(
        weight=10.0 ** rng.uniform(-2.0, 1.0, count) * (rng.uniform(size=count) > 0.3),
        offload_price=mu,
        constant=rng.normal(0.0, 1.0, count) * (rng.uniform(size=count) > 0.3),
        delay_limit=np.where(rng.uniform(size=count) > 0.5, rng.uniform(0.5 * t0, 1.2 * t1, count), np.inf),
    )
    prices = 10.0 ** rng.uniform(-2.0, 1.0, (count, 4)) * (rng.uniform(size=(count, 4)) > 0.2)
    return replace(base, ratio=prices * (seed % 5 != 0), terms=terms)


def extended(seed: int, count: int) -> Pricing:
    """Pairs like `general` ones with least rates, intervals of their own, prices of shares of any sign, and any score.

    A part of each kind is not there; some least rates are next to what all resources carry, and some above it.
    """
    rng = np.random.default_rng([seed, 2])
    base = general(seed, count)
    t1 = base.interval[1] * 10.0 ** rng.uniform(-0.5, 1.0, count)
    t0 = t1 * 10.0 ** rng.uniform(-3.0, 0.0, count) * (rng.uniform(size=count) > 0.3)
    most = np.log1p(base.coefficients[:, 7:])
    part = 10.0 ** rng.uniform(-3.0, 0.02, (count, 2)) * (rng.uniform(size=(count, 2)) > 0.3)
    part[rng.uniform(size=(count, 2)) > 0.95] = 1.0 - 1e-9
    terms = replace(base.terms, need_up=part[:, 0] * most[:, 0], need_down=part[:, 1] * most[:, 1])
    prices = base.prices * np.where(rng.uniform(size=(count, 3)) > 0.7, -1.0, 1.0)
    return replace(base, prices=prices, interval=(t0, t1), terms=terms, score=("log", "sqrt", "linear")[seed % 3])


SCORE_VALUES = {"log": np.log1p, "sqrt": np.sqrt, "linear": lambda scaled: scaled}


def log_of_one_and(snr: float, power: np.ndarray, b: np.ndarray) -> np.ndarray:
    """ln(1 + snr power / b), where the quotient leaves the range of numbers too."""
    quotient = snr * power / b
    return np.where(np.isfinite(quotient), np.log1p(quotient), np.log(snr) + np.log(power) - np.log(b))


def delay_and_energy(c: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Delay and energy of b, pi, psi, phi, p, f along the last axis of `x`."""
    delay, energies = delay_and_energies(c, x)
    return delay, energies.sum(axis=-1)


def delay_and_energies(c: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Delay and the four energies, from the formulas of `ScaledPairs`."""
    b, power, speed, phi, p, f = np.moveaxis(x, -1, 0)
    a1, a2, a3, e1, e2, e3, e4, cu, cd = c
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        up, down = b * log_of_one_and(cu, p, b), b * log_of_one_and(cd, power, b)
        delay = np.where(phi > 0, phi * (a1 / f + a2 / up), 0.0)
        delay += np.where(phi < 1, (1 - phi) * (a3 / speed + a2 / down), 0.0)
        own = (np.where(phi > 0, phi * part, 0.0) for part in (e1 * f**2, e2 * p / up))
        served = (np.where(phi < 1, (1 - phi) * part, 0.0) for part in (e3 * speed**2, e4 * power / down))
        return delay, np.stack([*own, *served], axis=-1)


def value(pricing: Pricing, k: int, x: np.ndarray) -> np.ndarray:
    """The objective at b, pi, psi, phi, p, f at the best deadline; minus infinity if none is late enough."""
    delay, energies = delay_and_energies(pricing.coefficients[k], x)
    rho, paid, t = pricing.delay_price[k], pricing.energy_prices[k], pricing.terms
    t0, t1, a, mu, constant, limit = (
        np.broadcast_to(item, len(pricing.coefficients))[k]
        for item in (*pricing.interval, t.weight, t.offload_price, t.constant, t.delay_limit)
    )
    deadline = np.maximum(delay, t0) if rho >= 0 else np.full_like(delay, t1)
    shares = x[..., :3]
    with np.errstate(invalid="ignore"):
        reached = (
            a * SCORE_VALUES[pricing.score](pricing.norm * shares.sum(-1)) - shares @ pricing.prices[k] - rho * deadline
        )
        reached = reached - np.where(paid > 0, paid * energies, 0.0).sum(axis=-1) - mu * x[..., 3] - constant
    return np.where((delay <= min(t1, limit) * (1 + 1e-13)) & carried(pricing, k, x), reached, -np.inf)


def carried(pricing: Pricing, k: int, x: np.ndarray) -> np.ndarray:
    """Whether both least rates are carried."""
    b, power, _, phi, p, _ = np.moveaxis(x, -1, 0)
    cu, cd = pricing.coefficients[k, 7:]
    up, down = (
        np.broadcast_to(item, len(pricing.coefficients))[k] for item in (pricing.terms.need_up, pricing.terms.need_down)
    )
    # Where nothing is sent the uplink can have all power.
    full = np.where(phi > 0.0, p, 1.0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        enough = 1.0 - 1e-12
        return (b * log_of_one_and(cu, full, b) >= up * enough) & (b * log_of_one_and(cd, power, b) >= down * enough)


def best_known(pricing: Pricing, k: int, samples: int = 4000, polish: int = 2) -> float:
    """A value that is reached: random points, half with a whole phi, the best ones improved by Nelder-Mead."""
    rng = np.random.default_rng(k)
    x = 10.0 ** rng.uniform(-4.0, 0.0, (samples, 6))
    x[:, 3] = rng.choice([0.0, 1.0, 2.0], samples)
    x[:, 3] = np.where(x[:, 3] > 1.5, rng.uniform(size=samples), x[:, 3])
    x[rng.uniform(size=x.shape) > 0.85] = 1.0
    reached = value(pricing, k, x)
    best = float(reached.max())
    for i in np.argsort(-reached)[:polish]:
        if reached[i] > -np.inf:
            start = np.append(np.log(x[i, [0, 1, 2, 4, 5]]), x[i, 3])

            def loss(theta: np.ndarray) -> float:
                point = np.exp(np.minimum(np.append(theta[:3], theta[3:5]), 0.0))
                full = np.array([*point[:3], min(max(theta[5], 0.0), 1.0), *point[3:]])
                return -float(np.maximum(value(pricing, k, full), -1e6))

            best = max(best, -minimize(loss, start, method="Nelder-Mead", options={"maxfev": 800}).fun)
    return best
