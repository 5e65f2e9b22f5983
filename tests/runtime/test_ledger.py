"""What a worker has, and tells a scheduler that knows nothing of it (R7)."""

from __future__ import annotations

from kubefuture.protocol.messages import (
    Bind,
    Done,
    Held,
    HeldSlot,
    Holding,
    Lease,
    Part,
    Raised,
    Returned,
    Run,
    SlotLost,
    SlotReady,
)  # fmt: skip
from kubefuture.worker.ledger import Ledger

PID = 70


def at_work(*leases):
    """A ledger of a worker whose slot 0 has leases."""
    ledger = Ledger()
    ledger.reported([SlotReady(0, PID)])
    ledger.ordered(Bind(0, PID, "session", (), "/"))
    ledger.ordered(Run(0, [], [], [Lease(number, 3, 10 * number, [b"", b""], 8) for number in leases]))
    return ledger


def held(number):
    return Held(number, "session", 8, 3, 10 * number, 10 * number + 2)


def bring(ledger, kept=(), *, told=(0,), present=(0,), ready=((0, PID),)):
    return ledger.brought_along(told, present, ready, kept)


def done(lease, *, end=True):
    return Done([Part(lease, 10 * lease, [b"", b""], 0.1, end)])


def holding(ledger, **more):
    message = bring(ledger, **more)[0]
    assert isinstance(message, Holding)
    return message.slots


def test_R7_a_worker_tells_what_its_slots_have():
    assert bring(at_work(1, 2)) == [Holding([HeldSlot(0, PID, "session", [held(1), held(2)])])]


def test_R7_a_result_is_told_again_until_it_is_acknowledged():
    ledger = at_work(1, 2)
    first, second = done(1, end=False), done(1)
    ledger.reported([first, second])
    assert bring(ledger, [first, second])[1:] == [first, second]
    ledger.acknowledged(first)
    assert len(holding(ledger)[0].leases) == 2, "the lease goes on"
    ledger.acknowledged(second)
    assert holding(ledger)[0].leases == [held(2)]
    ledger.acknowledged(Raised(2, 20, b"", 0.1, True))
    assert holding(ledger)[0].leases == []


def test_what_was_handed_back_is_not_brought_along():
    ledger = at_work(1, 2)
    ledger.reported([Returned(0, (2,))])
    assert holding(ledger)[0].leases == [held(1)]


def test_what_a_slot_had_that_died_is_handed_back_with_what_it_had_finished():
    ledger = at_work(1, 2)
    finished, lost = done(1), SlotLost(0, 2, 20, "killed by SIGKILL", False)
    ledger.reported([finished, lost, SlotReady(0, 71)])
    told = bring(ledger, [finished, lost], ready=[(0, 71)])
    assert told == [
        Holding([HeldSlot(0, 0, "", [held(1), held(2)])]), finished, Returned(0, (1, 2)), SlotReady(0, 71)
    ]  # fmt: skip
    assert bring(ledger, told, ready=[(0, 71)]) == told, "also to the next one, and not twice"
    ledger.acknowledged(told[1])
    ledger.acknowledged(bring(ledger, (), ready=[(0, 71)])[1])
    assert holding(ledger, ready=[(0, 71)]) == []


def test_two_deaths_of_a_slot_hand_back_each_lease_once():
    ledger = at_work(1)
    ledger.reported([SlotLost(0, 1, 10, "killed by SIGKILL", False), SlotReady(0, 71)])
    ledger.ordered(Bind(0, 71, "session", (), "/"))
    ledger.ordered(Run(0, [], [], [Lease(2, 3, 20, [b"", b""], 8)]))
    ledger.reported([SlotLost(0, 2, 20, "killed by SIGKILL", False)])
    back = [message for message in bring(ledger, ready=()) if isinstance(message, Returned)]
    assert sorted(lease for message in back for lease in message.leases) == [1, 2]


def test_a_lease_for_a_process_that_has_died_is_nobodys():
    ledger = at_work()
    ledger.reported([SlotLost(0, 0, -1, "exit code 0", False)])
    run = Run(0, [], [], [Lease(1, 3, 10, [b"", b""], 8)])
    ledger.ordered(run)
    ledger.reported([SlotReady(0, 71)])
    ledger.ordered(Bind(0, PID, "session", (), "/"))  # meant for the one that died
    ledger.ordered(run)
    assert bring(ledger, ready=[(0, 71)]) == [Holding([]), SlotReady(0, 71)]


def test_a_slot_that_ended_since_the_worker_said_what_it_has_is_told_as_gone():
    told = bring(at_work(), told=(0, 1), present=(0,))
    assert told[1:] == [SlotLost(1, 0, -1, "was retired", True, True)]


def test_the_outcomes_of_a_slot_that_was_retired_are_brought_along():
    ledger = at_work(1)
    finished = done(1)
    ledger.reported([finished, SlotLost(0, 0, -1, "exit code 0", True, True)])
    told = bring(ledger, [finished], told=(), present=(), ready=())
    assert told[:2] == [Holding([HeldSlot(0, 0, "", [held(1)])]), finished]
    assert told[-1] == SlotLost(0, 0, -1, "was retired", True, True), "after them"


def test_a_slot_that_was_replaced_is_fresh():
    ledger = at_work()
    ledger.reported([SlotReady(0, 71)])
    assert bring(ledger, ready=[(0, 71)]) == [Holding([]), SlotReady(0, 71)]
