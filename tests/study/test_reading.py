"""Studies that one may only read: another user's folder, a read-only mount, a store that a run has left open."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_cases import description, fill, record
from study_helpers import environment, extension, finish, start, wait_for, write_study

from dashf_pyomo.study import Study
from dashf_pyomo.study.plan import cells_of
from dashf_pyomo.study.store import FILE, Store, StoreError

pytestmark = pytest.mark.slow

#: Exports a study in every way.
EXPORTS = """
import sys
from dashf_pyomo.cli.main import main
from dashf_pyomo.study.export import frame
from dashf_pyomo.study.store import Store
for suffix in ("csv", "jsonl", "trc"):
    assert main(["study", "export", sys.argv[1], "-o", f"{sys.argv[2]}/x.{suffix}"]) == 0
with Store(sys.argv[1]) as store:
    print(len(frame(store)))
"""

#: Somebody else, as number of a user.
OTHER = 65534


def as_reader() -> list[str]:
    """Command in front of another that makes it one of a user who may not write to files of others."""
    if not hasattr(os, "geteuid"):
        pytest.skip("there are no users here whose rights could be told apart")
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv to be less than root")
    return ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that others may read, as those of pytest are not; given to somebody else by `give_away`."""
    folder = Path(tempfile.mkdtemp(prefix="dashf-test-", dir="/tmp" if Path("/tmp").is_dir() else None))
    folder.chmod(0o755)
    yield folder
    for item in [folder, *folder.rglob("*")]:
        item.chmod(0o755)
    shutil.rmtree(folder)


def give_away(folder: Path) -> None:
    """Make a folder another user's, who lets everybody read it, or, where one cannot, take one's own rights away."""
    for item in [*folder.rglob("*"), folder]:
        item.chmod((0o755 if item.is_dir() else 0o644) if os.geteuid() == 0 else (0o555 if item.is_dir() else 0o444))
        if os.geteuid() == 0:
            os.chown(item, OTHER, OTHER)


def read_as_other(*arguments: object, home: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        [*as_reader(), sys.executable, "-m", "dashf_pyomo", "study", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, env=environment(HOME=str(home), MPLCONFIGDIR=str(home)),
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_finished_study_of_another_user_is_reported_and_exported(place: Path, tmp_path: Path) -> None:
    fill(place / "study")
    give_away(place)
    before = names(place / "study")
    study = place / "study"
    code, out, err = read_as_other("report", study, home=tmp_path)
    assert (code, out) == (2, "") and err.count("\n") == 1, err
    assert "cannot be written (Permission denied); expected a folder for the report (-o)" in err
    code, out, err = read_as_other("report", study, "-o", tmp_path / "page", home=tmp_path)
    assert (code, err) == (1, "") and "CONTRADICTION: " in out and (tmp_path / "page" / "index.html").is_file()
    done = subprocess.run(
        [*as_reader(), sys.executable, "-c", EXPORTS, study, tmp_path], capture_output=True, text=True,
        env=environment(),
    )  # fmt: skip
    assert done.stdout.count("50 cells") == 3 and (
        done.stdout.endswith("\n50\n") or "pandas is not installed" in done.stderr
    ), done.stderr
    assert names(study) == before


def test_a_study_that_one_may_only_read_is_no_study_that_another_run_writes_to(place: Path, tmp_path: Path) -> None:
    toml = write_study(place / "s.toml", ["nearest"])
    Study.read(toml, place / "s").run(workers=1)
    give_away(place)
    code, out, err = read_as_other("plan", toml, home=tmp_path)
    assert (code, err) == (0, "") and "1 have ended, 0 are missing" in out
    code, out, err = read_as_other("run", toml, home=tmp_path)
    assert (code, out) == (2, "") and err.count("\n") == 1 and "cannot be written" in err, err


@pytest.mark.parametrize("kept", ["with the index of its log", "without"])
def test_a_store_that_a_killed_run_has_left_is_read_with_all_that_was_committed(
    kept: str, place: Path, tmp_path: Path
) -> None:
    toml = write_study(place / "s.toml", ["logging"], seeds=400)
    log = tmp_path / "log"
    process = start("run", toml, "--workers", 1, env=environment(extension(tmp_path), STUDY_TEST_LOG=str(log)))
    wait_for(lambda: log.exists() and log.read_text().count("\n") >= 10, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    study = place / "s"
    assert (study / f"{FILE}-wal").stat().st_size > 0
    if kept == "without":
        (study / f"{FILE}-shm").unlink()
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    with Store(copy) as store:
        ended = len(store.outcomes())
    give_away(place)
    before = names(study)
    code, _, err = read_as_other("export", study, "-o", tmp_path / "x.csv", home=tmp_path)
    assert (code, err) == (0, "") and ended >= 8
    assert sum(",done," in line for line in (tmp_path / "x.csv").read_text().splitlines()) == ended
    assert names(study) == before


def test_a_running_study_of_another_user_is_read(place: Path, tmp_path: Path) -> None:
    toml = write_study(place / "s.toml", ["logging"], seeds=400)
    log = tmp_path / "log"
    process = start("run", toml, "--workers", 1, env=environment(extension(tmp_path), STUDY_TEST_LOG=str(log)))
    try:
        wait_for(lambda: log.exists() and log.read_text().count("\n") >= 10, process)
        for item in (place / "s").iterdir():
            item.chmod(0o644)
        if os.geteuid() == 0:
            for item in [place / "s", *(place / "s").iterdir()]:
                os.chown(item, OTHER, OTHER)
        code, _, err = read_as_other("export", place / "s", "-o", tmp_path / "x.csv", home=tmp_path)
        assert (code, err) == (0, "")
        assert sum(",done," in line for line in (tmp_path / "x.csv").read_text().splitlines()) >= 8
    finally:
        process.kill()
        finish(process)


def test_a_store_that_changes_while_it_is_read_as_one_that_does_not_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    cell = next(iter(cells_of(description())))
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(StoreError, match="was written to while it was read"), Store(tmp_path) as reader:
        assert len(reader.rows()) == 50
        with Store(tmp_path, write=True) as writer:
            writer.add([(cell, record(cell))])


def test_a_store_from_before_versions_were_recorded_is_read_and_written(tmp_path: Path) -> None:
    fill(tmp_path)
    database = sqlite3.connect(tmp_path / FILE)
    database.executescript("ALTER TABLE cells DROP COLUMN code; DROP TABLE again;")
    database.close()
    with Store(tmp_path) as store:
        assert {row["code"] for row in store.rows()} == {None} and set(store.codes().values()) == {""}
        assert store.again() == set()
    with Store(tmp_path, write=True) as store:
        keys = [row["key"] for row in store.rows()]
        store.mark(keys[:2])
        assert store.again() == set(keys[:2]) and len(store.outcomes()) == 50
