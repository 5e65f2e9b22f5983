"""The journal's disk is full while named work runs, or the journal is damaged: nothing is lost or deleted (R5, R16)."""

from __future__ import annotations

import os
import subprocess
import threading

import kubefuture as kf
import pytest

from tests import needs
from tests.faults.checkpoint import reach
from tests.faults.programs import SOURCE, Cluster, Program
from tests.faults.waiting import LIMIT, eventually

SMALL_DISK = """
from kubefuture.scheduler import journal
journal.Journal.open.__func__.__kwdefaults__.update(free_no_new_work=0, free_no_leases=0)
"""


class OnSmallDisk(Cluster):
    """A cluster whose journal is on a disk of 8 MiB, all of which it may use."""

    def __init__(self) -> None:
        super().__init__(2)
        (self.folder / "site").mkdir()
        (self.folder / "site" / "sitecustomize.py").write_text(SMALL_DISK)
        self.disk = self.folder / "journal"
        self.disk.mkdir()

    def program(self, role: str, *arguments: str, **changes: str) -> Program:
        """Starts a program without waiting for what it says."""
        if role == "scheduler":
            changes["PYTHONPATH"] = f"{self.folder / 'site'}:{SOURCE}"
        return super().program(role, *arguments, **changes)


@pytest.fixture
def small():
    cluster = OnSmallDisk()
    mount = needs.command("mount", "a small disk to fill")
    if subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=8m", "tmpfs", cluster.disk], capture_output=True
    ).returncode:
        cluster.close()
        needs.missing("the right to mount a small disk")
    try:
        with cluster, kf.plan("cluster", connection=cluster.connection):
            yield cluster
    finally:
        subprocess.run(["umount", "-l", cluster.disk], check=True)


def fill(cluster: OnSmallDisk) -> None:
    with open(cluster.disk / "ballast", "wb", buffering=0) as file:
        for piece in (1 << 16, 1 << 12, 1):
            try:
                while file.write(bytes(piece)) == piece:
                    pass
            except OSError:
                continue


def test_R5_a_disk_that_is_full_while_named_work_runs_costs_time_only(small, checkpoint):
    port = checkpoint.port
    outcome: list[object] = []
    told: list[int] = []

    def element(index: int) -> bytes:
        if index == 10:
            reach(port)
        return bytes([index]) * 20_000

    collect = threading.Thread(
        target=lambda: outcome.append(
            kf.map(element, range(60), chunk_size=1, name="work", progress=lambda done, _: told.append(done))
        )
    )
    collect.start()
    visit = checkpoint.next()
    fill(small)
    visit.go()
    eventually(lambda: "cannot be written" in small.scheduler.text(), "the sentence in the log")
    assert "make room there" in small.scheduler.text()
    assert not outcome
    assert kf.map(abs, [-1, -2]) == [1, 2], "unnamed work needs no journal"
    (small.disk / "ballast").unlink()
    collect.join(LIMIT)
    assert outcome == [[bytes([index]) * 20_000 for index in range(60)]]
    assert told == list(range(1, 61)) and not checkpoint.anybody
    small.kill_scheduler()
    small.start_scheduler()
    assert kf.attach("work") == outcome[0]


def test_R5_a_scheduler_that_is_killed_while_the_disk_is_full_loses_nothing_that_it_had_accepted(
    small, checkpoint
):
    port = checkpoint.port
    outcome: list[object] = []
    collect = threading.Thread(
        target=lambda: outcome.append(
            kf.map(lambda i: (i, reach(port, i)), range(4), chunk_size=1, name="work")
        )
    )
    collect.start()
    visits = checkpoint.take(2)
    fill(small)
    for visit in visits:
        visit.go("on")
    more = checkpoint.take(2)
    small.kill_scheduler()
    (small.disk / "ballast").unlink()
    small.start_scheduler()
    for visit in more:
        visit.go("on")
    collect.join(LIMIT)
    assert outcome == [[(index, "on") for index in range(4)]]
    assert not checkpoint.anybody, "R7: what was not acknowledged was brought along, and nothing ran twice"


def test_R9_a_scheduler_refuses_a_damaged_journal_with_a_sentence_and_leaves_it_as_it_is(cluster):
    with kf.plan("cluster", connection=cluster.connection):
        kf.map(abs, range(100), name="work")
    cluster.scheduler.kill(15)
    database = cluster.folder / "journal" / "journal.sqlite"
    content = bytearray(database.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4000] = os.urandom(4000)
    database.write_bytes(content)
    before = {path.name: path.read_bytes() for path in database.parent.iterdir()}
    cluster.scheduler = cluster.program("scheduler")
    said = cluster.scheduler.answer()
    assert (
        said.startswith("error The journal of named work")
        and "cannot be used" in said
        and "copy the folder" in said
    )
    assert cluster.scheduler.process.wait(LIMIT) == 1
    assert "Traceback" not in cluster.scheduler.text()
    after = {path.name: path.read_bytes() for path in database.parent.iterdir()}
    assert {name: after[name] for name in before if name.endswith("sqlite")} == {
        "journal.sqlite": bytes(content)
    }
    assert set(before) <= set(after)
