"""The machine: slots that come, are replaced, drain and go (R3, R17)."""

from __future__ import annotations

import msgspec
import pytest
from kubefuture.errors import ProtocolError
from kubefuture.machine.roster import DRAIN_SECONDS
from kubefuture.protocol.messages import (
    Bind,
    Holding,
    Interrupt,
    Leaving,
    ReplaceSlot,
    RetireSlot,
    Returned,
    Revoke,
    Run,
    Scale,
    SlotLost,
    SlotReady,
    Slots,
    StartSlot,
    Status,
)  # fmt: skip

from tests.runtime.driver import Driver, bring_up, hello


def drain():
    """The only slot runs something, and is to go."""
    driver, worker, client = bring_up(wanted=1)
    control = driver.join("control")
    driver.tasks(client, 1)
    lease = driver.lease(worker)
    driver.say(control, Scale(0))
    return driver, worker, control, lease


def gone(driver, worker, slot):
    """A slot that was retired has ended."""
    driver.say(worker, SlotLost(slot, 0, -1, "exit code 0", True, True))


def test_a_client_is_told_how_many_slots_there_are_and_when_that_changes():
    driver = Driver()
    driver.worker(2)
    client = driver.join("client")
    assert driver.machine.slots == 2
    other = driver.worker(1, "other")
    assert driver.take(client, Slots)[-1] == Slots(3)
    driver.leave(other)
    assert driver.take(client, Slots)[-1] == Slots(2)


def test_R3_a_slot_that_is_replaced_between_two_sessions_still_counts():
    driver = Driver()
    worker, first = driver.worker(1), driver.client("first")
    driver.tasks(first, 1)
    lease = driver.lease(worker)
    driver.done(worker, lease)
    driver.leave(first)
    assert len(driver.take(worker, ReplaceSlot)) == 1
    assert driver.machine.slots == 1


def test_a_worker_gets_the_slots_that_are_wanted_whatever_it_came_with():
    driver = Driver(slots=3)
    worker = driver.join("worker", slots=1)
    assert {message.slot for message in driver.take(worker, StartSlot)} == {1, 2}
    driver = Driver(slots=1)
    worker = driver.join("worker", slots=3)
    assert len(driver.take(worker, RetireSlot)) == 2


def test_scaling_up_is_answered_when_the_slots_are_there():
    driver = Driver(slots=1)
    worker, control = driver.worker(1), driver.join("control")
    driver.say(control, Scale(3))
    started = [message.slot for message in driver.take(worker, StartSlot)]
    assert started == [1, 2]
    driver.ready(worker, 1)
    assert driver.take(control, Status) == []
    driver.ready(worker, 2)
    (status,) = driver.take(control, Status)
    assert status.wanted_slots == 3


def test_new_slots_go_to_the_worker_that_has_fewest():
    driver = Driver(slots=3)
    big, small, control = driver.worker(2), driver.worker(1), driver.join("control")
    driver.say(control, Scale(4))
    assert driver.take(small, StartSlot) == [StartSlot(1)] and driver.take(big, StartSlot) == []


def test_R17_idle_slots_go_before_busy_ones_and_at_once():
    driver, worker, client = bring_up(3, wanted=3)
    control = driver.join("control")
    driver.tasks(client, 1)
    ((busy, _),) = driver.leases(worker)
    driver.say(control, Scale(1))
    assert {message.slot for message in driver.take(worker, RetireSlot)} == {0, 1, 2} - {busy}
    assert len(driver.take(control, Status)) == 1


def test_R17_a_busy_slot_finishes_what_it_runs_hands_back_the_rest_and_gets_nothing_new():
    driver, worker, client = bring_up(2, wanted=2)
    control = driver.join("control")
    driver.tasks(client, *range(10, 16))
    by_slot = {0: [], 1: []}
    for slot, lease in driver.leases(worker):
        by_slot[slot].append(lease)
    driver.say(control, Scale(1))
    (revoke,) = driver.take(worker, Revoke)
    leaving = revoke.slot
    driver.say(worker, Returned(leaving, revoke.leases))
    assert driver.take(worker, RetireSlot) == [], "it still runs something"
    driver.done(worker, by_slot[leaving][0])
    sent = driver.take(worker)
    assert RetireSlot(leaving) in sent
    assert not any(isinstance(message, Run) and message.slot == leaving for message in sent)
    gone(driver, worker, leaving)
    assert driver.machine.status(0).workers[0].slots == 1


def test_R17_a_worker_that_is_told_to_go_finishes_what_it_runs_and_gets_nothing_new():
    driver = Driver()
    going, staying, client = driver.worker(1, "going"), driver.worker(1, "staying"), driver.client()
    driver.tasks(client, *range(10, 16))
    (_, running), *ahead = driver.leases(going)
    driver.say(going, Leaving())
    (revoke,) = driver.take(going)
    assert revoke == Revoke(0, tuple(lease.id for _, lease in ahead))
    driver.say(going, Returned(0, revoke.leases))
    driver.done(going, running)
    assert driver.take(going) == [RetireSlot(0)]
    gone(driver, going, 0)
    for _ in range(5):
        for _, lease in driver.leases(staying):
            driver.done(staying, lease)
    assert len(driver.results(client)) == 6, "the other one has done the rest"
    assert driver.take(going) == []


def test_R17_a_new_slot_never_goes_to_a_worker_that_is_told_to_go():
    driver = Driver(slots=1)
    going = driver.worker(1)
    driver.say(going, Leaving())
    assert driver.take(going) == [RetireSlot(0)]
    gone(driver, going, 0)
    assert driver.take(going) == []
    assert driver.take(driver.join("worker", "other"), StartSlot) == [StartSlot(0)]


def test_slots_that_come_with_their_workers_are_waited_for_and_never_made():
    driver = Driver(slots=1, elastic=True)
    first, control = driver.worker(1, "first"), driver.join("control")
    driver.say(control, Scale(2))
    assert driver.take(first) == [] and driver.take(control) == []
    second = driver.worker(1, "second")
    assert [status.wanted_slots for status in driver.take(control, Status)] == [2]
    driver.say(control, Scale(1))
    assert driver.take(first) == driver.take(second) == driver.take(control) == []
    driver.say(first, Leaving())
    assert driver.take(first) == [RetireSlot(0)]
    assert [status.wanted_slots for status in driver.take(control, Status)] == [1]


def test_R17_a_worker_that_comes_to_hand_over_is_given_nothing_at_any_moment():
    """Its packages may be those of before: a slot of it is never ready for the next element."""
    driver = Driver()
    client = driver.client()
    driver.tasks(client, 1, 2)
    greeting = msgspec.structs.replace(hello("worker", "going", 1), leaving=True)
    driver.machine.connected(99, greeting, driver.now)
    driver.say(99, Holding([]))
    driver.say(99, SlotReady(0, 1234))
    assert driver.take(99) == []
    driver.say(99, Leaving())
    assert driver.take(99) == [RetireSlot(0)]


def test_R17_a_slot_that_takes_too_long_to_drain_is_interrupted():
    driver, worker, _control, lease = drain()
    driver.tick(DRAIN_SECONDS - 1)
    assert driver.take(worker, Interrupt) == []
    driver.tick(2)
    assert driver.take(worker, Interrupt) == [Interrupt(0, lease.id)]


def test_a_slot_that_dies_while_it_drains_is_retired_all_the_same():
    """Its worker has started another process in its place, since nobody had told it not to."""
    driver, worker, control, lease = drain()
    driver.lost(worker, 0, lease, 0)
    assert driver.take(worker) == [RetireSlot(0)]
    gone(driver, worker, 0)
    driver.say(control, Scale(1))
    assert driver.take(worker) == [StartSlot(0)]
    driver.ready(worker, 0)
    assert len(driver.leases(worker)) == 1


def test_a_slot_is_named_by_its_process_in_what_may_come_too_late():
    driver = Driver()
    worker, first = driver.worker(1), driver.client("first")
    driver.tasks(first, 1)
    bind, run = driver.take(worker)
    assert isinstance(bind, Bind) and bind.pid >= 100
    driver.lost(worker, 0, run.leases[0], 0)
    again, _run = driver.take(worker)
    assert again.pid == bind.pid + 1
    driver.leave(first)
    driver.raised(worker, _run.leases[0], 0, interrupted=True)
    assert driver.take(worker, ReplaceSlot) == [ReplaceSlot(0, again.pid)]


def test_scaling_to_what_cannot_be_and_unknown_slots_are_refused():
    driver = Driver(slots=1)
    worker, control = driver.worker(1), driver.join("control")
    with pytest.raises(ProtocolError):
        driver.say(control, Scale(-1))
    with pytest.raises(ProtocolError):
        driver.ready(worker, 5)
    with pytest.raises(ProtocolError):
        driver.join("something else")


def test_who_asked_for_slots_and_left_is_not_answered():
    driver = Driver(slots=1)
    worker, control = driver.worker(1), driver.join("control")
    driver.say(control, Scale(2))
    driver.leave(control)
    driver.ready(worker, 1)
    assert driver.take(control, Status) == []
