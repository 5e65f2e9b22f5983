"""How many tasks a second pass through a scheduler with 1,000 workers of one slot, over TLS, and what does it need?

Each worker is a process with a socket, a login and TLS of its own, but only speaks the protocol: with an interpreter
for each supervisor and slot, they would need some 40 GB. They answer every task at once, and they share the machine
with the scheduler and the client, so a machine of few cores shows less than the scheduler can do.
"""

from __future__ import annotations

import statistics
import subprocess

from tests.faults.tls import TlsCluster
from tests.faults.waiting import eventually

from . import fake_workers
from .contenders import Contender, cluster
from .measurement import Row
from .throughput import turn

WORKERS = 1000
RATE_BAR, MEMORY_BAR = 8000.0, 300.0
_PATIENCE = 120.0


def rows(quick: bool) -> list[Row]:
    """Measures it."""
    tasks = 5_000 if quick else 20_000
    daemon = TlsCluster(WORKERS)
    try:
        daemon.start_scheduler()
        assert daemon.scheduler is not None
        with fake_workers.running(daemon.connection, WORKERS):
            eventually(lambda: len(daemon.status().workers) == WORKERS, "all workers", _PATIENCE)
            connected = resident_mib(daemon.scheduler.pid)
            client = Contender(cluster, turn, str(daemon.connection), warm_up=tasks)
            try:
                rates = [client.take_turn(tasks) for _ in range(3 if quick else 15)]
            finally:
                client.close()
            needed = resident_mib(daemon.scheduler.pid)
    finally:
        daemon.close()
    what = f"{WORKERS:,} workers over TLS"
    median = f"{statistics.median(rates):,.0f}"
    return [
        Row(f"{what}, tasks a second", median, "", rates, RATE_BAR, at_least=True, unit=" /s"),
        Row(
            f"{what}, the scheduler's memory", f"{needed:.0f} MiB", "", [needed], MEMORY_BAR, unit=" MiB",
            note=f"{connected:.0f} MiB before the first task",
        ),
    ]  # fmt: skip


def resident_mib(pid: int) -> float:
    """What a process has in memory."""
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)])) / 1024
