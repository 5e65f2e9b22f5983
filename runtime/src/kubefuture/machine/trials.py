"""Elements that may have killed whole workers: each is tried again with a worker to itself (R19, R20).

When a worker is killed with several slots at work, any of their elements may be to blame. Each of them gets
a strike, but one that happened to run beside the culprit every time must not be given up for that. So the
last strike counts only against an element that ran alone. After the one before, it is put aside::

    waiting ──> put aside ──> a worker that is given nothing else ──> runs there alone ──> settled
                   ^                                                        │
                   └───────────────── the worker was lost ──────────────────┘

One after the other: a trial costs what the worker's other slots could have done, and hardly ever happens.
"""

from __future__ import annotations

from typing import NamedTuple

from .assign import bind, replace, send_lease, settle_slot
from .calls import Call
from .sessions import SessionState
from .slots import SlotState, Stage, WorkerState
from .state import State

PATIENCE_SECONDS = 600.0
"""So long an element waits while its session still has other work to lease."""


class Suspect(NamedTuple):
    """An element that was put aside, at a time in the machine's seconds."""

    session: SessionState
    call: Call
    element: int
    since: float

    @property
    def over(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.session.gone or self.call.cancelled or self.call.is_settled(self.element)


class Trials:
    """The elements that were put aside, and the one that is tried.

    Args:
        state: The scheduler's.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._suspects: list[Suspect] = []
        self._lease = 0

    def put_aside(self, session: SessionState, call: Call, index: int, now: float) -> None:
        """An element is to be tried alone, if it waits; otherwise it runs somewhere already."""
        if call.put_aside(index):
            self._suspects.append(Suspect(session, call, index, now))

    def look(self, now: float) -> None:
        """Begins and ends trials; call it before anything else is leased."""
        if not self._suspects:
            return
        state = self._state
        if self._lease:
            if self._lease in state.leases:
                return
            self._lease = 0
            first = self._suspects[0]
            if not first.over:  # it was lost, and waits again, or it is for the next look
                first.call.put_aside(first.element)
        self._suspects = [suspect for suspect in self._suspects if not suspect.over]
        if not self._suspects or state.waits:
            self._reserve(None)
            return
        first = self._suspects[0]
        if state.reserved is None or not _may_serve(state, state.reserved):
            self._reserve(self._worker(first, now))
        if state.reserved is not None and not _leases(state.reserved):
            self._begin(first, state.reserved, now)

    def _worker(self, suspect: Suspect, now: float) -> WorkerState | None:
        """The worker with the least work, if it is time: the element's siblings go first."""
        state = self._state
        if suspect.session.has_waiting and now - suspect.since <= PATIENCE_SECONDS:
            return None
        workers = [
            worker
            for worker in state.workers.values()
            if worker.told
            and not worker.leaving
            and any(slot.stage is Stage.READY for slot in worker.slots.values())
        ]
        return min(workers, key=_leases, default=None)

    def _begin(self, suspect: Suspect, worker: WorkerState, now: float) -> None:
        slots = [slot for slot in worker.slots.values() if slot.stage is Stage.READY]
        ours = [slot for slot in slots if slot.session in (None, suspect.session)]
        if ours:
            slot = ours[0]
            if slot.session is None:
                bind(self._state, slot, suspect.session, now)
            payload = suspect.call.arguments(suspect.element)
            self._lease = send_lease(
                self._state, slot, suspect.session, suspect.call, suspect.element, [payload]
            )
        elif slots and not any(slot.stage is Stage.REPLACED for slot in worker.slots.values()):
            replace(self._state, slots[0])  # the fresh one is soon there

    def _reserve(self, worker: WorkerState | None) -> None:
        """From now on this worker is given nothing else, and the one before is again."""
        state = self._state
        before, state.reserved = state.reserved, worker
        if before is not None and before is not worker:
            for slot in _slots(state, before):
                settle_slot(state, slot)
        if worker is not None:
            for slot in worker.slots.values():
                state.forget_slot(slot)


def _leases(worker: WorkerState) -> int:
    return sum(len(slot.leases) for slot in worker.slots.values())


def _may_serve(state: State, worker: WorkerState) -> bool:
    """Whether a reserved worker is still there, with a slot that is ready or soon will be."""
    stages = {slot.stage for slot in worker.slots.values()}
    return state.workers.get(worker.peer) is worker and bool(
        stages & {Stage.READY, Stage.STARTING, Stage.REPLACED}
    )


def _slots(state: State, worker: WorkerState) -> list[SlotState]:
    return list(worker.slots.values()) if state.workers.get(worker.peer) is worker else []
