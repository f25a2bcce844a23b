"""From a tree to its certificate: the cells that prove every leaf, found once more and written down."""

from __future__ import annotations

import numpy as np

from ... import certificate
from ...certificate import ByDeadline, ByOffload, ByServers, Certificate, Empty, Late, LeafClaim, by_deadlines
from .boxes import DeadlineCut, ServerCut
from .problem import SeparableProblem
from .tree import Node, Tree

__all__ = ["certificate_of"]

#: Rounds in which a leaf is proven more closely, until its leaves say what was reported.
_ROUNDS = 4

#: A round that takes less than this part off what is missing is the last.
_PROGRESS = 0.1


def certificate_of(
    problem: SeparableProblem, search_tree: Tree, bound: float, accuracy: float
) -> tuple[Certificate, bool]:
    """Return the certificate of a bound, and whether its proofs reach the bound in floating-point arithmetic.

    Parameters
    ----------
    problem
        The separable problem.
    search_tree
        Holds all deadlines from `JointData.least_delay` to `JointData.most_delay`.
    bound
        The bound that is stated, SI.
    accuracy
        Relative accuracy of the first proofs.
    """
    scaled = bound / problem.data.scr_unit
    short: list[Node] = []
    proven = _written(problem, search_tree.root, scaled, accuracy, short)
    written = Certificate(
        scenario_sha256=problem.scenario.sha256,
        upper_bound=bound,
        time_unit=problem.pairs.time_unit,
        cost_unit=problem.pairs.cost_unit,
        root=by_deadlines(list(search_tree.root.box.interval), [Empty(), proven, Late()]),
    )
    return written, not short


def _written(
    problem: SeparableProblem, node: Node, bound: float, accuracy: float, short: list[Node]
) -> certificate.Node:
    """Return a node of the tree as one of the certificate: the cut it was given, or what its prices prove.

    Leaves whose proofs do not reach the bound are added to `short`.
    """
    cut = node.cut
    if cut is None:
        return _claim(problem, node, bound, accuracy, short)
    first, second = (_written(problem, child, bound, accuracy, short) for child in node.children)
    if isinstance(cut, DeadlineCut):
        return ByDeadline(cut.at, first, second)
    if isinstance(cut, ServerCut):
        return ByServers(cut.user, cut.servers, first, second)
    return ByOffload(cut.user, cut.at, first, second)


def _claim(problem: SeparableProblem, node: Node, bound: float, accuracy: float, short: list[Node]) -> certificate.Node:
    """Return the claim of one leaf, proven closely enough for the bound if that can be."""
    prices, box = node.prices, node.box
    if prices is None:
        return Empty()  # a user has no server left
    least_cost = problem.pairs.time_weight * box.interval[0]
    n = box.allowed.shape[0]
    tolerance = max(accuracy * bound * least_cost / n, 1e-12)
    before = np.inf
    for _ in range(_ROUNDS):
        leaves, dual_value = problem.leaves(prices, box, tolerance)
        reached = problem.scenario.objective.bound(max(dual_value, 0.0), prices.ratio, least_cost)
        if reached <= bound or before - reached < _PROGRESS * (reached - bound):
            break
        before = reached
        tolerance *= 0.1
    if not reached <= bound:
        short.append(node)
    return LeafClaim.of(prices.ratio, prices.shares, prices.delay, leaves)
