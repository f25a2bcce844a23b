"""Exact backends: what a solver said is kept however it ends, and the real ones find and prove the optimum."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import misbehaviour
import pyomo.environ as pyo
import pytest

from dashf_pyomo.backends import BackendError, BackendLimits, OutcomeStatus, backends, capable_backends, gurobi, maingo
from dashf_pyomo.backends.exact import ExactBackend, ExactOutcome, InterruptedSolve
from dashf_pyomo.backends.executables import search_classic
from dashf_pyomo.backends.model_search import Search, SolverProgress
from dashf_pyomo.backends.probe import TINY_MINLP_VALUE, tiny_minlp
from formulations.formulation import Feature, Formulation, Kind, Language, Subproblem

pytestmark = pytest.mark.slow

PACKAGED = ("scip", "maingo", "gurobi")
EXACT = [name for name, entry in backends.items() if isinstance(entry, ExactBackend)]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="a service of the Linux kernel")


def fake(search: Search, **more: Any) -> ExactBackend:
    return ExactBackend("fake", "a fake", search, **more)


def after_two_points(act: Callable[[], None]) -> ExactBackend:
    return fake(partial(misbehaviour.search_and, act))


def real(name: str) -> Any:
    known = backends[name].availability()
    if not known.available:
        pytest.skip(known.reason)
    return backends[name]


def quartic(bilinear: int = 1) -> pyo.ConcreteModel:
    """A non-convex mixed-integer model with the functions of the formulations: log, division, products."""
    model = pyo.ConcreteModel()
    model.i = pyo.RangeSet(bilinear)
    model.x = pyo.Var(model.i, bounds=(0.1, 3))
    model.n = pyo.Var(model.i, domain=pyo.Binary)
    model.rate = pyo.Expression(model.i, rule=lambda m, i: m.x[i] * pyo.log(1 + (1 + 0.1 * i) / m.x[i]) / pyo.log(2))
    model.share = pyo.Constraint(expr=sum(model.x[i] * (1 + model.n[i]) for i in model.i) <= 1.5 * bilinear)
    model.range = pyo.Constraint(expr=(0, sum(model.n[i] for i in model.i), max(bilinear - 1, 1)))
    model.value = pyo.Objective(
        expr=sum(model.rate[i] * (1 + model.n[i]) / (1 + model.x[i] ** 2) for i in model.i), sense=pyo.maximize
    )
    return model


def assert_kept(outcome: ExactOutcome, model: pyo.ConcreteModel) -> None:
    """What `misbehaviour` reports first is there, and the best point is in the model."""
    assert outcome.points == misbehaviour.POINTS
    assert (outcome.objective, outcome.bound) == (2.0, 8.0)
    assert [entry[1:] for entry in outcome.trace] == [(1.0, 9.0), (2.0, 8.0)]
    assert (model.x.value, model.y.value) == (2.0, 1.0)


# -- solvers that misbehave ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (partial(misbehaviour.die_by, signal.SIGKILL), r"fake: child died from signal 9 \(SIGKILL\)"),
        (partial(misbehaviour.die_by, signal.SIGSEGV), r"fake: child died from signal 11 \(SIGSEGV\)"),
        (os.abort, r"fake: child died from signal 6 \(SIGABRT\)"),
        (misbehaviour.fail, "fake: ZeroDivisionError: by nothing at all"),
        (misbehaviour.send_garbage, "fake: child sent garbage"),
    ],
    ids=["SIGKILL", "SIGSEGV", "abort", "raise", "garbage"],
)
def test_a_solver_that_dies_leaves_its_points_and_its_bound(act: Callable[[], None], message: str) -> None:
    model = tiny_minlp()
    outcome = after_two_points(act).solve(model, BackendLimits(time_limit=30.0))
    assert outcome.status is OutcomeStatus.FAILED
    assert_kept(outcome, model)
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(outcome.message)


@pytest.mark.parametrize("act", [misbehaviour.hang, misbehaviour.hang_with_the_lock])
def test_a_solver_that_hangs_is_ended_at_the_time_limit(act: Callable[[], None]) -> None:
    model = tiny_minlp()
    start = time.monotonic()
    outcome = after_two_points(act).solve(model, BackendLimits(time_limit=1.0))
    assert time.monotonic() - start < 3.0
    assert outcome.status is OutcomeStatus.TIME_LIMIT and "killed" in outcome.message
    assert_kept(outcome, model)


@linux_only
def test_a_solver_that_exhausts_its_memory_is_a_failure() -> None:
    model = tiny_minlp()
    outcome = after_two_points(misbehaviour.exhaust_memory).solve(model, BackendLimits(memory=800_000_000))
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.message == "fake: MemoryError (memory limit of 800 MB)"
    assert_kept(outcome, model)


def test_what_a_solver_writes_is_its_log(capfd: pytest.CaptureFixture[str]) -> None:
    outcome = after_two_points(misbehaviour.write).solve(tiny_minlp())
    assert outcome.status is OutcomeStatus.SOLVED and outcome.nodes == 3
    assert "from the C library\n" in outcome.log and "from a program\n" in outcome.log
    assert capfd.readouterr() == ("", "")


def test_a_lie_arrives_as_it_was_told() -> None:
    model = tiny_minlp()
    outcome = fake(misbehaviour.lie).solve(model)
    assert outcome.status is OutcomeStatus.SOLVED
    assert (outcome.objective, outcome.bound) == (1e6, 1e6)
    assert outcome.points == ({"x": 100.0, "y": -7.0},) and model.x.value == 100.0


def test_success_without_a_point_is_a_failure() -> None:
    model = tiny_minlp()
    outcome = fake(misbehaviour.claim_without_a_point).solve(model)
    assert outcome.status is OutcomeStatus.FAILED and "no point" in outcome.message
    assert model.x.value is None


def test_a_verdict_that_is_none_is_a_failure() -> None:
    assert fake(misbehaviour.no_verdict).solve(tiny_minlp()).status is OutcomeStatus.FAILED


def test_absurd_numbers_are_dropped() -> None:
    outcome = fake(misbehaviour.absurd).solve(tiny_minlp())
    assert outcome.bound is None and outcome.points == ({"x": 1.0, "y": 1.0},)


def test_the_best_point_is_the_last() -> None:
    model = tiny_minlp()
    outcome = fake(misbehaviour.worse_last).solve(model)
    assert [point["x"] for point in outcome.points] == [1.0, 2.0, 3.0]
    assert outcome.objective == 3.0 == model.x.value


def test_an_interruption_has_the_outcome_so_far() -> None:
    model = tiny_minlp()
    main = threading.get_ident()

    def interrupt(progress: SolverProgress) -> None:
        if progress.objective == 2.0:
            signal.pthread_kill(main, signal.SIGINT)

    with pytest.raises(InterruptedSolve) as caught:
        after_two_points(misbehaviour.hang).solve(model, watch=interrupt)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert_kept(caught.value.outcome, model)


def test_whoever_watches_can_end_the_solver() -> None:
    model = tiny_minlp()

    def enough(progress: SolverProgress) -> None:
        raise TypeError("enough")

    with pytest.raises(TypeError, match="enough"):
        after_two_points(misbehaviour.hang).solve(model, watch=enough)
    assert model.x.value is not None


# -- what a search is told ----------------------------------------------------------------------


def test_limits_and_start_reach_the_solver() -> None:
    model = tiny_minlp()
    model.x.value, model.y.value = 4.0 + 1e-8, 1.9999
    solver = fake(misbehaviour.tell_the_task)
    limits = BackendLimits(time_limit=20.0, threads=1, gap=0.01, memory=10**9)
    assert solver.solve(model, limits).message == "fake: 0.01 1 1000000000 True (4, 2.0)"
    assert solver.solve(model, warm_start=False).message == "fake: None None None False (None, None)"
    assert model.y.value == 1.9999  # no point, no change


def test_models_made_by_lambdas_are_sent_and_others_refused_with_a_reason() -> None:
    model = tiny_minlp()
    model.z = pyo.Var([1, 2], bounds=lambda m, i: (0, i), initialize=lambda m, i: i)
    model.row = pyo.Constraint([1, 2], rule=lambda m, i: m.z[i] >= 0)
    assert after_two_points(int).solve(model).status is OutcomeStatus.SOLVED
    model.lock = threading.Lock()
    with pytest.raises(BackendError, match=r"backend fake: the model cannot be sent to another process"):
        after_two_points(int).solve(model)
    with pytest.raises(BackendError, match="0 active objectives"):
        after_two_points(int).solve(pyo.ConcreteModel())


def test_a_solver_that_is_wrong_on_the_tiny_model_is_not_available() -> None:
    for search, reason in (
        (misbehaviour.lie, "value -700"),
        (misbehaviour.claim_without_a_point, "no point"),
        (partial(misbehaviour.search_and, misbehaviour.segfault), "SIGSEGV"),
    ):
        known = fake(search).availability()
        assert not known.available and "fails on a tiny MINLP" in known.reason and reason in known.reason


@pytest.mark.parametrize("name", EXACT)
def test_without_its_package_or_program_a_solver_is_missing_at_once(name: str, monkeypatch: Any) -> None:
    def missing(package: str) -> str:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr("dashf_pyomo.backends.exact.version", missing)
    monkeypatch.setattr("shutil.which", lambda program: None)
    monkeypatch.setattr(subprocess, "Popen", None)
    monkeypatch.setattr(backends[name], "_known", None)
    known = backends[name].availability()
    assert not known.available and "is not installed" in known.reason


def test_a_formulation_in_pyomo_goes_to_the_exact_backends() -> None:
    formulation = Formulation(
        "thing", Subproblem.JOINT, Kind.EXACT, frozenset({Feature.MINLP}), "", "", {Language.PYOMO: pyo.ConcreteModel}
    )
    working = [name for name in EXACT if backends[name].availability().available]
    assert [one.name for _, one in capable_backends(formulation)] == working


def test_importing_us_does_not_import_pyomo() -> None:
    program = "import sys, dashf_pyomo, formulations; from dashf_pyomo.backends import backends; list(backends)"
    program += "; sys.exit(any(name.split('.')[0] in ('pyomo', 'pyscipopt', 'gurobipy') for name in sys.modules))"
    subprocess.run([sys.executable, "-c", program], check=True)


# -- the real ones ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PACKAGED)
def test_the_optimum_is_found_and_proved(name: str) -> None:
    model = quartic(2)
    outcome = real(name).solve(model, BackendLimits(time_limit=30.0, threads=1, gap=1e-4))
    assert outcome.status is OutcomeStatus.SOLVED, outcome.message
    assert outcome.message == "" and outcome.backend == name and outcome.log
    assert outcome.solver_time is not None and outcome.nodes is not None
    assert outcome.objective == pytest.approx(QUARTIC, rel=2e-4)
    assert outcome.bound == pytest.approx(QUARTIC, rel=2e-4) and outcome.bound >= QUARTIC - 1e-5
    assert pyo.value(model.value) == pytest.approx(outcome.objective, rel=1e-6)
    assert outcome.trace[-1][1:] == (outcome.objective, outcome.bound)
    assert pyo.value(model.share.body) <= 3.0 + 1e-6


@pytest.mark.parametrize("name", PACKAGED)
def test_infeasible_is_told_apart(name: str) -> None:
    model = tiny_minlp()
    model.more = pyo.Constraint(expr=model.x * model.y >= 6)
    outcome = real(name).solve(model)
    assert outcome.status is OutcomeStatus.INFEASIBLE and outcome.points == () and outcome.bound is None


@pytest.mark.parametrize("name", PACKAGED)
def test_the_time_limit_keeps_the_incumbent_and_the_bound(name: str) -> None:
    model = quartic(10)
    start = time.monotonic()
    outcome = real(name).solve(model, BackendLimits(time_limit=2.0, gap=1e-9))
    assert time.monotonic() - start < 4.0
    assert outcome.status is OutcomeStatus.TIME_LIMIT, outcome.message
    assert outcome.points and outcome.objective is not None and outcome.bound is not None
    assert outcome.bound >= outcome.objective
    assert pyo.value(model.value) == pytest.approx(outcome.objective, rel=1e-5)
    assert len(outcome.trace) > 1


@pytest.mark.parametrize("name", PACKAGED)
def test_the_start_is_the_first_incumbent(name: str) -> None:
    model = quartic(10)
    solver = real(name)
    for variable in model.component_data_objects(pyo.Var):
        variable.value = 0.0 if variable.is_binary() else 0.37
    start = pyo.value(model.value)

    def enough(progress: SolverProgress) -> None:
        if progress.objective is not None:
            found.append(progress.objective)
            raise StopIteration

    found: list[float] = []
    for warm in (True, False):
        with pytest.raises(StopIteration):
            solver.solve(model.clone(), BackendLimits(time_limit=10.0), warm_start=warm, watch=enough)
    assert found[0] >= start - 1e-4
    assert name == "maingo" or found[0] == pytest.approx(start, rel=1e-4)  # MAiNGO searches from it before it tells
    assert name == "maingo" or found[1] != pytest.approx(start, rel=1e-4)


@pytest.mark.parametrize("name", PACKAGED)
def test_nothing_reaches_standard_output_or_the_directory(
    name: str, capfd: pytest.CaptureFixture[str], tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert real(name).solve(tiny_minlp()).objective == pytest.approx(TINY_MINLP_VALUE)
    assert capfd.readouterr().out == ""
    assert [*tmp_path.iterdir()] == []


def test_maingo_refuses_variables_without_bounds() -> None:
    model = tiny_minlp()
    model.free = pyo.Var(bounds=(0, None))
    model.row = pyo.Constraint(expr=model.free >= model.x)
    outcome = real("maingo").solve(model)
    assert outcome.status is OutcomeStatus.FAILED
    assert outcome.message == "maingo: needs bounds on every variable; free has none"


def test_the_log_of_maingo_is_read_on_the_safe_side() -> None:
    row = "        100    -8.978072e+01    -3.219769e+01        101     5.758303e+01     1.788421e+00     7.6e-01"
    progress = maingo._read(row, -1)
    assert progress is not None and progress.nodes == 100
    assert progress.bound is not None and 89.78072 < progress.bound < 89.7809
    assert progress.objective is not None and 32.1976 < progress.objective < 32.19769
    found = maingo._read("      Found feasible point with objective value -26.9192", 1)
    assert found is not None and found.objective == pytest.approx(-26.9192, rel=1e-4) and found.bound is None
    assert maingo._read("  Iteration        LBD              UBD        NodesLeft", 1) is None


def test_gurobi_says_that_the_model_is_too_large_for_its_licence() -> None:
    model = pyo.ConcreteModel()
    model.x = pyo.Var(range(2500), bounds=(0, 1))
    model.value = pyo.Objective(expr=sum(model.x[i] * model.x[i + 1] for i in range(2499)))
    outcome = real("gurobi").solve(model, BackendLimits(time_limit=10.0))
    if outcome.status is OutcomeStatus.SOLVED:
        pytest.skip("there is a full licence")
    assert outcome.message == f"gurobi: {gurobi._TOO_LARGE}"


def test_the_classic_interface_serves_for_programs() -> None:
    """BARON and its like are not here; Pyomo's classic face of SCIP stands in for them."""
    real("scip")
    model = tiny_minlp()
    outcome = fake(partial(search_classic, "scip_direct")).solve(model, BackendLimits(time_limit=10.0))
    assert outcome.status is OutcomeStatus.SOLVED, outcome.message
    assert outcome.objective == pytest.approx(TINY_MINLP_VALUE) == outcome.bound
    assert pyo.value(model.value) == pytest.approx(TINY_MINLP_VALUE)


#: Optimal value of ``quartic(2)``, on which SCIP, MAiNGO and Gurobi agree.
QUARTIC = 2.0841585
