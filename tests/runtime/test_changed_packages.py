"""Packages change while work runs: old workers hand over what they have, and new ones do the rest (R12, R17)."""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
import venv
from pathlib import Path

import kubefuture as kf
import pytest

from tests.faults.checkpoint import reach
from tests.faults.programs import Cluster
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


def test_R12_what_runs_when_packages_change_is_handed_over_and_nothing_runs_twice(
    two_environments, monkeypatch, checkpoint
):
    before, after = two_environments
    here, port = os.getpid(), checkpoint.port

    def element(index):
        prefix = sys.prefix
        if index < 2:
            reach(port, index)
        return index, Path(prefix).name, os.getpid() != here

    monkeypatch.setattr(sys, "executable", before)
    with Cluster(2) as cluster, kf.plan("sequential"):
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
        cluster.start_worker()
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
