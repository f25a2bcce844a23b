"""One script in Pyomo's own idiom, run with our solvers and with `scip_direct`, in both interfaces."""

from __future__ import annotations

import io
import logging
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyomo.environ as pyo
import pytest
from plugin_helpers import CLASSIC, FORMULATIONS, NEW, SCENARIO, TINY, build, need_scip, solve, values
from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition
from pyomo.contrib.solver.common.util import NoOptimalSolutionError
from pyomo.opt import SolverStatus
from pyomo.opt import TerminationCondition as ClassicCondition

import dashf_pyomo
from dashf_pyomo.algorithms import OptionError, methods
from dashf_pyomo.plugins.pyomo.results import objective_bound
from dashf_pyomo.plugins.solver_names import solver_name
from formulations import InputError, evaluate, joint
from formulations.association.pair_resources import equal_split

pytestmark = pytest.mark.slow

#: Solver, an option that it takes, and whether it proves its solution optimal.
SOLVERS = [
    ("scip_direct", {"limits/nodes": 10_000}, True),
    ("dashf_minlp", {"tangent_error": 1e-3}, True),
    ("dashf", {"association": "hull"}, False),
    ("dashf_gucro", {"epsilon": 1e-3}, False),
]


def classic_script(name: str, options: dict[str, Any]) -> tuple[Any, Any]:
    """What Pyomo's users write; whatever differs between solvers is returned, the rest is asserted."""
    model = build("activity", TINY)
    before = values(model)
    with CLASSIC(name) as opt:
        assert opt.available(exception_flag=False)
        results = opt.solve(
            model, load_solutions=False, symbolic_solver_labels=True, options=options, timelimit=60, tee=False
        )
        assert values(model) == before
        model.solutions.load_from(results)
        assert values(model) != before
        assert pyo.value(model.objective) == pytest.approx(results.problem.lower_bound, rel=1e-6)
        again = opt.solve(model)
    assert results.problem.sense == pyo.maximize
    assert results.problem.lower_bound <= results.problem.upper_bound * (1 + 1e-6)
    assert results.solver.status == SolverStatus.ok
    assert sum(model.x[0, k].value for k in model.servers) == pytest.approx(1.0)
    assert again.problem.lower_bound == pytest.approx(results.problem.lower_bound, rel=1e-3)
    assert results.timing_info["wall_time"] > 0
    return model, results


@pytest.mark.parametrize(("name", "options", "proves"), SOLVERS, ids=[entry[0] for entry in SOLVERS])
def test_the_classic_script_is_the_same_for_all(name: str, options: dict[str, Any], proves: bool) -> None:
    need_scip()
    _, results = classic_script(name, options)
    assert pyo.check_optimal_termination(results) is proves
    if proves:
        pyo.assert_optimal_termination(results)
        assert results.problem.upper_bound == pytest.approx(results.problem.lower_bound, rel=2e-3)
        assert results.problem.upper_bound == pytest.approx(0.70263, rel=1e-3)
    else:
        with pytest.raises(RuntimeError, match="failed to return an optimal"):
            pyo.assert_optimal_termination(results)
        assert results.solver.termination_condition == ClassicCondition.feasible
        assert results.problem.upper_bound == math.inf
        assert str(results.solution(0).status) == "feasible"


@pytest.mark.parametrize(("name", "options", "proves"), SOLVERS, ids=[entry[0] for entry in SOLVERS])
def test_the_new_script_is_the_same_for_all(name: str, options: dict[str, Any], proves: bool) -> None:
    need_scip()
    model, log = build("activity", TINY), io.StringIO()
    opt = NEW(name)
    opt.config.time_limit = 60
    results = opt.solve(model, tee=log, solver_options=options, symbolic_solver_labels=True, load_solutions=False)
    assert model.delay.value is None
    assert results.termination_condition is TerminationCondition.convergenceCriteriaSatisfied
    assert results.solution_status is (SolutionStatus.optimal if proves else SolutionStatus.feasible)
    assert pyo.check_optimal_termination(results) is proves
    results.solution_loader.load_vars()
    assert pyo.value(model.objective) == pytest.approx(results.incumbent_objective, rel=1e-6)
    assert results.objective_bound >= results.incumbent_objective * (1 - 1e-6)
    assert math.isfinite(results.objective_bound) is proves
    assert log.getvalue() and log.getvalue() in results.solver_log + "\n"
    assert results.solver_name == name and results.solver_version == opt.version()
    assert results.timing_info.wall_time > 0 and results.timing_info.start_timestamp.tzinfo is not None
    assert opt.config.time_limit == 60 and not opt.config.solver_options


@pytest.mark.parametrize("name", ["scip_direct", "dashf_minlp", "dashf_plus"])
def test_a_time_limit_that_is_too_short_raises_unless_told_not_to(name: str) -> None:
    need_scip()
    model = build("activity", SCENARIO)
    opt = NEW(name, time_limit=0.3)
    with pytest.raises(NoOptimalSolutionError):
        opt.solve(model)
    results = opt.solve(model, raise_exception_on_nonoptimal_result=False, load_solutions=False)
    assert results.termination_condition is TerminationCondition.maxTimeLimit
    assert results.solution_status is not SolutionStatus.optimal
    classic = CLASSIC(name).solve(model, timelimit=0.3, load_solutions=False)
    assert classic.solver.termination_condition == ClassicCondition.maxTimeLimit
    assert classic.solver.status == SolverStatus.aborted


# -- every method -----------------------------------------------------------------------------


@pytest.mark.parametrize("factory", [CLASSIC, NEW], ids=["classic", "new"])
def test_every_method_is_registered(factory: Any) -> None:
    for name, method in methods.items():
        opt = factory(solver_name(name))
        assert opt.method is method
        assert opt.name == solver_name(name)
    assert [solver_name(name) for name in ("dashf", "dashf-plus", "minlp")] == ["dashf", "dashf_plus", "dashf_minlp"]


@pytest.mark.parametrize("name", [name for name in methods if not methods[name].proves_bounds])
@pytest.mark.parametrize("formulation", ["literal", "convexified"])
def test_a_heuristic_claims_no_bound_and_loads_what_the_evaluator_confirms(name: str, formulation: str) -> None:
    # Built with a bad allocation, the model admits what bad methods find.
    baselines = [dashf_pyomo.solve(SCENARIO, baseline) for baseline in ("rucaa", "gucaa", "nearest")]
    model = build(formulation, known=min(baselines, key=lambda result: result.scr).allocation)
    results = solve(solver_name(name), model)
    assert results.solution_status is SolutionStatus.feasible
    assert results.objective_bound == math.inf and results.extra_info.rel_gap is None
    assert not results.extra_info.violated and not results.extra_info.cut_away
    found = evaluate(SCENARIO, joint.read(model))
    assert found.feasible
    assert found.scr == pytest.approx(results.extra_info.scr, rel=1e-6)
    unit = joint.info(model).data.scr_unit
    assert results.incumbent_objective * unit == pytest.approx(results.extra_info.scr, rel=1e-6)
    assert results.extra_info.iteration_count == results.extra_info.result.iterations


@pytest.mark.parametrize("formulation", ["activity", "parametric"])
def test_a_proven_bound_is_one_on_the_models_own_objective(formulation: str) -> None:
    model = build(formulation)
    results = solve("dashf_dual", model, rel_gap=0.1, time_limit=250)
    assert results.solution_status in (SolutionStatus.feasible, SolutionStatus.optimal)
    assert math.isfinite(results.objective_bound)
    assert results.objective_bound >= results.incumbent_objective
    best = build(formulation)
    solve("dashf_plus", best)
    assert pyo.value(best.objective) <= results.objective_bound * (1 + 1e-9)
    assert results.extra_info.upper_bound >= results.extra_info.scr
    assert "dual" in results.extra_info.bound_source


@pytest.mark.parametrize("ratio", [1.0, 300.0, 5000.0])
def test_a_bound_on_the_scr_bounds_every_objective_score_minus_y_cost(ratio: float) -> None:
    model = build("parametric", ratio=ratio)
    found, rng = joint.info(model), np.random.default_rng(0)
    evaluations = []
    for _ in range(40):
        start = equal_split(SCENARIO, rng.integers(2, size=3), rng.choice([0.0, 1.0, rng.uniform()], 3))
        evaluations.append(evaluate(SCENARIO, start))
    best = max(e.scr for e in evaluations)
    bound = objective_bound(found, best)
    gaps = [bound - (e.score - ratio * e.score / e.scr) / SCENARIO.score_scale for e in evaluations]
    assert min(gaps) >= -1e-9
    assert objective_bound(found, None) == math.inf


def test_an_interrupted_run_keeps_what_it_had() -> None:
    def interrupt(entry: Any) -> None:
        if entry.iteration == 1:
            raise KeyboardInterrupt

    model = build("activity")
    results = solve("dashf", model, observer=interrupt)
    assert results.termination_condition is TerminationCondition.interrupted
    assert results.solution_status is SolutionStatus.feasible
    assert results.extra_info.scr == pytest.approx(evaluate(SCENARIO, joint.read(model)).scr)
    classic = CLASSIC("dashf").solve(model, observer=interrupt)
    assert classic.solver.termination_condition == ClassicCondition.resourceInterrupt


def test_what_is_worse_than_the_model_admits_is_said_to_be() -> None:
    results = solve("dashf_gucro", build("activity"))
    assert results.solution_status is SolutionStatus.feasible
    assert results.extra_info.cut_away
    assert "below the 475.585" in results.extra_info.message


# -- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kept", "passed"),
    [
        ("scip_direct", {"limits/nodes": 10_000}, {"limits/gap": 1e-4}),
        ("dashf", {"association": "hull"}, {"epsilon": 1e-3}),
        ("dashf_gucro", {"epsilon": 1e-3}, {"inner_epsilon": 1e-3}),
    ],
)
def test_what_is_set_on_the_solver_stays_and_what_one_call_is_given_goes(
    name: str, kept: dict[str, Any], passed: dict[str, Any]
) -> None:
    if name == "scip_direct":
        need_scip()
    model, opt = build("activity", TINY), NEW(name)
    opt.config.solver_options.set_value(kept)
    results = opt.solve(model, solver_options={**kept, **passed}, time_limit=60)
    assert results.solver_config.solver_options.value() == {**kept, **passed}
    assert opt.config.solver_options.value() == kept and opt.config.time_limit is None
    if name == "scip_direct":
        return  # Pyomo's own classic wrapper keeps what one call is given
    classic = CLASSIC(name)
    classic.options.update(kept)
    called = classic.solve(model, options=passed, timelimit=60).extra_info["result"]
    assert kept.items() | passed.items() <= called.options.items()
    assert classic.options.value() == kept and classic.config.time_limit is None
    after = classic.solve(model).extra_info["result"]
    assert kept.items() <= after.options.items() and not passed.items() <= after.options.items()


def test_options_of_one_call_do_not_leak_into_the_next() -> None:
    model, opt = build("activity"), CLASSIC("dashf", options={"association": "hull"})
    opt.options["max_iterations"] = 2
    called = opt.solve(
        model, options={"max_iterations": 1, "time_limit": 30, "rel_gap": 0.5}, threads=1, accept="always"
    ).extra_info["result"]
    assert (called.options["max_iterations"], called.options["association"]) == (1, "hull")
    assert called.options["accept"] == "always"
    after = opt.solve(model).extra_info["result"]
    assert (after.options["max_iterations"], after.options["association"]) == (2, "hull")
    assert after.options["accept"] == "best"
    assert opt.config.time_limit is None and opt.config.rel_gap is None and opt.config.threads is None
    assert opt.options.value() == {"association": "hull", "max_iterations": 2}


def test_a_call_that_fails_leaves_the_options_as_they_were() -> None:
    model, opt = build("activity"), CLASSIC("dashf")
    with pytest.raises(OptionError, match="unknown option 'salad'"):
        opt.solve(model, options={"salad": 1, "max_iterations": 1})
    assert opt.options.value() == {}
    assert opt.solve(model).extra_info["result"].options["max_iterations"] == 50


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"abs_gap": 0.1}, "rel_gap"),
        ({"time_limit": 0}, "time limit"),
        ({"rel_gap": 2}, "gap"),
        ({"certificate": "c.npz"}, "writes no certificate"),
        ({"solver_options": {"time_limit": "soon"}}, "time_limit"),
        ({"threads": -1}, "threads = -1"),
        ({"on_extension": "salad"}, "on_extension = 'salad'"),
    ],
)
def test_options_that_cannot_be_are_refused_in_a_line(options: dict[str, Any], said: str) -> None:
    for factory in (NEW, CLASSIC):
        with pytest.raises(InputError, match=said) as caught:
            factory("dashf").solve(build("activity"), **options)
        assert "\n" not in str(caught.value)


def test_a_warm_start_that_no_method_takes_is_said_to_be_ignored(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "dashf_pyomo"):
        CLASSIC("dashf_nearest").solve(build("activity"), warmstart=True)
    assert "warmstart is ignored" in caplog.text


def test_suffixes_for_duals_are_emptied_not_fatal() -> None:
    for load in (True, False):
        model = build("activity")
        model.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
        model.rc = pyo.Suffix(direction=pyo.Suffix.IMPORT)
        model.dual[model.assignment[0]] = 3.0
        results = CLASSIC("dashf").solve(model, load_solutions=load)
        assert results.solver.termination_condition == ClassicCondition.feasible
        assert load is False or len(model.dual) == 0


def test_the_log_goes_to_whoever_asked_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    model, seen = build("activity"), []
    quiet = NEW("dashf").solve(model, observer=seen.append)
    assert capsys.readouterr().out == ""
    assert len(seen) == len(quiet.extra_info.trace)
    logger = logging.getLogger("test_pyomo_idiom")
    NEW("dashf").solve(model, tee=[True, logger])
    shown = capsys.readouterr().out
    assert "kept iterate 1" in shown and "SCR" in shown


def test_classic_keywords_that_pyomos_wrapper_leaves_out_are_there(tmp_path: Path) -> None:
    model = build("activity")
    results = CLASSIC("dashf").solve(model, suffixes=["dual"], logfile=str(tmp_path / "run.log"), keepfiles=False)
    assert "kept iterate 1" in (tmp_path / "run.log").read_text(encoding="utf-8")
    assert results.problem.number_of_variables == len(values(model))
    assert results.problem.number_of_constraints > 50
    sent = pickle.loads(pickle.dumps(results))
    assert sent.extra_info["scr"] == results.extra_info["scr"]
    assert sent.solver.termination_condition == ClassicCondition.feasible


def test_fixed_variables_keep_their_values_when_a_solution_is_loaded() -> None:
    model = build("activity")
    model.x[0, 1].fix(1e-9)  # closed already, so no change
    CLASSIC("dashf").solve(model)
    assert model.x[0, 1].fixed and model.x[0, 1].value == 1e-9


def test_a_joint_model_can_be_pickled_by_value_and_solved_after() -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    for name in FORMULATIONS:
        copy = pickle.loads(cloudpickle.dumps(build(name)))
        assert solve("dashf", copy).solution_status is SolutionStatus.feasible
