"""Slots of plan("local"): they cannot start, they end with their program, they are nobody else's."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import as_completed

import kubefuture as kf
import pytest
from kubefuture.api.plan import current_plan
from kubefuture.client import quiet
from kubefuture.core import patience
from kubefuture.worker import slot_process

from tests.faults import processes
from tests.faults.checkpoint import reach
from tests.faults.programs import environment
from tests.faults.waiting import LIMIT, eventually


def own_slots() -> list[int]:
    """The slots of this process."""
    return [
        one.pid
        for one in processes.living().values()
        if one.parent == os.getpid() and "worker.slot" in one.command
    ]


def test_a_slot_that_cannot_start_says_why_and_whoever_waits_is_told(monkeypatch, capfd):
    monkeypatch.setattr(quiet, "QUIET_SECONDS", 0.2)
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    with kf.plan("local", workers=1):
        backend = current_plan().backend()
        eventually(lambda: "ended before it was ready (exit code 1)" in backend.why_no_slots, "a reason")
        said = []

        def hear():
            said.append(capfd.readouterr().err)
            return "kubefuture: no slot is connected, waiting: a slot ended before it was ready" in "".join(
                said
            )

        _waiting = kf.future(abs, -1)
        eventually(hear, "the line")
        with pytest.raises(TimeoutError):
            kf.map(abs, [1], timeout=0.1)


WAYS = {
    "scale": lambda: kf.scale(2),
    "result": lambda: kf.future(abs, -1).result(),
    "with a timeout": lambda: kf.future(abs, -1).result(LIMIT),
    "exception": lambda: reraise(kf.future(abs, -1).exception()),
    "value": lambda: kf.value([kf.future(abs, -1), kf.future(abs, -2)]),
    "as_completed": lambda: [one.result() for one in as_completed([kf.future(abs, -1)])],
    "map": lambda: kf.map(abs, [-1]),
    "imap": lambda: list(kf.imap(abs, [-1])),
    "aio": lambda: asyncio.run(kf.aio.map(abs, [-1])),
    "executor": lambda: list(kf.ClusterExecutor().map(abs, [-1])),
}


def reraise(error):
    raise error


@pytest.mark.parametrize("wait", WAYS)
def test_r23_whoever_waits_for_slots_that_cannot_start_is_told_why(monkeypatch, capfd, wait):
    for waiting in (patience, quiet):
        monkeypatch.setattr(waiting, "QUIET_SECONDS", 0.2)
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    said = []
    ended = []

    def hear():
        said.append(capfd.readouterr().err)
        return "(exit code 1)" in "".join(said)

    with kf.plan("local", workers=1):
        backend = current_plan().backend()
        eventually(lambda: "exit code 1" in backend.why_no_slots, "a reason")

        def until_the_end():
            with pytest.raises(kf.KubefutureError, match="has ended"):
                WAYS[wait]()
            ended.append(True)

        waiting = threading.Thread(target=until_the_end)
        waiting.start()
        eventually(hear, "the line")
        current_plan().close()
    waiting.join(LIMIT)
    assert ended
    start = "0 of 2 workers are there, waiting:" if wait == "scale" else "no slot is connected"
    assert f"kubefuture: {start}" in "".join(said)
    assert "".join(said).count("kubefuture:") == 1, "said once"


def test_a_python_that_is_not_there_any_more_is_named(monkeypatch):
    monkeypatch.setattr(slot_process.sys, "executable", "/no/such/python")
    with kf.plan("local", workers=1):
        backend = current_plan().backend()
        eventually(lambda: "/no/such/python" in backend.why_no_slots, "a reason")


def test_a_slot_that_can_start_again_does_its_work(monkeypatch):
    monkeypatch.setattr(slot_process.sys, "executable", "/no/such/python")
    with kf.plan("local", workers=1):
        backend = current_plan().backend()
        eventually(lambda: "/no/such/python" in backend.why_no_slots, "a reason")
        monkeypatch.undo()
        assert kf.map(abs, [-1]) == [1]


def test_nothing_is_left_when_a_plan_is_closed():
    with kf.plan("local", workers=2):
        assert kf.map(abs, range(10)) == list(range(10))
        assert len(own_slots()) == 2
    eventually(lambda: own_slots() == [], "the slots' end")


def test_work_of_a_plan_that_ended_is_not_waited_for_for_ever(checkpoint):
    with kf.plan("local", workers=1):
        future = kf.future(reach, checkpoint.port)
        visit = checkpoint.next()
        current_plan().close()
        with pytest.raises(kf.KubefutureError, match="has ended"):
            future.result(LIMIT)
        visit.left()


PROGRAM = """
import os, signal, sys
import kubefuture as kf
from tests.faults.checkpoint import reach

kf.plan("local", workers=2)
futures = [kf.future(reach, {port}) for _ in range(2)]
{end}
"""

ENDS = {
    "killed": "import threading; threading.Event().wait()",
    "left": "",
    "sys.exit": "sys.exit(3)",
    "os._exit": "os._exit(3)",
    "an error": "raise RuntimeError",
    "terminated": "os.kill(os.getpid(), signal.SIGTERM)",
}


@pytest.mark.parametrize("end", ENDS)
def test_slots_end_with_their_program_however_that_ends(checkpoint, end):
    """R1: even if it is killed while they run something."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(port=checkpoint.port, end=ENDS[end])],
        env=environment(), cwd=os.getcwd(), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    slots = []
    if end == "killed":
        slots = [visit.pid for visit in checkpoint.take(2)]
        assert all(map(processes.is_alive, slots))
        program.send_signal(signal.SIGKILL)
    program.wait(LIMIT)
    eventually(lambda: not any(map(processes.is_alive, slots)), "the slots' end")
    eventually(lambda: not processes.slots_of(program.pid), "the end of slots that were starting")


FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@FORKS
def test_a_fork_of_the_program_leaves_the_slots_alone():
    with kf.plan("local", workers=1):
        assert kf.map(abs, [-1]) == [1]
        slots = own_slots()
        child = os.fork()
        if child == 0:
            try:
                current_plan().close()
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        assert kf.map(abs, [-2]) == [2] and own_slots() == slots


@FORKS
def test_a_fork_of_the_program_can_use_the_plan_too():
    with kf.plan("local", workers=1):
        assert kf.map(abs, [-1]) == [1]
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if kf.map(abs, [-3]) == [3] else 2)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0


def test_what_a_slot_prints_arrives_here(capfd):
    with kf.plan("local", workers=1):
        kf.map(print, ["said in a slot"])
    assert "said in a slot" in capfd.readouterr().out


def test_futures_that_come_while_all_slots_work_run_in_their_order_unless_they_are_cancelled(
    checkpoint, tmp_path
):
    port, notes = checkpoint.port, tmp_path / "notes"

    def note(number):
        with notes.open("a") as file:
            file.write(f"{number}\n")
        return number

    with kf.plan("local", workers=1):
        first = kf.future(reach, port)
        visit = checkpoint.next()
        others = [kf.future(note, number) for number in range(100)]
        assert all(other.cancel() for other in others[1::2])
        visit.go()
        first.result()
        assert [other.result() for other in others[::2]] == list(range(0, 100, 2))
    assert notes.read_text().split() == [str(number) for number in range(0, 100, 2)]


@pytest.fixture
def live_slot(checkpoint):
    """The back end of a plan with one slot, which runs an element whose output is looked at, and the slot's pid."""
    with kf.plan("local", workers=1):
        future = kf.options(output="live").future(reach, checkpoint.port)
        yield current_plan().backend(), checkpoint.next().pid
        future.cancel()


def test_a_slot_that_a_look_finds_dead_is_asked_nothing_more(live_slot):
    backend, pid = live_slot

    def find_it_dead():
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        backend._slots.check()

    backend._thread.call(find_it_dead)


def test_a_look_at_slots_that_are_gone_with_their_plan_finds_none(live_slot):
    backend, _ = live_slot

    def end():
        backend._slots.close()
        backend._slots.reap()
        backend._slots.check()
        return backend._slots.ready

    assert backend._thread.call(end) is not None
