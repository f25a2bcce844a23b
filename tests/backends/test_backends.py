"""Backends: what they claim is proved here, what is missing is said, and the right one is chosen."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import textwrap
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from dashf_pyomo.backends import (
    Availability,
    Backend,
    BackendError,
    BackendLimits,
    OutcomeStatus,
    backend,
    backends,
    capable_backends,
)
from dashf_pyomo.backends.probe import tiny_models
from formulations.formulation import Feature, Formulation, Kind, Language, Subproblem, formulations
from formulations.registry import UnknownNameError

of_all_backends = pytest.mark.parametrize("name", [*backends])
CVXPY = [name for name, entry in backends.items() if "cvxpy" in entry.languages and entry.availability().available]
CONIC = [name for name in CVXPY if Feature.LP in backends[name].features]
PAIRS = [(name, feature) for name in CVXPY for feature in sorted(backends[name].features)]


class Stub:
    """A backend that only says what it can do."""

    summary = "a stub"

    def __init__(self, name: str, features: set[Feature], available: bool = True, language: str = "cvxpy") -> None:
        self.name, self.features, self._available = name, frozenset(features), available
        self.languages = (Language(language),)

    def availability(self) -> Availability:
        return Availability(self._available, "1", "" if self._available else "licence expired")

    def solve(self, model: Any, limits: BackendLimits) -> Any:
        raise AssertionError("not to be called")


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Backend]:
    """A registry of our own."""
    found: dict[str, Backend] = {}
    monkeypatch.setattr(backend, "backends", found)
    return found


# -- what is installed ------------------------------------------------------------------------


@of_all_backends
def test_every_backend_that_a_plain_install_brings_works_and_has_a_version(name: str) -> None:
    known = backends[name].availability()
    if name in ("clarabel", "highs", "scs", "ipopt"):
        assert known.available, known.reason
    assert known.version if known.available else known.reason


@pytest.mark.parametrize(("name", "feature"), PAIRS)
def test_every_claimed_feature_is_proved_by_a_tiny_model(name: str, feature: Feature) -> None:
    models = [*tiny_models(frozenset({feature}))]
    assert len(models) == 1  # a feature without a tiny model would be a claim without proof
    _, problem, expected = models[0]
    outcome = backends[name].solve(problem, BackendLimits())
    assert outcome.status is OutcomeStatus.SOLVED
    assert outcome.backend == name and outcome.wall_time > 0
    assert problem.value == pytest.approx(expected, abs=1e-4)


def test_every_feature_of_cvxpy_models_has_a_tiny_model_whose_value_is_right() -> None:
    found = {feature: expected for feature, _, expected in tiny_models(frozenset(Feature))}
    assert found == {"LP": 1.25, "MILP": 1.0, "QP": 0.5, "SOC": 5.0, "SDP": 2.0, "EXP": 0.0, "NLP": -1.0}


@pytest.mark.parametrize("name", CVXPY)
def test_a_package_that_is_not_installed_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    monkeypatch.setattr(backends[name], "_known", None)
    known = backends[name].availability()
    assert not known.available and "is not installed" in known.reason


@pytest.mark.parametrize("name", CVXPY)
def test_a_solver_that_cvxpy_does_not_find_is_reported_as_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def solve(self: cp.Problem, **options: Any) -> None:
        raise cp.error.SolverError(f"The solver {name.upper()} is not installed.")

    monkeypatch.setattr(cp.Problem, "solve", solve)
    monkeypatch.setattr(backends[name], "_known", None)
    known = backends[name].availability()
    assert not known.available and "not installed" in known.reason
    with pytest.raises(BackendError, match=f"backend {name}: .* is not installed"):
        backends[name].solve(cp.Problem(cp.Minimize(cp.Variable())))


@pytest.mark.parametrize("name", CVXPY)
def test_a_solver_that_solves_wrongly_is_not_available(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = cp.Problem.value.fget
    monkeypatch.setattr(cp.Problem, "value", property(lambda self: right(self) + 0.01))
    monkeypatch.setattr(backends[name], "_known", None)
    known = backends[name].availability()
    assert not known.available and "fails on a tiny" in known.reason


def test_availability_is_proved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = backends["clarabel"].availability()
    monkeypatch.setattr(cp.Problem, "solve", None)
    assert backends["clarabel"].availability() is first


# -- the choice -------------------------------------------------------------------------------


def needing(*features: Feature, faces: tuple[str, ...] = ("cvxpy",)) -> Formulation:
    """A formulation of which only the needs and the faces matter."""
    return Formulation(
        "thing", Subproblem.ASSOCIATION, Kind.EXACT, frozenset(features), "", "", dict.fromkeys(faces, Stub)
    )


def chosen(formulation: Formulation, *arguments: str) -> list[tuple[str, str]]:
    return [(str(language), one.name) for language, one in capable_backends(formulation, *arguments)]


@pytest.mark.parametrize("name", [*formulations])
def test_every_formulation_has_a_working_backend_that_is_able_for_every_face(name: str) -> None:
    entry = formulations[name]
    for face in entry.faces:
        found = capable_backends(entry, face=face)
        assert found
        assert all(entry.needs <= one.features and language in one.languages for language, one in found)
        assert {language for language, _ in found} == {face}


def test_a_linear_program_goes_to_the_linear_solver_and_an_sdp_to_clarabel_first() -> None:
    assert chosen(formulations["association/hull"])[0] == ("matrix", "highs")
    assert chosen(formulations["association/sdr"])[0] == ("cvxpy", "clarabel")
    assert chosen(formulations["resources/fp"])[0] == ("cvxpy", "clarabel")


def test_the_backend_with_fewest_features_to_spare_comes_first(stubs: dict[str, Backend]) -> None:
    stubs["all"] = Stub("all", set(Feature))
    stubs["some"] = Stub("some", {Feature.LP, Feature.QP})
    stubs["other"] = Stub("other", {Feature.LP}, language="matrix")
    stubs["broken"] = Stub("broken", {Feature.LP}, available=False)
    assert chosen(needing(Feature.LP)) == [("cvxpy", "some"), ("cvxpy", "all")]


def test_the_faces_come_in_the_order_of_the_formulation(stubs: dict[str, Backend]) -> None:
    stubs.update({"a": Stub("a", {Feature.LP}), "b": Stub("b", set(Feature), language="matrix")})
    assert chosen(needing(Feature.LP, faces=("matrix", "cvxpy"))) == [("matrix", "b"), ("cvxpy", "a")]
    assert chosen(needing(Feature.LP, faces=("matrix", "cvxpy")), "auto", "cvxpy") == [("cvxpy", "a")]
    with pytest.raises(BackendError, match="thing has no face nonlinear; it has cvxpy"):
        capable_backends(needing(Feature.LP), face="nonlinear")


def test_a_named_backend_is_the_only_one(stubs: dict[str, Backend]) -> None:
    stubs.update({"a": Stub("a", {Feature.LP}), "b": Stub("b", {Feature.LP})})
    assert chosen(needing(Feature.LP), "b") == [("cvxpy", "b")]


def test_no_working_backend_lists_every_reason(stubs: dict[str, Backend]) -> None:
    stubs["broken"] = Stub("broken", {Feature.SDP}, available=False)
    with pytest.raises(BackendError, match=r"no working backend for SDP in cvxpy \(broken: licence expired\)"):
        capable_backends(needing(Feature.SDP))
    with pytest.raises(BackendError, match="none exists"):
        capable_backends(needing(Feature.EXP))


def test_a_named_backend_that_does_not_work_or_is_not_able_says_so(stubs: dict[str, Backend]) -> None:
    stubs["broken"] = Stub("broken", {Feature.LP}, available=False)
    stubs["other"] = Stub("other", {Feature.LP}, language="matrix")
    with pytest.raises(BackendError, match="broken: licence expired"):
        capable_backends(needing(Feature.LP), "broken")
    with pytest.raises(BackendError, match="backend broken solves LP in cvxpy; thing needs LP, MILP in cvxpy"):
        capable_backends(needing(Feature.LP, Feature.MILP), "broken")
    with pytest.raises(BackendError, match="backend other solves LP in matrix; thing needs LP in cvxpy"):
        capable_backends(needing(Feature.LP), "other")


def test_an_unknown_backend_is_refused_with_a_list() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown backend 'cplex'; expected one of .*highs"):
        capable_backends(needing(Feature.LP), "cplex")


# -- outcomes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONIC)
def test_infeasible_and_unbounded_problems_are_told_apart_from_failures(name: str) -> None:
    x = cp.Variable()
    assert backends[name].solve(cp.Problem(cp.Minimize(x), [x >= 1, x <= 0])).status is OutcomeStatus.INFEASIBLE
    assert backends[name].solve(cp.Problem(cp.Minimize(x), [x <= 0])).status is OutcomeStatus.UNBOUNDED


@pytest.mark.parametrize(("error", "status"), [("broke down", "failed"), ("", "failed")])
def test_a_solver_error_is_an_outcome_with_one_line(error: str, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def solve(self: cp.Problem, **options: Any) -> None:
        raise cp.error.SolverError(error and f"{error}\nTry another one.")

    monkeypatch.setattr(cp.Problem, "solve", solve)
    outcome = backends["clarabel"].solve(cp.Problem(cp.Minimize(cp.Variable())))
    assert str(outcome.status) == status and not outcome.status.has_solution
    assert outcome.message == (error or "SolverError")


@pytest.mark.parametrize("name", CONIC)
def test_a_time_limit_that_stops_the_solver_is_reported_as_such(name: str) -> None:
    rng = np.random.default_rng(0)
    whole = Feature.MILP in backends[name].features
    x = cp.Variable(60, boolean=True) if whole else cp.Variable(100)
    a = rng.normal(size=(400, x.size))
    problem = cp.Problem(cp.Minimize(cp.norm1(a @ x - a.sum(axis=1) / 2)))
    outcome = backends[name].solve(problem, BackendLimits(time_limit=0.1 if whole else 1e-3))
    assert outcome.status is OutcomeStatus.TIME_LIMIT
    assert outcome.wall_time < 5.0


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", CONIC)
def test_limits_are_accepted_by_every_solver(name: str, threads: int) -> None:
    x = cp.Variable(2, nonneg=True)
    problem = cp.Problem(cp.Minimize(cp.sum(x)), [x[0] + 2 * x[1] >= 1])
    outcome = backends[name].solve(problem, BackendLimits(time_limit=10.0, threads=threads))
    assert outcome.status is OutcomeStatus.SOLVED and problem.value == pytest.approx(0.5, abs=1e-4)


def test_solvers_write_nothing_to_standard_output() -> None:
    program = """
        import sys
        from dashf_pyomo.backends import BackendLimits, backends
        from dashf_pyomo.backends.probe import tiny_models
        for name, one in backends.items():
            print(name, file=sys.stderr, flush=True)
            if one.availability().available and "cvxpy" in one.languages:
                for _, problem, _ in tiny_models(one.features):
                    one.solve(problem, BackendLimits(10.0, 1))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "" and set(backends) <= set(done.stderr.split())
