"""`dual` and `bnp` on scenarios with limits that have no prices: the bound of a named relaxation, or a refusal."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from air_time import SERVER_AIR_TIME, USER_AIR_TIME
from helpers import assert_clear

import dashf_pyomo
from dashf_pyomo.algorithms import configure, methods
from dashf_pyomo.algorithms.relaxed import RelaxedRun
from dashf_pyomo.algorithms.run import Limits, Run
from dashf_pyomo.algorithms.willing import advice, willing
from dashf_pyomo.certificate import Certificate
from dashf_pyomo.check import Finding, check
from dashf_pyomo.conformance.reference import reference_optimum
from dashf_pyomo.pictures import draw_result
from dashf_pyomo.result import Result
from formulations import Extra, InputError, Scenario, evaluate
from formulations.association.pair_resources import equal_split
from formulations.constraints import Limit
from formulations.objective import Aspect

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("air_time")]

RELAXED = "the scenario without its user air time"
FORCED: dict[str, Any] = {"forced": [[0, 0]]}
FREE = Scenario.random(2, 1, 1, constraints=FORCED)


def binding(**limits: Any) -> Scenario:
    """Return the scenario with a limit that binds: user 1 has its link for 12 s at the best allocation without it."""
    return Scenario.random(2, 1, 1, constraints={**FORCED, USER_AIR_TIME: [None, 4.0], **limits})


@functools.cache
def best_of_free() -> float:
    return reference_optimum(FREE).value


def findings(scenario: Scenario, result: Result, certificate: Certificate) -> dict[str, Finding]:
    return {finding.claim: finding for finding in check(scenario, result.to_dict(), "r.json", certificate)}


@pytest.fixture(scope="module")
def relaxed(tmp_path_factory: pytest.TempPathFactory, air_time: Limit) -> tuple[Result, Certificate]:
    place = tmp_path_factory.mktemp("relaxed") / "c.npz"
    result = dashf_pyomo.solve(binding(), "dual", relax=True, certificate=str(place))
    return result, Certificate.read(place)


@pytest.mark.parametrize("method", ["dual", "bnp"])
def test_without_being_asked_it_refuses_and_says_what_it_could_bound(method: str) -> None:
    with pytest.raises(InputError) as caught:
        dashf_pyomo.solve(binding(), method)
    assert_clear(caught.value, f"method {method}", "user air time", "expected", f"relax=true bounds {RELAXED}")


def test_the_bound_is_one_of_both_problems_and_the_allocation_keeps_the_limits(
    relaxed: tuple[Result, Certificate],
) -> None:
    result, _ = relaxed
    assert result.bound_source == f"dual: column generation with proven pricing, of {RELAXED}"
    assert result.bound_of == RELAXED and result.message.endswith(f"bound of {RELAXED}")
    assert result.allocation is not None and evaluate(binding(), result.allocation).feasible
    assert result.scr == pytest.approx(reference_optimum(binding()).value, rel=1e-3)
    assert result.upper_bound >= best_of_free() * (1 - 1e-6) > result.scr * (1 + 1e-3)
    assert result.status == "feasible"


@pytest.mark.parametrize("method", ["dual", "bnp"])
def test_limits_that_have_prices_stay_in_the_bound_where_others_are_left_out(method: str) -> None:
    both = binding(delay_limit=[15.0, None])  # the best delay without it is 16.8 s
    with pytest.raises(InputError) as caught:
        dashf_pyomo.solve(both, method)
    assert_clear(caught.value, f"relax=true bounds {RELAXED}")
    assert "delay limit" not in str(caught.value)
    result = dashf_pyomo.solve(both, method, relax=True)
    assert result.bound_of == RELAXED and evaluate(both, result.allocation).feasible
    timed = reference_optimum(both.without([Extra("user air time")])).value
    assert timed * (1 - 1e-6) <= result.upper_bound < best_of_free() * (1 - 1e-4)
    assert result.scr <= result.upper_bound and "CONTRADICTION" not in result.message


def test_its_certificate_is_one_of_the_relaxation_and_check_says_so(
    relaxed: tuple[Result, Certificate], tmp_path: Path
) -> None:
    result, certificate = relaxed
    assert certificate.scenario_sha256 == FREE.sha256
    found = findings(binding(), result, certificate)
    assert all(finding.holds for finding in found.values())
    assert found["upper bound"].checked and found["certificate"].detail.endswith(RELAXED)
    draw_result(binding(), result, tmp_path / "r.png")
    assert (tmp_path / "r.png").stat().st_size > 0


def test_what_the_certificate_is_not_of_is_said(relaxed: tuple[Result, Certificate]) -> None:
    result, certificate = relaxed
    # The same limits, but pairs or data that the certificate does not know.
    for other in (
        Scenario.random(2, 1, 1, constraints={USER_AIR_TIME: [None, 4.0]}),
        replace(binding(), weight_energy=FREE.weight_energy * (1 + 1e-12)),
    ):
        moved = replace(result, scenario_sha256=other.sha256)
        found = findings(other, moved, certificate)
        assert not found["certificate"].holds and "scenario_sha256" in found["certificate"].detail
        assert not found["upper bound"].holds
    # A bound of the relaxation must not pass for one of the scenario itself, nor the other way round.
    silent = replace(result, bound_source=methods["dual"].bound_source)
    assert not findings(binding(), silent, certificate)["upper bound"].holds
    without = replace(result, options={**result.options, "relax": False})
    assert not findings(binding(), without, certificate)["upper bound"].holds


def test_a_limit_that_does_not_bind_leaves_a_certified_optimum() -> None:
    limited = Scenario.random(2, 2, 0, constraints={USER_AIR_TIME: 1000.0})
    result = dashf_pyomo.solve(limited, "bnp", relax=True)
    assert result.status == "certified" and result.gap <= 1e-3
    assert evaluate(limited, result.allocation).feasible and result.bound_of == RELAXED
    # Where nothing has to be relaxed, it is the scenario itself.
    for declared in (None, {"delay_limit": 1000.0}):
        plain = dashf_pyomo.solve(Scenario.random(2, 2, 0, constraints=declared), "bnp", relax=True)
        assert plain.bound_source == methods["bnp"].bound_source and plain.bound_of == ""
        assert plain.status == "certified" and plain.scr == pytest.approx(result.scr, rel=1e-3)


def test_without_an_allocation_that_keeps_the_limits_there_still_is_the_bound() -> None:
    free, alone = Scenario.random(1, 1, 0), np.array([0])
    sends, receives = (
        float(e.time_uplink[0] + e.time_downlink[0])
        for e in (evaluate(free, equal_split(free, alone, np.array([phi]))) for phi in (1.0, 0.0))
    )
    assert sends > 1.01 * receives
    # The server has no energy to train, and the user takes too long to send what it trained: nobody can keep both.
    spent = {"server_energy": 1e-6}
    limited = Scenario.random(1, 1, 0, constraints={USER_AIR_TIME: 0.5 * (sends + receives), **spent})
    result = dashf_pyomo.solve(limited, "dual", relax=True)
    assert result.allocation is None and result.status == "unknown" and result.gap is None
    assert result.bound_of == RELAXED
    assert result.upper_bound >= reference_optimum(Scenario.random(1, 1, 0, constraints=spent)).value * (1 - 1e-6)
    assert "no allocation found that meets the extra constraints" in result.message
    assert all(finding.holds for finding in check(limited, result.to_dict(), "r.json"))


def test_limits_that_have_prices_and_that_nobody_can_keep_are_proven_infeasible() -> None:
    free, alone = Scenario.random(1, 1, 0), np.array([0])
    fastest = evaluate(free, equal_split(free, alone, np.array([1.0]))).delay
    # The server has no energy to train, and the user alone is too slow.
    limits = {"delay_limit": 0.9 * fastest, "server_energy": 1e-6}
    limited = Scenario.random(1, 1, 0, constraints=limits)
    result = dashf_pyomo.solve(limited, "dual")
    assert result.allocation is None and result.status == "infeasible" and "proven by prices" in result.message
    assert reference_optimum(limited).allocation is None
    for key, value in limits.items():  # either alone can be kept
        assert dashf_pyomo.solve(Scenario.random(1, 1, 0, constraints={key: value}), "dual").allocation is not None


def test_an_allocation_that_breaks_the_limits_refutes_a_bound_of_the_relaxation() -> None:
    run = Run(binding(), Limits())
    part = RelaxedRun(run, FREE)
    slow = equal_split(FREE, np.zeros(2, np.int64), np.array([0.0, 1.0]))
    slow = replace(slow, user_power=0.05 * slow.user_power)  # user 1 sends for 22 s
    assert part.record(slow).feasible and not run.has_incumbent
    assert part.record_bound(1e9, "by hand") and run.upper_bound == 1e9
    assert not part.record_bound(0.5 * part.incumbent[1], "by hand")
    assert run.upper_bound is None and len(run.contradictions) == 1
    assert f"by hand, of {RELAXED}" in [entry.refuted for entry in run._trace]


#: Scenarios, and what is advised where a bound is missing.
ADVISED: list[tuple[list[dict[str, Any] | None], str]] = [
    ([None], "dual proves one"),
    ([{"forbidden": [[0, 1]]}], "dual proves one"),
    ([None, {"delay_limit": 60.0}, {"server_energy": 9e3}], "dual proves one"),
    ([{USER_AIR_TIME: 60.0}], f"dual with relax=true proves one of {RELAXED}"),
    ([{USER_AIR_TIME: 60.0, "delay_limit": 60.0}], f"dual with relax=true proves one of {RELAXED}"),
    (
        [None, {USER_AIR_TIME: 60.0}, {SERVER_AIR_TIME: 90.0}],
        "dual with relax=true proves one of the scenario without its air time and user air time",
    ),
]


@pytest.mark.parametrize(("declared", "said"), ADVISED)
def test_advice_names_a_method_that_takes_the_scenarios(declared: list[dict[str, Any] | None], said: str) -> None:
    scenarios = [Scenario.random(3, 2, 0, constraints=constraints) for constraints in declared]
    assert advice(scenarios) == said
    assert not any(willing("dual", scenario)[1] for scenario in scenarios)


def test_rows_are_left_out_one_by_one_whatever_they_are_called() -> None:
    name = "busy, of the scenario without its sleep"
    busy = {"name": name, "at_most": 12.0, "terms": [{"attribute": "air_time"}]}
    spent = {"name": "spent", "at_most": 390.0, "terms": [{"attribute": "server_energy"}]}
    both = Scenario.random(2, 1, 1, constraints={**FORCED, "rows": [busy, spent]})
    priced = Scenario.random(2, 1, 1, constraints={**FORCED, "rows": [spent]})
    left_out = f"the scenario without its row {name!r}"
    assert advice([both]) == f"dual with relax=true proves one of {left_out}" and advice([priced]) == "dual proves one"
    result = dashf_pyomo.solve(both, "dual", relax=True, moves=0)
    assert result.bound_of == left_out and evaluate(both, result.allocation).feasible
    assert reference_optimum(priced).value * (1 - 1e-6) <= result.upper_bound < 0.96 * best_of_free()
    assert all(finding.holds for finding in check(both, result.to_dict(), "r.json"))


def test_the_relaxation_of_a_certificate_is_found_among_many_limits(tmp_path: Path) -> None:
    """Three of 30 rows are left out, of 2^30 sets that may be."""
    about = ["served"] * 27 + ["air_time"] * 3
    rows = [{"name": f"row {i}", "at_most": 1e6 + i, "terms": [{"attribute": a}]} for i, a in enumerate(about)]
    scenario = Scenario.random(1, 1, 0, constraints={"rows": rows})
    result = dashf_pyomo.solve(scenario, "dual", relax=True, certificate=str(tmp_path / "c.npz"))
    found = findings(scenario, result, Certificate.read(tmp_path / "c.npz"))
    assert all(finding.holds for finding in found.values()) and found["upper bound"].checked
    assert "row 27" in found["certificate"].detail and "row 26" not in found["certificate"].detail
    # One of another scenario is none of any relaxation, and that is said soon.
    other = replace(scenario, weight_energy=scenario.weight_energy * (1 + 1e-12))
    moved = replace(result, scenario_sha256=other.sha256)
    found = findings(other, moved, Certificate.read(tmp_path / "c.npz"))
    assert not found["certificate"].holds and "scenario_sha256" in found["certificate"].detail


def test_an_objective_that_has_no_prices_is_not_relaxed(monkeypatch: pytest.MonkeyPatch) -> None:
    dual = methods["dual"]
    monkeypatch.setattr(dual, "supports", dual.supports - {str(Aspect.MEAN)})
    scenario = Scenario.random(2, 2, 0, constraints={USER_AIR_TIME: 60.0}, objective={"kind": "scr", "delay": "mean"})
    method, refusal = willing("dual", scenario)
    assert "user air time" in refusal and "relax=true" not in refusal and method == configure("dual", {})
    with pytest.raises(InputError) as caught:
        dashf_pyomo.solve(scenario, "dual", relax=True)
    assert_clear(caught.value, "method dual", str(Aspect.MEAN))


def test_who_cannot_take_a_scenario_at_all_is_not_advised() -> None:
    faint = replace(Scenario.random(2, 2, 0), noise_psd=1e-300, bandwidth_max=np.array([1e7, 1e-10]))
    assert "bandwidth_max[1]" in willing("dual", faint)[1] and "bandwidth_max[1]" in willing("bnp", faint)[1]
    assert not advice([faint]).startswith(("dual", "bnp"))
    assert configure("dual", {"relax": True}).honours() >= {Extra.DELAY, Extra.ENERGY, Extra.RATE, Extra.ASSOCIATION}
