"""Code that runs again, as a cell of a notebook does, replaces what it registered; other code does not."""

from __future__ import annotations

from fresh_process import run_program

#: The README's method with a place to be edited, and what else can be registered, as cells.
CELLS = """
import sys, types
from dataclasses import dataclass
import numpy as np
from dashf_pyomo.algorithms import Method, methods
from dashf_pyomo.backends.backend import CvxpyBackend, backends
from formulations.association.pair_resources import equal_split
from formulations.families import Family, Request, families
from formulations.formulation import Formulation, Kind, Subproblem, formulations

CELL = '''
@methods.register
@dataclass(frozen=True)
class First(Method):
    name = "first"
    summary = "edited: {edited}"

    def search(self, run):
        n = run.scenario.n_users
        run.record(equal_split(run.scenario, np.zeros(n, dtype=np.int64), np.full(n, 0.5)))
        return "edited: {edited}"

formulations.register(Formulation("mine", Subproblem.ASSOCIATION, Kind.LOCAL, frozenset(), "", "{edited}", {{}}))
backends.register(CvxpyBackend("mine", frozenset(), "{edited}", "mine", "seconds"))
families.register(Family("mine", "{edited}", "", Request.paper))
'''
registries = {"first": methods, "association/mine": formulations, "mine": backends, "mine ": families}

def run(edited, module="__main__"):
    names = globals() if module == "__main__" else {**globals(), "__name__": module}
    sys.modules.setdefault(module, types.ModuleType(module))
    exec(CELL.format(edited=edited), names)
"""


def run(program: str) -> None:
    run_program(CELLS + program)


def test_a_cell_that_runs_again_replaces_what_it_registered() -> None:
    run("""
for edited in ("once", "twice"):
    run(edited)
    for name, registry in registries.items():
        entry = registry[name.strip()]
        assert edited in entry.summary, (name, entry)
import dashf_pyomo
from formulations import Scenario
assert dashf_pyomo.solve(Scenario.random(2, 2, seed=0), "first").message == "edited: twice"
assert len(methods) == len(set(methods)) and not methods.broken
""")


def test_pyomo_and_cvxpy_run_the_new_code() -> None:
    run("""
import pyomo.environ as pyo
import dashf_pyomo.plugins.cvxpy
import dashf_pyomo.plugins.pyomo as plugin
from formulations import Scenario, joint
run("once")
plugin.register()
dashf_pyomo.plugins.cvxpy.register()
for register in (False, True):
    run(f"again, {register}")
    if register:
        plugin.register()
        dashf_pyomo.plugins.cvxpy.register()
    model = joint.literal(Scenario.random(2, 2, seed=0))
    results = pyo.SolverFactory("dashf_first").solve(model)
    assert results.extra_info["message"] == f"edited: again, {register}", results.extra_info["message"]
    problem = joint.literal_cvxpy.build(Scenario.random(2, 2, seed=0))
    problem.solve(method="dashf_first")
    assert f"again, {register}" in str(problem.solver_stats.extra_stats["message"])
assert pyo.SolverFactory.get_class("dashf_first").method is methods["first"]
assert not methods.broken, methods.broken
""")


def test_other_code_with_the_same_name_is_refused() -> None:
    run("""
run("mine")
def refused(action, *sides):
    try:
        action()
    except ValueError as error:
        return "is registered twice, by " in str(error) and all(side in str(error) for side in sides)
    return False
from dataclasses import replace
for name, registry in registries.items():
    entry = registry[name.strip()]
    if isinstance(entry, type):
        other = type("First", (entry,), {"__module__": "theirs"})
        assert refused(lambda: registry.register(other), "__main__.First", "theirs.First")
        second = type("Second", (entry,), {"__module__": "__main__"})
        assert refused(lambda: registry.register(second), "__main__.First", "__main__.Second")
    else:
        other = replace(entry) if name != "mine" else CvxpyBackend("mine", frozenset(), "other", "mine", "seconds")
        assert refused(lambda: registry.register(other, origin="theirs"), "by __main__ (", "by theirs ("), name
    assert registry[name.strip()] is entry
""")


def test_a_notebook_takes_no_name_of_ours() -> None:
    run("""
from dataclasses import replace
for registry, name in ((formulations, "association/hull"), (families, "paper"), (backends, "scs")):
    ours = registry[name]
    try:
        registry.register(CvxpyBackend(name, frozenset(), "", "", "") if registry is backends else replace(ours))
    except ValueError as error:
        assert registry.origins[name] in str(error) and "__main__" in str(error), error
    else:
        raise AssertionError(name)
    assert registry[name] is ours
""")


def test_our_own_modules_say_where_their_entries_come_from_even_when_imported_before_the_rest() -> None:
    run_program("""
import importlib, pkgutil
from dashf_pyomo.algorithms import methods
from dashf_pyomo.backends import backends
from formulations.families import families
from formulations.formulation import formulations
for registry in (formulations, families, backends, methods):
    for package in registry.packages:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            importlib.import_module(f"{package}.{module.name}")
for registry in (formulations, families, backends, methods):
    assert registry.origins
    for name, origin in registry.origins.items():
        assert origin.startswith(registry.packages), f"{name} of {origin}; expected origin=__name__"
""")
