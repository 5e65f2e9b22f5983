"""Connections in virtual time: what is sent waits until it is delivered, and both sides notice an end late.

Link ── up ──> Far      the end's side, and what the scheduler's server takes for a peer
     <── down ──
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kubefuture.core.blob_lane import Lane
from kubefuture.protocol.framing import Decoder, frame
from kubefuture.protocol.messages import Ack, Message

if TYPE_CHECKING:
    from kubefuture.scheduler.server import Server


_MUCH = 3
"""The scheduler holds back what follows so many messages, until they are read; both hold back parts of blobs."""


def copied(messages: Sequence[Message]) -> list[Message]:
    """As they arrive: whatever the sender does with its own ones later does not show."""
    return list(Decoder().feed(frame(messages)))


class Wire:
    """One connection.

    Attributes:
        up: What is on the way to the scheduler.
        down: What is on the way from it.
        near: The end has not noticed that it is over.
        far: Nor has the scheduler.
        greeted: The Hello has arrived.
        last: What arrived last at the scheduler.
        is_sign: It was nothing but a sign of life.
    """

    numbers = itertools.count(1)

    def __init__(self, server: Server, end: Any) -> None:
        self.server = server
        self.end = end
        self.up: deque[Message] = deque()
        self.down: deque[Message] = deque()
        self.near = self.far = True
        self.greeted = False
        self.last: Message | None = None
        self.is_sign = False
        self.link = Link(self)
        self.peer = Far(self)

    def sent(self) -> None:
        """Something is on the way."""

    def read(self) -> None:
        """The scheduler reads on, so that the end can send more of a blob."""
        if self.near and self.link.lane is not None:
            with self.end.process.running():
                self.link.lane.pause(paused=len(self.up) >= _MUCH)

    def arrive(self, together: int = 1) -> bool:
        """Messages arrive at the scheduler, or it notices the end. Returns whether there was anything.

        Args:
            together: So many at once, if there are so many.
        """
        if not self.far:
            return False
        if self.up:
            message = self.up.popleft()
            self.is_sign, self.last = isinstance(message, Ack) and message == self.last, message
            messages = [message]
            while self.greeted and self.up and len(messages) < together:
                messages.append(self.up.popleft())
            self.read()
            if self.greeted:
                self.server.received(self.peer, messages)  # type: ignore[arg-type]
            else:
                self.greeted = True
                self.server.joined(self.peer, message)  # type: ignore[arg-type]
            return True
        if not self.near:
            self.cut_far()
            return True
        return False

    def deliver(self, together: int = 1) -> bool:
        """Messages arrive at the end, or it notices that the connection is over."""
        if not self.near:
            return False
        if self.down:
            self.end.receive([self.down.popleft() for _ in range(min(together, len(self.down)))])
            return True
        if not self.far:
            self.cut_near()
            return True
        return False

    def cut_near(self) -> None:
        """The end notices that the connection is over; what it sent may still arrive."""
        self.near = False
        self.down.clear()
        self.end.parted(self)

    def cut_far(self) -> None:
        """The scheduler notices it; what it sent may still arrive."""
        self.far = False
        self.up.clear()
        self.server.left(self.peer)  # type: ignore[arg-type]

    def cut(self) -> None:
        """Both notice it, and what was on the way is lost."""
        self.up.clear()
        self.down.clear()
        if self.far:
            self.cut_far()
        if self.near:
            self.cut_near()

    def dies(self) -> None:
        """The scheduler dies: what it has sent may still arrive."""
        self.far = False
        self.up.clear()


class Link:
    """What client and supervisor know of it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.lane: Lane | None = None

    def send(self, messages: Sequence[Message]) -> None:
        """As a Link's."""
        if self._wire.near and self._wire.far:
            self._wire.up.extend(copied(messages))
            self._wire.sent()
            if self.lane is not None and len(self._wire.up) >= _MUCH:
                self.lane.pause(paused=True)

    def close(self) -> None:
        """What was sent arrives, and then the scheduler notices."""
        self._wire.near = False
        self._wire.down.clear()
        self._wire.sent()


class Far:
    """What the server knows of it."""

    logged_in = True

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.number = self.party = next(Wire.numbers)
        self.name = f"connection {self.number}"
        self.lane: Lane | None = None

    @property
    def paused(self) -> bool:
        """As a Peer's: much is on the way."""
        return len(self._wire.down) >= _MUCH

    @property
    def unsent(self) -> int:
        """As a Peer's, in messages."""
        return len(self._wire.down)

    def send(self, messages: list[Message]) -> None:
        """As a Peer's."""
        if self._wire.far and self._wire.near:
            self._wire.down.extend(copied(messages))
            self._wire.sent()
            if self.lane is not None and self.paused:
                self.lane.pause(paused=True)

    def close(self) -> None:
        """What was sent arrives, and then the end notices."""
        self._wire.far = False
        self._wire.up.clear()
        self._wire.sent()

    def abort(self) -> None:
        """Nothing more arrives."""
        self._wire.down.clear()
        self.close()
