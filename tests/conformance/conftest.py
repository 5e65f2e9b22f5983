"""One suite for every back end: `plan` runs a test on all of them, `pool` on those that have workers.

The back ends are started once; all tests of one run before those of the next.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import kubefuture as kf
import pytest

from tests.conformance import timing
from tests.faults import processes
from tests.faults.changed import Changed
from tests.faults.checkpoint import Checkpoint
from tests.faults.programs import environment
from tests.faults.waiting import LIMIT, eventually

WITH_WORKERS = ["local", "cluster"]
EVERY = ["sequential", *WITH_WORKERS]
"""What tests run on that do not name others: beside these, they say what slots do, and Dask's workers are none."""

WORKERS = 2

pytest.register_assert_rewrite("kubefuture.conformance")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test on the back ends that it is about, as far as its module's KINDS names them."""
    if "kind" in metafunc.fixturenames:
        kinds = getattr(metafunc.module, "KINDS", EVERY)
        if "pool" in metafunc.fixturenames:
            kinds = [kind for kind in kinds if kind != "sequential"]
        metafunc.parametrize("kind", kinds, scope="session")


class BackEnd:
    """A way to run, which every test finds as if it were the first.

    Attributes:
        kind: Its plan's name.
        plan: The plan itself.
        cluster: The programs behind plan("cluster").
        marks: The folder in which tests say when time is up.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.marks = Path(tempfile.mkdtemp(prefix="kubefuture-test-"))
        self._patch = pytest.MonkeyPatch()
        timing.install(self.marks, self._patch.setattr)
        self.cluster = self._started() if kind == "cluster" else None
        kf.plan(kind, **self.arguments)
        self.plan = kf.plan("sequential")

    @property
    def arguments(self) -> dict[str, object]:
        """What to give to kf.plan for another plan of the same kind."""
        if self.cluster is not None:
            return {"connection": self.cluster.connection}
        return {} if self.kind == "sequential" else {"workers": WORKERS}

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that choose it."""
        if self.cluster is not None:
            return {"KUBEFUTURE_CONNECTION": str(self.cluster.connection)}
        return {"KUBEFUTURE_PLAN": self.kind if self.kind == "sequential" else f"{self.kind}:{WORKERS}"}

    def run(self, script: Path | str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a script in a program of its own, on this back end.

        Args:
            script: The script, or `-m`.
            folder: Where it runs.
            *arguments: What follows it.
        """
        return subprocess.run(
            [sys.executable, script, *arguments],
            cwd=folder,
            env=environment(**self.environment),
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )

    def _started(self) -> Changed:
        cluster = Changed(timing.code(self.marks), ("scheduler", "worker"), slots=WORKERS)
        cluster.start()
        for program in (cluster.scheduler, cluster.worker):
            assert program is not None and "sitecustomize" not in program.text(), "it heeds no marks"
        return cluster

    def choose(self) -> None:
        """Makes it the plan, with the usual number of workers."""
        kf.plan(self.plan)
        if self.kind != "sequential" and kf.n_workers() != WORKERS:
            kf.scale(WORKERS)

    def slots(self) -> list[int]:
        """The process ids of its slots that live."""
        if self.cluster is not None:
            return self.cluster.slots()
        own = processes.living().values()
        role = "dask_worker" if self.kind == "dask" else "worker.slot"
        return sorted(one.pid for one in own if one.parent == os.getpid() and role in one.command)

    def close(self) -> None:
        """Ends it."""
        self.plan.close()
        if self.cluster is not None:
            self.cluster.close()
        self._patch.undo()
        shutil.rmtree(self.marks, ignore_errors=True)


@pytest.fixture(scope="session")
def back_end(kind: str) -> Iterator[BackEnd]:
    """A back end, started once."""
    started = BackEnd(kind)
    yield started
    started.close()


@pytest.fixture
def plan(back_end: BackEnd) -> Iterator[BackEnd]:
    """The plan of the test, on every back end."""
    back_end.choose()
    yield back_end
    back_end.choose()


@pytest.fixture
def pool(plan: BackEnd) -> BackEnd:
    """The plan of the test, on the back ends that have workers."""
    return plan


@pytest.fixture
def overdue(plan: BackEnd) -> Callable[[], None]:
    """Called by an element that has a limit: it is over soon, even if it is long. It travels without this module."""
    folder = str(plan.marks)

    def say_so() -> None:
        open(f"{folder}/{os.getpid()}", "w").close()

    return say_so


@pytest.fixture
def patience(pool: BackEnd) -> Iterator[Path]:
    """Slots that are interrupted take the time that they need, and none is killed as long as this file is there."""
    mark = pool.marks / timing.PATIENCE
    mark.touch()
    yield mark
    mark.unlink(missing_ok=True)


@pytest.fixture
def joblib_runs_on_plan(plan: BackEnd) -> Iterator[None]:
    """As a user chooses it, for all that is in the block."""
    import joblib

    with joblib.parallel_config(backend="kubefuture"):
        yield


@pytest.fixture
def checkpoint() -> Iterator[Checkpoint]:
    """A point at which elements stop."""
    with Checkpoint() as made:
        yield made


@pytest.fixture
def all_slots_work(pool: BackEnd) -> Iterator[None]:
    """At the end of the test no slot is lost: as many elements as ever run at the same time."""
    yield
    pool.choose()
    with Checkpoint() as rendezvous:
        from tests.faults.checkpoint import reach

        futures = [kf.future(reach, rendezvous.port) for _ in range(WORKERS)]
        for visit in rendezvous.take(WORKERS):
            visit.go()
        kf.value(futures)
    eventually(lambda: len(pool.slots()) == WORKERS, f"{WORKERS} slots")
