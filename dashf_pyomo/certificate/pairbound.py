"""The bound of a pair at any prices, from its leaves.

What is bounded, over deadlines T in [t0, t1], phi in its range, shares in [0, 1] and fractions p, f in (0, 1] with
delay <= min(T, L), R(cu, b, p) >= need_up and R(cd, b, pi) >= need_down, whatever phi is::

    h = max of a g(b + pi + psi) - lb b - lp pi - ls psi - c1 e1.. - c2 e2.. - c3 e3.. - c4 e4.. - rho T - mu phi - k

*Delay limit.* With T' = min(T, L) the pair has a deadline T' in [min(t0, L), min(t1, L)], and T - T' = max(T - L, 0)
lies between d0 = max(t0 - L, 0) and d1 = max(t1 - L, 0): -rho T <= -rho T' - min(rho d0, rho d1). So k grows by that.

*Cover.* The leaves cover the SNR x = cd pi / b in [0, top] and the range of phi. Beyond that b < b0 = cd / top, as
pi <= 1, and b0 must not suffice: the least delay there exceeds min(t1, L), or one of the least rates is not carried
with all power. Both only get worse with less bandwidth. Each leaf is bounded by `cellbound`.

Shares are bounded by 1 each, so that their prices may have any sign. Prices of energies and the weight are at least 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .balls import above, ball, flint
from .cellbound import Priced, cell_bound
from .cover import covers
from .scaled_pair import ScaledPair, least_delay
from .scores import SCORES

__all__ = ["PairPrices", "PairRange", "UnprovenError", "pair_bound"]

#: A float or a ball.
Number = Any


class UnprovenError(Exception):
    """A certificate does not prove what it states; the message says where and why."""


@dataclass(frozen=True)
class PairPrices:
    """Prices of a pair, each a float or a ball.

    Parameters
    ----------
    weight
        a, at least 0.
    energies
        c1 to c4, of training at the user, the uplink, training at the server and the downlink, at least 0.
    shares
        lb, lp, ls, of any sign.
    delay, offload, constant
        rho, mu and k, of any sign.
    """

    weight: Number
    energies: tuple[Number, Number, Number, Number]
    shares: tuple[Number, Number, Number]
    delay: Number
    offload: Number = 0.0
    constant: Number = 0.0


@dataclass(frozen=True)
class PairRange:
    """What a pair may choose from.

    Parameters
    ----------
    t0, t1
        Range of the deadline, floats, 0 <= t0 <= t1.
    offload
        Range of phi, floats in [0, 1].
    delay_limit
        L, a float above 0; infinity where there is none. One of t1 and L is finite.
    need_up, need_down
        Least R of both links, floats or balls, at least 0.
    """

    t0: float
    t1: float
    offload: tuple[float, float] = (0.0, 1.0)
    delay_limit: float = math.inf
    need_up: Number = 0.0
    need_down: Number = 0.0


def pair_bound(
    data: ScaledPair,
    norm: Number,
    prices: PairPrices,
    within: PairRange,
    leaves: NDArray[np.float64],
    *,
    score: str = "log",
    where: str = "pair",
) -> float:
    """Return a number that h does not exceed, minus infinity if nothing in range meets deadline and least rates.

    It is called within `flint().ctx.workprec(PRECISION)`.

    Parameters
    ----------
    data
        Coefficients of the pair, energies without prices.
    norm
        Factor of the sum of shares in the score.
    prices, within
        What it is charged, and what it may choose from.
    leaves
        Entries of `nodes.LEAF`, shape (number, 10).
    score
        Which g, a name of `scores.SCORES`.
    where
        Said in errors.

    Raises
    ------
    UnprovenError
        If a weight, a price of an energy or a range is not one that a bound holds for, or if the leaves do not cover
        all that may be chosen.
    """
    arb = flint().arb
    weight, rho, mu, k = map(arb, (prices.weight, prices.delay, prices.offload, prices.constant))
    energies = [arb(price) for price in prices.energies]
    need_up, need_down = arb(within.need_up), arb(within.need_down)
    for name, number in (("weight", weight), *(("energy price", price) for price in energies)):
        if not number >= 0:
            raise UnprovenError(f"{where}: {name} {float(number)!r}; expected at least 0")
    if score not in SCORES:
        raise UnprovenError(f"{where}: score {score!r}; expected one of {', '.join(SCORES)}")
    limit = float(within.delay_limit)
    t0, t1 = min(within.t0, limit), min(within.t1, limit)
    if not (0.0 <= t0 <= t1 < math.inf and 0.0 <= within.offload[0] <= within.offload[1] <= 1.0):
        raise UnprovenError(
            f"{where}: deadlines {t0!r} to {t1!r}, phi {within.offload}; expected finite ranges in order"
        )
    if limit < within.t1:
        early, late = (rho * ball(max(end - limit, 0.0)) for end in (within.t0, within.t1))
        k += early if rho >= 0 else early.min(late)

    def impossible(b: Any) -> bool:
        slow = least_delay(data, b, None, within.offload) > ball(t1)
        return bool(slow or b * (data.cu / b).log1p() < need_up or b * (data.cd / b).log1p() < need_down)

    if impossible(ball(1.0)):
        return -math.inf
    if not len(leaves):
        raise UnprovenError(f"{where}: no leaves, but it may meet the longest deadline {t1!r}")
    top = float(leaves[:, 1].max())
    b0 = (data.cd / ball(top)).min(ball(1.0))
    if not impossible(b0):
        raise UnprovenError(f"{where}: leaves end at the SNR {top!r}, but larger ones may meet the longest deadline")
    if not covers(leaves[:, :4], top, within.offload):
        raise UnprovenError(f"{where}: leaves do not cover the SNR 0 to {top!r} and phi {within.offload}")
    lb, lp, ls = (arb(price) for price in prices.shares)
    c1, c2, c3, c4 = energies
    charged = replace(data, e1=c1 * data.e1, e2=c2 * data.e2, e3=c3 * data.e3, e4=c4 * data.e4)
    priced = Priced(
        charged, arb(norm), (lb, lp, ls), rho, t0, t1, b0, weight, mu, k, score=score, need_up=need_up,
        need_down=need_down,
    )  # fmt: skip
    bounds = (cell_bound(priced, leaf) for leaf in leaves.tolist())
    return max((above(bound) for bound in bounds if bound is not None), default=-math.inf)
