"""Bounding of one box: column generation for good prices, then a proof at the best of them.

Two ways, chosen once. `ByInterval` has a row for each user's deadline in the restricted master problem; its LP solution
serves users at deadlines of their own within the interval. `AtDeadline` is for many users, where these rows make the
linear program slow: columns are generated at one deadline, which moves to where it is best. At its prices every user
is then asked what it is worth at other deadlines, h_n(T). The best deadline is where their sum less y omega_t T is
largest, and prices of delay that lie between the slopes of h_n on both sides of it, and sum to y omega_t, separate the
users over all deadlines: no user is worth more at another one, as far as h_n is concave.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .boxes import NARROW, Bounded, Box, Cut, DeadlineCut
from .columns import DELAY, ENERGY, OFFLOAD, ColumnPool
from .generation import ColumnGeneration, collect, fits
from .prices import Prices
from .problem import PricedColumns, SeparableProblem
from .settings import Cutoff, Settings, above
from .tree import Node, Tree

__all__ = ["AtDeadline", "Bounding", "ByInterval", "Envelope", "at_deadline", "proven_bound"]

Array = NDArray[np.float64]

#: Prices are good enough once better ones bring the bound down by no more than this part of what it lies above the
#: incumbent: at the root, and in branching, where a box that stays open will be cut again.
COARSE, COARSE_BRANCH = 0.02, 0.1

#: Most rounds of column generation in a box: for a bound, for a rough one, and for what a narrow interval is worth.
ROUNDS, ROUGH_ROUNDS, LIMIT_ROUNDS = 40, 15, 6

#: Most times that generation goes on after a proof has shown that the search missed columns.
MISLED = 3

#: Minus ratios of the ends of an interval: the best deadline is looked for from afar in wide ones, else nearby.
WIDE = (-1.3, -1.03)

#: Deadlines that users are asked about, relative to the present one, and the accuracy of prices there, until the
#: present one is the best of them. Those of the end are the last ones.
ASKED = (
    (0.02, np.array([0.5, 0.7, 0.85, 1.0, 1.18, 1.4, 2.0])),
    (0.005, np.array([0.88, 0.94, 0.97, 1.0, 1.03, 1.06, 1.12])),
    (0.0, np.array([0.5, 0.7, 0.82, 0.92, 0.97, 0.985, 0.995, 1.0, 1.005, 1.015, 1.03, 1.08, 1.2, 1.45, 2.0])),
)


class Bounding(ABC):
    """A way to bound boxes.

    Parameters
    ----------
    problem
        The separable problem.
    pool
        Columns so far; new ones are added.
    settings
        Options of the search.
    cutoff
        The incumbent.
    """

    def __init__(self, problem: SeparableProblem, pool: ColumnPool, settings: Settings, cutoff: Cutoff) -> None:
        self.problem, self._pool, self._settings, self._cutoff = problem, pool, settings, cutoff
        #: The best deadline of all, time units, where one is kept.
        self.best_deadline: float | None = None

    @property
    def has_deadline(self) -> bool:
        """Whether users share a deadline, at which boxes are cut."""
        return self.problem.has_deadline

    @abstractmethod
    def root(self, box: Box, start: Prices) -> Bounded:
        """Return what is known of the box that holds everything, from prices to start with."""

    @abstractmethod
    def child(self, box: Box, parent: Node, cut: Cut) -> Bounded:
        """Return what is known of a part that a cut makes of a node."""

    def again(self, node: Node) -> Bounded:
        """Return what is known of a node once it is bounded anew, for the incumbent that there is by now."""
        return node.bounded

    @abstractmethod
    def limit(self, node: Node) -> float:
        """Return about what cutting deadlines cannot bring the bound of a node below."""

    def parts(self, tree: Tree, cut: Cut) -> list[Bounded]:
        """Return what is known of both parts of the worst node."""
        worst = tree.worst()
        return [self.child(box, worst, cut) for box in cut(worst.box)]

    @abstractmethod
    def rough(self, box: Box, start: Prices) -> Bounded:
        """Return about what is known of a box, from prices to start with."""


class ByInterval(Bounding):
    """Every box by column generation over its whole interval of deadlines.

    Attributes
    ----------
    coarse
        As `COARSE`.
    """

    def __init__(self, problem: SeparableProblem, pool: ColumnPool, settings: Settings, cutoff: Cutoff) -> None:
        super().__init__(problem, pool, settings, cutoff)
        self.coarse = COARSE
        self._probed: tuple[float, float, float] = (0.0, 0.0, np.inf)

    def root(self, box: Box, start: Prices) -> Bounded:
        """Return what is known of the box that holds everything."""
        found = self.generate(box, start)
        if self._settings.branches:
            self.coarse = COARSE_BRANCH
        return found

    def child(self, box: Box, parent: Node, cut: Cut) -> Bounded:
        """Return what is known of a part of a node, from its parent's prices."""
        return self.generate(box, parent.bounded.prices)

    def again(self, node: Node) -> Bounded:
        """Return what is known of a node by column generation from its own prices."""
        return self.generate(node.box, node.bounded.prices)

    def rough(self, box: Box, start: Prices) -> Bounded:
        """Return what a few rounds of column generation say of a box; nothing is proven."""
        return self.generate(box, start, most_rounds=ROUGH_ROUNDS, proven=False)

    def limit(self, node: Node) -> float:
        """Return the value of a very short interval around the deadline of the LP solution."""
        if not self.problem.has_deadline:
            return node.bounded.value
        branches = self._settings.branches
        low, high = node.box.interval
        at = node.bounded.deadline
        if not branches and self._probed[0] <= at <= self._probed[1]:
            return self._probed[2]
        narrow = max(low, at * (1.0 - 0.5 * NARROW)), min(high, at * (1.0 + 0.5 * NARROW))
        if not narrow[0] < narrow[1]:
            return node.bounded.value
        rounds = LIMIT_ROUNDS if branches else ROUNDS
        box = node.box.between(*narrow)
        value = self.generate(box, node.bounded.prices, most_rounds=rounds, proven=False).value
        self._probed = (*narrow, value)
        return value

    def generate(self, box: Box, start: Prices | None, *, most_rounds: int = ROUNDS, proven: bool = True) -> Bounded:
        """Generate columns until the bound is as good as it gets or below the target, and prove it.

        Parameters
        ----------
        box
            The box.
        start
            Prices to start from, or None.
        most_rounds
            Most rounds of column generation.
        proven
            Whether the bound is proven; an unproven one is what local search says.
        """
        problem, settings = self.problem, self._settings
        accuracy, cutoff, target = settings.accuracy, self._cutoff.value, self._cutoff.target
        shortest = box.interval[0]
        if not box.allowed.any(axis=1).all():
            return Bounded.without_solution(-np.inf, None, 0, shortest)
        tolerance = problem.user_tolerance(box, cutoff, accuracy)

        def done(bound: float, value: float) -> bool:
            # Far above the incumbent, prices need not be better than that.
            return _close(cutoff, target, accuracy, bound, value) or bound - value <= self.coarse * (bound - cutoff)

        generation = ColumnGeneration(problem, self._pool, box, cutoff, start, 0.1 * tolerance)
        found: Bounded | None = None
        for _ in range(MISLED):
            while generation.rounds < most_rounds:
                settings.deadline.check()
                if generation.round(done):
                    break  # done, or a user cannot be in time: the proof will say so
            chosen, rounds = generation.chosen, generation.rounds
            # A solution that uses surplus, when rounds have run out, may be worth more than any bound.
            value = min(generation.value, generation.best)
            solution = value, chosen, generation.weights, generation.members, rounds, generation.deadline()
            if not (proven and settings.proven):
                return Bounded(generation.best, *solution)
            bound, proof = proven_bound(problem, self._pool, box, chosen, tolerance, settings.max_cells)
            misled = target < bound < np.inf and not _close(cutoff, generation.best, 10.0 * accuracy, bound, -np.inf)
            if not misled:
                collect(problem, self._pool, proof)
            if np.isneginf(bound):
                return Bounded.without_solution(-np.inf, chosen, rounds, shortest)
            if found is None or bound < found.bound:
                found = Bounded(bound, *solution)
            if not misled or not generation.possible:
                break
            # The search had missed columns, so that the bound seemed good enough: the proof has found some.
            generation.learn(proof, bound)
        assert found is not None
        return found


class AtDeadline(Bounding):
    """Boxes of many users by column generation at one deadline."""

    best_deadline: float

    def __init__(self, problem: SeparableProblem, pool: ColumnPool, settings: Settings, cutoff: Cutoff) -> None:
        super().__init__(problem, pool, settings, cutoff)
        self.best_deadline = 1.0  # that of the start

    def root(self, box: Box, start: Prices) -> Bounded:
        """Return what is known of the box that holds everything, at the prices of the best deadline."""
        found = self._generate_at(box, start)
        self.best_deadline = found.deadline
        assert found.prices is not None
        return self._at_prices(box, found.prices, found)

    def child(self, box: Box, parent: Node, cut: Cut) -> Bounded:
        """Return what is known of a part of a node.

        A part, cut at a deadline, that holds the best deadline of its parent keeps its prices. Another is bounded at
        them if they suffice, else at those of its own best deadline.
        """
        prices = parent.bounded.prices
        if prices is None or not box.allowed.any(axis=1).all():
            return Bounded.without_solution(-np.inf, None, 0, box.interval[0])
        return self._at_prices(box, prices, parent.bounded if isinstance(cut, DeadlineCut) else None)

    def rough(self, box: Box, start: Prices) -> Bounded:
        """Return what is known of a box from prices to start with."""
        return self._at_prices(box, start, None)

    def limit(self, node: Node) -> float:
        """Return the value of the restricted master problem, which is that of one deadline."""
        return node.bounded.value

    def _at_prices(self, box: Box, start: Prices, known: Bounded | None) -> Bounded:
        problem, settings = self.problem, self._settings
        settings.deadline.check()
        low, high = box.interval
        tolerance = problem.user_tolerance(box, self._cutoff.value, settings.accuracy)
        prices = problem.balanced(start)
        if known is not None and low <= known.deadline <= high:
            found = replace(known, prices=prices)
        else:
            warm = problem.search(prices, box, 0.1 * tolerance, warm=True)
            found = Bounded.without_solution(np.inf, prices, 0, float(np.clip(self.best_deadline, low, high)))
            if problem.bound(prices, warm.dual_value, box) > self._cutoff.target:
                found = self._generate_at(box, prices, stage=int(np.searchsorted(WIDE, -high / low)))
        if not settings.proven:
            return found
        assert found.prices is not None
        bound, _ = proven_bound(problem, self._pool, box, found.prices, tolerance, settings.max_cells)
        return replace(found, bound=bound)

    def _generate_at(self, box: Box, start: Prices, stage: int = 0) -> Bounded:
        """Generate columns at the best deadline of a box."""
        found, columns = at_deadline(
            self.problem, self._pool, box, self.best_deadline, self._settings, self._cutoff.value, start,
            target=self._cutoff.target, stage=stage,
        )  # fmt: skip
        held = found.weights > 0.0
        members = self._pool.adopt(columns, found.members[held])
        return replace(found, weights=found.weights[held], members=members)


def at_deadline(
    problem: SeparableProblem,
    pool: ColumnPool,
    box: Box,
    deadline: float,
    settings: Settings,
    cutoff: float,
    start: Prices | None,
    *,
    target: float = 0.0,
    stage: int = 0,
    moves: int = 12,
    most_rounds: int = ROUNDS,
) -> tuple[Bounded, ColumnPool]:
    """Return the bound at a deadline near the best one, not proven, and the columns that its LP solution refers to.

    Parameters
    ----------
    problem, pool, settings
        As in `Bounding`; the pool is left as it is.
    box
        Allowed pairs, ranges of phi, and the interval in which the deadline may move.
    deadline
        Deadline to start from.
    cutoff
        A scaled value that is reached; bounds below it are of no interest.
    start
        Prices to start from, or None.
    target
        A bound at or below this is good enough.
    stage
        Position in `ASKED` to start from: 0 if the best deadline may be far.
    moves
        Most moves of the deadline.
    most_rounds
        Most rounds of column generation at a deadline.
    """
    if not problem.has_deadline:
        return _at_own_delays(problem, pool, box, settings, cutoff, start, most_rounds)
    low, high = box.interval
    columns, prices = pool, start
    total, last = 0, len(ASKED) - 1
    said = Envelope()
    for move in range(moves + 1):
        deadline = float(np.clip(deadline, low, high))
        here = box.between(deadline, deadline)
        columns = _moved(problem, columns, box, deadline)
        tolerance = 0.1 * problem.user_tolerance(here, cutoff, settings.accuracy)
        stage = last if move == moves else stage
        generation = ColumnGeneration(
            problem, columns, here, cutoff, prices, tolerance, deadline_rows=False, ends_full=stage == last
        )
        done = partial(_close, cutoff, target, max(settings.accuracy, ASKED[stage][0]))
        for _ in range(most_rounds):
            settings.deadline.check()
            if generation.round(done):
                break
        total += generation.rounds
        if not generation.possible:
            deadline *= 1.5
            continue
        asked = np.unique(np.clip(ASKED[stage][1] * deadline, low, high))
        prices, bounds = _delay_prices(problem, box, generation.chosen, deadline, asked, tolerance)
        said.add(asked, bounds)
        better = said.best()
        if abs(better - deadline) <= 0.001 * deadline:
            if stage == last:
                break
            stage += 1
        if move < moves:
            deadline = better
    value, weights, members = generation.value, generation.weights, generation.members
    return Bounded(generation.best, value, prices, weights, members, total, deadline), columns


def _at_own_delays(
    problem: SeparableProblem,
    pool: ColumnPool,
    box: Box,
    settings: Settings,
    cutoff: float,
    start: Prices | None,
    most_rounds: int,
) -> tuple[Bounded, ColumnPool]:
    """Return what `at_deadline` does where users have no deadline in common."""
    columns = ColumnPool()
    members = np.arange(len(pool))
    columns.adopt(pool, members[fits(problem, pool, members, box)])
    tolerance = 0.1 * problem.user_tolerance(box, cutoff, settings.accuracy)
    generation = ColumnGeneration(problem, columns, box, cutoff, start, tolerance)
    done = partial(_close, cutoff, -np.inf, settings.accuracy)
    for _ in range(most_rounds):
        settings.deadline.check()
        if generation.round(done):
            break
    value, weights, members = generation.value, generation.weights, generation.members
    found = Bounded(
        generation.best, value, generation.chosen, weights, members, generation.rounds, generation.deadline()
    )
    return found, columns


def _close(cutoff: float, target: float, accuracy: float, bound: float, value: float) -> bool:
    """Return whether a bound is next to the value or to the cutoff, or below the target."""
    return bound <= above(max(value, cutoff), accuracy) or bound <= above(target, -0.1 * accuracy)


def _moved(problem: SeparableProblem, pool: ColumnPool, box: Box, deadline: float) -> ColumnPool:
    """Return the columns that fit a box and can meet a deadline, with the least energy for it."""
    phi = pool.data[:, OFFLOAD]
    fits = box.allowed[pool.user, pool.server]
    fits &= (box.offload[pool.user, 0] <= phi) & (phi <= box.offload[pool.user, 1])
    user, server, data = pool.user[fits], pool.server[fits], pool.data[fits].copy()
    best = problem.least_energy(user, server, data[:, :3], deadline, box.offload[user])
    data[:, ENERGY], data[:, OFFLOAD:ENERGY] = best[:, 0], best[:, 1:4]
    data[:, DELAY] = np.minimum(deadline, problem.longest[user])
    moved = ColumnPool()
    moved.add(user, server, data)
    return moved


class Envelope:
    """The least of bounds as functions of the deadline, each known at some deadlines and between them."""

    def __init__(self) -> None:
        self._curves: list[tuple[Array, Array]] = []

    def add(self, deadlines: Array, bounds: Array) -> None:
        """Add a bound at ascending deadlines, shape (K,) each."""
        self._curves.append((np.log(deadlines), bounds))

    def best(self) -> float:
        """Return the deadline, of those known, at which the least bound is largest."""
        at = np.unique(np.concatenate([curve for curve, _ in self._curves]))
        with np.errstate(invalid="ignore"):
            known = [np.interp(at, *curve, left=np.inf, right=np.inf) for curve in self._curves]
        least = np.min(known, axis=0)
        least[np.isnan(least)] = -np.inf  # between a deadline that is possible and one that is not
        return float(np.exp(at[np.argmax(least)]))


def _delay_prices(
    problem: SeparableProblem, box: Box, prices: Prices, present: float, asked: Array, tolerance: float
) -> tuple[Prices, Array]:
    """Return the prices with those of delay that hold the users at the best deadline asked about, and all bounds."""
    free = replace(prices, delay=np.zeros(len(box.allowed)))
    worth = np.empty((len(asked), len(box.allowed)))
    k = int(np.argmin(np.abs(asked - present)))
    for side in (range(k, len(asked)), range(k - 1, -1, -1)):  # outwards, each from what its neighbour found
        with problem.remembering():
            for i in side:
                worth[i] = problem.search(free, box.between(asked[i], asked[i]), tolerance, warm=True, near=True).best
    total = prices.ratio * problem.time_weight
    charged = prices.shares.sum() + (prices.rows * problem.rows.right).sum()
    excess = charged + worth.sum(axis=1) - total * asked
    values = excess if problem.cost_price is not None else prices.ratio + excess / (problem.time_weight * asked)
    bounds = np.where(np.isfinite(excess), values, -np.inf)
    k = int(np.argmax(bounds))
    with np.errstate(invalid="ignore"):
        slopes = (worth - worth[k]) / (asked - asked[k])[:, np.newaxis]
    shorter = np.min(slopes[:k], axis=0, initial=np.inf)
    longer = np.maximum(np.max(slopes[k + 1 :], axis=0, initial=-np.inf), 0.0)
    shorter = np.where(np.isfinite(shorter), np.maximum(shorter, longer), longer)
    # One part of the way for all, so that the sum is right.
    least, most = float(longer.sum()), float(shorter.sum())
    part = (total - least) / (most - least) if most > least else 0.5
    delay = longer + float(np.clip(part, 0.0, 1.0)) * (shorter - longer)
    if not delay.any():
        delay = np.ones(len(delay))
    return problem.balanced(replace(prices, delay=delay)), bounds


def proven_bound(
    problem: SeparableProblem, pool: ColumnPool, box: Box, prices: Prices, tolerance: float, max_cells: int
) -> tuple[float, PricedColumns]:
    """Prove what the allocations of a box can reach at most, in scaled value, by given prices.

    The bound is minus infinity if some user cannot be served in time, and infinity if the proof met what is no number,
    or if a column that is there is worth more than the proof allows: a proof that is wrong somewhere proves nothing.

    Parameters
    ----------
    problem, pool, box
        As in `Bounding`.
    prices
        Balanced prices.
    tolerance
        Largest error of a user's value, upwards.
    max_cells
        Most cells a pair.

    Returns
    -------
    bound
        The bound.
    proof
        Columns and dual value of pricing.
    """
    proof = problem.prove(prices, box, tolerance, max_cells)
    members = np.flatnonzero((pool.data[:, :ENERGY] <= 1.0).all(axis=1))  # the evaluator lets a little more pass
    members = members[fits(problem, pool, members, box, late=0.0)]
    known = np.full(len(box.allowed), -np.inf)
    np.maximum.at(known, pool.user[members], problem.reduced(pool, members, prices, box.interval[0]))
    np.maximum.at(known, proof.user, proof.reduced)
    size = np.where(np.isfinite(proof.best), np.abs(proof.best), 0.0)
    rounding = 1e-9 * (problem.scenario.score.largest * problem.score_weights + size)
    wrong = np.isnan(proof.best) | np.isposinf(proof.best) | (known > proof.best + rounding)
    if wrong.any():
        return np.inf, proof
    if np.isneginf(proof.best).any():
        return -np.inf, proof
    return problem.bound(prices, proof.dual_value, box), proof
