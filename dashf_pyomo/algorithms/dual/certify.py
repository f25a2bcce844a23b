"""From a tree to its certificate: the cells that prove every leaf, found once more and written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ... import certificate
from ...certificate import ByDeadline, ByOffload, ByServers, Certificate, Empty, Late, LeafClaim, by_deadlines
from .boxes import Box, DeadlineCut, ServerCut
from .prices import Prices
from .problem import SeparableProblem
from .tree import Node, Tree

__all__ = ["certificate_of", "certificate_of_infeasibility"]

Array = NDArray[np.float64]

#: Rounds in which a leaf is proven more closely, until its leaves say what was reported.
_ROUNDS = 5

#: A y is this much below the bound that it is to be in other units, relative.
_LAST_BITS = 1e-15


def certificate_of(
    problem: SeparableProblem, search_tree: Tree, bound: float, accuracy: float
) -> tuple[Certificate, bool]:
    """Return the certificate of a bound, and whether its proofs reach the bound in floating-point arithmetic.

    Parameters
    ----------
    problem
        The separable problem.
    search_tree
        Holds all deadlines from `JointData.least_delay` to `JointData.most_delay`, where users share one, else all
        delays of an allocation that is better than the bound.
    bound
        The bound that is stated, SI.
    accuracy
        Relative accuracy of the first proofs.
    """
    scaled = bound / problem.data.value_unit

    # Where the cost is a sum over users, raising y to the bound takes from each what it costs at least. With y + D /
    # least cost at most the bound, no D is left, and a verifier need not know the least cost.
    at_bound = problem.cost_price is None and not problem.has_deadline

    def reached(prices: Prices, dual_value: float, box: Box) -> float:
        if at_bound:
            return scaled if dual_value <= 0.0 else np.inf
        return problem.bound(prices, dual_value, box)

    def chosen(prices: Prices) -> Prices:
        return problem.balanced(replace(prices, ratio=scaled * (1.0 - _LAST_BITS))) if at_bound else prices

    def tolerance(box: Box) -> float:
        return max(problem.user_tolerance(box, scaled, accuracy), 1e-12)

    writer = _Writer(problem, scaled, reached, tolerance, chosen)
    root = writer.written(search_tree.root)
    if problem.has_deadline:
        root = by_deadlines(list(search_tree.root.box.interval), [Empty(), root, Late()])
    return writer.stating(bound, root), not writer.short


def certificate_of_infeasibility(
    problem: SeparableProblem, search_tree: Tree, accuracy: float = 1e-3
) -> tuple[Certificate, bool]:
    """Return the certificate that a scenario has no allocation, and whether its proofs say so in floating point.

    Parameters
    ----------
    problem
        The separable problem without an objective: scores and costs count nothing, no deadline is shared, and delays
        are as long as limits allow. A user whose delay nothing limits is bounded by its least energies of transmission,
        whatever its cells say.
    search_tree
        Bounds of its leaves are D < 0 at their prices, which are of budgets and rows alone; or a user has no server.
    accuracy
        Accuracy of the first proofs.
    """

    def reached(prices: Prices, dual_value: float, box: Box) -> float:
        return dual_value

    def tolerance(box: Box) -> float:
        return problem.user_tolerance(box, 0.0, accuracy)

    writer = _Writer(problem, -np.finfo(float).tiny, reached, tolerance, lambda prices: prices, infeasible=True)
    return writer.stating(0.0, writer.written(search_tree.root)), not writer.short


@dataclass
class _Writer:
    """Writes nodes of a search tree as nodes of a certificate.

    Parameters
    ----------
    problem
        The separable problem.
    bound
        Scaled value that the proofs are to reach.
    reached
        What a dual value says of a box at given prices.
    tolerance
        Accuracy of the first proofs in a box, for each user.
    chosen
        The prices of a claim from those of a node.
    infeasible
        Whether it is stated that there is no allocation.

    Attributes
    ----------
    short
        Leaves whose proofs do not reach the bound.
    """

    problem: SeparableProblem
    bound: float
    reached: Callable[[Prices, float, Box], float]
    tolerance: Callable[[Box], float]
    chosen: Callable[[Prices], Prices]
    infeasible: bool = False
    short: list[Node] = field(default_factory=list)

    def stating(self, bound: float, root: certificate.Node) -> Certificate:
        """Return the certificate with a tree over everything."""
        problem = self.problem
        return Certificate(
            scenario_sha256=problem.scenario.sha256,
            bound=bound,
            time_unit=problem.pairs.time_unit,
            cost_unit=problem.pairs.cost_unit,
            root=root,
            objective=str(problem.objective.kind),
            infeasible=self.infeasible,
        )

    def written(self, node: Node) -> certificate.Node:
        """Return a node as one of the certificate: the cut it was given, or what its prices prove."""
        cut = node.cut
        if cut is None:
            return self._claim(node)
        first, second = (self.written(child) for child in node.children)
        if isinstance(cut, DeadlineCut):
            return ByDeadline(cut.at, first, second)
        if isinstance(cut, ServerCut):
            return ByServers(cut.user, cut.servers, first, second)
        return ByOffload(cut.user, cut.at, first, second)

    def _claim(self, node: Node) -> certificate.Node:
        """Return the claim of one leaf, proven closely enough for the bound if that can be."""
        problem, prices, box = self.problem, node.prices, node.box
        if prices is None:
            return Empty()  # a user has no server left
        prices = self.chosen(prices)
        tolerance = self.tolerance(box)
        for _ in range(_ROUNDS):
            found, dual_value = problem.leaves(prices, box, tolerance)
            reached = self.reached(prices, dual_value, box)
            # The closest proofs take no more than their tolerance off D.
            if (
                reached <= self.bound
                or self.reached(prices, dual_value - len(box.allowed) * tolerance, box) > self.bound
            ):
                break
            tolerance *= 0.1
        if not reached <= self.bound:
            self.short.append(node)
        leaves, early = _by_delay(found)
        # What the objective says is not for claims to say.
        has_ratio = problem.cost_price is None and not self.infeasible
        has_deadline = problem.has_deadline and not self.infeasible
        return LeafClaim.of(
            prices.ratio if has_ratio else 0.0,
            prices.shares,
            prices.delay if has_deadline else np.zeros(len(box.allowed)),
            leaves,
            prices.rows / problem.rows.unit if len(problem.rows) else (),
            early,
        )


def _by_delay(
    found: dict[tuple[int, int], list[Array]],
) -> tuple[dict[tuple[int, int], Array], dict[tuple[int, int], Array]]:
    """Return the leaves of pairs at delays within the interval, and before it: the second piece of the same phi."""
    leaves: dict[tuple[int, int], list[Array]] = {}
    early: dict[tuple[int, int], list[Array]] = {}
    for pair, pieces in found.items():
        seen: set[float] = set()
        for piece in pieces:
            phi = float(piece[:, 2].min())
            (early if phi in seen else leaves).setdefault(pair, []).append(piece)
            seen.add(phi)
    return _joined(leaves), _joined(early)


def _joined(pieces: dict[tuple[int, int], list[Array]]) -> dict[tuple[int, int], Array]:
    return {pair: np.concatenate(parts) for pair, parts in pieces.items()}
