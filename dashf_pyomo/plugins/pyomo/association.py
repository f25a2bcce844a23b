"""AO part 1 (6) as Pyomo models: the hull of every user, and what Pyomo can state of the semidefinite relaxation.

Pyomo has no semidefinite cone. The relaxation S >= 0 of every user's block (phi_n, x_n1, .., x_nM, 1) is therefore
replaced by its principal 2 x 2 minors, which are second-order cone rows: a relaxation of the relaxation, so its value
is a bound still. `add_semidefinite_cuts` adds the planes v'Sv >= 0 that the current point violates; solved again and
again, the value rises to that of the semidefinite program. CVXPY states the cone itself, see
`formulations.association.sdr`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyomo.environ as pyo

from formulations import Scenario
from formulations.association.coefficients import AssociationCoefficients
from formulations.association.limited import AssociationLimits
from formulations.association.pairs import PairResources
from formulations.constraints import EXCESS_PRICE

__all__ = ["add_semidefinite_cuts", "hull", "sdr"]

#: Eigenvalues above this are taken as not negative.
CUT_TOLERANCE = 1e-6


def hull(scenario: Scenario, pairs: PairResources, ratio: float, delay_rows: str = "aggregated") -> pyo.ConcreteModel:
    """Return the linear relaxation with the convex hull of {(x, phi, phi x)} of every user.

    Parameters
    ----------
    scenario
        The data.
    pairs
        Resources on all pairs, fixed.
    ratio
        y, SI.
    delay_rows
        One of `formulations.association.coefficients.DELAY_ROWS`.
    """

    def tie(model: pyo.ConcreteModel) -> None:
        model.below_x = pyo.Constraint(model.pairs, rule=lambda m, n, k: m.product[n, k] <= m.x[n, k])
        model.whole = pyo.Constraint(
            model.users, rule=lambda m, n: sum(m.product[n, k] for k in m.servers) == m.offload[n]
        )

    return _state("hull", scenario, pairs, ratio, delay_rows, 0.0, tie)


def sdr(
    scenario: Scenario, pairs: PairResources, ratio: float, delay_rows: str = "aggregated", minors: bool = True
) -> pyo.ConcreteModel:
    """Return the semidefinite relaxation (8) without the cone: its diagonal, its bounds, and its 2 x 2 minors.

    Parameters
    ----------
    scenario, pairs, ratio, delay_rows
        As in `hull`.
    minors
        Whether the minors are stated; without them the model is linear, and only `add_semidefinite_cuts` ties it.
    """

    def tie(model: pyo.ConcreteModel) -> None:
        model.square = pyo.Var(model.users, bounds=(0, 1), doc="S_phi,phi")
        corners = [(n, k, j) for n, k in model.pairs for j in model.servers if k < j]
        model.cross = pyo.Var(corners, bounds=(-1, 1), doc="S_xk,xj")
        model.square_row = pyo.Constraint(model.users, rule=lambda m, n: m.square[n] <= m.offload[n], doc="(8c), (7d)")
        model.cuts = pyo.ConstraintList()
        if minors:
            model.minor_offload = pyo.Constraint(model.users, rule=lambda m, n: m.offload[n] ** 2 <= m.square[n])
            model.minor_product = pyo.Constraint(
                model.pairs, rule=lambda m, n, k: m.product[n, k] ** 2 <= m.square[n] * m.x[n, k]
            )
            model.minor_cross = pyo.Constraint(
                corners, rule=lambda m, n, k, j: m.cross[n, k, j] ** 2 <= m.x[n, k] * m.x[n, j]
            )

    return _state("sdr", scenario, pairs, ratio, delay_rows, -1.0, tie)


def _state(
    name: str,
    scenario: Scenario,
    pairs: PairResources,
    ratio: float,
    delay_rows: str,
    least_product: float,
    tie: Callable[[pyo.ConcreteModel], None],
) -> pyo.ConcreteModel:
    """Return (6) with products w that `tie` relates to x and phi; scaled as in `AssociationCoefficients`."""
    c = AssociationCoefficients.of(scenario, pairs, ratio)
    model = pyo.ConcreteModel(name=f"dashf-association-{name}")
    model.users = pyo.RangeSet(0, scenario.n_users - 1)
    model.servers = pyo.RangeSet(0, scenario.n_servers - 1)
    model.pairs = model.users * model.servers
    model.x = pyo.Var(model.pairs, bounds=(0, 1))
    model.offload = pyo.Var(model.users, bounds=(0, 1))
    model.product = pyo.Var(model.pairs, bounds=(least_product, 1), doc="w, stands for phi x")
    model.delay = pyo.Var(bounds=(0, None), doc="T in units of the coefficients")
    model.assignment = pyo.Constraint(model.users, rule=lambda m, n: sum(m.x[n, k] for k in m.servers) == 1)
    tie(model)
    model.user_end = pyo.Constraint(
        model.pairs, rule=lambda m, n, k: m.product[n, k] <= float(c.user_end[n, k]), doc="closed ends stay empty"
    )
    model.server_end = pyo.Constraint(
        model.pairs, rule=lambda m, n, k: m.x[n, k] - m.product[n, k] <= float(c.server_end[n, k])
    )

    def time(m: Any, n: int, k: int) -> Any:
        slower = float(c.uplink_time[n, k] - c.server_time[n, k])
        return float(c.server_time[n, k]) * m.x[n, k] + slower * m.product[n, k]

    if delay_rows == "aggregated":
        model.delay_row = pyo.Constraint(
            model.users,
            rule=lambda m, n: float(c.local_time[n]) * m.offload[n] + sum(time(m, n, k) for k in m.servers) <= m.delay,
        )
    else:
        model.delay_row = pyo.Constraint(
            model.pairs, rule=lambda m, n, k: float(c.local_time[n]) * m.offload[n] + time(m, n, k) <= m.delay
        )
    for label in ("bandwidth", "power", "speed"):
        share = getattr(c, f"{label}_share")
        row = pyo.Constraint(
            model.servers,
            rule=lambda m, k, share=share: sum(float(share[n, k]) * m.x[n, k] for n in m.users) <= 1,
        )
        setattr(model, f"{label}_budget", row)
    excess = 0.0 if c.limits is None else _limit(model, c, c.limits, time)
    cost = sum(float(c.local_cost[n]) * model.offload[n] for n in model.users)
    cost += sum(float(c.pair_cost[q]) * model.x[q] + float(c.product_cost[q]) * model.product[q] for q in model.pairs)
    model.objective = pyo.Objective(expr=float(c.time_price) * model.delay + cost + excess, sense=pyo.minimize)
    model.objective_unit = pyo.Param(initialize=c.objective_unit, doc="score units of one unit of the objective")
    return model


def _limit(
    model: pyo.ConcreteModel,
    c: AssociationCoefficients,
    limits: AssociationLimits,
    time: Callable[[Any, int, int], Any],
) -> Any:
    """State the extra constraints as `formulations.association.limited` does, elastic; return what the excess costs."""
    model.late = pyo.Var(model.users, bounds=(0, None), doc="excess over delay limits, relative")
    model.over = pyo.Var(model.servers, bounds=(0, None), doc="excess over budgets of energy, relative")

    def late_row(m: Any, n: int) -> Any:
        delay = float(c.local_time[n]) * m.offload[n] + sum(time(m, n, k) for k in m.servers)
        return float(limits.hurry[n]) * delay <= 1 + m.late[n]

    def over_row(m: Any, k: int) -> Any:
        spent = sum(float(limits.energy[n, k]) * (m.x[n, k] - m.product[n, k]) for n in m.users)
        return spent <= 1 + m.over[k]

    model.late_row = pyo.Constraint(model.users, rule=late_row)
    model.over_row = pyo.Constraint(model.servers, rule=over_row)
    return EXCESS_PRICE * (sum(model.late[n] for n in model.users) + sum(model.over[k] for k in model.servers))


def add_semidefinite_cuts(model: pyo.ConcreteModel) -> int:
    """Add the planes v'Sv >= 0 that the values of an `sdr` model violate; return how many there were.

    Parameters
    ----------
    model
        A model from `sdr` whose variables have values.
    """
    servers, added = list(model.servers), 0
    for n in model.users:
        entries: dict[tuple[int, int], Any] = {(0, 0): model.square[n]}
        last = len(servers) + 1
        entries[0, last], entries[last, last] = model.offload[n], 1.0
        for i, k in enumerate(servers, start=1):
            entries[0, i], entries[i, i], entries[i, last] = model.product[n, k], model.x[n, k], model.x[n, k]
            for j, other in enumerate(servers[i:], start=i + 1):
                entries[i, j] = model.cross[n, k, other]
        block = np.zeros((last + 1, last + 1))
        for (i, j), entry in entries.items():
            value = 1.0 if isinstance(entry, float) else entry.value
            block[i, j] = block[j, i] = 0.0 if value is None else value  # a solver may leave out what is in no row
        values, vectors = np.linalg.eigh(block)
        for value, v in zip(values, vectors.T, strict=True):
            if value < -CUT_TOLERANCE:
                model.cuts.add(
                    sum((1.0 if i == j else 2.0) * float(v[i] * v[j]) * entry for (i, j), entry in entries.items()) >= 0
                )
                added += 1
    return added
