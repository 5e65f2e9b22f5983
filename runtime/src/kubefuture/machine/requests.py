"""What clients ask for: work, its cancellation, named maps."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from ..protocol.messages import (
    Attach,
    Cancel,
    Elements,
    Failure,
    Forget,
    Function,
    Open,
    OpenNamed,
    Release,
    Resumed,
    Run,
    TallyRequest,
    Tasks,
)  # fmt: skip
from . import outcomes
from .assign import cancel_leases, settle_slot
from .blob_uses import refer, take_up
from .calls import Call
from .named import NamedMaps, is_lasting
from .outbox import NOBODY
from .sessions import SessionState
from .state import State
from .tally import tally

Request: TypeAlias = (
    Function
    | Release
    | Open
    | Elements
    | Tasks
    | Cancel
    | Resumed
    | OpenNamed
    | Attach
    | Forget
    | TallyRequest
)


def handle(state: State, named: NamedMaps, session: SessionState, message: Request) -> None:
    """Does what a client asks for.

    Raises:
        ProtocolError: No rule allows it.
    """
    match message:
        case Tasks():
            for task in message.tasks:
                call = session.add_task(task)
                if call.early:
                    outcomes.settle_early(state, session, call)
                    if call.finished:
                        state.finish(session, call)
        case Elements():
            _add_elements(state, named, session, message)
        case Function():
            session.add_function(message)
            if message.blobs:
                refer(state, named, session, message)
        case Open():
            call = session.open(message)
            if message.total != 1:  # which is treated as a future is
                total = message.total if message.total >= 0 else None
                name = call.function.message.name or None
                state.happened("map-opened", session, call, function=name, elements=total)
        case Cancel(waiting=True):
            for call_id in message.calls:
                if call_id in session.calls:
                    _withdraw(state, named, session, session.calls[call_id])
        case Cancel():
            for call_id in message.calls:
                if call_id in session.calls:
                    cancel(state, named, session, session.calls[call_id])
                elif call_id in session.fed:
                    fed = session.fed.pop(call_id)
                    if not fed.finished:  # else it stays as it is, and can be collected
                        cancel(state, named, named.owner(fed) or session, fed)
        case Release():
            for function in message.functions:
                released = session.functions.get(function)
                large = released is not None and bool(released.message.blobs)
                session.release(function)
                _forget(state, session, function, at_once=large)
        case OpenNamed():
            known = named.open(session, message)
            feeding = session.functions.get(message.function)
            if known is not None and feeding is not None:
                take_up(state, known, feeding.message)
        case Attach():
            named.attach(session, message)
        case Forget():
            forgotten = named.forget(session, message)
            if forgotten is not None:
                cancel(state, named, forgotten.session, forgotten.call)
        case TallyRequest():
            known = named.get(message.key)
            watched = session.calls.get(message.call) if known is None else known.call
            if watched is not None:
                state.outbox.send(session.peer, tally(state, watched, message.call))
        case Resumed():
            session.told = True
            for call in [call for call in session.calls.values() if call.expected]:
                cancel(state, named, session, call)
        case _:
            assert_never(message)


def cancel(state: State, named: NamedMaps, session: SessionState, call: Call) -> None:
    """Nobody wants the rest of a call."""
    if (call.total != 1 or call.key) and call.id in session.calls and not call.cancelled:
        state.happened("map-cancelled", session, call, settled=call.settled)
    if call.key:
        named.cancelled(call)
    call.cancel()
    session.end(call)
    cancel_leases(state, call)


def _withdraw(state: State, named: NamedMaps, session: SessionState, call: Call) -> None:
    """Cancels a single future that no slot has, and says that it did."""
    if call.total == 1 and not call.key and not call.leases and not call.expected and not call.early:
        state.outbox.send(session.peer, Failure(call.id, 0, "withdrawn", b""))
        cancel(state, named, session, call)


def end(state: State, named: NamedMaps, session: SessionState, now: float) -> None:
    """A client will not come back: its unnamed work is cancelled, and named work goes on without it."""
    for call in list(session.calls.values()):
        if not call.key:
            cancel(state, named, session, call)
    named.client_left(session)
    if is_lasting(session):
        session.peer, session.told, session.since = NOBODY, True, now
        session.hold(False)  # its named work is not for a client
        return
    session.gone = True
    state.sessions.pop(session.hello.identity, None)
    state.waiting.pop(session, None)
    for worker in state.workers.values():
        for slot in worker.slots.values():
            if slot.session is session:
                settle_slot(state, slot)


def _add_elements(state: State, named: NamedMaps, session: SessionState, message: Elements) -> None:
    call = session.calls.get(message.call) or session.fed.get(message.call)
    if call is None or call.cancelled or (call.key and not named.feeds(session, call)):
        return
    start = call.received
    owner = named.owner(call) or session
    owner.add_elements(call, message)
    if call.key:
        named.accept(call, start, message.payloads, last=message.last)
    if call.early:
        outcomes.settle_early(state, session, call)
    if call.finished:
        state.finish(owner, call)


def _forget(state: State, session: SessionState, function: int, *, at_once: bool) -> None:
    """Slots forget a function with their next lease, or now, so that large data does not stay until then (R29)."""
    for worker in state.workers.values():
        for slot in worker.slots.values():
            if slot.session is session and function in slot.functions:
                slot.functions.discard(function)
                if at_once and all(
                    lease.call.function.message.id != function for lease in slot.leases.values()
                ):
                    state.outbox.send_slot(worker.peer, slot.index, Run(slot.index, [], [function], []))
                else:
                    slot.forget.append(function)
