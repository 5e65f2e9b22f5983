"""What is long stays on disk: a scheduler's memory is bounded, whatever waits or is not read (R4, R10, R11, R16)."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import kubefuture as kf
import pytest
from kubefuture.errors import KubefutureError

from tests.faults.checkpoint import reach
from tests.faults.memory import Watch, resident
from tests.faults.programs import environment
from tests.faults.waiting import LIMIT, eventually
from tests.faults.wire import Wire

KIB, MIB = 1 << 10, 1 << 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")


def block(index: int, length: int) -> bytes:
    """Bytes that are others for each index, and soon made."""
    return hashlib.sha256(b"%d" % index).digest() * (length // 32)


def digest(blocks: object) -> str:
    """Of many blocks, in their order."""
    found = hashlib.sha256()
    for each in blocks:  # type: ignore[attr-defined]
        found.update(each)
    return found.hexdigest()


def in_a_thread(function):
    """Runs a function meanwhile; its result is what `join` returns."""
    outcome: list[object] = []

    def run():
        with suppress(KubefutureError):  # where the test ends the scheduler, perhaps as the last thing
            outcome.append(function())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def join():
        thread.join(LIMIT)
        assert outcome, "it did not return"
        return outcome[0]

    return join


def counts(cluster) -> tuple[int, int]:
    """How many elements are done, and how many are running."""
    status = cluster.status()
    return status.done, status.running


def settled(pid: int, bound: int, what: str) -> None:
    """Waits until a process needs no more than that."""
    eventually(lambda: resident(pid) < bound, f"{what}: less than {bound / MIB:.0f} MiB")


def test_R16_arguments_of_a_named_map_that_wait_are_on_disk_also_after_a_restart(on_cluster, checkpoint):
    count, length, port = 1000, 256 * KIB, checkpoint.port

    def element(index, argument):
        if index < 2:
            reach(port)
        return index, digest([argument])

    arguments = [block(index, length) for index in range(count)]
    with Watch(on_cluster.scheduler.pid) as watch:
        join = in_a_thread(
            lambda: kf.options(name="long", chunk_size=1).map(element, range(count), arguments)
        )
        for visit in checkpoint.take(2):
            eventually(
                lambda: on_cluster.status().queued + on_cluster.status().running == count,
                "all to be accepted",
            )
            settled(on_cluster.scheduler.pid, watch.before + 80 * MIB, "1,000 elements wait")
            visit.go()
            break
        on_cluster.kill_scheduler()
    assert watch.grown < 200 * MIB, "some wait for their commit"
    on_cluster.start_scheduler()
    settled(on_cluster.scheduler.pid, watch.before + 80 * MIB, "what was restored waits")
    checkpoint.open()
    with Watch(on_cluster.scheduler.pid) as watch:
        assert join() == [(index, digest([argument])) for index, argument in enumerate(arguments)]
    assert watch.grown < 128 * MIB


def test_R16_results_of_a_named_map_are_not_kept_in_memory(on_cluster):
    count, length = 1000, 512 * KIB
    with Watch(on_cluster.scheduler.pid) as watch:
        found = kf.options(name="long").imap(block, range(count), [length] * count)
        assert digest(found) == digest(block(index, length) for index in range(count))
        assert digest(kf.attach("long")) == digest(block(index, length) for index in range(count))
    assert watch.grown < 320 * MIB, "twice 500 MiB have passed through"
    settled(on_cluster.scheduler.pid, watch.before + 48 * MIB, "when all is told")


def test_R16_arguments_of_futures_and_unnamed_maps_that_wait_are_on_disk(on_cluster, checkpoint):
    count, length, port = 110, 256 * KIB, checkpoint.port

    def element(index, argument):
        return index, digest([argument]), reach(port) if index < 2 else ""

    arguments = [block(index, length) for index in range(count)]
    before = resident(on_cluster.scheduler.pid)
    join = in_a_thread(lambda: kf.options(chunk_size=1).map(element, range(count), arguments))
    visits = checkpoint.take(2)
    futures = [kf.future(element, index, arguments[index]) for index in range(2, count)]
    eventually(
        lambda: on_cluster.status().queued + on_cluster.status().running == 2 * count - 2, "all to wait"
    )
    settled(on_cluster.scheduler.pid, before + 20 * MIB, "55 MiB wait")
    for visit in visits:
        visit.go("on")
    expected = [
        (index, digest([argument]), "on" if index < 2 else "") for index, argument in enumerate(arguments)
    ]
    assert join() == expected
    assert kf.value(futures) == expected[2:]


CLIENT = """
import sys
from pathlib import Path
import kubefuture as kf
from tests.runtime.test_faults_room import block, digest
kf.plan("cluster", connection=Path(sys.argv[1]))
count, length = int(sys.argv[2]), int(sys.argv[3])
print(digest(kf.map(lambda index: block(index, length), range(count))))
"""


def client(connection: Path, count: int, length: int) -> subprocess.Popen[str]:
    """A program that wants many results and prints the digest of them."""
    here = str(Path(__file__).parents[2])
    base = environment()
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, connection, str(count), str(length)],
        env={**base, "PYTHONPATH": os.pathsep.join([here, base["PYTHONPATH"]])},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_R16_a_client_that_stops_reading_fills_no_memory_and_has_all_its_results_later(on_cluster):
    count, length = 6000, 64 * KIB
    scheduler = on_cluster.scheduler.pid
    with Watch(scheduler) as watch:
        stopped = client(on_cluster.connection, count, length)
        try:
            eventually(lambda: on_cluster.status().done > 20, "its first results")
            stopped.send_signal(signal.SIGSTOP)
            assert kf.map(abs, range(-2000, 0)) == list(range(2000, 0, -1)), "R11: others go on"
            assert kf.map(block, range(300), [length] * 300) == [block(index, length) for index in range(300)]
            eventually(
                lambda: on_cluster.status().done == count + 2300, "its results, which nobody reads", 240
            )
            assert watch.grown < 176 * MIB, "375 MiB are kept for it"
            stopped.send_signal(signal.SIGCONT)
            assert stopped.communicate(timeout=240)[0].strip() == digest(
                block(index, length) for index in range(count)
            )
        finally:
            stopped.kill()
            stopped.wait()
    assert watch.grown < 200 * MIB
    settled(scheduler, watch.before + 48 * MIB, "when all is read")


def test_R10_the_results_of_a_client_that_is_away_fill_no_memory(cluster):
    count, length = 4000, 64 * KIB
    with Wire(cluster.connection) as wire, Watch(cluster.scheduler.pid) as watch:
        away = client(wire.connection, count, length)
        try:
            eventually(lambda: cluster.status().done > 20, "its first results")
            wire.part()
            eventually(lambda: cluster.status().done == count, "the end of its work", 240)
            wire.mend()
            found = away.communicate(timeout=240)[0].strip()
            assert found == digest(block(index, length) for index in range(count))
        finally:
            away.kill()
            away.wait()
    assert watch.grown < 176 * MIB, "250 MiB were kept for it"


def test_R16_a_worker_whose_scheduler_stops_reading_has_no_more_than_it_was_given(on_cluster, checkpoint):
    count, port = 40, checkpoint.port
    join = in_a_thread(
        lambda: kf.options(chunk_size=1).map(
            lambda index: (reach(port), block(index, 2 * MIB))[1], range(count)
        )
    )
    for _ in range(10):
        checkpoint.next().go()
    visits = checkpoint.take(2)
    # With what was done last each slot was given its next one in advance.
    eventually(lambda: counts(on_cluster) == (10, 2), "leases in advance")
    with Watch(on_cluster.worker.pid) as watch:
        on_cluster.scheduler.process.send_signal(signal.SIGSTOP)
        for visit in visits:
            visit.go()
        for _ in range(2):  # which the worker had in advance: so it has the results of those before
            checkpoint.next().go()
        on_cluster.scheduler.process.send_signal(signal.SIGCONT)
    assert watch.grown < 64 * MIB
    checkpoint.open()
    assert join() == [block(index, 2 * MIB) for index in range(count)]


def test_R9_a_journal_that_is_damaged_while_its_arguments_wait_ends_the_scheduler_with_a_sentence(
    on_cluster, checkpoint
):
    count, port = 200, checkpoint.port
    in_a_thread(
        lambda: kf.options(name="long", chunk_size=1).map(
            lambda index, argument: reach(port), range(count), [bytes(256 * KIB)] * count
        )
    )
    visits = checkpoint.take(2)
    eventually(
        lambda: on_cluster.status().queued + on_cluster.status().running == count, "all to be accepted"
    )
    database = on_cluster.folder / "journal" / "journal.sqlite"
    eventually(lambda: database.stat().st_size > 30 * MIB, "the arguments to be in the database")
    with database.open("r+b") as file:
        for place in range(4 * MIB, database.stat().st_size, 128 * KIB):
            file.seek(place)
            file.write(b"damaged")
    for visit in visits:
        visit.go()
    checkpoint.open()
    assert on_cluster.scheduler.process.wait(LIMIT) == 1
    assert "cannot go on: The journal of named work" in on_cluster.scheduler.text()
    on_cluster.scheduler = on_cluster.program("scheduler")
    assert "cannot be used" in on_cluster.scheduler.answer()
