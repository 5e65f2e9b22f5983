"""A worker in a container with a memory limit: what grows is ended before the kernel ends everything (R20)."""

from __future__ import annotations

import threading

import kubefuture as kf
import pytest
from kubefuture.errors import PoisonError

from tests.faults.cgroup import memory_group
from tests.faults.checkpoint import reach
from tests.faults.programs import Cluster
from tests.faults.waiting import eventually

MIB = 1 << 20


def grow(mebibytes: int) -> int:
    """Takes memory in small steps, with a moment after each, and then waits to be ended."""
    held, pause = [], threading.Event()
    for _ in range(0, mebibytes, 2):
        held.append(b"x" * (2 * MIB))
        pause.wait(0.002)
    if mebibytes > 100:
        pause.wait()
    return sum(map(len, held))


@pytest.fixture
def container():
    """A scheduler, and a place of 480 MiB for a worker, which is started by `start`."""
    cluster = Cluster(2)
    with memory_group(480 * MIB) as group:
        try:
            cluster.start_scheduler()

            def start(*limit: str) -> None:
                cluster.worker = cluster.program("worker", *limit)
                assert cluster.worker.answer() == "ready", cluster.worker.text()
                group.take(cluster.worker.pid)

            with kf.plan("cluster", connection=cluster.connection):
                yield cluster, group, start
        finally:
            cluster.close()


def test_R20_a_slot_that_grows_is_ended_by_its_worker_before_the_kernel_ends_anything(container):
    cluster, group, start = container
    start("--memory-per-slot", str(200 * MIB))
    supervisor = cluster.worker.pid
    with pytest.raises(PoisonError, match=r"Element 2 .*workers\.memory.*MiB") as caught:
        kf.map(grow, [2, 4, 2000, 6, 8], chunk_size=1)
    assert caught.value.index == 2 and len(caught.value.reasons) == 3
    assert group.kills == 0 and cluster.worker.pid == supervisor and cluster.worker.process.poll() is None
    assert kf.map(grow, [2, 4]) == [2 * MIB, 4 * MIB]


def test_R20_a_slot_that_the_kernel_ends_costs_only_itself(container):
    _, group, start = container
    start()
    with pytest.raises(PoisonError, match=r"Element 1 .*SIGKILL"):
        kf.map(grow, [2, 2000, 4], chunk_size=1)
    assert group.kills >= 3
    assert kf.map(grow, [2, 4]) == [2 * MIB, 4 * MIB]


def test_R20_when_the_kernel_ends_everything_the_next_worker_runs_its_elements_again(container, checkpoint):
    cluster, group, start = container
    start()
    port = checkpoint.port
    results = kf.imap(lambda i: (i, reach(port, i) if i in (5, 6) else ""), range(20), chunk_size=1)
    visits = checkpoint.take(2)
    group.end()
    for visit in visits:
        visit.left()
    assert cluster.worker.process.wait(30) == -9
    eventually(lambda: kf.n_workers() == 0, "the news that there is no worker")
    start()
    for visit in checkpoint.take(2):
        visit.go("again")
    assert list(results) == [(i, "again" if i in (5, 6) else "") for i in range(20)]
