"""Every formulation x face x backend that claims it x known case."""

from dataclasses import replace

import numpy as np
import pytest

from dashf_pyomo import conformance
from dashf_pyomo.conformance import ConformanceError
from formulations.formulation import Kind, Subproblem


def entries():
    """Every entry; of joint models all cases on SCIP, and the smallest on each of the other solvers."""
    for entry in conformance.matrix():
        joint = entry.formulation.subproblem is Subproblem.JOINT
        if not joint or entry.backend.name == "scip" or entry.case.scenario.channel_gain.size == 1:
            yield pytest.param(entry, id=str(entry), marks=[pytest.mark.slow] if joint else [])


@pytest.mark.parametrize("entry", list(entries()))
def test_conforms(entry):
    if entry.skip_reason():
        pytest.skip(entry.skip_reason())
    entry.run()


def test_nothing_registered_is_missing_from_the_matrix():
    assert conformance.missing() == []


def test_an_unlisted_formulation_is_missing(monkeypatch):
    from dashf_pyomo.conformance import suite

    # A registry that knows a formulation which no backend solves.
    some = next(iter(suite.formulations.values()))
    monkeypatch.setattr(suite, "formulations", {"association/odd": replace(some, name="odd", faces={})})
    assert "formulation association/odd" in suite.missing()


@pytest.mark.parametrize(("kind", "shift"), [(Kind.RELAXATION, -1e-2), (Kind.EXACT, -1e-2), (Kind.EXACT, 1e-2)])
def test_a_wrong_value_is_noticed(kind, shift):
    """The stored optimum moved by a hundredth: a relaxation above it and an exact value beside it must fail."""
    entry = next(
        entry
        for entry in conformance.matrix(formulation="association/milp", backend="highs")
        if entry.case.name.startswith("3x2")
    )
    entry.run()
    moved = entry.case.association_value + shift * abs(entry.case.association_value)
    lying = replace(
        entry,
        formulation=replace(entry.formulation, kind=kind),
        case=replace(entry.case, association_value=moved),
    )
    with pytest.raises(ConformanceError, match="optimum"):
        lying.run()


def test_a_model_that_forgets_the_budgets_is_noticed():
    """A formulation whose resources are not cut back would beat the best known value of (10)."""
    entry = conformance.matrix(formulation="resources/nlp", backend="ipopt")[0]
    lower = replace(entry.case, resource_value=entry.case.objective(entry.case.start))
    with pytest.raises(ConformanceError, match="best known"):
        replace(entry, case=lower).run()
    assert np.isfinite(entry.case.resource_value)
