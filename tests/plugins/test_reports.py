"""Changed models that are solved all the same: what the solution breaks is reported, and nothing is called feasible."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import plugin_changes as changes
import pyomo.environ as pyo
import pytest
from plugin_helpers import CLASSIC, SCENARIO, SMALL, build, solve
from pyomo.contrib.solver.common.results import SolutionStatus
from pyomo.gdp import Disjunction
from pyomo.mpec import Complementarity, complements

import dashf_pyomo


def test_a_report_names_the_violated_row_and_calls_nothing_feasible() -> None:
    model = build("activity")
    first = dashf_pyomo.solve(SCENARIO, "dashf").allocation.offload[0]
    model.mine = pyo.Constraint(expr=model.offload[0] == (0.0 if first > 0.5 else 1.0))
    results = solve("dashf", model, on_extension="report")
    assert results.solution_status is SolutionStatus.infeasible
    assert results.incumbent_objective is None
    assert [entry.component for entry in results.extra_info.violated] == ["mine"]
    assert "violated: mine" in results.solver_log
    assert results.extra_info.differences == ("mine was added",)
    classic = CLASSIC("dashf").solve(model, on_extension="report")
    assert not pyo.check_optimal_termination(classic)
    assert str(classic.solver.status) == "warning"


def test_a_report_of_rows_that_hold_is_a_feasible_point() -> None:
    model = build("activity")
    model.mine = pyo.Constraint(expr=model.offload[0] + model.offload[1] <= 2)
    results = solve("dashf", model, on_extension="report")
    assert results.solution_status is SolutionStatus.feasible
    assert not results.extra_info.violated and results.incumbent_objective is not None


def test_a_row_with_a_variable_of_somebody_elses_is_not_called_satisfied() -> None:
    model = build("activity")
    changes.block(model)
    results = solve("dashf", model, on_extension="report")
    assert results.solution_status is SolutionStatus.unknown
    assert results.extra_info.unchecked == ("inner.row",)
    model.inner.z.set_value(1.0)
    assert solve("dashf", model, on_extension="report").solution_status is SolutionStatus.feasible


@pytest.mark.parametrize(
    ("change", "stands"),
    [
        (changes.row, True),
        (lambda m: m.budgets[1, 1].deactivate(), False),
        (changes.objective, False),
        (changes.sense, False),
    ],
    ids=["row added", "row deactivated", "objective", "sense"],
)
def test_a_bound_stands_only_where_the_extension_restricts(change: Callable[[Any], Any], stands: bool) -> None:
    model = build("activity", SMALL)
    change(model)
    results = solve("dashf_dual", model, on_extension="report", rel_gap=0.3, time_limit=250)
    assert math.isfinite(results.objective_bound) is stands
    assert results.solution_status is not SolutionStatus.optimal or stands
    if change is changes.sense:
        assert results.objective_bound == -math.inf


def _logical(model: Any) -> None:
    model.flag = pyo.BooleanVar()
    model.flag.associate_binary_var(model.x[0, 1])
    model.logic = pyo.LogicalConstraint(expr=model.flag)


def _disjunction(model: Any) -> None:
    model.choice = Disjunction(expr=[[model.offload[0] <= 0.1], [model.offload[0] >= 0.9]])


def _complementarity(model: Any) -> None:
    model.either = Complementarity(expr=complements(model.offload[0] >= 0, model.offload[1] >= 0))


@pytest.mark.parametrize(
    ("change", "component"),
    [(changes.sos, "sos"), (_logical, "logic"), (_disjunction, "choice"), (_complementarity, "either")],
)
def test_what_cannot_be_checked_is_listed_and_never_called_feasible(
    change: Callable[[Any], Any], component: str
) -> None:
    model = build("activity")
    change(model)
    results = solve("dashf", model, on_extension="report")
    assert component in results.extra_info.unchecked
    assert results.solution_status is SolutionStatus.unknown and results.incumbent_objective is None
    classic = CLASSIC("dashf").solve(model, on_extension="report")
    assert str(classic.solver.termination_condition) == "unknown" and str(classic.solver.status) == "warning"
