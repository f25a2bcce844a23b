"""From a cover to its certificate: the leaves that prove every part, found once more and written down."""

from __future__ import annotations

import numpy as np

from formulations.joint.data import JointData

from ...certificate import Certificate, Claim, Empty, Late, Node, by_deadlines
from .cover import Cover, Part
from .pricer import Pricer

__all__ = ["certificate_of"]

#: Rounds in which a part is proven more closely, until its leaves say what was reported.
_ROUNDS = 4


def certificate_of(pricer: Pricer, cover: Cover, data: JointData, bound: float, accuracy: float) -> Certificate:
    """Return the certificate of a bound.

    Parameters
    ----------
    pricer
        Has scenario and units.
    cover
        Its parts lie side by side from `JointData.least_delay` to `JointData.most_delay`.
    data
        Where the cover begins and ends.
    bound
        The bound that is stated, SI.
    accuracy
        Relative accuracy of the first proofs.
    """
    scaled = bound / data.scr_unit
    parts = cover.parts
    edges = [0.0, *(part.box.interval[0] for part in parts), parts[-1].box.interval[1]]
    nodes: list[Node] = [Empty(), *(_claim(pricer, part, scaled, accuracy) for part in parts), Late()]
    return Certificate(
        scenario_sha256=pricer.scenario.sha256,
        upper_bound=bound,
        time_unit=pricer.pairs.time_unit,
        cost_unit=pricer.pairs.cost_unit,
        root=by_deadlines(edges[1:], nodes),
    )


def _claim(pricer: Pricer, part: Part, bound: float, accuracy: float) -> Node:
    """Return the claim of one part, proven closely enough for the bound if that can be."""
    prices, box = part.prices, part.box
    if prices is None or part.bound == -np.inf:
        return Empty()
    least_cost = pricer.pairs.time_weight * box.interval[0]
    n = box.allowed.shape[0]
    tolerance = max(accuracy * bound * least_cost / n, 1e-12)
    for _ in range(_ROUNDS):
        leaves, excess = pricer.leaves(prices, box, tolerance)
        if prices.ratio + max(excess, 0.0) / least_cost <= bound:
            break
        tolerance *= 0.1
    return Claim.of(prices.ratio, prices.shares, prices.delay, leaves)
