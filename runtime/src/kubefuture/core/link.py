"""A connection to the scheduler, as client and worker have one: login, then messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from ..errors import KubefutureError, NoAnswerError
from ..protocol.auth import ClientLogin
from ..protocol.framing import Decoder, frame
from ..protocol.limits import LOGIN_SECONDS
from ..protocol.messages import AnyMessage, Message
from .connection import Connection


class Link(asyncio.Protocol):
    """One connection, logged in by `connect`.

    Attributes:
        lost: Done when the connection has ended, whatever the reason.
    """

    def __init__(self, key: bytes, handle: Callable[[list[AnyMessage]], None]) -> None:
        loop = asyncio.get_running_loop()
        self._login = ClientLogin(key)
        self._decoder = Decoder()
        self._handle = handle
        self._transport: asyncio.Transport | None = None
        self.logged_in: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: it is connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=1 << 30)

    def data_received(self, data: bytes) -> None:
        """asyncio: something arrived."""
        assert self._transport is not None
        try:
            if not self._login.finished():
                self._transport.write(self._login.feed(data))
                if not self._login.finished():
                    return
                data = self._login.rest
                if not self.logged_in.done():
                    self.logged_in.set_result(None)
            messages = self._decoder.feed(data)
            if messages:
                self._handle(messages)
        except KubefutureError as error:
            if not self.logged_in.done():
                self.logged_in.set_exception(error)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: it has ended."""
        if not self.logged_in.done():
            self.logged_in.set_exception(ConnectionResetError("the scheduler closed the connection"))
        if not self.lost.done():
            self.lost.set_result(None)

    def send(self, messages: Sequence[Message]) -> None:
        """Sends messages, or drops them when the connection has ended."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(messages))

    def close(self) -> None:
        """Ends the connection after what was written."""
        if self._transport is not None:
            self._transport.close()


async def connect(connection: Connection, handle: Callable[[list[AnyMessage]], None]) -> Link:
    """Connects and logs in.

    Args:
        connection: Where the scheduler is.
        handle: Takes its messages, several at a time.

    Raises:
        OSError: Nobody listens there, or the connection broke.
        NoAnswerError: Somebody listens but does not answer.
        LoginError: It could not prove that it knows the token.
        VersionError: It speaks another version of the protocol.
    """
    loop = asyncio.get_running_loop()
    _, link = await loop.create_unix_connection(lambda: Link(connection.key, handle), connection.socket_path)
    try:
        await asyncio.wait_for(asyncio.shield(link.logged_in), LOGIN_SECONDS)
    except TimeoutError:
        link.close()
        raise NoAnswerError(
            f"The scheduler of project {connection.project} does not answer at {connection.address} "
            f"({LOGIN_SECONDS:.0f} s). See `make logs`; `make down` and `make up` start it anew."
        ) from None
    return link
