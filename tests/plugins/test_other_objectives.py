"""Another objective over a joint model: nothing that the old one excluded is taken for excluded."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo
import pytest
from plugin_helpers import FORMULATIONS, SMALL, TINY, build, energy, need_scip, solve
from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition

import dashf_pyomo
from dashf_pyomo.plugins.pyomo.judging import judge_allocation
from dashf_pyomo.plugins.pyomo.recognition import UnsupportedModelError, recognise
from dashf_pyomo.plugins.pyomo.repair import repairs
from formulations import InputError, Scenario, joint

pytestmark = pytest.mark.slow


def _delay(model: Any) -> None:
    model.objective.deactivate()
    model.mine = pyo.Objective(expr=model.delay)


def _sense(model: Any) -> None:
    model.objective.sense = pyo.minimize


def _term(model: Any) -> None:
    model.objective.set_value(model.objective.expr - 0.1 * model.delay)


@pytest.mark.parametrize("change", [_delay, _sense, _term])
@pytest.mark.parametrize("name", FORMULATIONS)
def test_it_is_refused_where_what_is_worse_in_scr_is_left_out(name: str, change: Callable[[Any], None]) -> None:
    model = build(name, SMALL)
    change(model)
    with pytest.raises(UnsupportedModelError, match=r"has an SCR below .* assume_scr=False") as caught:
        solve("dashf_minlp", model)
    assert "\n" not in str(caught.value) and name in str(caught.value)


@pytest.mark.parametrize("row", ["ratio_row", "cost_row"])
def test_rows_that_make_the_objective_are_part_of_it(row: str) -> None:
    model = build("convexified", SMALL)
    getattr(model, row).deactivate()
    with pytest.raises(UnsupportedModelError, match=rf"once {row} is deactivated; expected .* assume_scr=False"):
        solve("dashf_minlp", model)


@pytest.mark.parametrize("name", ["activity", "convexified"])
def test_least_energy_is_not_that_of_the_allocations_with_a_good_scr(name: str) -> None:
    """221 J was once called optimal, where 1.6 J is possible in an hour."""
    need_scip()
    model = build(name, SMALL, assume_scr=False)
    model.objective.deactivate()
    model.mine = pyo.Objective(expr=energy(model))
    recognised = recognise(model)
    start = judge_allocation(recognised, dashf_pyomo.solve(SMALL, "dashf").allocation, {})
    assert start.checked.objective == pytest.approx(start.evaluation.energy, rel=1e-6)
    slow = min(found.evaluation.energy for found in repairs(recognised, start, (), 1) if found.holds)
    assert slow < 1.6
    results = solve("dashf_minlp", model, time_limit=4, load_solutions=False)
    assert results.solution_status is not SolutionStatus.optimal
    assert results.objective_bound <= slow


@pytest.mark.parametrize("name", ["activity", "convexified"])
def test_it_is_optimal_where_the_longest_delay_was_stated_and_feasible_where_it_is_ours(name: str) -> None:
    need_scip()
    found = {}
    for longest in (None, 120.0):
        model = build(name, TINY, assume_scr=False, longest_delay=longest)
        model.objective.set_value(model.ratio - 0.1 * model.delay)
        found[longest] = solve("dashf_minlp", model, time_limit=60)
        assert found[longest].termination_condition is TerminationCondition.convergenceCriteriaSatisfied
        assert found[longest].extra_info.rel_gap <= 1e-3
    assert found[120.0].solution_status is SolutionStatus.optimal
    assert found[None].solution_status is SolutionStatus.feasible
    assert "best of all but delays above 33586" in found[None].extra_info.message
    assert found[None].incumbent_objective == pytest.approx(found[120.0].incumbent_objective, rel=1e-3)
    tighter = build(name, TINY, assume_scr=False)
    tighter.delay.setub(3.0)  # which states it too
    tighter.objective.set_value(tighter.ratio - 0.1 * tighter.delay)
    assert solve("dashf_minlp", tighter, time_limit=60).solution_status is SolutionStatus.optimal


@pytest.mark.parametrize("name", FORMULATIONS)
def test_a_model_without_the_assumption_has_no_bound_from_the_known_scr(name: str) -> None:
    usual, free = build(name, SMALL), build(name, SMALL, assume_scr=False)
    assert free.delay.ub > 100 * usual.delay.ub
    assert joint.info(free).data.usable.all()
    for label in ("ratio", "cost"):
        if free.component(label) is not None:
            assert getattr(free, label).bounds == (0, None)
    stated = build(name, SMALL, assume_scr=False, longest_delay=60.0)
    assert stated.delay.ub * joint.info(stated).data.pairs.time_unit == pytest.approx(60.0)
    limited = Scenario.random(2, 2, seed=0, constraints={"delay_limit": [50.0, 70.0]})
    model = build(name, limited, assume_scr=False)  # limits of all users are a longest delay
    assert model.delay.ub * joint.info(model).data.pairs.time_unit == pytest.approx(70.0)
    assert joint.info(model).data.stated


@pytest.mark.parametrize(
    ("built", "said"),
    [
        ({"longest_delay": 60.0}, "assume_scr=False"),
        ({"assume_scr": False, "longest_delay": -1.0}, "above zero"),
        ({"assume_scr": False, "longest_delay": math.inf}, "above zero"),
        ({"assume_scr": False, "longest_delay": 1e-3}, "no allocation is below"),
    ],
)
def test_a_longest_delay_that_cannot_be_is_refused_in_a_line(built: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        build("activity", SMALL, **built)
    assert "\n" not in str(caught.value)
