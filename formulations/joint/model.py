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
objective says about the SCR.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..allocation import Allocation, evaluate
from ..constraints import require_support
from ..documents import InputError
from ..lazy import lazy
from ..scenario import Scenario
from .attributes import Attributes
from .data import JointData
from .pair_parts import JOINT_EXTRAS

if TYPE_CHECKING:
    import pyomo.environ as pyo
else:
    pyo = lazy("pyomo.environ")

__all__ = ["JointInfo", "decisions", "info", "objective", "read", "rows", "set_values"]

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
        The y of a parametric objective (score - y cost), SI; None where the objective is the SCR itself.
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

    def upper_bound(self, objective_bound: float) -> float:
        """Return the bound on the SCR that an upper bound on the model's objective implies, SI.

        It holds for all allocations within the bounds; those that are left out have at most the known SCR, or what
        `JointData.cost_left_out` allows.

        For a parametric objective see `Objective.bound`.

        Parameters
        ----------
        objective_bound
            Upper bound on the model's objective, in its own units.
        """
        data = self.data
        if self.ratio is None:
            return objective_bound * data.scr_unit
        return data.scenario.objective.bound(
            objective_bound * data.scr_unit, self.ratio, data.least_cost, data.most_cost
        )


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
    """
    s = data.scenario
    require_support("the joint models", JOINT_EXTRAS, s.demands)
    model = pyo.ConcreteModel(name=f"dashf-{name}")
    model.dashf = JointInfo(name, data, ratio, arguments or {})
    model.attributes = Attributes(model)
    model.users = pyo.RangeSet(0, s.n_users - 1)
    model.servers = pyo.RangeSet(0, s.n_servers - 1)
    model.x = pyo.Var(model.users, model.servers, domain=pyo.Binary)
    model.offload = pyo.Var(model.users, bounds=(0, 1))
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


def objective(model: pyo.ConcreteModel, score: Any, cost: Any, *, epigraph: bool = True) -> None:
    """State the objective: the SCR, or score - y cost where the model has a ratio.

    Parameters
    ----------
    model
        A model from `decisions`.
    score, cost
        Expressions in scaled units.
    epigraph
        Whether the ratio is stated by variables (ratio * cost <= score) instead of as a fraction.
    """
    found = info(model)
    data = found.data
    if found.ratio is not None:
        model.objective = pyo.Objective(
            expr=data.scenario.objective.parametric(score, cost, found.ratio / data.scr_unit), sense=pyo.maximize
        )
    elif not epigraph:
        model.objective = pyo.Objective(expr=score / cost, sense=pyo.maximize)
    else:
        # Without an assumption about the SCR the two may be given another meaning by other rows.
        known = data.assumes_scr
        model.ratio = pyo.Var(bounds=(data.least_ratio, data.most_score / data.least_cost) if known else (0, None))
        model.cost = pyo.Var(bounds=(data.least_cost, data.most_cost) if known else (0, None))
        model.cost_row = pyo.Constraint(expr=model.cost >= cost)
        model.ratio_row = pyo.Constraint(expr=model.ratio * model.cost <= score)
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
    """Read the allocation of a joint model, cut back into budgets and caps.

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
    offload = np.array([value(model.offload[i]) for i in range(n)])
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
