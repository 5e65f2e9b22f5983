"""Random faults, and who they hit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import kubefuture as kf

from tests.faults.programs import Cluster
from tests.faults.wire import Wire

_BEGINNER = """
import sys, time
from pathlib import Path
import kubefuture as kf
from tests.soak.work import nap
kf.plan("cluster", connection=Path(sys.argv[1]))
kf.map(nap, range(500), name=sys.argv[2])
"""


_GROWN_SECONDS = 4.0


class _NobodyError(Exception):
    """There is nobody who may be harmed."""


class Faults:
    """Does harm.

    Args:
        rng: Chooses it.
        cluster: Whom to harm.
        wire: What connects this program with it.

    Attributes:
        done: How often each harm was done.
    """

    def __init__(self, rng: Random, cluster: Cluster, wire: Wire) -> None:
        self._rng = rng
        self._cluster = cluster
        self._wire = wire
        self._orphans: list[str] = []
        self._seen: dict[int, float] = {}
        self.done: Counter[str] = Counter()

    def some(self, *, daemons: bool) -> int:
        """Does one, and returns how many elements were checked on the way.

        Args:
            daemons: Scheduler and worker may be killed, too.
        """
        kinds: list[Callable[[], int | None]] = [self.kill_slot] * 12 + [self.cut] * 2
        kinds += [self.scale, self.kill_client]
        if daemons:
            kinds += [self.kill_scheduler, self.kill_worker]
        kind = self._rng.choice(kinds)
        try:
            checked = kind() or 0
        except _NobodyError:
            kind = self.cut
            checked = kind() or 0
        self.done[kind.__name__.replace("_", " ")] += 1
        return checked

    def kill_slot(self) -> None:
        """One of the slots, but none that has just been started: it may still import what its element needs.

        An element whose slot dies three times is given up, as it should be. On a busy machine a fresh slot imports
        for a second, and its element could be hit again and again.

        Raises:
            _NobodyError: All have just been started.
        """
        grown = self._grown()
        if not grown:
            raise _NobodyError
        try:
            os.kill(self._rng.choice(grown), signal.SIGKILL)
        except ProcessLookupError:
            pass

    def _grown(self) -> list[int]:
        """Slots that were first seen a while ago."""
        now = time.monotonic()
        return [
            pid for pid in self._cluster.slots() if now - self._seen.setdefault(pid, now) > _GROWN_SECONDS
        ]

    def cut(self) -> None:
        """The connection between this program and the scheduler."""
        self._wire.cut()

    def scale(self) -> None:
        """The number of slots."""
        kf.scale(self._rng.choice([1, 2, 3]))

    def kill_scheduler(self) -> None:
        """Another one takes its place."""
        self._cluster.kill_scheduler()
        self._cluster.start_scheduler()

    def kill_worker(self) -> None:
        """Another one takes its place."""
        self._cluster.kill_worker()
        self._cluster.start_worker()

    def kill_client(self) -> int:
        """Another program, in the middle of a named map. What it had handed over is collected."""
        name = f"orphan {self._rng.random()}"
        here = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])}
        program = subprocess.Popen(
            [sys.executable, "-c", _BEGINNER, str(self._cluster.connection), name],
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        try:
            program.wait(self._rng.uniform(0.2, 3.0))
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
        try:
            results = kf.attach(name)
        except kf.KubefutureError:
            return 0  # it was killed before the map, or all of it, was accepted
        assert results == [-i for i in range(500)], "what a dead client left is complete"
        kf.forget(name)
        return 500
