"""A package that is not installed: one line that says which and how to get it, and exit code 3."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cli_helpers import Dashf

import dashf_pyomo
from dashf_pyomo.certificate import balls
from dashf_pyomo.errors import BackendError, MissingPackageError
from formulations import Scenario


def test_without_python_flint_no_certificate_is_verified(
    dashf: Dashf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = Scenario.random(2, 1, seed=0)
    scenario.write(tmp_path / "s.json")
    certificate = tmp_path / "c.npz"
    dashf_pyomo.solve(scenario, "dual", gap=0.5, certificate=str(certificate)).write(tmp_path / "r.json")
    balls.flint.cache_clear()
    monkeypatch.setitem(sys.modules, "flint", None)
    said = dashf("check", tmp_path / "s.json", tmp_path / "r.json", "--certificate", certificate)
    assert said.code == 3 and said.out == "" and said.err.count("\n") == 1
    assert "python-flint is not installed" in said.err and "pip install" in said.err


def test_a_missing_package_is_no_failing_backend() -> None:
    assert not issubclass(MissingPackageError, BackendError) and not issubclass(BackendError, MissingPackageError)
