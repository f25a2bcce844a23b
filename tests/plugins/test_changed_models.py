"""Models that somebody changed: every change is found, and refused by methods that cannot honour it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import plugin_changes as changes
import pyomo.environ as pyo
import pytest
from plugin_helpers import CLASSIC, FORMULATIONS, NEW, SCENARIO, build, solve
from pyomo.contrib.solver.common.results import SolutionStatus
from pyomo.contrib.solver.common.util import IncompatibleModelError

from dashf_pyomo.plugins.pyomo.recognition import Change, UnsupportedModelError, recognise
from formulations import InputError, joint
from formulations.association.pair_resources import start_allocation


@pytest.mark.parametrize("name", FORMULATIONS)
def test_a_model_as_it_was_built_and_its_clone_differ_in_nothing(name: str) -> None:
    model = build(name)
    assert recognise(model).differences == ()
    assert recognise(model.clone()).differences == ()
    outer = pyo.ConcreteModel()
    outer.inner = build(name)
    assert recognise(outer.inner).differences == ()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("convexified", {"cuts": ("score",), "tangent_error": 1e-2}),
        ("activity", {"ratio": 12.5}),
        ("parametric", {"ratio": 12.5}),
        ("literal", {"known": start_allocation(SCENARIO)}),
    ],
)
def test_a_model_built_with_options_is_recognised_by_them(name: str, options: dict[str, Any]) -> None:
    assert recognise(build(name, **options)).differences == ()


@pytest.mark.parametrize("name", FORMULATIONS)
def test_associations_that_are_fixed_and_freed_again_are_no_change(name: str) -> None:
    model = build(name)
    assert joint.info(model).data.usable.sum() < len(model.x)  # a pair is closed: the model excludes it by proof
    for _ in range(2):
        model.x.fix(0)
        model.x.unfix()
        assert recognise(model).differences == ()
    assert solve("dashf", model).solution_status is SolutionStatus.feasible
    for pair in zip(*(index.tolist() for index in (~joint.info(model).data.usable).nonzero()), strict=True):
        model.x[pair].fix(0)
        assert recognise(model).differences == ()


def test_solving_and_values_are_no_difference() -> None:
    model = build("activity")
    solve("dashf", model)
    model.offload[0].set_value(0.25)
    model.note = pyo.Param(initialize=3.0, mutable=True)
    model.label = pyo.Suffix()
    model.spare = pyo.Var()
    model.said = pyo.Expression(expr=2 * model.delay)
    assert recognise(model).differences == ()


#: Name, change, kind, component, whether it restricts.
CHANGES: list[tuple[str, Callable[[Any], Any], Change, str, bool]] = [
    ("row", changes.row, Change.ADDED, "mine", True),
    ("block", changes.block, Change.ADDED, "inner.row", True),
    ("fixed association", lambda m: m.x[1, 1].fix(0), Change.FIXED, "x[1,1]", True),
    ("fixed share", lambda m: m.bandwidth[0, 0].fix(0.5), Change.FIXED, "bandwidth[0,0]", True),
    ("opened", lambda m: m.x[0, 1].setub(1), Change.BOUNDS, "x[0,1]", False),
    ("fixed against a bound", lambda m: m.x[0, 1].fix(1), Change.FIXED, "x[0,1]", False),
    ("tighter", lambda m: m.delay.setub(0.9), Change.BOUNDS, "delay", True),
    ("wider", lambda m: m.delay.setub(99), Change.BOUNDS, "delay", False),
    ("relaxed", lambda m: setattr(m.x[1, 1], "domain", pyo.UnitInterval), Change.BOUNDS, "x[1,1]", False),
    ("deactivated", lambda m: m.budgets[1, 1].deactivate(), Change.REMOVED, "budgets[1,1]", False),
    ("deleted", lambda m: m.del_component(m.one_power), Change.REMOVED, "one_power[0]", False),
    ("coefficient", changes.coefficient, Change.CHANGED, "rows[1]", False),
    ("right-hand side", changes.right_hand_side, Change.CHANGED, "budgets[0,0]", True),
    ("objective", changes.objective, Change.OBJECTIVE, "objective", False),
    ("other objective", changes.second_objective, Change.OBJECTIVE, "mine", False),
    ("sense", changes.sense, Change.OBJECTIVE, "objective", False),
    ("special ordered set", changes.sos, Change.OTHER, "sos", False),
]


@pytest.mark.parametrize(
    ("change", "kind", "component", "restricts"), [c[1:] for c in CHANGES], ids=[c[0] for c in CHANGES]
)
def test_every_change_is_found(change: Callable[[Any], Any], kind: Change, component: str, restricts: bool) -> None:
    model = build("activity")
    change(model)
    found = {difference.component: difference for difference in recognise(model).differences}
    assert found[component].change is kind
    assert found[component].restricts is restricts
    assert all(difference.change is kind for difference in found.values())


REFUSED = [c for c in CHANGES if c[0] != "fixed association"]


@pytest.mark.parametrize("change", [c[1] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_a_heuristic_refuses_before_solving_what_it_cannot_honour(change: Callable[[Any], Any]) -> None:
    model, seen = build("activity"), []
    change(model)
    for factory in (CLASSIC, NEW):
        with pytest.raises(UnsupportedModelError, match="cannot honour") as caught:
            factory("dashf").solve(model, observer=seen.append)
        assert "\n" not in str(caught.value)
        assert ("dashf_minlp" in str(caught.value)) is (change is not changes.sos)  # which refuses that as well
        assert isinstance(caught.value, (InputError, IncompatibleModelError))
    assert not seen and model.delay.value is None


def test_what_is_no_model_of_problem_3_is_told_how_to_become_one() -> None:
    model = pyo.ConcreteModel(name="knapsack")
    model.z = pyo.Var(bounds=(0, 1))
    model.o = pyo.Objective(expr=model.z)
    for name in ("dashf", "dashf_minlp", "dashf_dual"):
        with pytest.raises(UnsupportedModelError, match=r"'knapsack' is not a model .* joint\.activity\(scenario\)"):
            CLASSIC(name).solve(model)
    with pytest.raises(UnsupportedModelError, match="NoneType is not a Pyomo model"):
        solve("dashf", None)
    gutted = build("activity")
    gutted.del_component(gutted.user_power)
    with pytest.raises(UnsupportedModelError, match=r"lacks user_power\[0\]"):
        solve("dashf", gutted)
    outer = pyo.ConcreteModel(name="whole")
    outer.part = build("activity")
    with pytest.raises(UnsupportedModelError, match=r"its block part is; expected .* solve\(model\.part\)"):
        solve("dashf", outer)
    two = build("activity")
    two.second = pyo.Objective(expr=two.delay)
    with pytest.raises(UnsupportedModelError, match="2 active objectives"):
        solve("dashf", two)
