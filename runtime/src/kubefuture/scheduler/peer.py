"""One connection of the scheduler: the login (R31), a Hello, then messages.

bytes ── ServerLogin ── Decoder ── Hello ── Server.joined, then Server.received
         fixed length   only after the login
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from ..core.blob_lane import Lane
from ..core.keepalive import keep_alive
from ..core.settings import LANE_BYTES
from ..errors import LoginError
from ..protocol.auth import REFUSAL, ServerLogin
from ..protocol.framing import Decoder, frame
from ..protocol.messages import Hello, Message

if TYPE_CHECKING:
    from .server import Server


class Peer(asyncio.Protocol):
    """Somebody who connected.

    Args:
        server: Told what arrives.
        number: Names the connection until it has a name of its own.
        key: The token's bytes.

    Attributes:
        number: The connection's number.
        party: The number of who it belongs to, another one when that had a connection before.
        name: For the log.
        lane: Sends blobs over it, if any may be asked for.
        paused: It does not read what was written, so that more is to wait.
        settled: Done when it has introduced itself, or when its connection has ended.
    """

    def __init__(self, server: Server, number: int, key: bytes) -> None:
        self._server = server
        self._login = ServerLogin(key)
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._joined = False
        self._over = False
        self.paused = False
        self.number = self.party = number
        self.lane: Lane | None = None
        self.name = f"connection {number}"
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def logged_in(self) -> bool:
        """Whether it has proved that it knows the token."""
        return self._login.finished()

    @property
    def unsent(self) -> int:
        """Bytes that wait here since it does not read."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: it is connected, and TLS is agreed on where there is any."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=LANE_BYTES)
        keep_alive(transport)
        address = transport.get_extra_info("peername")
        if isinstance(address, tuple):
            self.name += f" from {address[0].removeprefix('::ffff:')}"  # as a socket for both shows IPv4
        self._transport.write(self._login.greeting)

    def data_received(self, data: bytes) -> None:
        """asyncio: something arrived. Whatever it does, only this connection ends."""
        if self._over:  # TLS delivers what was on the way while it closes
            return
        try:
            if not self._login.finished():
                self._log_in(data)
                data = self._login.rest
            if data and self._login.finished():
                self._take(data)
        except Exception as error:
            self._server.trouble(self, error)

    def pause_writing(self) -> None:
        """asyncio: much waits to be sent."""
        self.paused = True
        if self.lane is not None:
            self.lane.pause(paused=True)

    def resume_writing(self) -> None:
        """asyncio: most of it was sent."""
        self.paused = False
        self._server.writable(self)
        if self.lane is not None:
            self.lane.pause(paused=self.paused)

    def fail(self, error: Exception) -> None:
        """It did what it may not, as turned out later."""
        self._server.trouble(self, error)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: it has ended."""
        cut = self._decoder.unfinished and not self._over
        self._over = True
        self._settle()
        self._server.left(self, cut=cut)

    def send(self, messages: list[Message]) -> None:
        """Sends messages, or drops them when the connection has ended."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(messages))

    def close(self) -> None:
        """Ends the connection after what was written."""
        self._over = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Ends the connection at once."""
        self._over = True
        if self._transport is not None:
            self._transport.abort()

    def _log_in(self, data: bytes) -> None:
        assert self._transport is not None
        try:
            answer = self._login.feed(data)
        except LoginError:
            self._transport.write(REFUSAL)
            raise
        if answer:
            self._transport.write(answer)

    def _take(self, data: bytes) -> None:
        messages = self._decoder.feed(data)
        if messages and not self._joined:
            hello = messages.pop(0)
            if not isinstance(hello, Hello):
                raise LoginError(f"its first message is a {type(hello).__name__}")
            self._joined = True
            self.name = f"{hello.role} {hello.identity}"
            self._settle()
            self._server.joined(self, hello)
        if messages and not self._over:
            self._server.received(self, messages)

    def _settle(self) -> None:
        if not self.settled.done():
            self.settled.set_result(None)
