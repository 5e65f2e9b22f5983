"""The scheduler's page for browsers: what it tells, to whom, and what it costs the scheduler."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator

import kubefuture as kf
import pytest
from kubefuture.core.connection import Connection
from kubefuture.core.events import line
from kubefuture.errors import StartError
from kubefuture.scheduler import board, web
from kubefuture.scheduler.board import Board
from kubefuture.scheduler.listening import listen_page
from kubefuture.scheduler.news import News
from kubefuture.scheduler.web import CONNECTIONS, Web

from tests.faults.changed import Changed
from tests.faults.checkpoint import Checkpoint, reach
from tests.faults.programs import Cluster, Program
from tests.faults.waiting import LIMIT, eventually
from tests.runtime.driver import Driver


class Page:
    """A page of a machine in this process.

    Attributes:
        driver: Drives the machine.
        news: What went wrong.
        port: Where it is.
    """

    def __init__(self) -> None:
        self.driver = Driver()
        self.logged: list[str] = []
        self.news = News(self.logged.append, clock=lambda: 5.0)
        self.board = Board(self.driver.machine, "study", self.news)
        listener = listen_page("127.0.0.1:0")
        self.port = listener.getsockname()[1]
        self.web = Web(listener, self.board)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def watch(self) -> None:
        """The scheduler's loop runs from now on."""
        self.loop.call_soon(self.board.watch)
        self._thread.start()

    def close(self) -> None:
        self.web.shutdown()
        self.web.server_close()
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
        self.loop.close()

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        told = answer.status, dict(answer.headers), answer.read()
        connection.close()
        return told

    def told(self) -> dict:
        status, _, content = self.ask("/status.json")
        assert status == 200
        return json.loads(content)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.setattr(web, "TURN_SECONDS", 0.02)
    # What is given up after some seconds: a busy machine may need them.
    for limit in ("_SNAPSHOT_SECONDS", "LONGEST_SECONDS", "STUCK_SECONDS"):
        monkeypatch.setattr(web, limit, 1200.0)
    monkeypatch.setattr(web._Handler, "timeout", 1200.0)
    made = Page()
    yield made
    made.close()


@pytest.fixture
def watched(page: Page) -> Page:
    page.watch()
    return page


def test_it_shows_workers_by_node_and_maps_by_name(watched):
    driver = watched.driver
    worker, client = driver.worker(2), driver.client()
    driver.map(client, 1, 10, chunk_size=1)
    leases = driver.leases(worker)
    driver.done(worker, leases[0][1])
    told = watched.told()
    assert told["project"] == "study"
    assert told["workers"] == {"wanted": 2, "connected": 2, "busy": 2, "away": 0, "leaving": 0}
    assert told["nodes"] == [{"name": "host", "slots": 2, "busy": 2, "away": 0, "leaving": 0}]
    [shown] = told["maps"]
    assert (shown["elements"], shown["state"]) == (10, "running")
    assert told["elements"]["done"] == 1
    assert told["programs"] == 1


def test_it_shows_fifty_maps_and_how_many_more_there_are(watched):
    client = watched.driver.client()
    for call in range(1, 61):
        watched.driver.map(client, call, 2)
    told = watched.told()
    assert (len(told["maps"]), told["more_maps"]) == (50, 10)


def test_what_went_wrong_is_told_with_the_maps_name(watched):
    watched.news(line("map-opened", session="s", call=4, name="means", elements=3))
    watched.news(line("element-struck", session="s", call=4, element=2, reason="exit code 9"))
    watched.news(line("connected", worker="w", host="h"))
    watched.news(line("element-struck", session="s", call=5, element=0, reason="signal 9"))
    watched.news("the number of pods cannot be changed to 3: no permission")
    assert [one["words"] for one in watched.told()["troubles"]] == [
        "The number of pods cannot be changed to 3: no permission",
        "A future ended its process: signal 9.",
        "Element 2 of means ended its process: exit code 9.",
    ]
    assert len(watched.logged) == 5, "the log has every line"


def test_who_only_asked_something_and_left_is_no_news(page):
    page.news(line("expired", control="c"))
    assert page.news.troubles == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_it_can_only_be_read(page, method):
    assert page.ask("/", method)[0] == 405


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "", "10.0.0.1"]
)
def test_another_sites_name_for_this_address_is_refused(page, host):
    """DNS rebinding: the browser believes that it talks to that site, and would let it read the answer."""
    assert page.ask("/status.json", Host=host)[0] == 403


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "LOCALHOST:8080", "[::1]:8080"])
def test_this_machines_own_names_are_fine(page, host):
    assert page.ask("/", Host=host)[0] == 200


@pytest.mark.parametrize(
    "path", ["/", "/page.js", "/page.css", "/icon.svg", "/healthz", "/nowhere", "/../web.py"]
)
def test_every_answer_forbids_what_it_does_not_need(page, path):
    page.watch()
    status, headers, content = page.ask(path)
    assert status == (404 if path in ("/nowhere", "/../web.py") else 200)
    assert headers["Content-Security-Policy"].startswith(
        "default-src 'none'; style-src 'self'; script-src 'self'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "Python" not in headers["Server"]
    assert (
        b"http://" not in content.replace(b"http://www.w3.org/2000/svg", b"") and b"https://" not in content
    )


def test_health_is_the_loops(page):
    page.board._beat = time.monotonic() - 3600  # as when the loop stands still
    assert page.ask("/healthz")[0] == 503
    page.watch()
    eventually(lambda: page.ask("/healthz")[::2] == (200, b"ok\n"), "the loop moves")


def test_a_loop_that_stands_still_is_said_and_not_waited_for(page, monkeypatch):
    monkeypatch.setattr(web, "_SNAPSHOT_SECONDS", 0.1)
    assert page.ask("/status.json")[0] == 503


def test_snapshots_are_made_only_while_somebody_looks(watched, monkeypatch):
    made = []
    glance = watched.driver.machine.glance
    monkeypatch.setattr(watched.driver.machine, "glance", lambda now: made.append(now) or glance(now))
    passed = threading.Semaphore(0)
    for _ in range(3):
        watched.loop.call_soon_threadsafe(watched.board.watch)
        watched.loop.call_soon_threadsafe(passed.release)
        assert passed.acquire(timeout=LIMIT)
    assert made == []
    monkeypatch.setattr(board, "FRESH_SECONDS", 3600.0)
    for _ in range(5):
        watched.told()
    assert len(made) == 1, "several who look at the same time are shown the same"


def test_more_connections_than_there_may_be_are_closed_and_the_others_go_on(watched):
    held = []
    for _ in range(CONNECTIONS):
        one = socket.create_connection(("127.0.0.1", watched.port), LIMIT)
        one.sendall(b"GET / HTTP/1.1\r\n")
        held.append(one)
    eventually(lambda: len(watched.web._open) == CONNECTIONS, "all are held")
    with socket.create_connection(("127.0.0.1", watched.port), LIMIT) as late:
        assert late.recv(1) == b""
    for one in held:
        one.close()
    eventually(lambda: not watched.web._open, "all are gone")
    watched.told()


def test_who_takes_too_long_is_shown_out(watched, monkeypatch):
    monkeypatch.setattr(web, "LONGEST_SECONDS", 0.0)
    with socket.create_connection(("127.0.0.1", watched.port), LIMIT) as slow:
        slow.sendall(b"GET / HT")
        assert slow.recv(1) == b""


@pytest.mark.parametrize("place", ["0.0.0.0:8080", "8080", "localhost:80", "[::]:80"])
def test_it_is_for_this_machine_alone(place):
    with pytest.raises(StartError, match="--page"):
        listen_page(place)


SLOW = """
from kubefuture.scheduler import web
web._SNAPSHOT_SECONDS = 1200.0
"""


@pytest.fixture
def paged() -> Iterator[Cluster]:
    """A cluster whose scheduler shows the page at a socket, and is asked even while its machine is busy."""

    class Paged(Changed):
        def program(self, role: str, *arguments: str, **changes: str) -> Program:
            more = ("--page", f"unix:{self.folder}/page") if role == "scheduler" else ()
            return super().program(role, *arguments, *more, **changes)

    with Paged(SLOW) as cluster:
        yield cluster


def read(cluster: Cluster, path: str) -> bytes:
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(str(cluster.folder / "page"))
        end.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        return b"".join(iter(lambda: end.recv(1 << 16), b""))


def test_a_real_scheduler_shows_its_maps_and_no_secret(paged):
    with kf.plan("cluster", connection=paged.connection), Checkpoint() as checkpoint:
        kf.map(abs, range(3), name="warm-up")
        slow = kf.imap(reach, [checkpoint.port] * 2)
        visit = checkpoint.next()
        told = json.loads(read(paged, "/status.json").partition(b"\r\n\r\n")[2])
        found = {(one["name"], one["function"]): one["state"] for one in told["maps"]}
        assert found == {("warm-up", "abs"): "finished", ("", "reach"): "running"}
        visit.go("on")
        checkpoint.next().go("on")
        assert list(slow) == ["on", "on"]
    token = Connection.load(paged.connection).token.encode()
    for path in ("/", "/status.json", "/page.js"):
        assert token not in read(paged, path)
    assert (paged.folder / "page").stat().st_mode & 0o777 == 0o600


def test_a_place_that_cannot_be_had_costs_the_page_alone(paged):
    os.mkdir(paged.folder / "other")
    paged.kill_scheduler()
    (paged.folder / "page").unlink()
    (paged.folder / "page").mkdir()
    paged.start_scheduler()
    eventually(lambda: paged.status().workers, "work goes on")
    assert "the page for browsers cannot be shown" in paged.scheduler.text()
