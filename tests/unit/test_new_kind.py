"""A kind of extra constraints that is added later: whoever does not state it refuses it."""

import shutil

from fresh_process import ROOT, run_program

#: What a change of `formulations/constraints.py` that adds a kind looks like.
ADDED = (
    ('    ENERGY = "server energy"\n', '    ENERGY = "server energy"\n    JITTER = "jitter limit"\n'),
    ("        there = {\n", "        there = {\n            Extra.JITTER: True,\n"),
)

ASKED = """
from dataclasses import dataclass, replace
import numpy as np
from dashf_pyomo.algorithms import Method, configure, methods
from formulations import ALL_EXTRAS, Extra, InputError, Scenario
from formulations.association.coefficients import AssociationCoefficients
from formulations.association.pairs import PairResources, start_allocation
from formulations.formulation import Subproblem, formulations
from formulations.joint import literal_cvxpy

@methods.register
@dataclass(frozen=True)
class Claimed(Method):
    name = "claimed"
    summary = "a method of somebody else, who says that it honours all there was"
    supports = ALL_EXTRAS
    def search(self, run):
        raise AssertionError("it was asked to honour what it cannot know")

def refused(what, action):
    try:
        action()
    except InputError as error:
        assert "jitter limit" in str(error), f"{what}: {error}"
    else:
        raise AssertionError(f"{what} takes a scenario with a kind that it does not state")

scenario = Scenario.random(2, 2, 0, constraints={"delay_limit": 1e9})
assert Extra.JITTER in scenario.constraints.kinds
for name in methods:
    assert Extra.JITTER not in configure(name, {}).honours(), name
    refused(name, lambda: configure(name, {}).solve(scenario))
start, pairs = start_allocation(scenario), PairResources.equal(scenario)
refused("coefficients of AO part 1", lambda: AssociationCoefficients.of(scenario, pairs, 1.0))
refused("literal in CVXPY", lambda: literal_cvxpy.build(scenario))
for key, entry in formulations.items():
    assert Extra.JITTER not in entry.supports, key
    for face in entry.faces.values():
        if entry.subproblem is Subproblem.JOINT:
            refused(key, lambda: face(scenario, known=start))
        elif entry.subproblem is Subproblem.RESOURCES:
            refused(key, lambda: face(scenario).update(start, 1.0))
print(len(methods), len(formulations))
"""


def test_methods_and_formulations_refuse_a_kind_that_is_added_later(tmp_path):
    copy = tmp_path / "formulations"
    shutil.copytree(ROOT / "formulations", copy, ignore=shutil.ignore_patterns("__pycache__"))
    text = (copy / "constraints.py").read_text(encoding="utf-8")
    for before, after in ADDED:
        assert text.count(before) == 1
        text = text.replace(before, after)
    (copy / "constraints.py").write_text(text, encoding="utf-8")
    counts = list(map(int, run_program(ASKED, tmp_path, cwd=tmp_path).split()))
    assert len(counts) == 2 and min(counts) > 9
