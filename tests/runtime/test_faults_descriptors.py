"""No file descriptor is left: what runs goes on, what cannot be done is said, and is done when there is room (R23)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import kubefuture as kf
import pytest
from kubefuture.api.plan import current_plan
from kubefuture.core import link
from kubefuture.errors import StartError

from tests.faults import processes
from tests.faults.descriptors import few_descriptors, no_descriptors, open_descriptors
from tests.faults.programs import Cluster, environment
from tests.faults.waiting import LIMIT, eventually

SENTENCE = r"Too many open files: this process needs 32 more.*ulimit -n 4096"


def test_R23_a_scheduler_without_descriptors_serves_those_it_has_and_takes_others_later(
    on_cluster, monkeypatch
):
    monkeypatch.setattr(link, "LOGIN_SECONDS", 1200.0)  # it waits while all else is done
    assert kf.map(abs, [-1]) == [1]
    found = []
    stranger = threading.Thread(target=lambda: found.append(on_cluster.status()))
    with few_descriptors(on_cluster.scheduler.pid):
        stranger.start()
        eventually(lambda: "cannot accept connections: Too many" in on_cluster.scheduler.text(), "the line")
        assert kf.map(abs, range(-100, 0)) == list(range(100, 0, -1))
        assert kf.map(abs, [-2], name="named") == [2]
        kf.scale(3)
        assert "cannot be recorded" in on_cluster.scheduler.text()
        assert not found
    stranger.join(LIMIT)
    assert found[0].wanted_slots == 3 and kf.attach("named") == [2]


@pytest.mark.parametrize("more", range(0, 12, 2))
def test_R23_a_worker_without_descriptors_says_so_keeps_its_other_slots_and_starts_the_slot_later(more):
    """Wherever on the way the descriptors end, none is lost."""
    with Cluster(2) as cluster, kf.plan("cluster", connection=cluster.connection):
        assert kf.map(abs, [-1, -2]) == [1, 2]
        worker = cluster.worker
        before = len(open_descriptors(worker.pid))
        with few_descriptors(worker.pid, more):
            slots = cluster.slots()
            processes.kill(slots[0])
            eventually(
                lambda: (
                    "a slot cannot be started: [Errno 24] Too many" in worker.text()
                    or set(cluster.slots()) - set(slots)
                ),
                "a word, or a slot",
            )
            assert kf.map(abs, range(-9, 0)) == list(range(9, 0, -1))
        eventually(lambda: kf.n_workers() == 2, "the second slot")
        eventually(lambda: len(open_descriptors(worker.pid)) == before, "as many descriptors as before")


def test_R7_a_worker_without_descriptors_says_so_and_is_back_when_there_is_room(on_cluster):
    assert kf.map(abs, [-1]) == [1]
    with no_descriptors(on_cluster.worker.pid):
        on_cluster.kill_scheduler()
        on_cluster.start_scheduler()
        eventually(
            lambda: "cannot be reached, and is tried again and again: [Errno 24]" in on_cluster.worker.text(),
            "the line in the worker's log",
        )
    assert kf.map(abs, [-2, 3]) == [2, 3]


def test_R23_a_program_without_descriptors_is_told_so_and_can_go_on_later(cluster):
    with few_descriptors(os.getpid()):
        with pytest.raises(StartError, match=SENTENCE):
            kf.plan("cluster", connection=cluster.connection)
        with pytest.raises(StartError, match=SENTENCE):
            kf.plan("local", workers=1)
    for plan in ({"kind": "cluster", "connection": cluster.connection}, {"kind": "local", "workers": 1}):
        with kf.plan(**plan):
            assert kf.map(abs, [-1]) == [1]


def test_R23_a_plan_whose_slots_need_more_descriptors_says_why_it_waits_and_goes_on_later():
    done = []
    with kf.plan("local", workers=1):
        [slot] = kf.map(lambda _: os.getpid(), [1])  # this process may have slots of another plan
        waiting = threading.Thread(target=lambda: done.append(kf.map(abs, [-1, -2])))
        backend = current_plan().backend()
        with no_descriptors(os.getpid()):
            os.kill(slot, signal.SIGKILL)
            waiting.start()
            eventually(lambda: "Too many open files" in backend.why_no_slots, "the reason that is said")
            assert not done
        waiting.join(LIMIT)
        assert done == [[1, 2]]


@pytest.mark.parametrize("role", ["scheduler", "worker"])
def test_R23_a_daemon_that_may_open_too_few_files_says_so_to_who_started_it(role):
    script = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20)); "
        f"runpy.run_module('kubefuture.{role}', run_name='__main__')"
    )
    cluster = Cluster(1)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", script, "--connection", cluster.connection, "--slots-file", cluster.slots_file],
            env=environment(), capture_output=True, text=True,
        )  # fmt: skip
        assert ended.returncode == 1
        assert "Too many open files: this process needs 32 more, and may have 20 open" in ended.stderr
    finally:
        cluster.close()
