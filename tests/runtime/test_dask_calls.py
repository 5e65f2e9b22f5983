"""How calls are cut into chunks for Dask, and what becomes of chunks that it gives up."""

from __future__ import annotations

import pytest
from kubefuture.backends.dask_calls import AHEAD, DaskCalls
from kubefuture.core.settings import LOSSES
from kubefuture.protocol.messages import (
    Cancel,
    Elements,
    Failure,
    Function,
    Open,
    Release,
    Results,
    Tally,
    TallyRequest,
    Task,
    Tasks,
)
from kubefuture.protocol.poison import decode_report
from kubefuture.worker.in_dask import Answer

SLOTS = 2


def begun(elements, chunk_size=0, total=None):
    """A map of this many elements, with the id 7."""
    calls = DaskCalls()
    calls.receive(Function(1, b"function"))
    calls.receive(Open(7, 1, elements if total is None else total, chunk_size, 0))
    calls.receive(Elements(7, [b"%d" % number for number in range(elements)], True))
    return calls


def answer(sent, seconds=0.0, raised=()):
    return Answer([payload + b"!" for payload in sent.chunk.payloads], list(raised), seconds, "")


def run_all(calls, seconds_an_element=0.0):
    """Runs everything; returns the results in the order of their elements, and the chunks' lengths."""
    results, lengths = {}, []
    while sent := calls.next(SLOTS):
        for one in sent:
            lengths.append(len(one.chunk.payloads))
            for message in calls.done(one.number, answer(one, seconds_an_element * lengths[-1])):
                for span in message.spans:
                    results.update(enumerate(span.payloads, span.start))
    return [results[index] for index in sorted(results)], lengths


@pytest.mark.parametrize("elements", [0, 1, 5, 5000])
def test_every_element_is_run_once(elements):
    results, lengths = run_all(begun(elements))
    assert results == [b"%d!" % number for number in range(elements)]
    assert sum(lengths) == elements


def test_a_chunk_that_is_longer_than_what_is_read_ahead_begins_with_what_there_is():
    calls = DaskCalls()
    calls.receive(Function(1, b"function"))
    calls.receive(Open(7, 1, -1, 500, 0))
    calls.receive(Elements(7, [b"x"] * 100, False))
    (sent,) = calls.next(SLOTS)
    assert len(sent.chunk.payloads) == 100
    calls.receive(Elements(7, [b"x"] * 100, False))
    assert calls.next(SLOTS) == [], "more are to come"
    calls.done(sent.number, answer(sent))
    assert len(calls.next(SLOTS)) == 1


def test_what_ran_again_on_a_worker_is_counted_as_retried():
    calls = begun(4, 1)
    first, second, *_ = calls.next(SLOTS)
    assert calls.tally(TallyRequest(7), SLOTS) == [Tally(7, 2, 0)]
    calls.done(first.number, Answer([b"!"], [], 0.0, "", 2))
    calls.lost(second.number)
    assert calls.tally(TallyRequest(7), SLOTS) == [Tally(7, 2, 3)]


def test_a_chunk_size_that_was_asked_for_is_kept():
    assert run_all(begun(10, 4))[1] == [4, 4, 2]


def test_R14_chunks_begin_small_and_hold_a_fifth_of_a_second_of_measured_work():
    lengths = run_all(begun(1000, 0), seconds_an_element=0.01)[1]
    assert lengths[0] == 1 and max(lengths) == 20
    assert run_all(begun(1000, 0), seconds_an_element=10)[1] == [1] * 1000


def test_no_more_is_with_dask_than_keeps_its_workers_busy():
    calls = begun(1000)
    assert len(calls.next(SLOTS)) == AHEAD * SLOTS
    assert calls.next(SLOTS) == []
    assert begun(1000).next(0) == []


def test_R11_single_futures_go_first_and_maps_take_turns():
    calls = begun(1000, 1)
    calls.receive(Open(8, 1, 1000, 1, 0))
    calls.receive(Elements(8, [b"x"] * 1000, True))
    calls.receive(Tasks([Task(9, 1, b"future")]))
    assert [sent.call for sent in calls.next(SLOTS)] in ([9, 7, 8, 7], [9, 8, 7, 8])


def test_what_is_cancelled_is_forgotten_and_what_dask_has_of_it_is_named():
    calls = begun(1000)
    sent = calls.next(SLOTS)
    assert calls.receive(Cancel((7,))) == [one.number for one in sent]
    assert calls.done(sent[0].number, answer(sent[0])) == [] and calls.next(SLOTS) == []
    calls.receive(Release((1,)))
    assert calls.functions == {}


def test_results_and_errors_of_one_chunk_are_told_apart():
    calls = begun(5, 5)
    (sent,) = calls.next(SLOTS)
    messages = calls.done(sent.number, answer(sent, raised=[0, 3]))
    kinds = [(type(message).__name__, getattr(message, "index", None)) for message in messages]
    assert kinds == [("Failure", 0), ("Results", None), ("Failure", 3), ("Results", None)]


def test_R19_the_elements_of_a_chunk_that_ended_its_workers_are_tried_one_at_a_time():
    calls = begun(6, 3)
    first, second = calls.next(SLOTS)
    assert calls.died(first.number, 4, "ended", "host") == []
    assert calls.next(SLOTS) == [], "the other chunk is still there, and might be blamed"
    calls.done(second.number, answer(second))
    told = []
    for index in range(3):
        (alone,) = calls.next(SLOTS)
        assert (alone.chunk.start, len(alone.chunk.payloads)) == (index, 1)
        told += (
            calls.died(alone.number, 4, "ended", "host")
            if index == 1
            else calls.done(alone.number, answer(alone))
        )
    (poison,) = [message for message in told if isinstance(message, Failure)]
    assert (poison.index, poison.kind) == (1, "poison")
    report = decode_report(poison.payload)
    assert (report.deaths, report.arguments, len(report.strikes)) == (4, b"1", 4)
    assert len([message for message in told if isinstance(message, Results)]) == 2
    assert calls.next(SLOTS) == []


def test_R19_an_element_that_only_waited_where_another_ended_the_worker_is_not_blamed():
    calls = begun(3, 1)
    calls.receive(Open(8, 1, 1, 1, 0))
    calls.receive(Elements(8, [b"other map"], True))
    sent = calls.next(SLOTS)
    assert len(sent) == 4
    for one in sent:
        assert calls.died(one.number, 4, "ended", "host") == [], "it had company"
    told = []
    while alone := calls.next(SLOTS):
        (one,) = alone
        guilty = one.call == 7 and one.chunk.start == 1
        told += calls.died(one.number, 4, "ended", "host") if guilty else calls.done(one.number, answer(one))
    assert [(one.call, one.index) for one in told if isinstance(one, Failure)] == [(7, 1)]
    assert len([message for message in told if isinstance(message, Results)]) == 3


def test_R19_a_map_that_is_cancelled_while_its_elements_are_tried_holds_up_nobody():
    calls = begun(4, 2)
    calls.receive(Open(8, 1, 1, 1, 0))
    calls.receive(Elements(8, [b"other map"], True))
    for one in calls.next(SLOTS):
        calls.died(one.number, 4, "ended", "host")
    while (tried := calls.next(SLOTS))[0].call != 7:
        calls.done(tried[0].number, answer(tried[0]))
    assert calls.receive(Cancel((7,))) == [tried[0].number]
    for one in calls.next(SLOTS):
        assert one.call == 8
        calls.done(one.number, answer(one))
    assert calls.next(SLOTS) == []


def test_R4_what_dask_has_forgotten_is_sent_again_and_not_for_ever():
    calls = begun(2, 2)
    losses = 0
    failures = []
    while sent := calls.next(SLOTS):
        losses += 1
        failures += calls.lost(sent[0].number)
    assert [(one.index, one.kind) for one in failures] == [(0, "poison"), (1, "poison")]
    assert LOSSES < losses <= 3 * LOSSES


def test_a_single_future_that_dask_has_forgotten_is_sent_again():
    calls = DaskCalls()
    calls.receive(Function(1, b"function"))
    calls.receive(Tasks([Task(9, 1, b"future")]))
    (sent,) = calls.next(SLOTS)
    assert calls.lost(sent.number) == []
    (again,) = calls.next(SLOTS)
    assert again.chunk == sent.chunk and again.number != sent.number
    assert len(calls.done(again.number, answer(again))) == 1


def test_R21_only_futures_that_dask_was_not_given_are_withdrawn():
    calls = DaskCalls()
    calls.receive(Function(1, b"function"))
    calls.receive(Tasks([Task(number, 1, b"", 0) for number in range(10)]))
    given = {sent.call for sent in calls.next(SLOTS)}
    assert given == set(range(AHEAD * SLOTS))
    told = calls.withdraw(Cancel((0, 8, 9, 77), waiting=True))
    assert told == [Failure(8, 0, "withdrawn", b""), Failure(9, 0, "withdrawn", b"")]
