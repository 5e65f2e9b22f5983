"""What a worker writes into its log: one line an event of its slots. What they run is no event."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..core.events import Value, line
from ..protocol.messages import Message, ReplaceSlot, SlotLost, SlotReady


class Diary:
    """Writes events.

    Args:
        log: Takes one line.
        worker: The worker's identity.
    """

    def __init__(self, log: Callable[[str], None], worker: str) -> None:
        self._log = log
        self._worker = worker

    def happened(self, name: str, /, **fields: Value) -> None:
        """Something happened."""
        self._log(line(name, worker=self._worker, **fields))

    def trouble(self, sentence: str) -> None:
        """A slot cannot start."""
        self.happened("slot-trouble", told=sentence)

    def reported(self, messages: Sequence[Message]) -> None:
        """The slots have something to tell the scheduler."""
        for message in messages:
            if type(message) is SlotReady:
                self.happened("slot-started", slot=message.slot, pid=message.pid)
            elif type(message) is SlotLost:
                found = {"lease": message.lease, "element": message.index} if message.lease else {}
                event = "slot-retired" if message.gone else "slot-lost"
                self.happened(event, slot=message.slot, **found, reason=message.reason)

    def ordered(self, message: Message) -> None:
        """The scheduler wants something."""
        if type(message) is ReplaceSlot:
            self.happened("slot-replaced", slot=message.slot, pid=message.pid)
