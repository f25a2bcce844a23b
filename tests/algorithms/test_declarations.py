"""What a method declares is gone by, whatever its name: the source of its bounds, better parts, options to relax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
from tampering import SCENARIO, signed, wrong

import dashf_pyomo
from dashf_pyomo.algorithms import Method, methods
from dashf_pyomo.algorithms.method import option
from dashf_pyomo.algorithms.run import Run
from dashf_pyomo.algorithms.willing import advice, willing
from dashf_pyomo.study.description import read_description
from formulations import Extra, Scenario
from formulations.association.pair_resources import equal_split

LIMITED = Scenario.random(4, 2, seed=0, constraints={"delay_limit": [1e6] * 4})


@dataclass(frozen=True)
class Prover(Method):
    """A method that takes a bound from nowhere."""

    name = "prover"
    summary = "for tests"
    proves_bounds = True
    bound_source = "prover: its word"
    advised = 0
    relaxing: ClassVar[dict[str, Any]] = {"loose": True}
    swaps: ClassVar[dict[str, dict[str, Any]]] = {"sure": {"guess": False}}

    guess: bool = option(False, "whether its bound is a guess")
    loose: bool = option(False, "whether it leaves out limits")

    def proves_nothing(self) -> str:
        return "guess = true" if self.guess else ""

    def bounded(self, scenario: Scenario) -> Scenario:
        return scenario.without(scenario.extra_kinds) if self.loose else scenario

    def honours(self) -> frozenset[Extra]:
        return frozenset({Extra.DELAY}) if self.loose else frozenset()

    def search(self, run: Run) -> str:
        n, m = run.scenario.n_users, run.scenario.n_servers
        run.record(equal_split(run.scenario, np.arange(n) % m, np.full(n, 0.5)), phase="start")
        run.record_bound(1e9, self.bound_source, guessed=self.guess)
        return "done"


@pytest.fixture(autouse=True)
def prover(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(methods._entries, "prover", Prover)


def test_a_bound_has_the_source_that_its_method_declares() -> None:
    document = dashf_pyomo.solve(SCENARIO, "prover").to_dict()
    assert not wrong(document)
    assert "upper bound" in wrong(signed({**document, "bound_source": "my word"}))


def test_a_bound_of_options_with_which_nothing_is_proven_does_not_pass() -> None:
    guessed = dashf_pyomo.solve(SCENARIO, "prover", guess=True)
    assert guessed.bound is None and "prover with guess = true proves nothing" in guessed.trace[-1].note
    document = dashf_pyomo.solve(SCENARIO, "prover").to_dict()
    assert wrong(signed({**document, "options": guessed.options})) == {"upper bound"}


def test_a_method_is_asked_to_relax_by_the_options_that_it_declares() -> None:
    method, refusal = willing("prover", LIMITED)
    assert method == Prover(loose=True) and not refusal
    said = advice([LIMITED])
    assert said == "prover with loose=true proves one of the scenario without its delay limit"


def test_gaps_are_attributed_to_the_parts_that_a_method_can_swap() -> None:
    study: dict[str, Any] = {
        "methods": [{"method": "prover", "options": {"guess": True}}],
        "scenarios": [{"given": SCENARIO}],
        "report": {"attribution": "prover"},
    }
    variants = read_description(study).variants
    assert [variant.name for variant in variants] == ["prover", "prover: sure", "prover: all of these"]
    assert [variant.method for variant in variants] == [Prover(guess=True), Prover(), Prover()]


def test_a_fact_must_not_take_the_name_of_a_field() -> None:
    with pytest.raises(TypeError, match="accepted"):
        Run(SCENARIO, dashf_pyomo.algorithms.Limits()).note("a remark", accepted=True)
