"""Primal heuristics: allocations from the LP solutions of boxes.

`Polish` rounds the LP solution and optimises offloading and resources together with Ipopt, which takes too long for
many users. For them `Means` gives each user one server and a narrow range of phi and generates columns there: what is
left is nearly convex, so the mean of a user's columns, each weighted as the LP solution weights it, keeps the budgets
and costs no more than they do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, evaluate

from ..dashf_plus import move_users
from ..run import Run
from .bounding import Bounding, at_deadline
from .boxes import Bounded, Box, OffloadCut
from .branching import user_cut
from .columns import OFFLOAD, ColumnPool
from .forms import resource_step
from .prices import Prices
from .problem import SeparableProblem
from .recovery import at_best_deadline, modes, rounded
from .settings import Cutoff, Settings, above
from .tree import Node, Tree

__all__ = ["Means", "Polish", "Primal"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: A rounded LP solution is optimised if it is not worse than the incumbent by more than what is missing here to one.
WORTH = 0.9

#: So many draws from an LP solution of the root are rounded too.
DRAWS = 2

#: Branching spends no more time, s, than this on allocations beyond what it spends on bounds.
GRACE = 3.0

#: Dives stay within this factor of the best deadline.
NEARBY = 1.1

#: Up to so many users Ipopt polishes every mean of columns, and up to so many the last one, if the gap is open.
POLISHED, POLISHED_LAST = 150, 300

#: A rounded LP solution is improved around the phi that came out, and the last allocation settled, most so many times.
AGAIN = 4

#: Half the width of the range of phi of a user whose mode is given.
REACH = 0.05

#: What is this near to training all or nothing is tried there.
NEARLY = 0.05

#: Column generation for a mean is short: the deadline is about right, and the mean forgives.
MEAN_STAGE, MEAN_MOVES, MEAN_ROUNDS = 1, 4, 12


class Primal(ABC):
    """A way to make allocations of LP solutions.

    Parameters
    ----------
    run
        Takes what is found.
    problem
        The separable problem.
    pool
        Columns so far; those of allocations are added.
    settings
        Options of the search.
    cutoff
        The incumbent.
    """

    def __init__(
        self, run: Run, problem: SeparableProblem, pool: ColumnPool, settings: Settings, cutoff: Cutoff
    ) -> None:
        self._run, self._problem, self._pool = run, problem, pool
        self._settings, self._cutoff = settings, cutoff
        self._allocate = resource_step(run)
        self._shape = run.scenario.n_users, run.scenario.n_servers
        self._tried: set[bytes] = set()

    @abstractmethod
    def improve(self, bounded: Bounded, draws: int = 0) -> None:
        """Round an LP solution, and so many draws from it, and optimise what is new or better."""

    @abstractmethod
    def search_further(self, tree: Tree, bounding: Bounding) -> str:
        """Look for allocations in other ways, while the gap is open; return what the result says of it."""

    def finish(self, tree: Tree, bounding: Bounding) -> str:
        """Do what is left once no box is cut any more; return what the result says of it."""
        with self._problem.profile.clock("primal"):
            if not self._run.closed and POLISHED < self._shape[0] <= POLISHED_LAST:
                self._polish()
            said = self.search_further(tree, bounding)
            self._settle()
        return said

    def learn(self, allocation: Allocation) -> None:
        """Add the columns of an allocation to the pool."""
        self._pool.add(*self._problem.columns_of(allocation))

    @property
    def _reached(self) -> float:
        """The value of the incumbent, the worst there is without one."""
        return self._run.incumbent[1] if self._run.has_incumbent else self._problem.objective.worst

    def _price(self, value: float) -> float:
        """Return the price of cost at which resources are optimised: a value where that is the ratio sought."""
        price = self._problem.objective.cost_price
        return value if price is None else price

    def _known(self, server: Index, phi: Array) -> bool:
        """Return whether an association with the same users near phi = 1 was tried, and remember it."""
        key = server.tobytes() + np.round(2.0 * phi).astype(np.int8).tobytes()
        known = key in self._tried
        self._tried.add(key)
        return known

    def _polish(self) -> None:
        """Optimise the resources of the incumbent together, from where they are."""
        allocation, value = self._run.incumbent
        polished, facts = self._allocate(allocation, self._price(value))
        self._run.record(polished, phase="polish", **facts)
        self.learn(polished)

    def _settle(self) -> None:
        """Polish the incumbent once more, from all or nothing where a phi is next to it, as it often should be."""
        if self._shape[0] > POLISHED:
            return
        for _ in range(AGAIN):
            allocation, before = self._run.incumbent
            phi = allocation.offload
            whole = np.where(np.abs(phi - np.round(phi)) < NEARLY, np.round(phi), phi)
            low, high = self._problem.whole().offload.T
            start = replace(allocation, offload=np.clip(whole, low, high))
            polished, facts = self._allocate(start, self._price(before))
            self._run.record(polished, phase="settled", **facts)
            if not self._problem.objective.better(self._run.incumbent[1], before):
                break


class Polish(Primal):
    """Allocations of few users: rounded, then optimised by Ipopt; at the end dives and moves of single users."""

    def improve(self, bounded: Bounded, draws: int = 0) -> None:
        """Round an LP solution, and so many draws from it, and optimise what is new or better."""
        run, objective = self._run, self._problem.objective
        rng = np.random.default_rng(len(self._tried))
        for draw in (None, *repeat(rng, draws)):
            mean = rounded(self._problem, bounded, self._pool, draw)
            if mean is None:
                continue
            server, columns = mean
            known, before = self._known(server, columns[:, OFFLOAD]), self._reached
            if known and draw is not None:
                continue
            candidate = at_best_deadline(self._problem, server, columns, bounded.deadline)
            e = evaluate(run.scenario, candidate)
            better = e.feasible and objective.better(e.value, before)
            if known and not better:
                continue
            run.record(candidate, phase="rounding")
            scaled = e.value / self._problem.data.value_unit
            poor = e.feasible and scaled < above(self._cutoff.value, WORTH - 1.0)
            if poor or (not better and self._spent_enough()):
                continue
            start = e.value if better or not run.has_incumbent else before
            polished, facts = self._allocate(candidate, self._price(start))
            run.record(polished, phase="polish", **facts)
            self.learn(polished)
            if run.closed:
                return

    def search_further(self, tree: Tree, bounding: Bounding) -> str:
        """Dive from the worst box, then move single users."""
        for lighter_at in range(-1, self._settings.dives - 1):
            if self._run.closed:
                break
            self._dive(tree.worst(), lighter_at, bounding)
        if self._run.closed or not self._settings.moves:
            return ""
        tried, kept = move_users(self._run, self._allocate, self._settings.moves, 1e-4)
        return f"; {kept} of {tried} moves of users kept"

    def _spent_enough(self) -> bool:
        """Return whether a branch and bound has spent more time on allocations than on bounds."""
        profile = self._problem.profile
        return self._settings.branches and profile.primal > GRACE + profile.bounding

    def _dive(self, node: Node, lighter_at: int, bounding: Bounding) -> None:
        """Follow the heavier side of every cut near the best deadline until the LP solution is an allocation.

        Parameters
        ----------
        node
            Node to start from.
        lighter_at
            The cut at which the lighter side is followed instead; none below 0.
        bounding
            Bounds boxes roughly.
        """
        if node.prices is None:
            return
        low, high = node.box.interval
        at = node.bounded.deadline
        box, prices = node.box.between(max(low, at / NEARBY), min(high, at * NEARBY)), node.prices
        for level in range(3 * self._shape[0]):
            bounded = bounding.rough(box, prices)
            prices = bounded.prices or prices
            if bounded.value <= self._cutoff.value:
                return  # nothing better is here
            self.improve(bounded)
            cut = user_cut(self._problem, box, bounded, self._pool)
            if cut is None or self._run.closed:
                return
            side = cut.heavier if isinstance(cut, OffloadCut) else 0
            box = cut(box)[1 - side if level == lighter_at else side]


class Means(Primal):
    """Allocations of many users: the means of columns that are generated for one server and a range of phi each."""

    def improve(self, bounded: Bounded, draws: int = 0) -> None:
        """Round an LP solution, and generate columns at what it was rounded to."""
        run = self._run
        mean = rounded(self._problem, bounded, self._pool)
        if mean is None:
            return
        server, _ = mean
        phi = modes(bounded, self._pool, server)
        if self._known(server, phi):
            return
        whole = self._problem.whole()
        there = self._mean(_fixed_modes(whole, server, phi), bounded.prices, bounded.deadline)
        for _ in range(AGAIN):
            if run.closed or not run.has_incumbent:
                return
            # Once more around the phi that came out.
            allocation, before = run.incumbent
            box = _fixed_modes(whole, allocation.server, allocation.offload)
            there = self._mean(box, there.prices, there.deadline)
            if self._cutoff.value <= above(before / self._problem.data.value_unit, 0.1 * run.limits.gap):
                break
        if run.has_incumbent and not run.closed and len(server) <= POLISHED:
            self._polish()

    def search_further(self, tree: Tree, bounding: Bounding) -> str:
        """Do nothing: dives and moves of many users take too long."""
        return ""

    def _settle(self) -> None:
        if not self._run.closed:
            super()._settle()

    def _mean(self, box: Box, start: Prices | None, deadline: float) -> Bounded:
        """Record the mean of the columns of a box with one server for each user, and return what is known of it."""
        bounded, columns = at_deadline(
            self._problem, self._pool, box, deadline, self._settings, self._cutoff.value, start,
            stage=MEAN_STAGE, moves=MEAN_MOVES, most_rounds=MEAN_ROUNDS,
        )  # fmt: skip
        mean = rounded(self._problem, bounded, columns)
        if mean is not None:
            allocation = at_best_deadline(self._problem, *mean, bounded.deadline)
            self._run.record(allocation, phase="mean of columns", rounds=bounded.rounds)
            self.learn(allocation)
        return bounded


def _fixed_modes(box: Box, server: Index, offload: Array) -> Box:
    """Return the part of a box in which every user has one server and a phi near a given one, shape (N,) each."""
    ranges = np.clip(np.column_stack([offload - REACH, offload + REACH]), 0.0, 1.0)
    allowed = box.allowed & (np.arange(box.allowed.shape[1]) == server[:, np.newaxis])
    return Box(box.interval, allowed, ranges)
