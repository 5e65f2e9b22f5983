"""The project's cluster that runs Dask: found by its connection file, open to who has the key, drained, reached."""

from __future__ import annotations

import dataclasses
import gc
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import kubefuture as kf
import pytest
from distributed import Client
from kubefuture.backends import dask_clusters, dask_project
from kubefuture.client.dask_control import connect_dask, fetch_dask_status
from kubefuture.core import tunnel
from kubefuture.core.certificate import make_certificate
from kubefuture.core.connection import Connection
from kubefuture.core.dask_security import dask_security
from kubefuture.core.files import replace_private
from kubefuture.errors import NoAnswerError, PlanError, VersionError

from tests import needs
from tests.faults import fake_kubectl, processes
from tests.faults.checkpoint import Checkpoint, reach
from tests.faults.dask import DaskCluster
from tests.faults.programs import environment
from tests.faults.waiting import LIMIT, eventually


@pytest.fixture(scope="module")
def shared() -> Iterator[DaskCluster]:
    with DaskCluster(2) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared: DaskCluster) -> DaskCluster:
    """Two workers, whatever the test before did to them."""
    for number in (0, 1):
        if shared.workers[number].poll() is not None:
            shared.start_worker(number=number)
    eventually(lambda: _connected(shared) == 2, "two workers are connected")
    return shared


def _connected(cluster: DaskCluster) -> int:
    workers = fetch_dask_status(Connection.load(cluster.connection)).workers
    return sum(not one.leaving for one in workers)


def draw(i, rng):
    return rng.random()


def test_its_connection_file_makes_it_the_plan_of_a_script_that_chooses_none_or_the_cluster(cluster):
    program = (
        "import os, sys, kubefuture as kf\n"
        "kf.plan(*sys.argv[1:])\n"
        "print(kf.plan().kind, kf.n_workers(), kf.map(lambda x, rng: rng.random(), range(8), seed=5))\n"
    )
    with kf.plan("sequential"):
        expected = kf.map(draw, range(8), seed=5)
    for chosen in ([], ["cluster"], ["dask"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *chosen],
            env=environment(KUBEFUTURE_CONNECTION=str(cluster.connection)),
            capture_output=True, text=True, timeout=LIMIT,
        )  # fmt: skip
        assert done.stdout == f"dask 2 {expected}\n", done.stderr
        assert "using Dask on the existing cluster of project study, 2 workers" in done.stderr
        assert "distributed" not in done.stderr


def test_another_clusters_file_is_no_dasks_and_is_not_taken_for_it(tmp_path):
    file = tmp_path / "connection.json"
    Connection("study", "local", "unix:/nowhere", "ab" * 32).save(file)
    with pytest.raises(PlanError, match="does not run Dask"):
        kf.plan("dask", connection=file)
    assert Connection.engine_at(file) == "native"
    for damaged in ("", "[]", "{}"):
        file.write_text(damaged)
        assert Connection.engine_at(file) == "native"


def test_r32_the_key_comes_back_from_a_private_file_and_is_in_no_command_line(cluster):
    known = Connection.load(cluster.connection)
    assert known.engine == "dask" and "PRIVATE KEY" in known.private_key
    assert stat.S_IMODE(cluster.connection.stat().st_mode) == 0o600
    assert known.private_key not in repr(known)
    secret = known.private_key.splitlines()[1]
    assert not any(secret in process.command for process in processes.living().values())


def refused(address: str, security: object) -> None:
    with pytest.raises(OSError, match=r"TLS|TCP|Timed out"):
        Client(address, security=security, set_as_default=False, timeout=5)


@pytest.mark.parametrize("trusts", ["the right certificate", "its own"])
def test_r31_who_has_not_the_key_is_not_let_in(cluster, trusts):
    known = Connection.load(cluster.connection)
    certificate, key = make_certificate(mutual=True)
    security = dask_security(certificate, key)
    if trusts == "the right certificate":
        security.tls_ca_file = known.certificate
    refused(f"tls://127.0.0.1:{cluster.port}", security)
    refused(f"tcp://127.0.0.1:{cluster.port}", None)
    with pytest.raises(NoAnswerError, match="does not answer"):
        connect_dask(dataclasses.replace(known, certificate=certificate, private_key=key), 5)
    assert _connected(cluster) == 2


def test_r31_the_key_of_a_scheduler_of_our_own_opens_no_dask():
    """Its certificate is for one side alone: who only listens needs not show it."""
    certificate, key = make_certificate()
    with DaskCluster(0) as other:
        for name, content in (("certificate", certificate), ("key", key)):
            (other.folder / f"{name}.pem").write_text(content)
        other.scheduler.kill()
        other.scheduler.wait()
        other.start_scheduler()
        refused(f"tls://127.0.0.1:{other.port}", dask_security(certificate, key))
        eventually(
            lambda: re.search("handshake failed .*purpose", other.log("scheduler")), "a line that says why"
        )


def test_who_only_looks_whether_anybody_listens_leaves_no_line(cluster):
    before = cluster.log("scheduler").count("handshake")
    for _ in range(3):
        socket.create_connection(("127.0.0.1", cluster.port)).close()
    assert _connected(cluster) == 2
    assert cluster.log("scheduler").count("handshake") == before


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_its_scheduler_is_reached_by_ipv4_and_by_ipv6(cluster, host, tmp_path):
    if ":" in host:
        needs.ipv6()
    place = f"tcp:{f'[{host}]' if ':' in host else host}:{cluster.port}"
    dataclasses.replace(Connection.load(cluster.connection), address=place).save(tmp_path / "connection.json")
    assert len(fetch_dask_status(Connection.load(tmp_path / "connection.json")).workers) == 2


def test_r17_a_worker_that_is_told_to_go_finishes_what_it_runs_and_gives_back_the_rest(cluster):
    ran = []
    with kf.plan("dask", connection=cluster.connection), Checkpoint() as checkpoint:
        results = kf.imap(lambda i, port=checkpoint.port: (i, reach(port, i)), range(12), chunk_size=1)
        first, second = checkpoint.take(2)
        leaving = next(number for number in (0, 1) if cluster.process_of(number) == first.pid)
        cluster.tell_to_go(leaving)
        eventually(lambda: _connected(cluster) == 1, "it takes nothing more")
        ran += [first.label, second.label]
        # The other one runs all else, what had waited for the leaving one as well, while that is still at its element.
        while len(ran) < 12:
            second.go("on")
            second = checkpoint.next()
            assert second.pid != first.pid
            ran.append(second.label)
        second.go("on")
        first.go("on")
        assert list(results) == [(i, "on") for i in range(12)]
    assert sorted(map(int, ran)) == list(range(12)), "each once"
    assert cluster.workers[leaving].wait(LIMIT) == 0


def test_a_worker_process_that_dies_is_started_again_and_costs_no_result(cluster):
    with kf.plan("dask", connection=cluster.connection), Checkpoint() as checkpoint:
        future = kf.future(reach, checkpoint.port)
        visit = checkpoint.next()
        killed = next(number for number in (0, 1) if cluster.process_of(number) == visit.pid)
        visit.kill()
        checkpoint.next().go("again")
        assert future.result(LIMIT) == "again"
    told = "has ended by signal 9; another one is started"
    eventually(lambda: told in cluster.log(f"worker-{killed}"), f"the line: {told}")
    assert cluster.workers[killed].poll() is None


def test_a_scheduler_that_is_started_anew_costs_no_result(cluster):
    with kf.plan("dask", connection=cluster.connection), Checkpoint() as checkpoint:
        future = kf.future(reach, checkpoint.port)
        before = checkpoint.next()
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        cluster.start_scheduler()
        checkpoint.next().go("again")
        assert future.result(LIMIT) == "again"
        before.go("too late")
        assert kf.map(abs, [-1]) == [1]


def test_r12_a_worker_with_other_packages_that_comes_later_ends_the_work_with_a_sentence(
    cluster, monkeypatch
):
    plan = kf.plan("dask", connection=cluster.connection)
    try:
        kf.map(abs, [-1])
        wrong = "numpy 2.0 here and 2.1 on the cluster"
        monkeypatch.setattr("kubefuture.backends.dask_client.differences", lambda own, other: wrong)
        cluster.tell_to_go(0)
        cluster.workers[0].wait(LIMIT)
        cluster.start_worker(number=0)
        cluster.wait_for("worker-0")
        with pytest.raises(VersionError, match=r"do not fit together: numpy .*make run"):
            eventually(lambda: kf.map(abs, [-1]) == [], "an end")
    finally:
        kf.plan(plan)


def test_workers_that_can_never_begin_end_their_container(cluster):
    number = cluster.start_worker("--folder", "/dev/null/nowhere", number=7)
    assert cluster.workers.pop(number).wait(LIMIT) == 1
    assert "3 worker processes have ended before they were ready" in cluster.log("worker-7")


@pytest.fixture
def far(cluster: DaskCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The connection file of the same cluster, to which only a forward leads."""
    monkeypatch.setattr(tunnel, "OPEN_SECONDS", LIMIT)
    folder = fake_kubectl.put(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_KUBECTL_TARGET", f"127.0.0.1:{cluster.port}")
    known = Connection.load(cluster.connection)
    file = tmp_path / "far.json"
    dataclasses.replace(known, address="kubectl:study/study-scheduler:7000", context="lab").save(file)
    yield file
    Connection.load(file).broken()


class Forgetful(dict[object, int]):
    """Where each way was open, which nobody remembers."""

    def __setitem__(self, route: object, port: int) -> None:
        pass


def forwards(far: Path) -> list[int]:
    own = str(far.parent / "bin")
    return [
        pid for pid, one in processes.living().items() if own in one.command and "fake_kubectl" in one.command
    ]


@pytest.mark.parametrize("port", ["the same", "another"])
def test_a_forward_that_dies_costs_only_time(far, port, monkeypatch):
    if port == "another":
        monkeypatch.setattr(tunnel, "_ports", Forgetful())
    with kf.plan("dask", connection=far), Checkpoint() as checkpoint:
        future = kf.future(reach, checkpoint.port)
        cut_off = checkpoint.next()
        (before,) = forwards(far)
        at = Connection.load(far).opened()
        os.kill(before, signal.SIGKILL)
        checkpoint.next().go("again")
        cut_off.go("too late")
        assert future.result(LIMIT) == "again"
        assert kf.map(abs, range(4)) == [0, 1, 2, 3]
        assert (Connection.load(far).opened() == at) == (port == "the same")


def test_a_reconnection_of_dasks_own_that_fails_for_ever_is_not_waited_for(far, monkeypatch, capfd):
    ensure = Client._ensure_connected

    async def fails_again(self: Client, timeout: float | None = None) -> None:
        if self._handle_report_task is not None:  # it has been connected before
            raise ValueError("IOStream is not idle; cannot convert to SSL")
        await ensure(self, timeout)

    monkeypatch.setattr(Client, "_ensure_connected", fails_again)
    with kf.plan("dask", connection=far), Checkpoint() as checkpoint:
        future = kf.future(reach, checkpoint.port)
        cut_off = checkpoint.next()
        os.kill(forwards(far)[0], signal.SIGKILL)
        checkpoint.next().go("again")
        cut_off.go("too late")
        assert future.result(LIMIT) == "again"
    gc.collect()
    assert "Traceback" not in capfd.readouterr().err


def test_a_forward_that_leads_to_nobody_without_an_end_costs_only_time(far, monkeypatch):
    monkeypatch.setattr(dask_project, "_ASK_SECONDS", 0.1)
    with kf.plan("dask", connection=far), Checkpoint() as checkpoint:
        future = kf.future(reach, checkpoint.port)
        cut_off = checkpoint.next()
        os.kill(forwards(far)[0], signal.SIGSTOP)
        monkeypatch.setattr(dask_project, "SILENT_SECONDS", 1.0)
        visit = checkpoint.next()
        monkeypatch.setattr(dask_project, "SILENT_SECONDS", 30.0)
        visit.go("again")
        checkpoint.open()  # on a busy machine the way may have been taken for a silent one once more
        cut_off.go("too late")
        assert future.result(LIMIT) in ("again", "")


def test_what_waits_for_an_answer_by_a_lost_connection_stops_nothing(far, monkeypatch):
    release = threading.Event()
    gather = Client.gather

    def stuck(self: Client, futures: list[object]) -> object:
        if futures and not stuck_at:
            stuck_at.append(self)
            release.wait(LIMIT)
            raise OSError("nobody reads that any more")
        return gather(self, futures)

    stuck_at: list[Client] = []
    monkeypatch.setattr(Client, "gather", stuck)
    try:
        with kf.plan("dask", connection=far):
            future = kf.future(abs, -7)
            eventually(lambda: stuck_at, "an answer is being fetched")
            os.kill(forwards(far)[0], signal.SIGKILL)
            assert future.result(LIMIT) == 7
    finally:
        release.set()


def test_a_program_whose_cluster_was_taken_down_ends_with_a_sentence(far, monkeypatch):
    monkeypatch.setattr("kubefuture.client.trying.ENDED_SECONDS", 0.1)
    with kf.plan("dask", connection=far), Checkpoint() as checkpoint:
        future = kf.future(reach, checkpoint.port)
        cut_off = checkpoint.next()
        content = far.read_bytes()
        far.unlink()
        os.kill(forwards(far)[0], signal.SIGKILL)
        try:
            with pytest.raises(NoAnswerError, match="as by `make down`"):
                future.result(LIMIT)
        finally:
            cut_off.go("nobody waits")
            replace_private(far, content.decode())


@pytest.mark.parametrize("status", ["connecting", "running with a reader that failed", "closed"])
def test_a_client_of_the_users_that_never_comes_back_ends_the_work_with_a_sentence(monkeypatch, status):
    monkeypatch.setattr(dask_clusters, "_COME_BACK_SECONDS", 0.05)
    link = SimpleNamespace(comm=SimpleNamespace(closed=lambda: False))
    reader = SimpleNamespace(done=lambda: False)
    client = SimpleNamespace(status=status.split()[0], scheduler_comm=link, _handle_report_task=reader)
    reader.done = lambda: "failed" in status
    found = dask_clusters.FoundDask(None, client)

    def ends() -> bool:
        with suppress(NoAnswerError):
            found.kept(client)
            return False
        return True

    eventually(ends, "it is given up")
    client.status, reader.done = "running", lambda: False
    assert found.kept(client) is client


PROGRAM = """
import sys, threading, kubefuture as kf
kf.plan("dask", connection=sys.argv[1])
kf.map(abs, range(2))
def later():
    threading.main_thread().join()
    print(kf.map(abs, range(-4, 0)), flush=True)
threading.Thread(target=later).start()
"""


def test_a_thread_that_outlives_the_main_one_gets_its_results_and_the_program_ends(cluster):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(cluster.connection)],
        env=environment(), capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "[4, 3, 2, 1]\n"), done.stderr
    assert "Traceback" not in done.stderr and "ERROR" not in done.stderr


def test_forks_of_a_program_do_not_get_each_others_results(cluster):
    program = (
        "import sys, multiprocessing, kubefuture as kf\n"
        "def run(i):\n"
        "    kf.plan('dask', connection=sys.argv[1])\n"
        "    return kf.map(lambda x: (i, x), range(20), chunk_size=1)\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    assert pool.map(run, range(2), chunksize=1) == [[(i, x) for x in range(20)] for i in range(2)]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(cluster.connection)],
        env=environment(), capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
