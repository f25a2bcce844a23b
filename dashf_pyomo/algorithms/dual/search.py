"""The search that `dual` and `bnp` share: bound, primal, stop, branch.

Bounding, branching and the primal heuristic are chosen once, by the size of the scenario and the method. See
docs/bound.md for the theory; the symbols are the same.
"""

from __future__ import annotations

import os

import numpy as np

from formulations import Extra
from formulations.allocation import FEASIBILITY_TOLERANCE

from ...trace import EntryKind
from ..run import Run
from .bounding import AtDeadline, Bounding, ByInterval
from .boxes import Bounded
from .branching import Branching, RootBranching, TreeBranching
from .columns import ColumnPool
from .kinds import separable_problem
from .primal import DRAWS, Means, Polish, Primal
from .settings import Cutoff, Settings, above
from .stopping import BoundsRefuted, GapClosed, reason_to_stop
from .tree import Node, Tree

__all__ = ["Search"]

#: From so many users on, prices come from column generation at one deadline: a row for each deadline costs too much.
MANY = 80

#: Bounds are raised by this much, relative: the last bits of the conversion of units.
LAST_BITS = 1e-12

#: So much more where users have limits of delay or of rates of their own, which have no price to tell by.
OWN_LIMITS = 1e-5

#: A scaled value of minus this stands for boxes without allocations.
LEAST_SAID = 1e9

#: The evaluator accepts allocations that break budgets by this much, so the best one may lie above the bound by it.
TOLERANCE = 2e-6


class Search:
    """A search from an incumbent on; values inside are scaled, and maximised.

    Parameters
    ----------
    run
        Has an incumbent, and takes what is found.
    settings
        The options.
    """

    def __init__(self, run: Run, settings: Settings) -> None:
        incumbent, _ = run.incumbent
        self.run, self.settings = run, settings
        self.problem = problem = separable_problem(run.scenario, incumbent)
        self.pool = pool = ColumnPool()
        self.cutoff = cutoff = Cutoff(run, problem.data.value_unit)
        n = run.scenario.n_users
        many = n > MANY and problem.has_deadline
        self.bounding: Bounding = (AtDeadline if many else ByInterval)(problem, pool, settings, cutoff)
        way = TreeBranching if settings.branches else RootBranching
        self.branching: Branching = way(self.bounding, pool, cutoff, settings.accuracy)
        kind = Means if n > settings.joint_users else Polish
        self.primal: Primal = kind(run, problem, pool, settings, cutoff)
        self.primal.learn(incumbent)
        self.stopping = (GapClosed(run), BoundsRefuted(run))
        self.tree: Tree | None = None
        self._sharpened: tuple[tuple[float, int], float] | None = None

    def run_to_end(self) -> str:
        """Bound from above and below until a rule stops or nothing is left to cut; return how it ended."""
        box = self.problem.whole()
        ratio = self.cutoff.value if self.problem.cost_price is None else self.problem.cost_price
        start = self.problem.shadow(self.run.incumbent[0], ratio)
        self.tree = tree = Tree(box, self.bounding.root(box, start))
        self._report(tree)
        while True:
            worst = tree.worst()
            self._improve(worst.bounded, draws=0 if self.settings.branches else DRAWS)
            reason = reason_to_stop(self.stopping)
            if reason is not None:
                break
            cut = self.branching.cut(worst)
            if cut is None and self._sharpen(tree):
                continue
            if cut is None:
                reason = self.branching.exhausted
                break
            # If time runs out before both parts are bounded, nothing is cut.
            children = tree.divide(cut, self.bounding.parts(tree, cut))
            self.branching.divided(worst, children)
            self._report(tree)
            if self.settings.branches:
                for child in children:
                    if child.bound > self.cutoff.target:
                        self._improve(child.bounded)
        reason += self.primal.finish(tree, self.bounding)
        if self.run.bound is None and self.settings.proven:
            reason = f"no bound could be proven, {reason}"
        return f"{reason}; {len(tree)} boxes, {len(self.pool)} columns, {self.problem.cells} cells proved"

    def _sharpen(self, tree: Tree) -> bool:
        """Bound the worst box anew, and return whether that helped.

        When a box is bounded its prices are as good as the incumbent asks for. A better one may ask for more; where no
        deadline can be cut, and the LP solution splits no user, nothing else brings the bound down.
        """
        worst = tree.worst()
        loose = worst.bound - worst.bounded.value > self.settings.accuracy * abs(worst.bounded.value)
        if self.problem.has_deadline or not loose or self._sharpened == (worst.key, self.cutoff.value):
            return False
        self._sharpened = worst.key, self.cutoff.value
        found = self.bounding.again(worst)
        if not found.bound < worst.bound:
            return False
        tree.sharpen(found)
        self._report(tree)
        return True

    def _improve(self, bounded: Bounded, draws: int = 0) -> None:
        if not self.run.closed:
            with self.problem.profile.clock("primal"):
                self.primal.improve(bounded, draws)

    def _report(self, tree: Tree) -> None:
        """Report the bound of the tree; one below the incumbent refutes it."""
        run = self.run
        if not self.settings.proven:
            run.note(f"unproven bound {self._value(tree.bound):.9g}")
            return
        if np.isinf(tree.bound):
            # Below, it says that there is no allocation; but one is known.
            run.note("no bound yet: a proof met what is no number, or cannot be right")
            return
        worst = tree.worst()
        run.record_bound(
            self._value(tree.bound, LAST_BITS),
            self.settings.source + self.problem.way,
            tolerance=self._tolerance(worst),
            boxes=len(tree),
            depth=worst.depth,
            deadlines=[end * self.problem.pairs.time_unit for end in worst.box.interval],
            columns=len(self.pool),
            rounds=worst.bounded.rounds,
            cells=self.problem.cells,
            **self.problem.profile.facts(),
        )

    def _tolerance(self, worst: Node) -> float:
        """Return how far an allocation that the evaluator accepts may be beyond the bound, relative.

        It may break every row by a little too, which is worth the prices of the rows.
        """
        tolerance = TOLERANCE
        if worst.prices is not None and self.cutoff.value != 0.0:
            tolerance += FEASIBILITY_TOLERANCE * float(worst.prices.rows.sum()) / abs(self.cutoff.value)
        limited = self.run.scenario.extra_kinds & {Extra.DELAY, Extra.RATE}
        return tolerance + (OWN_LIMITS if limited else 0.0)

    def _value(self, scaled: float, raised: float = 0.0) -> float:
        """Return what a bound on the scaled value says of the objective, raised by a part of it.

        A ratio is at least zero. Where there is no allocation nothing is said but the worst.
        """
        data = self.problem.data
        if self.problem.cost_price is None:
            return max(scaled * data.value_unit, 0.0) * (1.0 + raised)
        return data.value_unit * above(max(scaled, -LEAST_SAID), raised)

    def conclude(self, interrupted: bool = False) -> None:
        """Enter the bound over all deadlines, and write the certificate of the bound if one is asked for.

        After an interrupt there is no certificate, which would take time.
        """
        bound = self.run.bound
        if bound is not None and self.tree is not None:
            edges, bounds = self.tree.profile()
            # Below the incumbent a bound says nothing more; minus infinity stands for boxes without allocations.
            profile = [self._value(value) for value in bounds.tolist()]
            edges_s = (edges * self.problem.pairs.time_unit).tolist()
            facts = self.problem.profile.facts()
            self.run.note(
                "bound over deadlines",
                EntryKind.PROFILE,
                profile_deadlines=edges_s,
                profile_bounds=profile,
                **facts,
            )
        path = self.run.limits.certificate
        if path is not None:
            written, said = (False, "no certificate: interrupted") if interrupted else self._certify(path, bound)
            if not written and os.path.exists(path):
                said += f"; {path} is of an earlier run"
            self.run.note(said, EntryKind.CERTIFICATE, certificate=path if written else None)

    def _certify(self, path: str, bound: float | None) -> tuple[bool, str]:
        """Write the certificate of a bound; return whether there is one, and what became of it."""
        if bound is None or self.tree is None:
            return False, "no certificate: there is no bound"
        if not self.problem.certifies:
            return False, f"no certificate: objective {self.problem.objective.kind} has none"
        from .certify import certificate_of

        certificate, reached = certificate_of(self.problem, self.tree, bound, 0.3 * self.settings.accuracy)
        certificate.write(path)
        short = "" if reached else ", whose proofs fall short of the bound; checking it will say by how much"
        return True, f"certificate: {path}{short}"
