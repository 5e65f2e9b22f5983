"""A connection to the scheduler, as client and worker have one: login, then messages."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from ..errors import KubefutureError, LoginError, NoAnswerError, VersionError
from ..protocol.auth import ClientLogin
from ..protocol.framing import Decoder, frame
from ..protocol.limits import LOGIN_SECONDS
from ..protocol.messages import AnyMessage, Message
from .blob_lane import Lane
from .certificate import SERVER_NAME, client_context, refusal
from .connection import Connection
from .forks import abandon_in_forks, replace_by_nothing
from .keepalive import keep_alive
from .settings import LANE_BYTES

_GOODBYE_SECONDS = 1.0
"""How long the end of TLS may take, in which the other side has no more to say."""


class Link(asyncio.Protocol):
    """One connection, logged in by `connect`.

    Attributes:
        lost: Done when the connection has ended, whatever the reason.
        lane: Sends blobs over it, if any are asked for.
        failure: What ended it, if that was a mistake of ours.
    """

    def __init__(self, key: bytes, handle: Callable[[list[AnyMessage]], None]) -> None:
        loop = asyncio.get_running_loop()
        self._login = ClientLogin(key)
        self._decoder = Decoder()
        self._handle = handle
        self._transport: asyncio.Transport | None = None
        self.logged_in: asyncio.Future[None] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.lane: Lane | None = None
        self.failure: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: it is connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=LANE_BYTES)
        keep_alive(transport)
        abandon_in_forks(self)

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
        except Exception as error:
            self.failure = error
            raise  # the loop says so, and ends the connection

    def pause_writing(self) -> None:
        """asyncio: much waits to be sent."""
        if self.lane is not None:
            self.lane.pause(paused=True)

    def resume_writing(self) -> None:
        """asyncio: most of it was sent."""
        if self.lane is not None:
            self.lane.pause(paused=False)

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

    def abandon(self) -> None:
        """In a fork of the program: the socket is the parent's."""
        if self._transport is not None and not self._transport.is_closing():
            replace_by_nothing(self._transport.get_extra_info("socket").fileno())


async def connect(connection: Connection, handle: Callable[[list[AnyMessage]], None]) -> Link:
    """Connects and logs in.

    Args:
        connection: Where the scheduler is.
        handle: Takes its messages, several at a time.

    Raises:
        OSError: Nobody listens there, or the connection broke.
        NoAnswerError: Somebody listens but does not answer.
        LoginError: It could not prove that it knows the token, or has another certificate.
        VersionError: It speaks another version of the protocol.
    """
    reused = connection.is_open
    try:
        return await _connected(connection, handle)
    except OSError as error:
        if connection.route is None or isinstance(error, LoginError | VersionError):
            raise
        await asyncio.to_thread(connection.broken)
        if not reused:
            raise
    return await connect(connection, handle)  # the way was an old one, and had come to lead nowhere


async def _connected(connection: Connection, handle: Callable[[list[AnyMessage]], None]) -> Link:
    link = Link(connection.key, handle)
    place = None if connection.route is None else await asyncio.to_thread(connection.opened)
    try:
        async with answered(connection):
            await _open(connection, link, place)
            await asyncio.shield(link.logged_in)
    except NoAnswerError:
        link.close()
        raise
    return link


@asynccontextmanager
async def answered(connection: Connection) -> AsyncIterator[None]:
    """For connecting and logging in, which must not take long.

    Raises:
        NoAnswerError: It does.
    """
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            yield
    except TimeoutError:
        raise NoAnswerError(
            f"The scheduler of project {connection.project} does not answer at {connection.address} "
            f"({LOGIN_SECONDS:.0f} s). See `make logs`; `make down` and `make up` start it anew."
        ) from None


async def _open(connection: Connection, link: Link, place: tuple[str, int] | None) -> None:
    loop = asyncio.get_running_loop()
    if connection.socket_path:
        await loop.create_unix_connection(lambda: link, connection.socket_path)
        return
    import ssl

    # Found here, since uvloop does not end a search for a name that it has begun itself, and complains of it later.
    found = await loop.getaddrinfo(*(place or connection.host_and_port), type=socket.SOCK_STREAM)
    for number, (*_, address) in enumerate(found, 1):
        try:
            await loop.create_connection(
                lambda: link, *address[:2], ssl=client_context(connection.certificate),
                server_hostname=SERVER_NAME, ssl_handshake_timeout=LOGIN_SECONDS,
                ssl_shutdown_timeout=_GOODBYE_SECONDS,
            )  # fmt: skip
            return
        except ssl.SSLError as error:
            raise refusal(error, connection.address) or error from None
        except OSError:
            if number == len(found) or link.logged_in.done():
                raise


def no_answer(connection: Connection, path: Path, error: OSError) -> NoAnswerError:
    """The error for a connection file whose cluster is not there any more."""
    return NoAnswerError(
        f"The cluster of project {connection.project} does not answer at {connection.address} "
        f"({error.strerror or error}), though {path} says that it is up: its processes have probably ended, "
        "as after a reboot. Start it again with `make up`."
    )
