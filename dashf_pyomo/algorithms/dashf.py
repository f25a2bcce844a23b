"""`dashf`: the paper's algorithm, composed of parts that can be exchanged one by one, for other objectives too.

Source: Algorithm 1. Dinkelbach outside; inside, AO part 1 (association and offloading: relaxation, rounding,
offloading program) and AO part 2 (resources: fractional programming).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from formulations import ALL_EXTRAS, Allocation, Extra, InputError, Scenario
from formulations.association.coefficients import DELAY_ROWS
from formulations.association.pair_resources import IDLE_PAIRS, PairResources, start_allocation
from formulations.formulation import Subproblem, formulations
from formulations.linear_rows import SIGNED
from formulations.objective import Aspect
from formulations.reach import require_bounded_delay

from ..backends import backends
from .dinkelbach import ACCEPT, dinkelbach
from .method import Method, methods, option
from .relaxed import within_limits
from .rounding import ROUNDINGS
from .run import Run
from .steps import AssociationStep, ResourceStep, formulation_names, resources_of
from .user_ratios import NEEDS, by_user_ratios

__all__ = ["HEURISTIC_SUPPORT", "Dashf", "backend_names", "honoured_by"]

_BY_USER = frozenset({str(Aspect.SUM_OF_RATIOS), str(Aspect.MAX_MIN)})

#: What alternating optimisation honours where its formulations do: every allocation is judged by the evaluator, and
#: roundings and moves know of pairs, of users per server, and of ranges of phi.
HEURISTIC_SUPPORT = ALL_EXTRAS | {Extra.OFFLOAD, Extra.BINARY, SIGNED} | {str(aspect) for aspect in Aspect}


def honoured_by(supports: frozenset[str], associations: Sequence[str], resources: Sequence[str]) -> frozenset[str]:
    """Return what formulations of AO part 1 and 2 all support, of what a method does.

    Objectives of the users' ratios are honoured where their linear forms are, whatever formulations say of them.
    """
    parts = [f"{Subproblem.ASSOCIATION}/{name}" for name in associations]
    parts += [f"{Subproblem.RESOURCES}/{name}" for name in resources]
    found = supports.intersection(*(formulations[part].supports for part in parts))
    return (found - _BY_USER) | (supports & _BY_USER if found >= NEEDS else frozenset())


def backend_names() -> list[str]:
    """Return ``auto`` and the names of the registered backends."""
    return ["auto", *backends]


@methods.register
@dataclass(frozen=True)
class Dashf(Method):
    """DASHF, Algorithm 1; every field is an exchangeable part or a reading of the paper.

    The SCR of an iterate can fall, because rounding and the resources of idle pairs are not exact; with
    ``accept=best`` the best iterate is kept, and the trace and the message say so. A utility or a cost has a fixed
    price instead of Dinkelbach's ratio; objectives of the users' own ratios are a sequence of utilities, see
    `user_ratios`.
    """

    name = "dashf"
    supports = HEURISTIC_SUPPORT
    summary = "the paper's algorithm: Dinkelbach, SDR, Hungarian rounding, fractional programming"

    association: str = option(
        "sdr-chordal", "formulation of AO part 1", choices=partial(formulation_names, Subproblem.ASSOCIATION)
    )
    delay_rows: str = option("aggregated", "delay rows of AO part 1 (reading of (3j))", choices=DELAY_ROWS)
    rounding: str = option("hungarian", "from fractional to binary association", choices=ROUNDINGS)
    rounding_seed: int = option(0, "seed of the randomised rounding", at_least=0)
    allocation: str = option("fp", "formulation of AO part 2", choices=partial(formulation_names, Subproblem.RESOURCES))
    association_backend: str = option("auto", "solver of AO part 1", choices=backend_names)
    allocation_backend: str = option("auto", "solver of AO part 2", choices=backend_names)
    idle_pairs: str = option("hold", "resources of idle pairs after AO part 2", choices=IDLE_PAIRS)
    accept: str = option("best", "iterate to keep; always is the paper's literal behaviour", choices=ACCEPT)
    epsilon: float = option(1e-4, "stop when the objective grows by less, relative", at_least=0.0)
    max_iterations: int = option(50, "most outer iterations", at_least=1)
    falls: int = option(
        0, "falls of the objective that do not stop it; the printed test stops at the first", at_least=0
    )
    inner_epsilon: float = option(1e-4, "stop AO part 2 when its objective grows by less", at_least=0.0)
    inner_iterations: int = option(10, "most solves of AO part 2 per iteration", at_least=1)

    #: AO part 1 solved exactly, local solvers of the problem of AO part 2 as it stands, and patience.
    swaps: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "exact association": {"association": "milp"},
        "resources by nlp": {"allocation": "nlp"},
        "offloading with resources": {"allocation": "joint-nlp"},
        "no early stop": {"falls": 5, "epsilon": 1e-7},
    }

    def readings(self) -> dict[str, str]:
        """Return the readings of the paper that this method makes."""
        return {
            "delay_rows": self.delay_rows,
            "idle_pairs": self.idle_pairs,
            "chi = 0": "term dropped",
            "Hungarian": "server columns replicated",
        }

    def honours(self) -> frozenset[str]:
        """Return what the formulations support, and objectives of the users' ratios where utilities are."""
        return honoured_by(self.supports, (self.association,), resources_of(self.allocation))

    def refusal(self, scenario: Scenario) -> str:
        """Return why the method cannot take a scenario, also where delays may be without end, or an empty text."""
        said = super().refusal(scenario)
        if not said:
            try:
                require_bounded_delay(scenario)
            except InputError as error:
                return f"method {self.name}: {error}"
        return said

    def search(self, run: Run) -> str:
        """Run the algorithm, with as many of the scenario's limits as it has to know."""
        return within_limits(run, self.improve)

    def improve(self, run: Run) -> str:
        """Run the algorithm on the scenario of a run as it is."""
        if not run.scenario.objective.kind.by_user:
            return self.refine(run, self.iterate(run))
        said, last = by_user_ratios(run, self.iterate, self.epsilon)
        return self.refine(last, said)

    def refine(self, run: Run, said: str) -> str:
        """Do what comes after Algorithm 1, and return the line on how that ended with what is to be added."""
        return said

    def iterate(self, run: Run, start: Allocation | None = None) -> str:
        """Run Algorithm 1 and nothing else, from its own start or another one."""
        scenario = run.scenario
        associate = AssociationStep(
            run, self.association, self.delay_rows, self.rounding, self.association_backend, self.rounding_seed
        )
        allocate = ResourceStep(
            run, self.allocation, self.allocation_backend, self.inner_epsilon, self.inner_iterations
        )
        if start is None:
            start, pairs = start_allocation(scenario), PairResources.equal(scenario)
        else:
            pairs = PairResources.around(scenario, start, self.idle_pairs)

        def step(_: Allocation, ratio: float) -> tuple[Allocation, dict[str, Any]]:
            nonlocal pairs
            associated, facts = associate(pairs, ratio)
            allocation, more = allocate(associated, ratio)
            pairs = PairResources.around(scenario, allocation, self.idle_pairs)
            return allocation, facts | more

        return dinkelbach(
            run,
            start,
            step,
            epsilon=self.epsilon,
            max_iterations=self.max_iterations,
            accept=self.accept,
            falls=self.falls,
        )
