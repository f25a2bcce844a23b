"""Fixed associations are forced and forbidden pairs: honoured, proven, or refused; and none at all is infeasible."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from plugin_helpers import CLASSIC, NEW, SMALL, TINY, build, need_scip, solve
from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition
from pyomo.contrib.solver.common.util import NoOptimalSolutionError

import dashf_pyomo
from dashf_pyomo.certificate import Certificate, CertificateError, UnprovenError, verify
from dashf_pyomo.plugins.pyomo.recognition import UnsupportedModelError
from formulations import Constraints, Scenario, joint
from formulations.association.pair_resources import start_allocation

pytestmark = pytest.mark.slow


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
    forced = next((0, k) for k in model.servers if (0, k) != taken[0] and model.x[0, k].ub == 1)
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
        free = next(pair for pair in model.x if model.x[pair].ub == 1)
        model.x[free].fix(value)
        for pair in model.x:
            if model.x[pair].ub == 0:
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
    if all(model.x[pair].ub == 1 for pair in moved):
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


def test_a_fixing_that_no_association_has_is_an_error() -> None:
    model = build("literal", SMALL)
    model.x[0, 0].fix(0.5)
    with pytest.raises(UnsupportedModelError, match="expected 0 or 1"):
        solve("dashf", model)


FORBIDDEN = replace(SMALL, constraints=Constraints.read({"forbidden": [[0, 1]]}, 2, 2))


@pytest.mark.parametrize("method", ["dashf", "dashf_gucaa", "dashf_dual", "dashf_minlp"])
@pytest.mark.parametrize(
    ("scenario", "fixings", "said"),
    [
        (SMALL, {(0, 0): 0, (0, 1): 0}, "leave user 0 no server"),
        (SMALL, {(1, 0): 1, (1, 1): 1}, "fixed at 1 for user 1 at servers 0, 1"),
        (FORBIDDEN, {(0, 0): 0}, "leave user 0 no server"),
        (FORBIDDEN, {(0, 1): 1}, "which the scenario does not allow"),
    ],
    ids=["none left", "two servers", "none allowed left", "forbidden"],
)
def test_a_user_that_fixings_leave_without_a_server_is_proven_infeasible(
    method: str, scenario: Scenario, fixings: dict[Any, float], said: str
) -> None:
    if method == "dashf_minlp":
        need_scip()
    model = build("activity", scenario, known=start_allocation(SMALL) if scenario is SMALL else None)
    for index, value in fixings.items():
        model.x[index].fix(value)
    results = solve(method, model, load_solutions=False)
    assert results.termination_condition is TerminationCondition.provenInfeasible
    assert results.solution_status is SolutionStatus.noSolution
    assert said in results.extra_info.message and results.extra_info.result.allocation is None
    with pytest.raises(NoOptimalSolutionError):  # as Pyomo's own solvers
        NEW(method).solve(model)
    classic = CLASSIC(method).solve(model, load_solutions=False)
    assert str(classic.solver.termination_condition) == "infeasible" and not pyo.check_optimal_termination(classic)


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
