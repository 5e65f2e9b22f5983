"""A scheduler or worker that dies, or a connection that is cut, costs time and no results (R4, R7)."""

from __future__ import annotations

import dataclasses
import secrets
import threading

import kubefuture as kf
import pytest
from kubefuture.api.plan import current_plan
from kubefuture.client import trying
from kubefuture.core.connection import Connection
from kubefuture.errors import NoAnswerError

from tests.faults.checkpoint import reach
from tests.faults.programs import Cluster
from tests.faults.waiting import LIMIT, eventually
from tests.faults.wire import Wire

ELEMENTS = 40


def stop_in_the_middle(checkpoint):
    """A map that stands still in two of its elements, after others have finished."""
    port = checkpoint.port

    def element(index):
        return (index, reach(port, index)) if index in (20, 21) else (index, "")

    told = []
    outcome: list[object] = []
    thread = threading.Thread(
        target=lambda: outcome.append(
            kf.map(element, range(ELEMENTS), chunk_size=1, progress=lambda *both: told.append(both))
        )
    )
    thread.start()
    visits = checkpoint.take(2)

    def finish(*, again: bool = False):
        if again:
            checkpoint.open()
        for visit in visits:
            visit.go()
        thread.join(LIMIT)
        assert not thread.is_alive()
        assert outcome == [[(index, "") for index in range(ELEMENTS)]]
        assert told == [(done, ELEMENTS) for done in range(1, ELEMENTS + 1)], "every element was counted once"
        assert again or not checkpoint.anybody, "what ran has gone on, and nothing ran twice"

    return visits, finish


def test_a_map_survives_a_scheduler_that_is_killed_and_started_again(on_cluster, checkpoint):
    _visits, finish = stop_in_the_middle(checkpoint)
    on_cluster.kill_scheduler()
    on_cluster.start_scheduler()
    finish()
    assert kf.map(abs, [-1]) == [1] and kf.n_workers() == 2


def test_futures_survive_it_too(on_cluster, checkpoint):
    futures = [kf.future(reach, checkpoint.port, number) for number in range(10)]
    visits = checkpoint.take(2)
    on_cluster.kill_scheduler()
    cancelled = futures.pop()
    assert cancelled.cancel()
    late = kf.future(abs, -5)
    on_cluster.start_scheduler()
    for visit in visits:
        visit.go()
    checkpoint.open()
    assert kf.value([*futures, late], timeout=LIMIT) == [""] * 9 + [5]


def test_imap_survives_it_and_gives_nothing_twice(on_cluster, checkpoint):
    port = checkpoint.port
    results = kf.imap(lambda index: (index, reach(port) if index == 30 else ""), range(300))
    taken = [next(results) for _ in range(10)]
    visit = checkpoint.next()
    on_cluster.kill_scheduler()
    on_cluster.start_scheduler()
    visit.go()
    assert taken + list(results) == [(index, "") for index in range(300)]


def test_a_map_survives_a_worker_that_is_killed_and_started_again(on_cluster, checkpoint):
    _visits, finish = stop_in_the_middle(checkpoint)
    on_cluster.kill_worker()
    eventually(lambda: kf.n_workers() == 0, "the news that there are no slots")
    on_cluster.start_worker()
    finish(again=True)


def test_a_map_survives_the_death_of_everything(on_cluster, checkpoint):
    _visits, finish = stop_in_the_middle(checkpoint)
    on_cluster.kill_scheduler()
    on_cluster.kill_worker()
    on_cluster.start_scheduler()
    on_cluster.start_worker()
    finish(again=True)


def test_a_new_token_after_a_new_start_is_found(on_cluster, checkpoint):
    """`make down` and `make up` while a script runs: the connection file is another one then."""
    _visits, finish = stop_in_the_middle(checkpoint)
    on_cluster.kill_scheduler()
    on_cluster.kill_worker()
    before = Connection.load(on_cluster.connection)
    dataclasses.replace(before, token=secrets.token_hex(32)).save(on_cluster.connection)
    on_cluster.start_scheduler()
    on_cluster.start_worker()
    finish(again=True)


def test_a_map_survives_a_connection_that_is_cut(cluster, checkpoint):
    with Wire(cluster.connection) as wire, kf.plan("sequential"):
        kf.plan("cluster", connection=wire.connection)
        _visits, finish = stop_in_the_middle(checkpoint)
        wire.cut()
        finish()
        assert wire.carried == 2


def test_R7_a_worker_whose_connection_is_cut_comes_back_with_what_its_slots_run(checkpoint):
    with Cluster(2) as cluster, Wire(cluster.connection) as wire, kf.plan("sequential"):
        cluster.worker.close()
        eventually(lambda: not cluster.status().workers, "the first worker has left")
        cluster.connection, direct = wire.connection, cluster.connection
        cluster.start_worker()
        slots = eventually(
            lambda: {*found} if len(found := cluster.slots()) == 2 else None, "two slots, and none of before"
        )
        kf.plan("cluster", connection=direct)
        _visits, finish = stop_in_the_middle(checkpoint)
        wire.cut()
        finish()
        assert slots == set(cluster.slots())


def test_the_slots_of_a_restarted_scheduler_are_as_many_as_before(on_cluster):
    kf.scale(3)
    on_cluster.kill_scheduler()
    on_cluster.start_scheduler()
    assert kf.map(abs, range(10)) == list(range(10))
    eventually(lambda: kf.n_workers() == 3, "three slots")


def test_an_order_to_scale_survives_a_scheduler_that_is_started_again():
    with Cluster(2) as cluster, kf.plan("sequential"):
        cluster.worker.close()
        kf.plan("cluster", connection=cluster.connection)
        order = threading.Thread(target=kf.scale, args=(3,))
        order.start()
        eventually(lambda: cluster.status().wanted_slots == 3, "the order")
        cluster.kill_scheduler()
        cluster.start_scheduler()
        cluster.start_worker()
        order.join(LIMIT)
        assert not order.is_alive() and kf.n_workers() == 3


def test_a_scheduler_that_stays_away_is_an_error_for_everybody_who_waits(on_cluster, checkpoint, monkeypatch):
    monkeypatch.setattr(trying, "RECONNECT_SECONDS", 0.1)
    future = kf.future(reach, checkpoint.port)
    results = kf.imap(lambda index: index, range(1000))
    _visit = checkpoint.next()
    on_cluster.kill_scheduler()
    with pytest.raises(NoAnswerError, match=r"went away.*make up"):
        future.result(LIMIT)
    with pytest.raises(NoAnswerError, match="make up"):
        list(results)
    with pytest.raises(NoAnswerError, match="make up"):
        kf.map(abs, [1])
    on_cluster.start_scheduler()
    assert kf.map(abs, [-1]) == [1], "the same plan works again when there is a scheduler"


def test_closing_the_plan_while_the_scheduler_is_away_is_quick_and_quiet(on_cluster, capfd):
    on_cluster.kill_scheduler()
    eventually(lambda: "lost" in current_plan().backend().why_no_slots, "the loss")
    current_plan().close()
    assert "Task" not in capfd.readouterr().err
