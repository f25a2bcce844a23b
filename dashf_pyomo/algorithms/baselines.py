"""The paper's baselines (Section V-C), and `nearest`, which wireless readers expect.

``A`` in a name is average allocation (each server splits its budgets equally among its users), ``RO`` is
resource optimisation (AO part 2), ``UCO`` is user connection optimisation (AO part 1).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations import Allocation, Extra, Scenario
from formulations.association.coefficients import DELAY_ROWS
from formulations.association.pair_resources import PairResources, equal_split, start_allocation, where_allowed
from formulations.formulation import Subproblem
from formulations.objective import Aspect

from .dashf import backend_names, honoured_by
from .dinkelbach import dinkelbach
from .method import Method, methods, option
from .rounding import ROUNDINGS, offloaded
from .run import Run
from .steps import AssociationStep, ResourceStep, formulation_names, middle_offload, resources_of
from .user_ratios import Iterate, by_user_ratios

__all__ = ["Aauco", "Gucaa", "Gucro", "Nearest", "Rucaa", "fewest_users"]


def fewest_users(scenario: Scenario) -> NDArray[np.int64]:
    """Return the association where users in turn take the server with the fewest users, shape (N,)."""
    return np.arange(scenario.n_users, dtype=np.int64) % scenario.n_servers


#: What a baseline of a fixed association honours: it is judged by whatever objective there is, and trains half, or what
#: the range of phi has next to that.
_JUDGED = frozenset({*map(str, Aspect), Extra.OFFLOAD, Extra.BINARY})

#: What takes limits of delays, which baselines that optimise anything do not keep.
_UNLIMITED = frozenset({str(Aspect.NO_TIME)})


def _over_forms(run: Run, iterate: Iterate, epsilon: float) -> str:
    """Iterate once, or where users have ratios of their own over their linear forms; return how that ended."""
    if run.scenario.objective.kind.by_user:
        return by_user_ratios(run, iterate, epsilon)[0]
    return iterate(run, None)


@dataclass(frozen=True)
class _AverageAllocation(Method):
    """A fixed association, half of the training each, equal resources."""

    supports = _JUDGED

    @abstractmethod
    def associate(self, scenario: Scenario) -> NDArray[np.int64]:
        """Return the association, shape (N,)."""

    def search(self, run: Run) -> str:
        """Judge the one allocation."""
        run.record(equal_split(run.scenario, self.associate(run.scenario), middle_offload(run.scenario)), phase="final")
        return "one allocation, no optimisation"


@methods.register
@dataclass(frozen=True)
class Rucaa(_AverageAllocation):
    """RUCAA: random user connection with average allocation."""

    name = "rucaa"
    summary = "random association, equal resources"

    seed: int = option(0, "seed of the random association", at_least=0)

    def associate(self, scenario: Scenario) -> NDArray[np.int64]:
        """Return a uniformly random association."""
        return np.random.default_rng(self.seed).integers(scenario.n_servers, size=scenario.n_users)


@methods.register
@dataclass(frozen=True)
class Gucaa(_AverageAllocation):
    """GUCAA: greedy user connection with average allocation."""

    name = "gucaa"
    summary = "users in turn take the server with the fewest users, equal resources"

    def associate(self, scenario: Scenario) -> NDArray[np.int64]:
        """Return the association by fewest users."""
        return fewest_users(scenario)


@methods.register
@dataclass(frozen=True)
class Nearest(_AverageAllocation):
    """Every user takes the server with the largest channel gain; average allocation."""

    name = "nearest"
    summary = "largest channel gain, equal resources (not in the paper)"
    supports = _JUDGED | {Extra.ASSOCIATION}

    def associate(self, scenario: Scenario) -> NDArray[np.int64]:
        """Return the association by largest gain among the servers that are allowed."""
        return where_allowed(scenario, np.argmax(scenario.channel_gain, axis=1))


@methods.register
@dataclass(frozen=True)
class Aauco(Method):
    """AAUCO: AO part 1 at the start point's resources, y by Dinkelbach; then average allocation."""

    name = "aauco"
    supports = _JUDGED - _UNLIMITED
    summary = "association and offloading by AO part 1, equal resources"

    association: str = option(
        "sdr-chordal", "formulation of AO part 1", choices=partial(formulation_names, Subproblem.ASSOCIATION)
    )
    delay_rows: str = option("aggregated", "delay rows of AO part 1 (reading of (3j))", choices=DELAY_ROWS)
    rounding: str = option("hungarian", "from fractional to binary association", choices=ROUNDINGS)
    association_backend: str = option("auto", "solver of AO part 1", choices=backend_names)
    epsilon: float = option(1e-4, "stop when the objective grows by less, relative", at_least=0.0)
    max_iterations: int = option(50, "most iterations", at_least=1)

    def readings(self) -> dict[str, str]:
        """Return the readings of the paper that this method makes."""
        return {"delay_rows": self.delay_rows, "Hungarian": "server columns replicated"}

    def honours(self) -> frozenset[str]:
        """Return what AO part 1 supports of what the method does."""
        return honoured_by(self.supports, (self.association,), ())

    def search(self, run: Run) -> str:
        """Iterate AO part 1 over y, or over linear forms of the users' ratios."""
        return _over_forms(run, self._iterate, self.epsilon)

    def _iterate(self, run: Run, start: Allocation | None = None) -> str:
        associate = AssociationStep(run, self.association, self.delay_rows, self.rounding, self.association_backend)
        pairs = PairResources.equal(run.scenario)

        def step(_: Allocation, ratio: float) -> tuple[Allocation, dict[str, Any]]:
            associated, facts = associate(pairs, ratio)
            shared = equal_split(run.scenario, associated.server, associated.offload)
            return offloaded(run.scenario, shared, ratio), facts

        start = start_allocation(run.scenario) if start is None else start
        return dinkelbach(run, start, step, epsilon=self.epsilon, max_iterations=self.max_iterations)


@methods.register
@dataclass(frozen=True)
class Gucro(Method):
    """GUCRO: greedy user connection, resources by AO part 2, y by Dinkelbach; half of the training each."""

    name = "gucro"
    supports = _JUDGED - _UNLIMITED
    summary = "users in turn take the server with the fewest users, resources by AO part 2"

    allocation: str = option("fp", "formulation of AO part 2", choices=partial(formulation_names, Subproblem.RESOURCES))
    allocation_backend: str = option("auto", "solver of AO part 2", choices=backend_names)
    epsilon: float = option(1e-4, "stop when the objective grows by less, relative", at_least=0.0)
    max_iterations: int = option(50, "most outer iterations", at_least=1)
    inner_epsilon: float = option(1e-4, "stop AO part 2 when its objective grows by less", at_least=0.0)
    inner_iterations: int = option(10, "most solves of AO part 2 per iteration", at_least=1)

    def readings(self) -> dict[str, str]:
        """Return the readings of the paper that this method makes."""
        return {"chi = 0": "term dropped"}

    def honours(self) -> frozenset[str]:
        """Return what AO part 2 supports of what the method does."""
        return honoured_by(self.supports, (), resources_of(self.allocation))

    def search(self, run: Run) -> str:
        """Iterate AO part 2 over y, or over linear forms of the users' ratios."""
        return _over_forms(run, self._iterate, self.epsilon)

    def _iterate(self, run: Run, start: Allocation | None = None) -> str:
        allocate = ResourceStep(
            run, self.allocation, self.allocation_backend, self.inner_epsilon, self.inner_iterations
        )
        if start is None:
            start = equal_split(run.scenario, fewest_users(run.scenario), middle_offload(run.scenario))
        return dinkelbach(run, start, allocate, epsilon=self.epsilon, max_iterations=self.max_iterations)
