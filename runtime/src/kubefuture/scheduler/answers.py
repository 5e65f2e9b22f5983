"""Answers about named maps wait until the journal has committed what they say (R8).

machine, collector ──> Answers ──> party       everything else, and answers with nothing to wait for
                          │  ▲
                          ▼  │ committed
                        waiting
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..protocol.messages import Fetched, Forgotten, Message, Named, NotNamed
from .party import Party


class Answers:
    """What was said to clients of named maps and may not be told yet.

    Attributes:
        recorded: Number of the last record that was handed to the journal.
    """

    def __init__(self, committed: int) -> None:
        self.recorded = self._committed = committed
        self._waiting: deque[tuple[int, Party, Message]] = deque()

    @property
    def behind(self) -> bool:
        """Whether something that was recorded is not committed yet."""
        return self.recorded > self._committed

    def has(self, record: int) -> bool:
        """Whether a record is committed."""
        return record <= self._committed

    def send(self, party: Party, messages: Sequence[Message]) -> None:
        """Sends messages to a party: answers once everything recorded so far is committed, the others now."""
        if not self.behind:
            party.send(messages)
            return
        now: list[Message] = []
        for message in messages:
            if _says_what_is_recorded(message):
                self._waiting.append((self.recorded, party, message))
            else:
                now.append(message)
        if now:
            party.send(now)

    def committed(self, record: int) -> None:
        """Records up to this one are on disk."""
        self._committed = record
        while self._waiting and self._waiting[0][0] <= record:
            _, party, message = self._waiting.popleft()
            party.send([message])

    def left(self, party: Party) -> None:
        """A party is gone for good."""
        self._waiting = deque(waiting for waiting in self._waiting if waiting[1] is not party)


def _says_what_is_recorded(message: Message) -> bool:
    if isinstance(message, Fetched):
        return bool(message.problem)  # outcomes come from what is committed
    return isinstance(message, (Named, NotNamed, Forgotten))
