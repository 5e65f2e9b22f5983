"""A peer of the scheduler that says whatever a test wants, with or without a login."""

from __future__ import annotations

import secrets
from types import TracebackType

from kubefuture.core.certificate import SERVER_NAME, client_context
from kubefuture.core.connection import Connection
from kubefuture.protocol.auth import ClientLogin
from kubefuture.protocol.framing import Decoder, frame
from kubefuture.protocol.messages import PROTOCOL, AnyMessage, Bye, Environment, Hello, Message

from .waiting import LIMIT


class RawPeer:
    """A connection that nothing of ours looks after."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._polite = False
        self._socket = connection.dial(LIMIT)
        if connection.certificate:
            self._socket = client_context(connection.certificate).wrap_socket(
                self._socket, server_hostname=SERVER_NAME
            )
        self._decoder = Decoder()
        self._ready: list[AnyMessage] = []

    def log_in(self, key: bytes | None = None) -> RawPeer:
        """Logs in, by default with the right token."""
        login = ClientLogin(self._connection.key if key is None else key)
        while not login.finished():
            self._socket.sendall(login.feed(self._receive_some()))
        self._ready += self._decoder.feed(login.rest)
        return self

    def say(self, *messages: Message) -> None:
        """Sends messages."""
        self.shout(frame(messages))
        self._polite = True

    def shout(self, content: bytes) -> None:
        """Sends bytes."""
        self._polite = False
        try:
            self._socket.sendall(content)
        except OSError:
            pass  # the end is seen when reading

    def hear(self) -> AnyMessage:
        """Waits for the next message."""
        while not self._ready:
            self._ready += self._decoder.feed(self._receive_some())
        return self._ready.pop(0)

    def receive(self, length: int) -> bytes:
        """Reads as many bytes."""
        content = b""
        while len(content) < length:
            content += self._receive_some(length - len(content))
        return content

    def hung_up(self) -> bytes:
        """Waits until the other side ends the connection, and returns what it sent before, undecoded."""
        content = b""
        try:
            while some := self._socket.recv(1 << 16):
                content += some
        except ConnectionResetError:
            pass
        return content

    def _receive_some(self, most: int = 1 << 16) -> bytes:
        content = self._socket.recv(most)
        if not content:
            raise ConnectionResetError("the other side hung up")
        return content

    def __enter__(self) -> RawPeer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._polite:
            self.say(Bye())
        self._socket.close()


def raw_hello(role: str = "client", protocol: int = PROTOCOL, **environment: str) -> Hello:
    """A first message, of another version if need be."""
    versions = Environment(**{"python": "", **environment})
    return Hello(role, protocol, secrets.token_hex(8), "elsewhere", 1, versions, folder="/")


class NoMachine:
    """In a server's machine's place, what strangers must never reach: it does nothing but stand there."""

    wanted = None
    epoch = ""
    slots = 0
    cpus: tuple[str, ...] = ()
    busy = False

    def take(self) -> dict[int, list[Message]]:
        return {}

    def tick(self, now: float) -> None:
        return None

    def take_records(self) -> list[object]:
        return []
