"""Packages change while work runs: old workers hand over what they have, and new ones do the rest (R12, R17)."""

from __future__ import annotations

import os
import signal
import sys
import sysconfig
import threading
import venv
from pathlib import Path

import kubefuture as kf
import pytest

from tests.faults.checkpoint import reach
from tests.faults.programs import Cluster, Program
from tests.faults.waiting import LIMIT, eventually


@pytest.fixture
def two_environments(tmp_path):
    """Two Pythons with the packages of this one, each made from another lock, as far as they know."""

    def make(name: str) -> str:
        folder = tmp_path / name
        venv.create(folder, symlinks=True, with_pip=False)
        [packages] = (folder / "lib").glob("python*/site-packages")
        (packages / "these.pth").write_text(sysconfig.get_path("purelib") + "\n")
        (folder / "kubefuture-lock.sha256").write_text(name * 64 + "\n")
        return str(folder / "bin" / "python")

    return make("a"), make("b")


class Draining(Cluster):
    """Its workers finish what runs before they end, as those in pods do."""

    def program(self, role: str, *arguments: str, **changes: str) -> Program:
        more = ("--drain",) if role == "worker" else ()
        return super().program(role, *arguments, *more, **changes)


@pytest.mark.parametrize("told", ["by its scheduler alone", "by its cluster, too"])
def test_R12_what_runs_when_packages_change_is_handed_over_and_nothing_runs_twice(
    two_environments, monkeypatch, checkpoint, told
):
    before, after = two_environments
    here, port = os.getpid(), checkpoint.port

    def element(index):
        prefix = sys.prefix
        if index < 2:
            reach(port, index)
        return index, Path(prefix).name, os.getpid() != here

    monkeypatch.setattr(sys, "executable", before)
    with Draining(2) as cluster, kf.plan("sequential"):
        old, scheduler = cluster.worker, cluster.scheduler
        kf.plan("cluster", connection=cluster.connection)
        outcome: list[object] = []
        thread = threading.Thread(
            target=lambda: outcome.append(kf.map(element, range(8), chunk_size=1, name="sizes"))
        )
        thread.start()
        visits = checkpoint.take(2)
        monkeypatch.setattr(sys, "executable", after)
        scheduler.kill()
        cluster.start_scheduler()
        eventually(
            lambda: "leaving" in old.text() and old.text().count("scheduler-joined") == 2,
            "the old one is back",
        )
        if told == "by its cluster, too":
            old.process.send_signal(signal.SIGTERM)  # late: it has begun to leave already
        cluster.start_worker()
        eventually(lambda: cluster.status().done == 6, "the new one has done the others")
        for visit in visits:
            visit.go()
        thread.join(LIMIT)
        old.process.wait(LIMIT)
        assert old.process.returncode == 0, old.text()
        assert outcome == [[(index, "a" if index < 2 else "b", True) for index in range(8)]]
        assert not checkpoint.anybody, "nothing ran twice"
        kf.forget("sizes")
        old.close()


def test_R12_a_worker_that_has_nothing_to_hand_over_is_refused(two_environments, monkeypatch):
    before, after = two_environments
    monkeypatch.setattr(sys, "executable", before)
    cluster = Cluster(1)
    try:
        cluster.start_scheduler()
        monkeypatch.setattr(sys, "executable", after)
        cluster.worker = cluster.program("worker")
        assert (
            "requirements.lock bbbbbbbbbbbb here and aaaaaaaaaaaa on the cluster" in cluster.worker.answer()
        )
        assert cluster.worker.process.wait(LIMIT) == 1
    finally:
        cluster.close()
