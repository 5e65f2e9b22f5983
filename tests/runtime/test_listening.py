"""Where a scheduler listens: everywhere is both families of addresses, as far as the machine has them."""

from __future__ import annotations

import errno
import socket

import kubefuture as kf
import pytest
from kubefuture.core.connection import Connection
from kubefuture.errors import StartError
from kubefuture.scheduler.listening import EVERYWHERE, listen_tcp

from tests import needs
from tests.faults.raw import RawPeer
from tests.faults.tls import TlsCluster
from tests.faults.waiting import LIMIT, eventually

each_host = pytest.mark.parametrize("host", ["127.0.0.1", "::1"])


def reach(host: str) -> str:
    """Who asks for a machine's IPv6 address has to have one."""
    if ":" in host:
        needs.ipv6()
    return host


@each_host
def test_everywhere_is_reached_by_ipv4_and_by_ipv6(host):
    reach(host)
    with listen_tcp(EVERYWHERE, 0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection((host, port), LIMIT), listener.accept()[0]:
            pass


def test_everywhere_is_ipv4_alone_where_the_kernel_has_no_ipv6(monkeypatch):
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listen_tcp(EVERYWHERE, 0) as listener:
        host, port = listener.getsockname()
        assert host == "0.0.0.0"
        socket.create_connection(("127.0.0.1", port), LIMIT).close()


def test_everywhere_is_ipv4_alone_where_ipv6_addresses_cannot_be_had(monkeypatch):
    real = socket.create_server

    def refusing(place, *, family=socket.AF_INET, **options):
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return real(place, family=family, **options)

    monkeypatch.setattr(socket, "create_server", refusing)
    with listen_tcp(EVERYWHERE, 0) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"


@each_host
def test_a_port_that_somebody_has_at_one_address_cannot_be_had_everywhere(host):
    family = socket.AF_INET6 if ":" in reach(host) else socket.AF_INET
    with socket.create_server((host, 0), family=family) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartError, match=f"cannot listen at ::, port {port}: Address already in use"):
            listen_tcp(EVERYWHERE, port)


@each_host
def test_scripts_and_workers_come_to_a_scheduler_that_listens_everywhere(host):
    with TlsCluster(1, host=f"[{reach(host)}]" if ":" in host else host) as cluster:
        with kf.plan("cluster", connection=cluster.connection):
            assert kf.map(lambda n: n * n, range(5)) == [0, 1, 4, 9, 16]
        with RawPeer(Connection.load(cluster.connection)) as stranger:
            stranger.shout(bytes(64))
            stranger.hung_up()
        eventually(lambda: f" from {host}" in cluster.scheduler.text(), "the log names who came")
