"""`dual`: a certified upper bound on the SCR from the structure of the problem, and an allocation near it.

Given the deadline, users meet only in the servers' budgets. Prices for the budgets and for time make them independent,
and each user's best choice at given prices is found and proven by a small branch and bound. The prices come from column
generation (Dantzig and Wolfe 1960) on the ratio itself; intervals cover all deadlines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from formulations import Extra

from ...backends import BackendError
from ..method import Method, methods, option
from ..run import OutOfTimeError, Run

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["Dual"]


@methods.register
@dataclass(frozen=True)
class Dual(Method):
    """The root bound: column generation over intervals of the deadline, every bound proven by cells."""

    name = "dual"
    summary = "certified upper bound by column generation with proven pricing, and an allocation near it"
    proves_bounds = True
    writes_certificates = True
    supports = frozenset({Extra.ASSOCIATION})
    source: ClassVar[str] = "dual: column generation with proven pricing"
    #: Whether boxes are cut at servers and phi of users too.
    branches: ClassVar[bool] = False

    rigour: str = option(
        "proven", "how pricing is bounded; heuristic never yields a bound", choices=("proven", "heuristic")
    )
    accuracy: float = option(1e-4, "relative accuracy of prices and proofs", above=0.0)
    dives: int = option(4, "most dives for allocations, where the gap stays open", at_least=0)
    moves: int = option(20, "most moves of single users, where the gap stays open", at_least=0)
    max_cells: int = option(2000, "most cells in the proof of a pair", at_least=1)
    joint_users: int = option(30, "most users for joint-nlp and moves; beyond, columns are averaged", at_least=1)

    @classmethod
    def prepare(cls) -> None:
        """Load the kernels and what the search needs beside them."""
        from . import search  # noqa: F401
        from .kernels.running import kernels

        kernels()

    def search(self, run: Run) -> str:
        """Bound from above and below until the gap is closed or nothing is left to cut."""
        from .kernels.running import at_most_threads, is_compiled
        from .search import Search
        from .start import first_allocation, require_computable

        how = "" if is_compiled() else "; the kernels ran as Python, a hundred times slower than compiled"
        if how:
            run.note("the kernels run as Python: the package was installed without a C compiler")
        require_computable(run.scenario, self.name)
        with at_most_threads(run.limits.threads):
            first_allocation(run, few=run.scenario.n_users <= self.joint_users)
            search = Search(run, self.settings(run))
            try:
                said = search.run_to_end()
            except (KeyboardInterrupt, Exception) as error:
                # Ctrl-C may come out of compiled code as an error of its own.
                interrupted = run.interrupted or isinstance(error, KeyboardInterrupt)
                if interrupted or isinstance(error, OutOfTimeError | BackendError):
                    search.conclude(interrupted)
                raise
            search.conclude()
            return said + how

    def settings(self, run: Run) -> Settings:
        """Return what a search goes by."""
        from .settings import Settings

        return Settings(
            source=self.source,
            accuracy=self.accuracy,
            max_cells=self.max_cells,
            proven=self.rigour == "proven",
            branches=self.branches,
            dives=self.dives,
            moves=self.moves,
            joint_users=self.joint_users,
            check=run.backend_limits,  # raises when nothing is left
        )
