"""Phase 1: a proof that no allocation keeps all limits and rows, by prices of these alone.

Nothing is worth anything and nothing costs. At prices lambda of budgets and kappa of rows, of whatever size, every
allocation that keeps them all has a value of at least zero in the sum of what they allow less what it takes. Where the
dual value D is below zero there is none. D says so of a box; boxes are cut at servers and phi as in `bnp`.

A user without a limit of its delay may take any time, and then next to nothing of shares and energies: it is charged
for what it takes whatever it does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from formulations import Scenario

from ..run import Run
from .bounding import ByInterval
from .boxes import Box
from .branching import user_cut
from .columns import ColumnPool
from .coupling import OFFLOAD, ONE, SHARES
from .prices import Prices
from .problem import PricedColumns, SeparableProblem
from .settings import Cutoff, Settings
from .start import reference_data
from .tree import Tree

__all__ = ["PhaseOne", "prove_infeasible"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: D has to be below minus this, in units of the prices, for a proof: by so much rows may be broken in any allocation.
MARGIN = 2e-6

#: Accuracy of D in proofs.
ACCURACY = 1e-4


class PhaseOne(SeparableProblem):
    """The separable problem in which only budgets, rows and limits count.

    Parameters
    ----------
    scenario
        The problem; its objective does not matter.

    Attributes
    ----------
    unlimited
        Users whose delay has no limit, shape (N,).
    """

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(reference_data(scenario))
        n = scenario.n_users
        limits = self.data.limits
        limited = np.full(n, np.inf) if limits is None else limits.delay
        if scenario.constraints is not None:
            mean = n * float(scenario.constraints.limits["mean_delay"][0]) / self.pairs.time_unit
            limited = np.minimum(limited, mean * (1.0 + 1e-9))
        self.unlimited = ~np.isfinite(limited)
        # For columns an unlimited user needs some longest delay; its bound does not rest on it.
        some = 1e3 * max(1.0, float(np.max(limited, where=~self.unlimited, initial=0.0)))
        self.longest = np.where(self.unlimited, some, limited)
        self.cost_price, self.delay_weights = 0.0, np.zeros(n)
        self.score_weights, self.energy_weights = np.zeros(n), np.zeros(n)

    def whole(self) -> Box:
        """Return the box of all allocations whose users keep their own limits."""
        s, least = self.scenario, self.data.pair_delay
        allowed = s.allowed & (least <= self.longest[:, np.newaxis] * (1.0 + 1e-9))
        if self.data.limits is not None:
            allowed &= self.data.limits.reachable(self.pairs.snr_up, self.pairs.snr_down)
        longest = float(self.longest.max())
        shortest = min(float(np.min(least, where=allowed, initial=np.inf)), longest)
        return Box.whole((shortest, longest), allowed, None if s.constraints is None else s.constraints.offload)

    def user_tolerance(self, box: Box, cutoff: float, accuracy: float) -> float:
        """Return what a user's value may be off by."""
        return ACCURACY / len(box.allowed)

    def worth(self, user: Index, data: Array) -> Array:
        """Return against what differences of values are small, shape (K,)."""
        return np.full(len(user), 1.0 / len(self.longest))

    def bound(self, prices: Prices, dual_value: float, box: Box) -> float:
        """Return D in units of the prices: whoever breaks rows and budgets by a part of them reaches minus that."""
        total = float(prices.shares.sum() + prices.rows.sum())
        return dual_value / total if total > 0.0 else dual_value

    def prove(self, prices: Prices, box: Box, tolerance: float, max_cells: int) -> PricedColumns:
        """Prove what every user takes at least, at its prices."""
        found = super().prove(prices, box, tolerance, max_cells)
        if not self.unlimited.any():
            return found
        best = np.where(self.unlimited, np.maximum(found.best, self._free_values(prices, box)), found.best)
        return replace(found, best=best, dual_value=self._dual_value(prices, best))

    def _free_values(self, prices: Prices, box: Box) -> Array:
        """Return a bound on every user's value that takes its time, shape (N,): shares and energies may be nothing."""
        charged = self.rows.prices(prices.rows)
        low, high = box.offload[:, :1], box.offload[:, 1:]
        mu = charged[:, :, OFFLOAD]
        free = -charged[:, :, ONE] - np.minimum(mu * low, mu * high)
        free += np.maximum(-(charged[:, :, SHARES] + prices.shares), 0.0).sum(axis=2)
        return np.asarray(np.where(box.allowed, free, -np.inf).max(axis=1))


@dataclass(frozen=True)
class _Zero(Cutoff):
    """The value that a box with allocations reaches."""

    @property
    def value(self) -> float:
        """Next to zero."""
        return -MARGIN

    @property
    def target(self) -> float:
        """Enough for a proof."""
        return -MARGIN


def prove_infeasible(run: Run, settings: Settings) -> tuple[PhaseOne, Tree] | None:
    """Return the proof that no allocation keeps all limits of a run's scenario, or None if none is found.

    Parameters
    ----------
    run
        The run: its scenario and its clock.
    settings
        Options of the search.
    """
    if not settings.proven:
        return None
    problem, pool = PhaseOne(run.scenario), ColumnPool()
    bounding = ByInterval(problem, pool, settings, _Zero(run, 1.0))
    n, m = run.scenario.n_users, run.scenario.n_servers
    start = Prices(0.0, np.zeros((m, 3)), np.zeros(n), np.zeros(len(problem.rows)))
    box = problem.whole()
    tree = Tree(box, bounding.root(box, start))
    while tree.bound >= -MARGIN:
        worst = tree.worst()
        cut = user_cut(problem, worst.box, worst.bounded, pool) if settings.branches else None
        if cut is None:
            return None
        tree.divide(cut, bounding.parts(tree, cut))
    return problem, tree
