"""The scheduler daemon's shell: sockets, the clock and the log around the pure machine."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable
from itertools import count

from ..core.version import mismatch, own_environment
from ..errors import KubefutureError, ProtocolError
from ..machine.machine import Machine
from ..protocol.limits import MOST_SLOTS
from ..protocol.messages import PROTOCOL, AnyMessage, Bye, Hello, Refused, Scale
from .peer import Peer
from .quiet import Quiet

_TICK = 0.25


class Server:
    """All connections of one scheduler.

    Args:
        key: The token's bytes.
        machine: The state.
        log: Takes one line for the log.
        scaled: Told the wanted number of slots when a client changed it.

    Attributes:
        strangers: The log for those who have not logged in.
    """

    def __init__(
        self, key: bytes, machine: Machine, log: Callable[[str], None], scaled: Callable[[int], None]
    ) -> None:
        self._key = key
        self._machine = machine
        self._log = log
        self.strangers = Quiet(log)
        self._scaled = scaled
        self._wanted = machine.wanted
        self._numbers = count(1)
        self._peers: dict[int, Peer] = {}
        self._environment = own_environment()
        self.tick()

    def protocol(self) -> Peer:
        """A new connection, for asyncio."""
        return Peer(self, next(self._numbers), self._key)

    def joined(self, peer: Peer, hello: Hello) -> None:
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

    def left(self, peer: Peer) -> None:
        """A connection ended."""
        if self._peers.pop(peer.number, None) is not None:
            self._log(f"disconnected {peer.name}")
            self._machine.disconnected(peer.number, time.monotonic())
            self.flush()

    def received(self, peer: Peer, messages: list[AnyMessage]) -> None:
        """Messages of a peer that joined."""
        now = time.monotonic()
        for message in messages:
            if isinstance(message, Bye):  # the connection itself may live on in a fork of the client
                self.left(peer)
                peer.close()
                return
            if isinstance(message, Scale) and message.slots > MOST_SLOTS:
                raise ProtocolError(f"There cannot be {message.slots} slots, {MOST_SLOTS} at most.")
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

    def trouble(self, peer: Peer, error: Exception) -> None:
        """A peer did what it may not; only its own connection ends."""
        if not peer.logged_in:
            self.strangers(f"ended {peer.name}: {error}")
            peer.close()  # which lets the refusal through
            return
        self._log(f"ended the connection of {peer.name}: {error if _declared(error) else repr(error)}")
        if not _declared(error):
            self._log("".join(traceback.format_exception(error)))
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


def _declared(error: Exception) -> bool:
    """Whether the peer broke a rule, rather than found a mistake of ours."""
    return isinstance(error, KubefutureError)
