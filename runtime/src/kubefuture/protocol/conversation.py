"""An exchange of messages that outlives its connections.

Each side counts what it received and keeps what it sent until the other side says that it has it. When a
connection breaks and both sides live on, the next one goes on where the last one stopped: nothing is
lost, and nothing arrives twice or in another order::

    Hello(received=7)  ──>                    I have 7 of your messages
                       <── Welcome(received=4)  and I have 4 of yours
    messages 5, 6, ... ──>
                       <── messages 8, 9, ...   and from now on, now and then, Ack(n)

Acknowledging means more than having received: whoever does it vouches for the content, so what is to be
journaled is acknowledged once it is (R6, R8). What was received and is not acknowledged is kept, though it is
not sent again: the other side may die before it is in the journal::

    kept    what the other side has and does not vouch for yet │ what is on the way, or is to be sent
            ^ acknowledged                                     ^ received, as its Hello or Welcome says
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from ..errors import ProtocolError
from .messages import Ack, AnyMessage, Message

_EVERY = 64
"""So many messages are acknowledged at once; fewer when the host says so."""


class Conversation:
    """One side of it.

    Args:
        settled: Told the messages that the other side has acknowledged.

    Attributes:
        received: How many messages have arrived.
        vouched: For how many of them this side vouches.
    """

    def __init__(self, settled: Callable[[Message], None] | None = None) -> None:
        self._kept: deque[Message] = deque()
        self._acknowledged = 0
        self._settled = settled
        self._told = 0
        self.received = 0
        self.vouched = 0

    @property
    def kept(self) -> Sequence[Message]:
        """What was sent and is not acknowledged, in order."""
        return self._kept

    @property
    def acknowledged(self) -> int:
        """How many messages the other side has acknowledged."""
        return self._acknowledged

    def send(self, messages: Sequence[Message]) -> None:
        """Notes what is sent, or is to be sent over the next connection."""
        self._kept.extend(messages)

    def write(self, messages: Sequence[Message]) -> list[Message]:
        """Notes what is sent over the present connection, and returns that with what goes with it."""
        self.send(messages)
        acknowledgement = self.acknowledgement()
        return [*messages] if acknowledgement is None else [*messages, acknowledgement]

    def receive(self, messages: list[AnyMessage]) -> list[AnyMessage]:
        """Notes what arrived and returns what is for the host.

        Raises:
            ProtocolError: The other side acknowledges what was never sent.
        """
        found = False
        for message in messages:
            if type(message) is Ack:
                self._drop(message.received)
                found = True
        if found:
            messages = [message for message in messages if type(message) is not Ack]
        self.received += len(messages)
        return messages

    def acknowledgement(self, *, soon: bool = False) -> Ack | None:
        """What is to be told the other side now, if anything.

        Args:
            soon: Also a few messages are worth it.
        """
        if self.vouched - self._told < (1 if soon else _EVERY):
            return None
        self._told = self.vouched
        return Ack(self.vouched)

    def can_resume(self, received: int) -> bool:
        """Whether the other side can have so many messages: not more than were sent, nor fewer than it said."""
        return self._acknowledged <= received <= self._acknowledged + len(self._kept)

    def resume(self, received: int) -> list[Message]:
        """A new connection: the other side has so many messages; returns those that it has not.

        It does not vouch for them yet, so they are kept. What this side has told may be lost with the old connection.

        Raises:
            ProtocolError: It never got so many, or acknowledged more before.
        """
        self._require(received)
        self._told = 0
        return list(islice(self._kept, received - self._acknowledged, None))

    def _require(self, received: int) -> None:
        if not self.can_resume(received):
            raise ProtocolError(
                f"{received} messages are acknowledged, but {self._acknowledged} were before, and "
                f"{self._acknowledged + len(self._kept)} were sent."
            )

    def _drop(self, received: int) -> None:
        self._require(received)
        kept, settled = self._kept, self._settled
        for _ in range(received - self._acknowledged):
            message = kept.popleft()
            if settled is not None:
                settled(message)
        self._acknowledged = received
