"""The search that `dual` and `bnp` share: boxes bounded from above, allocations from their mixtures."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from formulations.joint.data import JointData

from ...backends import BackendError
from ..dashf import Dashf
from ..run import Run
from .allocations import Allocations
from .boxes import Box, Cut, DeadlineCut
from .branching import NARROW, deadline_cut, far_cut, user_cut
from .columns import ColumnPool
from .cover import Cover, Part
from .deadline import at_deadline
from .interval import COARSE, Bounded, bound_box, proven_bound, user_tolerance
from .master import Prices
from .pricer import Pricer

if TYPE_CHECKING:
    from .method import Dual

__all__ = ["Search"]

#: The root is exhausted when cutting deadlines can bring the bound down by no more than this part of the gap.
EXHAUSTED = 0.05

#: Branching cuts deadlines while that can bring a bound down by this part of what it lies above the target.
BY_DEADLINE = 0.3

#: Branching cuts deadlines first where the bound is above the incumbent by this part: mixtures of deadlines that are
#: further apart than this factor round badly.
FAR, NEARBY = 0.05, 1.1

#: Bounds are raised by this much, relative: the last bits of the conversion of units.
LAST_BITS = 1e-12

#: The evaluator accepts allocations that break budgets by this much, so the best one may lie above the bound by it.
TOLERANCE = 2e-6

#: So many draws from a mixture are rounded too.
DRAWS = 2

#: From so many users on, prices come from column generation at one deadline: a row for each deadline costs too much.
MANY = 80

#: Minus ratios of the ends of an interval: the best deadline is looked for from afar in wide ones, else nearby.
WIDE = (-1.3, -1.03)

#: Branching bounds a box less closely than the root: it will be cut again if it stays open.
COARSE_BRANCH = 0.1


class Search:
    """The state of a search; ratios inside are scaled.

    Parameters
    ----------
    method
        Its options.
    run
        Takes what is found.
    """

    def __init__(self, method: Dual, run: Run) -> None:
        self.method, self.run = method, run
        scenario = run.scenario
        self._large = scenario.n_users > method.joint_users
        self._many = scenario.n_users > MANY
        start = Dashf(association="hull", rounding="argmax", allocation="joint-nlp", inner_iterations=2)
        if self._large:
            start = replace(start, allocation="nlp", inner_iterations=1, max_iterations=1)
        try:
            start.search(run)
        except BackendError as error:
            if not run.has_incumbent:
                raise
            run.note(f"the start goes without: {error}")
        self.data = JointData.of(scenario, run.incumbent[0])
        self.pricer = Pricer(scenario, self.data.pairs)
        self.pricer.require_numbers(self.data.usable)
        self.pool = ColumnPool()
        self.cover: Cover | None = None
        self._allocations = Allocations(method, run, self.data, self.pricer, self.pool)
        self._allocations.learn(run.incumbent[0])
        self._deadline = 1.0  # in units of that of the start
        self._probed: tuple[float, float, float] = (0.0, 0.0, np.inf)
        self._stuck = False  # whether the last cut helped neither part

    def bound_all(self) -> str:
        """Bound from above and below until the gap is closed or nothing is left to cut; return how it ended."""
        run, method = self.run, self.method
        whole = Box.whole((self.data.least_delay, self.data.most_delay), self.data.usable)
        start = self.pricer.shadow(run.incumbent[0], self._floor)
        self.cover = cover = self._cover_many(whole, start) if self._many else Cover(whole, self._bound(whole, start))
        said = "gap closed"
        self._tell(cover)
        while True:
            worst = cover.worst()
            if not run.closed:
                with self.pricer.clock("primal"):
                    self._allocations.round(worst.bounded, 0 if method.branches else DRAWS)
            if run.closed:
                break
            if run.contradictions:
                said = "its bounds are refuted"
                break
            cut = self._branch(worst) if method.branches else self._root_cut(worst)
            if cut is None:
                said = "no box can be cut" if method.branches else "root bound exhausted"
                break
            self._split(cover, cut)
        if not run.closed:
            with self.pricer.clock("primal"):
                self._allocations.polish_last()
        for away in range(-1, method.dives - 1):
            if run.closed or self._large:
                break
            with self.pricer.clock("primal"):
                self._allocations.dive(cover.worst(), away, self._roughly)
        if not run.closed and method.moves and not self._large:
            with self.pricer.clock("primal"):
                tried, kept = self._allocations.move()
            said += f"; {kept} of {tried} moves of users kept"
        with self.pricer.clock("primal"):
            self._allocations.settle()
        if run.upper_bound is None and method.rigour == "proven":
            said = f"no bound could be proven, {said}"
        return f"{said}; {len(cover)} boxes, {len(self.pool)} columns, {self.pricer.cells} cells proved"

    # -- bounds -------------------------------------------------------------------------------

    @property
    def _floor(self) -> float:
        return self.run.incumbent[1] / self.data.scr_unit

    @property
    def _target(self) -> float:
        """A bound that is good enough: with the incumbent it closes the asked gap."""
        return self._floor * (1.0 + 0.95 * self.run.limits.gap)

    def _tick(self) -> None:
        self.run.backend_limits()  # raises when nothing is left

    def _bound(
        self,
        box: Box,
        start: Prices | None,
        parent: Bounded | None = None,
        *,
        proven: bool = True,
        most_rounds: int = 40,
    ) -> Bounded:
        method = self.method
        if self._many and start is not None and box.allowed.any(axis=1).all():
            return self._bound_many(box, start, parent)
        return bound_box(
            self.pricer,
            self.pool,
            box,
            self._floor,
            self._target,
            method.accuracy,
            start,
            coarse=COARSE_BRANCH if method.branches and self.cover is not None else COARSE,
            most_rounds=most_rounds,
            max_cells=method.max_cells,
            proven=proven and method.rigour == "proven",
            tick=self._tick,
        )

    def _roughly(self, box: Box, start: Prices) -> Bounded:
        """Bound a box in a few rounds, unproven."""
        return self._bound(box, start, proven=False, most_rounds=15)

    def _at_deadline(self, box: Box, start: Prices, stage: int = 0) -> Bounded:
        """Generate columns at the best deadline of a box."""
        args = self._deadline, self._floor, self.method.accuracy, start
        found, columns = at_deadline(
            self.pricer, self.pool, box, *args, target=self._target, stage=stage, tick=self._tick
        )
        held = found.weights > 0.0
        members = self.pool.adopt(columns, found.members[held])
        return replace(found, weights=found.weights[held], members=members)

    def _prove(self, box: Box, found: Bounded, tolerance: float) -> Bounded:
        """Return what is known of a box, with the bound that is proven at its prices."""
        assert found.prices is not None
        bound, _ = proven_bound(self.pricer, self.pool, box, found.prices, tolerance, self.method.max_cells)
        return replace(found, bound=bound)

    def _bound_many(self, box: Box, start: Prices, parent: Bounded | None = None) -> Bounded:
        """Bound a box of many users: at the prices it is given if they suffice, else at those of its best deadline.

        A part of a box, cut at a deadline, that holds the best deadline of the box keeps its prices.
        """
        self._tick()
        low, high = box.interval
        tolerance = user_tolerance(self.pricer, box, self._floor, self.method.accuracy)
        prices = start.balanced(self.data.pairs.time_weight)
        if parent is not None and low <= parent.deadline <= high:
            found = replace(parent, prices=prices)
        else:
            quick = self.pricer.search(prices, box, 0.1 * tolerance, quick=True)
            nothing = np.zeros(0), np.zeros(0, np.int64)
            found = Bounded(np.inf, -np.inf, prices, *nothing, 0, float(np.clip(self._deadline, low, high)))
            if prices.bound(quick.excess, self.data.pairs.time_weight, low) > self._target:
                stage = int(np.searchsorted(WIDE, -high / low))
                found = self._at_deadline(box, prices, stage)
        return self._prove(box, found, tolerance) if self.method.rigour == "proven" else found

    def _cover_many(self, whole: Box, start: Prices) -> Cover:
        """Return the cover of all deadlines by one box, bounded at the prices of the best deadline."""
        found = self._at_deadline(whole, start)
        self._deadline = found.deadline
        assert found.prices is not None
        return Cover(whole, self._bound_many(whole, found.prices, found))

    def _split(self, cover: Cover, cut: Cut) -> None:
        """Cut the worst box; if time runs out before both parts are bounded, nothing is cut."""
        worst = cover.worst()
        parent = worst.bounded if isinstance(cut, DeadlineCut) else None
        found = [self._bound(box, worst.bounded.prices, parent) for box in cut(worst.box)]
        parts = cover.split(cut, found)
        self._stuck = all(part.bound >= worst.bound for part in parts)
        self._tell(cover)
        for part in parts:
            if self.method.branches and part.bound > self._target and not self.run.closed:
                with self.pricer.clock("primal"):
                    self._allocations.round(part.bounded, draws=0)

    def _root_cut(self, worst: Part) -> Cut | None:
        """Return where to cut deadlines, or None if that can bring the bound down by next to nothing."""
        if self._stuck:
            return None
        limit = self._limit(worst)
        little = max(self.method.accuracy * limit, EXHAUSTED * (worst.bound - self._floor))
        if worst.bound - limit <= little:
            return None
        far = far_cut(worst.box, self._deadline) if self._many else None
        return far or deadline_cut(worst.box)

    def _branch(self, worst: Part) -> Cut | None:
        """Return where to cut a box: at a deadline if that helps, else at a user that its mixture splits."""
        far = far_cut(worst.box, self._deadline) if self._many else None
        by_deadline = far or deadline_cut(worst.box)
        if by_deadline is not None:
            low, high = worst.box.interval
            if high > NEARBY * low and worst.bound > (1.0 + FAR) * self._floor:
                return by_deadline
            gain = worst.bound - max(self._limit(worst), self._target)
            if gain > BY_DEADLINE * (worst.bound - self._target):
                return by_deadline
        return user_cut(worst.box, worst.bounded, self.pool) or deadline_cut(worst.box, 1e-9)

    def _limit(self, part: Part) -> float:
        """Return about what cutting deadlines cannot bring the bound below: the value at the mixture's deadline."""
        low, high = part.box.interval
        mixture = part.bounded.deadline
        if self._many:
            return part.bounded.value
        if not self.method.branches and self._probed[0] <= mixture <= self._probed[1]:
            return self._probed[2]
        narrow = max(low, mixture * (1.0 - 0.5 * NARROW)), min(high, mixture * (1.0 + 0.5 * NARROW))
        if not narrow[0] < narrow[1]:
            return part.bounded.value
        rounds = 6 if self.method.branches else 40
        value = self._bound(part.box.between(*narrow), part.bounded.prices, proven=False, most_rounds=rounds).value
        self._probed = (*narrow, value)
        return value

    def _tell(self, cover: Cover) -> None:
        """Report the bound of the cover; one below the incumbent refutes it."""
        run = self.run
        if self.method.rigour != "proven":
            run.note(f"unproven bound {cover.bound * self.data.scr_unit:.9g}")
            return
        if np.isinf(cover.bound):
            # Below, it says that there is no allocation; but one is known.
            run.note("no bound yet: a proof met what is no number, or cannot be right")
            return
        worst, unit = cover.worst(), self.data.pairs.time_unit
        run.record_bound(
            max(cover.bound * self.data.scr_unit, 0.0) * (1.0 + LAST_BITS),
            self.method.source,
            tolerance=TOLERANCE,
            boxes=len(cover),
            depth=worst.depth,
            deadlines=[end * unit for end in worst.box.interval],
            columns=len(self.pool),
            rounds=worst.bounded.rounds,
            cells=self.pricer.cells,
            **{f"{kind}_time": spent for kind, spent in self.pricer.seconds.items()},
        )

    def finish(self, interrupted: bool = False) -> None:
        """Enter the bound over all deadlines, and write the certificate of the bound if one is asked for.

        Who interrupts does not want to wait for a certificate.
        """
        bound = self.run.upper_bound
        if bound is not None and self.cover is not None:
            edges, bounds = self.cover.profile()
            # Below the incumbent a bound says nothing more; minus infinity stands for boxes without allocations.
            profile = [max(value * self.data.scr_unit, 0.0) for value in bounds.tolist()]
            edges_s = (edges * self.data.pairs.time_unit).tolist()
            times = {f"{kind}_time": spent for kind, spent in self.pricer.seconds.items()}
            self.run.note("bound over deadlines", profile_deadlines=edges_s, profile_bounds=profile, **times)
        path = self.run.limits.certificate
        if path is not None:
            said = "no certificate: interrupted" if interrupted else self._certify(path, bound)
            if said.startswith("no ") and os.path.exists(path):
                said += f"; {path} is of an earlier run"
            self.run.note(said, certificate=None if said.startswith("no ") else path)

    def _certify(self, path: str, bound: float | None) -> str:
        """Write the certificate of a bound, and return what became of it."""
        if bound is None or self.cover is None:
            return "no certificate: there is no bound"
        from .certify import certificate_of

        certificate, reached = certificate_of(self.pricer, self.cover, self.data, bound, 0.3 * self.method.accuracy)
        certificate.write(path)
        short = "" if reached else ", whose proofs fall short of the bound; checking it will say by how much"
        return f"certificate: {path}{short}"
