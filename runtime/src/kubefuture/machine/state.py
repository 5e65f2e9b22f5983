"""What the scheduler knows: sessions, workers, leases. The rules that act on it are its neighbours."""

from __future__ import annotations

from itertools import count

from .outbox import Outbox, Peer
from .sessions import SessionState
from .slots import LeaseState, SlotState, Stage, WorkerState


class State:
    """Everything the rules share.

    Attributes:
        round_trip: Seconds until a slot has its next lease after it asked, as the host estimates it.
        ahead: Leases that are always fetched ahead.
        idle: Slots that are ready and have nothing.
        hungry: Slots that run something and may have more.
    """

    def __init__(self, *, round_trip: float, ahead: int) -> None:
        self.round_trip = round_trip
        self.ahead = ahead
        self.outbox = Outbox()
        self.sessions: dict[Peer, SessionState] = {}
        self.workers: dict[Peer, WorkerState] = {}
        self.leases: dict[int, LeaseState] = {}
        self.lease_ids = count(1)
        self.idle: dict[SlotState, None] = {}
        self.hungry: dict[SlotState, None] = {}
        self.settled = 0

    @property
    def ready_slots(self) -> int:
        """How many slots can run something."""
        return sum(
            slot.stage is Stage.READY for worker in self.workers.values() for slot in worker.slots.values()
        )

    @property
    def staying_slots(self) -> list[SlotState]:
        """Slots that are there or starting, those that leave excepted."""
        return [
            slot
            for worker in self.workers.values()
            for slot in worker.slots.values()
            if slot.stage is not Stage.LEAVING
        ]

    def end_lease(self, lease: LeaseState) -> None:
        """A lease is over, whatever became of it."""
        self.leases.pop(lease.id, None)
        lease.slot.leases.pop(lease.id, None)
        lease.call.leases.discard(lease.id)

    def requeue(self, lease: LeaseState) -> None:
        """What a lease has not settled is to be leased again."""
        lease.call.give_back(lease.position, lease.stop)
        if not lease.session.gone:
            lease.session.enqueue(lease.call)

    def forget_slot(self, slot: SlotState) -> None:
        """A slot is no candidate for work any more."""
        self.idle.pop(slot, None)
        self.hungry.pop(slot, None)
