"""What a worker tells of the one before it, which was killed in the same place with all its slots (R19, R20).

By then the scheduler has noticed that the worker is gone, has given its elements back, and has counted a loss
for what each slot was to run next. Now it learns which element each slot was really on. That one gets a
strike, and the loss is taken back. It may wait by now, or run elsewhere, or be settled; nothing else changes.
"""

from __future__ import annotations

from ..protocol.messages import Predecessor, Struck
from .named import untrouble
from .outcomes import strike
from .slots import LeaseState, SlotState, WorkerState
from .state import State


def predecessor(state: State, worker: WorkerState, message: Predecessor) -> None:
    """Counts a strike for each element that is still open; what is said of others is of no use any more."""
    for struck in message.elements:
        _strike(state, worker, struck)


def _strike(state: State, worker: WorkerState, struck: Struck) -> None:
    held, index = struck.lease, struck.element
    session = state.sessions.get(held.session)
    call = session.calls.get(held.call) if session is not None else None
    if session is None or call is None or call.cancelled:
        return
    if not held.start <= index < min(held.stop, call.received) or call.is_settled(index):
        return
    past = LeaseState(held.id, session, call, index, index + 1, SlotState(worker, struck.slot))
    charged = call.discharge(held.id)
    if charged is not None:
        untrouble(state, past, "loss", charged)
    call.set_apart(index)
    strike(state, worker, past, index, struck.reason)
