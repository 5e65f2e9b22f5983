"""Single futures: what `concurrent.futures` promises of them, on every plan."""

from __future__ import annotations

import kubefuture as kf
import pytest

from tests.faults.checkpoint import reach
from tests.faults.waiting import LIMIT, eventually


def test_callbacks_are_called_with_the_future(plan):
    future = kf.future(abs, -3)
    seen = []
    future.add_done_callback(lambda one: seen.append(one.result()))
    future.result()
    eventually(lambda: seen == [3], "the callback, in whichever thread")


def test_a_future_starts_before_anybody_asks_for_it(pool, checkpoint):
    future = kf.future(reach, checkpoint.port)
    visit = checkpoint.next()
    assert not future.done() and "pending" in repr(future)
    with pytest.raises(TimeoutError):
        future.result(timeout=0)
    visit.go("now")
    assert future.result() == "now" and future.done()


def test_submitting_never_waits_for_a_worker(pool, checkpoint):
    """R's future blocks in future() when all workers are busy; here the scheduler queues (R16)."""
    futures = [kf.future(reach, checkpoint.port, number) for number in range(20)]
    busy = checkpoint.take(2)
    assert not any(one.done() for one in futures)
    checkpoint.open()
    for visit in busy:
        visit.go()
    assert kf.value(futures) == [""] * 20


def test_as_many_elements_run_at_once_as_there_are_workers(pool, checkpoint):
    futures = [kf.future(reach, checkpoint.port) for _ in range(kf.n_workers())]
    visits = checkpoint.take(kf.n_workers())
    assert len({visit.pid for visit in visits}) == kf.n_workers()
    for visit in visits:
        visit.go()
    kf.value(futures)


def test_a_single_future_goes_before_the_next_chunk_of_a_map(pool, checkpoint):
    """R11: a map of many elements does not hold up a future that was submitted later."""
    elements = 40
    everything = kf.imap(lambda index, port=checkpoint.port: reach(port, index), range(elements))
    here = checkpoint.take(2)
    future = kf.future(reach, checkpoint.port, "future")
    if pool.cluster is not None:  # else it may hear first that an element has ended
        eventually(lambda: pool.cluster.status().queued == elements + 1 - len(here), "the scheduler has it")
    order = []
    while "future" not in order:
        for visit in here:
            visit.go()
        here = checkpoint.take(2)  # one of each slot: neither runs ahead of the other
        order += [visit.label for visit in here]
    for visit in here:
        visit.go()
    checkpoint.open()
    assert future.result() == ""
    assert len(list(everything)) == elements
    assert len(order) <= 6, "it waited for what had been fetched before it came, and for nothing else"


def test_R16_futures_with_large_arguments_are_held_back_and_none_is_forgotten(pool, monkeypatch):
    """The client keeps what would be too much on the way; cancelled ones are skipped."""
    monkeypatch.setattr("kubefuture.client.window.WINDOW_BYTES", 100_000)
    futures = [kf.future(len, bytes(30_000 + number)) for number in range(60)]
    cancelled = {number for number in range(40, 60, 3) if futures[number].cancel()}
    for number, future in enumerate(futures):
        if number not in cancelled:
            assert future.result(LIMIT) == 30_000 + number
    assert kf.future(abs, -1).result(LIMIT) == 1
