"""What must be true of the scheduler's state: always, and when everything has come to rest."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from kubefuture.core.settings import MAX_CREDITS
from kubefuture.machine.calls import Call
from kubefuture.machine.machine import Machine
from kubefuture.machine.slots import Stage

if TYPE_CHECKING:
    from tests.runtime.world import World


def check_machine(machine: Machine) -> None:
    """The scheduler's state agrees with itself."""
    state = machine._state
    slots = [slot for worker in state.workers.values() for slot in worker.slots.values()]
    assert state.ready_slots == sum(slot.stage is Stage.READY for slot in slots)
    assert state.replaced_slots == sum(slot.stage is Stage.REPLACED for slot in slots)
    assert set(state.leaving) == {slot for slot in slots if slot.stage is Stage.LEAVING}
    ready = {slot for slot in slots if slot.stage is Stage.READY}
    for place in (state.idle, state.hungry, state.stacked):
        assert set(place) <= ready, "only a slot that is ready is a candidate for work"
    assert all(not slot.leases for slot in state.idle)
    for slot in slots:  # of what was brought along some may be over, which is told next
        given = sum(not lease.claimed for lease in slot.leases.values())
        assert given <= MAX_CREDITS, "R13: a slot has no more ahead than it may"
    assert {id(lease) for lease in state.leases.values()} == {
        id(lease) for slot in slots for lease in slot.leases.values()
    }, "every lease is at a slot that is there"
    leased: dict[Call, set[int]] = {}
    for lease in state.leases.values():
        leased.setdefault(lease.call, set()).add(lease.id)
    bound = Counter(slot.session for slot in slots if slot.session is not None)
    for session in state.sessions.values():
        assert session.slots == bound[session]
        assert not session.gone
        if any(call.queued and not call.cancelled for call in session.calls.values()):
            assert session.held or session in state.waiting
        assert not session.held or session in state.clients.values(), "nobody is behind who is not there"
        for call in session.calls.values():
            out = leased.get(call, set())
            assert (call.leases or set()) == out, "a call knows the leases that are out of it"
            assert set(call._claims or ()) <= out, "only a lease that is out claims elements"
            if (state.room_for_leases or not call.key) and not call.function.refers_to(state.lacking):
                assert not call.has_waiting or call.queued or out, "what waits is in the queue"
            assert not call.finished, "a call that is over is forgotten"
        used = Counter(call.function.message.id for call in session.calls.values() if not call.expected)
        for number, function in session.functions.items():
            assert function.calls == used[number], "a function knows how many calls use it"


def check_nothing_is_left(world: World) -> None:
    """Everything has come to rest: nothing is kept for work that is over."""
    state = world.machine._state
    assert not state.leases, "leases"
    assert not state.waiting, "sessions that wait for slots"
    slots = [slot for worker in state.workers.values() for slot in worker.slots.values()]
    assert [slot.stage for slot in slots] == [Stage.READY] * len(slots)
    assert not any(slot.leases or slot.revoking for slot in slots)
    if world.wanted is not None:
        assert len(slots) == world.wanted, "as many slots as are wanted"
    assert len(world.processes) == len(slots), "as many processes as slots"
    for client in world.clients:
        session = state.sessions[client.name]
        assert not session.calls, "calls"
        assert sorted(session.functions) == sorted(own.id for own in client.session.functions.sent)
        assert client.session.slots == world.machine.slots, "the client knows how many slots there are"
        waits = {call.id for call in client.session._calls.values() if world.book.may_wait(call)}
        assert set(client.session._calls) == waits, "a client's calls"
        assert client.session.unaccepted is None, "what the journal does not have"
        assert not client.backend._conversation.kept, "what a client has sent and keeps"
        assert not client.backend._inbox
    for worker in world.workers:
        ledger = worker.supervisor._ledger
        assert not ledger._held, "what a worker thinks it has"
        assert not ledger._lost
        assert not worker.supervisor._conversation.kept, "what a worker has sent and keeps"
        for slot in worker.slots:
            assert not slot.leases
    assert world.scheduler is not None
    parties = world.scheduler.server._parties
    for party in parties.values():
        if party.peer is not None:
            assert not party.conversation.kept, "what the scheduler has sent and keeps"
    assert sum(party.peer is not None for party in parties.values()) == len(world.ends)
