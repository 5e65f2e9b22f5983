"""A worker that stops reading, and one that is away for longer than it is waited for (R6, R7, R11, R16, R23)."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys

import kubefuture as kf
import pytest
from kubefuture.core.events import parse
from kubefuture.protocol.messages import WorkerStatus

from tests.faults import processes
from tests.faults.changed import Changed
from tests.faults.checkpoint import reach
from tests.faults.memory import resident
from tests.faults.programs import Cluster, environment
from tests.faults.waiting import LIMIT, eventually
from tests.faults.wire import Wire
from tests.faults.workers import second_worker

MIB = 1 << 20
ELEMENTS = 300

OTHER_CLIENT = """
import sys
from pathlib import Path
import kubefuture as kf
kf.plan("cluster", connection=Path(sys.argv[1]))
print(kf.map(abs, [-1, -2, -3]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
def test_R16_a_worker_that_stops_reading_holds_up_nobody_and_goes_on_later(on_cluster):
    told: list[int] = []
    with second_worker(on_cluster) as other:
        kf.scale(4)
        eventually(lambda: len(processes.slots_of(other.pid)) == 2, "slots of the second worker")
        results = kf.options(progress=lambda done, _: told.append(done), chunk_size=1).imap(
            lambda block: (len(block), block[0]), (bytes([index % 256]) * MIB for index in range(ELEMENTS))
        )
        found = [next(results)]
        before = resident(on_cluster.scheduler.pid)
        on_cluster.worker.process.send_signal(signal.SIGSTOP)
        try:
            small = [kf.future(abs, -number) for number in range(1000)]
            eventually(lambda: sum(future.done() for future in small) > 900, "most of the futures")
            other_client = subprocess.run(
                [sys.executable, "-c", OTHER_CLIENT, on_cluster.connection],
                env=environment(), capture_output=True, text=True, timeout=LIMIT,
            )  # fmt: skip
            assert other_client.stdout == "[1, 2, 3]\n", other_client.stderr
            stopped = next(
                worker for worker in on_cluster.status().workers if worker.pid == on_cluster.worker.pid
            )
            assert stopped.slots == stopped.busy == 2, "it is waited for"
            assert resident(on_cluster.scheduler.pid) - before < 96 * MIB
        finally:
            on_cluster.worker.process.send_signal(signal.SIGCONT)
        found += list(results)
        assert kf.value(small) == list(range(1000))
    assert found == [(MIB, index % 256) for index in range(ELEMENTS)]


IMPATIENT = """
from kubefuture.scheduler import party
party._PATIENCE["worker"] = 0.3
"""


NERVOUS = """
from kubefuture.scheduler import silence
silence.SILENT_SECONDS = 4.0
from kubefuture.worker import supervisor
supervisor.SIGN_SECONDS = 0.2
"""


def test_R23_a_worker_that_is_stopped_is_named_in_the_log_and_the_status_and_given_nothing_more(checkpoint):
    port = checkpoint.port
    cluster = Changed(NERVOUS, ("scheduler", "worker"), slots=1)
    with cluster, second_worker(cluster) as other, kf.plan("cluster", connection=cluster.connection):
        kf.scale(2)
        results = kf.imap(lambda i: (i, reach(port, i)), range(2), chunk_size=1)
        visits = {visit.pid: visit for visit in checkpoint.take(2)}
        (slot,) = cluster.slots()
        stopped = visits.pop(slot)
        (lively,) = visits.values()
        cluster.worker.process.send_signal(signal.SIGSTOP)
        try:
            status = eventually(lambda: stopped_one(cluster), "the news of it")
            line = said(cluster, status.name)[-1]  # before it, that it does not read, may come another one
            assert status.busy == 1 and line["what"] == "silent"
            assert "stopped" in line["told"] and float(line["seconds"]) >= 4.0
            eventually(lambda: kf.n_workers() == 1, "the news that there is one less")
            lively.go("here")
            assert kf.map(abs, range(-50, 0)) == list(range(50, 0, -1)), "all of it is the other one's"
        finally:
            cluster.worker.process.send_signal(signal.SIGCONT)
        eventually(lambda: is_heard(cluster, status.name), "the line that it is back")
        eventually(lambda: kf.n_workers() == 2, "the news that it is back")
        eventually(
            lambda: not any(worker.away for worker in cluster.status().workers), "that none is away any more"
        )
        stopped.go("there")
        assert sorted(results) == sorted([(int(lively.label), "here"), (int(stopped.label), "there")])
        assert not checkpoint.anybody, "nothing ran twice"
        # A machine that is busy enough makes any of them silent for a while: who lives is heard again, once each time.
        for name in {line["worker"] for line in said(cluster)}:
            eventually(lambda name=name: is_heard(cluster, name), f"the line that {name} is back")
            told = [line["what"] for line in said(cluster, name)]
            assert told[0] == "silent" and ("heard", "heard") not in itertools.pairwise(told)
        assert other.process.poll() is None


def stopped_one(cluster: Cluster) -> WorkerStatus | None:
    """The cluster's own worker, if the scheduler takes it for one that does not answer."""
    workers = cluster.status().workers
    return next((one for one in workers if one.pid == cluster.worker.pid and one.away), None)


def said(cluster: Cluster, name: str = "") -> list[dict[str, object]]:
    """What the scheduler's log tells of workers that do not answer, or answer again: of all, or of one."""
    events = [parse(line.partition(" ")[2]) for line in cluster.scheduler.text().splitlines()]
    lines = [{"what": event.name, **event.fields} for event in events if event is not None]
    lines = [line for line in lines if line["what"] in ("silent", "heard")]
    return [line for line in lines if line["worker"] == name or not name]


def is_heard(cluster: Cluster, name: str) -> bool:
    """Whether the last that is told of a worker is that it answers again."""
    return said(cluster, name)[-1]["what"] == "heard"


@pytest.fixture
def parted():
    """Two workers of one slot each, which are waited for for a moment only; the wire leads to the first."""
    cluster = Changed(IMPATIENT, slots=1)
    try:
        cluster.start_scheduler()
        with Wire(cluster.connection) as wire:
            direct, cluster.connection = cluster.connection, wire.connection
            cluster.start_worker()
            cluster.connection = direct
            with second_worker(cluster), kf.plan("cluster", connection=direct):
                kf.scale(2)
                yield cluster, wire
    finally:
        cluster.close()


@pytest.mark.parametrize("first", ["late", "anew"])
@pytest.mark.parametrize("name", [None, "named"])
def test_R6_what_a_worker_brings_that_was_away_too_long_counts_once(parted, checkpoint, first, name):
    cluster, wire = parted
    port = checkpoint.port
    results = kf.imap(lambda i: (i, reach(port, i)), range(2), chunk_size=1, name=name)
    visits = {visit.pid: visit for visit in checkpoint.take(2)}
    (slot,) = cluster.slots()
    late = visits.pop(slot)
    (staying,) = visits.values()
    wire.part()
    eventually(lambda: " expired worker=" in cluster.scheduler.text(), "nobody waits for the worker any more")
    staying.go("stayed")
    anew = checkpoint.next()
    assert anew.label == late.label and anew.pid != late.pid, "it is leased again elsewhere"
    wire.mend()
    eventually(lambda: len(cluster.status().workers) == 2, "the return of the worker")
    order = {"late": late, "anew": anew}
    order.pop(first).go(first)
    expected = {int(staying.label): "stayed", int(late.label): first}
    assert dict(results) == expected
    for visit in order.values():
        visit.go("too late")
    assert kf.map(abs, range(-50, 0)) == list(range(50, 0, -1))
    eventually(lambda: all(not worker.busy for worker in cluster.status().workers), "the end of all that ran")
    if name:
        assert dict(kf.attach(name)) == expected
    assert not checkpoint.anybody
