"""A cluster that is far away: its client's memory cannot be mapped, and its links are watched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import kubefuture as kf
import pytest
from kubefuture.core import blobs

from tests.faults.programs import Cluster
from tests.faults.waiting import eventually
from tests.faults.wire import Meter

SIZE = 6 << 20
"""Bytes of what is captured: a few dozen parts."""

CLIENT = """
import sys
from pathlib import Path
import numpy as np
import kubefuture as kf
from kubefuture.core import blobs
from tests.faults.checkpoint import reach
blobs.this_machine = lambda: ""
kf.plan("cluster", connection=Path(sys.argv[1]))
port = int(sys.argv[2])
array = np.arange(6 << 17, dtype=float)
"""
"""How a client begins that is a program of its own."""


class FarCluster(Cluster):
    """A scheduler and a worker with watched links.

    Attributes:
        to_client: The link that clients use.
        to_worker: The link that the worker uses.
        worker_blobs: Where the worker keeps blobs.
    """

    def __init__(self, slots: int = 2) -> None:
        super().__init__(slots)
        self.worker_blobs = self.folder / "worker-blobs"
        self.scheduler_blobs = self.folder / "journal-blobs"

    def start(self) -> FarCluster:
        self.start_scheduler()
        for end in ("to_client", "to_worker"):
            (self.folder / end).mkdir()
        self.to_client = Meter(self.connection, self.folder / "to_client")
        self.to_worker = Meter(self.connection, self.folder / "to_worker")
        self.start_worker()
        return self

    def start_worker(self) -> None:
        """Starts a worker, anew after it was killed, with an empty folder."""
        for file in self.files(self.worker_blobs):
            file.unlink()
        arguments = "--connection", str(self.to_worker.connection), "--blobs", str(self.worker_blobs)
        self.worker = self.program("worker", *arguments)
        said = self.worker.answer()
        assert said == "ready", f"{said}\n{self.worker.text()}"

    @staticmethod
    def files(folder: Path) -> list[Path]:
        """The blobs in a folder, whole or not."""
        return sorted(folder.iterdir()) if folder.exists() else []

    def parts(self) -> list[Path]:
        """What is arriving somewhere."""
        return [
            file for file in self.files(self.worker_blobs) + self.files(self.scheduler_blobs) if file.suffix
        ]

    def close(self) -> None:
        for link in (self.to_client, self.to_worker):
            link.go_on()
            link.close()
        super().close()


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> Iterator[FarCluster]:
    """Such a cluster, as the plan."""
    monkeypatch.setattr(blobs, "this_machine", lambda: "")
    cluster = FarCluster()
    with contextlib.closing(cluster.start()), kf.plan("sequential"):
        kf.plan("cluster", connection=cluster.to_client.connection)
        yield cluster


def stopped(link: Meter) -> None:
    """Waits until a link carries nothing any more."""
    eventually(lambda: link.stopped, "the middle of a transfer")
