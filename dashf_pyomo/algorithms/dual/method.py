"""`dual`: a certified upper bound on the SCR from the structure of the problem, and an allocation near it.

Given the deadline, users meet only in the servers' budgets. Prices for the budgets and for time make them independent,
and each user's best choice at given prices is found and proven by a small branch and bound. The prices come from column
generation (Dantzig and Wolfe 1960) on the ratio itself; intervals cover all deadlines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from formulations import Extra, Scenario
from formulations.attributes import STATED_PARTS, TIMES, WHOLE_DELAY
from formulations.constraints import ASPECTS, relaxation_text, unsupported
from formulations.linear_rows import SIGNED
from formulations.objective import Aspect

from ...backends import BackendError
from ...deadline import OutOfTimeError
from ...trace import EntryKind
from ..dashf_plus import DashfPlus
from ..method import Method, methods, option
from ..relaxed import RelaxedRun
from ..run import Run
from .range import out_of_range

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["Dual"]

#: Limits of single users, which are part of their problems, and what rows may be about: whatever has a price.
PRICED_EXTRAS: frozenset[str] = (STATED_PARTS - TIMES) | {
    *(WHOLE_DELAY, SIGNED, Extra.ASSOCIATION, Extra.DELAY, Extra.RATE, Extra.OFFLOAD, Extra.BINARY),
}

#: What the objective may be.
PRICED_ASPECTS = frozenset(
    str(one) for one in (Aspect.UTILITY, Aspect.COST, Aspect.MEAN, Aspect.WEIGHTS, Aspect.SCORE, Aspect.NO_TIME)
) | {str(Aspect.SUM_OF_RATIOS), str(Aspect.MAX_MIN)}

#: Share of the time for allocations that keep limits which the bound does not know.
_LIMITED_SHARE = 0.4


@methods.register
@dataclass(frozen=True)
class Dual(Method):
    """The root bound: column generation over intervals of the deadline, every bound proven by cells."""

    name = "dual"
    summary = "certified upper bound by column generation with proven pricing, and an allocation near it"
    proves_bounds = True
    writes_certificates = True
    supports = frozenset({*PRICED_EXTRAS, *PRICED_ASPECTS})
    bound_source = "dual: column generation with proven pricing"
    advised = 1
    relaxing: ClassVar[Mapping[str, Any]] = {"relax": True}
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
    relax: bool = option(False, "bound the scenario without the limits that the method cannot honour, not refuse it")

    def proves_nothing(self) -> str:
        """Return the option with which pricing is not proven, or an empty text."""
        return "" if self.rigour == "proven" else f"rigour = {self.rigour}"

    def honours(self) -> frozenset[str]:
        """Return what allocations keep: what has prices, and with `relax` all limits that the search for them knows.

        Limits can be left out, but not what the objective is.
        """
        return self.supports | (DashfPlus().honours() - ASPECTS) if self.relax else self.supports

    def bounded(self, scenario: Scenario) -> Scenario:
        """Return the problem that bounds are of: with `relax` the scenario without the limits that have no prices."""
        return scenario.without(self._relaxed(scenario)) if self.relax else scenario

    def refusal(self, scenario: Scenario) -> str:
        """Return why the method cannot take a scenario with these options, or an empty text."""
        beyond, outside = super().refusal(scenario), out_of_range(scenario)
        if not beyond:
            return f"method {self.name}: {outside}" if outside else ""
        relaxed = self._relaxed(scenario)
        able = not (self.relax or outside or unsupported(DashfPlus().honours(), scenario.demands))
        helps = relaxed and not unsupported(self.supports, scenario.demands - relaxed)
        return f"{beyond}; relax=true bounds {relaxation_text(relaxed)}" if able and helps else beyond

    def _relaxed(self, scenario: Scenario) -> frozenset[Extra]:
        return unsupported(self.supports, scenario.extra_kinds)

    @classmethod
    def prepare(cls) -> None:
        """Load the kernels and what the search needs beside them."""
        from . import search  # noqa: F401
        from .kernels.running import kernels

        kernels()

    def search(self, run: Run) -> str:
        """Bound from above and below until the gap is closed or nothing is left to cut."""
        from .forms import resource_step
        from .kernels.running import at_most_threads, is_compiled
        from .primal import POLISHED_LAST

        how = "" if is_compiled() else "; the kernels ran as Python, a hundred times slower than compiled"
        if how:
            run.note("the kernels run as Python: the package was installed without a C compiler")
        relaxed = self.bounded(run.scenario)
        with at_most_threads(run.limits.threads):
            if relaxed is run.scenario:
                return self._bound(run) + how
            # Limits first: what is found is an allocation of the relaxation too.
            with run.part(_LIMITED_SHARE):
                DashfPlus().search(run)
            part = RelaxedRun(run, relaxed)
            if run.has_incumbent:
                part.record(run.incumbent[0], phase="start")
            said = f"{self._bound(part)}; bound of {relaxation_text(self._relaxed(run.scenario))}{how}"
            if not run.closed and run.scenario.n_users <= POLISHED_LAST:
                allocate = resource_step(run)
                repaired, facts = allocate(*part.incumbent)
                run.record(repaired, phase="repair", **facts)
            return said if run.has_incumbent else f"{said}; no allocation found that meets the extra constraints"

    def _bound(self, run: Run) -> str:
        """Bound the scenario of a run, which the method honours as it is."""
        from .search import Search
        from .start import first_allocation, seek_by_prices

        settings = self.settings(run)
        first_allocation(run, few=run.scenario.n_users <= self.joint_users)
        if not run.has_incumbent:
            seek_by_prices(run, settings)
        if not run.has_incumbent:
            return self._without_allocation(run, settings)
        search = Search(run, settings)
        try:
            said = search.run_to_end()
        except (KeyboardInterrupt, Exception) as error:  # raised again, whatever it is
            # Ctrl-C may come out of compiled code as an error of its own.
            interrupted = run.interrupted or isinstance(error, KeyboardInterrupt)
            if interrupted or isinstance(error, OutOfTimeError | BackendError):
                search.conclude(interrupted)
            raise
        search.conclude()
        return said

    def _without_allocation(self, run: Run, settings: Settings) -> str:
        """Try to prove that there is none."""
        from .infeasible import prove_infeasible

        said = "no allocation found that meets the extra constraints"
        proof = prove_infeasible(run, settings)
        if proof is None:
            return f"{said}, and no proof that there is none"
        problem, tree = proof
        path = run.limits.certificate
        if path is not None:
            from .certify import certificate_of_infeasibility

            certificate, reached = certificate_of_infeasibility(problem, tree)
            certificate.write(path)
            short = "" if reached else ", whose proofs fall short; checking it will say by how much"
            run.note(f"certificate: {path}{short}", EntryKind.CERTIFICATE, certificate=path)
        return run.conclude_infeasible(f"no allocation keeps all limits: proven by prices of them in {len(tree)} boxes")

    def settings(self, run: Run) -> Settings:
        """Return what a search goes by."""
        from .settings import Settings

        return Settings(
            source=self.bound_source,
            accuracy=self.accuracy,
            max_cells=self.max_cells,
            proven=not self.proves_nothing(),
            branches=self.branches,
            dives=self.dives,
            moves=self.moves,
            joint_users=self.joint_users,
            deadline=run.deadline,
        )
