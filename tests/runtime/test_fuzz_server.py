"""Logins and messages of all kinds of wrongness, brought to a real server (R31), as test_fuzz does for its parts."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from itertools import count
from random import Random

from kubefuture.errors import KubefutureError
from kubefuture.protocol import auth
from kubefuture.protocol.framing import Decoder, frame
from kubefuture.protocol.messages import (
    Bye,
    Cancel,
    Done,
    Elements,
    Function,
    Open,
    Raised,
    Release,
    Returned,
    Scale,
    SlotLost,
    SlotReady,
    StatusRequest,
    Tasks,
)
from kubefuture.scheduler import peer, server
from msgspec.structs import replace

from tests.faults.raw import NoMachine, raw_hello
from tests.runtime import driver, fuzzing
from tests.runtime.fuzzing import bounded_memory, nonces  # noqa: F401 (fixtures)

CLIENT = (Function, Open, Elements, Tasks, Cancel, Release)
WORKER = (SlotReady, SlotLost, Done, Raised, Returned)
FOR_ALL = (StatusRequest, Scale, Bye)
SAID_BY = {
    "client": (*CLIENT, *FOR_ALL),
    "worker": (*WORKER, SlotReady, *FOR_ALL),
    "control": FOR_ALL,
    "?": fuzzing.KINDS,
}
"""What each role may say, so that its odd values get further than to its type."""


class Wire(asyncio.Transport):
    """Stands for a socket: keeps what is written, and whether it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class Untouchable(NoMachine):
    """A machine that remembers who disturbed it."""

    def __init__(self) -> None:
        self.disturbed: list[str] = []

    def connected(self, *what: object) -> None:
        self.disturbed.append(repr(what))

    received = disconnected = away = back = connected


class Shell:
    """A real server, and the errors that it was told of."""

    def __init__(self, machine: object) -> None:
        self.lines: list[str] = []
        self.server = server.Server(fuzzing.KEY, machine, self.lines.append, lambda slots: None)
        self.server.strangers = self.lines.append
        self.errors: list[Exception] = []
        trouble = self.server.trouble

        def heard(who: peer.Peer, error: Exception) -> None:
            self.errors.append(error)
            trouble(who, error)

        self.server.trouble = heard

    def connect(self) -> tuple[peer.Peer, Wire]:
        """Somebody connects."""
        self.errors.clear()
        self.lines.clear()
        one, wire = self.server.protocol(), Wire()
        one.connection_made(wire)
        return one, wire

    def deliver(self, rng: Random, one: peer.Peer, wire: Wire, content: bytes) -> None:
        """Delivers until the connection is closed, and some of what was on the way; then it is gone."""
        for piece in fuzzing.pieces(rng, content):
            if wire.closed and rng.random() < 0.5:
                break
            one.data_received(piece)
        one.connection_lost(None)
        assert one.settled.done()
        for error in self.errors:
            if not isinstance(error, KubefutureError):
                raise error


def test_r31_nothing_is_decoded_and_nothing_disturbed_before_the_login(nonces, monkeypatch):  # noqa: F811
    early: list[bytes] = []

    class Watched(Decoder):
        """Knows whether its peer has logged in."""

        logged_in = False

        def feed(self, data):
            if not self.logged_in:
                early.append(data)
            return super().feed(data)

    monkeypatch.setattr(peer, "Decoder", Watched)

    async def strangers() -> None:
        machine = Untouchable()
        shell = Shell(machine)

        def case(rng: Random) -> None:
            machine.disturbed.clear()
            one, wire = shell.connect()
            said = fuzzing.said_by_client(rng, wire.written)
            right = fuzzing.is_right(wire.written, said)
            one._decoder.logged_in = right
            shell.deliver(rng, one, wire, said)
            assert not early
            assert one.logged_in == right
            if not right:
                assert not machine.disturbed
                assert wire.written[fuzzing.GREETING :] in (b"", auth.REFUSAL)

        fuzzing.run("stranger", nonces, case)

    asyncio.run(strangers())


def test_r31_whoever_has_logged_in_can_end_only_its_own_connection(nonces):  # noqa: F811
    environment = server.own_environment()

    async def members() -> None:
        shell = Shell(Untouchable())
        shell.server._numbers = count(1000)

        def case(rng: Random) -> None:
            others, _, client = driver.bring_up(2)
            others.map(client, 1, 3)
            shell.server._machine = others.machine
            one, wire = shell.connect()
            nonce = rng.randbytes(32)
            one.data_received(
                nonce
                + hmac.digest(
                    fuzzing.KEY, b"client" + wire.written[12 : fuzzing.GREETING] + nonce, hashlib.sha256
                )
            )
            assert one.logged_in
            role = rng.choice((*SAID_BY, "client", "worker"))
            slots = driver.hello("worker", slots=2).slots
            hello = replace(raw_hello(role), environment=environment, slots=slots)
            said = frame([fuzzing.message(rng, SAID_BY[role]) for _ in range(rng.randrange(1, 12))])
            said = said if rng.random() < 0.6 else fuzzing.mutated(rng, said)
            shell.deliver(rng, one, wire, frame([hello]) + said)
            others.tick()
            assert others.machine.status(others.now).sessions, "the others are still there"

        fuzzing.run("member", nonces, case)

    asyncio.run(members())


def test_r31_goodbye_is_the_last_word(nonces):  # noqa: F811
    nonces.token_bytes = Random("goodbye").randbytes

    async def talk() -> None:
        shell = Shell(Untouchable())
        one, wire = shell.connect()
        nonce = bytes(32)
        right = hmac.digest(
            fuzzing.KEY, b"client" + wire.written[12 : fuzzing.GREETING] + nonce, hashlib.sha256
        )
        one.data_received(nonce + right + frame([raw_hello("control"), Bye()]))
        assert wire.closed
        one.data_received(b"\xff" * 100)
        assert not shell.errors

    asyncio.run(talk())
