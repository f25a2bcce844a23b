"""Rows and variables that were added go to a global solver with the model, in blocks of larger models too."""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo
import pytest
from plugin_helpers import SMALL, TINY, build, need_scip, solve
from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition

import dashf_pyomo
from dashf_pyomo.plugins.pyomo.recognition import recognise
from formulations import joint
from formulations.association.pair_resources import start_allocation

pytestmark = pytest.mark.slow


def test_minlp_proves_the_best_allocation_of_fixed_associations() -> None:
    need_scip()
    found = {}
    for server in (0, 1):
        model = build("activity", SMALL, known=start_allocation(SMALL))
        if model.x[0, server].ub == 0:
            continue
        model.x[0, server].fix(1)
        results = solve("dashf_minlp", model, time_limit=100, rel_gap=1e-2)
        assert results.solution_status is SolutionStatus.optimal
        assert joint.read(model).server[0] == server
        found[server] = results.extra_info
    free = dashf_pyomo.solve(SMALL, "dashf-plus").scr
    assert len(found) == 2 and max(info.scr for info in found.values()) == pytest.approx(free, rel=1e-2)
    for server, info in found.items():
        model = build("activity", SMALL, known=start_allocation(SMALL))
        model.x[0, server].fix(1)
        assert solve("dashf_plus", model).extra_info.scr <= info.upper_bound * (1 + 1e-9)


def test_minlp_honours_every_change_by_solving_the_model_as_it_is() -> None:
    need_scip()
    model = build("activity", SMALL, assume_scr=False, longest_delay=200.0)
    model.z = pyo.Var(bounds=(0, 2))
    model.mine = pyo.Constraint(expr=model.z >= 0.25 + model.offload[0])
    model.objective.set_value(model.objective.expr - model.z)
    results = solve("dashf_minlp", model, time_limit=100, rel_gap=1e-3)
    assert results.solution_status is SolutionStatus.optimal
    assert model.z.value >= 0.25 + model.offload[0].value - 1e-6
    assert pyo.value(model.objective) == pytest.approx(results.incumbent_objective, rel=1e-6)
    assert results.extra_info.rel_gap <= 1e-3
    assert "scip on the extended model" in results.extra_info.bound_source
    free = solve("dashf_plus", build("activity", SMALL)).incumbent_objective
    # The free optimum trains user 0's adapter at user 0, so z would cost 1.25 there.
    assert free - 1.25 - 1e-3 <= results.incumbent_objective <= free - 0.25 + 1e-3


def test_a_fixed_share_is_honoured_by_minlp() -> None:
    need_scip()
    best = build("convexified", SMALL)
    free = solve("dashf_plus", best).incumbent_objective
    pair = next(pair for pair in best.x if best.x[pair].value == 1)
    share = 0.9 * best.bandwidth[pair].value
    model = build("convexified", SMALL)
    model.bandwidth[pair].fix(share)
    results = solve("dashf_minlp", model, time_limit=100)
    assert results.solution_status is SolutionStatus.optimal
    assert model.bandwidth[pair].value == share and model.bandwidth[pair].fixed
    assert results.incumbent_objective <= free * (1 + 1e-3)
    assert results.extra_info.scr <= results.objective_bound * joint.info(model).data.scr_unit * (1 + 1e-6)


def test_a_block_of_a_larger_model_is_solved_as_a_model_is() -> None:
    need_scip()
    outer = pyo.ConcreteModel()
    outer.inner = build("convexified", SMALL)
    assert solve("dashf", outer.inner).solution_status is SolutionStatus.feasible
    outer.inner.mine = pyo.Constraint(expr=outer.inner.offload[0] + outer.inner.offload[1] >= 0.5)
    results = solve("dashf_minlp", outer.inner, time_limit=100)
    assert results.solution_status in (SolutionStatus.optimal, SolutionStatus.feasible)
    assert outer.inner.offload[0].value + outer.inner.offload[1].value >= 0.5 - 1e-6
    assert results.extra_info.scr <= results.objective_bound * joint.info(outer.inner).data.scr_unit * (1 + 1e-6)


def test_values_of_variables_outside_of_a_block_are_loaded_and_judged() -> None:
    need_scip()
    outer = pyo.ConcreteModel()
    outer.z = pyo.Var(bounds=(0, 1), initialize=0.0)
    outer.y = pyo.Var([1, 2], bounds=(0, 1), initialize=0.0)
    outer.inner = build("activity", TINY)
    outer.inner.seen = pyo.Reference(outer.y)
    outer.inner.mine = pyo.Constraint(expr=outer.z + outer.y[1] >= 1.5 + 0.1 * outer.inner.offload[0])
    results = solve("dashf_minlp", outer.inner, time_limit=100)
    assert results.solution_status is SolutionStatus.optimal and not results.extra_info.violated
    assert outer.z.value + outer.y[1].value >= 1.5 - 1e-6 and outer.y[2].value == 0.0


def test_a_block_may_refer_to_variables_outside_of_it() -> None:
    outer = pyo.ConcreteModel()
    outer.z = pyo.Var([1, 2], bounds=(0, 1))
    outer.inner = build("activity", TINY)
    outer.inner.seen = pyo.Reference(outer.z)
    assert recognise(outer.inner).differences == ()
    assert solve("dashf", outer.inner).solution_status is SolutionStatus.feasible
    outer.inner.mine = pyo.Constraint(expr=outer.inner.seen[1] >= outer.inner.offload[0])
    results = solve("dashf", outer.inner, on_extension="report")
    assert results.extra_info.unchecked == ("mine",)


@pytest.mark.parametrize("name", ["activity", "convexified"])
@pytest.mark.parametrize("built", [{}, {"assume_scr": False, "longest_delay": 300.0}], ids=["as usual", "without"])
def test_a_row_that_only_worse_allocations_keep_has_the_best_of_those(name: str, built: dict[str, Any]) -> None:
    """The model leaves out, by proof, what is worse in SCR than the known allocation: all that keeps the row."""
    need_scip()
    model = build(name, TINY, **built)
    model.mine = pyo.Constraint(expr=model.offload[0] <= 0.8)
    results = solve("dashf_minlp", model, time_limit=100)
    known = joint.info(model).data.ratio
    assert results.solution_status is SolutionStatus.optimal and not results.extra_info.violated
    assert results.extra_info.scr < known
    # The best of nearly 200 local solves, phi from 0 to 0.8 at either server.
    assert results.extra_info.scr == pytest.approx(390.0088, rel=1e-3)
    assert 390.0088 * (1 - 1e-6) <= results.extra_info.upper_bound <= 390.0088 * (1 + 1e-3)
    assert model.offload[0].value <= 0.8 + 1e-6
    assert bool(results.extra_info.cut_away) is (not built)  # of the model that was given


def test_a_model_without_a_point_proves_only_what_it_does_not_leave_out() -> None:
    need_scip()
    found = {}
    for label, built in {"default": {}, "stated": {"assume_scr": False, "longest_delay": 300.0}}.items():
        model = build("activity", TINY, **built)
        model.low = pyo.Constraint(expr=model.offload[0] <= 0.3)
        model.high = pyo.Constraint(expr=model.offload[0] >= 0.7)
        found[label] = solve("dashf_minlp", model, load_solutions=False, time_limit=60)
        assert found[label].solution_status is SolutionStatus.noSolution
    assert found["stated"].termination_condition is TerminationCondition.provenInfeasible
    assert found["default"].termination_condition is TerminationCondition.unknown
    assert "says nothing of delays above" in found["default"].extra_info.message


def test_a_row_that_is_kept_by_better_allocations_is_solved_in_the_model_itself() -> None:
    need_scip()
    model = build("activity", TINY)
    model.mine = pyo.Constraint(expr=model.user_speed[0] >= 0.95)
    results = solve("dashf_minlp", model, time_limit=60)
    assert results.solution_status is SolutionStatus.optimal
    assert results.extra_info.scr >= joint.info(model).data.ratio and not results.extra_info.cut_away
    assert "built again" not in results.extra_info.message
