"""The conformance suite of dashf-pyomo on what this package adds."""

import numpy as np
import pytest

import dashf_pyomo
from dashf_pyomo import conformance
from formulations import Scenario, evaluate, families
from formulations.allocation import merit

ENTRIES = [
    *conformance.matrix(formulation="resources/sca", backend="clarabel"),
    *conformance.matrix(formulation="resources/max-min", backend="clarabel"),
    *conformance.matrix(backend="scipy"),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_conforms(entry):
    if entry.skip_reason():
        pytest.skip(entry.skip_reason())
    entry.run()


def test_what_is_added_is_in_the_matrix():
    assert {entry.formulation.name for entry in ENTRIES} >= {"sca", "max-min", "hull"}
    assert "scipy" in {entry.backend.name for entry in ENTRIES}


def test_the_tighter_surrogate_climbs_at_least_as_far_in_one_step():
    from dashf_pyomo.backends import backends
    from formulations.formulation import formulations

    case = next(case for case in conformance.known_cases() if case.name.startswith("4x2"))
    reached = {}
    for name in ("fp", "sca"):
        model = formulations[f"resources/{name}"].faces["cvxpy"](case.scenario)
        model.update(case.start, case.ratio)
        assert backends["clarabel"].solve(model.problem).status.has_solution
        reached[name] = merit(case.scenario, model.solution(), case.ratio)
    assert reached["sca"] >= reached["fp"] - 1e-6 * abs(reached["fp"])


def test_fair_resources_help_the_worst_off():
    scenario = families.draw("stadium", 6, 2, 3, radius=50)
    dashf = dashf_pyomo.solve(scenario, "dashf", association="hull")
    fair = dashf_pyomo.solve(scenario, "fair")
    assert evaluate(scenario, fair.allocation).user_score.min() > evaluate(scenario, dashf.allocation).user_score.min()


def test_users_of_a_stadium_stand_on_a_ring():
    scenario = families.draw("stadium", 50, 2, 3, radius=50)
    middle = scenario.user_position.mean(axis=0)
    distance = np.hypot(*(scenario.user_position - middle).T)
    assert distance.min() > 30 and distance.max() < 70
    assert not np.array_equal(scenario.channel_gain, Scenario.random(50, 2, 3).channel_gain)
