"""TCP with TLS (R31): work goes through it, and only the cluster's own certificate is trusted, for its fixed name."""

from __future__ import annotations

import dataclasses
import socket
import ssl
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import kubefuture as kf
import pytest
from kubefuture.api.plan import current_plan
from kubefuture.client.control import fetch_status, set_scale
from kubefuture.core.certificate import SERVER_NAME, client_context, make_certificate
from kubefuture.core.connection import Connection
from kubefuture.errors import LoginError, NoAnswerError, NotUpError

from tests.faults.checkpoint import reach
from tests.faults.programs import Cluster, environment
from tests.faults.tls import Impostor, TlsCluster
from tests.faults.waiting import LIMIT, eventually


@pytest.fixture(scope="module")
def shared():
    """A cluster over TLS that every test leaves as it was."""
    with TlsCluster(2) as cluster:
        yield cluster


@pytest.fixture
def stopped():
    """One of which nothing runs yet."""
    cluster = TlsCluster(1)
    yield cluster
    cluster.close()


def silent(end, impostor):
    """Reads until the other side has enough."""
    while impostor.read(end):
        pass


def test_r31_a_map_over_tls_gives_the_right_results(shared):
    with kf.plan("cluster", connection=shared.connection):
        assert kf.map(lambda x: x * x, range(100)) == [x * x for x in range(100)]
    assert not shared.socket.exists(), "there is no other way in"


def test_r31_large_arguments_and_results_pass_through_tls(shared):
    content = bytes(range(256)) * 20_000
    with kf.plan("cluster", connection=shared.connection):
        assert kf.map(lambda x: x[::-1], [content, content]) == [content[::-1]] * 2


def test_r31_status_and_scale_work_over_tls(shared):
    connection = Connection.load(shared.connection)
    assert fetch_status(connection).scheduler_pid == shared.scheduler.pid
    assert set_scale(connection, 3).wanted_slots == 3
    assert set_scale(connection, 2).wanted_slots == 2


def test_r31_a_scheduler_listens_at_both_its_socket_and_its_port():
    cluster = TlsCluster(1, local=True)
    try:
        with cluster:
            for connection in (cluster.own, cluster.connection):
                assert Connection.load(connection).address[:4] in ("unix", "tcp:")
                with kf.plan("cluster", connection=connection):
                    assert kf.map(abs, [-1, -2]) == [1, 2]
            assert cluster.scheduler.kill(15) == 0
            assert not cluster.socket.exists()
    finally:
        cluster.close()


def test_r31_a_scheduler_that_dies_is_found_again_over_tls(checkpoint):
    with TlsCluster(2) as cluster, kf.plan("cluster", connection=cluster.connection):
        port, outcome = checkpoint.port, []
        work = threading.Thread(
            target=lambda: outcome.append(kf.map(lambda i: (i, reach(port, i)), range(2), chunk_size=1))
        )
        work.start()
        visits = checkpoint.take(2)
        cluster.kill_scheduler()
        cluster.start_scheduler()
        for visit in visits:
            visit.go()
        work.join(LIMIT)
        assert outcome == [[(0, ""), (1, "")]]


OLD = datetime.now(UTC) - timedelta(days=4000)
SOON = datetime.now(UTC) + timedelta(days=3)


@pytest.mark.parametrize(
    ("arguments", "trusted", "sentence"),
    [
        ({}, False, r"has not the certificate of the connection file.*impostor.*make up"),
        ({"name": "localhost"}, True, r"not for the name 'kubefuture'.*make up"),
        ({"starts": OLD}, True, r"has expired.*make down.*make up"),
        ({"starts": SOON}, True, r"not valid yet.*clock"),
    ],
    ids=["another certificate", "another name", "expired", "not yet valid"],
)
def test_r31_a_certificate_that_is_not_right_is_refused(stopped, tmp_path, arguments, trusted, sentence):
    pair = make_certificate(**arguments)
    with Impostor(tmp_path, pair, silent) as impostor:
        stopped.reachable_at(impostor.address)
        connection = Connection.load(stopped.connection)
        if trusted:
            connection = dataclasses.replace(connection, certificate=pair[0])
            connection.save(stopped.connection)
        with pytest.raises(LoginError, match=sentence):
            kf.plan("cluster", connection=stopped.connection)
        with pytest.raises(LoginError, match=sentence):
            fetch_status(connection)
        stopped.worker = stopped.program("worker")
        assert stopped.worker.answer().startswith("error ")
        assert stopped.worker.process.wait(LIMIT) == 1
        assert impostor.heard == b"", "nothing was said to it"


def test_r31_a_host_name_in_a_certificate_is_of_no_use(stopped, tmp_path):
    """A certificate that the whole system trusts for 127.0.0.1 would not do either."""
    stopped.start_scheduler()
    connection = Connection.load(stopped.connection)
    with connection.dial(LIMIT) as end, pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        client_context(connection.certificate).wrap_socket(end, server_hostname="127.0.0.1")
    context = client_context(connection.certificate)
    assert [one["subject"] for one in context.get_ca_certs()] == []
    assert context.cert_store_stats()["x509"] == 1, "nobody else is trusted"


def test_r31_what_speaks_no_tls_is_refused(stopped, tmp_path):
    with Impostor(
        tmp_path, None, lambda end, _: end.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    ) as impostor:
        stopped.reachable_at(impostor.address)
        with pytest.raises(LoginError, match="no kubefuture scheduler, or one without TLS"):
            kf.plan("cluster", connection=stopped.connection)


def test_r31_what_hangs_up_in_the_middle_of_tls_does_not_answer(stopped, tmp_path):
    with Impostor(tmp_path, None, lambda end, impostor: impostor.read(end)) as impostor:
        stopped.reachable_at(impostor.address)
        with pytest.raises(NoAnswerError, match="does not answer"):
            kf.plan("cluster", connection=stopped.connection)


def test_r31_a_port_at_which_nobody_listens_does_not_answer(stopped):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    stopped.reachable_at(f"tcp:127.0.0.1:{port}")
    with pytest.raises(NoAnswerError, match="make up"):
        fetch_status(Connection.load(stopped.connection))


def test_r31_older_tls_is_not_spoken(stopped):
    stopped.start_scheduler()
    connection = Connection.load(stopped.connection)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=connection.certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with connection.dial(LIMIT) as end, pytest.raises(ssl.SSLError):
        context.wrap_socket(end, server_hostname=SERVER_NAME)
    assert client_context(connection.certificate).minimum_version == ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize(
    "what", ["a key that others read", "another key", "no key", "a locked key", "no PEM"]
)
def test_r31_a_key_that_cannot_be_used_is_named(stopped, what):
    certificate, key = stopped.pair
    match what:
        case "a key that others read":
            key.chmod(0o640)
        case "another key":
            key.write_text(make_certificate()[1])
        case "no key":
            key.unlink()
        case "a locked key":
            key.write_text(_locked(key.read_text()))
        case "no PEM":
            certificate.write_text("none")
    stopped.scheduler = stopped.program("scheduler")
    said = stopped.scheduler.answer()
    assert said.startswith("error ") and str(key) in said and ("anew" in said or "Make a new" in said)
    assert stopped.scheduler.process.wait(LIMIT) == 1


def _locked(key: str) -> str:
    from cryptography.hazmat.primitives import serialization as form

    loaded = form.load_pem_private_key(key.encode(), None)
    locked = form.BestAvailableEncryption(b"secret")
    return loaded.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, locked).decode()


def test_r31_a_port_that_is_taken_is_named(stopped):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        stopped.port = taken.getsockname()[1]
        stopped.scheduler = stopped.program("scheduler")
        assert f"cannot listen at 127.0.0.1, port {stopped.port}" in stopped.scheduler.answer()


def test_r31_tcp_is_listened_at_only_with_tls():
    cluster = Cluster(1)
    try:
        cluster.scheduler = cluster.program("scheduler", "--listen", "127.0.0.1:0")
        assert "--listen needs --tls-certificate and --tls-key" in cluster.scheduler.answer()
        assert not cluster.socket.exists()
    finally:
        cluster.close()


@pytest.mark.parametrize("place", ["7000", "127.0.0.1", "127.0.0.1:", "a:b", "1::2:70", "127.0.0.1:99999"])
def test_a_place_to_listen_at_that_is_none_is_named(stopped, place):
    stopped.scheduler = stopped.program("scheduler", "--listen", place)
    assert f"{place!r} is not of the form HOST:PORT" in stopped.scheduler.answer()


def test_a_scheduler_whose_address_is_a_network_one_must_be_told_where_to_listen(stopped):
    stopped.scheduler = stopped.program("scheduler", "--listen", "")
    assert "--listen must say where" in stopped.scheduler.answer()


def test_r31_a_network_address_without_a_certificate_is_refused(tmp_path):
    path = tmp_path / "connection.json"
    Connection("study", "kind", "tcp:127.0.0.1:7000", "ab" * 32).save(path)
    with pytest.raises(LoginError, match=r"no certificate.*impostor.*make up"):
        kf.plan("cluster", connection=path)


def test_r31_a_damaged_certificate_is_named(tmp_path):
    path = tmp_path / "connection.json"
    with socket.create_server(("127.0.0.1", 0)) as there:
        for certificate in ("none", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "é"):
            address = f"tcp:127.0.0.1:{there.getsockname()[1]}"
            Connection("study", "kind", address, "ab" * 32, certificate).save(path)
            with pytest.raises(NotUpError, match=r"certificate in the connection file is damaged.*make up"):
                kf.plan("cluster", connection=path)


@pytest.mark.parametrize(
    "address", ["tcp:", "tcp:host", "tcp::7", "tcp:host:x", "tcp:a:b:7", "http://x:7", "", "x", "unix:"]
)
def test_an_address_that_is_none_is_damage(tmp_path, address):
    path = tmp_path / "connection.json"
    Connection("study", "kind", address, "ab" * 32, "certificate").save(path)
    with pytest.raises(NotUpError, match=r"is damaged.*make up"):
        Connection.load(path)


def test_r32_a_connection_with_a_certificate_comes_back_from_its_private_file(tmp_path):
    path = tmp_path / "connection.json"
    connection = Connection("study", "kind", "tcp:[::1]:7000", "ab" * 32, make_certificate()[0])
    connection.save(path)
    assert Connection.load(path) == connection and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert connection.host_and_port == ("::1", 7000) and connection.socket_path == ""
    with pytest.raises(ValueError, match="no network address"):
        dataclasses.replace(connection, address="unix:/x").host_and_port  # noqa: B018


def test_only_making_a_certificate_loads_what_makes_it():
    check = (
        "import kubefuture.core.certificate, sys\n"
        "print({'ssl', 'cryptography', 'asyncio'} & set(sys.modules))\n"
        "kubefuture.core.certificate.make_certificate()\n"
        "print('cryptography' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", check], env=environment(), capture_output=True, text=True, timeout=LIMIT
    )
    assert done.stdout.splitlines() == ["set()", "True"], done.stderr


def test_r31_two_certificates_are_never_alike():
    first, second = make_certificate(), make_certificate()
    assert first[0] != second[0] and first[1] != second[1]


def test_r31_the_log_names_the_port(stopped):
    stopped.start_scheduler()
    eventually(lambda: f"listening at tcp:127.0.0.1:{stopped.port}" in stopped.scheduler.text(), "the line")


def test_R7_the_kernel_asks_a_silent_peer_for_a_sign_of_life(shared):
    """A machine that lost power closes no connection."""
    with kf.plan("cluster", connection=shared.connection):
        transport = current_plan().backend()._link._transport
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
