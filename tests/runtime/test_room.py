"""Where the scheduler puts what is long, and what follows when there is no room (R10, R11, R16)."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from kubefuture.core.settings import MEMORY_RESULT_BYTES, MEMORY_RESULTS_BYTES, SHELF_BYTES
from kubefuture.errors import JournalError
from kubefuture.machine.records import ElementsAccepted, MapForgotten
from kubefuture.protocol.framing import Decoder, frame
from kubefuture.protocol.messages import (
    Elements,
    Function,
    Lease,
    OpenNamed,
    ReplaceSlot,
    Results,
    Run,
    Span,
    Task,
    Tasks,
    encode,
)
from kubefuture.protocol.poison import PoisonReport, decode_report, encode_report
from kubefuture.scheduler import shelf as shelf_module
from kubefuture.scheduler.journal import Room
from kubefuture.scheduler.restoring import restored_maps
from kubefuture.scheduler.rows import Journaled, Rows
from kubefuture.scheduler.shelf import Shelf, Shelved
from kubefuture.scheduler.storing import Store
from kubefuture.scheduler.unread import Unread

from tests.runtime.driver import Driver, bring_up
from tests.runtime.journal_kit import SESSION, Committed, accepted, opened

LONG = b"x" * 10_000


def never(sentence: str) -> None:
    raise AssertionError(sentence)


def results(*payloads: bytes, call: int = 1) -> Results:
    return Results([Span(call, 0, list(payloads))])


def test_what_is_on_the_shelf_is_the_same_in_a_message(tmp_path):
    shelf = Shelf(tmp_path, never, never)
    away = [shelf.put(bytes([number]) * (5000 + number)) for number in range(3)]
    assert [len(each) for each in away] == [5000, 5001, 5002]
    run = Run(0, [Function(1, b"f")], [], [Lease(7, 1, 0, [b"short", *away])])
    (found,) = Decoder().feed(frame([run]))
    assert found.leases[0].payloads == [b"short", *(bytes([n]) * (5000 + n) for n in range(3))]
    assert decode_report(encode_report(PoisonReport(3, 0, arguments=away[1]))).arguments == b"\1" * 5001
    assert list(tmp_path.iterdir()) == [], "its files have no names"


def test_a_file_of_the_shelf_is_gone_with_the_last_that_was_in_it(tmp_path):
    shelf = Shelf(tmp_path, never, never)
    gc.collect()  # what other tests left
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    away = [shelf.put(bytes(SHELF_BYTES // 2)) for _ in range(6)]
    assert shelf.used_bytes == 3 * SHELF_BYTES
    del away[0], away[0]
    gc.collect()
    assert shelf.used_bytes == 2 * SHELF_BYTES
    away.clear()
    shelf.put(b"the next file")
    gc.collect()
    assert shelf.used_bytes == len(b"the next file")
    if before:
        assert len(os.listdir("/proc/self/fd")) == before + 1


def test_R16_where_nothing_can_be_written_it_stays_in_memory_and_the_log_says_so_once(tmp_path):
    log: list[str] = []
    store = Store(tmp_path / "missing", None, log.append, never)
    message = results(LONG)
    assert store.message(message) is message and store.message(message) is message
    elements = Elements(1, [LONG], True)
    driver, _, client = bring_up()
    assert store.arguments(elements, driver.machine, client) == elements
    assert len(log) == 1 and "stay in memory" in log[0]


def test_what_cannot_be_read_again_is_told_and_raises(tmp_path, monkeypatch):
    told: list[str] = []
    away = Shelf(tmp_path, never, told.append).put(LONG)
    monkeypatch.setattr(shelf_module.os, "pread", lambda *_: b"")
    with pytest.raises(JournalError, match="cannot be read"):
        encode(results(away))
    assert len(told) == 1


def test_R16_long_arguments_of_futures_and_unnamed_maps_are_put_away_and_short_ones_stay(tmp_path):
    store = Store(tmp_path, None, never, never)
    driver, _, client = bring_up(0)
    machine = driver.machine
    elements = store.arguments(Elements(1, [b"a", LONG, b"c"], True), machine, client)
    assert [type(payload) for payload in elements.payloads] == [bytes, Shelved, bytes]
    tasks = store.arguments(Tasks([Task(2, 1, LONG), Task(3, 1, b"b")]), machine, client)
    assert [type(task.payload) for task in tasks.tasks] == [Shelved, bytes]
    assert Decoder().feed(frame([elements, tasks])) == [
        Elements(1, [b"a", LONG, b"c"], True), Tasks([Task(2, 1, LONG), Task(3, 1, b"b")])
    ]  # fmt: skip


class Memory:
    """Puts messages away."""

    def __init__(self) -> None:
        self.result_bytes = 0
        self.away = 0

    def message(self, message):
        self.away += 1
        return Results([])


def test_R16_a_client_that_reads_costs_no_disk_and_what_one_leaves_unread_is_bounded():
    storage = Memory()
    reads, stopped, other = Unread(storage), Unread(storage), Unread(storage)
    megabyte = results(bytes(1 << 20))
    for _ in range(500):
        reads.sent([megabyte])
        reads.left(0)
    assert storage.away == storage.result_bytes == 0
    for _ in range(500):
        stopped.sent([megabyte])
    assert 400 < storage.away < 450 and storage.result_bytes < MEMORY_RESULTS_BYTES + 500 * 200
    assert stopped.is_much
    before = storage.away
    other.sent([megabyte, megabyte])
    assert storage.away == before, "others have some room of their own"
    for _ in range(100):
        other.sent([megabyte])
    assert storage.away >= before + 100 - MEMORY_RESULT_BYTES // (1 << 20)
    for unread in (other, stopped):
        unread.left(0)
    assert storage.result_bytes == 0 and not stopped.is_much


def run_all(driver: Driver, worker: int) -> int:
    """Runs whatever is leased until nothing is; returns how many elements."""
    count = 0
    while messages := driver.take(worker):
        for message in messages:
            if isinstance(message, ReplaceSlot):
                driver.ready(worker, message.slot)
            for lease in message.leases if isinstance(message, Run) else []:
                count += len(lease.payloads)
                driver.done(worker, lease, seconds=0.001)
    return count


def test_R11_a_session_that_is_held_gets_nothing_and_is_in_nobodys_way():
    driver, worker, client = bring_up(2)
    other = driver.client("other")
    driver.machine.hold(client, True)
    driver.map(client, 1, 100)
    driver.map(other, 1, 10)
    driver.tasks(client, 2)
    assert run_all(driver, worker) == 10
    assert sorted(driver.results(other)) == list(range(10)) and not driver.results(client)
    driver.tick(60.0)
    assert run_all(driver, worker) == 0
    driver.machine.hold(client, False)
    driver.tick()
    assert run_all(driver, worker) == 101


def test_R16_what_nothing_refers_to_any_more_takes_no_room(tmp_path):
    store = Store(tmp_path, None, never, never)
    away = store.message(results(bytes(SHELF_BYTES)))
    assert store._shelf.used_bytes >= SHELF_BYTES
    del away
    assert store._shelf.used_bytes == 0


def test_R16_a_session_is_held_while_its_results_go_to_a_disk_that_has_no_room(tmp_path):
    journal = opened(tmp_path, limit_bytes=SHELF_BYTES, free_no_new_work=0, free_no_leases=0)
    log: list[str] = []
    store = Store(tmp_path, journal, log.append, never)
    driver, worker, client = bring_up(1)
    party = SimpleNamespace(number=client, is_behind=True)
    store.look(driver.machine, [party])
    assert store.room is Room.FREE
    away = store.message(results(bytes(SHELF_BYTES * 8 // 10)))
    store.look(driver.machine, [party])
    assert store.room is Room.NO_NEW_WORK, "what is on the shelf counts"
    assert len(log) == 1 and "journal-room" in log[0]
    driver.tasks(client, 1, 2, 3)
    assert run_all(driver, worker) == 0
    elements = Elements(1, [LONG], True)
    assert store.arguments(elements, driver.machine, client) is elements, "arguments take no room any more"
    assert store.message(results(LONG)) != results(LONG), "the rest is for results"
    party.is_behind = False
    store.look(driver.machine, [party])
    driver.tick()
    assert run_all(driver, worker) == 3, "who reads goes on"
    del away, store
    journal.close()


def test_R16_arguments_of_a_named_map_are_read_from_where_they_are(tmp_path):
    payloads = [b"short", LONG, b"y" * 5000]
    journal, committed = opened(tmp_path), Committed()
    store = Store(tmp_path, journal, never, never)
    driver = Driver(1, next_key=journal.next_key)
    client = driver.client()
    driver.say(client, OpenNamed(1, "long", 1, "f", "", 0.0, 3), Elements(1, payloads, True))
    number = store.record(driver.machine.take_records(), driver.machine.named)
    run = Run(0, [], [], [Lease(1, 1, 0, driver.machine._state.clients[client].calls[1].take(3, 1 << 20)[1])])
    assert [type(payload) for payload in run.leases[0].payloads] == [bytes, Journaled, Journaled]

    def sent() -> list[bytes]:
        (found,) = Decoder().feed(frame([run]))
        return found.leases[0].payloads

    assert sent() == payloads, "before the commit"
    journal.start(committed)
    committed.wait(number)
    store.committed(number)
    assert sent() == payloads, "after it"
    journal.close()

    journal = opened(tmp_path)
    rows = Rows(journal, never)
    ((restored,),) = [list(restored_maps(journal, rows))]
    assert [type(payload) for payload in restored.payloads] == [bytes, Journaled, Journaled]
    assert b"".join(p if isinstance(p, bytes) else p.load() for p in restored.payloads) == b"".join(payloads)
    long = restored.payloads[1]
    journal.start(Committed())
    journal.append([MapForgotten(restored.accepted.key)])
    assert long.load() == b"", "nobody wants it any more"
    journal.close()


def test_R16_a_row_is_read_once_for_all_its_elements(tmp_path, monkeypatch):
    journal = opened(tmp_path)
    committed = Committed()
    journal.start(committed)
    committed.wait(journal.append([SESSION, accepted(1), ElementsAccepted(1, 0, [LONG] * 50, True)]))
    journal.close()
    journal = opened(tmp_path)
    rows = Rows(journal, never)
    ((restored,),) = [list(restored_maps(journal, rows))]
    read: list[int] = []
    elements = journal.elements
    monkeypatch.setattr(journal, "elements", lambda row: read.append(row) or elements(row))
    assert all(payload.load() == LONG for payload in restored.payloads)
    assert len(read) == 1
    journal.close()
