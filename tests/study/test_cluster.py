"""Studies on a real local Dask scheduler with two workers, one of which is killed in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from study_helpers import children, contents, environment, extension, finish, outcomes, start, write_study

from dashf_pyomo.study import Study
from dashf_pyomo.study.cluster import ClusterPool
from dashf_pyomo.study.pool import LocalPool
from dashf_pyomo.study.store import Store
from dashf_pyomo.study.task import CellTask, Lost

pytestmark = pytest.mark.slow

pytest.importorskip("distributed", reason="dask.distributed is not installed; pip install 'dashf-pyomo[cluster]'")


class Cluster:
    """A scheduler and workers with one thread each, as processes of their own."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._folder, self._env = folder, env
        self._processes: list[subprocess.Popen[bytes]] = []
        self._file = folder / "scheduler.json"
        self.scheduler = self._start("distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--host",
                                     "127.0.0.1")  # fmt: skip
        deadline = time.monotonic() + 60
        while not self._file.exists() or not self._file.read_text().strip():
            assert time.monotonic() < deadline, "no scheduler"
            time.sleep(0.05)
        self.address: str = json.loads(self._file.read_text())["address"]
        self.workers = [
            self._start("distributed.cli.dask_worker", "--nthreads", "1", "--no-dashboard", "--no-nanny",
                        "--host", "127.0.0.1")
            for _ in range(2)
        ]  # fmt: skip

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--scheduler-file", str(self._file), *arguments],
            env=self._env, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        self._processes.append(process)
        return process

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    env = environment(extension(tmp_path), STUDY_TEST_LOG=str(tmp_path / "log"), STUDY_TEST_SLEEP="0.1")
    found = Cluster(tmp_path, env)
    yield found
    found.stop()


@pytest.fixture
def bare_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One whose machines do not have the extension."""
    found = Cluster(tmp_path, environment())
    yield found
    found.stop()


def test_a_machine_that_dies_costs_nothing_but_time(cluster: Cluster, tmp_path: Path) -> None:
    cells = 80
    study = write_study(tmp_path / "s.toml", ["logging"], seeds=cells)
    env = environment(extension(tmp_path), STUDY_TEST_LOG=str(tmp_path / "local"), STUDY_TEST_SLEEP="0")
    process = start("run", study, "--out", tmp_path / "cluster", "--scheduler", cluster.address, env=env)
    log = tmp_path / "log"
    deadline = time.monotonic() + 90
    while not log.exists() or log.read_text().count("\n") < 20:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    os.killpg(cluster.workers[0].pid, signal.SIGKILL)
    code, out, err = finish(process)
    assert (code, err) == (0, "") and f"ran {cells} of {cells} cells" in out and "failed" not in out
    assert log.read_text().count("\n") >= cells

    assert finish(start("run", study, "--out", tmp_path / "local-run", env=env))[0] == 0
    assert list(contents(tmp_path / "cluster")) == list(contents(tmp_path / "local-run"))
    code, out, _ = finish(start("run", study, "--out", tmp_path / "cluster", "--scheduler", cluster.address, env=env))
    assert code == 0 and "nothing to do" in out


def test_limits_hold_on_the_cluster_too(cluster: Cluster, tmp_path: Path) -> None:
    study = write_study(tmp_path / "s.toml", ["crashing", "hanging", "nearest"], limits="time = 0.5\ngrace = 0.5")
    env = environment(extension(tmp_path))
    code, out, err = finish(start("run", study, "--out", tmp_path / "out", "--scheduler", cluster.address, env=env))
    assert (code, err) == (0, "") and "2 have failed" in out
    found = outcomes(tmp_path / "out")
    assert found["crashing"][0] == "crash" and found["hanging"][0] == "overdue" and found["nearest"][0] == "done"


def test_an_interruption_takes_back_what_is_handed_out(cluster: Cluster, tmp_path: Path) -> None:
    study = write_study(tmp_path / "s.toml", ["logging"], seeds=400)
    process = start(
        "run", study, "--out", tmp_path / "out", "--scheduler", cluster.address, env=environment(extension(tmp_path))
    )
    log = tmp_path / "log"
    deadline = time.monotonic() + 90
    while not log.exists() or log.read_text().count("\n") < 5:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process, timeout=30)
    assert code == 130 and err.count("\n") == 1 and "goes on" in err
    time.sleep(1.0)
    before = log.read_text().count("\n")
    time.sleep(1.0)
    assert log.read_text().count("\n") - before <= 2  # nobody works for a client that has gone


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [("tcp://127.0.0.1:9", 3, "cannot be reached"), ("nonsense://x", 2, "expected tcp://host:port")],
)
def test_a_scheduler_that_is_not_there_is_one_clear_line(address: str, code: int, said: str, tmp_path: Path) -> None:
    study = write_study(tmp_path / "s.toml", ["nearest"])
    got, out, err = finish(start("run", study, "--out", tmp_path / "out", "--scheduler", address, env=environment()))
    assert (got, out) == (code, "") and said in err and err.count("\n") == 1 and "Traceback" not in err


def wait_for_lines(log: Path, number: int, process: subprocess.Popen[str]) -> None:
    """Wait until so many cells have been run."""
    deadline = time.monotonic() + 90
    while not log.exists() or log.read_text().count("\n") < number:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)


def test_a_scheduler_that_is_killed_costs_the_cells_in_flight_and_no_method_is_blamed(
    cluster: Cluster, tmp_path: Path
) -> None:
    cells = 60
    study = write_study(tmp_path / "s.toml", ["logging"], seeds=cells)
    env = environment(extension(tmp_path), STUDY_TEST_LOG=str(tmp_path / "local"), STUDY_TEST_SLEEP="0")
    process = start("run", study, "--out", tmp_path / "out", "--scheduler", cluster.address, env=env)
    wait_for_lines(tmp_path / "log", 12, process)
    os.killpg(cluster.scheduler.pid, signal.SIGKILL)
    code, out, err = finish(process, timeout=60)
    assert (code, out) == (3, "") and err.count("\n") == 1, err
    assert f"scheduler {cluster.address} is lost" in err and "the same command runs the others" in err
    with Store(tmp_path / "out") as store:
        kept = store.outcomes()
    assert 0 < len(kept) < cells and set(kept.values()) == {"done"} and f"{len(kept)} of {cells} cells" in err

    code, out, err = finish(start("run", study, "--out", tmp_path / "out", "--workers", 1, env=env))
    assert (code, err) == (0, "") and f"ran {cells - len(kept)} of {cells} cells" in out and "failed" not in out


def test_a_worker_that_is_retired_or_asked_to_end_costs_nothing_but_time(cluster: Cluster, tmp_path: Path) -> None:
    import distributed

    cells = 60
    study = write_study(tmp_path / "s.toml", ["logging"], seeds=cells)
    process = start(
        "run", study, "--out", tmp_path / "out", "--scheduler", cluster.address, env=environment(extension(tmp_path))
    )
    wait_for_lines(tmp_path / "log", 6, process)
    for pid in children(cluster.workers[0].pid):  # a batch system tells every process of a job
        os.kill(pid, signal.SIGTERM)
    with distributed.Client(cluster.address, set_as_default=False) as client:
        client.retire_workers([next(iter(client.scheduler_info()["workers"]))])
    code, out, err = finish(process)
    assert (code, err) == (0, "") and f"ran {cells} of {cells} cells" in out and "failed" not in out


def test_cells_whose_method_the_cluster_does_not_have_are_not_recorded_as_its_failures(
    tmp_path: Path, bare_cluster: Cluster
) -> None:
    study = write_study(tmp_path / "s.toml", ["logging", "nearest"])
    env = environment(extension(tmp_path), STUDY_TEST_LOG=str(tmp_path / "local"), STUDY_TEST_SLEEP="0")
    run = ("run", study, "--out", tmp_path / "out")
    code, out, err = finish(start(*run, "--scheduler", bare_cluster.address, env=env))
    assert (code, out) == (3, "") and err.count("\n") == 1, err
    assert "1 cell was lost, logging on random-3x2-seed0: worker on" in err and "unknown method 'logging'" in err
    assert outcomes(tmp_path / "out") == {"logging": (None, None), "nearest": outcomes(tmp_path / "out")["nearest"]}
    assert "ran 1 of 2 cells" in finish(start(*run, "--workers", 1, env=env))[1]


class Untravelled:
    """What can be sent nowhere."""

    def __reduce__(self) -> str:
        raise TypeError("stays at home")


def test_a_cell_that_cannot_be_sent_is_lost_and_no_crash(cluster: Cluster, tmp_path: Path) -> None:
    study = Study([{"users": 3}], ["nearest"], tmp_path / "out")
    task = replace(CellTask.of(study.plan[0]), options={"way": Untravelled()})
    for pool in (ClusterPool(cluster.address), LocalPool(1)):
        try:
            pool.submit(task)
            while not (found := pool.collect(1.0)):
                pass
        finally:
            pool.close()
        (lost,) = found
        assert isinstance(lost, Lost) and lost.key == task.key and "cannot be sent" in lost.reason
        assert "stays at home" in lost.reason
