"""Extra constraints of a scenario: they bind, methods agree with brute force, and what cannot honour them refuses."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute_force import best_scr
from helpers import assert_clear

import dashf_pyomo
from dashf_pyomo.algorithms import methods
from dashf_pyomo.backends import backends
from dashf_pyomo.certificate import Certificate, verify
from dashf_pyomo.check import check
from dashf_pyomo.result import Result
from formulations import ALL_EXTRAS, Extra, InputError, Scenario, evaluate, joint
from formulations.association.pair_resources import equal_split
from formulations.formulation import Subproblem, formulations

#: What is declared, and the kind that it is of. Each binds at the best allocation of its scenario without it.
TINY: list[tuple[int, int, int, dict[str, Any], Extra]] = [
    (1, 2, 0, {"forbidden": [[0, 1]]}, Extra.ASSOCIATION),
    (2, 1, 1, {"delay_limit": [17.0, None]}, Extra.DELAY),
    (2, 1, 1, {"server_energy": 390.0}, Extra.ENERGY),
    (2, 1, 1, {"uplink_rate": [None, 5.4e6]}, Extra.RATE),
    (2, 1, 1, {"downlink_rate": [None, 9.2e6]}, Extra.RATE),
]


@functools.cache
def solved(users: int, servers: int, seed: int, method: str) -> Result:
    """The answer without extra constraints; several cases share it."""
    return dashf_pyomo.solve(Scenario.random(users, servers, seed), method, time_limit=60, gap=5e-3)


def scip() -> None:
    if not backends["scip"].availability().available:
        pytest.skip(backends["scip"].availability().reason)


@pytest.mark.slow
@pytest.mark.parametrize(("users", "servers", "seed", "declared", "kind"), TINY)
def test_an_extra_constraint_changes_answers_and_methods_agree_with_brute_force(
    users: int, servers: int, seed: int, declared: dict[str, Any], kind: Extra
) -> None:
    scip()
    limited = Scenario.random(users, servers, seed, constraints=declared)
    assert limited.constraints is not None and limited.constraints.kinds == {kind}
    best = best_scr(limited, 2)  # which find what twelve do
    assert best > 0
    exact = dashf_pyomo.solve(limited, "minlp", time_limit=60, gap=5e-3)
    plus = dashf_pyomo.solve(limited, "dashf-plus")
    for result in (exact, plus):
        assert result.allocation is not None and result.scr is not None
        assert evaluate(limited, result.allocation).feasible
        assert result.scr == pytest.approx(best, rel=1e-3)
        without = solved(users, servers, seed, result.method)
        assert without.allocation is not None and without.scr is not None
        assert without.scr > result.scr * (1 + 5e-4)
        broken = evaluate(limited, without.allocation)
        assert not broken.feasible and broken.violations[0].extra
    assert exact.upper_bound is not None and exact.upper_bound >= best * (1 - 1e-6)
    assert exact.status == "certified"


#: All that limit something by a number, at once.
TOGETHER = {"delay_limit": 25.0, "server_energy": 800.0, "uplink_rate": [None, 4e6], "downlink_rate": 7e6}


@pytest.fixture(scope="module")
def best_together() -> float:
    return best_scr(Scenario.random(2, 1, 1, constraints=TOGETHER), 5)


@pytest.mark.slow
@pytest.mark.parametrize("formulation", ["activity", "convexified"])
def test_bounds_of_joint_models_stay_above_what_is_feasible_with_all_constraints_at_once(
    formulation: str, best_together: float
) -> None:
    scip()
    limited = Scenario.random(2, 1, 1, constraints=TOGETHER)
    result = dashf_pyomo.solve(limited, "minlp", formulation=formulation, time_limit=5)
    assert result.allocation is not None and "CONTRADICTION" not in result.message
    assert result.upper_bound is not None and result.upper_bound >= best_together * (1 - 1e-6)


@pytest.mark.parametrize("formulation", ["literal", "parametric"])
def test_rows_of_the_printed_model_hold_exactly_where_the_evaluator_says_so(formulation: str) -> None:
    import pyomo.environ as pyo

    free = Scenario.random(2, 2, 1)
    known = equal_split(free, np.array([0, 1]), np.array([0.4, 0.6]))
    e = evaluate(free, known)
    limits = {
        "delay_limit": (e.user_delay * 1.1).tolist(),
        "server_energy": ((e.energy_server + e.energy_downlink) * 1.1).tolist(),
        "uplink_rate": (free.bits * known.offload / e.time_uplink / 1.1).tolist(),
        "downlink_rate": (free.bits * (1 - known.offload) / e.time_downlink / 1.1).tolist(),
    }
    limited = Scenario.random(2, 2, 1, constraints=limits)
    model = getattr(joint, formulation)(limited, known=known)
    rows = [model.extra[i] for i in model.extra]
    assert len(rows) == 2 * (1 + 2 * 2) + 2
    rng, seen = np.random.default_rng(0), set()
    for _ in range(40):
        parts = {name: getattr(known, name) * rng.uniform(0.5, 1.0, 2) for name in ("bandwidth", "server_power")}
        parts |= {name: getattr(known, name) * rng.uniform(0.7, 1.0, 2) for name in ("server_speed", "user_power")}
        other = replace(known, offload=rng.uniform(0.3, 0.7, 2), **parts)
        joint.set_values(model, other)
        judged, unit = evaluate(limited, other), model.dashf.data.pairs.time_unit
        for n in range(2):
            model.local_time[n].set_value(judged.time_local[n] / unit, skip_validation=True)
            for k in range(2):
                here = float(other.server[n] == k)
                model.width[n, k].set_value(model.bandwidth[n, k].value + 1.0 - here, skip_validation=True)
                for label, value in (
                    ("uplink_time", judged.time_uplink),
                    ("server_time", judged.time_server),
                    ("downlink_time", judged.time_downlink),
                ):
                    getattr(model, label)[n, k].set_value(here * value[n] / unit, skip_validation=True)
                if not here:  # an idle pair needs some bandwidth to have a rate at all
                    model.bandwidth[n, k].set_value(1.0, skip_validation=True)
        kinds = ["(X3)"] * 8 + ["(X1)"] * 2 + ["(X4)"] * 2
        broken = {kind for kind, row in zip(kinds, rows, strict=True) if pyo.value(row.slack()) < -1e-9}
        assert broken == {violation.constraint[:4] for violation in judged.violations if violation.extra}
        seen |= broken
    assert seen == {"(X1)", "(X3)", "(X4)"}


#: Methods that have to honour all of our limits; the rest may refuse.
HONOURING = {"dashf", "dashf-plus", "minlp", "dual", "bnp"}


@pytest.mark.slow
@pytest.mark.parametrize("method", [*methods])
def test_a_method_honours_all_constraints_or_refuses_in_one_line(method: str) -> None:
    scenario = Scenario.random(2, 2, 0, constraints={"delay_limit": 300.0, "forbidden": [[0, 1]]})
    if method in HONOURING:
        if method == "minlp":
            scip()
        result = dashf_pyomo.solve(scenario, method, time_limit=60, gap=0.1)
        assert result.allocation is not None and evaluate(scenario, result.allocation).feasible
        assert result.allocation.server[0] == 0
        return
    with pytest.raises(InputError) as caught:
        dashf_pyomo.solve(scenario, method)
    assert_clear(caught.value, f"method {method}", "delay limit", "expected")
    assert ("association" in str(caught.value)) is not (Extra.ASSOCIATION in methods[method].supports)


@pytest.mark.slow
@pytest.mark.parametrize(("users", "servers", "seed", "declared", "kind"), TINY)
def test_bounds_of_dual_are_those_of_the_limited_problem(
    users: int, servers: int, seed: int, declared: dict[str, Any], kind: Extra
) -> None:
    limited = Scenario.random(users, servers, seed, constraints=declared)
    best = best_scr(limited, 2)
    result = dashf_pyomo.solve(limited, "dual", gap=1e-3)
    assert result.allocation is not None and evaluate(limited, result.allocation).feasible
    assert result.bound_of == "" and "CONTRADICTION" not in result.message
    # Below what is reached without the limit: the limit is in the bound.
    assert best * (1 - 1e-6) <= result.upper_bound < solved(users, servers, seed, "dashf-plus").scr


@pytest.mark.slow
def test_bounds_and_certificates_of_dual_hold_for_the_pairs_that_are_allowed(tmp_path: Path) -> None:
    server = solved(2, 2, 0, "dashf-plus").allocation.server
    limited = Scenario.random(2, 2, 0, constraints={"forbidden": [[0, int(server[0])]]})
    best = best_scr(limited, 4)  # all corners of phi
    result = dashf_pyomo.solve(limited, "dual", gap=0.1, certificate=str(tmp_path / "c.npz"))
    assert result.allocation is not None and result.allocation.server[0] != server[0]
    assert best * (1 - 1e-6) <= result.upper_bound < solved(2, 2, 0, "dashf-plus").scr
    assert "CONTRADICTION" not in result.message
    proven = verify(limited, Certificate.read(tmp_path / "c.npz"))
    assert best * (1 - 1e-6) <= proven.bound <= result.upper_bound


def test_nearest_takes_the_strongest_server_that_is_allowed() -> None:
    strongest = int(np.argmax(Scenario.random(3, 3, 0).channel_gain[1]))
    scenario = Scenario.random(3, 3, 0, constraints={"forbidden": [[1, strongest]]})
    result = dashf_pyomo.solve(scenario, "nearest")
    gains = np.delete(scenario.channel_gain[1], strongest)
    assert scenario.channel_gain[1, result.allocation.server[1]] == gains.max()


@pytest.mark.parametrize(
    ("association", "allocation", "rounding"),
    [
        ("hull", "fp", "hungarian"), ("hull", "fp", "argmax"), ("hull", "fp", "randomised"), ("milp", "nlp", "argmax"),
        ("sdr-chordal", "joint-nlp", "hungarian"), ("sdr", "fp", "hungarian"), ("sdr-rlt", "nlp", "randomised"),
    ],
)  # fmt: skip
def test_every_part_of_dashf_keeps_forbidden_pairs_empty(association: str, allocation: str, rounding: str) -> None:
    scenario = Scenario.random(5, 3, 4, constraints={"forbidden": [[0, 0], [0, 2], [3, 1]], "forced": [[4, 1]]})
    result = dashf_pyomo.solve(
        scenario, "dashf", association=association, allocation=allocation, rounding=rounding, max_iterations=3
    )
    assert result.allocation is not None
    server = result.allocation.server
    assert server[0] == 1 and server[3] != 1 and server[4] == 1


@pytest.mark.slow
def test_two_users_are_turned_at_once_where_turning_either_alone_is_worse() -> None:
    if not backends["scip"].availability().available:
        pytest.skip("SCIP is not installed")
    scenario = Scenario.random(2, 1, 948, constraints={"uplink_rate": [21714686.26591911, None]})
    found = dashf_pyomo.solve(scenario, "dashf-plus")
    proven = dashf_pyomo.solve(scenario, "minlp", gap=5e-3, time_limit=60)
    assert found.scr == pytest.approx(proven.scr, rel=1e-6)
    assert np.round(found.allocation.offload).tolist() == [0.0, 1.0]
    without = dashf_pyomo.solve(scenario, "dashf-plus", moves=2)  # the single turns
    assert without.scr < 0.98 * found.scr


def test_a_formulation_that_says_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = replace(formulations["association/hull"], name="silent", supports=frozenset())
    formulations["association/hull"]
    monkeypatch.setitem(formulations._entries, "association/silent", silent)
    scenario = Scenario.random(3, 2, 0, constraints={"delay_limit": 300.0})
    with pytest.raises(InputError) as caught:
        dashf_pyomo.solve(scenario, "dashf", association="silent")
    assert_clear(caught.value, "dashf", "delay limit")
    assert dashf_pyomo.solve(Scenario.random(3, 2, 0), "dashf", association="silent", max_iterations=1).allocation


def test_all_of_our_formulations_support_all_constraints() -> None:
    parts = (Subproblem.ASSOCIATION, Subproblem.RESOURCES, Subproblem.JOINT)
    ours = [entry for entry in formulations.values() if entry.subproblem in parts]
    assert ours and [entry.name for entry in ours if not entry.supports >= ALL_EXTRAS] == []


def test_a_limit_that_nobody_can_meet_is_infeasible_and_the_claim_is_checked() -> None:
    scenario = Scenario.random(3, 2, 0, constraints={"delay_limit": [None, 1e-3, None]})
    result = dashf_pyomo.solve(scenario, "dashf-plus")
    assert result.status == "infeasible" and result.allocation is None and "user 1" in result.message
    assert all(finding.holds for finding in check(scenario, result.to_dict(), "r.json"))
    other = Scenario.random(3, 2, 0, constraints={"delay_limit": 500.0})
    document = replace(result, scenario_sha256=other.sha256).to_dict()
    assert not all(finding.holds for finding in check(other, document, "r.json"))


def test_the_evaluator_names_every_broken_constraint() -> None:
    free = Scenario.random(2, 2, 0)
    start = equal_split(free, np.array([0, 1]), np.array([0.0, 0.5]))
    declared = {
        "delay_limit": [1.0, None], "uplink_rate": 1e12, "downlink_rate": [None, 1e12],
        "server_energy": [1.0, None], "forbidden": [[0, 0]],
    }  # fmt: skip
    found = evaluate(Scenario.random(2, 2, 0, constraints=declared), start)
    said = {(violation.constraint[:4], violation.where) for violation in found.violations}
    assert said == {
        ("(X1)", "user 0"), ("(X2)", "user 0 at server 0"), ("(X3)", "user 0"), ("(X3)", "user 1"),
        ("(X4)", "server 0"),
    }  # fmt: skip
    assert all(violation.extra for violation in found.violations) and not found.feasible
    assert found.scr == evaluate(free, start).scr
