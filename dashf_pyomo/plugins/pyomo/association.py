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
from formulations.association.pair_resources import PairResources
from formulations.association.pair_rows import PairRows
from formulations.constraints import EXCESS_PRICE, Over
from formulations.joint.model import rows

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
        w, x, phi = model.product, model.x, model.offload
        rows(model, "below_x", model.pairs, lambda n, k: w[n, k] <= x[n, k])
        rows(model, "whole", model.users, lambda n: sum(w[n, k] for k in model.servers) == phi[n])

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
        w, x, phi, square, cross = model.product, model.x, model.offload, model.square, model.cross
        rows(model, "square_row", model.users, lambda n: square[n] <= phi[n], "(8c), (7d)")
        model.cuts = pyo.ConstraintList()
        if minors:
            rows(model, "minor_offload", model.users, lambda n: phi[n] ** 2 <= square[n])
            rows(model, "minor_product", model.pairs, lambda n, k: w[n, k] ** 2 <= square[n] * x[n, k])
            rows(model, "minor_cross", corners, lambda n, k, j: cross[n, k, j] ** 2 <= x[n, k] * x[n, j])

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
    ranges = {n: (float(c.least_offload[n]), float(c.most_offload[n])) for n in model.users}
    model.offload = pyo.Var(model.users, bounds=ranges)
    model.product = pyo.Var(model.pairs, bounds=(least_product, 1), doc="w, stands for phi x")
    model.delay = pyo.Var(bounds=(0, None), doc="T in units of the coefficients")
    x, w, phi, users, servers = model.x, model.product, model.offload, model.users, model.servers
    rows(model, "assignment", users, lambda n: sum(x[n, k] for k in servers) == 1)
    tie(model)
    closed = "closed ends stay empty"
    rows(model, "user_end", model.pairs, lambda n, k: w[n, k] <= float(c.user_end[n, k]), closed)
    rows(model, "server_end", model.pairs, lambda n, k: x[n, k] - w[n, k] <= float(c.server_end[n, k]), closed)

    if scenario.constraints is not None and scenario.constraints.has_ranges:
        least, most = c.least_offload.tolist(), c.most_offload.tolist()
        rows(model, "least_product", model.pairs, lambda n, k: w[n, k] >= least[n] * x[n, k])
        rows(model, "most_product", model.pairs, lambda n, k: w[n, k] <= most[n] * x[n, k])

    def time(n: int, k: int) -> Any:
        slower = float(c.uplink_time[n, k] - c.server_time[n, k])
        return float(c.server_time[n, k]) * x[n, k] + slower * w[n, k]

    def delay(n: int) -> Any:
        return float(c.local_time[n]) * phi[n] + sum(time(n, k) for k in servers)

    if delay_rows == "aggregated":
        rows(model, "delay_row", users, lambda n: delay(n) <= model.delay)
    else:
        rows(model, "delay_row", model.pairs, lambda n, k: float(c.local_time[n]) * phi[n] + time(n, k) <= model.delay)
    for label in ("bandwidth", "power", "speed"):
        share = getattr(c, f"{label}_share")
        held = [sum(float(share[n, k]) * x[n, k] for n in users) for k in servers]
        rows(model, f"{label}_budget", servers, lambda k, held=held: held[k] <= 1)
    excess = sum(_limit(model, limit) for limit in c.limits)
    cost = sum(float(c.local_cost[n]) * model.offload[n] for n in model.users)
    cost += sum(float(c.pair_cost[q]) * model.x[q] + float(c.product_cost[q]) * model.product[q] for q in model.pairs)
    model.objective = pyo.Objective(expr=float(c.time_price) * model.delay + cost + excess, sense=pyo.minimize)
    model.objective_unit = pyo.Param(initialize=c.objective_unit, doc="score units of one unit of the objective")
    return model


def _limit(model: pyo.ConcreteModel, limit: PairRows) -> Any:
    """State the rows of a limit as `formulations.association.pair_rows` does, elastic; return what the excess costs."""
    entries: dict[int, list[Any]] = {row: [] for row in range(limit.count)}
    pairs = list(model.pairs)
    for row, (n, k) in zip(limit.row_of(np.arange(len(pairs))).tolist(), pairs, strict=True):
        taken = float(limit.of_pair[n, k]) * model.x[n, k] + float(limit.of_product[n, k]) * model.product[n, k]
        entries[row].append(taken)
        if limit.over is Over.USER and k == 0:
            entries[row].append(float(limit.of_user[n]) * model.offload[n])
    excess = pyo.Var(entries, bounds=(0, None), doc="excess over the limits, relative")
    setattr(model, f"excess_{limit.key}", excess)
    unit, most = limit.excess, limit.most.tolist()
    rows(model, limit.key, entries, lambda row: sum(entries[row]) <= most[row] + unit * excess[row])
    return EXCESS_PRICE * sum(excess[row] for row in entries)


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
