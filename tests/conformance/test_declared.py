"""Declared cases bind and have references; methods keep what they claim to honour, and refuse the rest by name."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import pytest

from dashf_pyomo.algorithms import methods
from dashf_pyomo.conformance import ConformanceError, declared
from dashf_pyomo.conformance.declared import (
    LEAST_LOSS,
    DeclaredCase,
    binding_names,
    crossed_cases,
    relative_loss,
)
from dashf_pyomo.conformance.declared_methods import MethodEntry, method_matrix, require_agreement
from dashf_pyomo.conformance.reference import STRICT, Reference, reference_optimum
from dashf_pyomo.result import Result
from dashf_pyomo.status import Claim
from dashf_pyomo.trace import EntryKind, TraceEntry
from formulations import evaluate
from formulations.objective import DelayKind, ObjectiveKind

CASES = declared.declared_cases()


def test_every_objective_and_everything_that_may_be_declared_has_a_case() -> None:
    kinds = {(case.scenario.objective.kind, case.scenario.objective.delay) for case in CASES if not case.declared}
    expected = {(kind, delay) for kind in ObjectiveKind for delay in (DelayKind if not kind.by_user else ["largest"])}
    assert kinds == expected
    assert {case.declared for case in CASES if case.declared} == set(binding_names())
    assert {case.declared for case in crossed_cases()} == set(binding_names())


def test_a_kind_of_limit_without_a_case_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(declared._DECLARED, "row-delay")
    monkeypatch.delitem(declared._DECLARED, "total_energy")
    with pytest.raises(ValueError, match="no case declares total_energy, delay"):
        binding_names()


@pytest.mark.parametrize("case", [case for case in CASES if case.declared], ids=str)
def test_what_is_declared_binds(case: DeclaredCase) -> None:
    free = case.free.reference.allocation
    assert free is not None and case.reference.allocation is not None
    broken = evaluate(case.scenario, free)
    assert not broken.feasible and broken.violations[0].extra
    assert case.loss > LEAST_LOSS
    assert case.demands == case.scenario.demands
    stated = {kind: getattr(kind, "demands", None) for kind in case.demands}  # of rows; kinds are equal by name
    assert stated == {kind: getattr(kind, "demands", None) for kind in case.scenario.demands}


def test_references_are_stored_and_what_the_evaluator_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def search(scenario: Any) -> Reference:
        raise AssertionError(f"{scenario.name}: the stored reference does not hold; find them again")

    monkeypatch.setattr(declared, "reference_optimum", search)
    for case in CASES:
        found = case.reference
        assert found.allocation is not None
        e = evaluate(case.scenario, found.allocation)
        assert e.value == found.value and e.max_violation <= STRICT


def test_a_stored_reference_that_is_wrong_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    case = DeclaredCase("one", "cost-mean")
    stored = dict(declared._stored()[str(case)])
    speeds = [2.0 * speed for speed in stored["allocation"]["server_speed"]]
    for lie in (
        {**stored, "value": 0.5 * stored["value"]},
        {**stored, "allocation": {**stored["allocation"], "server_speed": speeds}},
    ):
        monkeypatch.setattr(declared, "_stored", lambda lie=lie: {str(case): lie})
        found = declared._reference.__wrapped__(case)
        assert found.value == pytest.approx(stored["value"], rel=1e-6)


@pytest.mark.parametrize("name", ["cost-mean", "scr-largest"])
def test_a_fresh_search_finds_the_stored_reference(name: str) -> None:
    case = DeclaredCase("one", name)
    assert relative_loss(case.scenario, reference_optimum(case.scenario).value, case.reference.value) <= 1e-6


# -- methods --------------------------------------------------------------------------------------

#: A case of each objective, and of the kinds of limits and rows that methods treat most differently.
CHOSEN_NAMES = [
    *("shared-scr-largest", "shared-cost-mean", "shared-utility-largest", "spread-sum-of-ratios", "shared-max-min"),
    *("shared-cost-weights", "shared-scr-sqrt", "shared-scr-largest-delay_limit", "shared-cost-mean-total_energy"),
    *("gathered-scr-largest-users_per_server", "weak-scr-largest-binary_offload", "shared-max-min-offload"),
    *("shared-cost-mean-floor-offload", "shared-scr-largest-floor-bandwidth", "spread-cost-mean-forbidden"),
]
CHOSEN = [case for case in CASES if str(case) in CHOSEN_NAMES]

#: Methods that take a second or more, and those that take many: these only on some cases, benchmarks/conformance.py has
#: all with all.
SLOW = ("dashf", "dual")
SLOWEST = ("minlp", "bnp", "dashf-plus")
FEW = [
    *("shared-scr-largest-delay_limit", "shared-cost-mean", "shared-max-min"),
    *("gathered-scr-largest-users_per_server", "shared-cost-mean-floor-offload"),
]


@functools.cache
def outcome(entry: MethodEntry) -> Result:
    return entry.run(time_limit=20.0 if entry.method in ("minlp", "bnp") else 10.0)


def entries() -> list[Any]:
    return [
        pytest.param(entry, id=str(entry), marks=[pytest.mark.slow] if entry.method in (*SLOW, *SLOWEST) else [])
        for entry in method_matrix(CHOSEN)
        if entry.method not in SLOWEST or str(entry.case) in FEW
    ]


@pytest.mark.parametrize("entry", entries())
def test_a_method_keeps_what_it_claims_to_honour(entry: MethodEntry) -> None:
    if entry.skip_reason():
        pytest.skip(entry.skip_reason())
    result = outcome(entry)
    # On scenarios of this size, something that is feasible is found, unless the clock ran out.
    assert result.allocation is not None or result.termination == "time_limit", result.message


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CHOSEN if str(case) in FEW], ids=str)
def test_no_method_is_better_than_the_bound_of_another(case: DeclaredCase) -> None:
    able = [entry for entry in method_matrix([case]) if not entry.skip_reason()]
    if not any(methods[entry.method].proves_bounds for entry in able):
        pytest.skip(f"no method that proves bounds honours {', '.join(sorted(case.demands))}")
    require_agreement(case, [outcome(entry) for entry in able])


def test_all_chosen_cases_exist() -> None:
    assert len(CHOSEN) == len(CHOSEN_NAMES) and set(FEW) <= set(CHOSEN_NAMES)


@pytest.mark.parametrize("name", list(methods))
def test_what_is_not_honoured_is_refused_by_name(name: str) -> None:
    refused = [entry for entry in method_matrix(names=[name]) if entry.not_honoured]
    if not refused:
        pytest.skip(f"{name} honours every case")
    for entry in refused:
        entry.require_refusal()


def test_a_method_that_takes_what_it_does_not_honour_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    case = DeclaredCase("shared", "scr-largest", "delay_limit")
    monkeypatch.setattr(methods["nearest"], "refusal", lambda self, scenario: "")
    with pytest.raises(ConformanceError, match="not refused, although it does not honour"):
        MethodEntry("nearest", case).require_refusal()


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        ("bound", "excludes"),
        ("value", "the evaluator"),
        ("allocation", "its allocation is not feasible"),
        ("infeasible", "it says infeasible"),
        ("certified", "certified with a gap of 0.0909"),
        ("contradiction", "refuted by itself"),
        ("better", "is better than the best known"),
        ("objective", "it is about cost"),
    ],
)
def test_a_false_claim_is_noticed(lie: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = DeclaredCase("shared", "scr-largest", "delay_limit")
    entry = MethodEntry("dashf", case)
    best, free = case.reference, case.free.reference
    # What a method would say that finds the best known, and is honest.
    good = replace(outcome(entry), allocation=best.allocation, value=best.value)
    contradiction = TraceEntry(9, 1.0, EntryKind.CONTRADICTION, contradiction="refuted by itself")
    told: dict[str, Any] = {
        "bound": {"bound": best.value * (1 - 1e-5)},
        "value": {"value": best.value * (1 + 1e-7)},
        "allocation": {"allocation": free.allocation, "value": free.value},
        "infeasible": {"claim": Claim.INFEASIBLE, "allocation": None},
        "certified": {"claim": Claim.CERTIFIED, "bound": 1.1 * best.value},
        "contradiction": {"trace": (*good.trace, contradiction)},
        "better": {},
        "objective": {"objective": "cost", "sense": "min"},
    }[lie]
    module = "dashf_pyomo.conformance.declared_methods"
    monkeypatch.setattr(f"{module}.run_method", lambda *_: replace(good, **told))
    if lie == "better":  # than a reference that is none
        monkeypatch.setattr(DeclaredCase, "reference", Reference(0.9 * best.value, best.allocation))
    with pytest.raises(ConformanceError, match=said):
        entry.run()


def test_a_bound_that_another_method_beats_is_noticed() -> None:
    case = DeclaredCase("shared", "scr-largest")
    good = outcome(MethodEntry("nearest", case))
    assert good.value is not None
    require_agreement(case, [good, replace(good, bound=good.value * (1 + 1e-5))])
    with pytest.raises(ConformanceError, match="bounds it"):
        require_agreement(case, [good, replace(good, bound=good.value * (1 - 1e-5))])
