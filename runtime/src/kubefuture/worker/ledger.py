"""What a worker has been given and what has become of it, so that it can tell a new scheduler (R7).

A lease is held from its arrival until a scheduler has acknowledged its end. Pure: messages in, messages out.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..protocol.messages import (
    Bind,
    Done,
    Held,
    HeldSlot,
    Holding,
    Message,
    Raised,
    Returned,
    Run,
    SlotLost,
    SlotReady,
)


class Ledger:
    """The leases of one worker's slots."""

    def __init__(self) -> None:
        self._bound: dict[int, tuple[int, str]] = {}
        self._held: dict[int, tuple[int, Held]] = {}
        self._lost: dict[int, tuple[int, list[int]]] = {}

    def ordered(self, message: Message) -> None:
        """The scheduler wants something."""
        if isinstance(message, Run):
            _, session = self._bound.get(message.slot, (0, ""))
            for lease in message.leases:
                held = Held(
                    lease.id,
                    session,
                    lease.call,
                    lease.function,
                    lease.start,
                    lease.start + len(lease.payloads),
                )
                self._held[lease.id] = message.slot, held
        elif isinstance(message, Bind):
            self._bound[message.slot] = message.pid, message.session

    def reported(self, messages: Sequence[Message]) -> None:
        """The worker tells the scheduler something."""
        for message in messages:
            if isinstance(message, Returned):  # not started, so there is nothing to bring along
                for lease in message.leases:
                    self._held.pop(lease, None)
            elif isinstance(message, SlotLost):
                lost = [lease for lease, (slot, _) in self._held.items() if slot == message.slot]
                self._lost[id(message)] = message.slot, lost
                self._bound.pop(message.slot, None)

    def acknowledged(self, message: Message) -> None:
        """The scheduler has what the worker told."""
        if isinstance(message, Done):
            for part in message.parts:
                if part.end:
                    self._held.pop(part.lease, None)
        elif isinstance(message, Raised):
            if message.end:
                self._held.pop(message.lease, None)
        elif isinstance(message, SlotLost):
            for lease in self._lost.pop(id(message), (0, []))[1]:
                self._held.pop(lease, None)

    def brought_along(self, ready: Sequence[tuple[int, int]], kept: Sequence[Message]) -> list[Message]:
        """Everything that a scheduler has to know which knows nothing of this worker.

        Args:
            ready: The slots that are up: number and process id.
            kept: What was told to the scheduler before, which did not acknowledge it.
        """
        held_slots: list[HeldSlot] = []
        alive = dict(ready)
        bound = {slot: session for slot, (pid, session) in self._bound.items() if alive.get(slot) == pid}
        self._bound = {slot: (alive[slot], session) for slot, session in bound.items()}
        for slot in sorted({*bound, *(slot for slot, _ in self._held.values())}):
            leases = [held for place, held in self._held.values() if place == slot]
            held_slots.append(
                HeldSlot(slot, alive[slot] if slot in bound else 0, bound.get(slot, ""), leases)
            )
        told: list[Message] = [Holding(held_slots)]
        told.extend(message for message in kept if isinstance(message, (Done, Raised)))
        for slot, lost in self._lost.values():
            told.append(Returned(slot, tuple(lease for lease in lost if lease in self._held)))
        self._lost.clear()
        told.extend(SlotReady(slot, pid) for slot, pid in ready if slot not in bound)
        return told
