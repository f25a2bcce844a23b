"""What methods and formulations declare decides what Pyomo offers, not their names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pyomo.environ as pyo
import pytest
from plugin_helpers import CLASSIC, NEW, TINY, build, need_scip, solve
from pyomo.contrib.solver.common.results import SolutionStatus

from dashf_pyomo.algorithms import Method, methods
from dashf_pyomo.backends import backends
from dashf_pyomo.plugins.pyomo import register
from formulations import joint
from formulations.formulation import formulations


@pytest.fixture
def own_method(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A method of somebody else that only hands models to a solver."""

    @dataclass(frozen=True)
    class Own(Method):
        name = "own-global"
        summary = "hands models to SCIP"
        solves_models = True

        def global_solvers(self) -> Any:
            return [backends["scip"]]

        def search(self, run: Any) -> str:
            raise AssertionError("the model is what is to be solved")

    assert "dashf" in methods
    for held, value in ((methods._entries, Own), (methods._origins, __name__)):
        monkeypatch.setitem(held, Own.name, value)
    register()
    yield Own
    for factory in (NEW, CLASSIC):
        factory.unregister("dashf_own_global")


def test_any_method_that_solves_models_gets_an_extended_one_as_it_is(own_method: type[Method]) -> None:
    need_scip()
    model = build("activity", TINY)
    model.mine = pyo.Constraint(expr=model.offload[0] <= 0.9)
    results = solve("dashf_own_global", model, time_limit=60)
    assert results.solution_status in (SolutionStatus.optimal, SolutionStatus.feasible)
    assert results.extra_info.message.startswith("scip on the extended model")


def test_a_refusal_names_whatever_solves_models(own_method: type[Method]) -> None:
    model = build("activity", TINY)
    model.mine = pyo.Constraint(expr=model.offload[0] <= 0.9)
    with pytest.raises(ValueError, match=r"dashf_minlp or dashf_own_global hands the model"):
        solve("dashf", model)


def test_a_joint_formulation_that_is_registered_becomes_a_transformation(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = formulations["joint/activity"]
    for held, value in ((formulations._entries, replace(ours, name="mine")), (formulations._origins, __name__)):
        monkeypatch.setitem(held, "joint/mine", value)
    register()
    new = pyo.TransformationFactory("dashf.mine").create_using(build("literal", TINY), ratio=3.0)
    pyo.TransformationFactory.unregister("dashf.mine")
    assert joint.info(new).ratio == 3.0
    assert "dashf.literal" not in pyo.TransformationFactory  # which takes no ratio
