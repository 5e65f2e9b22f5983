"""A door for browsers at an address that stays, whatever becomes of the way behind it."""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from kubefuture.core import doorway, tunnel
from kubefuture.core.doorway import VISITORS, Doorway
from kubefuture.core.route import Route
from kubefuture.core.ways import ClusterWay, SocketWay
from kubefuture.errors import NoAnswerError

from tests.faults import fake_kubectl, processes
from tests.faults.waiting import LIMIT, eventually


class Site:
    """A web site, as a scheduler has one."""

    def __init__(self, port: int = 0) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = f"this is {self.path}".encode() * (100_000 if self.path == "/long" else 1)
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Door:
    """A door in a thread.

    Attributes:
        said: What was said to the person who opened it.
        over: There is nothing to lead to any more.
    """

    def __init__(self, way: doorway.Way) -> None:
        self.said: list[str] = []
        self.over = False
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        kept = self._keep(way, listener)
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(kept,), daemon=True)
        self._thread.start()

    async def _keep(self, way: doorway.Way, listener: socket.socket) -> None:
        self._doorway = Doorway(way, self.said.append)
        await self._doorway.keep(listener, lambda: self.over)
        await way.close()

    @property
    def closed(self) -> bool:
        return not self._thread.is_alive()

    def has(self, visitors: int) -> bool:
        return self._doorway._visitors == visitors

    def get(self, path: str = "/") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        connection.request("GET", path)
        answer = connection.getresponse()
        told = answer.status, answer.read().decode()
        connection.close()
        return told

    def opens(self) -> None:
        def leads() -> bool:
            with suppress(OSError):
                return self.get()[0] == 200
            return False

        eventually(leads, "the way is open")

    def close(self) -> None:
        self.over = True
        self._thread.join(LIMIT)
        self._loop.close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "_PAUSES", (0.01,))
    monkeypatch.setattr(doorway, "LOOK_SECONDS", 0.05)
    # A busy machine may stand still for a while. Only the test of a forward that hangs is to see that time pass.
    monkeypatch.setattr(doorway, "ANSWER_SECONDS", LIMIT)
    monkeypatch.setattr(tunnel, "OPEN_SECONDS", LIMIT)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@pytest.fixture
def kubectl(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = fake_kubectl.put(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_KUBECTL_TARGET", f"127.0.0.1:{site.port}")
    return folder


@pytest.fixture
def door(kubectl: Path) -> Iterator[Door]:
    made = Door(ClusterWay(Route("", "lab", "study", "study-scheduler", 8080, "deployment")))
    yield made
    made.close()
    eventually(lambda: forwards(kubectl) == [], "its forward has ended")


def forwards(folder: Path) -> list[int]:
    """The forwards that run."""
    return [
        pid
        for pid, process in processes.living().items()
        if str(folder) in process.command and "fake_kubectl.py" in process.command
    ]


def test_browsers_are_led_through_it(door):
    door.opens()
    assert door.get("/status.json") == (200, "this is /status.json")
    assert len(door.get("/long")[1]) == 1_300_000
    assert door.said == []


def test_a_forward_that_dies_is_opened_anew_at_the_same_address(door, kubectl):
    door.opens()
    [before] = forwards(kubectl)
    os.kill(before, signal.SIGKILL)
    eventually(lambda: forwards(kubectl) not in ([], [before]), "another forward")
    door.opens()
    eventually(lambda: len(door.said) >= 2, "it is said")
    assert "tried again" in door.said[0] and "open again" in door.said[1]


def test_a_forward_that_hangs_is_noticed_and_ended(door, kubectl, monkeypatch):
    monkeypatch.setattr(doorway, "ANSWER_SECONDS", 2.0)
    monkeypatch.setattr(
        tunnel, "OPEN_SECONDS", 15.0
    )  # one that is stopped while it opens is tried again, too
    door.opens()
    stopped: list[int] = []

    def stop() -> bool:
        """On a busy machine one may have been taken for one that hangs, and another one be there by now."""
        for pid in forwards(kubectl):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                stopped.append(pid)
        return bool(stopped)

    eventually(stop, "a forward that hangs")
    eventually(lambda: set(forwards(kubectl)) - set(stopped), "another forward")
    door.opens()
    assert any("nobody answers within 2 s" in words for words in door.said)
    eventually(lambda: not any(map(processes.is_alive, stopped)), "the end of the one that hangs")


def test_what_keeps_it_closed_is_said_once_and_shown_to_browsers(door, kubectl, site, monkeypatch):
    door.opens()
    monkeypatch.setenv("FAKE_KUBECTL_ERROR", "error: the <pod> is gone")
    for pid in forwards(kubectl):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: "&lt;pod&gt; is gone" in door.get()[1], "browsers are told")
    status, page = door.get()
    assert status == 503 and "asks again by itself" in page
    for _ in range(20):
        door.get()
    assert sum("is gone" in words for words in door.said) == 1
    monkeypatch.delenv("FAKE_KUBECTL_ERROR")
    door.opens()


def test_a_pod_that_moved_is_found_again(door, site, monkeypatch):
    door.opens()
    other = Site()
    try:
        monkeypatch.setenv("FAKE_KUBECTL_TARGET", f"127.0.0.1:{other.port}")
        site.close()
        door.opens()
    finally:
        other.close()
        site.__init__()  # type: ignore[misc]


def test_it_closes_when_there_is_nothing_to_lead_to(door):
    door.opens()
    door.over = True
    eventually(lambda: door.closed, "it is closed")
    with pytest.raises(ConnectionRefusedError):
        door.get()


def test_no_more_visitors_than_there_may_be(door):
    door.opens()
    eventually(lambda: door.has(0), "the last visitor has left")
    held = [socket.create_connection(("127.0.0.1", door.port), LIMIT) for _ in range(VISITORS)]
    eventually(lambda: door.has(VISITORS), "all have come")
    with socket.create_connection(("127.0.0.1", door.port), LIMIT) as late:
        late.sendall(b"GET / HTTP/1.0\r\n\r\n")
        with suppress(ConnectionResetError):
            assert late.recv(1) == b""
    for one in held:
        one.close()
    door.opens()


def test_a_socket_that_is_not_there_is_waited_for(tmp_path):
    door = Door(SocketWay(str(tmp_path / "page.sock")))
    try:
        eventually(lambda: door.said, "it is said")
        assert "The scheduler does not answer" in door.said[0]
        assert door.get()[0] == 503
    finally:
        door.close()


def test_kubectl_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoAnswerError):
        asyncio.run(ClusterWay(Route("", "lab", "study", "s", 8080, "deployment")).open())
