"""One program at a time is a run (R5)."""

from __future__ import annotations

import subprocess
import sys

import pytest
from kubefuture.core import run_lock
from kubefuture.errors import NamedMapError

from tests.faults import processes
from tests.faults.waiting import eventually

HOLD = """
import os, sys
from kubefuture.core.run_lock import RunLock
lock = RunLock("night")
pid = os.fork() if sys.argv[1] == "fork" else os.getpid()
if pid:
    print(pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(run_lock, "_started_in", str(tmp_path))
    monkeypatch.setattr(run_lock.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def hold(folder, how="alone"):
    program = subprocess.Popen(
        [sys.executable, "-c", HOLD, how], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    return program, int(program.stdout.readline())


def test_R5_a_run_is_refused_while_another_program_is_it_and_not_after_its_end(folder):
    program, pid = hold(folder)
    with pytest.raises(
        NamedMapError, match=rf"Run 'night' goes on already, in process {pid}: .* make run RUN="
    ):
        run_lock.RunLock("night")
    run_lock.RunLock("day").release()
    program.communicate()
    run_lock.RunLock("night").release()
    assert list(folder.iterdir()) == []


def test_R5_neither_a_killed_program_nor_what_it_has_forked_keeps_its_run(folder):
    program, child = hold(folder, "fork")
    program.kill()
    program.wait()
    eventually(_is_free, "the end of the lock")
    program.stdin.close()
    eventually(lambda: child not in processes.living(), "the fork's end")


def _is_free():
    try:
        run_lock.RunLock("night").release()
    except NamedMapError:
        return False
    return True
