"""Somebody that the scheduler talks with, over one connection after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum

from ..core.identity import is_gone
from ..core.settings import LEASE_SECONDS, SESSION_SECONDS
from ..core.transitions import checked
from ..protocol.conversation import Conversation
from ..protocol.messages import AnyMessage, Hello, Message
from .peer import Peer
from .unread import Storage, Unread

_TOGETHER = 8
"""So many messages are written before it is asked whether the connection takes more."""

_PATIENCE = {"worker": LEASE_SECONDS, "client": SESSION_SECONDS}


class Presence(Enum):
    """Whether somebody is there."""

    CONNECTED = "connected"
    AWAY = "away"
    CLOSED = "closed"
    EXPIRED = "expired"


PRESENCES = {
    (Presence.CONNECTED, Presence.AWAY): "the connection ends without a goodbye",
    (Presence.AWAY, Presence.CONNECTED): "it is back, and the exchange goes on",
    (Presence.CONNECTED, Presence.CONNECTED): "it is back before the break was noticed",
    (Presence.CONNECTED, Presence.CLOSED): "goodbye, a broken rule, or it begins anew",
    (Presence.AWAY, Presence.CLOSED): "it begins anew, or another has its place",
    (Presence.AWAY, Presence.EXPIRED): "its process is dead, or it was away too long",
}
"""What may follow what, and when it does."""


class Party:
    """A client, a worker, or somebody with a question.

    Args:
        peer: Its first connection, whose number becomes its own.
        hello: What it said of itself.
        storage: Takes what a client leaves unread; None where that stays in memory.

    Attributes:
        number: What the machine calls it.
        peer: Its connection, None while it is away.
        presence: Whether it is there.
        since: Since when it has been away, in the machine's seconds.
        arrivals: How often something came from it.
        is_gone: Where it ran, it is known not to be any more.
    """

    def __init__(self, peer: Peer, hello: Hello, storage: Storage | None = None) -> None:
        self.number = peer.number
        self.hello = hello
        self.peer: Peer | None = peer
        self.presence = Presence.CONNECTED
        self.since = 0.0
        self.arrivals = 0
        self.is_gone = False
        self.conversation = Conversation()
        self._pending: list[tuple[int, int]] = []
        self._unwritten: deque[Message] = deque()
        self._unread = Unread(storage) if storage is not None and hello.role == "client" else None

    @property
    def is_lasting(self) -> bool:
        """Whether it may come back when its connection has ended."""
        return self.hello.role in _PATIENCE

    def is_over(self, now: float) -> bool:
        """Whether it will not come back: it is dead for sure, or has been away for too long."""
        return self.is_gone or is_gone(self.hello) or now - self.since > _PATIENCE.get(self.hello.role, 0.0)

    def leave(self, now: float) -> None:
        """Its connection ended."""
        self.presence = checked(self.presence, Presence.AWAY, PRESENCES)
        self.peer, self.since = None, now
        self._unwritten.clear()

    def come_back(self, peer: Peer) -> None:
        """It has a new connection; the old one may not have noticed yet that it is broken."""
        self.presence = checked(self.presence, Presence.CONNECTED, PRESENCES)
        if self.peer is not None:
            self.peer.abort()
        self.peer, peer.party = peer, self.number

    def end(self, presence: Presence) -> None:
        """It will not be back: its connection ends, if it has one."""
        self.presence = checked(self.presence, presence, PRESENCES)
        if self.peer is not None:
            self.peer.close()
        if self._unread is not None:
            self._unread.left(0)

    @property
    def progress(self) -> tuple[int, int]:
        """What changes as it reads: how many messages it has acknowledged, and how many bytes wait for it."""
        return self.conversation.acknowledged, self.peer.unsent if self.peer is not None else 0

    def can_resume(self, received: int) -> bool:
        """Whether the exchange can go on with a side that has so many of its messages."""
        return self.conversation.can_resume(received)

    @property
    def is_unheard(self) -> bool:
        """Whether it has said nothing yet, so that the exchange can begin once more."""
        return not self.conversation.received and self.conversation.can_resume(0)

    def send(self, messages: Sequence[Message]) -> None:
        """Sends messages now, or when it is back."""
        if self._unread is not None:
            messages = self._unread.sent(messages)
        peer = self.peer
        if peer is None:
            self.conversation.send(messages)
        elif not self._unwritten and not peer.paused and len(messages) <= _TOGETHER:
            peer.send(self.conversation.write(messages))
        else:
            self.conversation.send(messages)
            self._unwritten.extend(messages)
            self.write()

    def resend(self, messages: Sequence[Message]) -> None:
        """Sends over a new connection what was sent before and has not arrived."""
        self._count()
        self._unwritten = deque(messages)
        self.write()

    def write(self) -> None:
        """Writes what waits, as much as the connection takes: more would only be in memory twice."""
        waiting, peer = self._unwritten, self.peer
        while waiting and peer is not None and not peer.paused:
            peer.send([waiting.popleft() for _ in range(min(len(waiting), _TOGETHER))])

    @property
    def is_behind(self) -> bool:
        """Whether it is a client that has much left to read."""
        return self._unread is not None and self._unread.is_much

    def tell(self, messages: Sequence[Message]) -> None:
        """Sends what the exchange does not count, if there is a connection."""
        if self.peer is not None:
            self.peer.send(list(messages))

    def accuse(self, error: Exception) -> None:
        """It did what it may not; its connection ends, and all that belongs to it."""
        if self.peer is not None:
            self.peer.fail(error)

    def receive(self, messages: list[AnyMessage]) -> list[AnyMessage]:
        """Notes what arrived and returns what is for the machine."""
        self.arrivals += 1
        messages = self.conversation.receive(messages)
        self._count()
        return messages

    def vouch(self, pending: int) -> None:
        """The machine has taken what arrived.

        Args:
            pending: The last record that has to be committed before it is in good hands, 0 for none.
        """
        received = self.conversation.received
        if pending:
            self._pending.append((pending, received))
        elif self._pending:
            self._pending[-1] = self._pending[-1][0], received  # in good hands when those before it are
        else:
            self.conversation.vouched = received

    def committed(self, record: int) -> None:
        """Records up to this one are on disk."""
        while self._pending and self._pending[0][0] <= record:
            self.conversation.vouched = self._pending.pop(0)[1]

    def acknowledge(self) -> None:
        """Tells what is in good hands, if it has not been told."""
        if self.peer is not None:
            acknowledgement = self.conversation.acknowledgement(soon=True)
            if acknowledgement is not None:
                self.peer.send([acknowledgement])

    def _count(self) -> None:
        if self._unread is not None:
            self._unread.left(len(self.conversation.kept))
