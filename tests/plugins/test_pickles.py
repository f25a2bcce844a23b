"""Models, relaxations and results can be sent to other processes by plain pickle."""

from __future__ import annotations

import io
import multiprocessing
import pickle
from typing import Any

import pyomo.environ as pyo
import pytest
from plugin_helpers import FORMULATIONS, SCENARIO, SMALL, TINY, build, need_scip, solve
from pyomo.contrib.solver.common.results import SolutionStatus

import dashf_pyomo
from dashf_pyomo.plugins.pyomo.recognition import recognise
from formulations import Scenario, joint

pytestmark = pytest.mark.slow

#: Every kind of row that a formulation may state.
LIMITED = Scenario.random(
    3, 2, seed=0, constraints={"delay_limit": 60.0, "server_energy": 5e3, "uplink_rate": 1e6, "downlink_rate": 1e6}
)


@pytest.mark.parametrize("scenario", [SCENARIO, LIMITED], ids=["plain", "limited"])
@pytest.mark.parametrize("name", FORMULATIONS)
def test_a_joint_model_is_the_same_model_after_it_was_sent(name: str, scenario: Scenario) -> None:
    known = dashf_pyomo.solve(scenario, "dashf").allocation
    copy = pickle.loads(pickle.dumps(build(name, scenario, known=known)))
    assert recognise(copy).differences == ()
    assert joint.info(copy).scenario.sha256 == scenario.sha256
    assert solve("dashf", copy).solution_status is SolutionStatus.feasible


@pytest.mark.parametrize("options", [{}, {"delay_rows": "pairwise"}], ids=["aggregated", "pairwise"])
@pytest.mark.parametrize("name", ["hull", "sdr"])
def test_a_relaxation_is_the_same_relaxation_after_it_was_sent(name: str, options: dict[str, Any]) -> None:
    known = dashf_pyomo.solve(LIMITED, "dashf").allocation
    model = build("literal", LIMITED, known=known)
    relaxed = pyo.TransformationFactory(f"dashf.{name}").create_using(model, **options)
    copy = pickle.loads(pickle.dumps(relaxed))
    rows = [[str(row.expr) for row in m.component_data_objects(pyo.Constraint)] for m in (relaxed, copy)]
    assert rows[0] == rows[1] and rows[0]
    assert copy.dashf_origin.model is None and copy.dashf_origin.scenario.sha256 == LIMITED.sha256


@pytest.mark.parametrize("name", ["dashf", "dashf_dual", "dashf_minlp"])
def test_results_of_the_new_interface_say_the_same_after_they_were_sent(name: str) -> None:
    need_scip()
    model = build("activity", TINY)
    seen: list[Any] = []
    results = solve(name, model, tee=io.StringIO(), observer=seen.append, time_limit=60)
    copy = pickle.loads(pickle.dumps(results))
    plain = ("termination_condition", "solution_status", "incumbent_objective", "objective_bound", "solver_log")
    for entry in (*plain, "solver_name", "solver_version"):
        assert getattr(copy, entry) == getattr(results, entry)
    assert copy.extra_info.scr == results.extra_info.scr and copy.extra_info.result.scr == results.extra_info.result.scr
    assert copy.timing_info.wall_time == results.timing_info.wall_time
    assert copy.solver_config.time_limit == 60 and copy.solver_config.observer is None
    assert sorted(copy.solution_loader.get_vars().values()) == sorted(results.solution_loader.get_vars().values())


def scr(model: Any) -> tuple[float, Any]:
    """What a worker of a pool does."""
    results = solve("dashf", model)
    return results.extra_info.scr, results


def test_a_pool_of_spawned_processes_solves_models() -> None:
    models = [build(name, SMALL) for name in FORMULATIONS]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(scr, models)
    expected = dashf_pyomo.solve(SMALL, "dashf").scr
    assert [value for value, _ in found] == pytest.approx([expected] * len(models), rel=1e-6)
    assert all(results.solution_status is SolutionStatus.feasible for _, results in found)
