"""Allocations from mixtures: rounding, polishing, dives, and for many users the means of columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, evaluate
from formulations.joint.data import JointData

from ..dashf_plus import move_users
from ..run import Run
from ..steps import ResourceStep
from .boxes import Box, OffloadCut
from .branching import user_cut
from .columns import OFFLOAD, ColumnPool, columns_of
from .cover import Part
from .interval import Bounded
from .master import Prices
from .pricer import Pricer
from .primal import fixed_modes, mean_allocation
from .rounding import at_best_deadline, modes, rounded

if TYPE_CHECKING:
    from .method import Dual

__all__ = ["Allocations"]

#: A rounded mixture is optimised if it reaches this part of the incumbent's SCR.
WORTH = 0.9

#: Branching spends no more time, s, than this on allocations beyond what it spends on bounds.
GRACE = 3.0

#: Dives stay within this factor of the best deadline.
NEARBY = 1.1

#: Up to so many users joint-nlp polishes every mean of columns, and up to so many the last one, if the gap is open.
POLISHED, POLISHED_LAST = 150, 300

#: A rounded mixture is improved around the phi that came out, and the last allocation settled, most so many times.
AGAIN = 4

#: What is next to training all or nothing.
NEARLY = 0.05


class Allocations:
    """What makes allocations of the mixtures of boxes.

    Parameters
    ----------
    method
        Its options.
    run
        Takes what is found.
    data
        The problem without units.
    pricer
        Prices the pairs.
    pool
        Columns so far; those of allocations are added.
    """

    def __init__(self, method: Dual, run: Run, data: JointData, pricer: Pricer, pool: ColumnPool) -> None:
        self.method, self.run, self.data, self.pricer, self.pool = method, run, data, pricer, pool
        self._large = run.scenario.n_users > method.joint_users
        self._allocate = ResourceStep(run, "joint-nlp", "auto", 1e-3, 2, two_starts=False, optional=True)
        self._shape = run.scenario.n_users, run.scenario.n_servers
        self._tried: set[bytes] = set()

    @property
    def _floor(self) -> float:
        return self.run.incumbent[1] / self.data.scr_unit

    def _tick(self) -> None:
        self.run.backend_limits()  # raises when nothing is left

    def learn(self, allocation: Allocation) -> None:
        """Add the columns of an allocation to the pool."""
        self.pool.add(*columns_of(self.run.scenario, self.data.pairs, allocation))

    def move(self) -> tuple[int, int]:
        """Move single users of the incumbent; return how many moves were tried and kept."""
        return move_users(self.run, self._allocate, self.method.moves, 1e-4)

    def _mean(self, box: Box, start: Prices | None, deadline: float) -> Bounded:
        """Record the mean of the mixture of a box with one server for each user, and return what is known of it."""
        run = self.run
        args = deadline, self._floor, self.method.accuracy, start, self._tick
        allocation, bounded = mean_allocation(self.pricer, self.pool, box, *args)
        if allocation is not None:
            run.record(allocation, phase="mean of columns", rounds=bounded.rounds)
            self.learn(allocation)
        return bounded

    def _spent_enough(self) -> bool:
        """Return whether a branch and bound has spent more time on allocations than on bounds."""
        spent = self.pricer.seconds
        bounds = sum(spent.get(kind, 0.0) for kind in ("search", "master", "proof"))
        return self.method.branches and spent.get("primal", 0.0) > GRACE + bounds

    def _known(self, server: NDArray[np.int64], phi: NDArray[np.float64]) -> bool:
        """Return whether an association with the same users near phi = 1 was tried, and remember it."""
        key = server.tobytes() + np.round(2.0 * phi).astype(np.int8).tobytes()
        known = key in self._tried
        self._tried.add(key)
        return known

    def dive(self, part: Part, away: int, bound: Callable[[Box, Prices], Bounded]) -> None:
        """Follow the heavier side of every cut near the best deadline until the mixture is an allocation.

        Parameters
        ----------
        part
            Where to start.
        away
            The cut at which the lighter side is followed instead; none below 0.
        bound
            Bounds a box from prices to start with, unproven.
        """
        if part.prices is None:
            return
        low, high = part.box.interval
        at = part.bounded.deadline
        box, prices = part.box.between(max(low, at / NEARBY), min(high, at * NEARBY)), part.prices
        for level in range(3 * self._shape[0]):
            bounded = bound(box, prices)
            prices = bounded.prices or prices
            if bounded.value <= self._floor:
                return  # nothing better is here
            self.round(bounded, draws=0)
            cut = user_cut(box, bounded, self.pool)
            if cut is None or self.run.closed:
                return
            side = cut.heavier if isinstance(cut, OffloadCut) else 0
            box = cut(box)[1 - side if level == away else side]

    def _round_large(self, bounded: Bounded) -> None:
        """Round a mixture, and generate columns at what it was rounded to."""
        mean = rounded(self._shape, bounded, self.pool)
        if mean is None:
            return
        server, _ = mean
        phi = modes(bounded, self.pool, server)
        if self._known(server, phi):
            return
        whole = Box.whole((self.data.least_delay, self.data.most_delay), self.data.usable)
        there = self._mean(fixed_modes(whole, server, phi), bounded.prices, bounded.deadline)
        for _ in range(AGAIN):
            if self.run.closed:
                return
            # Once more around the phi that came out.
            allocation, before = self.run.incumbent
            box = fixed_modes(whole, allocation.server, allocation.offload)
            there = self._mean(box, there.prices, there.deadline)
            if self.run.incumbent[1] <= before * (1.0 + 0.1 * self.run.limits.gap):
                break
        if not self.run.closed and len(server) <= POLISHED:
            self._polish()

    def _polish(self) -> None:
        """Optimise the resources of the incumbent together, from where they are."""
        polished, facts = self._allocate(*self.run.incumbent)
        self.run.record(polished, phase="polish", **facts)
        self.learn(polished)

    def settle(self) -> None:
        """Polish the incumbent once more, from all or nothing where a phi is next to it, as it often should be.

        With many users that is only done if the gap is open.
        """
        if self._shape[0] > POLISHED or (self._large and self.run.closed):
            return
        for _ in range(AGAIN):
            allocation, before = self.run.incumbent
            phi = allocation.offload
            whole = np.where(np.abs(phi - np.round(phi)) < NEARLY, np.round(phi), phi)
            polished, facts = self._allocate(replace(allocation, offload=whole), before)
            self.run.record(polished, phase="settled", **facts)
            if not self.run.incumbent[1] > before:
                break

    def polish_last(self) -> None:
        """Polish an incumbent that was too large to be polished on the way."""
        if POLISHED < self._shape[0] <= POLISHED_LAST:
            self._polish()

    def round(self, bounded: Bounded, draws: int) -> None:
        """Round a mixture, and so many draws from it, and optimise what is new or better."""
        run = self.run
        if self._large:
            return self._round_large(bounded)
        rng = np.random.default_rng(len(self._tried))
        for draw in (None, *[rng] * draws):
            mean = rounded(self._shape, bounded, self.pool, draw)
            if mean is None:
                continue
            server, columns = mean
            known, before = self._known(server, columns[:, OFFLOAD]), run.incumbent[1]
            if known and draw is not None:
                continue
            candidate = at_best_deadline(self.pricer, server, columns, bounded.deadline)
            scr = evaluate(run.scenario, candidate).scr
            if known and scr <= before:
                continue
            run.record(candidate, phase="rounding")
            if scr < WORTH * before or (scr < before and self._spent_enough()):
                continue
            polished, facts = self._allocate(candidate, max(before, scr))
            run.record(polished, phase="polish", **facts)
            self.learn(polished)
            if run.closed:
                return
