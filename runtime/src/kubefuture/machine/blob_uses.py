"""Which blobs the work refers to, and which clients have them (R26, R29)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from ..protocol.messages import Function, Revoke
from .functions import FunctionState
from .named import NamedMaps
from .named_map import NamedMap
from .outbox import NOBODY, Peer
from .records import FunctionReplaced
from .sessions import SessionState
from .state import State


def used_blobs(state: State, named: NamedMaps) -> dict[bytes, int]:
    """The blobs that functions of sessions and named maps refer to: digest to size."""
    found: dict[bytes, int] = {}
    for session in state.sessions.values():
        for function in session.functions.values():
            for blob in function.message.blobs:
                found[blob.digest] = blob.size
    for blob in named.blobs:
        found[blob.digest] = blob.size
    return found


def blob_holders(state: State, digest: bytes) -> Iterator[tuple[Peer, int]]:
    """The clients that are there and have a blob, since a function of theirs refers to it, and its size."""
    for session in state.sessions.values():
        if session.peer != NOBODY and not session.gone:
            blobs = (blob for function in session.functions.values() for blob in function.message.blobs)
            found = next((blob for blob in blobs if blob.digest == digest), None)
            if found is not None:
                yield session.peer, found.size


def is_expecting(state: State) -> bool:
    """Whether a client may still tell of work that a worker has for it (R7)."""
    return any(not session.told and not session.gone for session in state.sessions.values())


def lack(state: State, away: Iterable[bytes], slow: Iterable[bytes]) -> None:
    """Takes back the leases that wait for blobs, and leases their work again when those can be had.

    Args:
        state: What there is.
        away: Blobs that cannot be had for now.
        slow: Blobs that take their time to come: no slot waits for one once others want it (R11).
    """
    before = state.lacking
    slow = list(slow)
    waiting = _waiting_functions(state) if any(digest not in before for digest in slow) else set()
    put_aside = [digest for digest in slow if digest in before or _keeps_others(state, digest, waiting)]
    digests = state.lacking = frozenset((*away, *put_aside))
    if gone := digests - before:
        for lease in state.leases.values():
            if lease.call.function.refers_to(gone):
                slot = lease.slot
                state.outbox.send_slot(slot.worker.peer, slot.index, Revoke(slot.index, (lease.id,)))
    if before - digests:
        state.enqueue_all()


def _waiting_functions(state: State) -> set[FunctionState]:
    """The functions of all that could be leased, each once: there may be very many futures of one."""
    calls = (call for session in state.waiting if session.has_waiting for call in session.waiting_calls)
    return {call.function for call in calls if state.room_for_leases or not call.key}


def _keeps_others(state: State, digest: bytes, waiting: set[FunctionState]) -> bool:
    """Whether slots that wait for a blob are wanted for work that needs no blob that is lacking."""
    lacking = state.lacking | {digest}
    return any(not function.refers_to(lacking) for function in waiting) and any(
        lease.call.function.refers_to((digest,)) for lease in state.leases.values()
    )


def take_up(state: State, known: NamedMap, feeding: Function) -> None:
    """A run that was started anew hands over the rest of a map, whose elements may refer to blobs of its own."""
    function = known.call.function
    blobs = {blob.digest: blob for blob in (*feeding.blobs, *function.message.blobs)}
    if len(blobs) > len(function.message.blobs):
        function.message = msgspec.structs.replace(function.message, blobs=tuple(blobs.values()))
        _send_again(state, known.session, function.message.id)
        state.records.append(FunctionReplaced(known.accepted.key, function.message))


def refer(state: State, named: NamedMaps, session: SessionState, message: Function) -> None:
    """A function refers to blobs, perhaps to more than before: who has it already is to get it again."""
    _send_again(state, session, message.id)
    for known in named.fed_with(session, message.id):
        if known.session is session:
            state.records.append(FunctionReplaced(known.accepted.key, known.call.function.message))
        else:
            take_up(state, known, message)


def _send_again(state: State, session: SessionState, function: int) -> None:
    for worker in state.workers.values():
        for slot in worker.slots.values():
            if slot.session is session:
                slot.functions.discard(function)
