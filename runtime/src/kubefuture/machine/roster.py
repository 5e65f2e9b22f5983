"""Workers that come and go, and how many slots there are to be (R17)."""

from __future__ import annotations

from ..errors import ProtocolError
from ..protocol.messages import Hello, Interrupt, RetireSlot, Revoke, SlotLost, SlotReady, Slots, StartSlot
from .assign import settle_slot
from .outbox import Peer
from .outcomes import lose
from .slots import SlotState, Stage, WorkerState
from .state import State

DRAIN_SECONDS = 300.0
"""How long a slot that leaves may go on with what it runs (R17)."""


class Roster:
    """Adds and removes workers and slots.

    Args:
        state: What is shared.
        wanted: See the attribute.
        elastic: Slots come and go with their workers, as pods do: the wanted number is only waited for.

    Attributes:
        wanted: How many slots there are to be; None leaves it to the workers.
    """

    def __init__(self, state: State, wanted: int | None, *, elastic: bool = False) -> None:
        self._state = state
        self._elastic = elastic
        self.wanted = wanted

    def join(self, peer: Peer, hello: Hello, now: float) -> WorkerState:
        """A worker connected; its slots report one by one."""
        worker = self._state.workers[peer] = WorkerState(peer, hello, now)
        self._state.cpus[hello.environment.cpu] += 1
        return worker

    def away(self, worker: WorkerState) -> None:
        """A worker's connection broke: it keeps what it has, and is given nothing more."""
        worker.away = True
        for slot in worker.slots.values():
            if slot.stage is Stage.READY:
                self._state.set_stage(slot, Stage.AWAY)
        self.announce()

    def back(self, worker: WorkerState) -> None:
        """A worker is connected again, as it was."""
        worker.away = False
        for slot in worker.slots.values():
            if slot.stage is Stage.AWAY:
                self._state.set_stage(slot, Stage.READY)
                settle_slot(self._state, slot)
        self.announce()

    def leave(self, peer: Peer) -> None:
        """A worker is gone, and its slots with it."""
        state = self._state
        worker = state.workers.pop(peer)
        state.cpus[worker.hello.environment.cpu] -= 1
        for slot in worker.slots.values():
            state.set_stage(slot, Stage.GONE)
            for position, lease in enumerate(list(slot.leases.values())):
                if position == 0:
                    lease.call.charge(lease.id, lease.position)
                    lose(state, lease, lease.position)
                state.end_lease(lease)
                state.requeue(lease)
            state.leaving.pop(slot, None)
            slot.unbind()
        self.announce()

    def ready(self, worker: WorkerState, message: SlotReady) -> None:
        """A fresh slot can be bound."""
        slot = worker.slots.get(message.slot)
        if slot is None:
            raise ProtocolError(f"There is no slot {message.slot}.")
        slot.pid = message.pid
        if slot.stage in (Stage.STARTING, Stage.REPLACED):
            self._state.set_stage(slot, Stage.READY)
            settle_slot(self._state, slot)
            self.announce()

    def lost(self, worker: WorkerState, message: SlotLost) -> None:
        """A slot's process ended. The worker starts another one unless it was told to retire the slot.

        One that dies while it drains is still to be told.
        """
        slot = worker.slots[message.slot]
        slot.unbind()
        if message.gone:
            del worker.slots[message.slot]
            self._state.set_stage(slot, Stage.GONE)
        elif slot.stage is not Stage.LEAVING:
            self._state.set_stage(slot, Stage.STARTING)
        self.announce()

    def scale(self, now: float) -> None:
        """Brings the number of slots nearer to the wanted one; busy slots drain."""
        state = self._state
        if self.wanted is None or self._elastic:
            return
        workers = [worker for worker in state.workers.values() if not worker.leaving]
        if not workers:
            return
        if not all(worker.told for worker in state.workers.values()):
            return  # which slots are busy is not known yet
        staying = state.staying_slots
        for _ in range(self.wanted - len(staying)):
            worker = min(workers, key=lambda worker: len(worker.slots))
            index = next(number for number in range(len(worker.slots) + 1) if number not in worker.slots)
            worker.slots[index] = SlotState(worker, index)
            state.outbox.send_slot(worker.peer, index, StartSlot(index))
        surplus = len(staying) - self.wanted
        if surplus > 0:
            staying.sort(key=lambda slot: (len(slot.leases), -slot.index))
            for slot in staying[:surplus]:
                self._drain(slot, now)
        self.retire(now)
        self.announce()

    def drain(self, worker: WorkerState, now: float) -> None:
        """A worker was told to go: none of its slots is given anything more."""
        worker.leaving = True
        for slot in worker.slots.values():
            if slot.stage is not Stage.LEAVING:
                self._drain(slot, now)
        self.scale(now)
        self.retire(now)
        self.announce()

    def _drain(self, slot: SlotState, now: float) -> None:
        """A slot finishes what it runs, and hands back the rest."""
        self._state.set_stage(slot, Stage.LEAVING)
        slot.leaving_at = now
        if len(slot.leases) > 1:
            revoke = Revoke(slot.index, tuple(slot.leases)[1:])
            self._state.outbox.send_slot(slot.worker.peer, slot.index, revoke)

    def retire(self, now: float) -> None:
        """Ends draining slots that have nothing left, and interrupts those that take too long."""
        state = self._state
        for slot in state.leaving:
            peer = slot.worker.peer
            if slot.leaving_at < 0:
                continue
            if not slot.leases:
                slot.leaving_at = -1.0  # told to go
                state.outbox.send_slot(peer, slot.index, RetireSlot(slot.index))
            elif now - slot.leaving_at > DRAIN_SECONDS:
                slot.leaving_at = now
                for lease in slot.leases:
                    state.outbox.send_slot(peer, slot.index, Interrupt(slot.index, lease))

    @property
    def as_wanted(self) -> bool:
        """The wanted slots are ready; slots that drain may still be there."""
        return self.wanted is None or self._state.ready_slots == self.wanted == len(self._state.staying_slots)

    def announce(self) -> None:
        """Tells all clients how many slots there are."""
        message = Slots(self._state.connected_slots, self._state.connected_cpus)
        for peer in self._state.clients:
            self._state.outbox.send(peer, message)
