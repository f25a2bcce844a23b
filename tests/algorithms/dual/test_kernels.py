"""The compiled kernels: the same numbers as their sources, never those of other sources, and at home in any process."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import magnitudes

import dashf_pyomo
from dashf_pyomo.algorithms.dual.kernels import energy, proof, running, shadow
from dashf_pyomo.algorithms.dual.kernels.pricing import TREE_WIDTH
from dashf_pyomo.algorithms.dual.kernels.sources import digest
from formulations import Scenario

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
KERNELS = Path("dashf_pyomo") / "algorithms" / "dual" / "kernels"
SOLVE = ("solve", "--users", "2", "--servers", "1", "--method", "dual")

#: Ends a process that hangs, long before the limit of the test.
DEADLINE = 120


def python(*arguments: str, home: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, with the packages of a folder."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of both packages, machine code included."""
    for package in ("dashf_pyomo", "formulations"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


# -- the same numbers -----------------------------------------------------------------------------


def test_the_kernels_of_this_installation_are_compiled() -> None:
    assert running.is_compiled()
    assert digest() == running.kernels().SOURCES


@given(
    c=st.tuples(*[magnitudes(1e-4, 1e4)] * 7, *[magnitudes(1e-6, 1e9)] * 2),
    prices=st.tuples(*[magnitudes(1e-3, 3.0)] * 7),
    rho=magnitudes(1e-6, 1.0),
    weight=st.sampled_from([0.0, 1.0, 3.0]),
    mu=st.sampled_from([0.0, -0.3, 2.0]),
    offload=st.sampled_from([(0.0, 1.0), (0.0, 0.0), (1.0, 1.0), (0.2, 0.7)]),
    needs=st.sampled_from([(0.0, 0.0), (0.3, 0.0), (0.0, 0.1), (0.1, 0.7)]),
    sign=st.sampled_from([1.0, -1.0]),
    kind=st.sampled_from([0, 1, 2]),
)
@settings(max_examples=30, deadline=None)
def test_machine_code_and_sources_agree_bit_for_bit(
    c: tuple, prices: tuple, rho: float, weight: float, mu: float, offload: tuple, needs: tuple, sign: float, kind: int
) -> None:
    row = np.array([c])
    deadline = float(2.0 * (row[0, 0] + row[0, 2] + row[0, 1]))
    least = np.array(needs) * np.log1p(row[0, 7:])
    shares_price = sign * prices[0], *prices[1:]
    terms = np.array([[weight, *shares_price, rho, mu, 0.1, 0.5 * deadline, deadline, *offload, *least]])
    shares = np.array([[0.3, 0.2, 0.6]])

    def results(code: object) -> list[np.ndarray]:
        bounds, columns = np.tile((np.inf, -np.inf), (1, 1)), np.full((1, 9), np.nan)
        counts, leaves = np.zeros((1, 2), dtype=np.intp), np.zeros((22, TREE_WIDTH))
        least, slopes = np.zeros((1, 5)), np.full((1, 4), np.nan)
        with contextlib.suppress(ArithmeticError, ValueError):
            tolerances = (np.array([1e-3]), np.array([-np.inf]), np.zeros((1, 0, 4)))
            code.price(row, 0.3, kind, terms, *tolerances, True, False, 40, leaves, bounds, columns, counts, 0, 1)
        with contextlib.suppress(ArithmeticError, ValueError):
            code.least_energy_of(row, terms, shares, least, 0, 1)
        with contextlib.suppress(ArithmeticError, ValueError):
            code.shadow_prices_of(row, 0.3, kind, terms, shares, slopes, 0, 1)
        return [bounds, columns, counts, leaves[: counts[0, 1]], least, slopes]

    plain = running.SimpleNamespace(
        price=proof.price, least_energy_of=energy.least_energy_of, shadow_prices_of=shadow.shadow_prices_of
    )
    for ours, theirs in zip(results(running.kernels()), results(plain), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    scenario = Scenario.random(8, 2, seed=3)
    one, two = (dashf_pyomo.solve(scenario, "dual", threads=threads, moves=0, gap=0.01) for threads in (1, 2))
    assert one.upper_bound == two.upper_bound and one.scr == two.scr


# -- machine code of other sources ----------------------------------------------------------------


@pytest.mark.parametrize("folder", ["unset", "elsewhere"])
def test_machine_code_of_other_sources_is_refused_in_one_line(checkout: Path, folder: str) -> None:
    with (checkout / KERNELS / "link.py").open("a") as source:
        source.write("\n# A kernel that was mended.\n")
    environment = {"NUMBA_CACHE_DIR": str(checkout / "cache")} if folder == "elsewhere" else {}
    said = python("-m", "dashf_pyomo", *SOLVE, home=checkout, **environment)
    assert said.returncode == 3
    assert "the compiled kernels are of other sources" in said.stderr and said.stderr.count("\n") == 1
    assert "upper bound" not in said.stdout


def test_without_machine_code_the_sources_run_and_the_run_says_so(checkout: Path) -> None:
    for code in (checkout / KERNELS).glob("machine.*.so"):
        code.unlink()
    said = python("-m", "dashf_pyomo", *SOLVE, "--gap", "0.05", "--json", "-o", "r.json", home=checkout)
    assert said.returncode == 0, said.stderr
    assert "the kernels ran as Python" in said.stdout
    checked = python("-m", "dashf_pyomo", "scenario", "--users", "2", "--servers", "1", "-o", "s.json", home=checkout)
    assert checked.returncode == 0
    compiled = dashf_pyomo.solve(Scenario.read(checkout / "s.json"), "dual", gap=0.05)
    assert dashf_pyomo.Result.read(checkout / "r.json").upper_bound == compiled.upper_bound


# -- processes ------------------------------------------------------------------------------------


def test_a_run_compiles_nothing_and_loads_no_source_of_a_kernel() -> None:
    code = """if True:
        import sys, dashf_pyomo
        from formulations import Scenario
        assert dashf_pyomo.solve(Scenario.random(3, 2, seed=1), "bnp", gap=0.1).upper_bound is not None
        print([name for name in sys.modules if name in ("numba", "llvmlite") or name.endswith("kernels.link")])
    """
    assert python("-c", code).stdout.strip() == "[]"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_kernels_work_in_processes_that_are_forked_after_a_run() -> None:
    code = """if True:
        import multiprocessing, dashf_pyomo
        from formulations import Scenario
        def bound(seed):
            return dashf_pyomo.solve(Scenario.random(2, 2, seed=seed), "dual", moves=0, gap=0.01).upper_bound
        before = [bound(seed) for seed in range(2)]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map_async(bound, range(2)).get(60) == before
        print("the same")
    """
    said = python("-c", code)
    assert said.stdout.strip() == "the same", said.stderr


def test_two_runs_in_two_threads_do_not_disturb_each_other() -> None:
    scenarios = [Scenario.random(3, 2, seed=seed) for seed in range(2)]
    alone = [dashf_pyomo.solve(scenario, "dual", moves=0, gap=0.01).upper_bound for scenario in scenarios]
    together: dict[int, float | None] = {}

    def run(k: int) -> None:
        together[k] = dashf_pyomo.solve(scenarios[k], "dual", moves=0, gap=0.01).upper_bound

    threads = [threading.Thread(target=run, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert [together[k] for k in range(2)] == alone


def test_no_folder_is_needed_to_cache_in(checkout: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv, to become an ordinary user")
    ordinary = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    for folder in (checkout, *checkout.parents[:-1]):
        folder.chmod(folder.stat().st_mode | 0o055)
    start = [*ordinary, sys.executable, "-c", "import numpy, dashf_pyomo"]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent"}
    if subprocess.run(start, env=environment, cwd="/", capture_output=True).returncode:
        pytest.skip("an ordinary user may not run this interpreter")
    said = subprocess.run(
        [*ordinary, sys.executable, "-m", "dashf_pyomo", *SOLVE, "--json"],
        env=environment, cwd="/", capture_output=True, text=True, timeout=DEADLINE,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert "certified" in said.stdout
