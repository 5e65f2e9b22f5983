"""Blobs cross each link once, go on where they stopped, and are in nobody's way (R16, R26, R29)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import kubefuture as kf
import numpy as np
import pytest
from kubefuture.core.files import replace_text
from kubefuture.core.settings import BLOB_PART, LANE_BYTES
from kubefuture.protocol.messages import BlobPart, Interrupt, Run, Status

from tests.faults.checkpoint import reach
from tests.faults.descriptors import open_descriptors
from tests.faults.waiting import LIMIT, eventually
from tests.runtime.links import CLIENT, SIZE, FarCluster, far, stopped

__all__ = ["far"]

FEW = LANE_BYTES // BLOB_PART + 4
"""Parts that are on the way already: a connection's buffer, and the system's."""


def numbers(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(SIZE // 8)


def program(far: FarCluster, text: str, port: int = 0) -> subprocess.Popen[bytes]:
    """A client of its own."""
    here = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])}
    arguments = [sys.executable, "-c", CLIENT + text, str(far.to_client.connection), str(port)]
    return subprocess.Popen(arguments, env=environment, cwd=here)


def test_R26_each_blob_crosses_each_link_once_for_all_slots_maps_and_clients(far):
    array = numbers()
    whole = float(array.sum())
    for _ in range(3):
        assert kf.map(lambda _: float(array.sum()), range(8), chunk_size=1) == [whole] * 8
        assert kf.value([kf.future(lambda x: float(array[x]), x) for x in range(5)]) == list(array[:5])
    shared = kf.share(array)
    assert kf.map(lambda row: float(row.sum()), [shared, shared]) == [whole] * 2, "the same bytes"
    assert far.to_client.parts == far.to_worker.parts == SIZE
    with kf.plan("cluster", connection=far.connection):
        assert kf.map(lambda _: float(array.sum()), range(2)) == [whole] * 2, "another client"
    assert far.to_client.parts == far.to_worker.parts == SIZE
    array[0] += 1.0
    assert kf.map(lambda _: float(array[0]), range(2)) == [array[0]] * 2
    assert far.to_client.parts == far.to_worker.parts == 2 * SIZE, "R27: it is another one now"


@pytest.mark.parametrize("end", ["to_client", "to_worker"])
def test_R16_a_link_that_is_cut_in_a_transfer_goes_on_where_it_stopped(far, end):
    array, link = numbers(), getattr(far, end)
    link.stop_at(SIZE // 2)
    future = kf.future(lambda: float(array.sum()))
    stopped(link)
    link.cut()
    link.go_on()
    assert future.result(LIMIT) == float(array.sum())
    assert link.starts.count(0) == 1, "it did not begin anew"
    assert link.parts < SIZE * 1.5
    other = far.to_client if link is far.to_worker else far.to_worker
    assert other.parts == SIZE


@pytest.mark.parametrize("end", ["to_client", "to_worker"])
def test_R4_a_scheduler_that_is_killed_in_a_transfer_costs_no_result(far, end):
    array, link = numbers(), getattr(far, end)
    link.stop_at(SIZE // 2)
    futures = [kf.future(lambda x: float(array[x]), x) for x in range(4)]
    results = kf.imap(lambda x: float(array[x]), range(50), chunk_size=5)
    stopped(link)
    far.kill_scheduler()
    link.go_on()
    far.start_scheduler()
    assert kf.value(futures) == list(array[:4])
    assert list(results) == list(array[:50])
    assert far.to_worker.starts.count(0) == 1, "the worker went on where it was"
    eventually(lambda: not far.parts(), "all drafts have got their names")


def all_slots_wait(far: FarCluster, array: np.ndarray) -> list[kf.Future[float]]:
    """Six futures that need an array of which half has left the client; their values are its first elements."""
    far.to_client.stop_at(SIZE // 2)
    futures = [kf.future(lambda x: float(array[x]), x) for x in range(6)]
    stopped(far.to_client)
    eventually(lambda: sum(worker.busy for worker in far.status().workers) == 2, "that all slots wait for it")
    return futures


def test_R10_a_client_that_is_away_in_a_transfer_keeps_no_slot_from_others_and_goes_on_when_it_is_back(far):
    array = numbers()
    futures = all_slots_wait(far, array)
    far.to_client.part()
    far.to_client.go_on()
    with kf.plan("cluster", connection=far.connection):
        assert kf.map(abs, range(-20, 0), chunk_size=1, timeout=LIMIT) == list(range(20, 0, -1))
    far.to_client.mend()
    assert kf.value(futures) == list(array[:6])
    assert far.to_client.starts.count(0) == 1, "it went on where it was"


def test_R7_a_worker_that_is_back_before_the_client_waits_for_it(far):
    array = numbers()
    far.to_worker.stop_at(SIZE // 2)
    future = kf.future(lambda: float(array.sum()))
    stopped(far.to_worker)
    far.to_client.part()
    far.kill_scheduler()
    far.start_scheduler()
    far.to_worker.go_on()
    eventually(lambda: [worker.host for worker in far.status().workers], "the worker")
    far.to_client.mend()
    assert future.result(LIMIT) == float(array.sum())


def test_R26_a_worker_that_is_killed_in_a_transfer_is_replaced_by_another(far):
    array = numbers()
    far.to_worker.stop_at(SIZE // 2)
    future = kf.future(lambda: float(array.sum()))
    stopped(far.to_worker)
    far.kill_worker()
    far.to_worker.go_on()
    far.start_worker()
    assert future.result(LIMIT) == float(array.sum())
    assert far.to_client.parts == SIZE, "the scheduler had it"


def kept(far: FarCluster) -> set[tuple[int, str]]:
    """Threads that fetch, and open files of blobs that are not whole."""
    found = set()
    for pid in (far.worker.pid, far.scheduler.pid):
        found |= {(pid, task) for task in os.listdir(f"/proc/{pid}/task")}
        for number in open_descriptors(pid):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{number}")
            except OSError:
                continue
            if "part" in target or "kubefuture-blob" in target:
                found.add((pid, target))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("how", ["cancelled", "killed"])
def test_R29_a_client_that_goes_or_cancels_in_a_transfer_leaves_nothing_behind(far, how):
    kf.map(abs, range(50), chunk_size=1)
    before = kept(far)
    end = far.to_worker if how == "cancelled" else far.to_client
    end.stop_at(SIZE // 2)
    if how == "cancelled":
        array = numbers()
        futures = [kf.future(lambda: float(array.sum())) for _ in range(6)]
        stopped(end)
        for future in futures:
            assert future.cancel()
        end.go_on()
    else:
        client = program(far, "kf.map(lambda x: float(array[x]), range(50))")
        stopped(end)
        client.kill()
        client.wait()
        end.go_on()
    eventually(lambda: not far.parts(), "the end of all that arrives")
    assert kf.map(lambda x: x + 1, range(50), chunk_size=1) == list(range(1, 51)), "no slot is stuck"
    eventually(lambda: kept(far) <= before, "the end of threads and descriptors")
    other = numbers(1)
    assert kf.map(lambda x: float(other[x]), range(9)) == list(other[:9])


def test_R16_a_slot_that_waits_for_data_keeps_no_other_from_work(far):
    array = numbers()
    far.to_client.stop_at(SIZE // 2)
    future = kf.future(lambda: float(array[0]))
    stopped(far.to_client)
    with kf.plan("cluster", connection=far.connection):
        assert kf.map(abs, range(-100, 0), chunk_size=1) == list(range(100, 0, -1))
    far.to_client.go_on()
    assert future.result(LIMIT) == array[0]


def test_R11_data_on_a_slow_way_keeps_no_slot_from_others(far):
    array = numbers()
    futures = all_slots_wait(far, array)
    with kf.plan("cluster", connection=far.connection):
        assert kf.map(abs, range(-20, 0), chunk_size=1, timeout=LIMIT) == list(range(20, 0, -1))
    assert not any(future.done() for future in futures)
    far.to_client.go_on()
    assert kf.value(futures) == list(array[:6])
    assert far.to_client.starts.count(0) == 1, "it came once"


def both_are_there(status: Status) -> bool:
    """Whether the scheduler has two calls, beside one that is cancelled and may still be out."""
    return status.queued + status.running >= 3 or (status.queued >= 1 and status.running >= 1)


def test_R16_orders_and_results_go_between_the_parts_of_a_blob(far):
    array = numbers()
    kf.plan("cluster", connection=far.connection)
    far.to_worker.stop_at(SIZE // 4)
    big = kf.future(lambda: float(array.sum()))
    stopped(far.to_worker)
    seen = len(far.to_worker.messages)
    assert big.cancel()
    future, other = kf.future(abs, -3), kf.future(abs, -4)
    eventually(lambda: both_are_there(far.status()), "that the scheduler has them")
    far.to_worker.go_on()
    assert (future.result(LIMIT), other.result(LIMIT)) == (3, 4)
    eventually(lambda: any(isinstance(m, Interrupt) for m in far.to_worker.messages), "the cancel's order")
    messages = far.to_worker.messages[seen:]
    orders = [place for place, message in enumerate(messages) if isinstance(message, (Run, Interrupt))]
    parts = [isinstance(message, BlobPart) for message in messages]
    assert sum(parts[: orders[-1]]) <= FEW


FAST = """
from kubefuture.worker.slot_process import SlotProcess

def too_long(self, now, real=SlotProcess.too_long):
    return real(self, now + float(open({path!r}).read()))

SlotProcess.too_long = too_long
"""


class Clock:
    """By which the worker knows for how long an element has run; it can be put forward."""

    def __init__(self, folder: Path) -> None:
        self._file, self._ahead = folder / "ahead", 0.0
        self.go_forward(0.0)
        (folder / "sitecustomize.py").write_text(FAST.format(path=str(self._file)))

    def go_forward(self, seconds: float) -> None:
        self._ahead += seconds
        replace_text(self._file, str(self._ahead))


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """That of what is started after it."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return Clock(tmp_path)


def test_R22_waiting_for_data_is_not_running(clock, far, checkpoint):
    """What runs into its limit meanwhile is the clock. It is put forward, as a busy machine is slow by the true one."""
    array, port = numbers(), checkpoint.port
    limited = kf.options(task_timeout=1200.0)
    far.to_client.stop_at(SIZE // 2)
    future = limited.future(lambda: float(array.sum()))
    stopped(far.to_client)
    with kf.plan("cluster", connection=far.connection):
        running = limited.future(reach, port)
        _visit = checkpoint.next()
        eventually(lambda: clock.go_forward(1000.0) or running.done(), "the end of what runs")
        with pytest.raises(TimeoutError, match="ran longer"):
            running.result()
    far.to_client.go_on()
    assert future.result(LIMIT) == float(array.sum())
