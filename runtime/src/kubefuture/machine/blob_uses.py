"""Which blobs the work refers to, and which clients have them (R26, R29)."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ..protocol.messages import Function
from .named import NamedMaps
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


def blob_holders(state: State, digest: bytes) -> Iterator[Peer]:
    """The clients that are there and have a blob, since a function of theirs refers to it."""
    for session in state.sessions.values():
        if session.peer != NOBODY and not session.gone:
            for function in session.functions.values():
                if any(blob.digest == digest for blob in function.message.blobs):
                    yield session.peer
                    break


def refer(state: State, named: NamedMaps, session: SessionState, message: Function) -> None:
    """A function refers to blobs, perhaps to more than before: who has it already is to get it again."""
    _send_again(state, session, message.id)
    for known in named.fed_with(session, message.id):
        function = known.call.function
        if known.session is not session:  # a run that was started anew hands over the rest
            blobs = {blob.digest: blob for blob in (*message.blobs, *function.message.blobs)}
            function.message = msgspec.structs.replace(function.message, blobs=tuple(blobs.values()))
            _send_again(state, known.session, function.message.id)
        state.records.append(FunctionReplaced(known.accepted.key, function.message))


def _send_again(state: State, session: SessionState, function: int) -> None:
    for worker in state.workers.values():
        for slot in worker.slots.values():
            if slot.session is session:
                slot.functions.discard(function)
