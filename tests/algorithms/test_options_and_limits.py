"""Options that cannot be, limits, and interruption: refused with a clear word, or the best so far is kept."""

from __future__ import annotations

import math
from typing import Any

import pytest

import dashf_pyomo
from dashf_pyomo import Status
from dashf_pyomo.algorithms import OptionError, methods
from dashf_pyomo.backends import BackendError
from formulations import InputError, Scenario, evaluate
from formulations.registry import UnknownNameError

of_all_methods = pytest.mark.parametrize("method", [*methods])


def default(users: int = 10) -> Scenario:
    return Scenario.random(users=users, servers=2, seed=0)


# -- wrong options ----------------------------------------------------------------------------


@of_all_methods
def test_an_unknown_option_is_named(method: str) -> None:
    with pytest.raises(OptionError, match="unknown option 'colour'"):
        dashf_pyomo.solve(default(), method, colour="red")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": "small"}, "epsilon = 'small'; expected a number"),
        ({"epsilon": -1e-4}, "epsilon = -0.0001; expected at least 0"),
        ({"epsilon": math.nan}, "epsilon = nan; expected a finite number"),
        ({"epsilon": None}, "epsilon = None; expected a finite number"),
        ({"epsilon": True}, "epsilon = True; expected a finite number"),
        ({"max_iterations": 2.5}, "max_iterations = 2.5; expected a whole number"),
        ({"max_iterations": "2.5"}, "max_iterations = '2.5'; expected a whole number"),
        ({"inner_iterations": 0}, "inner_iterations = 0; expected at least 1"),
        ({"association": "magic"}, "association = 'magic'; expected one of .*hull"),
        ({"association": 3}, "association = 3; expected one of"),
        ({"association": ["hull"]}, "association = .'hull'.; expected one of"),
        ({"allocation": "hull"}, "allocation = 'hull'; expected one of fp"),
        ({"association_backend": "cplex"}, "association_backend = 'cplex'; expected one of auto"),
        ({"accept": "sometimes"}, "accept = 'sometimes'; expected one of best, always"),
        ({"idle_pairs": ""}, "idle_pairs = ''; expected one of hold"),
    ],
)
def test_a_value_that_an_option_cannot_have_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        dashf_pyomo.solve(default(), "dashf", **options)


def test_texts_are_read_as_the_type_of_the_option() -> None:
    result = dashf_pyomo.solve(default(users=3), "dashf", epsilon="1e-2", max_iterations="1")
    assert result.options["epsilon"] == 0.01 and result.options["max_iterations"] == 1
    assert result.iterations == 1


def test_an_unknown_method_is_refused_with_a_list() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown method 'simplex'; expected one of .*dashf"):
        dashf_pyomo.solve(default(), "simplex")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"association": "milp", "association_backend": "clarabel"}, "backend clarabel solves .*; milp needs LP, MILP"),
        ({"association_backend": "highs"}, "backend highs solves .*; sdr-chordal needs SDP"),
        ({"allocation_backend": "highs"}, "backend highs solves .*; fp needs EXP, QP, SOC"),
    ],
)
def test_a_backend_that_is_not_able_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BackendError, match=message):
        dashf_pyomo.solve(default(), "dashf", **options)


@pytest.mark.parametrize(
    "limits", [{"time_limit": 0}, {"time_limit": -1}, {"time_limit": math.nan}, {"gap": 1}, {"gap": -1}, {"threads": 0}]
)
def test_limits_out_of_range_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"; expected a"):
        dashf_pyomo.solve(default(), "gucaa", **limits)


# -- limits and interruption ------------------------------------------------------------------

ITERATIVE = ("dashf", "aauco", "gucro")


@pytest.mark.parametrize("method", ITERATIVE)
def test_a_tiny_time_limit_returns_the_start(method: str) -> None:
    scenario = default()
    result = dashf_pyomo.solve(scenario, method, time_limit=1e-6)
    assert result.status is Status.TIME_LIMIT and "time limit" in result.message
    assert len(result.trace) == 1 and result.scr == result.trace[0].scr > 0
    assert evaluate(scenario, result.allocation).feasible


@pytest.mark.parametrize("method", ITERATIVE)
def test_a_time_limit_in_the_middle_is_kept_and_keeps_the_best(method: str) -> None:
    # Iterations that never stop by themselves: epsilon 0 stops only at an exact repetition.
    seen: list[float] = []
    result = dashf_pyomo.solve(
        Scenario.random(users=40, servers=4, seed=1), method, time_limit=0.6, epsilon=0.0,
        observer=lambda entry: seen.append(entry.scr),
    )  # fmt: skip
    assert result.scr == max(seen)
    if result.status is not Status.FEASIBLE:
        assert result.status is Status.TIME_LIMIT
        assert 0.5 < result.wall_time < 3.0


@pytest.mark.parametrize("method", ITERATIVE)
@pytest.mark.parametrize("at", [0, 1])
def test_an_interruption_keeps_the_best_so_far(method: str, at: int) -> None:
    def interrupt(entry: Any) -> None:
        if entry.iteration == at:
            raise KeyboardInterrupt

    scenario = default()
    result = dashf_pyomo.solve(scenario, method, observer=interrupt)
    assert result.status is Status.INTERRUPTED and "interrupted" in result.message
    assert [entry.iteration for entry in result.trace] == list(range(at + 1))
    assert result.scr == max(entry.scr for entry in result.trace)
    assert evaluate(scenario, result.allocation).scr == result.scr


def test_an_iteration_limit_ends_the_search() -> None:
    result = dashf_pyomo.solve(default(), "gucro", max_iterations=2, epsilon=0.0)
    assert result.iterations == 2 and "2 iterations" in result.message


def test_falls_that_are_allowed_do_not_stop_dashf() -> None:
    scenario = Scenario.random(users=10, servers=2, seed=0)
    printed = dashf_pyomo.solve(scenario, "dashf")
    longer = dashf_pyomo.solve(scenario, "dashf", falls=3)
    assert "fell" in printed.message
    shared = [entry.scr for entry in printed.trace]
    assert [entry.scr for entry in longer.trace[: len(shared)]] == shared
    assert longer.iterations > printed.iterations and longer.scr >= printed.scr
    assert longer.options["falls"] == 3
