"""Solvers that lie, fail or break: no result is wrong because of them, and what was found is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import dashf_pyomo
from dashf_pyomo import Result, Status
from dashf_pyomo.algorithms import Limits, steps
from dashf_pyomo.algorithms.run import Run
from dashf_pyomo.backends import Backend, BackendError, Outcome, OutcomeStatus, capable_backends
from dashf_pyomo.check import check
from formulations import Scenario, evaluate
from formulations.association.pair_resources import start_allocation
from formulations.formulation import Formulation, Language

METHODS = ("dashf", "aauco", "gucro")
#: Parts of every language that models are written in.
PARTS: dict[str, dict[str, str]] = {
    "conic": {"association": "sdr-chordal", "allocation": "fp"},
    "arrays": {"association": "milp", "allocation": "nlp"},
}
SCENARIO = Scenario.random(users=5, servers=2, seed=1)

Act = Callable[[Backend, Any, Any], Outcome]


class Fake:
    """A backend that does what `act` says, from its `first` call on; before that it is the real one."""

    name, summary = "fake", "a fake"

    def __init__(self, real: Backend, act: Act, first: int = 0) -> None:
        self._real, self._act, self._first = real, act, first
        self.languages, self.features = real.languages, real.features
        self.calls = 0

    def availability(self) -> Any:
        return self._real.availability()

    def solve(self, model: Any, limits: Any) -> Outcome:
        self.calls += 1
        return (self._act if self.calls > self._first else real)(self._real, model, limits)


def real(backend: Backend, model: Any, limits: Any) -> Outcome:
    return backend.solve(model, limits)


def ends(status: OutcomeStatus) -> Act:
    return lambda backend, model, limits: Outcome(status, "fake", 0.0, None, f"fake: {status}")


def raises(error: BaseException) -> Act:
    def act(backend: Backend, model: Any, limits: Any) -> Outcome:
        raise type(error)(*error.args)

    return act


def lies(change: Callable[[np.ndarray], Any], status: OutcomeStatus = OutcomeStatus.SOLVED) -> Act:
    """Solve, then replace every value and claim success."""

    def act(backend: Backend, model: Any, limits: Any) -> Outcome:
        outcome = backend.solve(model, limits)
        if hasattr(model, "variables"):  # CVXPY
            for variable in model.variables():
                variable.save_value(change(np.asarray(variable.value, dtype=float)))
        else:
            model.point = change(np.asarray(model.point, dtype=float))
        return replace(outcome, status=status)

    return act


def noise(value: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).normal(size=value.shape) * 10.0


LIES: dict[str, Callable[[np.ndarray], Any]] = {
    "zeros": np.zeros_like,
    "ten times": lambda value: 10.0 * value,
    "negative": lambda value: -1.0 - np.abs(value),
    "huge": lambda value: np.full_like(value, 1e300),
    "tiny": lambda value: np.full_like(value, 1e-300),
    "noise": noise,
    "nan": lambda value: np.full_like(value, np.nan),
    "one nan": lambda value: np.where(np.arange(value.size).reshape(value.shape) == 0, np.nan, value),
    "infinite": lambda value: np.full_like(value, np.inf),
    "nothing": lambda value: None,
}
FAILURES: dict[str, Act] = {
    "failed": ends(OutcomeStatus.FAILED),
    "infeasible": ends(OutcomeStatus.INFEASIBLE),
    "unbounded": ends(OutcomeStatus.UNBOUNDED),
    "BackendError": raises(BackendError("fake: licence expired")),
    "RuntimeError": raises(RuntimeError("fake: broke down")),
    "MemoryError": raises(MemoryError()),
}


def install(monkeypatch: pytest.MonkeyPatch, act: Act, *, then_real: bool = False, first: int = 0) -> list[Fake]:
    """Let the steps find a fake backend, alone or before the real ones."""
    made: list[Fake] = []

    def capable(formulation: Formulation, *arguments: Any) -> tuple[tuple[Language, Backend], ...]:
        language, backend = (working := capable_backends(formulation, *arguments))[0]
        made.append(Fake(backend, act, first=first))
        return ((language, made[-1]), *(working if then_real else ()))

    monkeypatch.setattr(steps, "capable_backends", capable)
    return made


def assert_true(result: Result) -> None:
    """There is an allocation, it is feasible, and every claim of the result holds."""
    assert result.allocation is not None and evaluate(SCENARIO, result.allocation).feasible
    wrong = [finding for finding in check(SCENARIO, result.to_dict()) if not finding.holds]
    assert not wrong
    assert result.scr >= result.trace[0].scr


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("parts", PARTS)
@pytest.mark.parametrize("method", METHODS)
def test_a_solver_that_lies_never_makes_a_result_wrong(
    monkeypatch: pytest.MonkeyPatch, method: str, parts: str, lie: str
) -> None:
    fakes = install(monkeypatch, lies(LIES[lie]))
    options = {"dashf": PARTS[parts], "aauco": {"association": PARTS[parts]["association"]}}
    options["gucro"] = {"allocation": PARTS[parts]["allocation"]}
    result = dashf_pyomo.solve(SCENARIO, method, **options[method])
    assert any(fake.calls for fake in fakes)
    assert_true(result)
    assert result.status in (Status.FEASIBLE, Status.ERROR)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("method", METHODS)
def test_the_next_backend_steps_in_for_one_that_fails(
    monkeypatch: pytest.MonkeyPatch, method: str, failure: str
) -> None:
    expected = dashf_pyomo.solve(SCENARIO, method)
    fakes = install(monkeypatch, FAILURES[failure], then_real=True)
    result = dashf_pyomo.solve(SCENARIO, method)
    assert all(fake.calls for fake in fakes)
    assert result.status is Status.FEASIBLE
    assert result.scr == pytest.approx(expected.scr, rel=1e-9)
    assert_true(result)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("method", METHODS)
def test_when_all_fail_the_start_is_returned_as_an_error(
    monkeypatch: pytest.MonkeyPatch, method: str, failure: str
) -> None:
    install(monkeypatch, FAILURES[failure])
    result = dashf_pyomo.solve(SCENARIO, method)
    assert result.status is Status.ERROR
    assert len(result.trace) == 1 and result.scr == result.trace[0].scr
    assert "best allocation so far" in result.message
    assert_true(result)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_after_the_first_iteration_keeps_what_it_found(monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    install(monkeypatch, FAILURES[failure], first=1)  # AO part 1 works once, AO part 2 once
    expected = dashf_pyomo.solve(SCENARIO, "dashf", max_iterations=1, inner_iterations=1)
    install(monkeypatch, FAILURES[failure], first=1)
    result = dashf_pyomo.solve(SCENARIO, "dashf", inner_iterations=1)
    assert result.status is Status.ERROR and result.iterations == 1
    assert result.scr == expected.scr > result.trace[0].scr
    assert_true(result)


def test_the_message_of_an_error_names_the_step_and_what_every_solver_said(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ends(OutcomeStatus.FAILED))
    result = dashf_pyomo.solve(SCENARIO, "gucro")
    assert "resources fp failed" in result.message and "fake: failed" in result.message


def test_an_inaccurate_solution_is_used_and_marked_in_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lies(lambda value: value, OutcomeStatus.INACCURATE))
    result = dashf_pyomo.solve(SCENARIO, "dashf")
    assert result.status is Status.FEASIBLE
    assert (
        result.trace[1].facts["association_inaccurate"] is True
        and result.trace[1].facts["allocation_inaccurate"] is True
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_solver_at_its_time_limit_ends_the_run_at_its_time_limit(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    install(monkeypatch, ends(OutcomeStatus.TIME_LIMIT), first=1)
    result = dashf_pyomo.solve(SCENARIO, method, time_limit=100.0)
    assert result.status is Status.TIME_LIMIT
    assert_true(result)


@pytest.mark.parametrize("method", METHODS)
def test_an_interruption_inside_a_solver_keeps_the_best_so_far(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    install(monkeypatch, raises(KeyboardInterrupt()), first=1)
    result = dashf_pyomo.solve(SCENARIO, method)
    assert result.status is Status.INTERRUPTED
    assert_true(result)


def test_a_backend_that_does_not_work_here_stops_the_run_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*arguments: Any) -> None:
        raise BackendError("no working backend for SDP in cvxpy")

    monkeypatch.setattr(steps, "capable_backends", none)
    with pytest.raises(BackendError, match="no working backend"):
        dashf_pyomo.solve(SCENARIO, "dashf")


def test_an_error_of_all_solvers_names_its_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, raises(RuntimeError("broke down")))
    step = steps.ResourceStep(Run(SCENARIO, Limits()), "fp", "auto", 1e-4, 1)
    with pytest.raises(BackendError) as caught:
        step(start_allocation(SCENARIO), 1.0)
    assert isinstance(caught.value.__cause__, RuntimeError) and "RuntimeError: broke down" in str(caught.value)


@pytest.mark.parametrize("error", [TypeError, AttributeError, KeyError, AssertionError])
def test_a_mistake_in_a_formulation_is_not_taken_for_a_failing_solver(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    install(monkeypatch, raises(error("a mistake")), then_real=True)
    with pytest.raises(error, match="a mistake"):
        dashf_pyomo.solve(SCENARIO, "dashf")
