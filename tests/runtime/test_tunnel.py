"""The way into a cluster: a forward of kubectl that is its program's own child, and is opened anew when it is cut."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import kubefuture as kf
import pytest
from kubefuture.client.control import fetch_status
from kubefuture.core import tunnel
from kubefuture.core.certificate import make_certificate
from kubefuture.core.connection import Connection
from kubefuture.errors import LoginError, NoAnswerError, NotUpError

from tests.faults import fake_kubectl, processes
from tests.faults.checkpoint import Checkpoint, reach
from tests.faults.programs import environment
from tests.faults.tls import Impostor, TlsCluster
from tests.faults.waiting import LIMIT, eventually

SLOWLY = f"import kubefuture.core.tunnel as tunnel; tunnel.OPEN_SECONDS = {LIMIT}\n"
"""How a program begins that opens a forward of its own."""


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsCluster]:
    """A cluster that only a forward leads to, which a busy machine may open slowly."""
    monkeypatch.setattr(tunnel, "OPEN_SECONDS", LIMIT)
    with TlsCluster(2) as cluster:
        folder = fake_kubectl.put(tmp_path / "bin")
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("FAKE_KUBECTL_TARGET", f"127.0.0.1:{cluster.port}")
        workers = Connection.load(cluster.connection)
        far = dataclasses.replace(workers, address="kubectl:study/study-scheduler:7000", context="lab")
        cluster.connection = tmp_path / "far.json"
        far.save(cluster.connection)
        yield cluster


def forwards(far: TlsCluster) -> list[int]:
    """The forwards to it that run."""
    own = str(far.connection.parent / "bin")
    return [
        pid
        for pid, process in processes.living().items()
        if own in process.command and "fake_kubectl.py" in process.command
    ]


def lead(far: TlsCluster, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """Forwards lead elsewhere from now on; those that were open are cut."""
    monkeypatch.setenv("FAKE_KUBECTL_TARGET", target)
    for forward in forwards(far):
        os.kill(forward, signal.SIGKILL)


def test_a_program_reaches_a_cluster_through_a_forward_of_its_own(far):
    with kf.plan("cluster", connection=far.connection):
        assert kf.map(lambda x: x * x, range(20)) == [x * x for x in range(20)]
        assert len(forwards(far)) == 1


def test_a_forward_that_dies_costs_only_time(far):
    with kf.plan("cluster", connection=far.connection), Checkpoint() as checkpoint:
        kf.map(abs, range(2))
        (before,) = forwards(far)
        slow = kf.future(reach, checkpoint.port)
        visit = checkpoint.next()
        os.kill(before, signal.SIGKILL)
        eventually(lambda: forwards(far) not in ([], [before]), "another forward")
        visit.go("on")
        assert slow.result(LIMIT) == "on"
        assert kf.map(abs, range(4)) == [0, 1, 2, 3]


def test_a_program_that_begins_while_token_and_certificate_are_changed_waits_for_their_file(far):
    right = Connection.load(far.connection)
    dataclasses.replace(right, certificate=make_certificate()[0]).save(far.connection)
    program = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import kubefuture.client.trying as trying; trying.REPLACED_SECONDS = 240\n"
            + SLOWLY
            + "import kubefuture as kf; print(kf.n_workers(), flush=True)",
        ],
        env=environment(KUBEFUTURE_CONNECTION=str(far.connection)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stdout is not None and program.stderr is not None
        assert "may just be replaced, so it is tried again" in program.stderr.readline()
        right.save(far.connection)
        assert program.stdout.readline() == "2\n"


def test_a_program_whose_scheduler_has_another_certificate_for_a_moment_goes_on(far, tmp_path, monkeypatch):
    monkeypatch.setattr("kubefuture.client.trying.REPLACED_SECONDS", 240.0)
    with (
        kf.plan("cluster", connection=far.connection),
        Impostor(tmp_path, make_certificate(), lambda end, impostor: None) as impostor,
    ):
        kf.map(abs, range(2))
        lead(far, monkeypatch, impostor.address.removeprefix("tcp:"))
        eventually(lambda: impostor.met > 1, "it was met twice")
        lead(far, monkeypatch, f"127.0.0.1:{far.port}")
        assert kf.map(abs, range(4)) == [0, 1, 2, 3]


def test_a_forward_is_opened_anew_at_the_same_port_unless_that_is_taken(far):
    connection = Connection.load(far.connection)
    _, port = connection.opened()
    connection.broken()
    assert connection.opened() == ("127.0.0.1", port)
    connection.broken()
    with socket.create_server(("127.0.0.1", port)):
        _, other = connection.opened()
        assert other != port
    connection.broken()
    assert connection.opened() == ("127.0.0.1", other)
    connection.broken()


def test_a_forward_from_before_that_leads_nowhere_is_opened_anew(far, monkeypatch):
    connection = Connection.load(far.connection)
    with TlsCluster(1) as other:
        monkeypatch.setenv("FAKE_KUBECTL_TARGET", f"127.0.0.1:{other.port}")
        connection.broken()
        connection.dial(LIMIT).close()
    monkeypatch.setenv("FAKE_KUBECTL_TARGET", f"127.0.0.1:{far.port}")
    assert len(fetch_status(connection).workers) == 1
    connection.broken()


def test_a_forward_ends_with_its_program_whatever_ends_that(far):
    program = subprocess.Popen(
        [
            sys.executable,
            "-c",
            SLOWLY + "import kubefuture as kf; print(kf.n_workers(), flush=True); input()",
        ],
        env=environment(KUBEFUTURE_CONNECTION=str(far.connection)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"2\n"
        assert len(forwards(far)) == 1
        program.kill()
        eventually(lambda: not forwards(far), "the end of the forward")


def test_what_kubectl_says_is_part_of_the_error(far, monkeypatch):
    monkeypatch.setenv("FAKE_KUBECTL_ERROR", 'error: context "lab" does not exist')
    connection = Connection.load(far.connection)
    with pytest.raises(NoAnswerError, match=r'context lab, namespace study.*context "lab" does not exist'):
        fetch_status(connection)
    assert not forwards(far)


def test_without_kubectl_the_error_names_it(far, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoAnswerError, match="kubectl"):
        Connection.load(far.connection).dial(LIMIT)


@pytest.mark.parametrize("address", ["kubectl:study:7000", "kubectl:study/:7000", "kubectl:study/one:port"])
def test_a_way_that_is_none_is_named_as_a_damaged_file(far, address):
    dataclasses.replace(Connection.load(far.connection), address=address).save(far.connection)
    with pytest.raises(NotUpError, match="damaged"):
        Connection.load(far.connection)


def test_r31_a_forward_needs_the_certificate_as_well(far):
    dataclasses.replace(Connection.load(far.connection), certificate="").save(far.connection)
    with pytest.raises(LoginError, match="no certificate"):
        Connection.load(far.connection)
