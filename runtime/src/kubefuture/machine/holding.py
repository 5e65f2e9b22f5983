"""What workers bring along when the scheduler was started anew: it goes on instead of being run again (R7).

Workers and clients come back in any order. A worker tells what its slots run for which session and call;
a client sends everything again that it has no result for::

    worker first   the session and the call are expected; outcomes wait in `early` until the client tells
    client first   the elements may have been leased once more by then; the first outcome counts
"""

from __future__ import annotations

from ..errors import ProtocolError
from ..protocol.messages import PROTOCOL, Environment, Function, Held, Hello, Holding, Interrupt
from .assign import settle_slot
from .calls import Call
from .functions import FunctionState
from .sessions import SessionState
from .slots import LeaseState, SlotState, Stage, WorkerState
from .state import State


def hold(state: State, worker: WorkerState, message: Holding, now: float) -> None:
    """Takes over what a worker's slots have, all of it before anything else is leased.

    A slot that is not there any more may still have outcomes on the way; that it is gone follows them.

    Raises:
        ProtocolError: A lease is given twice.
    """
    worker.told = True
    for told in message.slots:
        slot = worker.slots.get(told.slot)
        if slot is None:
            slot = worker.slots[told.slot] = SlotState(worker, told.slot)
        if told.pid:
            slot.pid = told.pid
            slot.session = _session(state, told.session, now)
            slot.session.slots += 1
            slot.bound_at = now
            if slot.stage is Stage.STARTING:
                state.set_stage(slot, Stage.READY)
        for held in told.leases:
            _take_over(state, slot, held, now)
        settle_slot(state, slot)
    brought: dict[Call, list[LeaseState]] = {}
    for slot in worker.slots.values():
        for lease in slot.leases.values():
            brought.setdefault(lease.call, []).append(lease)
    for call, leases in brought.items():
        elements = sum(lease.stop - lease.position for lease in leases)
        state.happened(
            "leases-brought-along", leases[0].session, call,
            worker=worker.hello.identity, leases=len(leases), elements=elements,
        )  # fmt: skip


def _take_over(state: State, slot: SlotState, held: Held, now: float) -> None:
    if held.id in state.leases or held.stop <= held.start:
        raise ProtocolError(f"Lease {held.id} cannot be brought along.")
    session = _session(state, held.session, now)
    call = session.calls.get(held.call)
    unwanted = call is None and session.told
    if unwanted:  # its client has all that it waits for
        call = Call(held.call, FunctionState(Function(held.function, b"")))
        call.cancel()
    elif call is None:
        call = session.expect(held.call, held.function)
    assert call is not None
    lease = LeaseState(held.id, session, call, held.start, held.stop, slot)
    lease.claimed = True
    state.leases[lease.id] = slot.leases[lease.id] = lease
    if call.leases is None:
        call.leases = set()
    call.leases.add(lease.id)
    if call.early is None:
        call.early = []  # the client may have told of some of its elements only
    call.claim(held.id, held.start, held.stop)
    if unwanted:
        state.outbox.send_slot(slot.worker.peer, slot.index, Interrupt(slot.index, lease.id))


def _session(state: State, identity: str, now: float) -> SessionState:
    known = state.sessions.get(identity)
    if known is None:
        known = state.session(Hello("client", PROTOCOL, identity, "", 0, Environment("")))
        known.since = now
    return known
