"""A slot's death is noticed even where its socket does not tell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import kubefuture as kf
import pytest

from tests.faults.checkpoint import Checkpoint, reach
from tests.faults.programs import environment


@pytest.fixture
def checkpoint():
    with Checkpoint() as point:
        yield point


@pytest.fixture(autouse=True)
def local():
    with kf.plan("local", workers=1):
        yield


def die_but_leave_a_child(port: int, flag: Path) -> str:
    if not flag.exists():
        flag.touch()
        child = os.fork()
        if child == 0:
            reach(port, "child")
            os._exit(0)
        os.setpgid(child, child)  # it would end with the slot otherwise
        os.kill(os.getpid(), signal.SIGKILL)
    return "again"


def test_R19_a_slot_whose_child_keeps_its_sockets_open_is_replaced(checkpoint, tmp_path):
    future = kf.future(die_but_leave_a_child, checkpoint.port, tmp_path / "flag")
    child = checkpoint.next()
    assert future.result() == "again"
    child.go()


def large(port: int, flag: Path, size: int) -> bytes:
    if not flag.exists():
        flag.touch()
        reach(port)
    return bytes(size)


def test_R19_a_slot_that_dies_with_unread_input_and_a_result_half_sent_is_replaced(checkpoint, tmp_path):
    """The kernel reports that as an error of the socket, after which libuv watches it no longer."""
    future = kf.future(large, checkpoint.port, tmp_path / "flag", 8 << 20)
    visit = checkpoint.next()
    more = kf.future(len, bytes(1 << 20))  # waits unread behind the element that runs
    visit.go()
    os.kill(visit.pid, signal.SIGKILL)
    assert len(future.result()) == 8 << 20
    assert more.result() == 1 << 20


PLAN_AFTER_PLAN = """
import os
import kubefuture as kf
from kubefuture.client import loop_thread
from kubefuture.worker import slot_set

# A busy machine may take a while to end what was killed.
slot_set._REAP_SECONDS = 240.0
loop_thread._END_SECONDS = 600.0
for _ in range(3):
    with kf.plan("local", workers=2):
        kf.map(abs, [-1, 2])
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child is left, not even a dead one")
"""


def test_a_plan_that_has_ended_leaves_no_process():
    ended = subprocess.run(
        [sys.executable, "-c", PLAN_AFTER_PLAN], env=environment(), capture_output=True, text=True, check=True
    )
    assert ended.stdout.startswith("no child is left")
