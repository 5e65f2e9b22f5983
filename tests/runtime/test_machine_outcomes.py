"""The machine: what becomes of work, and that it is said once (R6, R18, R19, R21)."""

from __future__ import annotations

import pytest
from kubefuture.core.settings import LOSSES, STRIKES
from kubefuture.errors import ProtocolError
from kubefuture.machine.records import TroubleCounted
from kubefuture.protocol.messages import (
    Bind,
    Bye,
    Cancel,
    Done,
    Elements,
    Failure,
    Function,
    Interrupt,
    Open,
    OpenNamed,
    Part,
    Release,
    ReplaceSlot,
    Results,
    Returned,
    Run,
    SlotLost,
    Status,
    StatusRequest,
    Task,
    Tasks,
    Welcome,
)  # fmt: skip
from kubefuture.protocol.poison import decode_report

from tests.runtime.driver import Driver, bring_up


def test_results_are_passed_on_as_they_come():
    driver, worker, client = bring_up()
    driver.map(client, 1, 6, chunk_size=6)
    lease = driver.lease(worker)
    driver.done(worker, lease, elements=2, end=False)
    (answer,) = driver.take(client, Results)
    assert [(span.start, span.payloads) for span in answer.spans] == [(0, [b"0!", b"1!"])]
    driver.say(worker, Done([Part(lease.id, 2, [b"2!"] * 4, 0.1, True)]))
    assert driver.results(client) == [2, 3, 4, 5]


def test_what_a_lease_ended_without_comes_back():
    driver, worker, client = bring_up()
    driver.map(client, 1, 6, chunk_size=6)
    lease = driver.lease(worker)
    driver.done(worker, lease, elements=2)
    rest = driver.lease(worker)
    assert (rest.start, len(rest.payloads)) == (2, 4)


def test_an_error_is_the_elements_own_and_its_chunk_goes_on():
    driver, worker, client = bring_up()
    driver.map(client, 1, 3, chunk_size=3)
    lease = driver.lease(worker)
    driver.raised(worker, lease, 0, end=False)
    driver.say(worker, Done([Part(lease.id, 1, [b"1", b"2"], 0.1, True)]))
    sent = driver.take(client, Failure, Results)
    assert {type(message) for message in sent} == {Failure, Results}
    assert driver.machine.status(0).queued == 0


def test_an_element_that_raised_is_tried_again_as_often_as_it_may():
    driver, worker, client = bring_up()
    driver.tasks(client, 9, retries=2)
    for _ in range(3):
        assert driver.take(client, Failure) == []
        lease = driver.lease(worker)
        driver.raised(worker, lease, 0)
    (failure,) = driver.take(client, Failure)
    assert (failure.call, failure.index, failure.kind, failure.payload) == (9, 0, "raised", b"error")
    assert driver.leases(worker) == []


def test_the_first_result_of_an_element_is_the_one_that_counts():
    driver = Driver()
    first, second, client = driver.worker(1), driver.worker(1), driver.client()
    driver.tasks(client, 1)
    worker = first if driver.sent.get(first) else second
    other = second if worker is first else first
    lease = driver.lease(worker)
    driver.leave(worker)
    again = driver.lease(other)
    driver.done(other, again)
    driver.done(other, again)
    driver.done(other, lease)
    assert driver.results(client) == [0]


def test_what_a_lost_worker_had_runs_elsewhere():
    driver, worker, client = bring_up(2)
    driver.map(client, 1, 12, chunk_size=3)
    leases = driver.leases(worker)
    driver.done(worker, leases[0][1], elements=1, end=False)
    driver.leave(worker)
    other = driver.worker(1, "other")
    driver.tick()
    ran = []
    while leases := driver.leases(other):
        for _, lease in leases:
            ran += range(lease.start, lease.start + len(lease.payloads))
            driver.done(other, lease)
    assert sorted(ran) == list(range(1, 12))
    assert sorted(driver.results(client)) == list(range(12))


def test_an_element_that_ends_its_slot_is_retried_alone_and_reported_the_third_time():
    driver, worker, client = bring_up()
    driver.map(client, 1, 6, chunk_size=6)
    lease = driver.lease(worker)
    driver.done(worker, lease, elements=2, end=False)
    alone = [lease]
    for strike in range(STRIKES):
        assert driver.take(client, Failure) == []
        driver.lost(worker, 0, alone[0], 2)
        leases = [lease for _, lease in driver.leases(worker)]
        alone = [lease for lease in leases if lease.start == 2]
        assert [len(lease.payloads) for lease in alone] == ([1] if strike < STRIKES - 1 else [])
    (failure,) = driver.take(client, Failure)
    assert (failure.index, failure.kind) == (2, "poison")
    report = decode_report(failure.payload)
    assert report.deaths == len(report.strikes) == STRIKES and report.arguments == b"2"
    assert {(strike.reason, strike.host) for strike in report.strikes} == {("killed by SIGKILL", "host")}


def test_an_end_that_was_ours_is_no_strike_but_has_a_limit_of_its_own():
    driver, worker, client = bring_up()
    driver.tasks(client, 1)
    for loss in range(LOSSES):
        assert driver.take(client, Failure) == [], f"loss {loss}"
        lease = driver.lease(worker)
        driver.lost(worker, 0, lease, 0, expected=True)
    (failure,) = driver.take(client, Failure)
    report = decode_report(failure.payload)
    assert failure.kind == "poison" and (report.deaths, report.losses) == (0, LOSSES)


def test_R8_a_loss_of_a_named_maps_element_is_recorded():
    driver, worker, client = bring_up(next_key=1)
    driver.say(client, OpenNamed(1, "x", 1, "f", "", 0.0, 1, 0, 0), Elements(1, [b"0"], last=True))
    lease = driver.lease(worker)
    driver.leave(worker)
    assert TroubleCounted(1, "loss", 0, 1, lease.id) in driver.machine.take_records()


def test_R19_what_waits_behind_an_element_is_not_lost_with_it():
    driver, worker, client = bring_up()
    driver.map(client, 1, 2, chunk_size=1)
    for _ in range(LOSSES):
        assert [lease.start for _, lease in driver.leases(worker)] == [0, 1], "one runs, one is ahead"
        driver.leave(worker)
        worker = driver.worker(1)
    (failure,) = driver.take(client, Failure)
    assert failure.index == 0
    driver.done(worker, driver.lease(worker))
    assert driver.results(client) == [1]


def test_a_slot_that_dies_between_two_elements_is_no_strike_but_does_not_go_on_for_ever():
    driver, worker, client = bring_up()
    driver.map(client, 1, 2, chunk_size=2)
    for loss in range(LOSSES):
        assert driver.take(client, Failure) == [], f"loss {loss}"
        assert [lease.start for _, lease in driver.leases(worker)] == [0]
        driver.lost(worker, 0)
    (failure,) = driver.take(client, Failure)
    assert (failure.index, failure.kind) == (0, "poison")
    assert [(lease.start, len(lease.payloads)) for _, lease in driver.leases(worker)] == [(1, 1)]


def test_a_cancelled_call_is_interrupted_where_it_runs_and_forgotten_where_it_waits():
    driver, worker, client = bring_up()
    driver.map(client, 1, 100, chunk_size=2)
    leases = [lease for _, lease in driver.leases(worker)]
    driver.say(client, Cancel((1,)))
    assert {message.lease for message in driver.take(worker, Interrupt)} == {lease.id for lease in leases}
    driver.say(worker, Returned(0, (leases[1].id,)))
    driver.raised(worker, leases[0], 0, interrupted=True)
    driver.tick()
    assert driver.take(client, Results, Failure) == [] and driver.take(worker) == []
    assert driver.machine.status(0).queued == driver.machine.status(0).running == 0


def test_an_element_that_was_interrupted_for_another_ones_sake_runs_again():
    driver, worker, client = bring_up()
    driver.tasks(client, 1)
    lease = driver.lease(worker)
    driver.raised(worker, lease, 0, interrupted=True)
    again = driver.lease(worker)
    driver.done(worker, again)
    assert driver.results(client) == [0]


def test_a_client_that_goes_takes_its_work_along_and_leaves_fresh_slots():
    driver, worker, client = bring_up(2)
    driver.map(client, 1, 100)
    leases = driver.leases(worker)
    driver.leave(client)
    interrupted = driver.take(worker, Interrupt)
    assert {message.lease for message in interrupted} == {lease.id for _, lease in leases}
    for _, lease in leases:
        driver.raised(worker, lease, lease.start, interrupted=True)
    assert {message.slot for message in driver.take(worker, ReplaceSlot)} == {0, 1}
    status = driver.machine.status(0)
    assert (status.queued, status.running, status.sessions) == (0, 0, 0)


def test_functions_that_are_released_are_forgotten_with_the_next_lease():
    driver, worker, client = bring_up()
    driver.tasks(client, 1)
    lease = driver.lease(worker)
    driver.done(worker, lease)
    driver.say(client, Release((1,)), Function(2, b"other"), Tasks([Task(2, 2, b"")]))
    (run,) = driver.take(worker)
    assert list(run.forget) == [1] and [function.id for function in run.functions] == [2]


def test_R29_functions_that_are_released_while_they_run_are_forgotten_when_their_slot_has_nothing_to_do():
    driver, worker, client = bring_up()
    driver.map(client, 1, 1)
    lease = driver.lease(worker)
    driver.say(client, Cancel((1,)), Release((1,)))
    (interrupt,) = driver.take(worker)
    assert isinstance(interrupt, Interrupt)
    driver.raised(worker, lease, lease.start, interrupted=True)
    (run,) = driver.take(worker)
    assert isinstance(run, Run) and (list(run.forget), run.leases) == ([1], [])


def test_elements_that_a_client_sends_again_after_a_reconnect_are_only_those():
    driver, worker, client = bring_up()
    driver.say(
        client, Open(1, 1, 6, 2), Elements(1, [b"1", b"4"], last=False, indices=(1, 4)),
        Elements(1, [b"5"], last=True, indices=(5,)),
    )  # fmt: skip
    ran = []
    while leases := driver.leases(worker):
        for _, lease in leases:
            ran += zip(range(lease.start, lease.start + len(lease.payloads)), lease.payloads, strict=True)
            driver.done(worker, lease)
    assert ran == [(1, b"1"), (4, b"4"), (5, b"5")]
    assert driver.machine.status(0).queued == 0


@pytest.mark.parametrize(
    "messages",
    [
        [Open(1, 99)],
        [Tasks([Task(1, 99, b"")])],
        [Open(1, 1), Open(1, 1)],
        [Done([Part(1, 0, [b""], 0.0, True)])],
        [Returned(0, ())],
        [Bind(0, 1, "", (), "")],
        [Welcome("")],
    ],
    ids=lambda messages: type(messages[-1]).__name__,
)
def test_a_client_that_breaks_the_rules_is_told_so(messages):
    driver = Driver()
    client = driver.client()
    with pytest.raises(ProtocolError):
        driver.say(client, *messages)


def test_a_worker_that_breaks_the_rules_is_told_so():
    driver = Driver()
    worker, other, client = driver.worker(1), driver.worker(1), driver.client()
    driver.map(client, 1, 9, chunk_size=2)
    ((_, lease), *_) = driver.leases(worker)
    for message in (
        Done([Part(lease.id, lease.start + 1, [b"", b"", b""], 0.0, True)]),
        Done([Part(lease.id, lease.start - 1, [b""], 0.0, True)]),
        SlotLost(7, 0, -1, "exit code 0", True),
        Tasks([Task(1, 1, b"")]),
    ):
        with pytest.raises(ProtocolError):
            driver.say(worker, message)
    with pytest.raises(ProtocolError, match="another worker"):
        driver.done(other, lease)


def test_a_status_counts_elements():
    driver, worker, client = bring_up()
    control = driver.join("control")
    driver.map(client, 1, 10, chunk_size=2)
    ((_, lease), *_) = driver.leases(worker)
    driver.done(worker, lease)
    driver.now = 60.0
    driver.take(control)
    driver.say(control, StatusRequest(), Bye())
    (status,) = driver.take(control, Status)
    assert (status.done, status.running, status.queued, status.sessions) == (2, 1, 7, 1), "one a slot runs"
    assert status.uptime_s == 60.0 and status.python == "3.11"
    (shown,) = status.workers
    assert (shown.slots, shown.busy, shown.host) == (1, 1, "host")
