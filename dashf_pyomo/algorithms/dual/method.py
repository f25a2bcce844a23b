"""`dual`: a certified upper bound on the SCR from the structure of the problem, and an allocation near it.

Given the deadline, users meet only in the servers' budgets. Prices for the budgets and for time make them independent,
and each user's best choice at given prices is found and proven by a small branch and bound. The prices come from column
generation (Dantzig and Wolfe 1960) on the ratio itself; intervals cover all deadlines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from formulations import Allocation, InputError
from formulations.joint.data import JointData

from ..dashf import Dashf
from ..dashf_plus import move_users
from ..method import Method, methods, option
from ..run import OutOfTimeError, Run
from ..steps import ResourceStep

__all__ = ["Dual"]

#: An interval whose ends differ by less, relative, is not cut any more.
NARROW = 1e-3

#: The root is exhausted when cutting intervals can bring the bound down by no more than this part of the gap.
EXHAUSTED = 0.05


@methods.register
@dataclass(frozen=True)
class Dual(Method):
    """The root bound: column generation over intervals of the deadline, every bound proven by cells."""

    name = "dual"
    summary = "certified upper bound by column generation with proven pricing, and an allocation near it"
    proves_bounds = True
    writes_certificates = True

    rigour: str = option(
        "proven", "how pricing is bounded; heuristic never yields a bound", choices=("proven", "heuristic")
    )
    accuracy: float = option(1e-4, "relative accuracy of prices and proofs", above=0.0)
    moves: int = option(20, "most moves of single users, where the gap stays open", at_least=0)
    max_cells: int = option(2000, "most cells in the proof of a pair", at_least=1)
    joint_users: int = option(
        300, "most users for joint-nlp; beyond, columns are averaged and nlp polishes", at_least=1
    )

    def search(self, run: Run) -> str:
        """Bound from above and below until the gap is closed or the root is exhausted."""
        search = _Search(self, run)
        try:
            said = search.run()
        except OutOfTimeError:
            search.write_certificate()
            raise
        search.write_certificate()
        return said


@dataclass
class _Search:
    """The state of a search; ratios inside are scaled."""

    method: Dual
    run_: Run
    tried: set[bytes] = field(default_factory=set)
    _probed: tuple[float, float, float] = (0.0, 0.0, np.inf)

    def run(self) -> str:
        from .columns import ColumnPool
        from .cover import Cover
        from .pricer import Box, Pricer

        run, method = self.run_, self.method
        scenario = run.scenario
        if scenario.weight_time <= 0.0:
            raise InputError("weight_time = 0: the best delay is unbounded; method dual needs a positive weight")
        large = scenario.n_users > method.joint_users
        allocation = "nlp" if large else "joint-nlp"
        Dashf(association="hull", rounding="argmax", allocation=allocation, inner_iterations=2).search(run)
        self._data = data = JointData.of(scenario, run.incumbent[0])
        self._pricer = Pricer(scenario, data.pairs)
        self._pool, self._cover = ColumnPool(), Cover()
        self._learn(run.incumbent[0])
        self._allocate = ResourceStep(run, allocation, "auto", 1e-3, 2, two_starts=False)

        whole = Box((data.least_delay, data.most_delay), data.usable)
        self._cover.add(whole, self._bound(whole, None))
        said = ""
        while not said:
            self._tell()
            worst = self._cover.worst()
            if run.closed:
                break
            self._round(worst.bounded)
            if run.closed:
                break
            low, high = worst.box.interval
            limit = self._limit(worst)
            little = max(method.accuracy * limit, EXHAUSTED * (worst.bound - self._floor))
            if high <= low * (1.0 + NARROW) or worst.bound - limit <= little:
                said = "root bound exhausted"
            else:
                self._cut()
        if not run.closed and method.moves:
            tried, kept = move_users(run, self._allocate, method.moves, 1e-4)
            said += f"; {kept} of {tried} moves of users kept"
        cells = self._pricer.cells
        return f"{said or 'gap closed'}; {len(self._cover)} intervals, {len(self._pool)} columns, {cells} cells proved"

    @property
    def _floor(self) -> float:
        return self.run_.incumbent[1] / self._data.scr_unit

    def _tick(self) -> None:
        self.run_.backend_limits()  # raises when nothing is left

    def _bound(self, box: Any, start: Any, proven: bool = True) -> Any:
        from .interval import bound_box

        method, floor = self.method, self._floor
        return bound_box(
            self._pricer,
            self._pool,
            box,
            floor,
            floor,
            method.accuracy,
            start,
            max_cells=method.max_cells,
            proven=proven and method.rigour == "proven",
            tick=self._tick,
        )

    def _cut(self) -> None:
        """Replace the worst interval by its halves, around the deadline of its mixture if that is inside."""
        from .pricer import Box

        part = self._cover.worst()
        low, high = part.box.interval
        middle = float(np.sqrt(low * high))
        halves = [Box(interval, part.box.allowed) for interval in ((low, middle), (middle, high))]
        bounded = [
            self._bound(half, part.bounded.prices) for half in halves
        ]  # may run out of time: then nothing is cut
        self._cover.take()
        for half, found in zip(halves, bounded, strict=True):
            self._cover.add(half, found, part)

    def _limit(self, part: Any) -> float:
        """Return what cutting cannot bring the bound below: its value close to the mixture's deadline."""
        from .pricer import Box

        low, high = part.box.interval
        mixture = part.bounded.deadline
        if self._probed[0] <= mixture <= self._probed[1]:
            return self._probed[2]
        narrow = (max(low, mixture * (1.0 - 0.5 * NARROW)), min(high, mixture * (1.0 + 0.5 * NARROW)))
        value = self._bound(Box(narrow, part.box.allowed), part.bounded.prices, proven=False).value
        self._probed = (*narrow, value)
        return value

    def _tell(self) -> None:
        """Report the bound of the cover; below the incumbent it says no more than the incumbent."""
        run = self.run_
        if self.method.rigour != "proven":
            run.note(f"unproven bound {self._cover.bound * self._data.scr_unit:.9g}")
            return
        bound = max(self._cover.bound * self._data.scr_unit, run.incumbent[1])
        seconds = self._pricer.seconds
        run.record_bound(
            bound,
            "dual: column generation with proven pricing",
            intervals=len(self._cover),
            columns=len(self._pool),
            cells=self._pricer.cells,
            search_time=seconds["search"],
            proof_time=seconds["proof"],
        )

    def write_certificate(self) -> None:
        """Write the certificate of the bound that stands, if one is asked for and there is a bound."""
        path, bound = self.run_.limits.certificate, self.run_.upper_bound
        if path is None or bound is None:
            return
        from .certify import certificate_of

        certificate_of(self._pricer, self._cover, self._data, bound, 0.3 * self.method.accuracy).write(path)

    # -- allocations --------------------------------------------------------------------------

    def _learn(self, allocation: Allocation) -> None:
        """Add the columns of an allocation to the pool."""
        from .columns import columns_of

        self._pool.add(*columns_of(self.run_.scenario, self._data.pairs, allocation))

    def _round(self, bounded: Any) -> None:
        """Round a mixture, and the same with its most split users elsewhere, and optimise what is new."""
        from .rounding import rounded

        run = self.run_
        rng = np.random.default_rng(len(self.tried))
        for draw in (None, rng, rng):
            candidate = rounded(run.scenario, bounded, self._pool, draw)
            if candidate is None or candidate.server.tobytes() in self.tried:
                continue
            self.tried.add(candidate.server.tobytes())
            run.record(candidate, phase="rounding")
            polished, facts = self._allocate(candidate, run.incumbent[1])
            run.record(polished, phase="polish", **facts)
            self._learn(polished)
            if run.closed:
                return
