"""A connection breaks before the journal's commit, and the scheduler dies before it too (R5, R6, R8).

What the other side had received is not accepted because a new connection is there: only the journal makes it so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import kubefuture as kf
import pytest

from tests.faults.checkpoint import reach
from tests.faults.programs import SOURCE, Cluster, Program
from tests.faults.waiting import LIMIT, eventually
from tests.faults.wire import Wire

HELD = """
import os
from kubefuture.scheduler.journal_writer import JournalWriter

def commit(self, batches, real=JournalWriter._commit):
    if os.path.exists({path!r}):
        raise OSError("it is held")
    return real(self, batches)

JournalWriter._commit = commit
"""


class OnHeldJournal(Cluster):
    """A cluster whose journal commits nothing while a file is there."""

    def __init__(self) -> None:
        super().__init__(2)
        self.held = self.folder / "held"
        (self.folder / "site").mkdir()
        (self.folder / "site" / "sitecustomize.py").write_text(HELD.format(path=str(self.held)))

    def program(self, role: str, *arguments: str, **changes: str) -> Program:
        """Starts a program without waiting for what it says."""
        if role == "scheduler":
            changes["PYTHONPATH"] = f"{self.folder / 'site'}:{SOURCE}"
        return super().program(role, *arguments, **changes)

    def hold(self) -> None:
        """From now on nothing is committed."""
        self.held.touch()

    def tried(self) -> None:
        """Waits until something waits for its commit."""
        eventually(lambda: "cannot be written" in self.scheduler.text(), "a commit that fails")

    def back(self, kind: str) -> None:
        """Waits until somebody is back over another connection."""
        eventually(
            lambda: any(
                " back" in line and f"{kind}=" in line for line in self.scheduler.text().splitlines()
            ),
            f"a {kind} that is back",
        )

    def restart(self) -> None:
        """The scheduler dies before the commit; the next one can write."""
        self.kill_scheduler()
        self.held.unlink()
        self.start_scheduler()


@pytest.fixture
def held() -> Iterator[OnHeldJournal]:
    with OnHeldJournal() as cluster:
        yield cluster


BEGINNER = """
import sys
from pathlib import Path
import kubefuture as kf
from tests.faults.checkpoint import reach
port = int(sys.argv[2])

def inputs():
    yield from range(64)
    reach(port, "the client")
    yield from range(64, 80)

before = kf.plan("cluster", connection=Path(sys.argv[1]))
results = kf.imap(lambda index: (index, reach(port)), inputs(), name="work")
"""


@pytest.mark.parametrize("ending", ["", "kf.plan(before)"], ids=["at_exit", "after_another_plan"])
def test_R5_a_client_does_not_leave_before_the_commit_though_its_connection_broke_meanwhile(
    held, checkpoint, ending
):
    here = str(Path(__file__).parents[2])
    path = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    with Wire(held.connection) as wire:
        program = subprocess.Popen(
            [sys.executable, "-c", BEGINNER + ending, str(wire.connection), str(checkpoint.port)],
            cwd=here,
            env={**os.environ, "PYTHONPATH": path},
            stderr=subprocess.PIPE,
        )
        visits = checkpoint.take(3)
        (client,) = [visit for visit in visits if visit.label == "the client"]
        held.hold()
        client.go()
        held.tried()
        wire.cut()
        held.back("session")
        held.restart()
        said = program.communicate(timeout=LIMIT)[1].decode()
    assert program.returncode == 0 and "incomplete" not in said, said
    for visit in visits:
        visit.go()
    checkpoint.open()
    with kf.plan("cluster", connection=held.connection):
        assert kf.attach("work", timeout=LIMIT) == [(index, "") for index in range(80)]


def test_R6_a_worker_keeps_a_result_until_the_commit_though_its_connection_broke_meanwhile(held, checkpoint):
    port = checkpoint.port
    held.worker.close()
    with Wire(held.connection) as wire, kf.plan("cluster", connection=held.connection):
        held.connection, direct = wire.connection, held.connection
        held.start_worker()
        held.connection = direct
        results = kf.imap(lambda index: (index, reach(port)), range(2), name="work", timeout=LIMIT)
        visits = checkpoint.take(2)
        held.hold()
        for visit in visits:
            visit.go("once")
        eventually(lambda: held.status().done == 2, "the results")
        held.tried()
        wire.cut()
        held.back("worker")
        held.restart()
        assert list(results) == [(0, "once"), (1, "once")]
        assert not checkpoint.anybody, "nothing was run twice"
