"""Packages that extend this one: the example installs, is listed and conforms; a broken one is skipped by name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from cli_helpers import command
from fresh_process import ROOT, environment, make_distribution, make_extension, run_program

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "examples" / "extension"


def listed(name: str, folder: Path) -> dict[str, Any]:
    done = subprocess.run(command(name, "--json"), env=environment(folder), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, built and installed by pip into a folder of its own; nothing is downloaded."""
    try:
        if int(version("setuptools").split(".")[0]) < 77:
            pytest.skip(f"setuptools {version('setuptools')} cannot build the example; expected at least 77")
    except PackageNotFoundError:
        pytest.skip("setuptools is not installed; expected at least 77 to build the example")
    source, target = tmp_path_factory.mktemp("source") / "extension", tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", target, source], capture_output=True, text=True, cwd=source
    )
    assert done.returncode == 0, done.stderr
    return target


def test_the_example_is_listed_where_it_belongs(installed: Path) -> None:
    for name, added in (
        ("methods", {"fair"}),
        ("formulations", {"resources/sca", "resources/max-min"}),
        ("backends", {"scipy"}),
        ("families", {"stadium"}),
    ):
        document = listed(name, installed)
        kind = {"families": "family"}.get(name, name[:-1])
        assert added <= {row[kind] for row in document[name]} and document["broken"] == []
    works = {row["backend"]: row for row in listed("backends", installed)["backends"]}["scipy"]
    assert works["works here"], works["reason"]


def test_the_example_passes_the_conformance_suite_and_its_own_tests(installed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", str(EXAMPLE / "tests")],
        env=environment(installed),
        cwd=installed,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "passed" in done.stdout and "skipped" not in done.stdout, done.stdout


def test_the_example_solves_from_the_command_line(installed: Path) -> None:
    for arguments in (
        ("--method", "dashf", "--option", "allocation=sca"),
        ("--family", "stadium", "--set", "radius=50", "--method", "fair"),
    ):
        done = subprocess.run(
            command("solve", "--users", 4, "--json", *arguments),
            env=environment(installed),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["status"] == "feasible"


# -- broken extensions ------------------------------------------------------------------------

BROKEN = {
    "gone": "",
    "quits": "raise SystemExit('no licence\\nfound')",
    "raises": "import formulations\nraise RuntimeError('half done')",
    "number": "def entry():\n    return 3",
}


@pytest.mark.parametrize("name", ["methods", "formulations", "backends", "families"])
def test_a_broken_extension_is_named_and_skipped_with_its_reason(name: str, tmp_path: Path) -> None:
    group = {"families": "scenarios"}.get(name, name)
    points = {key: f"broken_{key}" + (":entry" if key == "number" else "") for key in BROKEN}
    make_distribution(tmp_path, "broken-example", {group: points})
    for key, code in BROKEN.items():
        if code:
            (tmp_path / f"broken_{key}.py").write_text(code, encoding="utf-8")
    document = listed(name, tmp_path)
    reasons = {item["name"]: item["reason"] for item in document["broken"]}
    assert set(reasons) == {f"{key} of broken-example" for key in BROKEN}
    assert reasons["quits of broken-example"] == "SystemExit: no licence found"
    assert "half done" in reasons["raises of broken-example"] and "gone" in reasons["gone of broken-example"]
    assert "3 is no" in reasons["number of broken-example"]
    assert len(document[name]) >= 4
    said = subprocess.run(command(name), env=environment(tmp_path), capture_output=True, text=True)
    assert said.returncode == 0 and "skipped extension gone of broken-example" in said.stdout


def test_what_a_broken_extension_had_registered_is_gone(tmp_path: Path) -> None:
    code = (
        "from formulations.families import Family, Request, families\n"
        "families.register(Family('half', 's', 'i', Request.paper))\n"
        "raise OSError('disk full')\n"
    )
    make_extension(tmp_path, "half-example", {"scenarios": {"half": code}})
    document = listed("families", tmp_path)
    assert "half" not in {row["family"] for row in document["families"]}
    assert [item["reason"] for item in document["broken"]] == ["OSError: disk full"]


def test_an_entry_that_cannot_be_described_is_skipped_too(tmp_path: Path) -> None:
    code = (
        "from dashf_pyomo.backends.backend import backends\n"
        "class Odd:\n"
        "    name, summary, features, languages = 'odd', '', frozenset(), ()\n"
        "    def availability(self):\n"
        "        raise RuntimeError('no idea')\n"
        "    def solve(self, model, limits=None):\n"
        "        return None\n"
        "backends.register(Odd())\n"
    )
    make_extension(tmp_path, "odd-example", {"backends": {"odd": code}})
    document = listed("backends", tmp_path)
    assert "odd" not in {row["backend"] for row in document["backends"]} and len(document["backends"]) > 4
    assert {item["name"]: item["reason"] for item in document["broken"]} == {"odd": "RuntimeError: no idea"}


HALF = """
from formulations.families import Family, Request, families

def entry():
    families.register(Family("half", "s", "i", Request.paper))
    raise OSError("disk full")
"""


@pytest.mark.parametrize("failing", ["function", "part", "helper"])
def test_nothing_of_code_that_failed_half_way_is_left(failing: str, tmp_path: Path) -> None:
    (tmp_path / "half_parts").mkdir()
    files = {
        "function": ("half_function:entry", {"half_function": HALF}),
        "part": ("half_parts", {"half_parts/__init__": "import half_parts.part\n" + HALF + "entry()", "half_parts/part":
                 METHOD.format(name="part")}),
        "helper": ("half_user", {"half_user": "import half_helper", "half_helper": METHOD.format(name="part") +
                   HALF + "entry()"}),
    }  # fmt: skip
    point, modules = files[failing]
    for name, code in modules.items():
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    make_distribution(tmp_path, "half-example", {"scenarios": {"half": point}})
    run_program(
        "from dashf_pyomo.algorithms import methods\n"
        "from formulations.families import families\n"
        "assert 'half' not in families and 'part' not in methods and 'paper' in families\n"
        "assert [item.reason for item in families.broken] == ['OSError: disk full']\n",
        tmp_path,
    )


def test_an_extension_that_takes_a_name_of_ours_is_broken_and_both_sides_are_named(tmp_path: Path) -> None:
    make_extension(tmp_path, "more", {"methods": {"dashf": METHOD.format(name="dashf")}})
    (broken,) = listed("methods", tmp_path)["broken"]
    assert broken["name"] == "dashf of more"
    assert "dashf_pyomo.algorithms.dashf.Dashf" in broken["reason"] and "more_dashf.Mine" in broken["reason"]


METHOD = (
    "from dashf_pyomo.algorithms import methods\n"
    "from dashf_pyomo.algorithms.baselines import Gucaa\n"
    "@methods.register\n"
    "class Mine(Gucaa):\n"
    "    'Another.'\n"
    "    name = {name!r}\n"
)


@pytest.mark.parametrize("system", ["pyomo", "cvxpy"])
@pytest.mark.parametrize("group", ["methods", "scenarios"])
def test_an_extension_that_imports_pyomo_or_cvxpy_hides_no_method_from_it(
    system: str, group: str, tmp_path: Path
) -> None:
    early, late = METHOD.format(name="early"), METHOD.format(name="late")
    first = f"import dashf_pyomo.plugins.{system}\n"
    points = {"methods": {"early": first + early, "late": late}}
    if group != "methods":
        points = {group: {"first": first}, **points}
    make_extension(tmp_path, "more", points)
    registry = "dashf_pyomo.algorithms" if group == "methods" else "formulations.families"
    found = "from pyomo.contrib.solver.common.factory import SolverFactory as found\n"
    if system == "cvxpy":
        found = "import cvxpy; found = cvxpy.Problem.REGISTERED_SOLVE_METHODS\n"
    run_program(
        "import dashf_pyomo\n"
        f"import {registry} as home\n"
        f"len(home.{'methods' if group == 'methods' else 'families'})\n"
        f"{found}"
        "assert {'dashf', 'dashf_plus', 'dashf_gucaa', 'dashf_early', 'dashf_late'} <= set(found)\n"
        "from dashf_pyomo.algorithms import methods\n"
        "assert not methods.broken, methods.broken\n",
        tmp_path,
    )


@pytest.mark.parametrize("first", ["", "import more_plus\n"], ids=["discovered", "imported"])
@pytest.mark.parametrize("system", ["pyomo", "cvxpy"])
def test_a_method_whose_name_another_one_has_in_pyomo_or_cvxpy_is_named_as_broken(
    system: str, first: str, tmp_path: Path
) -> None:
    make_extension(tmp_path, "more", {"methods": {"plus": METHOD.format(name="plus")}})
    found = "pyomo.environ.SolverFactory('dashf_plus').method.name"
    if system == "cvxpy":
        found = "sys.modules['cvxpy'].Problem.REGISTERED_SOLVE_METHODS['dashf_plus'].args[0]"
    run_program(
        f"{first}import sys, pyomo.environ, dashf_pyomo.plugins.{system}\n"
        "from dashf_pyomo.algorithms import methods\n"
        "assert 'plus' in methods\n"
        f"assert {found} == 'dashf-plus'\n"
        f"from dashf_pyomo.plugins.{system} import register\n"
        "register()\n"
        "(broken,) = methods.broken\n"
        "assert broken.name == 'plus in Pyomo and CVXPY' and 'dashf_plus' in broken.reason, broken\n",
        tmp_path,
    )


def test_what_a_broken_extension_had_registered_elsewhere_is_gone_too_and_nothing_of_ours(tmp_path: Path) -> None:
    code = METHOD.format(name="half") + (
        "import dashf_pyomo.backends.scs\n"  # ours, and imported by this extension first
        "from formulations.families import Family, Request, families\n"
        "families.register(Family('half', 's', 'i', Request.paper))\n"
        "from formulations.formulation import formulations\n"
        "assert len(formulations) > 4\n"  # discovered within
        "raise OSError('disk full')\n"
    )
    make_extension(tmp_path, "more", {"scenarios": {"half": code, "whole": METHOD.format(name="whole")}})
    run_program(
        "from formulations.families import families\n"
        "assert 'half' not in families and 'paper' in families\n"
        "assert [item.reason for item in families.broken] == ['OSError: disk full']\n"
        "from dashf_pyomo.algorithms import methods\n"
        "assert 'half' not in methods and {'whole', 'gucaa', 'dashf', 'minlp'} <= set(methods)\n"
        "from dashf_pyomo.backends import backends\n"
        "assert {'scs', 'scip', 'highs'} <= set(backends)\n"
        "from formulations.formulation import formulations\n"
        "assert 'association/hull' in formulations and 'joint/literal' in formulations\n"
        "assert not (methods.broken or backends.broken or formulations.broken)\n",
        tmp_path,
    )
