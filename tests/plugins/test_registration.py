"""Registration with Pyomo: by one import, and at nobody's cost who does not use Pyomo."""

from __future__ import annotations

import pytest
from fresh_process import run_program, run_python

pytestmark = pytest.mark.slow

CHECK = (
    "import pyomo.environ as pyo\n"
    "from pyomo.contrib.solver.common.factory import SolverFactory\n"
    "assert 'dashf' in SolverFactory and 'dashf_plus' in SolverFactory\n"
    "assert 'dashf.hull' in pyo.TransformationFactory\n"
    "import sys\n"
    "assert 'cvxpy' not in sys.modules\n"
    "assert pyo.SolverFactory('dashf').available()\n"
    "assert not any('dashf' in type(finder).__module__ for finder in sys.meta_path)\n"
)


@pytest.mark.parametrize(
    "first",
    [
        "import dashf_pyomo.plugins.pyomo",
        "import pyomo.environ; import dashf_pyomo",
        "import pyomo.environ; from dashf_pyomo import solve",
        "import dashf_pyomo; import pyomo.environ; import dashf_pyomo.plugins.pyomo",
        "import dashf_pyomo.plugins.pyomo.transformations",
        "import dashf_pyomo.plugins.pyomo.solver; import dashf_pyomo.plugins.pyomo",
        "from formulations import Scenario, joint; joint.literal(Scenario.random(1, 1, seed=0)); import dashf_pyomo",
    ],
)
def test_solvers_are_there_after_one_import(first: str) -> None:
    run_program(f"{first}\n{CHECK}")


def test_a_plain_import_loads_neither_pyomo_nor_cvxpy() -> None:
    run_program(
        "import sys, dashf_pyomo\n"
        "loaded = {name.split('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'pyomo', 'cvxpy', 'scipy'}, loaded\n"
        "assert 'dashf_pyomo.algorithms' not in sys.modules\n"
    )


def test_the_command_line_does_not_import_pyomo_for_it() -> None:
    run_program(
        "import sys\n"
        "from dashf_pyomo.cli import main\n"
        "assert main(['solve', '--users', '2', '--method', 'gucaa', '--json']) == 0\n"
        "assert 'pyomo' not in sys.modules\n"
    )


def test_without_pyomo_its_absence_is_pythons_own_error() -> None:
    done = run_python(
        "-c", "import sys\nsys.modules['pyomo'] = None\nimport dashf_pyomo\nimport dashf_pyomo.plugins.pyomo"
    )
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("ModuleNotFoundError: "), done.stderr


def test_a_method_registered_by_hand_becomes_a_solver_on_request() -> None:
    run_program(
        "import pyomo.environ as pyo\n"
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
