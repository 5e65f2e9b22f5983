"""Real programs for the tests that need them."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import kubefuture as kf
import pytest

from tests.faults import processes
from tests.faults.checkpoint import Checkpoint
from tests.faults.programs import Cluster
from tests.faults.waiting import eventually


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What fails in a simulation can be had again with one command, which the report ends with."""
    report = yield
    if report.failed and item.path.name.startswith("test_simulation"):
        seed = getattr(item, "callspec", None) and item.callspec.params.get("seed")
        chosen = os.environ.get("SIMULATION") if seed is None else seed
        which = f"SIMULATION={chosen} " if chosen is not None else ""
        name = item.nodeid.partition("[")[0]
        report.sections.append(("Again with", f"{which}.venv/bin/python -m pytest -n 0 '{name}'"))
    return report


@pytest.fixture(scope="module", autouse=True)
def no_process_outlives_its_module() -> Iterator[None]:
    """What a module's tests have started has ended when its own fixtures have."""

    def children() -> dict[int, str]:
        return {one.pid: one.command for one in processes.living().values() if one.parent == os.getpid()}

    before = children()
    yield
    left = dict[int, str]()

    def nothing_is_left() -> bool:
        left.clear()
        left.update((pid, command) for pid, command in children().items() if pid not in before)
        return not left

    try:
        eventually(nothing_is_left, "the end of what was started")
    except AssertionError:
        pytest.fail(f"still running: {left}")


@pytest.fixture(autouse=True)
def no_plan_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person who runs the tests has set is of no concern."""
    for name in list(os.environ):
        if name.startswith("KUBEFUTURE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A scheduler and a worker with two slots, for one test."""
    with Cluster(2) as started:
        yield started


@pytest.fixture
def on_cluster(cluster: Cluster) -> Iterator[Cluster]:
    """The same, as the plan."""
    with kf.plan("sequential"):
        kf.plan("cluster", connection=cluster.connection)
        yield cluster


@pytest.fixture
def checkpoint() -> Iterator[Checkpoint]:
    """A point at which elements stop."""
    with Checkpoint() as made:
        yield made
