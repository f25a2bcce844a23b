"""First use from several threads: one discovers, the others wait, and nobody waits for ever."""

from __future__ import annotations

import sys
import threading
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fresh_process import run_python

from dashf_pyomo.shared import without_warnings
from formulations.registry import Registry, when_discovered

pytestmark = pytest.mark.slow

# Four threads of a fresh process do the same at once; what they say is printed once all have ended.
PROGRAM = """
import threading
import dashf_pyomo
from formulations import Scenario

scenario = Scenario.random(users=3, servers=2, seed=0)
barrier, said = threading.Barrier(4), []
{setup}

def go():
    barrier.wait()
    try:
        {action}
    except BaseException as error:
        said.append(f"{{type(error).__name__}}: {{error}}")
    else:
        said.append("done")

threads = [threading.Thread(target=go) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(said)
"""
USES = {
    "solve": ("", "assert dashf_pyomo.solve(scenario, time_limit=60).scr > 0"),
    "methods": ("from dashf_pyomo.algorithms import methods", "methods['dashf'], methods['dual']"),
    "formulations": ("from formulations.formulation import formulations", "formulations['joint/literal']"),
    "backends": ("from dashf_pyomo.backends import backends", "backends['scs']"),
    "families": ("from formulations.families import families", "families['slow-users']"),
    "Pyomo": (
        "from formulations import joint",
        "import pyomo.environ as pyo, dashf_pyomo.plugins.pyomo; solver = pyo.SolverFactory('dashf'); "
        "assert solver.available(); solver.solve(joint.activity(scenario))",
    ),
    "CVXPY": (
        "from formulations.joint import literal_cvxpy",
        "import dashf_pyomo.plugins.cvxpy; literal_cvxpy.build(scenario).solve(method='dashf')",
    ),
}


@pytest.mark.parametrize("use", USES)
def test_the_first_use_may_come_from_several_threads(use: str) -> None:
    setup, action = USES[use]
    program = PROGRAM.format(setup=setup, action=action)
    done = run_python("-c", program)
    assert done.stdout == f"{['done'] * 4}\n", (done.stdout, done.stderr)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An empty registry over a package to be filled with modules, which see it as ``shelf_meeting.registry``."""
    package = tmp_path / "shelf_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    registry: Registry[Any] = Registry("thing", ("shelf_package",), "nobody.names.this", lambda entry: entry.name)
    meeting = SimpleNamespace(registry=registry, inside=threading.Event(), importing=threading.Event(), left=1)
    monkeypatch.setitem(sys.modules, "shelf_meeting", meeting)
    monkeypatch.syspath_prepend(tmp_path)
    yield SimpleNamespace(registry=registry, folder=tmp_path, package=package, meeting=meeting)
    for name in [name for name in sys.modules if name.startswith("shelf_")]:
        del sys.modules[name]


def module(place: Path, name: str, *lines: str) -> None:
    """A module that does what the lines say and then registers an entry of its name."""
    body = "\n".join(
        (
            "from types import SimpleNamespace",
            "import shelf_meeting as m",
            *lines,
            f"m.registry.register(SimpleNamespace(name={name!r}))",
            "",
        )
    )
    (place / f"{name}.py").write_text(body)


def run_together(*actions: Any) -> list[Any]:
    """What each action returns or raises, each in a thread of its own."""
    found: list[Any] = [None] * len(actions)

    def do(position: int) -> None:
        try:
            found[position] = actions[position]()
        except BaseException as error:
            found[position] = error

    threads = [threading.Thread(target=do, args=(position,), daemon=True) for position in range(len(actions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads), "threads wait for each other"
    return found


def test_an_import_that_waits_for_the_discovery_which_waits_for_it_goes_on(shelf: Any) -> None:
    # One thread imports a module that looks something up; the other discovers, and needs that very module.
    module(shelf.package, "shelf_first", "m.inside.set(); m.importing.wait(10)", "import shelf_other")
    (shelf.folder / "shelf_other.py").write_text("import shelf_meeting as m\nm.importing.set()\nlen(m.registry)\n")

    def import_other() -> None:
        shelf.meeting.inside.wait(10)
        __import__("shelf_other")

    found = run_together(lambda: list(shelf.registry), import_other)
    assert found == [["shelf_first"], None] and not shelf.registry.broken


def test_an_extension_looks_things_up_while_it_is_discovered(shelf: Any) -> None:
    module(shelf.package, "shelf_a")
    module(shelf.package, "shelf_b", "assert list(m.registry) == ['shelf_a']")
    assert list(shelf.registry) == ["shelf_a", "shelf_b"] and not shelf.registry.broken


def test_an_interrupted_discovery_is_not_half_done(shelf: Any) -> None:
    module(shelf.package, "shelf_a")
    interrupting = ["m.registry.register(SimpleNamespace(name='early'))", "m.left -= 1"]
    module(shelf.package, "shelf_b", *interrupting, "if m.left == 0: raise KeyboardInterrupt")
    module(shelf.package, "shelf_c")
    with pytest.raises(KeyboardInterrupt):
        list(shelf.registry)
    assert sorted(shelf.registry) == ["early", "shelf_a", "shelf_b", "shelf_c"] and not shelf.registry.broken


def test_what_is_to_come_after_a_discovery_waits_for_that_of_another_thread(shelf: Any) -> None:
    module(shelf.package, "shelf_a", "m.inside.set(); m.importing.wait(1)")
    module(shelf.package, "shelf_b")
    seen: list[list[str]] = []

    def later() -> None:
        shelf.meeting.inside.wait(10)
        when_discovered(lambda: seen.append(list(shelf.registry)))

    run_together(lambda: list(shelf.registry), later)
    assert seen == [["shelf_a", "shelf_b"]]


def test_warnings_ignored_by_two_threads_are_heard_again_when_both_have_left() -> None:
    before = list(warnings.filters)
    first, second = without_warnings("one"), without_warnings("two")
    first.__enter__()
    second.__enter__()
    with warnings.catch_warnings(record=True) as heard:
        warnings.warn("one is ignored", stacklevel=1)
        warnings.warn("two is ignored", stacklevel=1)
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert not heard and list(warnings.filters) == before
