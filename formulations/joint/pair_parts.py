"""Extra constraints in the joint models: rows of declared limits over what a model states of every pair.

A joint model says in a `PairParts` which of its expressions is which part; the rows then follow from the declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..attributes import STATED_PARTS
from ..constraints import Extra, Over
from ..documents import InputError
from ..linear_rows import SIGNED
from ..objective import Aspect
from ..scaled import whole_parts
from ..scenario import Scenario
from ..terms import Rows, least_rates, upper_rows

if TYPE_CHECKING:
    import pyomo.environ as pyo

__all__ = ["JOINT_EXTRAS", "JointLimits", "PairParts", "permitted_offload", "state_limits"]

Array = NDArray[np.float64]

#: What the joint models state: any row over these parts, least rates, which pairs are allowed, ranges of the
#: offloading, and every objective.
JOINT_EXTRAS: frozenset[str] = STATED_PARTS | {
    *(Extra.DELAY, Extra.ASSOCIATION, Extra.RATE, Extra.ENERGY, Extra.OFFLOAD, Extra.BINARY, SIGNED),
    *(Aspect.UTILITY, Aspect.COST, Aspect.SUM_OF_RATIOS, Aspect.MAX_MIN),
    *(Aspect.MEAN, Aspect.WEIGHTS, Aspect.SCORE, Aspect.NO_TIME),
}


@dataclass(frozen=True, eq=False)
class PairParts:
    """The parts of every pair in a joint model: expressions of order one, in the units of `whole_parts`.

    Times are in the model's unit; energies of sending are the sender's share of power times that time, energies of
    training the share of the training times the square of the speed, and shares are shares. All are zero where the
    pair is not connected.

    Parameters
    ----------
    pair
        From a part and a pair (n, m), the expression.
    user
        From a part and a user, its sum over servers, where the model has that in fewer terms; for some parts.
    stated
        The parts that there are.
    """

    pair: Callable[[str, int, int], Any]
    user: Mapping[str, Callable[[int], Any]] = field(default_factory=dict)
    stated: frozenset[str] = STATED_PARTS

    def total(self, part: str, weights: Array, pairs: list[tuple[int, int]]) -> Any:
        """Return the weighted sum of a part over pairs; weights have shape (N, M)."""
        users = sorted({n for n, _ in pairs})
        mine = weights[users]
        if part in self.user and len(pairs) == mine.size and np.all(mine == mine[:, :1]):
            return sum(float(weights[n, 0]) * self.user[part](n) for n in users if weights[n, 0] != 0.0)
        return sum(float(weights[n, k]) * self.pair(part, n, k) for n, k in pairs if weights[n, k] != 0.0)


@dataclass(frozen=True, eq=False)
class JointLimits:
    """Extra constraints of a scenario without units.

    Parameters
    ----------
    rows
        Rows of limits with their coefficients in the units of `whole_parts`, shape (N, M) for every part.
    delay
        D_n in time units, infinite where there is none, shape (N,).
    need_up, need_down
        Least R of both directions, in units of the server's bandwidth, zero where there is none, shape (N, M).
    """

    rows: tuple[tuple[Rows, Mapping[str, Array]], ...]
    delay: Array
    need_up: Array
    need_down: Array

    @classmethod
    def of(cls, scenario: Scenario, time_unit: float) -> JointLimits | None:
        """Return the limits in a unit of time, or None where the scenario has none.

        Raises
        ------
        InputError
            If a limit is so small that a whole resource is no finite multiple of it.
        """
        s, extra = scenario, scenario.constraints
        if extra is None:
            return None
        units, nats = whole_parts(s, time_unit=time_unit), np.log(2.0) / s.bandwidth_max
        up, down = least_rates(s)
        relative = tuple((rows, rows.relative(units)) for rows in upper_rows(s))
        for rows, taken in relative:
            if not all(np.isfinite(weight).all() for weight in taken.values()):
                raise InputError(f"{rows.limit.label}: no finite multiple of it is a whole resource; expected more")
        return cls(
            rows=relative,
            delay=extra.delay_limit / time_unit,
            need_up=up[:, np.newaxis] * nats,
            need_down=down[:, np.newaxis] * nats,
        )

    @property
    def parts(self) -> frozenset[str]:
        """The parts that rows are about."""
        return frozenset(part for _, taken in self.rows for part in taken)

    def reachable(self, snr_up: Array, snr_down: Array) -> NDArray[np.bool_]:
        """Return the pairs whose rates are high enough with all resources, shape (N, M)."""
        slack = 1.0 + 1e-9
        return (np.log1p(snr_up) * slack >= self.need_up) & (np.log1p(snr_down) * slack >= self.need_down)


def state_limits(
    model: pyo.ConcreteModel,
    rows: pyo.ConstraintList,
    limits: JointLimits,
    parts: PairParts,
    pairs: list[tuple[int, int]],
) -> None:
    """Add every row that bounds something.

    Parameters
    ----------
    model
        A joint model.
    rows
        Where to add them.
    limits
        What is declared.
    parts
        What the model states.
    pairs
        Pairs that the model has, user by user.
    """
    for declared, taken in limits.rows:
        members: dict[int, list[tuple[int, int]]] = {row: [] for row in declared.active.tolist()}
        for n, k in pairs:
            row = {Over.USER: n, Over.SERVER: k, Over.ALL: 0}[declared.limit.over]
            if row in members:
                members[row].append((n, k))
        for row, mine in members.items():
            total = sum(parts.total(part, weights, mine) for part, weights in taken.items())
            right = float(declared.right[row])
            if not isinstance(total, (int, float)):
                rows.add(total <= right)
            elif total > right:  # no pair that the model has is in it, and that is not enough: nothing is feasible
                rows.add(sum(model.x[0, k] for k in model.servers) <= 0)


def permitted_offload(scenario: Scenario, offload: Array) -> Array:
    """Return the nearest offloading in the ranges of a scenario, whole where it is binary, shape (N,)."""
    extra = scenario.constraints
    if extra is None:
        return offload
    nearest = np.clip(offload, *extra.offload.T)
    return np.round(nearest) if extra.binary_offload else nearest
