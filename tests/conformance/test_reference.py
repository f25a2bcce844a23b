"""The reference of tiny scenarios: its equations are the evaluator's, its slopes exact, and its values known ones."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashf_pyomo.conformance import known_cases, reference
from dashf_pyomo.conformance.draws import declared_scenario
from dashf_pyomo.conformance.reference import combinations, reference_optimum
from formulations import InputError, Scenario, evaluate
from formulations.attributes import PARTS
from formulations.terms import Sites

OBJECTIVES: list[dict[str, Any]] = [
    *({"delay": delay} for delay in ("largest", "mean", "sum")),
    *({"kind": "utility", "price": 30.0, "delay": delay} for delay in ("largest", "mean", "sum")),
    *({"kind": "cost", "delay": delay, "user_weight": [1.0, 3.0]} for delay in ("largest", "mean", "sum")),
    {"kind": "sum-of-ratios", "user_weight": [2.0, 1.0]},
    {"kind": "max-min", "score": "sqrt"},
    {"score": "linear", "user_weight": [2.0, 1.0]},
]

#: Everything that may be limited, none of it so much that logarithms would differ.
LIMITED: dict[str, Any] = {
    "delay_limit": [60.0, 50.0],
    "uplink_rate": [None, 1e6],
    "downlink_rate": [2e6, None],
    "user_energy": 500.0,
    "server_energy": [400.0],
    "total_energy": 900.0,
    "mean_delay": 70.0,
    "rows": [
        {"name": "phi", "at_most": -0.5, "terms": [{"attribute": "offload", "coefficient": [-1.0, -2.0]}]},
        {"name": "cpu", "at_most": 0.0, "terms": [{"attribute": "server_speed", "coefficient": [1.0, -2.0]}]},
        {"name": "air", "at_most": 3e7, "terms": [{"attribute": "bandwidth"}, {"attribute": "served"}]},
    ],
}


def problem_at_a_point(objective: dict[str, Any] | None, seed: int = 0) -> tuple[Any, np.ndarray]:
    scenario = Scenario.random(2, 1, seed, objective=objective, constraints=LIMITED)
    problem = reference._Fixed(scenario, np.zeros(2, np.int64), np.tile((0.0, 1.0), (2, 1)))
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.uniform(-2.0, -0.8, 10), rng.uniform(0.2, 0.8, 2)])
    x = problem._with_extra(x)
    return problem, np.concatenate([x[:12], rng.uniform(-0.5, 0.5, len(x) - 12)])


def test_its_parts_are_those_of_the_evaluator() -> None:
    problem, x = problem_at_a_point(None)
    a = problem.allocation(x)
    terms = Sites(problem.scenario, a.server).terms(
        a.bandwidth, a.user_power, a.server_power, a.user_speed, a.server_speed, a.offload, 1.0 - a.offload
    )
    for name, values in zip(PARTS, problem.parts(x)[0], strict=True):
        np.testing.assert_allclose(values, np.broadcast_to(getattr(terms, name), 2), rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_its_slopes_are_exact(objective: dict[str, Any]) -> None:
    problem, x = problem_at_a_point(objective)
    slope, row_slopes = problem.loss(x)[1], problem.room(x)[1]
    assert len(row_slopes) >= 3 + 2 + 2 + 2 + 1 + 1 + 1 + 3
    for index, step in enumerate(1e-6 * np.eye(len(x))):
        numeric = (problem.loss(x + step)[0] - problem.loss(x - step)[0]) / 2e-6
        assert slope[index] == pytest.approx(numeric, rel=1e-6, abs=1e-8)
        numeric_rows = (problem.room(x + step)[0] - problem.room(x - step)[0]) / 2e-6
        np.testing.assert_allclose(row_slopes[:, index], numeric_rows, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_less_loss_is_a_better_value(objective: dict[str, Any]) -> None:
    problem, x = problem_at_a_point(objective)
    found = []
    for speed in (0.0, -0.7, -1.5, -3.0):
        x[8:10] = speed  # of the users
        e = evaluate(problem.scenario, problem.allocation(x))
        if problem.timed:
            x[-1] = np.log(e.delay / problem.delay_unit)
        elif problem.extra:
            x[-1] = np.log(e.value / problem.ratio_unit)
        found.append((problem.loss(x)[0], e.value))
    losses, values = np.array(sorted(found)).T
    assert np.all(np.diff(losses) > 0)
    assert all(problem.scenario.objective.better(values[i], values[i + 1]) for i in range(3))


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_its_rows_hold_where_the_evaluator_says_so(objective: dict[str, Any]) -> None:
    seen = set()
    for seed in range(25):
        problem, x = problem_at_a_point(objective, seed)
        e = evaluate(problem.scenario, problem.allocation(x))
        rooms = problem.room(x)[0]
        # Budgets and the deadline come first: the declared ones are the last of them.
        declared = 2 + 2 + 2 + 1 + 1 + 1 + 3
        broken = sum(violation.extra for violation in e.violations)
        assert np.count_nonzero(rooms[-declared:] < 0) == broken
        seen.add(broken)
    assert len(seen) > 2


def test_it_reaches_the_values_that_are_known() -> None:
    cases = [case for case in known_cases() if np.isfinite(case.best_ratio)]
    assert len(cases) == 3
    for case in cases:
        found = reference_optimum(case.scenario)
        assert found.allocation is not None
        e = evaluate(case.scenario, found.allocation)
        assert e.max_violation <= reference.STRICT and e.value == found.value
        # Three users have starts from some combinations only.
        assert found.value >= case.best_ratio * (1 - (1e-7 if case.scenario.n_users < 3 else 1e-3))


def test_it_enumerates_what_is_allowed() -> None:
    limits = {
        "users_per_server": [1, None],
        "forbidden": [[2, 0]],
        "binary_offload": True,
        "offload": [[1, 1], [0, 1], None],
    }
    scenario = Scenario.random(3, 2, 0, constraints=limits)
    found = [(tuple(server.tolist()), ranges[:, 0].tolist()) for server, ranges in combinations(scenario)]
    assert {server for server, _ in found} == {(1, 1, 1), (0, 1, 1), (1, 0, 1)}
    assert len(found) == 3 * 4 and all(phi[0] == 1.0 for _, phi in found)


def test_too_many_combinations_are_refused() -> None:
    with pytest.raises(InputError, match=r"combinations; expected at most 4096"):
        reference_optimum(Scenario.random(13, 2, 0))


def test_nothing_is_found_where_nothing_is_feasible() -> None:
    found = reference_optimum(Scenario.random(1, 1, 0, constraints={"delay_limit": 1e-3}, objective={"kind": "cost"}))
    assert found.allocation is None and found.value == np.inf


def test_it_uses_no_formulation() -> None:
    tree = ast.parse(Path(reference.__file__).read_text(encoding="utf-8"))
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [name for name in imported if name.split(".")[1:2] in (["resources"], ["association"], ["joint"])]


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_moves_of_single_users_end_where_they_gain_only_last_digits() -> None:
    scenario = declared_scenario(208)  # three users; it went on for ever
    assert reference_optimum(scenario, starts=4).allocation is not None
