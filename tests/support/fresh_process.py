"""Python processes of their own, and the packages that are made for them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def environment(*places: Path, **more: str) -> dict[str, str]:
    """Variables of a process that finds our packages, and before them those in other places."""
    path = [*map(str, places), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), **more}


def run_python(
    *arguments: object, places: tuple[Path, ...] = (), cwd: Path | None = None, timeout: float = 200.0
) -> subprocess.CompletedProcess[str]:
    """Run Python with arguments, such as ``-c`` and a program."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, env=environment(*places), timeout=timeout,
    )  # fmt: skip


def run_program(program: str, *places: Path, cwd: Path | None = None) -> str:
    """Run a program that has to succeed, and return what it prints."""
    done = run_python("-c", program, places=places, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_distribution(folder: Path, name: str, groups: Mapping[str, Mapping[str, str]], version: str = "1.0") -> Path:
    """Make what an installer would: a folder in which entry points of a distribution are found.

    Parameters
    ----------
    folder
        The folder; it is made if it is not there.
    name
        The distribution.
    groups
        What the entry points name, by their names, for each group (``methods`` for ``dashf_pyomo.methods``).
    """
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = []
    for group, points in groups.items():
        lines += [f"[dashf_pyomo.{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (about / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder


def make_extension(folder: Path, name: str, groups: Mapping[str, Mapping[str, str]]) -> Path:
    """Make a distribution of modules that are given as code, by entry point; ``one`` of it is module ``name_one``."""
    prefix = name.replace("-", "_")
    for points in groups.values():
        for key, code in points.items():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{prefix}_{key}.py").write_text(code, encoding="utf-8")
    named = {group: {key: f"{prefix}_{key}" for key in points} for group, points in groups.items()}
    return make_distribution(folder, name, named)
