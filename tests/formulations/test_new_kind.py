"""A kind of extra constraints over a part that is added later: whoever does not state the part refuses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from dashf_pyomo.algorithms import Method, configure, methods
from dashf_pyomo.algorithms.run import Run
from formulations import ALL_EXTRAS, Extra, InputError, Scenario
from formulations.association.coefficients import AssociationCoefficients
from formulations.association.pair_resources import PairResources, start_allocation
from formulations.attributes import ATTRIBUTES, PARTS, Attribute, Factor
from formulations.constraints import LIMITS, Limit, Over, unsupported
from formulations.formulation import Subproblem, formulations
from formulations.joint import literal_cvxpy

JITTER = Extra("jitter limit")


@dataclass(frozen=True)
class Claimed(Method):
    """A method of somebody else, who says that it honours all there was."""

    name = "claimed"
    summary = "a method of somebody else"
    supports = ALL_EXTRAS

    def search(self, run: Run) -> str:
        raise AssertionError("it was asked to honour what it cannot know")


@pytest.fixture
def scenario(monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """Return a scenario with a limit on an attribute made of a part that nobody states."""
    monkeypatch.setitem(PARTS, "jitter", Factor.SERVED)
    monkeypatch.setitem(ATTRIBUTES, "jitter", Attribute("jitter", "s", {"jitter": 1.0}))
    limit = Limit("jitter_limit", JITTER, "(X5) jitter limit", Over.USER, "jitter")
    monkeypatch.setitem(LIMITS, limit.key, limit)
    return Scenario.random(2, 2, 0, constraints={"jitter_limit": 1e9})


def refused(what: str, action: Callable[[], object]) -> None:
    with pytest.raises(InputError) as caught:
        action()
    assert "jitter limit" in str(caught.value), f"{what}: {caught.value}"


def test_methods_refuse_a_kind_over_a_part_that_is_added_later(scenario: Scenario) -> None:
    assert scenario.extra_kinds == {JITTER}
    for method in (*(configure(name, {}) for name in methods), Claimed()):
        assert unsupported(method.honours(), [JITTER]) == {JITTER}, method.name
        refused(method.name, lambda method=method: method.solve(scenario))


def test_formulations_refuse_a_kind_over_a_part_that_is_added_later(scenario: Scenario) -> None:
    start, pairs = start_allocation(scenario), PairResources.equal(scenario)
    refused("coefficients of AO part 1", lambda: AssociationCoefficients.of(scenario, pairs, 1.0))
    refused("literal in CVXPY", lambda: literal_cvxpy.build(scenario))
    for key, entry in formulations.items():
        assert unsupported(entry.supports, [JITTER]) == {JITTER}, key
        for face in entry.faces.values():
            if entry.subproblem is Subproblem.JOINT:
                refused(key, lambda face=face: face(scenario, known=start))
            elif entry.subproblem is Subproblem.RESOURCES:
                refused(key, lambda face=face: face(scenario).update(start, 1.0))
