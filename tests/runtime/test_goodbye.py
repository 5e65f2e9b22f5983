"""A client that has ended is gone for the scheduler, whatever it left running (R10)."""

from __future__ import annotations

import subprocess
import sys

import kubefuture as kf
import pytest
from kubefuture.api.plan import current_plan

from tests.faults.checkpoint import reach
from tests.faults.programs import Cluster, environment
from tests.faults.tls import TlsCluster
from tests.faults.waiting import LIMIT, eventually
from tests.faults.wire import Wire

LEAVES_A_FORK = """
import os
import sys
import kubefuture as kf

future = kf.future(input)
if os.fork() == 0:
    sys.stdin.read()  # lives until the test closes this
    os._exit(0)
"""


def started(script: str, cluster: Cluster, **pipes: int) -> subprocess.Popen[str]:
    """A program that uses a cluster, and reads what the test writes to it."""
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment(KUBEFUTURE_CONNECTION=str(cluster.connection)),
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        **pipes,
    )


def test_a_fork_that_outlives_its_program_does_not_keep_its_session():
    with Cluster(1) as cluster:
        script = started(LEAVES_A_FORK, cluster)
        assert script.stdin is not None
        with script.stdin:
            assert script.wait(LIMIT) == 0
            eventually(lambda: cluster.status().sessions == 0, "the session's end")


IS_FORKED = """
import os
import sys
import kubefuture as kf

future = kf.future(abs, -1)
child = os.fork()
if child == 0:
    os.write(1, b"forked\\n")  # whole, as both write to it
    sys.stdin.read()
    os._exit(0)
assert future.result() == 1 == kf.future(abs, -1).result(), "the connection is as it was"
os.write(1, b"working\\n")
os.waitpid(child, 0)
"""


@pytest.mark.parametrize("kind", [Cluster, TlsCluster])
def test_a_killed_program_is_gone_although_a_fork_of_it_lives(kind):
    with kind(1) as cluster:
        script = started(IS_FORKED, cluster, stdout=subprocess.PIPE)
        assert script.stdin is not None and script.stdout is not None
        with script.stdin, script.stdout:
            assert {script.stdout.readline(), script.stdout.readline()} == {"forked\n", "working\n"}
            assert cluster.status().sessions == 1
            script.kill()
            script.wait(LIMIT)
            eventually(lambda: cluster.status().sessions == 0, "the session's end")


def is_parted(plan) -> bool:
    """Whether a plan's back end knows that it has no connection."""
    return plan.backend()._link is None


def test_a_plan_that_ends_while_it_connects_again_says_goodbye(checkpoint, monkeypatch):
    monkeypatch.setattr("kubefuture.backends.cluster._GOODBYE_SECONDS", LIMIT)
    with Cluster(1) as cluster, Wire(cluster.connection) as wire, kf.plan("sequential"):
        kf.plan("cluster", connection=wire.connection)
        plan = current_plan()
        kf.future(reach, checkpoint.port)
        visit = checkpoint.next()
        wire.part()
        eventually(lambda: is_parted(plan), "the end of the connection")
        assert cluster.status().sessions == 1, "it may come back"
        wire.mend()
        plan.close()
        eventually(lambda: cluster.status().sessions == 0, "the session's end")
        visit.left()


def test_a_plan_that_ends_while_there_is_no_scheduler_keeps_no_slot_of_the_next_one(checkpoint):
    with Cluster(1) as cluster, kf.plan("sequential"):
        kf.plan("cluster", connection=cluster.connection)
        plan = current_plan()
        kf.future(reach, checkpoint.port)
        visit = checkpoint.next()
        cluster.kill_scheduler()
        eventually(lambda: is_parted(plan), "the end of the connection")
        plan.close()
        cluster.start_scheduler()
        visit.go()
        eventually(
            lambda: [worker.busy for worker in cluster.status().workers] == [0], "the worker, with nothing"
        )
        with kf.plan("sequential"):
            kf.plan("cluster", connection=cluster.connection)
            assert kf.map(abs, [-1]) == [1], "its slot is free"
