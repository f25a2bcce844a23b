"""Every formulation honours every limit that it claims; a limit is declared and nothing else is written."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from air_time import declared_air_time

import dashf_pyomo
from dashf_pyomo.backends import backends
from dashf_pyomo.conformance import ConformanceError
from dashf_pyomo.conformance.declared_limits import LimitEntry, limit_matrix
from formulations import Extra, InputError, Scenario, evaluate
from formulations.association.pair_resources import start_allocation
from formulations.attributes import ATTRIBUTES, Attribute
from formulations.attributes import declare as declare_attribute
from formulations.constraints import Limit, Over
from formulations.constraints import declare as declare_limit
from formulations.formulation import Language, formulations


@pytest.mark.parametrize("entry", limit_matrix(), ids=str)
def test_a_formulation_honours_the_limits_that_it_claims(entry: LimitEntry) -> None:
    if entry.skip_reason():
        pytest.skip(entry.skip_reason())
    entry.run()


# -- a drill: an attribute and a limit on it that nobody has heard of -------------------------


@pytest.fixture
def toy() -> Iterator[Limit]:
    """Declare how long a server's links are busy, and what each server may have of it."""
    with declared_air_time() as limit:
        yield limit


DRILLED = (
    *("association/hull", "association/milp", "association/sdr-chordal"),
    *("resources/fp", "resources/nlp", "resources/joint-nlp"),
    *("joint/literal", "joint/parametric", "joint/activity", "joint/convexified"),
)


@pytest.mark.parametrize("name", DRILLED)
def test_a_declared_attribute_and_limit_are_honoured_everywhere(name: str, toy: Limit) -> None:
    entries = limit_matrix(name, toy.key)
    assert {entry.face for entry in entries} == set(formulations[name].faces)
    for entry in entries:
        entry.run()


@pytest.mark.slow
def test_the_evaluator_and_minlp_honour_a_declared_limit(toy: Limit) -> None:
    free = dashf_pyomo.solve(Scenario.random(2, 1, 1), "dashf-plus")
    assert free.allocation is not None
    e = evaluate(Scenario.random(2, 1, 1), free.allocation)
    busy = float((e.time_uplink + e.time_downlink).sum())
    limited = Scenario.random(2, 1, 1, constraints={toy.key: 0.7 * busy})
    broken = evaluate(limited, free.allocation)
    assert [violation.limited_by for violation in broken.violations] == [(toy.key, 0)]
    assert broken.violations[0].relative == pytest.approx(1 / 0.7 - 1)
    for method in ("minlp", "dashf", "dashf-plus"):
        if method == "minlp" and not backends["scip"].availability().available:
            continue
        options = {"backend": "scip"} if method == "minlp" else {}
        found = dashf_pyomo.solve(limited, method, time_limit=10, gap=1e-2, **options)
        assert found.allocation is not None and evaluate(limited, found.allocation).feasible, method
        assert "failed" not in found.message, found.message  # solvers run in processes that have to know the limit
    with pytest.raises(InputError, match=r"dual cannot honour .*air time"):
        dashf_pyomo.solve(limited, "dual")


class Forgetful:
    """A model that is told of no limit."""

    def __init__(self, build: Any) -> None:
        self._build = build

    def __call__(self, scenario: Scenario, **options: Any) -> Any:
        return self._build(scenario.limited_by(None), **options)


class Deaf:
    """A model of AO part 1 that was built without limits and drops those of the coefficients."""

    def __init__(self, build: Any) -> None:
        self._build = build

    def __call__(self, scenario: Scenario) -> Any:
        model = self._build(scenario.limited_by(None))
        update = model.update
        model.update = lambda coefficients: update(replace(coefficients, limits=()))
        return model


@pytest.mark.parametrize("name", DRILLED)
def test_a_formulation_that_ignores_a_limit_fails_the_suite(name: str, toy: Limit) -> None:
    for entry in limit_matrix(name, toy.key):
        ignoring = Deaf if name.startswith("association") else Forgetful
        faces = {face: ignoring(build) for face, build in entry.formulation.faces.items()}
        with pytest.raises(ConformanceError):
            replace(entry, formulation=replace(entry.formulation, faces=faces)).run()


def test_a_limit_in_cvxpys_joint_problem_breaks_exactly_where_it_should(toy: Limit) -> None:
    from formulations.joint import literal_cvxpy

    literal = formulations["joint/literal"]
    faces = {Language.CVXPY: literal_cvxpy.build}
    entry = LimitEntry(replace(literal, faces=faces, options=()), Language.CVXPY, None, toy)
    entry.run()
    with pytest.raises(ConformanceError):
        replace(
            entry, formulation=replace(entry.formulation, faces={Language.CVXPY: Forgetful(literal_cvxpy.build)})
        ).run()


def test_a_kind_or_key_is_declared_once(toy: Limit) -> None:
    declare_limit(toy)  # the same again, as a notebook's cell does
    declare_attribute(ATTRIBUTES["air_time"])
    with pytest.raises(ValueError, match="declared already"):
        declare_limit(replace(toy, over=Over.ALL))
    with pytest.raises(ValueError, match="declared already"):
        declare_limit(replace(toy, key="other"))
    with pytest.raises(ValueError, match="declared already"):
        declare_attribute(Attribute("air_time", "s", {"time_uplink": 1.0}))
    with pytest.raises(ValueError, match="name of a part"):
        replace(toy, kind=Extra("served"))
    assert np.isinf(Scenario.random(2, 1, 1, constraints={"delay_limit": 5.0}).constraints.limits[toy.key]).all()


ANOTHER_PROCESS = """
import pickle, sys
from formulations import evaluate
scenario, allocation = pickle.loads(sys.stdin.buffer.read())
print([violation.limited_by for violation in evaluate(scenario, allocation).violations])
"""


def test_a_scenario_takes_its_declarations_to_another_process(toy: Limit) -> None:
    limited = Scenario.random(2, 1, 1, constraints={toy.key: 1e-3})
    given = pickle.dumps((limited, start_allocation(limited)))
    done = subprocess.run([sys.executable, "-c", ANOTHER_PROCESS], input=given, capture_output=True, check=True)
    assert done.stdout.decode().strip() == f"[({toy.key!r}, 0)]"


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (-1.0, "negative or not finite"),
        (np.nan, "negative or not finite"),
        (np.inf, "negative or not finite"),
        (lambda scenario: np.ones(3), r"shape \(3,\)"),
    ],
)
def test_a_weight_that_would_switch_a_limit_off_is_refused(weight: Any, said: str, toy: Limit) -> None:
    ATTRIBUTES["air_time"] = Attribute("air_time", "s", {"time_uplink": weight})
    limited = Scenario.random(3, 2, 0, constraints={toy.key: 1.0})
    with pytest.raises(ValueError, match=f"attribute air_time: weight of time_uplink.*{said}"):
        evaluate(limited, start_allocation(limited))
