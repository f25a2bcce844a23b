"""From a cover to its certificate: the leaves that prove every part, found once more and written down."""

from __future__ import annotations

import numpy as np

from formulations.joint.data import JointData

from ...certificate import ByDeadline, ByOffload, ByServers, Certificate, Claim, Empty, Late, Node, by_deadlines
from .boxes import DeadlineCut, ServerCut
from .cover import Cover, Part
from .pricer import Pricer

__all__ = ["certificate_of"]

#: Rounds in which a part is proven more closely, until its leaves say what was reported.
_ROUNDS = 4

#: A round that takes less than this part off what is missing is the last.
_PROGRESS = 0.1


def certificate_of(
    pricer: Pricer, cover: Cover, data: JointData, bound: float, accuracy: float
) -> tuple[Certificate, bool]:
    """Return the certificate of a bound, and whether its proofs reach the bound in floating-point arithmetic.

    Parameters
    ----------
    pricer
        Has scenario and units.
    cover
        Holds all deadlines from `JointData.least_delay` to `JointData.most_delay`.
    data
        Where the cover begins and ends.
    bound
        The bound that is stated, SI.
    accuracy
        Relative accuracy of the first proofs.
    """
    scaled = bound / data.scr_unit
    short: list[Part] = []
    tree = _node(pricer, cover.root, scaled, accuracy, short)
    certificate = Certificate(
        scenario_sha256=pricer.scenario.sha256,
        upper_bound=bound,
        time_unit=pricer.pairs.time_unit,
        cost_unit=pricer.pairs.cost_unit,
        root=by_deadlines(list(cover.root.box.interval), [Empty(), tree, Late()]),
    )
    return certificate, not short


def _node(pricer: Pricer, part: Part, bound: float, accuracy: float, short: list[Part]) -> Node:
    """Return a part of the cover as a node: the cut it was given, or what its prices prove.

    Parts whose proofs do not reach the bound are added to `short`.
    """
    cut = part.cut
    if cut is None:
        return _claim(pricer, part, bound, accuracy, short)
    first, second = (_node(pricer, child, bound, accuracy, short) for child in part.children)
    if isinstance(cut, DeadlineCut):
        return ByDeadline(cut.at, first, second)
    if isinstance(cut, ServerCut):
        return ByServers(cut.user, cut.servers, first, second)
    return ByOffload(cut.user, cut.at, first, second)


def _claim(pricer: Pricer, part: Part, bound: float, accuracy: float, short: list[Part]) -> Node:
    """Return the claim of one part, proven closely enough for the bound if that can be."""
    prices, box = part.prices, part.box
    if prices is None:
        return Empty()  # a user has no server left
    least_cost = pricer.pairs.time_weight * box.interval[0]
    n = box.allowed.shape[0]
    tolerance = max(accuracy * bound * least_cost / n, 1e-12)
    before = np.inf
    for _ in range(_ROUNDS):
        leaves, excess = pricer.leaves(prices, box, tolerance)
        reached = prices.ratio + max(excess, 0.0) / least_cost
        if reached <= bound or before - reached < _PROGRESS * (reached - bound):
            break
        before = reached
        tolerance *= 0.1
    if not reached <= bound:
        short.append(part)
    return Claim.of(prices.ratio, prices.shares, prices.delay, leaves)
