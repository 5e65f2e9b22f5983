"""Hostile input at a network port (R31): strangers get nothing decoded, few places, little time and few lines."""

from __future__ import annotations

import asyncio
import os
import re
import resource
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

import kubefuture as kf
import pytest
import uvloop
from kubefuture.core.certificate import SERVER_NAME, client_context, server_context
from kubefuture.core.connection import Connection
from kubefuture.errors import LoginError
from kubefuture.protocol import framing
from kubefuture.protocol.auth import REFUSAL, ClientLogin, ServerLogin
from kubefuture.protocol.framing import frame
from kubefuture.protocol.limits import FRAME_BYTES
from kubefuture.protocol.messages import Open, StatusRequest, Welcome
from kubefuture.scheduler import gate, peer
from kubefuture.scheduler.listening import listen_tcp
from kubefuture.scheduler.quiet import Quiet
from kubefuture.scheduler.server import Server

from tests.faults.checkpoint import reach
from tests.faults.raw import NoMachine, RawPeer, raw_hello
from tests.faults.tls import Impostor, TlsCluster
from tests.faults.waiting import LIMIT, eventually


@pytest.fixture(scope="module")
def shared():
    """A cluster over TLS that outlives every test of this file."""
    with TlsCluster(2) as cluster:
        yield cluster
        assert cluster.scheduler.process.poll() is None, "it survived all of this"
        assert cluster.status().sessions == 0
        assert "Traceback" not in cluster.scheduler.text()


@pytest.fixture
def connection(shared) -> Connection:
    """How to reach it."""
    return Connection.load(shared.connection)


def everything(end: socket.socket) -> bytes:
    """What comes until the other side hangs up."""
    content = b""
    try:
        while some := end.recv(1 << 16):
            content += some
    except (ConnectionResetError, ssl.SSLError):
        pass
    return content


@pytest.mark.parametrize(
    "content",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10, b"\0" * 4096, os.urandom(100_000), frame([raw_hello()])],
    ids=["another protocol", "zeros", "noise", "a message"],
)
def test_r31_plain_bytes_at_the_port_get_no_greeting(connection, content):
    with connection.dial(LIMIT) as end:
        try:
            end.sendall(content)
        except OSError:
            pass  # it has hung up already
        assert b"kubefuture" not in everything(end)


@pytest.mark.parametrize(
    "content",
    [b"\0" * 64, b"\xff" * 300_000, frame([raw_hello(), StatusRequest()]) * 50],
    ids=["zeros", "much noise", "messages without a login"],
)
def test_r31_a_stranger_gets_nothing_decoded(connection, content):
    with RawPeer(connection) as stranger:
        stranger.shout(content)
        said = stranger.hung_up()
    assert said.startswith(b"kubefuture") and said[44:] in (REFUSAL, b""), "that was all that it got"


def test_r31_a_wrong_token_is_told_so_over_tls(connection):
    with RawPeer(connection) as stranger, pytest.raises(LoginError, match=r"does not accept.*make up"):
        stranger.log_in(bytes(32))


def test_r31_a_recorded_login_is_refused_when_it_is_played_again(connection):
    login = ClientLogin(connection.key)
    with RawPeer(connection) as first:
        recorded = login.feed(first.receive(44))
        first.shout(recorded)
        login.feed(first.receive(32))
        assert login.finished()
    with RawPeer(connection) as second:
        second.shout(recorded)
        assert second.hung_up()[44:] == REFUSAL


def test_r32_a_client_refuses_an_impostor_that_has_the_certificate_but_not_the_token(shared, tmp_path):
    def pretend(end: socket.socket, impostor: Impostor) -> None:
        end.sendall(ServerLogin(bytes(32)).greeting)
        impostor.read(end)
        end.sendall(os.urandom(32) + frame([Welcome("x")]))
        while impostor.read(end):
            pass

    original = Connection.load(shared.connection)
    pair = tuple(path.read_text() for path in shared.pair)
    with Impostor(tmp_path, pair, pretend) as impostor:
        shared.reachable_at(impostor.address)
        try:
            with pytest.raises(LoginError, match=r"did not prove that it knows the token.*make up"):
                kf.plan("cluster", connection=shared.connection)
        finally:
            original.save(shared.connection)
        assert len(impostor.heard) == 64, "it got the client's part of the login, and nothing else"


HELLO = frame([raw_hello()])


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (HELLO + (3).to_bytes(4, "little") + b"\xc1\xc1\xc1", "is no message of this protocol"),
        (HELLO + (2**31 - 1).to_bytes(4, "little"), f"is longer than the allowed {FRAME_BYTES}"),
        (HELLO + (9).to_bytes(4, "little") + b"\x92\xa7Refused\xff"[:9], "is no message of this protocol"),
        (HELLO + frame([Open(1, 1, 5)])[:-2], "it ended in the middle of a message"),
        (HELLO + (100).to_bytes(4, "little"), "it ended in the middle of a message"),
        (HELLO + frame([Welcome("x")]), "A Welcome does not belong here"),
        (frame([StatusRequest()]), "its first message is a StatusRequest"),
        (b"\xff" * 300, "is longer than the allowed"),
    ],
    ids=[
        "malformed",
        "oversized",
        "no text",
        "truncated",
        "a header only",
        "not its turn",
        "no hello",
        "noise",
    ],
)
def test_r31_who_breaks_the_rules_after_the_login_is_named_and_no_other_notices(
    shared, connection, checkpoint, content, line
):
    before = shared.scheduler.text().count(line)
    with kf.plan("cluster", connection=shared.connection):
        port, outcome = checkpoint.port, []
        work = threading.Thread(target=lambda: outcome.append(kf.map(lambda i: reach(port, i), range(2))))
        work.start()
        visits = checkpoint.take(2)
        with RawPeer(connection) as hostile:
            hostile.log_in().shout(content)
            if "ended in the middle" not in line:
                hostile.hung_up()
        eventually(lambda: shared.scheduler.text().count(line) > before, "a line that names it")
        for visit in visits:
            visit.go("on")
        work.join(LIMIT)
        assert outcome == [["on", "on"]]


@pytest.mark.parametrize("depth", [10_000, 200_000])
def test_r31_a_message_as_deep_as_a_well_ends_its_own_connection(connection, depth):
    content = b"\x92\xa3Bye" + b"\x91" * depth
    with RawPeer(connection) as hostile:
        hostile.log_in().shout(HELLO + len(content).to_bytes(4, "little") + content)
        hostile.hung_up()


class Door:
    """A gate of its own, in this process."""

    def __init__(self, shared: TlsCluster) -> None:
        self.lines: list[str] = []
        self.connection = Connection.load(shared.connection)
        self.server = Server(self.connection.key, NoMachine(), self.lines.append, lambda slots: None)
        listener = listen_tcp("127.0.0.1", 0)
        self.place = listener.getsockname()
        self._gate = gate.Gate(listener, self.server, server_context(*shared.pair))

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connects, without TLS yet."""
        return await asyncio.open_connection(*self.place)

    async def dial_tls(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connects with TLS."""
        context = client_context(self.connection.certificate)
        return await asyncio.open_connection(*self.place, ssl=context, server_hostname=SERVER_NAME)

    def close(self) -> None:
        """Listens no more."""
        self._gate.close()


@pytest.mark.parametrize("said", ["nothing", "half a handshake", "tls and nothing", "half a login"])
def test_r31_ten_seconds_include_tls_and_the_login(shared, monkeypatch, said):
    monkeypatch.setattr(gate, "LOGIN_SECONDS", 0.3)

    async def wait_to_be_put_out() -> tuple[bytes, list[str]]:
        door = Door(shared)
        try:
            reader, writer = await (door.dial_tls() if "tls" in said or "login" in said else door.dial())
        except OSError:  # it was put out before its handshake had ended
            await asyncio.sleep(0)
            door.close()
            return b"", door.lines
        if said == "half a handshake":
            writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        elif said == "half a login":
            writer.write(bytes(63))
        async with asyncio.timeout(LIMIT):
            try:
                content = await reader.read()
            except (ConnectionResetError, ssl.SSLError):
                content = b""
        writer.transport.abort()
        door.close()
        return content, door.lines

    content, lines = uvloop.run(wait_to_be_put_out())
    assert len(content) in (0, 44) and REFUSAL not in content
    assert any("did not log in within" in line or "before its login" in line for line in lines), lines


def test_r31_places_for_strangers_are_few_and_free_again_when_they_leave(shared, monkeypatch):
    monkeypatch.setattr(gate, "STRANGERS", 3)
    monkeypatch.setattr(
        gate, "LOGIN_SECONDS", 1200.0
    )  # who is inside stays there, however busy the machine is

    async def crowd() -> list[str]:
        door = Door(shared)
        async with asyncio.timeout(LIMIT):
            inside = [await door.dial(), await door.dial_tls(), await door.dial()]
            assert (await inside[1][0].readexactly(44)).startswith(b"kubefuture")
            for _ in range(100):
                reader, writer = await door.dial()
                try:
                    assert await reader.read() == b"", "closed at once"
                except ConnectionResetError:
                    pass
                writer.close()
            inside[0][1].transport.abort()
            while True:  # as soon as the one that left is noticed
                try:
                    reader, writer = await door.dial_tls()
                    assert (await reader.readexactly(44)).startswith(b"kubefuture")
                    break
                except (OSError, asyncio.IncompleteReadError):
                    continue
            for _, one in (*inside, (reader, writer)):
                one.transport.abort()
        door.close()
        return door.lines

    lines = uvloop.run(crowd())
    assert "3 others have not logged in" in lines[0]
    assert len(lines) < 10, "a hundred connections do not fill a log"


def test_r31_who_has_logged_in_takes_no_strangers_place(shared, monkeypatch):
    monkeypatch.setattr(gate, "STRANGERS", 1)
    monkeypatch.setattr(peer.Peer, "_take", lambda self, data: self._settle())

    async def many() -> None:
        door = Door(shared)
        ends = []
        async with asyncio.timeout(LIMIT):
            for _ in range(5):
                while True:  # until the one before has been recognised
                    try:
                        reader, writer = await door.dial_tls()
                        login = ClientLogin(door.connection.key)
                        writer.write(login.feed(await reader.readexactly(44)) + b"hello")
                        login.feed(await reader.readexactly(32))
                        break
                    except (OSError, asyncio.IncompleteReadError):
                        continue
                assert login.finished()
                ends.append(writer)
        for writer in ends:
            writer.transport.abort()
        door.close()

    uvloop.run(many())


def test_r31_a_log_for_strangers_has_one_line_a_second_and_counts_the_others():
    lines: list[str] = []
    now = [100.0]
    log = Quiet(lines.append, lambda: now[0])
    for number in range(1000):
        log(f"line {number}")
        now[0] += 0.004
    assert lines == [
        "line 0",
        *(f"line {n} (left out before: 249 such lines)" for n in (250, 500, 750)),
    ]


def test_r31_hundreds_of_strangers_leave_few_lines(shared, connection):
    before, began = len(shared.scheduler.text().splitlines()), time.monotonic()
    folder = Path(f"/proc/{shared.scheduler.pid}/fd")
    descriptors = len(list(folder.iterdir())) if folder.exists() else 0
    for _ in range(300):
        with connection.dial(LIMIT) as end:
            try:
                end.sendall(b"x" * 100)
            except OSError:
                pass
            everything(end)
    took = time.monotonic() - began
    assert len(shared.scheduler.text().splitlines()) - before < 20 + took, "of one kind, one a second"
    assert shared.status().wanted_slots == 2
    if descriptors:
        eventually(lambda: len(list(folder.iterdir())) <= descriptors, "the end of all their connections")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process can be changed on Linux only")
def test_r31_running_out_of_descriptors_neither_kills_the_scheduler_nor_makes_it_spin():
    with TlsCluster(0) as cluster:
        pid = cluster.scheduler.pid
        connection = Connection.load(cluster.connection)
        used = len(os.listdir(f"/proc/{pid}/fd"))
        _, hard = limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 2, hard))
        ends = [connection.dial(LIMIT) for _ in range(10)]
        line = "cannot accept connections: Too many open files"
        eventually(lambda: line in cluster.scheduler.text(), "a line that says so")
        start = _processor_seconds(pid)
        eventually(lambda: cluster.scheduler.text().count(line) >= 3, "two more attempts, a second apart")
        assert _processor_seconds(pid) - start < 0.5, "it waits in between"
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        for end in ends:
            end.close()
        assert cluster.status().scheduler_pid == pid


def _processor_seconds(pid: int) -> float:
    fields = re.sub(r".*\) ", "", open(f"/proc/{pid}/stat").read()).split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_r31_nothing_of_a_stranger_reaches_the_decoder(shared, monkeypatch):
    """Even a whole valid message is only counted against the login's length."""

    def never(content):
        raise AssertionError("decoded")

    monkeypatch.setattr(framing, "decode", never)

    async def shout() -> bytes:
        door = Door(shared)
        reader, writer = await door.dial_tls()
        writer.write(HELLO * 100)
        async with asyncio.timeout(LIMIT):
            content = await reader.read()
        writer.transport.abort()
        door.close()
        return content

    assert uvloop.run(shout())[44:] == REFUSAL
