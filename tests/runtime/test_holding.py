"""A scheduler that was started anew takes over what workers bring along (R7)."""

from __future__ import annotations

import msgspec
import pytest
from kubefuture.core.settings import ORPHAN_SECONDS
from kubefuture.errors import ProtocolError
from kubefuture.protocol.messages import (
    Done,
    Elements,
    Failure,
    Function,
    Held,
    HeldSlot,
    Holding,
    Interrupt,
    Open,
    Part,
    Raised,
    Resumed,
    RetireSlot,
    Returned,
    SlotLost,
    SlotReady,
    StartSlot,
)  # fmt: skip

from tests.runtime.consistency import check_machine
from tests.runtime.driver import Driver, hello


class Later(Driver):
    """A scheduler that was started anew."""

    def __init__(self, slots=None):
        super().__init__(slots, first_lease=1000)

    def come_back(self, slots=1):
        """A worker that had talked to the scheduler before."""
        peer = next(self._peers)
        self.machine.connected(
            peer, msgspec.structs.replace(hello("worker", f"worker-{peer}", slots), epoch="1"), self.now
        )
        self._gather()
        return peer

    def say(self, peer, *messages):
        super().say(peer, *messages)
        check_machine(self.machine)

    def hold(self, worker, *spans, slot=0, call=5, session="client", pid=700):
        """It has elements of a call; its leases are numbered from 1."""
        leases = [Held(number, session, call, 1, *span) for number, span in enumerate(spans, 1)]
        self.say(worker, Holding([HeldSlot(slot, pid, session if pid else "", leases)]))

    def resume(self, client, indices, total, *, last=True):
        """A client sends what it still waits for."""
        payloads = [str(index).encode() for index in indices]
        self.say(client, Open(5, 1, total), Elements(5, payloads, last, tuple(indices)))

    def finish(self, worker, lease, start, stop, *, end=True):
        """Elements finish."""
        results = [f"{index}!".encode() for index in range(start, stop)]
        self.say(worker, Done([Part(lease, start, results, 0.0, end)]))


def test_R7_what_a_worker_goes_on_with_is_not_leased_again():
    driver = Later()
    worker = driver.come_back()
    driver.hold(worker, (2, 4), (4, 6))
    client = driver.client()
    driver.resume(client, range(2, 8), 8)
    driver.say(client, Resumed())
    driver.finish(worker, 1, 2, 4)
    assert [lease.start for _, lease in driver.leases(worker)] == [6]
    driver.finish(worker, 2, 4, 6)
    assert driver.results(client) == [2, 3, 4, 5]


def test_R7_a_client_that_comes_first_gets_the_results_of_a_worker_that_comes_later():
    driver = Later()
    client = driver.client()
    driver.resume(client, range(2, 6), 6)
    driver.say(client, Resumed())
    worker = driver.come_back()
    driver.hold(worker, (2, 4))
    assert driver.leases(worker)[0][1].start == 4
    driver.finish(worker, 1, 2, 4)
    assert driver.results(client) == [2, 3]


def test_R7_results_that_come_before_their_client_wait_for_it():
    driver = Later()
    worker = driver.come_back()
    driver.hold(worker, (0, 2))
    driver.finish(worker, 1, 0, 2)
    client = driver.client()
    driver.resume(client, range(2), 2)
    assert driver.results(client) == [0, 1]


def test_results_that_the_client_has_already_are_dropped():
    driver = Later()
    client = driver.client()
    driver.resume(client, [0, 3], 9)
    worker = driver.come_back()
    driver.hold(worker, (1, 5), (7, 9))
    driver.finish(worker, 1, 1, 5)
    driver.finish(worker, 2, 7, 9)
    assert driver.results(client) == [3]


def test_results_of_elements_that_the_client_has_not_sent_yet_wait_for_them():
    driver = Later()
    client = driver.client()
    driver.resume(client, [0, 1], 5, last=False)
    worker = driver.come_back()
    driver.hold(worker, (2, 4))
    driver.finish(worker, 1, 2, 4)
    assert driver.results(client) == []
    driver.say(client, Elements(5, [b"2", b"3", b"4"], True, (2, 3, 4)))
    assert driver.results(client) == [2, 3]


def test_R7_an_element_that_raised_is_tried_again_though_the_rest_of_its_chunk_goes_on():
    driver = Later()
    client = driver.client()
    driver.say(client, Open(5, 1, 5, 0, 1), Elements(5, [b"%d" % index for index in range(5)], True))
    worker = driver.come_back()
    driver.hold(worker, (0, 3))
    driver.say(worker, Raised(1, 0, b"error", 0.0, False))
    leases = driver.leases(worker)
    driver.finish(worker, 1, 1, 3)
    while leases := [*leases, *driver.leases(worker)]:
        driver.done(worker, leases.pop(0)[1])
    assert sorted(driver.results(client)) == [0, 1, 2, 3, 4]


def test_R7_an_error_is_counted_once_however_often_a_worker_has_to_tell_of_it():
    driver = Later()
    client = driver.client()
    driver.say(client, Open(5, 1, 1, 0, 1), Elements(5, [b"0"], True))
    for _ in range(3):
        worker = driver.come_back()
        driver.hold(worker, (0, 1))
        driver.say(worker, Raised(1, 0, b"error", 0.0, True))
        driver.leave(worker)
    worker = driver.worker(1)
    assert driver.take(client, Failure) == []
    driver.raised(worker, driver.lease(worker), 0)
    assert len(driver.take(client, Failure)) == 1


def test_retries_are_counted_also_when_the_client_comes_after_the_error():
    driver = Later()
    worker = driver.come_back()
    driver.hold(worker, (0, 1))
    driver.say(worker, Raised(1, 0, b"error", 0.0, True))
    client = driver.client()
    driver.say(client, Open(5, 1, 1, 0, 1), Elements(5, [b"0"], True, (0,)))
    driver.raised(worker, driver.lease(worker), 0)
    (failure,) = driver.take(client, Failure)
    assert failure.index == 0


def test_what_nobody_wants_any_more_is_interrupted_whoever_comes_first():
    for worker_first in (True, False):
        driver = Later()
        if worker_first:
            worker = driver.come_back()
            driver.hold(worker, (0, 1))
            client = driver.client()
            driver.say(client, Resumed())
        else:
            client = driver.client()
            driver.say(client, Resumed())
            worker = driver.come_back()
            driver.hold(worker, (0, 1))
        assert driver.take(worker, Interrupt) == [Interrupt(0, 1)]
        driver.say(worker, Returned(0, (1,)))
        driver.tick()
        assert driver.leases(worker) == []


def test_R7_a_client_that_stays_away_is_given_up_after_ten_minutes():
    driver = Later()
    worker = driver.come_back()
    driver.hold(worker, (0, 1))
    driver.tick(ORPHAN_SECONDS - 1)
    assert driver.take(worker, Interrupt) == []
    driver.tick(2)
    assert driver.take(worker, Interrupt) == [Interrupt(0, 1)]


def test_R7_what_a_worker_loses_that_has_come_back_is_leased_again():
    driver = Later()
    worker = driver.come_back()
    driver.hold(worker, (0, 2))
    client = driver.client()
    driver.resume(client, range(4), 4)
    other = driver.worker(1)
    driver.leave(worker)
    started = []
    while leases := driver.leases(other):
        for _, lease in leases:
            started += range(lease.start, lease.start + len(lease.payloads))
            driver.done(other, lease)
    assert sorted(started) == [0, 1, 2, 3]


def test_a_slot_that_is_gone_is_not_counted_and_its_outcomes_are():
    driver = Later()
    client = driver.client()
    driver.resume(client, range(2), 2)
    worker = driver.come_back()
    driver.hold(worker, (0, 2), slot=4, pid=0)
    driver.finish(worker, 1, 0, 2)
    driver.say(worker, SlotLost(4, 0, -1, "was retired", True, True), SlotReady(0, 700))
    assert driver.results(client) == [0, 1]
    assert driver.machine.slots == 1


def test_R17_which_slots_are_to_drain_is_decided_when_it_is_known_what_they_run():
    driver = Later(1)
    worker = driver.come_back(2)
    assert driver.take(worker, RetireSlot, StartSlot) == []
    driver.hold(worker, (0, 2), slot=1)
    assert driver.take(worker, RetireSlot) == [RetireSlot(0)]


def test_a_slot_that_goes_of_an_earlier_order_is_made_up_for():
    driver = Later(1)
    worker = driver.come_back(1)
    driver.say(worker, Holding([]), SlotReady(0, 700))
    driver.say(worker, SlotLost(0, 0, -1, "exit code 0", True, True))
    assert driver.take(worker, StartSlot) == [StartSlot(0)]


def test_R7_an_element_that_raised_before_its_client_had_told_runs_again_if_it_may():
    driver = Later()
    worker = driver.come_back(3)
    driver.hold(worker, (0, 5))
    driver.say(worker, SlotReady(1, 701), SlotReady(2, 702))
    driver.finish(worker, 1, 0, 1, end=False)
    driver.say(worker, Raised(1, 1, b"error", 0.1, False))
    client = driver.client()
    driver.say(
        client, Open(5, 1, 7, 1, 2), Elements(5, [b"%d" % index for index in range(7)], True), Resumed()
    )
    for _ in range(3):
        for _, lease in driver.leases(worker):
            driver.done(worker, lease)
    driver.finish(worker, 1, 2, 5)
    assert sorted(driver.results(client)) == list(range(7))


def test_a_lease_that_is_brought_along_twice_is_refused():
    driver = Later()
    worker = driver.come_back()
    driver.hold(worker, (0, 2))
    with pytest.raises(ProtocolError, match="Lease 1 cannot be brought along"):
        driver.hold(worker, (0, 2))
    with pytest.raises(ProtocolError):
        driver.hold(driver.come_back(), (2, 2))


def test_a_function_is_sent_again_to_a_slot_that_was_brought_along():
    driver = Later()
    worker = driver.come_back()
    driver.hold(worker)
    client = driver.client()
    driver.resume(client, [0], 1)
    assert [run.functions for run in driver.take(worker) if hasattr(run, "functions")] == [
        [Function(1, b"client")]
    ]
