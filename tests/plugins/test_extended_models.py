"""Models that somebody changed: every change is found, honoured where possible, and never passed over in silence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from plugin_helpers import CLASSIC, FORMULATIONS, NEW, SCENARIO, SMALL, TINY, build, need_scip, solve
from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition
from pyomo.contrib.solver.common.util import IncompatibleModelError
from pyomo.gdp import Disjunction
from pyomo.mpec import Complementarity, complements

import dashf_pyomo
from dashf_pyomo.certificate import Certificate, CertificateError, UnprovenError, verify
from dashf_pyomo.plugins.pyomo.recognition import Change, UnsupportedModelError, recognise
from formulations import InputError, Scenario, joint
from formulations.association.pairs import start_allocation

# -- recognition ------------------------------------------------------------------------------


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


def test_solving_and_values_are_no_difference() -> None:
    model = build("activity")
    solve("dashf", model)
    model.offload[0].set_value(0.25)
    model.note = pyo.Param(initialize=3.0, mutable=True)
    model.label = pyo.Suffix()
    model.spare = pyo.Var()
    model.said = pyo.Expression(expr=2 * model.delay)
    assert recognise(model).differences == ()


def _row(model: Any) -> None:
    model.mine = pyo.Constraint(expr=model.offload[0] <= 0.5)


def _block(model: Any) -> None:
    model.inner = pyo.Block()
    model.inner.z = pyo.Var(bounds=(0, 1))
    model.inner.row = pyo.Constraint(expr=model.inner.z >= model.offload[0])


def _objective(model: Any) -> None:
    model.objective.set_value(model.objective.expr - 0.1 * model.delay)


def _second_objective(model: Any) -> None:
    model.objective.deactivate()
    model.mine = pyo.Objective(expr=model.delay, sense=pyo.minimize)


def _sense(model: Any) -> None:
    model.objective.sense = pyo.minimize


def _coefficient(model: Any) -> None:
    row = model.rows[1]
    row.set_value(row.body * 1.000001 == row.upper)


def _right_hand_side(model: Any) -> None:
    row = model.budgets[0, 0]
    row.set_value((None, row.body, 0.5))


def _sos(model: Any) -> None:
    model.sos = pyo.SOSConstraint(var=model.offload, sos=1)


#: Name, change, kind, component, whether it restricts.
CHANGES: list[tuple[str, Callable[[Any], Any], Change, str, bool]] = [
    ("row", _row, Change.ADDED, "mine", True),
    ("block", _block, Change.ADDED, "inner.row", True),
    ("fixed association", lambda m: m.x[1, 1].fix(0), Change.FIXED, "x[1,1]", True),
    ("fixed share", lambda m: m.bandwidth[0, 0].fix(0.5), Change.FIXED, "bandwidth[0,0]", True),
    ("unfixed", lambda m: m.x[0, 1].unfix(), Change.BOUNDS, "x[0,1]", False),
    ("refixed", lambda m: m.x[0, 1].fix(1), Change.FIXED, "x[0,1]", False),
    ("tighter", lambda m: m.delay.setub(0.9), Change.BOUNDS, "delay", True),
    ("wider", lambda m: m.delay.setub(99), Change.BOUNDS, "delay", False),
    ("relaxed", lambda m: setattr(m.x[1, 1], "domain", pyo.UnitInterval), Change.BOUNDS, "x[1,1]", False),
    ("deactivated", lambda m: m.budgets[1, 1].deactivate(), Change.REMOVED, "budgets[1,1]", False),
    ("deleted", lambda m: m.del_component(m.one_power), Change.REMOVED, "one_power[0]", False),
    ("coefficient", _coefficient, Change.CHANGED, "rows[1]", False),
    ("right-hand side", _right_hand_side, Change.CHANGED, "budgets[0,0]", True),
    ("objective", _objective, Change.OBJECTIVE, "objective", False),
    ("other objective", _second_objective, Change.OBJECTIVE, "mine", False),
    ("sense", _sense, Change.OBJECTIVE, "objective", False),
    ("special ordered set", _sos, Change.OTHER, "sos", False),
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
        assert ("dashf_minlp" in str(caught.value)) is (change is not _sos)  # which refuses that as well
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


# -- reporting --------------------------------------------------------------------------------


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
    _block(model)
    results = solve("dashf", model, on_extension="report")
    assert results.solution_status is SolutionStatus.unknown
    assert results.extra_info.unchecked == ("inner.row",)
    model.inner.z.set_value(1.0)
    assert solve("dashf", model, on_extension="report").solution_status is SolutionStatus.feasible


@pytest.mark.parametrize(
    ("change", "stands"),
    [(_row, True), (lambda m: m.budgets[1, 1].deactivate(), False), (_objective, False), (_sense, False)],
    ids=["row added", "row deactivated", "objective", "sense"],
)
def test_a_bound_stands_only_where_the_extension_restricts(change: Callable[[Any], Any], stands: bool) -> None:
    model = build("activity", SMALL)
    change(model)
    results = solve("dashf_dual", model, on_extension="report", rel_gap=0.3, time_limit=250)
    assert math.isfinite(results.objective_bound) is stands
    assert results.solution_status is not SolutionStatus.optimal or stands
    if change is _sense:
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
    [(_sos, "sos"), (_logical, "logic"), (_disjunction, "choice"), (_complementarity, "either")],
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


# -- fixed associations -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [("dashf", {}), ("dashf_plus", {"moves": 1, "max_iterations": 2}), ("dashf_nearest", {})],
    ids=["dashf", "dashf_plus", "dashf_nearest"],
)
def test_fixed_associations_are_honoured_by_methods_that_support_them(name: str, options: dict[str, int]) -> None:
    free = build("literal", WIDE)
    solve(name, free, **options)
    taken = [(n, k) for n, k in free.x if free.x[n, k].value == 1]
    model = build("literal", WIDE, known=start_allocation(WIDE))
    forced = next((0, k) for k in model.servers if (0, k) != taken[0] and not model.x[0, k].fixed)
    model.x[taken[1]].fix(0)
    model.x[forced].fix(1)
    results = solve(name, model, **options)
    assert model.x[forced].value == 1 and model.x[taken[1]].value == 0
    assert joint.read(model).server[0] == forced[1]
    assert joint.read(model).server[1] != taken[1][1]
    assert results.solution_status is SolutionStatus.feasible
    assert results.extra_info.scr == pytest.approx(evaluated(WIDE, model), rel=1e-6)


WIDE = Scenario.random(4, 3, seed=6)


def evaluated(scenario: Scenario, model: Any) -> float:
    from formulations import evaluate

    return evaluate(scenario, joint.read(model)).scr


@pytest.mark.parametrize("method", ["dashf", "dashf_minlp"])
def test_an_association_fixed_within_the_integer_tolerance_is_a_whole_one(method: str) -> None:
    need_scip()
    for value in (0.99999999, 1.000001, 1e-8):
        model = build("activity", TINY)
        free = next(pair for pair in model.x if not model.x[pair].fixed)
        model.x[free].fix(value)
        for pair in model.x:
            if model.x[pair].fixed and pair != free:
                model.x[pair].fix(1e-9)  # closed already, so no change
        results = solve(method, model, time_limit=60)
        assert results.solution_status in (SolutionStatus.feasible, SolutionStatus.optimal)
        assert model.x[free].value == value and not results.extra_info.violated
        assert len(results.extra_info.differences) == 1


@pytest.mark.parametrize("twin", ["users", "servers"])
@pytest.mark.parametrize("how", ["deactivated", "deleted"])
def test_the_order_of_identical_users_or_servers_can_be_left_out(twin: str, how: str) -> None:
    gain = SMALL.channel_gain
    same = {"channel_gain": gain[:, [0, 0]]}
    if twin == "users":
        per_user = ("user_power_max", "user_speed_max", "user_gpus", "user_capacitance", "adapter_params")
        per_user += ("flops_per_param", "user_epochs")
        same = {name: np.asarray(getattr(SMALL, name))[[0, 0]] for name in ("channel_gain", *per_user)}
    scenario = replace(SMALL, **same)
    row = "user_order" if twin == "users" else "server_order"

    def without(**options: Any) -> Any:
        model = build("activity", scenario, **options)
        order = getattr(model, row)
        order.deactivate() if how == "deactivated" else model.del_component(order)
        return model

    model = without()
    results = solve("dashf", model)
    assert results.solution_status is SolutionStatus.feasible
    said = "is deactivated" if how == "deactivated" else "was deleted"
    assert results.extra_info.differences == (f"{row}[0] {said}",)
    model = without(known=start_allocation(scenario))
    moved = {"users": {(0, 1): 1, (1, 0): 1}, "servers": {(0, 1): 1, (1, 1): 1}}[twin]  # against the order
    if not any(model.x[pair].fixed for pair in moved):
        for pair, value in moved.items():
            model.x[pair].fix(value)
        assert solve("dashf", model).solution_status is SolutionStatus.feasible
    new = pyo.TransformationFactory("dashf.parametric").create_using(without())
    assert not getattr(new, row).active or not any(data.active for data in getattr(new, row).values())


def test_a_method_that_cannot_honour_fixed_associations_is_refused_before_solving() -> None:
    model = build("literal", SMALL)
    model.x[0, 0].fix(0)
    model.x[1, 1].unfix()
    model.x[1, 1].fix(0)
    seen: list[Any] = []
    with pytest.raises(UnsupportedModelError, match=r"gucaa cannot honour .*x\[0,0\] is fixed at 0"):
        solve("dashf_gucaa", model, observer=seen.append)
    assert not seen
    assert solve("dashf_gucaa", model, on_extension="report").solution_status is SolutionStatus.infeasible


@pytest.mark.parametrize(
    ("fixings", "said"),
    [({(0, 0): 0.5}, "expected 0 or 1"), ({(0, 0): 0, (0, 1): 0}, "leave user 0 no server")],
)
def test_fixings_that_no_association_has_are_errors(fixings: dict[Any, float], said: str) -> None:
    model = build("literal", SMALL)
    for index, value in fixings.items():
        model.x[index].fix(value)
    with pytest.raises(UnsupportedModelError, match=said):
        solve("dashf", model)


def test_a_certificate_of_a_restricted_problem_proves_its_bound_for_the_declared_scenario(tmp_path: Path) -> None:
    model = build("literal", SMALL)
    solve("dashf_plus", model)
    best = next(k for k in model.servers if model.x[0, k].value == 1)
    model = build("literal", SMALL, known=start_allocation(SMALL))
    model.x[0, best].fix(0)
    other = solve("dashf_plus", model).extra_info.scr
    file = tmp_path / "c.npz"
    info = solve("dashf_dual", model, certificate=str(file), gap=0.1, time_limit=250).extra_info
    assert model.x[0, best].value == 0 and other <= info.upper_bound * (1 + 1e-9)
    assert info.scenario.constraints.forbidden == ((0, best),) and info.scenario.sha256 == info.result.scenario_sha256
    certificate = Certificate.read(file)
    assert verify(info.scenario, certificate).bound <= info.upper_bound * (1 + 1e-9)
    free = dashf_pyomo.solve(SMALL, "dashf-plus").scr
    assert info.upper_bound < free  # it would be wrong for the scenario without the fixing
    with pytest.raises(CertificateError, match="scenario_sha256"):
        verify(SMALL, certificate)
    with pytest.raises((CertificateError, UnprovenError)):
        verify(SMALL, replace(certificate, scenario_sha256=SMALL.sha256))


# -- the model itself goes to a global solver --------------------------------------------------


def test_minlp_proves_the_best_allocation_of_fixed_associations() -> None:
    need_scip()
    found = {}
    for server in (0, 1):
        model = build("activity", SMALL, known=start_allocation(SMALL))
        if model.x[0, server].fixed:
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
    model = build("activity", SMALL)
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


def test_an_extension_that_only_worse_allocations_satisfy_says_what_to_do() -> None:
    need_scip()
    model = build("activity", SMALL)
    model.mine = pyo.Constraint(expr=model.offload[0] == 0.4)
    results = solve("dashf_minlp", model, load_solutions=False, time_limit=60)
    assert results.termination_condition is TerminationCondition.provenInfeasible
    assert results.solution_status is SolutionStatus.noSolution
    assert "known allocation that satisfies the extension" in results.extra_info.message


# -- models whose objective is score - y cost ---------------------------------------------------


def _gap(results: Any) -> float:
    low, high = results.problem.lower_bound, results.problem.upper_bound
    return (high - low) / max(abs(low), abs(high))


@pytest.mark.parametrize("method", ["dashf_dual", "dashf_minlp"])
@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_a_model_with_a_ratio_is_optimal_only_where_the_gap_of_its_own_objective_is_closed(
    method: str, factor: float
) -> None:
    need_scip()
    best = dashf_pyomo.solve(TINY, "dashf-plus").scr
    model = build("activity", TINY, ratio=factor * best)
    results = CLASSIC(method).solve(model, timelimit=60)
    optimal = str(results.solver.termination_condition) == "optimal"
    assert optimal is (factor < 1.0 or method == "dashf_minlp")
    assert not optimal or _gap(results) <= 1e-3 * (1 + 1e-6)
    assert pyo.value(model.objective) <= results.problem.upper_bound + 1e-6
    if factor > 1.0 and method == "dashf_dual":
        assert "not for the objective of the model" in results.extra_info["message"]
        assert _gap(results) > 0.1


def test_a_parametric_transformation_is_judged_by_its_own_gap() -> None:
    need_scip()
    model = pyo.TransformationFactory("dashf.parametric").create_using(build("activity", TINY))
    for method in ("dashf_dual", "dashf_minlp"):
        results = CLASSIC(method).solve(model, timelimit=60)
        optimal = str(results.solver.termination_condition) == "optimal"
        assert optimal is (method == "dashf_minlp") and (not optimal or _gap(results) <= 1e-3 * (1 + 1e-6))
