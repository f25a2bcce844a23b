"""The code that README and docs show is run as it stands there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from dashf_pyomo.cli.main import main

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
    "docs/comparing.md": """
from pathlib import Path
assert comparison.results.keys() == {'nearest', 'dashf', 'dashf, association=hull', 'DASHF, exact', 'dual'}
assert frame.loc['dual', 'gap'] < frame.loc['nearest', 'gap'] and comparison.bound > best.scr
assert {'comparison.png', 'dual.png', 'gap.html', 'compared'} <= {place.name for place in Path().iterdir()}
""",
    "docs/deploying.md": "assert result.status == 'feasible'",
    "docs/studies.md": "assert page.is_file() and study.outlook().missing == {'nearest': 0, 'dashf, hull': 0}",
}


@pytest.mark.slow
@pytest.mark.parametrize("page", AFTER)
def test_python_blocks_of_a_page_run(page, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    code = "\n".join([*blocks, AFTER[page]])
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def alike(said: str, done: str) -> bool:
    """Whether a line that a page shows is what was printed: the same words, numbers to a few digits, no wider gap."""
    number = r"-?\d+(?:\.\d*)?%?"
    if re.split(number, said) != re.split(number, done):
        return False
    numbers = re.findall(number, said), re.findall(number, done)
    return all(
        float(b[:-1]) <= max(0.1, float(a[:-1])) if a.endswith("%") else float(b) == pytest.approx(float(a), rel=2e-3)
        for a, b in zip(*numbers, strict=True)
    )


@pytest.mark.slow
def test_examples_of_other_problems_print_what_the_page_says(tmp_path):
    text = (ROOT / "docs/problems.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", text, re.DOTALL)
    code = "\nprint('=====')\n".join(block for block, _ in blocks)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    printed = [part.strip().splitlines() for part in done.stdout.split("=====\n")]
    shown = [block.strip().splitlines() for _, block in blocks]
    assert len(printed) == len(shown) and sum(map(len, shown)) > len(blocks)
    for said, line in zip(shown, printed, strict=True):
        assert len(said) == len(line) and all(map(alike, said, line)), (said, line)


def test_a_wrong_number_word_or_wider_gap_on_a_page_is_noticed():
    said = "cost 13.261, bound 13.259, gap 0.02%, certified"
    assert alike(said, "cost 13.262, bound 13.257, gap 0.09%, certified")
    for other in ("cost 13.4, bound 13.259, gap 0.02%, certified", "cost 13.261, bound 13.259, gap 0.2%, certified"):
        assert not alike(said, other)
    assert not alike(said, said.replace("certified", "feasible")) and not alike(said, said.replace("cost", "scr"))


#: Pages with indented shell blocks of ours.
PAGES = ("README.md", "docs/bound.md", "docs/mathematics.md", "docs/problems.md")

#: Commands that are not run to their end: they prove bounds, in minutes. They start, and stop at once.
LONG = ("--method dual", "--method minlp", "--method bnp")

#: What makes the example of a study small: the test is of the commands, not of the methods.
SMALLER = ((r"^users = 10\b", "users = 2"), (r"\[\[10, 2\]\]", "[[2, 2]]"), (r'"0\.\.[49]"', '"0..0"'))


def shell_blocks(page):
    """The lines of every indented block of a page that has a `dashf` command."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    blocks = [block.strip("\n").splitlines() for block in re.findall(r"(?:^    .+\n)+", text, re.MULTILINE)]
    return [block for block in blocks if any(line.startswith("    dashf ") for line in block)]


def shrink(description: Path) -> None:
    """Make the scenarios of the example few and small."""
    text = description.read_text(encoding="utf-8")
    for long, short in SMALLER:
        text, count = re.subn(long, short, text, flags=re.MULTILINE)
        assert count, long
    description.write_text(text, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.usefixtures("blank_pictures")  # they have tests of their own
@pytest.mark.parametrize("page", PAGES)
def test_shell_blocks_of_a_page_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks, ran = shell_blocks(page), 0
    assert blocks
    for block in blocks:
        unwritten = set()  # files of commands that were stopped
        for line in block:
            program, *arguments = shlex.split(line, comments=True)
            if program != "dashf":  # setting up the environment
                assert program == "source", line
                continue
            if unwritten & set(arguments):
                continue
            long = any(words in line for words in LONG)
            if long:
                arguments += ["--time-limit", "0.01"]
                unwritten |= {argument for argument in arguments if argument.endswith((".npz", "r.json"))}
            if arguments[0] == "gap":
                arguments += ["--methods", "nearest,dashf"]  # those that prove a bound have tests of their own
            code = main(arguments)
            if arguments[:2] == ["study", "init"]:
                shrink(tmp_path / "study.toml")
            assert code in ((0, 1, 3) if long else (0,)), (line, capsys.readouterr().err)
            ran += 1
    assert ran >= len(blocks)


def test_no_page_names_a_place_outside_of_the_project():
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"(?:\.\./){2,}|\.\./shared|(?<![\w./])/(?:home|tmp|root|work)/", text), page
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


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
