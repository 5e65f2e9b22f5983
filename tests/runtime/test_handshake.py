"""Who may talk to the scheduler (R12, R31): nothing is decoded before the login, and both sides must fit."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress
from pathlib import Path

import kubefuture as kf
import pytest
from kubefuture.core.connection import Connection
from kubefuture.core.version import lock_digest, mismatch, own_environment
from kubefuture.errors import LoginError, VersionError
from kubefuture.protocol.auth import REFUSAL, ServerLogin
from kubefuture.protocol.framing import frame
from kubefuture.protocol.messages import PROTOCOL, Bye, Environment, Refused, StatusRequest, Welcome
from kubefuture.scheduler import gate, server
from kubefuture.scheduler.listening import listen_unix

from tests.faults.programs import Cluster
from tests.faults.raw import NoMachine, RawPeer, raw_hello
from tests.faults.waiting import LIMIT, eventually


@pytest.fixture(scope="module")
def scheduler():
    """A real scheduler that every test of this file leaves as it was."""
    cluster = Cluster(0)
    cluster.start_scheduler()
    yield cluster
    assert cluster.scheduler.process.poll() is None, "it survived all of this"
    assert cluster.status().sessions == 0
    cluster.close()


@pytest.fixture
def connection(scheduler) -> Connection:
    """How to reach it."""
    return Connection.load(scheduler.connection)


@pytest.mark.parametrize(("slots", "workers"), [(1, "1 worker"), (2, "2 workers")])
def test_R32_whoever_connects_is_told_which_cluster_it_is(capfd, slots, workers):
    with Cluster(slots) as cluster, kf.plan("sequential"):
        kf.plan("cluster", connection=cluster.connection)
        project = Connection.load(cluster.connection).project
        kf.plan("sequential")
        said = capfd.readouterr().err
    assert f"kubefuture: using the local cluster of project {project}, {workers}.\n" in said


def test_who_knows_the_token_and_fits_is_welcome(connection):
    with RawPeer(connection) as peer:
        peer.log_in().say(raw_hello(python=own_environment().python))
        assert isinstance(peer.hear(), Welcome)


@pytest.mark.parametrize(
    "content",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 10, b"\0" * 4096, frame([raw_hello(), StatusRequest()]) * 5],
    ids=["another protocol", "zeros", "messages without a login"],
)
def test_R31_nothing_of_a_stranger_is_decoded(connection, scheduler, content):
    with RawPeer(connection) as peer:
        peer.shout(content)
        greeting = peer.hung_up()
    assert greeting.startswith(b"kubefuture") and greeting[44:] == REFUSAL, "that was all that it got"
    eventually(
        lambda: "did not prove that it knows the token" in scheduler.scheduler.text(), "a line in the log"
    )


def test_a_wrong_token_gets_no_proof_of_the_right_one(connection):
    with RawPeer(connection) as peer, pytest.raises(LoginError, match="does not accept"):
        peer.log_in(bytes(32))


def test_a_client_with_a_wrong_token_is_told_so(connection, tmp_path):
    Connection("test", "local", connection.address, "00" * 32).save(tmp_path / "connection.json")
    with pytest.raises(LoginError, match=r"does not accept the token.*make up"):
        kf.plan("cluster", connection=tmp_path / "connection.json")


@pytest.mark.parametrize(
    "first",
    [Bye(), StatusRequest(), raw_hello("admin"), raw_hello("scheduler")],
    ids=lambda message: repr(message)[:20],
)
def test_a_peer_that_does_not_introduce_itself_is_put_out(connection, first):
    with RawPeer(connection) as peer:
        peer.log_in().say(first)
        peer.hung_up()


def test_a_peer_that_breaks_the_rules_loses_only_its_own_connection(connection):
    python = own_environment().python
    with RawPeer(connection) as good, RawPeer(connection) as bad:
        for peer in (good, bad):
            peer.log_in().say(raw_hello(python=python))
            assert isinstance(peer.hear(), Welcome)
        bad.say(Welcome("x"))
        bad.hung_up()
        good.say(StatusRequest())
        assert good.hear().sessions == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"python": "3.9.1"}, "Python 3.9 here and 3."),
        ({"cloudpickle": "2.2.1"}, "cloudpickle 2 here and 3 on the cluster"),
        ({"numpy": "1.26.4"}, "numpy 1.26 here and 2."),
        ({"msgspec": "0.1.0"}, "msgspec 0.1 here and 0."),
    ],
)
@pytest.mark.parametrize("role", ["client", "worker"])
def test_R12_versions_that_do_not_fit_are_refused_with_both_named(connection, role, changes, reason):
    with RawPeer(connection) as peer:
        peer.log_in().say(raw_hello(role, **changes))
        refused = peer.hear()
        assert isinstance(refused, Refused)
        assert reason in refused.reason and "make down" in refused.reason
        peer.hung_up()


def test_R12_another_protocol_is_refused_with_both_named(connection):
    with RawPeer(connection) as peer:
        peer.log_in().say(raw_hello(protocol=PROTOCOL + 7))
        assert f"version {PROTOCOL} of the protocol, the client version {PROTOCOL + 7}" in peer.hear().reason


def test_status_may_be_asked_for_by_any_python(connection):
    """`make status` must say something when the environment has been changed under the cluster."""
    with RawPeer(connection) as peer:
        peer.log_in().say(raw_hello("control", python="3.99"), StatusRequest())
        assert isinstance(peer.hear(), Welcome)
        assert peer.hear().wanted_slots == 0


def test_R12_locks_are_compared_where_both_have_one(tmp_path):
    first, second = tmp_path / "first.lock", tmp_path / "second.lock"
    first.write_text("numpy==2.0\n")
    second.write_text("numpy==2.1\n")
    one, other = (
        Environment("3.11.1", "3.1", "0.19", numpy, lock_digest(lock))
        for numpy, lock in (("2.0", first), ("2.1", second))
    )
    assert lock_digest(first)[:12] in mismatch(one, other) and lock_digest(second)[:12] in mismatch(
        one, other
    )
    assert mismatch(one, one) == ""
    assert "numpy 2.0 here and 2.1" in mismatch(one, Environment("3.11.9", "3.1", "0.19", "2.1"))
    assert mismatch(one, Environment("3.11.9", "3.2.0", "0.19.7", "2.0.9")) == "", "patches may differ"


class FakeScheduler:
    """Knows the token, and refuses everybody with a reason."""

    def __init__(self, cluster: Cluster, reason: str) -> None:
        self._reason = reason
        self._key = Connection.load(cluster.connection).key
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(cluster.socket))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            login = ServerLogin(self._key)
            peer.sendall(login.greeting)
            while not login.finished():
                peer.sendall(login.feed(peer.recv(1 << 16)))
            peer.sendall(frame([Refused(self._reason)]))
            peer.shutdown(socket.SHUT_WR)
            with suppress(ConnectionResetError):
                while peer.recv(1 << 16):  # closing before its Hello was read would break the connection off
                    pass
            peer.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def test_a_refusal_reaches_the_terminal_of_client_and_worker():
    cluster = Cluster(1)
    fake = FakeScheduler(cluster, "They do not fit, run `make down`.")
    try:
        with pytest.raises(VersionError, match="They do not fit, run `make down`"):
            kf.plan("cluster", connection=cluster.connection)
        cluster.worker = cluster.program("worker")
        assert cluster.worker.answer() == "error They do not fit, run `make down`."
        assert cluster.worker.process.wait(LIMIT) == 1
    finally:
        fake.close()
        cluster.close()


def test_r31_who_does_not_log_in_in_time_is_put_out(monkeypatch, tmp_path):
    monkeypatch.setattr(gate, "LOGIN_SECONDS", 0.01)
    said: list[str] = []

    async def wait_to_be_put_out(path: Path) -> bytes:
        service = server.Server(bytes(32), NoMachine(), said.append, lambda slots: None)
        door = gate.Gate(listen_unix(str(path)), service)
        reader, writer = await asyncio.open_unix_connection(str(path))
        greeting = await reader.read()
        writer.close()
        door.close()
        return greeting

    assert len(asyncio.run(wait_to_be_put_out(tmp_path / "s"))) == 44
    assert "did not log in within" in said[0]
