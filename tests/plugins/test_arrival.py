"""Registration with Pyomo: in either order of import, and at nobody's cost who does not use Pyomo."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

CHECK = (
    "import pyomo.environ as pyo\n"
    "from pyomo.contrib.solver.common.factory import SolverFactory\n"
    "assert 'dashf' in SolverFactory and 'dashf_plus' in SolverFactory\n"
    "assert 'dashf.hull' in pyo.TransformationFactory\n"
    "import sys\n"
    "assert 'cvxpy' not in sys.modules\n"
    "assert pyo.SolverFactory('dashf').available()\n"
    "assert type(pyo.__spec__.loader).__module__.startswith(('importlib', '_frozen', '_'))\n"
    "assert not any('dashf' in type(finder).__module__ for finder in sys.meta_path)\n"
)


@pytest.mark.parametrize(
    "first",
    [
        "import dashf_pyomo",
        "import pyomo.environ; import dashf_pyomo",
        "import pyomo; import dashf_pyomo",
        "import dashf_pyomo.plugins.pyomo.transformations",
        "import dashf_pyomo.plugins.pyomo.solver; import dashf_pyomo.plugins.pyomo",
        "import dashf_pyomo; from formulations import Scenario, joint; joint.literal(Scenario.random(1, 1, seed=0))",
    ],
)
def test_solvers_are_there_in_either_order(first: str) -> None:
    subprocess.run([sys.executable, "-c", f"{first}\n{CHECK}"], check=True)


def test_a_plain_import_loads_neither_pyomo_nor_cvxpy() -> None:
    code = (
        "import sys, dashf_pyomo\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'pyomo', 'cvxpy', 'scipy'}, loaded\n"
        "assert 'dashf_pyomo.algorithms' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_command_line_does_not_import_pyomo_for_it() -> None:
    code = (
        "import sys\n"
        "from dashf_pyomo.cli import main\n"
        "assert main(['solve', '--users', '2', '--method', 'gucaa', '--json']) == 0\n"
        "assert 'pyomo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_without_pyomo_its_absence_is_pyomos_own_error() -> None:
    code = (
        "import sys\n"
        "sys.modules['pyomo'] = None\n"
        "import dashf_pyomo\n"
        "try:\n"
        "    import pyomo.environ\n"
        "except ModuleNotFoundError:\n"
        "    raise SystemExit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 7


def test_a_method_registered_by_hand_becomes_a_solver_on_request() -> None:
    code = (
        "import dashf_pyomo, pyomo.environ as pyo\n"
        "from dashf_pyomo.algorithms import methods\n"
        "from dashf_pyomo.algorithms.baselines import Gucaa\n"
        "from dashf_pyomo.plugins.pyomo import register\n"
        "class Mine(Gucaa):\n"
        "    '''Another.'''\n"
        "    name = 'mine-too'\n"
        "methods.register(Mine)\n"
        "before = pyo.SolverFactory.get_class('dashf')\n"
        "register()\n"
        "assert pyo.SolverFactory.get_class('dashf') is before\n"
        "assert pyo.SolverFactory('dashf_mine_too').method is Mine\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
