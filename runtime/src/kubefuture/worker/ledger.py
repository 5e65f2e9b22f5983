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
    Predecessor,
    Raised,
    Returned,
    Run,
    SlotLost,
    SlotReady,
)


class Ledger:
    """The leases of one worker's slots."""

    def __init__(self) -> None:
        self._up: dict[int, int] = {}
        self._bound: dict[int, tuple[int, str]] = {}
        self._held: dict[int, tuple[int, Held]] = {}
        self._lost: dict[int, tuple[Message, int, list[int]]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether every lease's end is acknowledged."""
        return not self._held

    def ordered(self, message: Message) -> None:
        """The scheduler wants something."""
        if isinstance(message, Run):
            if message.slot not in self._bound:
                return  # its process died meanwhile; the scheduler takes the news for the leases' end
            _, session = self._bound[message.slot]
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
        elif isinstance(message, Bind) and self._up.get(message.slot) == message.pid:
            self._bound[message.slot] = message.pid, message.session

    def reported(self, messages: Sequence[Message]) -> None:
        """The worker tells the scheduler something."""
        for message in messages:
            if isinstance(message, SlotReady):
                self._up[message.slot] = message.pid
            elif isinstance(message, Returned):  # not started, so there is nothing to bring along
                for lease in message.leases:
                    self._held.pop(lease, None)
            elif isinstance(message, SlotLost):
                before = {lease for _, _, leases in self._lost.values() for lease in leases}
                lost = [
                    lease
                    for lease, (slot, _) in self._held.items()
                    if slot == message.slot and lease not in before
                ]
                self._lost[id(message)] = message, message.slot, lost
                self._bound.pop(message.slot, None)
                self._up.pop(message.slot, None)

    def acknowledged(self, message: Message) -> None:
        """The scheduler has what the worker told."""
        if isinstance(message, Done):
            for part in message.parts:
                if part.end:
                    self._held.pop(part.lease, None)
        elif isinstance(message, Raised):
            if message.end:
                self._held.pop(message.lease, None)
        elif isinstance(message, (SlotLost, Returned)):
            for lease in self._lost.pop(id(message), (message, 0, []))[2]:
                self._held.pop(lease, None)

    def brought_along(
        self,
        told: Sequence[int],
        present: Sequence[int],
        ready: Sequence[tuple[int, int]],
        kept: Sequence[Message],
    ) -> list[Message]:
        """Everything that a scheduler has to know which knows nothing of this worker.

        Args:
            told: The slots that it was told of with the Hello.
            present: The slots that there are now.
            ready: Those of them that are up: number and process id.
            kept: What was told to the scheduler before, which did not acknowledge it.
        """
        alive = dict(ready)
        self._up = alive
        self._bound = {
            slot: (pid, session) for slot, (pid, session) in self._bound.items() if alive.get(slot) == pid
        }
        bound = self._bound
        held_slots: list[HeldSlot] = []
        for slot in sorted({*bound, *(slot for slot, _ in self._held.values())}):
            leases = [held for place, held in self._held.values() if place == slot]
            held_slots.append(HeldSlot(slot, *bound.get(slot, (0, "")), leases))
        messages: list[Message] = [Holding(held_slots)]
        messages.extend(message for message in kept if isinstance(message, (Predecessor, Done, Raised)))
        before, self._lost = self._lost, {}
        for _, slot, lost in before.values():
            if lost := [lease for lease in lost if lease in self._held]:
                returned = Returned(slot, tuple(lost))
                self._lost[id(returned)] = returned, slot, lost
                messages.append(returned)
        for slot in sorted({*told, *(held.slot for held in held_slots)} - set(present)):
            messages.append(SlotLost(slot, 0, -1, "was retired", True, True))
        messages.extend(SlotReady(slot, pid) for slot, pid in ready if slot not in bound)
        return messages
