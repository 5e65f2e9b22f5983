"""In a container with a limit, or on a machine with little left: what grows is ended before everything is (R20)."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import nullcontext

import kubefuture as kf
import pytest
from kubefuture.api.plan import current_plan
from kubefuture.backends import local
from kubefuture.core.cgroups import memory_groups
from kubefuture.core.resources import MachineMemory
from kubefuture.errors import PoisonError
from kubefuture.worker.memory import resident_bytes_of_groups

from tests.faults.cgroup import memory_group
from tests.faults.checkpoint import reach
from tests.faults.programs import Cluster, environment
from tests.faults.waiting import LIMIT, eventually

MIB = 1 << 20


FULL = 0.92
"""More than the part of a container's limit at which a slot is ended, and less than makes the kernel act."""


def grow(mebibytes: int) -> int:
    """Takes memory in small steps, and then waits to be ended."""
    held = [b"x" * (2 * MIB) for _ in range(0, mebibytes, 2)]
    if mebibytes > 100:
        threading.Event().wait()
    return sum(map(len, held))


def grow_and_stay(mebibytes: int) -> int:
    """The same, but it takes no more than leaves the kernel in peace: who is to end it may be late."""
    held, pause = [], threading.Event()
    while len(held) * 2 < mebibytes:
        if any(group.over(FULL) for group in memory_groups()):
            pause.wait(0.01)  # and goes on if others give something back
        else:
            held.append(b"x" * (2 * MIB))
    return sum(map(len, held))


def write(path: str) -> None:
    """Makes a file that is larger than the container."""
    with open(path, "wb") as file:
        for _ in range(600):
            file.write(b"x" * MIB)


PROGRAM = """
import os, sys
import kubefuture as kf
from tests.runtime.test_faults_memory import grow_and_stay as grow

with kf.plan("local", workers=2):
    results = kf.options(on_error="return", chunk_size=1).map(grow, [2, 4, 2000, 6, 8])
    print(results.pop(2))
    assert results == [size << 20 for size in (2, 4, 6, 8)], results
    assert kf.map(grow, [2, 4]) == [2 << 20, 4 << 20]
"""


def test_R20_on_plan_local_the_element_that_fills_the_container_is_named_and_the_program_lives():
    with memory_group(480 * MIB) as group:
        with group.inside():
            program = subprocess.Popen(
                [sys.executable, "-c", PROGRAM], env=environment(), stdout=subprocess.PIPE, text=True
            )
        said, _ = program.communicate(timeout=LIMIT)
        assert program.returncode == 0 and group.kills == 0
    assert said.startswith("Element 2 ended its worker process 3 times")
    assert said.count("ended for want of memory, as the container used") == 3


def test_R20_on_plan_local_the_machine_keeps_a_part_of_its_memory_free(monkeypatch):
    """What is free is made up: it sinks while a slot has grown."""
    grown = threading.Event()

    def memory():
        backend = current_plan().backend()
        if backend is None:  # the plan has just ended
            return MachineMemory(2000 * MIB, 500 * MIB)
        sizes = resident_bytes_of_groups(pid for _, pid in backend._slots.ready)
        if max(sizes.values(), default=0) < 200 * MIB:
            return MachineMemory(2000 * MIB, 500 * MIB)
        grown.set()
        return MachineMemory(2000 * MIB, 90 * MIB)

    monkeypatch.setattr(local, "memory_groups", list)
    monkeypatch.setattr(local, "machine_memory", memory)
    with kf.plan("local", workers=2):
        with pytest.raises(
            PoisonError, match=r"Element 1 .*memory, as this machine had 90 MiB left of its 2000 MiB"
        ):
            kf.map(grow, [2, 300, 4], chunk_size=1)
        assert grown.is_set()
        assert kf.map(grow, [2, 4]) == [2 * MIB, 4 * MIB]


@pytest.fixture
def container():
    """A scheduler, and a place of 480 MiB for a worker, which is started by `start`."""
    cluster = Cluster(2)
    with memory_group(480 * MIB) as group:
        try:
            cluster.start_scheduler()

            def start(*limit: str, knowing: bool = False) -> None:
                with group.inside() if knowing else nullcontext():
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
        kf.map(grow_and_stay, [2, 4, 2000, 6, 8], chunk_size=1)
    assert caught.value.index == 2 and len(caught.value.reasons) == 3
    killed = [line for line in cluster.worker.text().splitlines() if " slot-killed " in line]
    assert len(killed) == 3 and all("worker=" in line and "workers.memory" in line for line in killed)
    assert cluster.scheduler.text().count("element-struck") == 3
    assert group.kills == 0 and cluster.worker.pid == supervisor and cluster.worker.process.poll() is None
    assert kf.map(grow, [2, 4]) == [2 * MIB, 4 * MIB]


def test_R20_the_containers_own_limit_counts_where_no_other_is_set(container):
    cluster, group, start = container
    start(knowing=True)
    with pytest.raises(PoisonError, match=r"Element 2 .*the container used .* MiB of the 480 MiB") as caught:
        kf.map(grow_and_stay, [2, 4, 2000, 6, 8], chunk_size=1)
    assert len(caught.value.reasons) == 3 and group.kills == 0 and cluster.worker.process.poll() is None
    assert kf.map(grow, [2, 4]) == [2 * MIB, 4 * MIB]


def test_R20_a_file_that_an_element_writes_fills_the_cache_and_ends_nobody(container, tmp_path):
    cluster, group, start = container
    start(knowing=True)
    path = tmp_path / "large"
    assert kf.map(write, [str(path)]) == [None]
    assert int((group.folder / "memory.max_usage_in_bytes").read_text()) > 0.9 * 480 * MIB, "they filled it"
    assert group.kills == 0 and "slot-killed" not in cluster.worker.text()


def test_R20_a_slot_that_the_kernel_ends_costs_only_itself(container):
    """Where nobody looks: the supervisor does not know of the limit."""
    cluster, group, start = container
    start()
    with pytest.raises(PoisonError, match=r"Element 1 .*SIGKILL"):
        kf.map(grow, [2, 2000, 4], chunk_size=1)
    assert group.kills >= 3
    lost = [line for line in cluster.worker.text().splitlines() if " slot-lost " in line]
    assert lost and all("worker=" in line and "SIGKILL" in line for line in lost)
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
    assert cluster.worker.process.wait(LIMIT) == -9
    eventually(lambda: kf.n_workers() == 0, "the news that there is no worker")
    start()
    for visit in checkpoint.take(2):
        visit.go("again")
    assert list(results) == [(i, "again" if i in (5, 6) else "") for i in range(20)]
