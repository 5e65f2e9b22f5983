"""A scheduler that was started anew waits for the workers that it knew before it leases what they may run (R7)."""

from __future__ import annotations

import os
import subprocess
import threading

import kubefuture as kf
import msgspec
import pytest
from kubefuture.core.identity import hello
from kubefuture.core.settings import LEASE_SECONDS
from kubefuture.scheduler.expecting import Expected

from tests.faults.changed import Changed
from tests.faults.checkpoint import reach
from tests.faults.waiting import LIMIT, eventually


@pytest.fixture
def known(tmp_path):
    """A scheduler knew this process as a worker, and has ended."""
    path = tmp_path / "slots.workers"
    me = hello("worker")
    before = Expected(path, 0.0, print)
    before.joined(me)
    return path, me


def test_R7_it_waits_until_the_worker_has_told_what_it_has(known):
    path, me = known
    expected = Expected(path, 100.0, print)
    assert expected.waits(100.0)
    expected.joined(me)
    assert expected.waits(101.0), "it is here, but has told nothing yet"
    expected.told(me)
    assert not expected.waits(101.0)


def test_R7_it_does_not_wait_for_ever(known):
    path, _ = known
    expected = Expected(path, 100.0, print)
    assert expected.waits(100.0 + LEASE_SECONDS - 1)
    assert not expected.waits(100.0 + LEASE_SECONDS + 1)


def test_R7_it_does_not_wait_for_a_worker_that_is_dead(tmp_path):
    path = tmp_path / "slots.workers"
    program = subprocess.Popen(["sleep", "1000"])
    me = hello("worker")

    before = Expected(path, 0.0, print)
    before.joined(msgspec.structs.replace(me, pid=program.pid))
    program.kill()
    program.wait()
    assert not Expected(path, 0.0, print).waits(0.0)


def test_R7_who_left_is_not_expected(known):
    path, me = known
    first = Expected(path, 0.0, print)
    first.joined(me)
    first.left(me)
    assert not Expected(path, 0.0, print).waits(0.0)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'[{"identity": 1}]', bytes(range(128, 192))])
def test_a_damaged_record_means_that_nobody_is_expected(tmp_path, content):
    path = tmp_path / "slots.workers"
    path.write_bytes(content)
    assert not Expected(path, 0.0, print).waits(0.0)


PATIENT = """
from kubefuture.scheduler import expecting
expecting.LEASE_SECONDS = 1200.0
"""


def test_R7_another_worker_does_not_get_what_a_late_one_runs(checkpoint):
    """Two workers, of which one is late, but not too late: what it runs is not leased to the other."""
    with Changed(PATIENT, slots=1) as cluster, kf.plan("cluster", connection=cluster.connection):
        port, outcome = checkpoint.port, []
        thread = threading.Thread(target=lambda: outcome.append(kf.map(lambda i: reach(port, i), range(1))))
        thread.start()
        visit = checkpoint.next()
        os.kill(cluster.worker.pid, 19)  # it is late
        cluster.kill_scheduler()
        cluster.start_scheduler()
        other = cluster.program("worker")
        eventually(lambda: len(cluster.status().workers) == 1, "the other worker")
        eventually(lambda: cluster.status().queued == 1, "the client")
        assert not checkpoint.anybody
        os.kill(cluster.worker.pid, 18)
        visit.go("once")
        thread.join(LIMIT)
        assert outcome == [["once"]] and not checkpoint.anybody
        other.close()
