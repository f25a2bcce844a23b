"""The cores that a process may use: the least of the system's, the affinity mask's and the control group's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dashf_pyomo import cores
from dashf_pyomo.algorithms import Limits
from dashf_pyomo.algorithms.run import Run
from dashf_pyomo.study import Study
from formulations import Scenario

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = (
    "31 23 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 {origin} /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 {origin} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
)


def system(root: Path, groups: str, mounts: str, files: dict[str, str]) -> Path:
    """A file system with the control groups of a process."""
    contents = {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts} | files
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


# fmt: off
CASES: dict[str, tuple[str, str, dict[str, str], float | None]] = {
    "version 2, container": ("0::/\n", V2, {"sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2.5),
    "version 2, no quota": ("0::/\n", V2, {"sys/fs/cgroup/cpu.max": "max 100000\n"}, None),
    "version 2, less above": (
        "0::/batch.slice/job 7/step\n", V2,
        {"sys/fs/cgroup/batch.slice/cpu.max": "max 100000", "sys/fs/cgroup/batch.slice/job 7/cpu.max": "300000 100000",
         "sys/fs/cgroup/batch.slice/job 7/step/cpu.max": "800000 100000"}, 3.0,
    ),
    "version 2, group seen from outside": ("0::/../other\n", V2, {"sys/fs/cgroup/cpu.max": "50000 100000"}, 0.5),
    "version 1, container": (
        "4:memory:/docker/ab\n3:cpu,cpuacct:/docker/ab\n0::/system.slice\n", V1.format(origin="/docker/ab"),
        {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
         "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n"}, 1.5,
    ),
    "version 1, job": (
        "3:cpu,cpuacct:/slurm/job\n", V1.format(origin="/"),
        {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
         "sys/fs/cgroup/cpu,cpuacct/slurm/job/cpu.cfs_quota_us": "400000",
         "sys/fs/cgroup/cpu,cpuacct/slurm/job/cpu.cfs_period_us": "100000"}, 4.0,
    ),
    "version 1, no quota": (
        "3:cpu,cpuacct:/\n", V1.format(origin="/"),
        {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1", "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000"},
        None,
    ),
    "nothing mounted": ("0::/\n", "", {}, None),
    "damaged": ("0::/\n", V2, {"sys/fs/cgroup/cpu.max": "many"}, None),
}
# fmt: on


@pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")
@pytest.mark.parametrize("case", CASES)
def test_the_quota_of_the_control_group_is_found(case: str, tmp_path: Path) -> None:
    groups, mounts, files, expected = CASES[case]
    assert cores.cores_of_quota(system(tmp_path, groups, mounts, files)) == expected


def test_without_proc_there_is_no_quota(tmp_path: Path) -> None:
    assert cores.cores_of_quota(tmp_path) is None


@pytest.mark.parametrize(
    ("host", "mask", "quota", "expected"),
    [(64, 64, None, 64), (64, 3, None, 3), (64, 64, 2.2, 3), (64, 64, 0.1, 1), (2, 2, 8.0, 2), (64, 4, 2.0, 2)],
)
def test_what_allows_least_decides(
    host: int, mask: int, quota: float | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: host)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(mask)), raising=False)
    monkeypatch.setattr(cores, "cores_of_quota", lambda: quota)
    assert cores.available_cores() == expected
    assert cores.default_threads() == (None if expected == host else expected)


def test_native_libraries_start_no_more_threads_than_a_quota_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"MKL_NUM_THREADS": "7"})
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    monkeypatch.setattr(cores, "cores_of_quota", lambda: None)
    cores.limit_native_threads()
    assert "OMP_NUM_THREADS" not in os.environ  # they count as many themselves
    monkeypatch.setattr(cores, "cores_of_quota", lambda: 1.5)
    cores.limit_native_threads()
    assert [os.environ[name] for name in cores.THREAD_VARIABLES] == ["2", "2", "7"]


@pytest.mark.skipif(shutil.which("taskset") is None, reason="needs taskset of util-linux")
def test_the_affinity_mask_is_respected() -> None:
    first = min(os.sched_getaffinity(0))
    code = "from dashf_pyomo.cores import available_cores; print(available_cores())"
    run = subprocess.run(["taskset", "-c", str(first), sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "1\n", run.stderr


def test_workers_and_threads_default_to_what_is_allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    monkeypatch.setattr(cores, "cores_of_quota", lambda: 2.5)
    study = Study([{"sizes": [[2, 1]], "seeds": range(9)}], ["nearest"], tmp_path)
    assert study.outlook().workers == 3
    run = Run(Scenario.random(2, 1, seed=0), Limits())
    assert run.backend_limits().threads == 3
    assert Run(run.scenario, Limits(time_limit=60, threads=5)).backend_limits().threads == 5
    monkeypatch.setattr(cores, "cores_of_quota", lambda: None)
    assert run.backend_limits().threads is None  # the solver's own default is right then
