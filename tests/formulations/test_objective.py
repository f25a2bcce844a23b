"""The score and the objective: by hand, at the edges of floats, and as declared data."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import cvxpy as cp
import numpy as np
import pyomo.environ as pyo
import pytest
from helpers import assert_clear

from formulations import ALL_EXTRAS, Evaluation, InputError, Scenario, evaluate
from formulations.association.pair_resources import equal_split
from formulations.constraints import require_support
from formulations.objective import SCR, Objective, Sense, service_cost
from formulations.score import SCORES, Score, ScoreFunction


def test_score_by_hand() -> None:
    # 10/ln 2 * ln(1 + 3 * (0.5 + 0.25 + 0.25)) = 10 * log2(4)
    assert Score(10 / math.log(2), 3.0).value(0.5, 0.25, 0.25) == pytest.approx(20.0)


@pytest.mark.parametrize("norm", [1e-3, 1 / 3, 1e6])
def test_the_score_is_the_same_in_every_language_and_has_its_slope_and_bend(norm: float) -> None:
    score, shares = Score(7.0, norm), np.array([0.0, 1e-3, 0.7, 3.0])
    np.testing.assert_allclose(7.0 * score.of(shares), score.value(shares, 0.0, 0.0))
    for expression in (score.in_cvxpy(cp.Constant(shares)), score.in_smooth_cvxpy(cp.Constant(shares))):
        np.testing.assert_allclose(expression.value, score.of(shares), rtol=1e-6)
    model = pyo.ConcreteModel()
    model.s = pyo.Var(initialize=0.7)
    assert pyo.value(score.in_pyomo(model.s)) == pytest.approx(float(score.of(0.7)), rel=1e-6)
    step = 1e-5 / (1.0 + norm)
    ahead, behind = score.of(shares + 2 * step), score.of(shares)
    np.testing.assert_allclose((ahead - behind) / (2 * step), score.slope(shares + step), rtol=1e-4)
    slopes = score.slope(shares + 2 * step) - score.slope(shares)
    np.testing.assert_allclose(-slopes / (2 * step), score.bend(shares + step), rtol=1e-3)
    assert score.largest == score.of(3.0)


def test_no_shares_of_the_budgets_score_more_than_the_largest_total() -> None:
    rng = np.random.default_rng(0)
    score = Score(1.0, 1 / 3)
    for n, m in ((1, 1), (3, 2), (2, 4), (7, 3)):
        most = score.largest_total(n, m)
        for _ in range(50):
            server = rng.integers(m, size=n)
            shares = rng.dirichlet(np.ones(n), size=3)
            held = np.array([np.bincount(server, share, minlength=m)[server] for share in shares])
            assert score.value(*(shares / held)).sum() <= most * (1 + 1e-12)
        if n % m == 0:  # attained by an even split
            assert n * score.of(3.0 * m / n) == pytest.approx(most)


def test_cost_by_hand() -> None:
    assert service_cost(13.5, 26.8, 2.0, 0.5) == pytest.approx(40.4)  # 27 + 13.4


def test_ratio_by_hand() -> None:
    assert SCR.value(100.0, 40.0) == 2.5 and SCR.sense is Sense.MAX


def test_infinite_cost_is_worth_nothing() -> None:
    assert SCR.value(100.0, float(service_cost(math.inf, math.inf, 0.5, 0.005))) == 0.0


def test_energy_without_weight_is_no_cost_even_if_infinite() -> None:
    assert service_cost(2.0, math.inf, 0.5, 0.0) == 1.0


def test_costs_beyond_the_floats_are_infinite_and_do_not_warn() -> None:
    assert service_cost(1e308, 1.0, 1000.0, 1.0) == math.inf
    assert service_cost(1.0, 1e308, 1.0, 1000.0) == math.inf


def test_a_dual_value_bounds_the_ratio_of_whatever_costs_within_the_range() -> None:
    rng = np.random.default_rng(1)
    score, cost = rng.uniform(0.1, 10.0, 200), rng.uniform(2.0, 5.0, 200)
    for price in (0.01, 1.0, 100.0):
        dual = float(SCR.parametric(score, cost, price).max())
        assert SCR.bound(dual, price, 2.0, 5.0) >= (score / cost).max() * (1 - 1e-12)


# -- as data ----------------------------------------------------------------------------------


def test_the_printed_objective_needs_no_words_and_changes_no_file(tmp_path: Path) -> None:
    plain = Scenario.random(2, 2, 0)
    declared = Scenario.random(2, 2, 0, objective={"kind": "scr", "delay": "largest", "score": "log"})
    assert declared == plain and declared.sha256 == plain.sha256 and "objective" not in plain.to_dict()
    document = plain.to_dict() | {"version": 2, "objective": {"kind": "scr"}}
    assert Scenario.from_dict(document) == plain
    with pytest.raises(InputError) as caught:
        Scenario.from_dict(document | {"version": 1})
    assert_clear(caught.value, "objective", "version 1", "expected version 2")


@pytest.mark.parametrize(
    ("declared", "parts"),
    [
        ({"kind": "costs"}, ("objective.kind", "'costs'", "expected one of scr, utility, cost")),
        ({"kind": "scr", "delay": "longest"}, ("objective.delay", "'longest'", "expected one of largest, mean, sum")),
        ({"score": "cube"}, ("objective.score", "'cube'", "expected one of log, sqrt, linear")),
        ({"price": 3.0}, ("objective.price", "3.0", "expected none for kind scr")),
        ({"kind": "utility"}, ("objective.price", "None", "expected a number > 0")),
        ({"kind": "utility", "price": -1.0}, ("objective.price", "-1.0", "expected a number > 0")),
        ({"kind": "max-min", "delay": "mean"}, ("objective.delay", "'mean'", "expected none for kind max-min")),
        ({"user_weight": [1.0]}, ("objective.user_weight", "(1,)", "expected (2,)")),
        ({"user_weight": [1.0, 0.0]}, ("objective.user_weight", "0.0", "expected numbers > 0")),
        ({"what": 1}, ("objective", "'what'", "expected only kind")),
        ("scr", ("objective", "'scr'", "expected an object or null")),
    ],
)
def test_what_is_no_objective_is_refused_in_one_line(declared: Any, parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        Scenario.random(2, 2, 0).replace(objective=declared)
    assert_clear(caught.value, *parts)


def test_a_field_is_replaced_by_its_name() -> None:
    scenario = Scenario.random(2, 2, 0).replace(constraints={"delay_limit": 60.0}, name="other")
    assert scenario.name == "other" and scenario.constraints is not None
    assert scenario.constraints.delay_limit.tolist() == [60.0, 60.0]
    with pytest.raises(InputError) as caught:
        scenario.replace(watts=3)
    assert_clear(caught.value, "unknown field 'watts'", "expected one of channel_gain")


def test_objectives_are_equal_by_what_they_say() -> None:
    assert Objective.read(None) == Objective.read({"kind": "scr"}) == Objective()


def _evaluated(**objective: Any) -> tuple[Scenario, Evaluation]:
    scenario = Scenario.random(3, 2, 0, objective=objective)
    return scenario, evaluate(scenario, equal_split(scenario, np.array([0, 1, 0]), np.array([0.2, 0.5, 0.9])))


def test_every_kind_of_objective_is_what_its_formula_says() -> None:
    w = np.array([1.0, 2.0, 3.0])
    scenario, plain = _evaluated()
    v, delay, energy = plain.user_score, plain.user_delay, plain.energy_by_user
    of, ow = scenario.weight_time, scenario.weight_energy
    by_user = v / (of * delay + ow * energy)
    expected = {
        plain.scr: {},
        (w * v).sum() / (of * delay.max() + ow * energy.sum()): {"user_weight": w.tolist()},
        v.sum() / (of * delay.mean() + ow * energy.sum()): {"delay": "mean"},
        v.sum() / (of * delay.sum() + ow * energy.sum()): {"delay": "sum"},
        v.sum() - 30.0 * (of * delay.max() + ow * energy.sum()): {"kind": "utility", "price": 30.0},
        of * delay.max() + ow * energy.sum(): {"kind": "cost"},
        of * (w * delay).sum() / 3 + ow * (w * energy).sum(): {
            "kind": "cost",
            "delay": "mean",
            "user_weight": w.tolist(),
        },
        (w * by_user).sum(): {"kind": "sum-of-ratios", "user_weight": w.tolist()},
        (w * by_user).min(): {"kind": "max-min", "user_weight": w.tolist()},
    }
    assert len(expected) == 9
    for value, objective in expected.items():
        assert _evaluated(**objective)[1].value == pytest.approx(value, rel=1e-12), objective


def test_a_score_function_changes_the_users_scores_alone() -> None:
    scenario, plain = _evaluated()
    shares = np.expm1(plain.user_score / scenario.score_scale)  # varpi_2 s
    for name, g in (("sqrt", np.sqrt), ("linear", np.positive)):
        e = _evaluated(score=name)[1]
        np.testing.assert_allclose(e.user_score, scenario.score_scale * g(shares), rtol=1e-9)
        np.testing.assert_array_equal(e.user_delay, plain.user_delay)


@pytest.mark.parametrize("function", SCORES.values(), ids=SCORES)
def test_score_functions_have_their_slope_bend_and_conjugate(function: ScoreFunction) -> None:
    t = np.linspace(1e-3, 9.0, 4001)
    step = 1e-5
    np.testing.assert_allclose(
        (function.value(t + step) - function.value(t - step)) / (2 * step), function.slope(t), rtol=1e-3
    )
    slopes = (function.slope(t + step) - function.slope(t - step)) / (2 * step)
    np.testing.assert_allclose(-slopes, function.bend(t), rtol=1e-3, atol=1e-6)
    assert float(function.value(np.zeros(1))[0]) == 0.0
    for tau in (0.0, 1e-3, 0.1, 0.3, 1.0, 3.0):
        best = float(function.conjugate(np.array(tau), 9.0))
        reached = (function.value(np.append(t, 0.0)) - tau * np.append(t, 0.0)).max()
        assert reached - 1e-9 <= best <= reached + 2e-3, (tau, best, reached)


def test_an_objective_survives_its_file_and_another_process() -> None:
    declared = {"kind": "utility", "price": 2.5, "delay": "sum", "user_weight": 2.0, "score": "sqrt"}
    scenario = Scenario.random(2, 2, 0, objective=declared)
    document = scenario.to_dict()
    assert document["version"] == 2 and document["objective"]["user_weight"] == [2.0, 2.0]
    assert Scenario.from_dict(document) == scenario == pickle.loads(pickle.dumps(scenario))
    assert scenario.sha256 != Scenario.random(2, 2, 0).sha256


def test_what_differs_from_the_printed_objective_is_demanded_by_name() -> None:
    assert Scenario.random(2, 2, 0).demands == frozenset()
    scenario = Scenario.random(2, 2, 0, objective={"kind": "cost", "delay": "mean", "score": "linear"}, weight_time=0.0)
    assert scenario.demands == {
        *("objective cost", "mean delay in the cost", "other score function", "no weight of delay")
    }
    with pytest.raises(InputError) as caught:
        require_support("method nobody", ALL_EXTRAS, scenario.demands)
    assert_clear(caught.value, "method nobody", "objective", "mean delay in the cost", "objective cost")
