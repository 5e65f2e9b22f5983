"""What elements print arrives unchanged, even if their slot dies, and stops nothing (R19)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import kubefuture as kf
import pytest

from tests.faults.checkpoint import reach
from tests.faults.waiting import eventually


@pytest.fixture
def printed(pool, capfd):
    """What arrived: a function that returns stdout and stderr so far, or the worker's log twice."""
    said = ["", ""]

    def so_far():
        if pool.cluster is not None:
            return [pool.cluster.worker.text()] * 2
        for number, text in enumerate(capfd.readouterr()):
            said[number] += text
        return said

    return so_far


def test_r19_what_is_printed_arrives_and_the_streams_stay_apart(pool, printed):
    def speak(_):
        print("to stdout: ä")
        print("to stderr: ö", file=sys.stderr)
        subprocess.run(["echo", "of a child"])

    kf.map(speak, [0])
    eventually(lambda: "of a child\n" in printed()[0] and "to stderr: ö\n" in printed()[1], "the output")
    stdout, stderr = printed()
    assert "to stdout: ä\n" in stdout
    assert pool.kind == "cluster" or ("stderr" not in stdout and "stdout" not in stderr)


def test_r19_what_a_slot_printed_before_it_died_arrives(pool, printed, tmp_path, all_slots_work):
    def print_and_die(flag):
        if not flag.exists():
            flag.touch()
            os.write(1, b"x" * 300_000 + b"the end of it\n")
            os.kill(os.getpid(), signal.SIGKILL)
        return "again"

    assert kf.future(print_and_die, tmp_path / "flag").result() == "again"
    eventually(lambda: "the end of it\n" in printed()[0], "the output")
    assert printed()[0].count("x") >= 300_000  # a line of the worker's own log may stand in between


def test_r19_a_child_that_keeps_the_output_open_delays_nothing_and_can_go_on(
    pool, printed, checkpoint, tmp_path, all_slots_work
):
    port = checkpoint.port

    def leave_a_daemon(flag):
        if not flag.exists():
            flag.touch()
            if os.fork() == 0:
                os.setsid()
                reach(port, "daemon")
                os.write(1, b"said later\n")
                os._exit(0)
            reach(port, "slot")
            os.kill(os.getpid(), signal.SIGKILL)
        return "again"

    future = kf.future(leave_a_daemon, tmp_path / "flag")
    visits = {visit.label: visit for visit in checkpoint.take(2)}
    visits["slot"].go()
    assert future.result() == "again"
    visits["daemon"].go()
    eventually(lambda: "said later" in printed()[0], "the output of what was left")
