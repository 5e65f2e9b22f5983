"""The scheduler daemon's shell: sockets, the clock and the log around the pure machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import count
from typing import cast

from ..core.version import mismatch, own_environment
from ..errors import KubefutureError, LoginError
from ..machine.machine import Machine
from ..protocol.auth import REFUSAL, ServerLogin
from ..protocol.framing import Decoder, frame
from ..protocol.limits import LOGIN_BYTES, LOGIN_SECONDS
from ..protocol.messages import PROTOCOL, AnyMessage, Bye, Hello, Message, Refused

_TICK = 0.25


class Server:
    """All connections of one scheduler.

    Args:
        key: The token's bytes.
        machine: The state.
        log: Takes one line for the log.
        scaled: Told the wanted number of slots when a client changed it.
    """

    def __init__(
        self, key: bytes, machine: Machine, log: Callable[[str], None], scaled: Callable[[int], None]
    ) -> None:
        self._key = key
        self._machine = machine
        self._log = log
        self._scaled = scaled
        self._wanted = machine.wanted
        self._numbers = count(1)
        self._peers: dict[int, _Peer] = {}
        self._environment = own_environment()
        self.tick()

    def protocol(self) -> _Peer:
        """A new connection, for asyncio."""
        return _Peer(self, next(self._numbers), self._key)

    def joined(self, peer: _Peer, hello: Hello) -> None:
        """A peer logged in and said who it is."""
        who = f"{hello.role} {hello.identity} (host {hello.host}, pid {hello.pid})"
        reason = self._refusal(hello)
        if reason:
            self._log(f"refused {who}: {reason}")
            peer.send([Refused(reason)])
            peer.close()
            return
        self._peers[peer.number] = peer
        self._log(f"connected {who}")
        self._machine.connected(peer.number, hello, time.monotonic())
        self.flush()

    def left(self, peer: _Peer) -> None:
        """A connection ended."""
        if self._peers.pop(peer.number, None) is not None:
            self._log(f"disconnected {peer.name}")
            self._machine.disconnected(peer.number, time.monotonic())
            self.flush()

    def received(self, peer: _Peer, messages: list[AnyMessage]) -> None:
        """Messages of a peer that joined."""
        now = time.monotonic()
        for message in messages:
            if isinstance(message, Bye):  # the connection itself may live on in a fork of the client
                self.left(peer)
                peer.close()
                return
            self._machine.received(peer.number, message, now)
        self.flush()

    def flush(self) -> None:
        """Sends what the machine wants sent."""
        for number, messages in self._machine.take().items():
            peer = self._peers.get(number)
            if peer is not None:
                peer.send(messages)
        if self._machine.wanted != self._wanted and self._machine.wanted is not None:
            self._wanted = self._machine.wanted
            self._scaled(self._wanted)

    def trouble(self, peer: _Peer, error: Exception) -> None:
        """A peer did what it may not; only its own connection ends."""
        self._log(f"ended the connection of {peer.name}: {error}")
        peer.abort()

    def tick(self) -> None:
        """Tells the machine that time passes."""
        asyncio.get_running_loop().call_later(_TICK, self.tick)
        self._machine.tick(time.monotonic())
        self.flush()

    def close(self) -> None:
        """Ends all connections."""
        for peer in list(self._peers.values()):
            peer.close()

    def _refusal(self, hello: Hello) -> str:
        if hello.protocol != PROTOCOL:
            return (
                f"The scheduler speaks version {PROTOCOL} of the protocol, the {hello.role} version {hello.protocol}. "
                "Run `make down` and `make up`, so that all are of one version."
            )
        if hello.role == "control":
            return ""
        return mismatch(hello.environment, self._environment)


class _Peer(asyncio.Protocol):
    """One connection: login within 1 KiB and 10 s, a Hello, then messages."""

    def __init__(self, server: Server, number: int, key: bytes) -> None:
        self._server = server
        self._login = ServerLogin(key)
        self._before_login = 0
        self._decoder = Decoder()
        self._joined = False
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.number = number
        self.name = f"connection {number}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=1 << 30)
        self._timer = asyncio.get_running_loop().call_later(LOGIN_SECONDS, self._too_late)
        self._transport.write(self._login.greeting)

    def data_received(self, data: bytes) -> None:
        try:
            if not self._login.finished():
                self._before_login += len(data)
                answer = self._login.feed(data)
                if not self._login.finished():
                    if self._before_login > LOGIN_BYTES:
                        raise LoginError("it sent too much before its login")
                    return
                assert self._transport is not None
                self._transport.write(answer)
                data = self._login.rest
            messages = self._decoder.feed(data)
            if messages and not self._joined:
                hello = messages.pop(0)
                if not isinstance(hello, Hello):
                    raise LoginError(f"its first message is a {type(hello).__name__}")
                self._joined = True
                self.name = f"{hello.role} {hello.identity}"
                if self._timer is not None:
                    self._timer.cancel()
                self._server.joined(self, hello)
            if messages:
                self._server.received(self, messages)
        except KubefutureError as error:
            if not self._login.finished() and self._transport is not None:
                self._transport.write(REFUSAL)
            self._server.trouble(self, error)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._server.left(self)

    def send(self, messages: list[Message]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(messages))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _too_late(self) -> None:
        if not self._joined:
            self._server.trouble(self, LoginError(f"it did not log in within {LOGIN_SECONDS:.0f} s"))
