"""Running studies: whatever a cell does is a recorded outcome; no end of a run costs more than cells in flight."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from study_helpers import children, contents, environment, extension, finish, outcomes, start, wait_for, write_study

from dashf_pyomo.study import Study
from dashf_pyomo.study.pool import LocalPool
from dashf_pyomo.study.run import StudyProgress, remaining_time
from dashf_pyomo.study.store import Store
from formulations import Scenario

posix_only = pytest.mark.skipif(not hasattr(os, "killpg"), reason="local workers need Linux or macOS")
pytestmark = [posix_only, pytest.mark.slow]


def assert_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 5.0
    while alive := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        states = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in alive]
        if all(state == "Z" for state in states):
            return
        assert time.monotonic() < deadline, "workers outlive the run"
        time.sleep(0.05)


# -- outcomes -----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of memory is Linux's")
def test_crashes_hangs_and_lack_of_memory_are_recorded_outcomes(tmp_path: Path) -> None:
    methods = ["crashing", "hanging", "holding", "leaving", "failing", "stumbling", "exiting", "nearest"]
    study = write_study(tmp_path / "s.toml", methods, limits="time = 2.0\ngrace = 1.0\nmemory = 300")
    env = environment(extension(tmp_path))
    code, out, err = finish(start("run", study, "--out", tmp_path / "out", "--workers", 2, env=env))
    assert (code, err) == (0, "") and "ran 8 of 8 cells" in out and "7 have failed" in out
    found = outcomes(tmp_path / "out")
    assert found["crashing"] == ("crash", "worker died from signal 11 (SIGSEGV)")
    assert found["hanging"] == ("overdue", "killed 1 s beyond its time limit of 2 s")
    assert found["holding"] == ("memory", "out of memory, limit of 300 MB")
    assert found["leaving"] == ("crash", "worker ended with exit code 7")
    assert found["failing"] == ("done", "solver has no licence; best allocation so far")  # with status error
    assert found["stumbling"] == ("error", "ZeroDivisionError: by nothing at all")
    assert found["exiting"] == ("error", "SystemExit: 3")
    assert found["nearest"][0] == "done"


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker's pipe in /proc")
def test_what_is_lost_on_the_way_is_no_crash_of_a_method(tmp_path: Path) -> None:
    """A worker that somebody ends, an answer that cannot be read: not recorded, and the next run does the cell."""
    env = environment(extension(tmp_path))
    for method, said in (("ended", "died from signal 15 (SIGTERM)"), ("scribbling", "cannot be read (UnpicklingError")):
        study = write_study(tmp_path / f"{method}.toml", [method, "nearest"])
        for ran in ("1 of 2 cells have ended", "1 of 2 cells have ended"):
            code, out, err = finish(start("run", study, "--workers", 1, env=env))
            assert (code, out, err.count("\n")) == (3, "", 1), err
            assert f"1 cell was lost, {method} on random-3x2-seed0: " in err and said in err and ran in err
        found = outcomes(tmp_path / method)
        assert found[method] == (None, None) and found["nearest"][0] == "done"


def test_a_result_that_cannot_be_kept_is_an_error_of_its_method(tmp_path: Path) -> None:
    study = write_study(tmp_path / "s.toml", ["unkept"])
    code, out, err = finish(start("run", study, "--workers", 1, env=environment(extension(tmp_path))))
    assert (code, err) == (0, "") and "1 have failed" in out
    outcome, message = outcomes(tmp_path / "s")["unkept"]
    assert outcome == "error" and message.startswith("what method unkept returned cannot be kept (TypeError: ")


def test_workers_that_cannot_start_end_the_run_and_blame_no_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dashf_pyomo.backends import BackendError, child

    monkeypatch.setattr(child, "_BOOT", "import sys; sys.exit('no such thing')")
    study = Study([{"users": 3, "seeds": "0..9"}], ["nearest"], tmp_path / "out")
    with pytest.raises(BackendError, match=r"no worker can be started: .*exit code 1: no such thing; 0 of 10 cells"):
        study.run(workers=1)
    with Store(tmp_path / "out") as store:
        assert store.outcomes() == {}


def test_failures_are_run_again_only_when_asked_for(tmp_path: Path) -> None:
    study = write_study(tmp_path / "s.toml", ["failing", "nearest"])
    env = environment(extension(tmp_path))
    again = ("run", study, "--out", tmp_path / "out", "--workers", 1)
    assert "ran 2 of 2" in finish(start(*again, env=env))[1]
    assert "nothing to do" in finish(start(*again, env=env))[1]
    assert "ran 1 of 2" in finish(start(*again, "--retry", env=env))[1]


def test_a_worker_serves_many_cells_and_its_warming_up_is_no_part_of_them(tmp_path: Path) -> None:
    study = Study([{"users": 3, "seeds": "0..19"}], ["nearest", "gucaa"], tmp_path / "out")
    study.run(workers=2)
    with Store(tmp_path / "out") as store:
        rows = store.rows()
    assert len({row["worker"] for row in rows}) <= 2
    assert 2 <= sum(row["warm_time"] > 0 for row in rows) <= 4  # each method once in each worker
    assert all(row["wall_time"] <= row["cell_time"] for row in rows)


def test_a_worker_that_dies_while_idle_costs_no_cell(tmp_path: Path) -> None:
    study = Study([{"users": 3, "seeds": "0..1"}], ["nearest"], tmp_path / "out")
    from dashf_pyomo.study.task import CellTask

    pool = LocalPool(1)
    try:
        for cell in study.plan:
            pool.submit(CellTask.of(cell))
            while not (records := pool.collect(1.0)):
                pass
            assert records[0].outcome == "done"
            for pid in children(os.getpid()):
                if f":{pid}" in records[0].worker:
                    os.kill(pid, signal.SIGKILL)
                    time.sleep(0.2)
    finally:
        pool.close()


def test_folders_of_runs_that_were_killed_are_cleared_away_and_those_of_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = tmp_path / "dashf-study-killed"
    (killed / "0").mkdir(parents=True)
    (killed / "lock").write_bytes(b"")
    (tmp_path / "dashf-study-no-lock").mkdir()
    running = LocalPool(1)
    assert not killed.exists() and len(list(tmp_path.iterdir())) == 2
    other = LocalPool(1)
    assert len(list(tmp_path.iterdir())) == 3
    other.close()
    running.close()
    assert [place.name for place in tmp_path.iterdir()] == ["dashf-study-no-lock"]


def test_the_progress_ends_at_the_total_and_counts_failures(tmp_path: Path) -> None:
    seen: list[StudyProgress] = []
    study = Study([{"users": 3, "seeds": "0..9"}], ["nearest"], tmp_path / "out")
    summary = study.run(workers=2, watch=seen.append)
    assert (summary.total, summary.ran, summary.failed) == (10, 10, 0)
    assert seen[-1] == StudyProgress(total=10, done=10, failed=0, running=0, seconds_left=0.0)


def test_the_time_left_follows_from_cells_of_the_same_kind() -> None:
    assert remaining_time({"a": 4, "b": 2}, {"a": (2, 10.0), "b": (1, 3.0)}, workers=2) == 13.0
    assert remaining_time({"a": 4, "b": 2}, {"a": (2, 10.0)}, workers=2) is None
    assert remaining_time({"a": 0}, {}, workers=2) == 0.0


def test_cells_get_the_same_results_as_the_method_called_directly(tmp_path: Path) -> None:
    import dashf_pyomo

    scenario = Scenario.random(4, 2, seed=3)
    study = Study([scenario], [{"method": "dashf", "options": {"association": "hull"}}], tmp_path / "out")
    study.run(workers=1)
    with Store(tmp_path / "out") as store:
        result = store.result(study.plan[0].key)
    assert result is not None and result.matches(scenario)
    direct = dashf_pyomo.solve(scenario, association="hull", rounding_seed=result.options["rounding_seed"])
    assert (result.scr, result.message) == (direct.scr, direct.message)
    assert [entry.scr for entry in result.trace] == [entry.scr for entry in direct.trace]


# -- ends of runs -------------------------------------------------------------------------------


def test_kills_lose_no_more_than_the_cells_in_flight(tmp_path: Path) -> None:
    """After kills the store equals that of an undisturbed run, and hardly a cell was run twice."""
    kills, workers, cells = 8, 2, 320
    study = write_study(tmp_path / "s.toml", ["logging"], seeds=cells)
    place = extension(tmp_path)
    log = tmp_path / "log"

    def run(out: str) -> subprocess.Popen[str]:
        env = environment(place, STUDY_TEST_LOG=str(log), STUDY_TEST_SLEEP="0.01")
        return start("run", study, "--out", tmp_path / out, "--workers", workers, env=env)

    rng = random.Random(7)
    survived = []
    for _ in range(kills):
        before = log.read_text().count("\n") if log.exists() else 0
        process = run("killed")
        if rng.random() < 0.75:
            wait_for(lambda before=before: log.exists() and log.read_text().count("\n") > before, process)
            time.sleep(rng.uniform(0.0, 0.5))
        else:  # while it starts
            time.sleep(rng.uniform(0.0, 2.0))
        started = children(process.pid)
        process.kill()
        process.communicate()
        assert_gone(started)
        if (tmp_path / "killed" / "study.sqlite").exists():
            database = sqlite3.connect(tmp_path / "killed" / "study.sqlite")
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                survived.append(database.execute("SELECT count(*) FROM cells").fetchone()[0])
            database.close()
    assert survived == sorted(survived) and survived[-1] > 0
    code, out, _ = finish(run("killed"))
    assert code == 0 and f"all {cells} cells" in out
    assert len(log.read_text().splitlines()) <= cells + kills * workers

    log.unlink()
    assert finish(run("undisturbed"))[0] == 0
    assert list(contents(tmp_path / "killed")) == list(contents(tmp_path / "undisturbed"))
    assert "nothing to do" in finish(run("killed"))[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_stops_at_once_and_leaves_a_store_to_go_on_from(number: int, tmp_path: Path) -> None:
    study = write_study(tmp_path / "s.toml", ["logging"], seeds=400)
    env = environment(extension(tmp_path), STUDY_TEST_LOG=str(tmp_path / "log"))
    process = start("run", study, "--out", tmp_path / "out", "--workers", 2, env=env)
    log = tmp_path / "log"
    wait_for(lambda: log.exists() and log.read_text().count("\n") >= 10, process)
    started = children(process.pid)
    assert len(started) == 2
    process.send_signal(number)
    code, out, err = finish(process, timeout=10)
    assert (code, out) == (130, "") and err.count("\n") == 1 and "interrupted at" in err and "goes on" in err
    assert_gone(started)
    with Store(tmp_path / "out") as store:
        assert len(store.outcomes()) >= 8
    code, out, _ = finish(start("run", study, "--out", tmp_path / "out", env=env))
    assert code == 0 and "all 400 cells" in out


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    study = write_study(tmp_path / "s.toml", ["logging"], seeds=400)
    env = environment(extension(tmp_path), STUDY_TEST_LOG=str(tmp_path / "log"))
    first = start("run", study, "--out", tmp_path / "out", "--workers", 1, env=env)
    try:
        wait_for((tmp_path / "log").exists, first)
        code, out, err = finish(start("run", study, "--out", tmp_path / "out", env=env))
        assert (code, out) == (2, "") and "another run is writing" in err and err.count("\n") == 1
        code, out, _ = finish(start("plan", study, "--out", tmp_path / "out", env=env))
        assert code == 0 and "400 cells" in out  # reading goes on beside the writer
    finally:
        first.kill()
        first.communicate()
