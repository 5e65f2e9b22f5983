"""What an element starts does not outlive its slot, however that ends, and nobody else is hit (R3)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import kubefuture as kf
import pytest

from tests.faults import processes
from tests.faults.checkpoint import reach
from tests.faults.waiting import LIMIT, eventually

pytestmark = pytest.mark.usefixtures("all_slots_work")

PROGRAM = [sys.executable, "-c", "import threading; print(flush=True); threading.Event().wait()"]


def start_program(group: int | None = None) -> int:
    """Starts a program that runs for ever, and returns its process id when it does."""
    started = subprocess.Popen(PROGRAM, stdout=subprocess.PIPE, process_group=group)
    started.stdout.readline()
    return started.pid


def start_and_wait(port, label=""):
    """Starts a program, tells which, and waits."""
    pid = start_program()
    return reach(port, pid)


def ends(visit):
    """The program that a visitor started ends by itself."""
    eventually(lambda: not processes.is_alive(int(visit.label)), "the end of what the element started")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_r3_what_an_element_started_ends_with_a_slot_that_is_killed(pool, checkpoint, number):
    future = kf.future(start_and_wait, checkpoint.port)
    first = checkpoint.next()
    processes.kill(first.pid, number)
    ends(first)
    second = checkpoint.next()
    assert processes.is_alive(int(second.label)), "the next slot's own"
    second.go("again")
    assert future.result() == "again"


def test_r3_what_an_element_started_ends_with_a_slot_that_exits(pool, checkpoint, tmp_path):
    port = checkpoint.port

    def exit_once(flag):
        reach(port, start_program())
        if not flag.exists():
            flag.touch()
            os._exit(3)

    future = kf.future(exit_once, tmp_path / "flag")
    first = checkpoint.next()
    first.go()
    ends(first)
    checkpoint.next().go()
    future.result()


def test_r3_what_an_element_started_ends_with_a_slot_that_is_killed_when_it_is_cancelled(pool, checkpoint):
    port = checkpoint.port

    def deaf():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        reach(port, start_program())

    future = kf.future(deaf)
    visit = checkpoint.next()
    future.cancel()
    ends(visit)


def test_r3_what_an_element_started_ends_with_a_slot_that_retires(pool, checkpoint):
    futures = [kf.future(start_and_wait, checkpoint.port) for _ in range(2)]
    visits = checkpoint.take(2)
    for visit in visits:
        visit.go()
    kf.value(futures)
    assert all(processes.is_alive(int(visit.label)) for visit in visits), "their slots are there"
    kf.scale(1)
    eventually(
        lambda: sum(processes.is_alive(int(visit.label)) for visit in visits) == 1, "the end of one of them"
    )


def test_r3_what_an_element_started_ends_with_its_script(pool, checkpoint, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import kubefuture as kf\n"
        "from tests.conformance.test_left_processes import start_and_wait\n"
        f"kf.future(start_and_wait, {checkpoint.port}).result()\n"
    )
    running = subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, **pool.environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    visit = checkpoint.next()
    assert processes.is_alive(int(visit.label))
    visit.go()
    assert running.wait(LIMIT) == 0
    ends(visit)


def test_r3_a_process_in_a_group_of_its_own_is_not_hit(pool, checkpoint, tmp_path):
    port = checkpoint.port

    def start_apart(flag):
        reach(port, flag.read_text() if flag.exists() else start_program(0))

    flag = tmp_path / "pid"
    future = kf.future(start_apart, flag)
    first = checkpoint.next()
    flag.write_text(first.label)
    first.kill()
    second = checkpoint.next()
    try:
        assert second.pid != first.pid and processes.is_alive(int(first.label))
    finally:
        os.killpg(int(first.label), signal.SIGKILL)
    second.go()
    future.result()


def test_r3_a_slot_that_left_its_group_is_killed_all_the_same(pool, checkpoint):
    port = checkpoint.port

    def leave():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        other = start_program(0)
        os.setpgid(0, other)
        reach(port, other)

    future = kf.future(leave)
    visit = checkpoint.next()
    future.cancel()
    visit.left()
    eventually(lambda: not processes.is_alive(visit.pid), "the slot's end")
    os.killpg(int(visit.label), signal.SIGKILL)
