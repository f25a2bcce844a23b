"""CVXPY: Problem (3) as a `cvxpy.Problem`, and methods as its solve methods."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

import dashf_pyomo
import dashf_pyomo.plugins.cvxpy  # registers
from dashf_pyomo.algorithms import Method, OptionError, methods
from dashf_pyomo.plugins.solver_names import solver_name
from formulations import Allocation, InputError, Scenario, evaluate
from formulations.association import hull, milp, sdr, sdr_chordal, sdr_rlt
from formulations.association.pair_resources import equal_split
from formulations.joint.literal_cvxpy import build, joint_problem
from formulations.resources import fp, joint_nlp, nlp

SCENARIO = Scenario.random(3, 2, seed=0, bandwidth_max=[1e7, 2e7])


def random_allocation(seed: int) -> Allocation:
    rng = np.random.default_rng(seed)
    return equal_split(SCENARIO, rng.integers(2, size=3), rng.choice([0.0, 1.0, rng.uniform()], 3))


@pytest.mark.parametrize("seed", range(6))
def test_cvxpy_evaluates_an_allocation_as_the_evaluator_does(seed: int) -> None:
    problem, allocation = build(SCENARIO), random_allocation(seed)
    joint = joint_problem(problem)
    for name, value in joint.values(allocation).items():
        joint.variables[name].value = value
    e = evaluate(SCENARIO, allocation)
    assert problem.objective.value == pytest.approx(e.scr, rel=1e-9)
    assert max(float(np.max(row.violation())) for row in problem.constraints) <= 1e-7 * max(1.0, e.delay)
    joint.variables["delay"].value = 0.9 * e.delay
    assert max(float(np.max(row.violation())) for row in problem.constraints) >= 0.05 * e.delay


def test_the_problem_is_refused_by_cvxpys_own_solvers() -> None:
    with pytest.raises(cp.error.DCPError):
        build(SCENARIO).solve()


def test_every_method_is_a_solve_method_by_its_name_in_pyomo_and_by_its_own() -> None:
    for name in methods:
        assert {solver_name(name), name} <= set(cp.Problem.REGISTERED_SOLVE_METHODS)
    problem = build(SCENARIO)
    problem.solve(method="gucaa")
    assert problem.solver_stats.solver_name == "dashf_gucaa"
    with pytest.raises(OptionError, match="method minlp: unknown option 'salad'"):  # once a bare KeyError
        problem.solve(method="minlp", salad=1)


@pytest.mark.parametrize("name", ["dashf", "dashf_plus", "dashf_rucaa"])
def test_a_heuristic_is_never_optimal_and_has_no_bound(name: str) -> None:
    problem, seen = build(SCENARIO), []
    value = problem.solve(method=name, observer=seen.append)
    stats = problem.solver_stats
    assert problem.status == cp.USER_LIMIT
    assert value == problem.value == pytest.approx(stats.extra_stats["scr"], rel=1e-9)
    assert stats.extra_stats["upper_bound"] == math.inf and stats.extra_stats["gap"] is None
    assert stats.solver_name == name and stats.solve_time > 0
    assert stats.num_iters == stats.extra_stats["result"].iterations and len(seen) == len(stats.extra_stats["trace"])


def test_options_and_limits_reach_the_method() -> None:
    problem = build(SCENARIO)
    problem.solve(method="dashf", association="hull", max_iterations=1, time_limit=20)
    assert problem.solver_stats.extra_stats["result"].options["association"] == "hull"
    with pytest.raises(OptionError, match="unknown option 'salad'"):
        problem.solve(method="dashf", salad=1)
    with pytest.raises(InputError, match="time limit"):
        problem.solve(method="dashf", time_limit=-1)


def test_a_proven_bound_makes_it_optimal_within_the_gap() -> None:
    problem = build(SCENARIO)
    value = problem.solve(method="dashf_dual", time_limit=100, gap=0.2)
    stats = problem.solver_stats.extra_stats
    assert problem.status == cp.OPTIMAL
    assert value <= stats["upper_bound"] <= value / 0.8
    assert stats["gap"] <= 0.2 and "dual" in stats["bound_source"]


# -- extended problems ------------------------------------------------------------------------


def extended(*rows: Any) -> tuple[cp.Problem, dict[str, cp.Variable]]:
    problem = build(SCENARIO)
    variables = joint_problem(problem).variables
    return cp.Problem(problem.objective, [*problem.constraints, *(row(variables) for row in rows)]), variables


def test_an_added_constraint_is_refused_or_checked() -> None:
    problem, variables = extended(lambda v: v["offload"][0] == 0.123, lambda v: v["delay"] >= 0)
    with pytest.raises(InputError, match=r"cannot honour .*offload\[0\] == 0\.123 was added"):
        problem.solve(method="dashf")
    assert variables["x"].value is None
    problem.solve(method="dashf", on_extension="report")
    stats = problem.solver_stats.extra_stats
    assert [row for row, _ in stats["violated"]] == ["offload[0] == 0.123"]
    assert problem.status == cp.USER_LIMIT and len(stats["differences"]) == 2


def test_a_constraint_with_another_variable_is_not_called_satisfied() -> None:
    other = cp.Variable(name="other")
    problem, _ = extended(lambda v: other >= v["delay"])
    problem.solve(method="dashf_dual", on_extension="report", gap=0.3, time_limit=100)
    assert problem.solver_stats.extra_stats["unchecked"] and problem.status == cp.USER_LIMIT
    other.value = 1e9
    problem.solve(method="dashf_dual", on_extension="report", gap=0.3, time_limit=100)
    assert problem.status == cp.OPTIMAL and not problem.solver_stats.extra_stats["violated"]


def test_a_removed_constraint_or_another_objective_takes_the_bound_away() -> None:
    whole = build(SCENARIO)
    delay = joint_problem(whole).variables["delay"]
    for problem, said in (
        (cp.Problem(whole.objective, whole.constraints[1:]), "1 constraints were removed"),
        (cp.Problem(cp.Minimize(delay), whole.constraints), "objective is another"),
    ):
        with pytest.raises(InputError, match=said):
            problem.solve(method="dashf")
        problem.solve(method="dashf_dual", on_extension="report", gap=0.3, time_limit=100)
        assert problem.status == cp.USER_LIMIT
        assert problem.solver_stats.extra_stats["upper_bound"] == math.inf


def _row_in_place(problem: cp.Problem, variables: dict[str, cp.Variable]) -> None:
    problem.constraints[-1].args[0] = 2 * problem.constraints[-1].args[0]


def _bounds_in_place(problem: cp.Problem, variables: dict[str, cp.Variable]) -> None:
    variables["bandwidth"].attributes["bounds"] = [np.array(0.0), np.array(0.25)]


def _sign_in_place(problem: cp.Problem, variables: dict[str, cp.Variable]) -> None:
    variables["delay"].attributes.update(nonneg=False, nonpos=True)


@pytest.mark.parametrize(
    ("change", "said", "broken"),
    [
        (_row_in_place, "was changed in place", "<= delay"),
        (_bounds_in_place, "bandwidth has other bounds", "bounds or attributes of bandwidth"),
        (_sign_in_place, "delay has other bounds", "bounds or attributes of delay"),
    ],
    ids=["row", "bounds", "sign"],
)
def test_changes_in_place_are_refused_or_checked(change: Any, said: str, broken: str) -> None:
    problem = build(SCENARIO)
    variables = joint_problem(problem).variables
    change(problem, variables)
    with pytest.raises(InputError, match=said):
        problem.solve(method="dashf")
    assert variables["x"].value is None
    problem.solve(method="dashf_dual", on_extension="report", gap=0.3, time_limit=100)
    stats = problem.solver_stats.extra_stats
    assert len(stats["violated"]) == 1 and broken in stats["violated"][0][0]
    assert problem.status == cp.USER_LIMIT and stats["upper_bound"] == math.inf


def test_an_objective_changed_in_place_takes_the_bound_away() -> None:
    problem = build(SCENARIO)
    problem.objective.args[0] = problem.objective.args[0] - joint_problem(problem).variables["delay"]
    with pytest.raises(InputError, match="objective is another"):
        problem.solve(method="dashf")


@pytest.mark.parametrize("name", ["dashf", "dashf_plus", "dashf_gucaa", "dashf_nearest"])
@pytest.mark.parametrize(
    "constraints", [None, {"uplink_rate": [None, 5.4e6], "server_energy": 390.0}], ids=["none", "limits"]
)
def test_no_constraint_of_the_problem_itself_is_called_violated(name: str, constraints: Any) -> None:
    if constraints and name not in ("dashf", "dashf_plus"):
        pytest.skip("honours no constraints")
    problem = build(Scenario.random(2, 1, seed=1, constraints=constraints))
    problem.solve(method=name)
    stats = problem.solver_stats.extra_stats
    assert stats["violated"] == () and stats["unchecked"] == () and stats["differences"] == ()


@pytest.mark.parametrize("module", [hull, milp, sdr, sdr_chordal, sdr_rlt, fp, nlp, joint_nlp])
def test_parts_of_the_problem_hand_out_problems_with_named_variables_and_parameters(module: Any) -> None:
    if module in (nlp, joint_nlp):
        model = module.build_cvxpy(SCENARIO)
        model.update(random_allocation(1), 100.0)
    else:
        model = module.build(SCENARIO)
    problem = model.problem
    for leaf in (*problem.variables(), *problem.parameters()):
        assert not leaf.name().startswith(("var", "param")), leaf.name()
    with pytest.raises(InputError, match=r"literal_cvxpy\.build\(scenario\)"):
        problem.solve(method="dashf")


class Nothing(Method):
    """Finds nothing."""

    name = "nothing"
    summary = "finds nothing"

    def search(self, run: Any) -> str:
        return "looked nowhere"


def test_a_method_that_finds_nothing_is_an_error_of_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashf_pyomo.plugins.cvxpy, "configure", lambda name, options: Nothing())
    with pytest.raises(cp.error.SolverError, match="looked nowhere"):
        build(SCENARIO).solve(method="dashf")


def test_a_problem_with_two_scenarios_is_refused() -> None:
    one, two = build(SCENARIO), build(replace(SCENARIO, weight_time=1.0))
    with pytest.raises(InputError, match="2 Problems"):
        cp.Problem(one.objective, [*one.constraints, *two.constraints]).solve(method="dashf")
