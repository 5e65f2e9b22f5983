"""A connection to a scheduler on this machine: any thread sends on it, and one that waits for a result reads it.

The same as a Link otherwise, for Unix sockets only. It spares a task two thread switches.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from ..errors import KubefutureError
from ..protocol.auth import ClientLogin
from ..protocol.framing import Decoder, frame
from ..protocol.messages import AnyMessage, Message
from .blob_lane import Lane
from .channel import Channel
from .connection import Connection
from .link import answered
from .receiver import Receiver
from .settings import LANE_BYTES

_READ = 1 << 12
_GOODBYE_SECONDS = 1.0


class DirectLink:
    """One connection, logged in. Whoever sends holds the lock.

    Args:
        loop: Where its end is told.
        sock: The socket.
        handle: Takes messages, several at a time; the lock is held.
        lock: The host's.
        receiver: Reads the socket.

    Attributes:
        lost: Done when the connection has ended, whatever the reason.
        lane: Sends blobs over it, if any are asked for.
        failure: What ended it, if that was a mistake of ours.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        handle: Callable[[list[AnyMessage]], None],
        lock: AbstractContextManager[object],
        receiver: Receiver,
    ) -> None:
        self._loop = loop
        self._handle = handle
        self._decoder = Decoder()
        self._over = False
        self.lane: Lane | None = None
        self.failure: Exception | None = None
        self.lost: asyncio.Future[None] = loop.create_future()
        self._channel = Channel(loop, sock, self.received, self._ended, lock, receiver, self._has_room)

    def send(self, messages: Sequence[Message]) -> None:
        """Sends messages, or drops them when the connection has ended."""
        if self._over:
            return
        self._channel.send(frame(messages))
        if self.lane is not None and self._channel.backlog > LANE_BYTES:
            self.lane.pause(paused=True)

    def received(self, content: bytes) -> None:
        """Something arrived; the lock is held."""
        if self._over:
            return
        try:
            messages = self._decoder.feed(content)
            if messages:
                self._handle(messages)
        except Exception as error:
            if not isinstance(error, KubefutureError):
                self.failure = error
            self._over = True
            self._loop.call_soon_threadsafe(self.close)

    def break_off(self) -> None:
        """Nobody knows what was sent of the last message, since an interrupt came between."""
        self._over = True
        self._loop.call_soon_threadsafe(self.close)

    def close(self) -> None:
        """Ends the connection after what was written, in the loop's thread."""
        if not self._over:
            self._channel.finish(_GOODBYE_SECONDS)
        self._over = True
        self._channel.close()
        self._ended()

    def _has_room(self) -> None:
        if self.lane is not None:
            self.lane.pause(paused=False)

    def _ended(self) -> None:
        self._over = True
        if not self.lost.done():
            self.lost.set_result(None)


async def connect_directly(
    connection: Connection,
    handle: Callable[[list[AnyMessage]], None],
    lock: AbstractContextManager[object],
    receiver: Receiver,
) -> DirectLink:
    """Connects to the Unix socket of a connection and logs in. Raises what `connect` does."""
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.setblocking(False)
        login = ClientLogin(connection.key)
        async with answered(connection):
            await loop.sock_connect(sock, connection.socket_path)
            while not login.finished():
                data = await loop.sock_recv(sock, _READ)
                if not data:
                    raise ConnectionResetError("the scheduler closed the connection")
                await loop.sock_sendall(sock, login.feed(data))
    except BaseException:
        sock.close()
        raise
    with lock:
        link = DirectLink(loop, sock, handle, lock, receiver)
        if login.rest:
            link.received(login.rest)
    return link
