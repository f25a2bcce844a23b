"""Scenarios and solvers that the tests of the plugins share."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
import pytest
from pyomo.contrib.solver.common.factory import SolverFactory as NewFactory

import dashf_pyomo.plugins.pyomo  # registers
from dashf_pyomo.backends import backends
from formulations import Scenario, joint
from formulations.joint.convexified import _stated
from formulations.joint.model import _cost

assert dashf_pyomo

#: One user, two servers: SCIP proves it in about a second.
TINY = Scenario.random(1, 2, seed=0)
SMALL = Scenario.random(2, 2, seed=0)
SCENARIO = Scenario.random(3, 2, seed=0)
FORMULATIONS = ("literal", "parametric", "activity", "convexified")
CLASSIC, NEW = pyo.SolverFactory, NewFactory


def need_scip() -> None:
    if not backends["scip"].availability().available:
        pytest.skip("SCIP is not installed")


def build(name: str, scenario: Scenario = SCENARIO, **options: Any) -> Any:
    return getattr(joint, name)(scenario, **options)


def values(model: Any) -> dict[str, float | None]:
    return {variable.name: variable.value for variable in model.component_data_objects(pyo.Var)}


def solve(name: str, model: Any, **options: Any) -> Any:
    """Solve by the new interface, and leave it to the test what to make of the end."""
    return NewFactory(name).solve(model, raise_exception_on_nonoptimal_result=False, **options)


def energy(model: Any) -> Any:
    """The energy of all, J, as `activity` and `convexified` state it."""
    data = joint.info(model).data
    if joint.info(model).formulation == "activity":
        weighted = sum(model.energies[i, n] for i in range(1, 5) for n in model.users)
    else:
        weighted = _cost(model, data, _stated(model, data)) - data.pairs.time_weight * model.delay
    return weighted * data.pairs.cost_unit / data.scenario.weight_energy
