"""Common part of all joint models: the paper's decisions, budgets, units, and the way back to an `Allocation`.

A joint model is a plain `pyomo.environ.ConcreteModel`. The paper's decisions have the same names in all of them:

==================  ============  ==================================================
component           index         meaning, without units
==================  ============  ==================================================
``x``               user, server  x_nm, binary
``offload``         user          phi_n
``bandwidth``       user, server  b_nm / b_max of the server, 0 where not connected
``server_power``    user, server  p_nm / p_max of the server, likewise
``server_speed``    user, server  F_nm / F_max of the server, likewise
``user_power``      user          p_n / p_max of the user
``user_speed``      user          F_n / F_max of the user
``delay``           none          T, in units of the known allocation's delay
==================  ============  ==================================================

Every variable is tied to the others by rows, so that a row, a bound or a value of any of them is about the allocation.
Users and servers count from 0. ``model.dashf`` (a `JointInfo`) holds the scenario, the units and what a bound on the
objective says about the scenario's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..allocation import Allocation, evaluate
from ..constraints import require_support
from ..documents import InputError
from ..lazy import lazy
from ..objective import DelayKind, ObjectiveKind
from ..scenario import Scenario
from .attributes import Attributes
from .data import JointData
from .pair_parts import JOINT_EXTRAS, permitted_offload

if TYPE_CHECKING:
    import pyomo.environ as pyo
else:
    pyo = lazy("pyomo.environ")

__all__ = ["JointInfo", "Stated", "decisions", "info", "objective", "read", "rows", "set_values"]

_PER_PAIR = ("bandwidth", "server_power", "server_speed")
_PER_USER = ("user_power", "user_speed")


@dataclass(frozen=True, eq=False)
class JointInfo:
    """Data of a joint model, attached to it as ``model.dashf``.

    Parameters
    ----------
    formulation
        Its name.
    data
        Scenario, units and bounds.
    ratio
        The y of a parametric objective (score - y cost), SI; None where the objective is the scenario's itself.
    arguments
        What the formulation's builder was called with besides the scenario, so that the model can be built again.
    """

    formulation: str
    data: JointData
    ratio: float | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scenario(self) -> Scenario:
        """The scenario that is modelled."""
        return self.data.scenario

    def value_bound(self, objective_bound: float) -> float:
        """Return the bound on the scenario's objective that a bound on the model's objective implies, SI.

        It holds for all allocations within the bounds; those that are left out have at most the known value, or what
        `JointData.left_out` says.

        For a parametric objective see `Objective.bound`.

        Parameters
        ----------
        objective_bound
            Bound on the model's objective, in its own units and sense.
        """
        data = self.data
        if self.ratio is None:
            return objective_bound * data.objective_unit
        if objective_bound > 0.0 and data.least_cost == 0.0:
            return math.inf
        return data.scenario.objective.bound(
            objective_bound * data.scr_unit, self.ratio, data.least_cost, data.most_cost
        )

    @property
    def left_out(self) -> float:
        """Bound on the model's objective at all allocations that its bounds leave out."""
        return self.data.left_out(self.ratio)

    @property
    def best(self) -> float:
        """Bound on the model's objective that needs no solver."""
        return self.data.best(self.ratio)


@dataclass(frozen=True, eq=False)
class Stated:
    """Expressions of what users have, in the units of `JointData`.

    Parameters
    ----------
    score, delay, energy
        From a user, v_n, at most; D_n and the weighted energy E_n, at least.
    scores, energies
        Sums of scores and energies over all users, as the model has them in the fewest terms.
    """

    score: Callable[[int], Any]
    delay: Callable[[int], Any]
    energy: Callable[[int], Any]
    scores: Any
    energies: Any


def info(model: pyo.ConcreteModel) -> JointInfo:
    """Return what a model is a model of.

    Raises
    ------
    InputError
        If it is not a joint model of Problem (3).
    """
    found = getattr(model, "dashf", None)
    if not isinstance(found, JointInfo):
        raise InputError(
            f"model {model.name!r} is not a model of Problem (3); build one by formulations.joint, for instance "
            "joint.activity(scenario)"
        )
    return found


def decisions(
    name: str,
    data: JointData,
    ratio: float | None = None,
    arguments: Mapping[str, Any] | None = None,
    supports: frozenset[str] = JOINT_EXTRAS,
) -> pyo.ConcreteModel:
    """Return a model with the paper's decisions, the assignment, and what is removed by proof.

    Budgets are the formulation's own: whether idle pairs may hold resources is its business.

    Parameters
    ----------
    name
        Name of the formulation.
    data
        Units and bounds.
    ratio
        The y of a parametric objective, SI, or None.
    arguments
        What the builder was called with besides the scenario.
    supports
        What the formulation states of what a scenario demands.

    Raises
    ------
    InputError
        If it does not state all of it, or a ratio is given for another objective than the SCR.
    """
    s = data.scenario
    require_support(f"joint model {name}", supports, s.demands)
    if ratio is not None and data.kind is not ObjectiveKind.SCR:
        raise InputError(f"ratio = {ratio!r}: objective {data.kind} is stated itself; expected none")
    model = pyo.ConcreteModel(name=f"dashf-{name}")
    model.dashf = JointInfo(name, data, ratio, arguments or {})
    model.attributes = Attributes(model)
    model.users = pyo.RangeSet(0, s.n_users - 1)
    model.servers = pyo.RangeSet(0, s.n_servers - 1)
    model.x = pyo.Var(model.users, model.servers, domain=pyo.Binary)
    _offloading(model)
    for label in _PER_PAIR:
        setattr(model, label, pyo.Var(model.users, model.servers, bounds=(0, 1)))
    for label in _PER_USER:
        setattr(model, label, pyo.Var(model.users, bounds=(0, 1)))
    model.delay = pyo.Var(bounds=(data.least_delay, data.most_delay))
    users, servers = model.users, model.servers
    rows(model, "assignment", users, lambda n: sum(model.x[n, k] for k in servers) == 1, "(3b): one server each")
    for n, k in np.argwhere(~data.usable).tolist():
        model.x[n, k].setub(0)  # not fixed: whoever fixes and frees associations does not open the pair
    _break_symmetry(model, data)
    return model


def rows(model: pyo.ConcreteModel, name: str, index: Any, row: Callable[..., Any], doc: str | None = None) -> None:
    """State a constraint for every index; unlike a rule of Pyomo's, `row` is not kept, so that models can be pickled.

    Parameters
    ----------
    model
        A model.
    name
        Name of the component.
    index
        A set.
    row
        From an index, the expression.
    doc
        What it means.
    """
    part = pyo.Constraint(index, doc=doc)
    setattr(model, name, part)
    for entry in part.index_set():
        part.add(entry, row(*entry) if isinstance(entry, tuple) else row(entry))


def _offloading(model: pyo.ConcreteModel) -> None:
    """Declare phi, in the ranges of the scenario."""
    extra = info(model).scenario.constraints
    if extra is None:
        model.offload = pyo.Var(model.users, bounds=(0, 1))
        return
    ranges = {n: (float(low), float(high)) for n, (low, high) in enumerate(extra.offload)}
    model.offload = pyo.Var(model.users, bounds=ranges, domain=pyo.Binary if extra.binary_offload else pyo.Reals)


def objective(model: pyo.ConcreteModel, stated: Stated, *, epigraph: bool = True) -> None:
    """State the objective: that of the scenario, or score - y cost where the model has a ratio.

    Parameters
    ----------
    model
        A model from `decisions`.
    stated
        Expressions of the users.
    epigraph
        Whether ratios are stated by variables (ratio * cost <= score) instead of as fractions.
    """
    found = info(model)
    data = found.data
    if data.kind.by_user:
        _users_ratios(model, stated, epigraph)
        return
    score, cost = _score(data, stated), _cost(model, data, stated)
    if data.kind is ObjectiveKind.COST:
        model.objective = pyo.Objective(expr=cost, sense=pyo.minimize)
    elif data.kind is ObjectiveKind.UTILITY or found.ratio is not None:
        price = data.least_ratio if found.ratio is None else found.ratio / data.scr_unit
        model.objective = pyo.Objective(expr=data.scenario.objective.parametric(score, cost, price), sense=pyo.maximize)
    elif not epigraph:
        model.objective = pyo.Objective(expr=score / cost, sense=pyo.maximize)
    else:
        # Without an assumption about the SCR the two may be given another meaning by other rows.
        known = data.assumes_scr
        model.ratio = pyo.Var(bounds=(data.least_ratio, _most(data.best())) if known else (0, None))
        model.cost = pyo.Var(bounds=(data.least_cost, data.most_cost) if known else (0, None))
        model.cost_row = pyo.Constraint(expr=model.cost >= cost)
        model.ratio_row = pyo.Constraint(expr=model.ratio * model.cost <= score)
        model.objective = pyo.Objective(expr=model.ratio, sense=pyo.maximize)


def _most(bound: float) -> float | None:
    """Return an upper bound as Pyomo has it."""
    return bound if math.isfinite(bound) else None


def _score(data: JointData, stated: Stated) -> Any:
    """Return the score as the objective counts it; nothing in a cost."""
    declared, n_users = data.scenario.objective, data.scenario.n_users
    if data.kind is ObjectiveKind.COST:
        return 0.0
    if declared.user_weight is None:
        return stated.scores
    return sum(float(weight) * stated.score(n) for n, weight in enumerate(declared.score_weights(n_users)))


def _cost(model: pyo.ConcreteModel, data: JointData, stated: Stated) -> Any:
    """Return the cost as the objective counts it; what has no weight is not in it."""
    declared, n_users = data.scenario.objective, data.scenario.n_users

    def total(of_user: Callable[[int], Any], weights: NDArray[np.float64]) -> Any:
        return sum(float(weight) * of_user(n) for n, weight in enumerate(weights) if weight != 0.0)

    counted = declared.cost_weights(n_users)
    energy = stated.energies if np.all(counted == 1.0) else total(stated.energy, counted)
    if data.pairs.time_weight == 0.0:
        return energy
    if declared.delay is DelayKind.LARGEST:
        return data.pairs.time_weight * model.delay + energy
    return data.pairs.time_weight * total(stated.delay, declared.delay_weights(n_users)) + energy


def _users_ratios(model: pyo.ConcreteModel, stated: Stated, epigraph: bool) -> None:
    """State the sum of the users' ratios, or the least of them."""
    data = info(model).data
    s, weight = data.scenario, data.pairs.time_weight
    counted = s.objective.score_weights(s.n_users)

    def cost(n: int) -> Any:
        return stated.energy(n) if weight == 0.0 else weight * stated.delay(n) + stated.energy(n)

    def score(n: int) -> Any:
        return float(counted[n]) * stated.score(n)

    users, most, least = model.users, data.most_user_ratio, data.least_user_cost
    if data.kind is ObjectiveKind.SUM_OF_RATIOS and not epigraph:
        model.objective = pyo.Objective(expr=sum(score(n) / cost(n) for n in users), sense=pyo.maximize)
        return
    known = data.assumes_scr
    dearest = {n: _most(float(value)) for n, value in enumerate(data.most_user_cost)}
    costs = {n: (float(least[n]), dearest[n]) if known else (0, None) for n in users}
    model.user_cost = pyo.Var(users, bounds=costs, doc="omega_t D_n + omega_e E_n at least")
    rows(model, "user_cost_row", users, lambda n: model.user_cost[n] >= cost(n))
    if data.kind is ObjectiveKind.SUM_OF_RATIOS:
        ratios = {n: (0.0, _most(float(most[n])) if known else None) for n in users}
        model.user_ratio = pyo.Var(users, bounds=ratios, doc="w_n v_n / cost at most")
        rows(model, "user_ratio_row", users, lambda n: model.user_ratio[n] * model.user_cost[n] <= score(n))
        model.objective = pyo.Objective(expr=sum(model.user_ratio[n] for n in users), sense=pyo.maximize)
    else:
        model.ratio = pyo.Var(bounds=(data.least_ratio, _most(data.best())) if known else (0, None))
        rows(model, "least_ratio_row", users, lambda n: model.ratio * model.user_cost[n] <= score(n))
        model.objective = pyo.Objective(expr=model.ratio, sense=pyo.maximize)


def _break_symmetry(model: pyo.ConcreteModel, data: JointData) -> None:
    """Keep one of the solutions that are the same up to names: identical users in order, then identical servers."""
    users, servers = data.identical_users(), data.identical_servers()
    if users:

        def place(n: int) -> Any:
            return sum(k * model.x[n, k] for k in model.servers)

        said = "identical users in the order of their servers"
        rows(model, "user_order", range(len(users)), lambda i: place(users[i][0]) <= place(users[i][1]), said)
    elif servers:  # both orders at once could exclude every optimum

        def load(k: int) -> Any:
            return sum(model.x[n, k] for n in model.users)

        said = "identical servers in the order of their loads"
        rows(model, "server_order", range(len(servers)), lambda i: load(servers[i][0]) >= load(servers[i][1]), said)


def read(model: pyo.ConcreteModel, values: Mapping[str, float] | None = None, as_stated: bool = False) -> Allocation:
    """Read the allocation of a joint model, cut back into budgets, caps and ranges of the offloading.

    Parameters
    ----------
    model
        A joint model.
    values
        Values by variable name; without them, the values that the model's variables have.
    as_stated
        Whether a user that trains nothing has the power and speed that the model says, instead of its caps.

    Raises
    ------
    InputError
        If the model is not a joint model, or a decision has no value.
    """
    scenario = info(model).scenario

    def value(variable: Any) -> float:
        found = variable.value if values is None else values.get(variable.name, variable.value)
        if found is None or not np.isfinite(found):
            raise InputError(f"variable {variable.name} = {found}; expected a finite value")
        return float(found)

    n, m = scenario.n_users, scenario.n_servers
    server = np.array([[value(model.x[i, k]) for k in range(m)] for i in range(n)]).argmax(axis=1)
    shares = [[value(getattr(model, label)[i, int(server[i])]) for i in range(n)] for label in _PER_PAIR]
    caps = np.array([[value(getattr(model, label)[i]) for i in range(n)] for label in _PER_USER])
    zeros = np.zeros(n)
    empty = Allocation(server, zeros, zeros, zeros, zeros, zeros, zeros)
    offload = permitted_offload(scenario, np.array([value(model.offload[i]) for i in range(n)]))
    found = empty.with_shares(scenario, np.array([*shares, *caps]), offload)
    if not as_stated:
        return found
    stated = {label: caps[i] * getattr(scenario, f"{label}_max") for i, label in enumerate(_PER_USER)}
    return replace(found, **stated).within_budgets(scenario)


def set_values(model: pyo.ConcreteModel, allocation: Allocation, delay: float | None = None) -> None:
    """Give the paper's decisions the values of an allocation, as a start for a solver.

    Auxiliary variables are left alone; `formulations.joint.whole_point` sets them too.

    Parameters
    ----------
    model
        A joint model.
    allocation
        The allocation.
    delay
        T, s; that of the allocation by default.
    """
    data = info(model).data
    s, a = data.scenario, allocation
    for i in range(s.n_users):
        k = int(a.server[i])
        for j in range(s.n_servers):
            here = float(j == k)
            model.x[i, j].set_value(here, skip_validation=True)
            for label in _PER_PAIR:
                budget = getattr(s, f"{label}_max")[j]
                share = float(here * getattr(a, label)[i] / budget)
                getattr(model, label)[i, j].set_value(share, skip_validation=True)
        for label in _PER_USER:
            getattr(model, label)[i].set_value(
                float(getattr(a, label)[i] / getattr(s, f"{label}_max")[i]), skip_validation=True
            )
        model.offload[i].set_value(float(a.offload[i]), skip_validation=True)
    delay = evaluate(s, a).delay if delay is None else delay
    model.delay.set_value(float(delay / data.pairs.time_unit), skip_validation=True)
