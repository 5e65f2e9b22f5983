"""What a worker tells of the one before it, which was killed in the same place with all its slots (R19, R20).

By then the scheduler has noticed that the worker is gone, has given its elements back, and has counted a loss
for what each slot was to run next. Now it learns which element each slot was really on. That one gets a
strike, and the loss is taken back. It may wait by now, or run elsewhere, or be settled; nothing else changes.
"""

from __future__ import annotations

from ..core.settings import STRIKES
from ..protocol.messages import Predecessor, Struck
from .named import untrouble
from .outcomes import strike
from .slots import LeaseState, SlotState, WorkerState
from .state import State
from .trials import Trials


def predecessor(state: State, trials: Trials, worker: WorkerState, message: Predecessor, now: float) -> None:
    """Counts a strike for each element that is still open; what is said of others is of no use any more."""
    alone = len(message.elements) == 1
    for struck in message.elements:
        _strike(state, trials, worker, struck, now, alone=alone)


def _strike(
    state: State, trials: Trials, worker: WorkerState, struck: Struck, now: float, *, alone: bool
) -> None:
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
    if alone or call.had("strike", index) < STRIKES - 1:
        strike(state, worker, past, index, struck.reason)
    if not alone and call.had("strike", index) >= STRIKES - 1:
        trials.put_aside(session, call, index, now)
