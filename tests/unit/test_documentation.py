"""The code that README and docs show is run as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: What to run after a page's own code, to see that what it registered works.
AFTER = {
    "README.md": "assert dashf_pyomo.solve(scenario, method='first').status == 'feasible'",
    "docs/extending.md": """
import dashf_pyomo
from formulations import Scenario
scenario = Scenario.random(3, 2, seed=0)
assert dashf_pyomo.solve(scenario, association='mccormick').status == 'feasible'
assert 'ecos' in backends
assert dashf_pyomo.solve(scenario, allocation='difference', max_iterations=2).status == 'feasible'
assert draw('road', 8, 3, 1, length=600).user_position[-1, 0] == 600
""",
    "docs/plugins.md": """
assert results.solver.termination_condition in ('feasible', 'other')
assert not checked.violated and hull.x[0, 0].value is not None
assert problem.status == 'user_limit' and values['x'].shape == (3, 2)
assert quick.solver_stats.extra_stats['differences']
""",
    "docs/studies.md": "assert page.is_file() and study.outlook().missing == {'nearest': 0, 'dashf, hull': 0}",
}


@pytest.mark.parametrize("page", AFTER)
def test_python_blocks_of_a_page_run(page, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    code = "\n".join([*blocks, AFTER[page]])
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_methods_in_the_readme_are_the_registered_ones():
    from dashf_pyomo.algorithms import methods

    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## Which method?")[1].split("\n\n")[1]
    named = set(re.findall(r"`([a-z-]+)`", "\n".join(row.split("|")[1] for row in table.splitlines())))
    assert named == set(methods)


def test_the_description_that_the_docs_show_is_one(tmp_path):
    from dashf_pyomo.study import Study
    from formulations import Scenario

    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/studies.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "study.toml").write_text(example, encoding="utf-8")
    (tmp_path / "cases").mkdir()
    Scenario.random(2, 2).write(tmp_path / "cases" / "a.json")
    study = Study.read(tmp_path / "study.toml", tmp_path / "study")
    assert len(study.description.scenarios) == 2 * 2 * 50 * 2 + 1
