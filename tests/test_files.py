"""Files that several programs are at: replaced whole, and kept by one at a time, also when programs are killed."""

import errno
import json
import os
import resource
import subprocess
import sys
import time

import pytest
from tng import files
from tng.files import Lock, LockedError, replaced

HOST = files._host()


@pytest.fixture
def state(tmp_path):
    return tmp_path / "phase0.part.safetensors"


@pytest.fixture(scope="module")
def dead():
    """The number of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def names(state):
    return sorted(path.name for path in state.parent.iterdir())


def test_writers_do_not_share_a_name(state, monkeypatch):
    with replaced(state) as one:
        one.write_text("one")
        monkeypatch.setattr(files, "_host", lambda: "other")
        with replaced(state) as two:
            two.write_text("two")
        assert one != two and state.read_text() == "two"
    assert state.read_text() == "one" and names(state) == [state.name]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_after_an_error_the_file_is_as_it_was(error, state):
    state.write_text("before")
    with pytest.raises(type(error)), replaced(state) as part:
        part.write_text("half")
        raise error
    assert state.read_text() == "before" and names(state) == [state.name]


def test_what_killed_writers_left_is_removed(state, dead):
    keep = [f"{state.name}.{HOST}.{os.getppid()}.part", f"{state.name}.elsewhere.{dead}.part", f"other.{HOST}.{dead}.part", f"{state.name}.part"]
    old = f"{state.name}.elsewhere.7.part"
    for name in [*keep, old, f"{state.name}.{HOST}.{dead}.part"]:
        state.with_name(name).write_text("x")
    os.utime(state.with_name(old), (time.time() - 2 * files.DAY_S,) * 2)
    with replaced(state) as part:
        part.write_text("whole")
    assert names(state) == sorted([*keep, state.name])


def write_lock(state, minutes_ago=0.0, **held):
    lock = state.with_name(f"{state.name}.lock")
    lock.write_text(json.dumps({"host": "elsewhere", "pid": 1, "job": None, "started": "2020-01-02 03:04:05", "minutes": 30, **held}))
    os.utime(lock, (time.time() - 60 * minutes_ago,) * 2)
    return lock


@pytest.mark.parametrize("held", [
    {"host": HOST, "pid": os.getppid(), "minutes_ago": 10_000},              # it is there: how long it has been silent does not count
    {"minutes_ago": 29}, {"minutes_ago": 100, "minutes": 180}, {"job": "12"}])
def test_a_file_that_is_kept(held, state, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "13")
    lock = write_lock(state, **held)
    before = lock.read_text()
    who = rf"process {held.get('pid', 1)} on {held.get('host', 'elsewhere')} is at it since 2020-01-02 03:04:05"
    mine = Lock(state, 5)
    with pytest.raises(LockedError, match=f"{who}.*If it is gone, delete .*phase0.part.safetensors.lock"):
        mine.take()
    mine.release()                                                           # not its own
    assert lock.read_text() == before


@pytest.mark.parametrize("held", [{"host": HOST, "pid": "dead"}, {"minutes_ago": 31}, {"minutes_ago": 181, "minutes": 180}, {"job": "13"}])
def test_a_stale_lock_is_taken_over(held, state, dead, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "13")
    lock = write_lock(state, **{**held, **({"pid": dead} if held.get("pid") else {})})
    mine = Lock(state, 5)
    mine.take()
    found = json.loads(lock.read_text())
    assert (found["host"], found["pid"], found["job"], found["minutes"]) == (HOST, os.getpid(), "13", 30)
    mine.release()
    assert not lock.exists()


def test_a_lock_is_touched(state):
    mine = Lock(state, 5)
    mine.take()
    os.utime(mine.path, (0, 0))
    mine.touch()
    assert time.time() - mine.path.stat().st_mtime < 100


def test_a_full_disk_leaves_no_lock(state):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            Lock(state, 5).take()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(state) == []


def test_a_lock_that_was_cut_off(state):
    lock = write_lock(state)
    lock.write_text('{"host": "els')
    with pytest.raises(LockedError, match="on an unknown machine"):
        Lock(state, 5).take()
    os.utime(lock, (0, 0))
    Lock(state, 5).take()
