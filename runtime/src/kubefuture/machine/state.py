"""What the scheduler knows: sessions, workers, leases. The rules that act on it are its neighbours."""

from __future__ import annotations

from collections import Counter

from ..core.events import Event, Value
from ..core.transitions import checked
from ..protocol.messages import Hello
from .calls import Call
from .outbox import NOBODY, Outbox, Peer
from .records import Record
from .sessions import SessionState, Waiting
from .slots import STAGES, LeaseState, SlotState, Stage, WorkerState


class State:
    """Everything the rules share.

    Attributes:
        round_trip: Seconds until a slot has its next lease after it asked, as the host estimates it.
        ahead: Leases that are always fetched ahead.
        sessions: By identity; those whose client is away too.
        clients: Sessions whose client has a conversation with the scheduler.
        waiting: Sessions that may have something to lease.
        idle: Slots that are ready and have nothing; since when, once somebody has wanted to know.
        hungry: Slots that run something and may have more.
        stacked: Slots that have more than they run.
        leaving: Slots that drain.
        ready_slots: How many slots can run something.
        settled: How many elements have had their outcome.
        retried: How many runs of elements ended without one, and were begun once more.
        failed: How many elements' outcome was none that they wanted: an exception, or that they were given up.
        evened_at: When work was last looked for that could be moved.
        records: What is to be journaled, in order.
        events: What happened that is worth a line in the log, in order; None where nobody reads it.
        waits: Nothing is leased for now (R7).
        room_for_work: The journal has room for new named work (R16).
        lacking: Blobs that cannot be had for now: work that refers to them is not leased.
        room_for_leases: It has room for what leases of named work will bring.
        reserved: A worker that is given nothing, since an element is to run there alone.
        cpus: How many workers there are of each type of CPU.
        replaced_slots: How many get a fresh process at the moment, which is soon there.
    """

    def __init__(
        self, *, round_trip: float, ahead: int, first_lease: int, events: list[Event] | None = None
    ) -> None:
        self.round_trip = round_trip
        self.ahead = ahead
        self.outbox = Outbox()
        self.sessions: dict[str, SessionState] = {}
        self.clients: dict[Peer, SessionState] = {}
        self.waiting = Waiting()
        self.workers: dict[Peer, WorkerState] = {}
        self.leases: dict[int, LeaseState] = {}
        self._first_lease = self.next_lease = first_lease
        self.idle: dict[SlotState, float | None] = {}
        self.hungry: dict[SlotState, None] = {}
        self.stacked: dict[SlotState, None] = {}
        self.leaving: dict[SlotState, None] = {}
        self.ready_slots = 0
        self.replaced_slots = 0
        self.cpus: Counter[str] = Counter()
        self.reserved: WorkerState | None = None
        self.settled = self.retried = self.failed = 0
        self.evened_at = 0.0
        self.records: list[Record] = []
        self.events = events
        self.waits = False
        self.room_for_work = True
        self.room_for_leases = True
        self.lacking: frozenset[bytes] = frozenset()

    def session(self, hello: Hello) -> SessionState:
        """The session of a client, a new one if there is none."""
        session = self.sessions.get(hello.identity)
        if session is None:
            session = SessionState(NOBODY, hello, self.waiting.level, self.waiting)
            self.sessions[hello.identity] = session
        return session

    @property
    def connected_slots(self) -> int:
        """How many slots there are for clients: that one is replaced between two sessions is no loss."""
        return self.ready_slots + self.replaced_slots

    @property
    def connected_cpus(self) -> tuple[str, ...]:
        """The types of the workers' CPUs, as far as they are known."""
        return tuple(cpu for cpu, workers in self.cpus.items() if cpu and workers)

    @property
    def staying_slots(self) -> list[SlotState]:
        """Slots that are there or starting, those that leave excepted."""
        return [
            slot
            for worker in self.workers.values()
            for slot in worker.slots.values()
            if slot.stage is not Stage.LEAVING
        ]

    def happened(self, name: str, session: SessionState, call: Call, /, **fields: Value) -> None:
        """Something worth a line happened to a call."""
        if self.events is not None:
            self.events.append(Event(name, {"session": session.hello.identity, "call": call.id, **fields}))

    def dropped(self, worker: WorkerState, lease_id: int) -> None:
        """An outcome counts for nothing, since no such lease is out. That is no news if one was, and is over."""
        if self._first_lease <= lease_id < self.next_lease or self.events is None or worker.dropped:
            return
        worker.dropped = True
        told = "this scheduler never gave that lease, so what came of it is dropped; said once a worker"
        fields: dict[str, Value] = {"worker": worker.hello.identity, "lease": lease_id, "told": told}
        self.events.append(Event("outcome-unknown", fields))

    def finish(self, session: SessionState, call: Call) -> None:
        """A call has all its outcomes."""
        if (call.total != 1 or call.key) and call.id in session.calls:
            self.happened("map-finished", session, call, elements=call.settled)
        session.end(call)

    def end_lease(self, lease: LeaseState) -> None:
        """A lease is over, whatever became of it."""
        self.leases.pop(lease.id, None)
        lease.slot.leases.pop(lease.id, None)
        if lease.call.leases is not None:
            lease.call.leases.discard(lease.id)
        if lease.claimed:
            lease.call.release(lease.id)

    def requeue(self, lease: LeaseState) -> None:
        """What a lease has not settled is to be leased again."""
        lease.call.give_back(lease.position, lease.stop)
        if not lease.session.gone:
            lease.session.enqueue(lease.call)

    def enqueue_all(self) -> None:
        """What was passed over may be leased now."""
        for session in self.sessions.values():
            for call in session.calls.values():
                session.enqueue(call)

    def forget_slot(self, slot: SlotState) -> None:
        """A slot is no candidate for work any more."""
        self.idle.pop(slot, None)
        self.hungry.pop(slot, None)
        self.stacked.pop(slot, None)

    def set_stage(self, slot: SlotState, stage: Stage) -> None:
        """A slot goes on in its life."""
        checked(slot.stage, stage, STAGES)
        if slot.stage is Stage.READY:
            self.ready_slots -= 1
        elif slot.stage is Stage.REPLACED:
            self.replaced_slots -= 1
        elif slot.stage is Stage.LEAVING:
            self.leaving.pop(slot, None)
        slot.stage = stage
        if stage is Stage.READY:
            self.ready_slots += 1
        else:
            self.forget_slot(slot)
            if stage is Stage.LEAVING:
                self.leaving[slot] = None
            elif stage is Stage.REPLACED:
                self.replaced_slots += 1
