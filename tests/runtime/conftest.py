"""Real programs for the tests that need them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import kubefuture as kf
import pytest

from tests.faults.checkpoint import Checkpoint
from tests.faults.programs import Cluster


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
