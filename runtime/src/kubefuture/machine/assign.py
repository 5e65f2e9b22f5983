"""Which slot gets what: fair over sessions, one lease each before anybody gets a second (R11, R13, R14).

Work that a slot has but has not started is taken back when another slot has nothing to do, so that
nobody hoards.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..core.settings import CHUNK_BYTES, STICKY_SECONDS
from ..protocol.messages import Bind, Interrupt, Lease, ReplaceSlot, Revoke, Run
from .calls import Call
from .policy import chunk_length, credit_limit
from .sessions import SessionState
from .slots import LeaseState, SlotState, Stage
from .state import State

_WORTH_MOVING = 0.002
"""Seconds of work below which it is not taken back from one slot for another."""

_WORTH_A_SLOT = 1.0
"""Seconds of work of one session from which a slot that has idled as long for another is given to it (R3, R13)."""

_FEW = 16
_PAUSE = 0.01


def settle_slot(state: State, slot: SlotState) -> None:
    """A slot's leases changed: is it idle, or may it have more?"""
    if slot.stage is not Stage.READY:
        return
    state.idle.pop(slot, None)
    state.hungry.pop(slot, None)
    state.stacked.pop(slot, None)
    leases = len(slot.leases)
    if slot.session is not None and slot.session.gone:
        if not leases:
            replace(state, slot)
        return
    if slot.worker is state.reserved or slot.worker.leaving:
        return
    if not leases:
        if slot.forget:  # that may be large data, and nobody knows when its next lease comes (R29)
            forget, slot.forget = slot.forget, []
            state.outbox.send_slot(slot.worker.peer, slot.index, Run(slot.index, [], forget, []))
        state.idle[slot] = None
        return
    if leases > 1:
        state.stacked[slot] = None
    if leases <= state.ahead or leases < _credits(state, slot):
        state.hungry[slot] = None


def replace(state: State, slot: SlotState) -> None:
    """Ends a slot's process and starts a fresh one, since a slot belongs to one session (R3)."""
    state.set_stage(slot, Stage.REPLACED)
    slot.unbind()
    state.outbox.send_slot(slot.worker.peer, slot.index, ReplaceSlot(slot.index, slot.pid))


def fill(state: State, now: float, *, worth_moving: float = _WORTH_MOVING) -> None:
    """Leases what can be leased, then evens out.

    Args:
        state: What there is.
        now: The time, in the machine's seconds.
        worth_moving: Seconds of measured work from which it is taken back from one slot for another.
    """
    if (not state.idle and not state.hungry) or state.waits:
        return
    if state.waiting:
        _lease_out(state, now)
    if state.stacked and state.idle and not state.waiting:
        if len(state.stacked) > _FEW and worth_moving and now - state.evened_at < _PAUSE:
            return  # looking at many slots for each message would cost more than it brings
        state.evened_at = now
        _even_out(state, now, worth_moving)


def _lease_out(state: State, now: float) -> None:
    waiting = state.waiting
    waiting.rise()
    for queue in (state.idle, state.hungry):
        while queue and waiting:
            progress = False
            # Of those that idle, the one that worked last is first: all of it is in a core's caches.
            for slot in list(reversed(queue) if queue is state.idle else queue):
                session = slot.session
                if session not in waiting or len(waiting) > 1:
                    session = _session_for(waiting, slot, now)
                    if session is None:
                        continue
                    if slot.session is not session:
                        if not slot.leases and slot.session is not None:
                            replace(state, slot)
                            continue
                        bind(state, slot, session, now)
                assert session is not None
                progress = _lease(state, slot, session) or progress
                settle_slot(state, slot)
                if not session.has_waiting:
                    del waiting[session]
                    if not waiting:
                        break
            if not progress:
                break


def _session_for(waiting: Iterable[SessionState], slot: SlotState, now: float) -> SessionState | None:
    best = min(waiting, key=lambda session: session.usage)
    own = slot.session
    if own is None or own is best:
        return best
    own_waits = own.has_waiting
    due = now - slot.bound_at >= STICKY_SECONDS
    if (not own_waits or due) and (not own_waits or best.slots < own.slots):
        return best if not slot.leases else None
    return own if own_waits else None


def bind(state: State, slot: SlotState, session: SessionState, now: float) -> None:
    """Gives a fresh slot to a session."""
    slot.session = session
    slot.bound_at = now
    session.slots += 1
    hello = session.hello
    state.outbox.send_slot(
        slot.worker.peer, slot.index, Bind(slot.index, slot.pid, hello.identity, hello.sys_path, hello.folder)
    )


def _lease(state: State, slot: SlotState, session: SessionState) -> bool:
    while True:
        call = session.next_call(state.lacking, named=state.room_for_leases)
        if call is None:
            return False
        taken = call.take(call.chunk_size or chunk_length(call, state.ready_slots or 1), CHUNK_BYTES)
        if call.total != 1:
            session.enqueue(call)  # what is left of it
        if taken is not None:
            break
    send_lease(state, slot, session, call, *taken)
    return True


def send_lease(
    state: State, slot: SlotState, session: SessionState, call: Call, start: int, payloads: list[bytes]
) -> int:
    """Gives elements to a slot that is bound to their session; returns the lease's number."""
    lease = LeaseState(state.next_lease, session, call, start, start + len(payloads), slot)
    state.next_lease += 1
    state.leases[lease.id] = lease
    slot.leases[lease.id] = lease
    if call.leases is None:
        call.leases = {lease.id}
    else:
        call.leases.add(lease.id)
    function = call.function.message
    new = None
    if function.id not in slot.functions:
        slot.functions.add(function.id)
        new = function
    forget, slot.forget = slot.forget, []
    state.outbox.lease(
        slot.worker.peer, slot.index, Lease(lease.id, function.id, start, payloads, call.id), new, forget
    )
    return lease.id


def _credits(state: State, slot: SlotState) -> int:
    lease = next(reversed(slot.leases.values()))
    mean = lease.call.function.mean
    return credit_limit(mean * (lease.stop - lease.position), state.round_trip, state.ahead)


def _even_out(state: State, now: float, worth_moving: float) -> None:
    """Nothing waits, but slots idle: asks one slot that has more than it runs for the rest of it."""
    sessions = {slot.session for slot in state.idle}
    victim, most, elsewhere = None, 0.0, 0.0
    for slot in state.stacked:
        if slot.revoking or slot.session is None or slot.session.gone:
            continue
        backlog = _backlog(slot)
        if None not in sessions and slot.session not in sessions:
            elsewhere = max(elsewhere, backlog)
        elif backlog > most:
            victim, most = slot, backlog
    if victim is None or most < worth_moving:
        if elsewhere >= _WORTH_A_SLOT and not state.replaced_slots:
            _give_away(state, now)
        return
    unstarted = list(victim.leases)[1:]
    part = unstarted[-max(1, (len(unstarted) + 1) // 2) :]
    victim.revoking = True
    state.outbox.send_slot(victim.worker.peer, victim.index, Revoke(victim.index, tuple(part)))


def _give_away(state: State, now: float) -> None:
    """A slot that has idled for a while, and not only between two calls, gets a fresh process for who has work."""
    for slot, since in list(state.idle.items()):
        if since is None:
            state.idle[slot] = now
        elif now - since >= _WORTH_A_SLOT:
            replace(state, slot)
            return


def _backlog(slot: SlotState) -> float:
    """Seconds of work that a slot has beyond what it runs; what was never measured counts as long."""
    leases = list(slot.leases.values())[1:]
    return sum((lease.call.function.mean or 1.0) * (lease.stop - lease.position) for lease in leases)


def cancel_leases(state: State, call: Call) -> None:
    """Takes back or interrupts what is out of a cancelled call (R21)."""
    for lease_id in list(call.leases or ()):
        lease = state.leases[lease_id]
        state.outbox.send_slot(
            lease.slot.worker.peer, lease.slot.index, Interrupt(lease.slot.index, lease_id)
        )
