"""Studies refuse, before anything is made, what worker processes cannot import, and say why."""

from __future__ import annotations

from pathlib import Path

import pytest
from fresh_process import run_python
from study_helpers import outcomes

pytestmark = pytest.mark.slow

FIRST = """
from dataclasses import dataclass
import numpy as np
from dashf_pyomo.algorithms import Method, methods
from formulations.association.pair_resources import equal_split

@methods.register
@dataclass(frozen=True)
class First(Method):
    name = "first"
    summary = "all users at the first server"

    def search(self, run):
        n = run.scenario.n_users
        run.record(equal_split(run.scenario, np.zeros(n, dtype=np.int64), np.full(n, 0.5)))
        return "one allocation"
"""
HULL = """
from dataclasses import replace
from formulations.formulation import formulations
formulations.register(replace(formulations["association/hull"], name="mine"))
"""
RUN = """
import sys
from dashf_pyomo.study import Study
from formulations import InputError
try:
    print(Study([{"users": 3}], [METHOD], sys.argv[1]).run(workers=1))
except InputError as error:
    print(f"refused: {error}")
"""


def run(folder: Path, program: str, method: str, *places: Path) -> str:
    """What a program says that runs a study of one method in a folder."""
    done = run_python("-c", program + RUN.replace("METHOD", method), folder, places=places, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_method_of_a_script_or_notebook_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    said = run(tmp_path / "out", FIRST, "'first'")
    assert said.startswith("refused: method 'first' is defined in the script or notebook that runs (__main__), which ")
    assert "say first.py" in said and not (tmp_path / "out").exists()


def test_other_methods_run_beside_one_of_a_notebook(tmp_path: Path) -> None:
    assert "ran=1, failed=0" in run(tmp_path / "out", FIRST, "'nearest'")


def test_a_formulation_of_a_notebook_that_options_name_is_refused(tmp_path: Path) -> None:
    method = "{'method': 'dashf', 'options': {'association': 'mine'}}"
    said = run(tmp_path / "out", HULL, method)
    assert said.startswith("refused: a worker process cannot run method 'dashf': ") and "'mine'" in said
    assert "in __main__, which they cannot import: formulation association/mine" in said
    assert not (tmp_path / "out").exists()


def test_a_module_on_the_path_needs_no_entry_point(tmp_path: Path) -> None:
    (tmp_path / "first_of_all.py").write_text(FIRST + HULL)
    method = "'first', {'method': 'dashf', 'options': {'association': 'mine'}}"
    assert "ran=2, failed=0" in run(tmp_path / "out", "import first_of_all\n", method, tmp_path)
    assert outcomes(tmp_path / "out")["first"] == ("done", "one allocation")


def test_a_module_that_another_process_does_not_find_is_refused(tmp_path: Path) -> None:
    program = f"import sys, types\nmodule = types.ModuleType('made_here')\nexec({FIRST!r}, vars(module))\n"
    said = run(tmp_path / "out", program, "'first'")
    assert said.startswith("refused: a worker process cannot run method 'first': unknown method 'first'")
    assert "made_here: ModuleNotFoundError" in said and not (tmp_path / "out").exists()
